//! What is allowed in an object and surely not meant, found when it is written from outside.

use std::fmt;
use std::sync::Arc;

use super::{Kernel, Request};
use crate::object::kind::{KindInfo, TypedObject};
use crate::object::validation;
use crate::store::{Object, Part, Snapshot};

/// What an API server would send in a `Warning` header: the write was done, and its author should know this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The plural of the object's kind and its group: `deployments.apps`.
    pub resource: String,
    /// Its namespace and name: `default/web`.
    pub object: String,
    /// What is the matter, in upstream's words: `spec.template.spec.containers[0].env[1]: hides previous definition of
    /// "A", which may be dropped when using apply`.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.resource, self.object, self.text)
    }
}

/// A write of an object, all but its status, and what it is to replace.
pub(super) struct Written {
    pub(super) before: Option<Arc<Object>>,
}

impl Written {
    /// Nothing when the request is none.
    pub(super) fn of(request: &Request, snapshot: &Snapshot) -> Option<Self> {
        let (kind, namespace, name) = match request {
            Request::Create(..) => return Some(Self { before: None }),
            Request::Update(draft, Part::Main, _) => (draft.meta.kind, &*draft.meta.namespace, &*draft.meta.name),
            Request::Patch { kind, namespace, name, part: Part::Main, .. } => (*kind, &**namespace, &**name),
            Request::Apply(application, _) if application.part == Part::Main => {
                let stored = snapshot.kinds_known().info(application.kind)?.stored_as;
                (stored, &*application.namespace, &*application.name)
            }
            _ => return None,
        };
        let is_namespaced = snapshot.kinds_known().info(kind).is_some_and(KindInfo::is_namespaced);
        let namespace = if is_namespaced && namespace.is_empty() { "default" } else { namespace };
        Some(Self { before: snapshot.find(kind, namespace, name).cloned() })
    }
}

impl Kernel {
    /// What was found about an object on its way in, as warnings.
    pub(super) fn noted(&self, written: &Object, texts: Vec<String>) -> Vec<Warning> {
        let Some(info) = self.store.kinds().info(written.meta.kind) else { return Vec::new() };
        let named = |text| Warning { resource: info.group_resource(), object: written.meta.path(), text };
        texts.into_iter().map(named).collect()
    }

    /// The warnings about an object that was just written in the place of `before`.
    pub(super) fn warnings(&self, written: &Object, before: Option<&Object>) -> Vec<Warning> {
        let kinds = self.store.kinds();
        let Some(info) = kinds.info(written.meta.kind) else { return Vec::new() };
        let Some(object) = written.to_typed(kinds) else { return Vec::new() };
        let before: Option<Arc<dyn TypedObject>> = before.and_then(|before| before.to_typed(kinds));
        let texts = validation::warnings(&*object, before.as_deref());
        let named = |text| Warning { resource: info.group_resource(), object: written.meta.path(), text };
        texts.into_iter().map(named).collect()
    }
}
