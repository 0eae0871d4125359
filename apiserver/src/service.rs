//! The service: takes a request, finds out what it asks for, and has it done.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::upgrade::OnUpgrade;
use inboard::cluster::{Cluster, Moment};
use inboard::k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use inboard::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use inboard::kernel::Request as Kernel;
use inboard::object::kind::{KindInfo, Verbs};
use inboard::store::{Draft, WriteOptions};
use inboard::{ApiError, Reason};

use crate::access::Access;
use crate::authenticate::{self, Credentials};
use crate::body::Body;
use crate::identity::User;
use crate::negotiate::Wanted;
use crate::protobuf;
use crate::query::Query;
use crate::route::{self, ResourcePath, Target};
use crate::stream::Connection;
use crate::tokens::Tokens;
use crate::watch::Lines;
use crate::write::{self, Place, Sent, no_such_resource, not_allowed};
use crate::{discovery, health, openapi, rbac, read, respond, review, subresource, telemetry, usage, watch};

/// The most that a request may bring, in bytes.
const BODY_MAX: usize = 3 * 1024 * 1024;

/// The Kubernetes API of a cluster, as a service of HTTP requests. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer {
    inner: Arc<Inner>,
    /// Says when the server stops that this is part of.
    stop: Option<tokio::sync::watch::Receiver<bool>>,
}

struct Inner {
    cluster: Cluster,
    credentials: Credentials,
    lines: Arc<Lines>,
}

/// Sets up an [`ApiServer`].
#[derive(Debug)]
pub struct ApiServerBuilder {
    cluster: Cluster,
    credentials: Credentials,
}

