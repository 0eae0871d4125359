//! CustomResourceDefinitions in the store: what they define is known from the same commit on.
//!
//! 1. **Kinds.** A change of an established definition changes the kinds with it; when it goes, they go.
//! 2. **Names** are given in the commit that asks for them, as a second write of the definition: upstream's controllers for
//!    that live in its API server, too, and are always on. A name that becomes free may be what another definition of the
//!    group waits for, so all of the group are looked at, until nothing changes.
//! 3. **Deletion** marks a definition with a finalizer and a condition; its controller deletes the objects.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::change::Change;
use super::commit::Store;
use super::object::{Body, Object};
use crate::object::definition::{self, CLEANUP_FINALIZER, TERMINATING, names};
use crate::object::kind::{self, Kinds};
use crate::time::Time;

impl Store {
    /// Takes over what a change of a definition means for the kinds.
    pub(super) fn heed_definition(&mut self, change: &Change) {
        let Some(definition) = change.object.typed::<CustomResourceDefinition>() else { return };
        self.unnamed.insert(definition.spec.group.clone());
        match change.after() {
            Some(object) => define(&mut self.live.kinds, object),
            None => self.live.kinds.undefine(&change.object.meta.name),
        }
    }

    /// Gives out names in the groups in which something has changed. Whoever may have written a definition calls it last.
    pub(super) fn give_names(&mut self, now: Time) {
        while let Some(group) = self.unnamed.pop_first() {
            let of_group = |object: &&Arc<Object>| {
                object.typed::<CustomResourceDefinition>().is_some_and(|definition| definition.spec.group == group)
            };
            let all: Vec<Arc<Object>> =
                self.live.list(kind::CUSTOM_RESOURCE_DEFINITION).filter(of_group).cloned().collect();
            for object in &all {
                let others = all.iter().filter(|other| other.meta.uid != object.meta.uid);
                // What this loop has written is what counts.
                let others: Vec<Arc<Object>> =
                    others.filter_map(|other| self.live.get(other.meta.uid)).map(Arc::clone).collect();
                let taken = names::Taken::by(others.iter().filter_map(|other| other.typed()));
                let Some(current) = self.live.get(object.meta.uid).cloned() else { continue };
                let Some(own) = current.typed::<CustomResourceDefinition>() else { continue };
                if let Some(status) = names::decide(own, &taken, now) {
                    let next = CustomResourceDefinition { status: Some(status), ..own.clone() };
                    let meta = current.meta.clone();
                    self.put(current, meta, Body::Typed(Arc::new(next)));
                }
            }
        }
    }
}

/// Makes the kinds of a definition known, if they are not known as it says.
pub(super) fn define(kinds: &mut Kinds, object: &Object) {
    let Some(definition) = object.typed::<CustomResourceDefinition>() else { return };
    let mut definition = definition.clone();
    definition.metadata = object.meta.to_api();
    if kinds.is_defined_by(&definition) {
        return;
    }
    let versions = definition::kinds(&definition);
    if !versions.is_empty() {
        // Without a number left the kind stays unknown, as if nobody had established it.
        let _ = kinds.define(&object.meta.name, versions);
    }
}

/// A definition that is to be deleted: its objects go first.
pub(super) fn terminating(
    definition: &CustomResourceDefinition,
    finalizers: &mut Arc<[String]>,
    now: Time,
) -> CustomResourceDefinition {
    let mut next = definition.clone();
    if !finalizers.iter().any(|finalizer| finalizer == CLEANUP_FINALIZER) {
        *finalizers = finalizers.iter().cloned().chain([CLEANUP_FINALIZER.to_owned()]).collect();
    }
    let conditions = next.status.get_or_insert_default().conditions.get_or_insert_default();
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    definition::set_condition(conditions, TERMINATING, ("True", "InstanceDeletionPending", message), now);
    next
}
