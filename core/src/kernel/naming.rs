//! In whose name a request is made, how, and about what: what those see who judge it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Request, Warning};
use crate::access::User;
use crate::object::kind::{self, KindId, Kinds};
use crate::store::{Author, DeleteOptions, WriteOptions};

/// The request itself and its author: a client of this process where it names none, and the cluster itself where no client
/// could ask for such a thing.
pub(super) fn author(request: Request) -> (Author, Request) {
    match request {
        Request::By(user, request) => (Author::Client(user), *request),
        request if about(&request).is_some() => (Author::Client(Arc::new(User::admin())), request),
        request => (Author::Inside, request),
    }
}

/// Kind, namespace and name of the object of a request for one.
pub(super) fn about(request: &Request) -> Option<(KindId, &str, &str)> {
    match request {
        Request::Create(draft, _) | Request::Update(draft, ..) => {
            Some((draft.meta.kind, &draft.meta.namespace, &draft.meta.name))
        }
        Request::Patch { kind, namespace, name, .. }
        | Request::Scale { kind, namespace, name, .. }
        | Request::Delete { kind, namespace, name, .. } => Some((*kind, namespace, name)),
        Request::Apply(application, _) => Some((application.kind, &application.namespace, &application.name)),
        Request::Evict { namespace, name, .. } | Request::Bind { namespace, name, .. } => {
            Some((kind::POD, namespace, name))
        }
        Request::By(_, request) => about(request),
        Request::Snapshot
        | Request::AddNode(_)
        | Request::RemoveAgent(_)
        | Request::SetController(..)
        | Request::Measures
        | Request::SetUsage { .. }
        | Request::AddKind(_) => None,
    }
}

/// A warning about the object of a request.
pub(super) fn warning(request: &Request, kinds: &Kinds) -> Option<impl Fn(String) -> Warning + use<>> {
    let (kind, namespace, name) = about(request)?;
    let resource = kinds.info(kind)?.group_resource();
    let object = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    Some(move |text| Warning { resource: resource.clone(), object: object.clone(), text })
}

/// The options of a request, as those see it who judge it.
pub(super) fn options(request: &Request) -> Value {
    let write = |kind: &str, options: &WriteOptions| {
        let mut value = json!({ "kind": kind, "apiVersion": "meta.k8s.io/v1" });
        if let Some(manager) = options.manager.as_ref().filter(|manager| !manager.name.is_empty()) {
            value["fieldManager"] = (&*manager.name).into();
        }
        if options.dry_run {
            value["dryRun"] = json!(["All"]);
        }
        value
    };
    match request {
        Request::Create(_, options) => write("CreateOptions", options),
        Request::Update(_, _, options) | Request::Scale { options, .. } => write("UpdateOptions", options),
        Request::Patch { options, .. } => write("PatchOptions", options),
        Request::Apply(application, options) => {
            let mut value = write("PatchOptions", options);
            value["force"] = application.force.into();
            value
        }
        Request::Delete { options, .. } => deletion(options),
        Request::Evict { .. } | Request::Bind { .. } => {
            json!({ "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" })
        }
        Request::By(_, request) => self::options(request),
        Request::Snapshot
        | Request::AddNode(_)
        | Request::RemoveAgent(_)
        | Request::SetController(..)
        | Request::Measures
        | Request::SetUsage { .. }
        | Request::AddKind(_) => Value::Null,
    }
}

fn deletion(options: &DeleteOptions) -> Value {
    let mut value = options.to_json();
    value["kind"] = "DeleteOptions".into();
    value["apiVersion"] = "meta.k8s.io/v1".into();
    value
}
