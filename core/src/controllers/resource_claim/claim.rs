//! A claim: it is kept for pods that may still run. With the last of them it gives its devices back.
//!
//! A claim that nobody has used yet keeps what it has: it goes only with the last who did, or when it is deleted.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimConsumerReference};

use super::is_done;
use crate::control::{Action, MetaEdit, Plan, Propagation, Target};
use crate::object::{device, kind};
use crate::store::{Object, Snapshot};

/// A claim and its consumers.
#[derive(Debug)]
pub struct View<'w> {
    object: &'w Arc<Object>,
    claim: &'w ResourceClaim,
    /// Those that still count.
    valid: Vec<&'w ResourceClaimConsumerReference>,
    /// It was made for a pod that has been replaced or has ended.
    is_left_over: bool,
}

impl<'w> View<'w> {
    pub(super) fn of(object: &'w Arc<Object>, snapshot: &'w Snapshot) -> Option<Self> {
        let claim: &ResourceClaim = object.typed()?;
        let find = |name: &str| snapshot.find(kind::POD, &object.meta.namespace, name);
        let counts = |consumer: &&ResourceClaimConsumerReference| {
            let is_pod = consumer.resource == "pods" && consumer.api_group.as_deref().unwrap_or_default().is_empty();
            // Of other consumers nobody here knows when they are done.
            let uses = |pod: &Arc<Object>| pod.meta.uid.to_string() == consumer.uid && !is_over(pod);
            !is_pod || find(&consumer.name).is_some_and(uses)
        };
        let owner = object.meta.controller().filter(|owner| owner.kind == "Pod" && owner.api_version == "v1");
        let left = |pod: &Arc<Object>| object.meta.controller_uid() != Some(pod.meta.uid) || is_over(pod);
        let is_left_over = owner.and_then(|owner| find(&owner.name)).is_some_and(left);
        let valid = device::consumers(claim).iter().filter(counts).collect();
        Some(Self { object, claim, valid, is_left_over })
    }
}

fn is_over(object: &Arc<Object>) -> bool {
    object.pod().is_none_or(|pod| is_done(&object.meta, pod))
}

pub(super) fn decide(view: &View<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let meta = &view.object.meta;
    let target = Target::seen(view.object);
    let has_finalizer = meta.finalizers.iter().any(|name| name == device::FINALIZER);
    let is_free = view.valid.is_empty();
    let was_used = view.valid.len() < device::consumers(view.claim).len();
    let gives_back = is_free && has_finalizer && (was_used || meta.is_deleting());
    if was_used || (gives_back && device::is_allocated(view.claim)) {
        let mut next = view.claim.clone();
        let status = next.status.get_or_insert_default();
        status.reserved_for = (!is_free).then(|| view.valid.iter().map(|consumer| (*consumer).clone()).collect());
        if gives_back {
            device::deallocate(status);
        }
        plan.push(Action::UpdateStatus { target, object: Arc::new(next) });
    }
    let has_devices = device::is_allocated(view.claim) && !gives_back;
    if has_finalizer && is_free && !has_devices {
        let finalizers = meta.finalizers.iter().filter(|name| *name != device::FINALIZER).cloned().collect();
        let edit = MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() };
        plan.push(Action::EditMeta { target, edit });
    }
    if is_free && view.is_left_over && !meta.is_deleting() {
        plan.push(Action::Delete { target, grace_seconds: None, propagation: Propagation::Background, announce: None });
    }
    plan
}
