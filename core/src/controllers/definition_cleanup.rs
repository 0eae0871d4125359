//! The cleanup of definitions (`k8s.io/apiextensions-apiserver/pkg/controller/finalizer`).
//!
//! **The rule**: the objects of a CustomResourceDefinition go before it does.
//!
//! The stages of a decision about a definition whose deletion was asked for and which the finalizer
//! `customresourcecleanup.apiextensions.k8s.io` holds:
//! 1. its condition says that the deletion of its objects has begun;
//! 2. they are deleted; those that their own finalizers hold are waited for;
//! 3. none is left: the condition says so, and the finalizer is taken away, with which the definition goes.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::control::plan::{CREATES_AND_DELETES_MAX, MetaEdit};
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::definition::{CLEANUP_FINALIZER, TERMINATING, is_established, set_condition};
use crate::object::kind;
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Deletes the objects of definitions that are going.
#[derive(Debug)]
pub struct DefinitionCleanupController;

/// A definition that is going, and the objects of its kind.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    definition: &'w CustomResourceDefinition,
    instances: Vec<&'w Arc<Object>>,
}

impl Controller for DefinitionCleanupController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "custom-resource-definition-cleanup-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::CUSTOM_RESOURCE_DEFINITION), Watched::every_kind(definition_of_what_has_gone)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let definition = object.typed()?;
        let is_held = object.meta.finalizers.iter().any(|finalizer| finalizer == CLEANUP_FINALIZER);
        if !object.meta.is_deleting() || !is_held {
            return None;
        }
        let stored = snapshot.kinds_known().of_definition(&object.meta.name).map(|info| info.stored_as);
        let instances = stored.into_iter().flat_map(|stored| snapshot.list(stored)).collect();
        Some(Observed { object, definition, instances })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let target = Target::seen(observed.object);
        if observed.instances.is_empty() {
            let condition = if is_established(observed.definition) {
                ("False", "InstanceDeletionCompleted", "removed all instances")
            } else {
                ("False", "NeverEstablished", "resource was never established")
            };
            told(observed, condition, now).into_iter().for_each(|action| plan.push(action));
            let finalizers = observed.object.meta.finalizers.iter();
            let finalizers = finalizers.filter(|finalizer| *finalizer != CLEANUP_FINALIZER).cloned().collect();
            plan.push(Action::EditMeta {
                target,
                edit: MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() },
            });
            return plan;
        }
        let condition = ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress");
        told(observed, condition, now).into_iter().for_each(|action| plan.push(action));
        let doomed = observed.instances.iter().filter(|object| !object.meta.is_deleting());
        for object in doomed.take(CREATES_AND_DELETES_MAX) {
            let propagation = Propagation::Background;
            let target = Target::seen(object);
            plan.push(Action::Delete { target, grace_seconds: None, propagation, announce: None });
        }
        plan.waiting_on = Some(WaitingOn::new(format!("{} objects to go", observed.instances.len())));
        plan
    }
}

/// The write that says how far the deletion is, unless it is said already.
fn told(observed: &Observed<'_>, condition: (&str, &str, &str), now: Time) -> Option<Action> {
    let mut next = observed.definition.clone();
    let conditions = next.status.get_or_insert_default().conditions.get_or_insert_default();
    set_condition(conditions, TERMINATING, condition, now);
    let target = Target::seen(observed.object);
    (next != *observed.definition).then(|| Action::UpdateStatus { target, object: Arc::new(next) })
}

/// The last object of a kind may have been what its definition waited for.
fn definition_of_what_has_gone(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if change.after().is_some() || change.object.meta.kind.built_in().is_some() {
        return;
    }
    let info = snapshot.kinds_known().info(change.object.meta.kind);
    let Some(defined) = info.and_then(|info| info.defined.as_ref()) else { return };
    let definition = snapshot.find(kind::CUSTOM_RESOURCE_DEFINITION, "", &defined.definition);
    keys.extend(definition.filter(|definition| definition.meta.is_deleting()).map(|definition| definition.meta.uid));
}
