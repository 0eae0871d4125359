//! From what a request names to whoever answers it.

use http::{Method, Response, StatusCode};
use inboard::ApiError;
use inboard::cluster::Moment;
use inboard::object::kind::{self, KindInfo, Verbs};
use inboard::store::Part;

use crate::body::Body;
use crate::handle::Admitted;
use crate::identity::User;
use crate::negotiate::Wanted;
use crate::place::{Notes, Place, no_such_resource, not_allowed};
use crate::route::{ResourcePath, Target};
use crate::sent::Sent;
use crate::service::ApiServer;
use crate::write;
use crate::{discovery, health, openapi, read, respond, review, subresource, telemetry, usage, watch};

/// Answers an admitted request.
pub(crate) async fn serve(
    server: &ApiServer,
    admitted: &Admitted,
    target: &Target,
    sent: Sent,
    wanted: Result<Wanted, ApiError>,
) -> Result<Response<Body>, ApiError> {
    let (cluster, Admitted { moment, user, .. }) = (server.cluster(), admitted);
    let kinds = &moment.kinds;
    // Pages that are kept by their paths answer whatever the verb is; those with a form of their own are read.
    let is_read = sent.method == Method::GET;
    let is_described = match target {
        Target::Page(path) => path == "/version",
        Target::CoreVersions | Target::Groups | Target::Group(_) | Target::Version { .. } => true,
        Target::OpenApi(_) | Target::Resource(_) => false,
    };
    if is_described && !is_read {
        return Err(not_allowed());
    }
    let found = match target {
        Target::Page(path) if path == "/metrics" => Some(telemetry::page(server, moment).await?),
        Target::Page(path) => health::page(path, &sent.query, sent.wanted),
        Target::OpenApi(path) => openapi::page(path, kinds, &sent.headers, &sent.query),
        Target::CoreVersions => Some(discovery::core_versions(kinds, &sent.headers, sent.wanted)),
        Target::Groups => Some(discovery::all_groups(kinds, &sent.headers, sent.wanted)),
        Target::Group(group) => discovery::one_group(kinds, group, sent.wanted),
        Target::Version { group, version } => discovery::one_version(kinds, group, version, sent.wanted),
        Target::Resource(path) if path.group == usage::GROUP && path.version == usage::VERSION => {
            Some(usage::serve(cluster, path, &sent.method, &sent).await?)
        }
        Target::Resource(path)
            if !kinds.iter().any(|info| info.group == *path.group && info.version == *path.version) =>
        {
            None
        }
        Target::Resource(path) => {
            let info = path.kind(kinds).ok_or_else(no_such_resource)?;
            wanted?;
            if info.verbs == Verbs::Create && sent.method == Method::POST && path.subresource.is_none() {
                let namespace = path.namespace.as_deref().unwrap_or_default();
                if info.id == kind::BINDING {
                    let (webhooks, notes) = (server.webhooks(), &admitted.notes);
                    let place =
                        Place { cluster, moment, user, info, namespace, name: "", webhooks, is_own: false, notes };
                    return subresource::pod::bind(&place, &sent).await;
                }
                let about = (info, namespace);
                return review::answer(moment, server.credentials(), user, about, &sent);
            }
            let asking = Asking { server, moment, user, notes: &admitted.notes };
            Some(resource(&asking, info, path, sent).await?)
        }
    };
    Ok(found.unwrap_or_else(page_not_found))
}

/// Who asks, and whom.
struct Asking<'a> {
    server: &'a ApiServer,
    moment: &'a Moment,
    user: &'a User,
    notes: &'a Notes,
}

/// A request for objects.
async fn resource(
    asking: &Asking<'_>,
    info: &KindInfo,
    path: &ResourcePath,
    sent: Sent,
) -> Result<Response<Body>, ApiError> {
    let Asking { server, moment, user, notes } = *asking;
    let cluster = server.cluster();
    if path.namespace.is_some() && !info.is_namespaced() {
        return Err(no_such_resource());
    }
    let namespace = path.namespace.as_deref();
    let name = path.name.as_deref().unwrap_or("");
    let webhooks = server.webhooks();
    let in_namespace = namespace.unwrap_or("");
    let place = Place { cluster, moment, user, info, namespace: in_namespace, name, webhooks, is_own: false, notes };
    // Objects of a kind with namespaces are named in one; without it only lists make sense.
    let is_placed = namespace.is_some() || !info.is_namespaced();
    // With a name in the path, a parameter does not make a watch of it.
    let watches = path.is_watch || (path.name.is_none() && sent.query.flag("watch"));
    if let Some(name) = &path.subresource {
        if !is_placed {
            return Err(no_such_resource());
        }
        return subresource::serve(&place, name, &sent).await;
    }
    let of_all = |verb: &str| info.verbs.names().contains(&verb);
    let which = (namespace, path.name.as_deref());
    match (sent.method.as_str(), &path.name) {
        ("GET", _) if watches && of_all("watch") => watch::watch(server, &place, which, &sent.query, sent.wanted).await,
        ("GET", None) if of_all("list") => read::list(&place, which, &sent.query, sent.wanted).await,
        ("GET", Some(_)) if is_placed && of_all("get") => read::get(&place, &sent.query, sent.wanted).await,
        ("POST", None) if is_placed && of_all("create") => match info.verbs {
            Verbs::Create => Err(not_allowed()),
            Verbs::All | Verbs::NoCollectionDelete | Verbs::Read => write::create(&place, &sent).await,
        },
        ("PUT", Some(_)) if is_placed && of_all("update") => write::update(&place, Part::Main, &sent).await,
        ("PATCH", Some(_)) if is_placed && of_all("patch") => write::patch(&place, Part::Main, &sent).await,
        ("DELETE", Some(_)) if is_placed && of_all("delete") => write::delete(&place, &sent).await,
        ("DELETE", None) if is_placed && of_all("deletecollection") => {
            write::delete_collection(&place, namespace, &sent).await
        }
        _ => Err(not_allowed()),
    }
}

/// What the author of a request for objects in a deprecated version of a user's kind is told.
pub(crate) fn deprecation(admitted: &Admitted, target: &Target) -> Option<String> {
    let Target::Resource(path) = target else { return None };
    path.kind(&admitted.moment.kinds)?.defined.as_ref()?.deprecation.clone()
}

/// What is said of a path that names nothing.
pub(crate) fn page_not_found() -> Response<Body> {
    respond::bytes(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n")
}