impl ApiServerBuilder {
    /// Believes the tokens of service accounts: the same [`Tokens`] that the cluster has for its authority.
    #[must_use]
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.credentials.tokens = Some(tokens);
        self
    }

    /// Takes whoever brings this token for this user.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>, user: User) -> Self {
        self.credentials.users.insert(token.into(), user);
        self
    }

    /// Takes whoever brings no credentials for nobody (`system:anonymous`), who may do next to nothing. Without this it is
    /// the admin: right for a caller in the same process.
    #[must_use]
    pub const fn closed(mut self) -> Self {
        self.credentials.are_needed = true;
        self
    }

    /// The service.
    pub fn build(self) -> ApiServer {
        let Self { cluster, credentials } = self;
        ApiServer { inner: Arc::new(Inner { cluster, credentials, lines: Arc::default() }), stop: None }
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

impl ApiServer {
    /// The API of this cluster, for callers in the same process: all of them are the admin, unless they say otherwise
    /// (`Impersonate-User`).
    pub fn new(cluster: &Cluster) -> Self {
        Self::builder(cluster).build()
    }

    /// The same; connections that have left HTTP end when this becomes true.
    pub(crate) fn until(self, stop: tokio::sync::watch::Receiver<bool>) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Sets up the API of this cluster.
    pub fn builder(cluster: &Cluster) -> ApiServerBuilder {
        ApiServerBuilder { cluster: cluster.clone(), credentials: Credentials::default() }
    }

    /// Makes what an API server makes in every cluster, as far as it is not there: the roles and bindings that are there
    /// from the start (`cluster-admin`, `admin`, `edit`, `view`, `system:discovery` and their like), and the Service
    /// `kubernetes`. Without the roles nobody but the admin may do anything, not even look what there is.
    ///
    /// # Errors
    /// When the cluster has been shut down, or does not take them.
    pub async fn create_defaults(&self) -> Result<(), ApiError> {
        let roles = rbac::defaults::roles().into_iter().map(Draft::of);
        let bindings = rbac::defaults::bindings().into_iter().map(Draft::of);
        for draft in roles.chain(bindings).chain([Draft::of(own_service())]) {
            let request = Kernel::Create(draft, WriteOptions::default());
            match self.inner.cluster.request(request).await?.result {
                Err(error) if error.reason() != Reason::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The Service by which pods find the API.
fn own_service() -> Service {
    let labels = [("component", "apiserver"), ("provider", "kubernetes")];
    Service {
        metadata: ObjectMeta {
            name: Some("kubernetes".to_owned()),
            namespace: Some("default".to_owned()),
            labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("10.96.0.1".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some("https".to_owned()),
                port: 443,
                target_port: Some(IntOrString::Int(6443)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

impl<B> tower_service::Service<Request<B>> for ApiServer
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { Ok(server.answer(request).await) })
    }
}

impl ApiServer {
    async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let connection = Connection { upgrade: parts.extensions.remove::<OnUpgrade>(), stop: self.stop.clone() };
        let query = Query::read(parts.uri.query());
        let wanted = Wanted::read(&parts.headers, &query);
        let target = route::read(parts.uri.path());
        // A refusal is told in JSON when the client wants nothing that there is.
        let form = *wanted.as_ref().unwrap_or(&Wanted::PLAIN);
        let done = match target {
            None => Ok(page_not_found()),
            Some(target) => match collect(body).await {
                Err(error) => Err(error),
                Ok(body) => match in_json(parts.headers, body) {
                    Err(error) => Err(error),
                    Ok((headers, body)) => {
                        let (method, uri) = (parts.method, parts.uri.clone());
                        let sent = Sent { method, uri, headers, query, body, wanted: form, connection };
                        self.serve((&target, parts.uri.path()), sent, wanted).await
                    }
                },
            },
        };
        done.unwrap_or_else(|error| respond::error(&error, form))
    }

    async fn serve(
        &self,
        (target, path): (&Target, &str),
        sent: Sent,
        wanted: Result<Wanted, ApiError>,
    ) -> Result<Response<Body>, ApiError> {
        let cluster = &self.inner.cluster;
        let moment = cluster.moment().await?;
        let user = self.inner.credentials.user(&sent.headers, &moment)?;
        let user = authenticate::impersonated(user, &sent.headers, &moment)?;
        let access = Access::of(target, path, &sent.method, &sent.query);
        for access in std::iter::once(&access).chain(access.also_needed().as_ref()) {
            if !rbac::is_allowed(&moment.snapshot, &user, access) {
                return Err(access.forbidden(&user));
            }
        }
        if let Target::Page(path) = target {
            if path == "/metrics" {
                return telemetry::page(cluster, &moment).await;
            }
            return Ok(health::page(path, sent.wanted).unwrap_or_else(page_not_found));
        }
        if let Target::OpenApi(path) = target {
            let page = openapi::page(path, &moment.kinds, &sent.headers, &sent.query);
            return Ok(page.unwrap_or_else(page_not_found));
        }
        let found = match target {
            Target::CoreVersions => Some(discovery::core_versions(&moment.kinds, &sent.headers, sent.wanted)),
            Target::Groups => Some(discovery::all_groups(&moment.kinds, &sent.headers, sent.wanted)),
            Target::Group(group) => discovery::one_group(&moment.kinds, group, sent.wanted),
            Target::Version { group, version } => discovery::one_version(&moment.kinds, group, version, sent.wanted),
            Target::Page(_) | Target::OpenApi(_) => None,
            Target::Resource(path) if path.group == usage::GROUP && path.version == usage::VERSION => {
                Some(usage::serve(cluster, path, &sent.method, &sent).await?)
            }
            Target::Resource(path) => {
                if !moment.kinds.iter().any(|info| info.group == *path.group && info.version == *path.version) {
                    None
                } else {
                    let info = path.kind(&moment.kinds).ok_or_else(no_such_resource)?;
                    wanted?;
                    if info.verbs == Verbs::Create && sent.method == Method::POST && path.subresource.is_none() {
                        let namespace = path.namespace.as_deref().unwrap_or_default();
                        let about = (info, namespace);
                        return review::answer(&moment, &self.inner.credentials, &user, about, &sent);
                    }
                    let asking = Asking { cluster, moment: &moment, user: &user, lines: &self.inner.lines };
                    Some(resource(&asking, info, path, sent).await?)
                }
            }
        };
        Ok(found.unwrap_or_else(page_not_found))
    }
}

/// Who asks, and whom.
struct Asking<'a> {
    cluster: &'a Cluster,
    moment: &'a Moment,
    user: &'a User,
    lines: &'a Arc<Lines>,
}

/// A request for objects.
async fn resource(
    asking: &Asking<'_>,
    info: &KindInfo,
    path: &ResourcePath,
    sent: Sent,
) -> Result<Response<Body>, ApiError> {
    let Asking { cluster, moment, user, lines } = *asking;
    if path.namespace.is_some() && !info.is_namespaced() {
        return Err(no_such_resource());
    }
    let namespace = path.namespace.as_deref();
    let name = path.name.as_deref().unwrap_or("");
    let place = Place { cluster, moment, user, info, namespace: namespace.unwrap_or(""), name };
    // Objects of a kind with namespaces are named in one; without it only lists make sense.
    let is_placed = namespace.is_some() || !info.is_namespaced();
    let watches = path.is_watch || sent.query.flag("watch");
    if let Some(name) = &path.subresource {
        if !is_placed {
            return Err(no_such_resource());
        }
        return subresource::serve(&place, name, &sent).await;
    }
    let of_all = |verb: &str| info.verbs.names().contains(&verb);
    let which = (namespace, path.name.as_deref());
    match (sent.method.as_str(), &path.name) {
        ("GET", _) if watches && of_all("watch") => {
            watch::watch((cluster, lines), moment, info, which, &sent.query, sent.wanted)
        }
        ("GET", None) if of_all("list") => read::list(cluster, moment, info, which, &sent.query, sent.wanted),
        ("GET", Some(name)) if is_placed && of_all("get") => {
            read::get(moment, info, (place.namespace, name), &sent.query, sent.wanted)
        }
        ("POST", None) if is_placed && of_all("create") => match info.verbs {
            Verbs::Create => Err(not_allowed()),
            Verbs::All | Verbs::NoCollectionDelete | Verbs::Read => write::create(&place, &sent).await,
        },
        ("PUT", Some(_)) if is_placed && of_all("update") => {
            write::update(&place, inboard::store::Part::Main, &sent).await
        }
        ("PATCH", Some(_)) if is_placed && of_all("patch") => {
            write::patch(&place, inboard::store::Part::Main, &sent).await
        }
        ("DELETE", Some(_)) if is_placed && of_all("delete") => write::delete(&place, &sent).await,
        ("DELETE", None) if of_all("deletecollection") => write::delete_collection(&place, namespace, &sent).await,
        _ => Err(not_allowed()),
    }
}

async fn collect<B>(body: B) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, BODY_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_MAX}")))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body of the request broke off: {error}"))),
    }
}

/// A body in protobuf as JSON, which is what everybody behind here reads.
fn in_json(mut headers: HeaderMap, body: Bytes) -> Result<(HeaderMap, Bytes), ApiError> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.split(';').next().unwrap_or_default().trim() != protobuf::MEDIA_TYPE || body.is_empty() {
        return Ok((headers, body));
    }
    let value = protobuf::decode(&body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((headers, value.to_string().into()))
}

fn page_not_found() -> Response<Body> {
    respond::bytes(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n")
}
