//! Calling webhooks: in this process where the embedding program answers them, by HTTPS elsewhere.
//!
//! A webhook is named by a service (`shop/checks`, port 443 unless it says otherwise) or by a URL. What is registered under
//! that name ([`ApiServerBuilder::webhook`](crate::ApiServerBuilder::webhook)) answers without a socket, so that an
//! operator's webhooks can be tested beside it, in virtual time too. Any other service is reached at one of its endpoints,
//! and a URL where it says, both with the authority that the configuration names (`caBundle`).

#[cfg(feature = "tls")]
mod remote;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use inboard::store::Snapshot;
use serde_json::Value;
use tower_service::Service;

/// The most that a webhook may answer, in bytes.
const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// The port of a service that says none.
const PORT: i32 = 443;

/// What a call leads to: a code and a body, or why it leads to nothing.
type Answered = Result<(StatusCode, Bytes), String>;

/// Somebody in this process who answers.
type Local = Arc<dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Answered> + Send + Sync>;

/// Who answers webhooks in this process, by the service or host that configurations name.
#[derive(Clone, Default)]
pub(crate) struct Webhooks {
    here: BTreeMap<String, Local>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.here.keys()).finish()
    }
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind a service.
    Service { namespace: String, name: String, port: i32, path: String },
    /// At a URL.
    Url(String),
}

/// A webhook, and by which authority it is known.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) authority: Vec<u8>,
}

impl Place {
    pub(crate) fn service(namespace: &str, name: &str, port: Option<i32>, path: Option<&str>) -> Self {
        Self::Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port: port.unwrap_or(PORT),
            path: path.unwrap_or("/").to_owned(),
        }
    }

    /// As errors name it.
    fn url(&self, timeout: Duration) -> String {
        let seconds = timeout.as_secs();
        match self {
            Self::Service { namespace, name, port, path } => {
                format!("https://{name}.{namespace}.svc:{port}{path}?timeout={seconds}s")
            }
            Self::Url(url) => format!("{url}?timeout={seconds}s"),
        }
    }

    /// The names under which it may be registered.
    fn names(&self) -> Vec<String> {
        match self {
            Self::Service { namespace, name, port, .. } => {
                vec![format!("{namespace}/{name}:{port}"), format!("{namespace}/{name}")]
            }
            Self::Url(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let host = rest.split('/').next().unwrap_or_default();
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
                vec![host.to_owned(), name.to_owned()]
            }
        }
    }
}

impl Webhooks {
    /// Whether none is answered in this process.
    pub(crate) fn are_elsewhere(&self) -> bool {
        self.here.is_empty()
    }

    pub(crate) fn register<S, B>(&mut self, name: String, service: S)
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: fmt::Display,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let answer = move |request: Request<Full<Bytes>>| -> BoxFuture<'static, Answered> {
            let mut service = service.clone();
            Box::pin(async move {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(|error| error.to_string())?;
                let response = service.call(request).await.map_err(|error| error.to_string())?;
                let code = response.status();
                let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
                Ok((code, body.to_bytes()))
            })
        };
        self.here.insert(name, Arc::new(answer));
    }

    /// Asks a webhook, and reads its answer.
    ///
    /// # Errors
    /// Why there is none, in upstream's words.
    pub(crate) async fn ask(
        &self,
        snapshot: &Snapshot,
        target: &Target,
        question: &Value,
        timeout: Duration,
    ) -> Result<Value, String> {
        let url = target.place.url(timeout);
        let request = Request::builder()
            .method(Method::POST)
            .uri(&url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, */*")
            .body(Full::new(Bytes::from(question.to_string())))
            .map_err(|error| error.to_string())?;
        let here = target.place.names().iter().find_map(|name| self.here.get(name).cloned());
        let call: BoxFuture<'_, Answered> = match here {
            Some(here) => here(request),
            None => Box::pin(call(snapshot, target, request)),
        };
        let (code, body) = match tokio::time::timeout(timeout, call).await {
            Err(_) => return Err(format!("Post \"{url}\": context deadline exceeded")),
            Ok(Err(why)) => return Err(format!("Post \"{url}\": {why}")),
            Ok(Ok(answered)) => answered,
        };
        if !code.is_success() {
            return Err(refused(code, &body));
        }
        serde_json::from_slice(&body).map_err(|error| format!("the answer is no JSON: {error}"))
    }
}

/// What is told of an answer that is none, as clients of Kubernetes tell it.
fn refused(code: StatusCode, body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    match code.as_u16() {
        404 => "the server could not find the requested resource".to_owned(),
        500.. => format!("an error on the server (\"{}\") has prevented the request from succeeding", text.trim()),
        code => format!("the server responded with the status code {code} but did not return more information"),
    }
}

#[cfg(feature = "tls")]
async fn call(snapshot: &Snapshot, target: &Target, request: Request<Full<Bytes>>) -> Answered {
    remote::call(snapshot, target, request).await
}

#[cfg(not(feature = "tls"))]
async fn call(_: &Snapshot, _: &Target, _: Request<Full<Bytes>>) -> Answered {
    Err("nobody answers it in this process, and this program has no TLS".to_owned())
}

/// The whole of an answer.
#[cfg(feature = "tls")]
async fn collected(response: Response<hyper::body::Incoming>) -> Answered {
    let code = response.status();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    Ok((code, body.map_err(|error| error.to_string())?.to_bytes()))
}
