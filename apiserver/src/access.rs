//! What a request asks for, as permissions see it.

use http::Method;
pub(crate) use inboard::access::{Access, What};

use crate::query::Query;
use crate::route::{ResourcePath, Target};

/// What a request wants.
pub(crate) fn wanted(target: &Target, path: &str, method: &Method, query: &Query) -> Access {
    let plain = || Access { verb: method.as_str().to_lowercase(), what: What::Path(path.to_owned()) };
    let Target::Resource(resource) = target else { return plain() };
    let ResourcePath { group, version, plural, namespace, name, subresource, is_watch } = resource;
    // With a name in the path, a parameter does not make a watch of it.
    let watches = *is_watch || (name.is_none() && query.flag("watch"));
    let verb = match method.as_str() {
        "GET" | "HEAD" if watches => "watch",
        "GET" | "HEAD" if name.is_none() => "list",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if name.is_none() => "deletecollection",
        "DELETE" => "delete",
        _ => return plain(),
    };
    let subresource = subresource.as_deref().unwrap_or_default();
    // A namespace is in itself.
    let own = (plural == "namespaces").then_some(name).and_then(Option::as_ref);
    let namespace = namespace.as_ref().or(own).cloned().unwrap_or_default();
    Access {
        verb: verb.to_owned(),
        what: What::Resource {
            group: group.clone(),
            version: version.clone(),
            plural: plural.clone(),
            subresource: subresource.split('/').next().unwrap_or_default().to_owned(),
            namespace,
            name: name.clone().unwrap_or_default(),
        },
    }
}

/// What one must be allowed besides it: a WebSocket begins with a GET, but whoever may only look must not run commands by
/// it.
pub(crate) fn also_needed(access: &Access) -> Option<Access> {
    match &access.what {
        What::Resource { plural, subresource, .. }
            if plural == "pods" && matches!(&**subresource, "exec" | "attach" | "portforward") =>
        {
            (access.verb == "get").then(|| Access { verb: "create".to_owned(), what: access.what.clone() })
        }
        What::Resource { .. } | What::Path(_) => None,
    }
}
