//! From a request to a connection that speaks another protocol: WebSocket or SPDY/3.1, and in it one of a few versions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use inboard::{ApiError, Reason};
use tokio::sync::watch;

use crate::body::Body;
use crate::serve::HasLeft;
use crate::websocket::{accept_key, offered_protocols};

const SPDY: &str = "SPDY/3.1";
const STREAM_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What a request knows of the connection it came on.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    /// There when the connection can be taken over.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Says when the server stops.
    pub(crate) stop: Option<watch::Receiver<bool>>,
    /// Tells the connection that it has left HTTP.
    pub(crate) has_left: HasLeft,
}

/// The protocols that a resource speaks, those of each way of carrying them by their name.
pub(crate) struct Protocols<P: 'static> {
    pub(crate) websocket: &'static [(&'static str, P)],
    /// What a client means that names none.
    pub(crate) websocket_default: Option<P>,
    pub(crate) spdy: &'static [(&'static str, P)],
    pub(crate) spdy_default: Option<P>,
}

/// How frames are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    WebSocket,
    Spdy,
}

/// What client and server agree on.
pub(crate) struct Upgrade<P> {
    pub(crate) carrier: Carrier,
    pub(crate) protocol: P,
    /// The response that says so.
    pub(crate) response: Response<Body>,
    connection: Connection,
}

/// Whether a request wants to leave HTTP.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    has_token(headers, &CONNECTION, "upgrade") && headers.contains_key(UPGRADE)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|found| found.trim().eq_ignore_ascii_case(token))
}

impl<P: Copy> Protocols<P> {
    /// Finds a protocol that both sides speak, the first that the client names.
    pub(crate) fn agree(
        &self,
        method: &Method,
        headers: &HeaderMap,
        connection: &Connection,
    ) -> Result<Upgrade<P>, ApiError> {
        if !is_wanted(headers) {
            return Err(ApiError::bad_request("Upgrade request required"));
        }
        if connection.upgrade.is_none() {
            return Err(ApiError::bad_request("unable to upgrade: this connection cannot leave HTTP"));
        }
        let (carrier, protocol, response) = if has_token(headers, &UPGRADE, "websocket") {
            let (protocol, response) = self.websocket(method, headers)?;
            (Carrier::WebSocket, protocol, response)
        } else if has_token(headers, &UPGRADE, SPDY) {
            let (protocol, response) = self.spdy(headers)?;
            (Carrier::Spdy, protocol, response)
        } else {
            return Err(ApiError::bad_request(
                "unable to upgrade: missing upgrade headers in request: there are websocket and SPDY/3.1",
            ));
        };
        Ok(Upgrade { carrier, protocol, response, connection: connection.clone() })
    }

    fn websocket(&self, method: &Method, headers: &HeaderMap) -> Result<(P, Response<Body>), ApiError> {
        if method != Method::GET && method != Method::POST {
            return Err(ApiError::bad_request("a WebSocket begins with a GET"));
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(ApiError::bad_request("missing or bad WebSocket Version: there is 13"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
            return Err(ApiError::bad_request("missing or bad Sec-WebSocket-Key"));
        }
        let offered = offered_protocols(headers);
        let (name, protocol) = choose(&offered, self.websocket, self.websocket_default)?;
        let mut response = switching("websocket");
        let accept = HeaderValue::try_from(accept_key(key));
        response.headers_mut().extend(accept.ok().map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        let name = name.map(|name| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name)));
        response.headers_mut().extend(name);
        Ok((protocol, response))
    }

    fn spdy(&self, headers: &HeaderMap) -> Result<(P, Response<Body>), ApiError> {
        let lines = headers.get_all(STREAM_VERSION).iter().filter_map(|value| value.to_str().ok());
        let offered: Vec<&str> =
            lines.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect();
        let (name, protocol) = choose(&offered, self.spdy, self.spdy_default)?;
        let mut response = switching(SPDY);
        response.headers_mut().extend(name.map(|name| (STREAM_VERSION, HeaderValue::from_static(name))));
        Ok((protocol, response))
    }
}

type Chosen<P> = (Option<&'static str>, P);

fn choose<P: Copy>(offered: &[&str], known: &[(&'static str, P)], default: Option<P>) -> Result<Chosen<P>, ApiError> {
    let mut common = offered.iter().filter_map(|name| known.iter().find(|(known, _)| known == name));
    if let Some((name, protocol)) = common.next() {
        return Ok((Some(name), *protocol));
    }
    default.filter(|_| offered.is_empty()).map(|protocol| (None, protocol)).ok_or_else(|| {
        let accepted: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let (offered, accepted) = (offered.join(" "), accepted.join(" "));
        ApiError::new(
            Reason::Forbidden,
            format!("unable to upgrade: unable to negotiate protocol: client supports [{offered}], server accepts [{accepted}]"),
        )
    })
}

fn switching(to: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(to));
    response
}

impl<P> Upgrade<P> {
    /// Answers the request, and has the connection served once it is free; until then, or when the server stops, `work`
    /// is dropped.
    pub(crate) fn serve<F>(self, work: impl FnOnce(Upgraded) -> F + Send + 'static) -> Response<Body>
    where
        F: Future<Output = ()> + Send,
    {
        let Self { response, connection, .. } = self;
        connection.has_left.set();
        tokio::spawn(async move {
            let Some(upgrade) = connection.upgrade else { return };
            let serve = async {
                match upgrade.await {
                    Ok(upgraded) => work(upgraded).await,
                    Err(error) => tracing::debug!(%error, "a connection broke off while it left HTTP"),
                }
            };
            let stopped = async {
                match connection.stop {
                    Some(mut stop) => {
                        let _ = stop.wait_for(|stop| *stop).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = serve => {}
                () = stopped => {}
            }
        });
        response
    }
}
