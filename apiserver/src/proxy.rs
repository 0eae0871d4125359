//! `pods/proxy` and `services/proxy`: a request of HTTP, passed on to a port of a pod through the runtime of its node.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, LOCATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use inboard::k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Pod, Service};
use inboard::runtime::PortForward;
use inboard::{Api, ApiError, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::body::Body;
use crate::place::Place;
use crate::sent::Sent;

/// How much is on its way in each direction.
const BUFFER: usize = 64 * 1024;
/// What concerns one connection only.
const OWN_HEADERS: [HeaderName; 8] = [
    CONNECTION,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A port of a pod.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    pod: String,
    port: u16,
}

/// `SCHEME:NAME:PORT`, of which only the name must be there.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'n> {
    scheme: &'n str,
    name: &'n str,
    port: &'n str,
}

impl<'n> Asked<'n> {
    fn read(text: &'n str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match *parts.as_slice() {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        (!name.is_empty() && matches!(scheme, "" | "http" | "https")).then_some(Self { scheme, name, port })
    }
}

/// Passes a request on.
pub(crate) async fn serve(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let plural = &place.info.plural;
    let single = &place.info.singular;
    let asked = Asked::read(place.name)
        .ok_or_else(|| ApiError::bad_request(format!("invalid {single} request \"{}\"", place.name)))?;
    if asked.scheme == "https" {
        return Err(unsupported("https cannot be spoken to a port of a pod: there is http"));
    }
    if crate::stream::is_wanted(&sent.headers) {
        return Err(unsupported("a connection through a proxy cannot leave HTTP: forward a port instead"));
    }
    let location = match &**plural {
        "pods" => pod_location(place, &asked).await?,
        "services" => service_location(place, &asked).await?,
        _ => return Err(unsupported("the agents of the nodes serve no HTTP")),
    };
    let Some(path) = rest(sent.uri.path(), if place.namespace.is_empty() { 5 } else { 7 }) else {
        // Relative links on the page that is meant need the slash.
        let query = sent.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut response = Response::new(Body::whole(""));
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        let location = HeaderValue::try_from(format!("{}/{query}", sent.uri.path()));
        response.headers_mut().extend(location.ok().map(|location| (LOCATION, location)));
        return Ok(response);
    };
    let pods: Api<Pod> = Api::namespaced(place.cluster, place.namespace);
    let forward = pods.port_forward(&location.pod, location.port).await.map_err(|error| match error.reason() {
        Reason::InternalError => unreachable(&location, &error),
        _ => error,
    })?;
    pass_on(connect(forward), path, &location, sent).await
}

fn unsupported(message: &str) -> ApiError {
    ApiError::new(Reason::MethodNotAllowed, message)
}

fn unreachable(location: &Location, error: &dyn std::fmt::Display) -> ApiError {
    let Location { pod, port } = location;
    ApiError::new(Reason::ServiceUnavailable, format!("error trying to reach port {port} of pod \"{pod}\": {error}"))
}

async fn pod_location(place: &Place<'_>, asked: &Asked<'_>) -> Result<Location, ApiError> {
    let pods: Api<Pod> = Api::namespaced(place.cluster, place.namespace);
    let pod = pods.get(asked.name).await?;
    let port = match asked.port {
        "" => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let port = containers.flat_map(|container| container.ports.iter().flatten()).next();
            port.map_or(Some(80), |port| u16::try_from(port.container_port).ok())
        }
        text => text.parse().ok(),
    };
    let port = port.filter(|port| *port > 0);
    let port = port.ok_or_else(|| ApiError::bad_request(format!("invalid pod request \"{}\"", place.name)))?;
    Ok(Location { pod: asked.name.to_owned(), port })
}

async fn service_location(place: &Place<'_>, asked: &Asked<'_>) -> Result<Location, ApiError> {
    let unavailable = |message: String| ApiError::new(Reason::ServiceUnavailable, message);
    let name = asked.name;
    let services: Api<Service> = Api::namespaced(place.cluster, place.namespace);
    let service = services.get(name).await?;
    // The ports of endpoints have the names of the service's ports.
    let port = match asked.port.parse::<i32>() {
        Ok(number) => {
            let mut ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            let port = ports.find(|port| port.port == number);
            let port =
                port.ok_or_else(|| unavailable(format!("no service port {number} found for service \"{name}\"")))?;
            port.name.clone().unwrap_or_default()
        }
        Err(_) => asked.port.to_owned(),
    };
    let none = |id: &str| unavailable(format!("no endpoints available for service \"{id}\""));
    let endpoints: Api<Endpoints> = Api::namespaced(place.cluster, place.namespace);
    let endpoints = endpoints.get(name).await.map_err(|error| if error.is_not_found() { none(name) } else { error })?;
    let subsets = endpoints.subsets.unwrap_or_default();
    subsets.iter().find_map(|subset| subset_location(subset, &port)).ok_or_else(|| none(place.name))
}

fn subset_location(subset: &EndpointSubset, name: &str) -> Option<Location> {
    let port = subset.ports.iter().flatten().find(|port| port.name.as_deref().unwrap_or_default() == name)?;
    let targets = subset.addresses.iter().flatten().filter_map(|address| address.target_ref.as_ref());
    let pod = targets.filter(|target| target.kind.as_deref() == Some("Pod")).find_map(|target| target.name.clone())?;
    Some(Location { pod, port: u16::try_from(port.port).ok()? })
}

/// What follows so many parts of a path, from the slash on; `None` when not even that follows.
fn rest(path: &str, parts: usize) -> Option<&str> {
    let mut rest = path;
    for _ in 0..parts {
        rest = rest.trim_start_matches('/');
        rest = rest.get(rest.find('/')?..)?;
    }
    Some(rest)
}

/// A forwarded port as a connection.
fn connect(forward: PortForward) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    let PortForward { write: mut to_port, read: mut from_port } = forward;
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(far);
        let forth = async {
            let mut room = bytes::BytesMut::new();
            loop {
                room.reserve(16 * 1024);
                match read.read_buf(&mut room).await {
                    Ok(1..) if to_port.send(room.split().freeze()).await.is_ok() => {}
                    // Whoever asked has gone, or got its answer.
                    _ => return,
                }
            }
        };
        let back = async {
            while let Some(Ok(bytes)) = from_port.next().await {
                if write.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            let _ = write.shutdown().await;
            std::future::pending().await
        };
        tokio::select! {
            () = forth => {}
            () = back => {}
        }
    });
    near
}

async fn pass_on(
    connection: DuplexStream,
    path: &str,
    location: &Location,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let failed = |error: hyper::Error| unreachable(location, &error);
    let target = match sent.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut request = Request::new(Full::new(sent.body.clone()));
    *request.method_mut() = sent.method.clone();
    *request.uri_mut() = target.parse().map_err(|_| ApiError::bad_request(format!("invalid path {target}")))?;
    *request.headers_mut() = without_own(&sent.headers);
    // Said anew: the body may have come in pieces. And who asks is nobody's business there.
    for name in [CONTENT_LENGTH, AUTHORIZATION] {
        request.headers_mut().remove(name);
    }
    let host = HeaderValue::try_from(format!("{}:{}", location.pod, location.port));
    request.headers_mut().extend(host.ok().map(|host| (HOST, host)));
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to a port of a pod broke off");
        }
    });
    let (parts, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    // The body comes as it likes; when it breaks off, so does ours.
    let pieces =
        body.into_data_stream().scan((), |(), piece: Result<Bytes, hyper::Error>| std::future::ready(piece.ok()));
    let mut response = Response::new(Body::stream(pieces));
    *response.status_mut() = parts.status;
    *response.headers_mut() = without_own(&parts.headers);
    Ok(response)
}

fn without_own(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in OWN_HEADERS {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_a_scheme_and_a_port() {
        let told = |text| Asked::read(text).map(|asked| [asked.scheme, asked.name, asked.port].join("|"));
        for (text, expected) in [
            ("web", Some("|web|")),
            ("web:80", Some("|web|80")),
            ("web:http", Some("|web|http")),
            ("http:web:80", Some("http|web|80")),
            ("https:web:", Some("https|web|")),
            ("ftp:web:21", None),
            ("a:b:c:d", None),
            (":80", None),
        ] {
            assert_eq!(told(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_rest_of_a_path_is_passed_on_as_it_stands() {
        for (path, expected) in [
            ("/api/v1/namespaces/a/pods/web:80/proxy", None),
            ("/api/v1/namespaces/a/pods/web:80/proxy/", Some("/")),
            ("/api/v1/namespaces/a/pods/web:80/proxy/b%2Fc//d/", Some("/b%2Fc//d/")),
        ] {
            assert_eq!(rest(path, 7), expected, "{path}");
        }
    }
}
