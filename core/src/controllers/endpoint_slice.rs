//! The controller of endpoint slices (`pkg/controller/endpointslice`).
//!
//! **The rule**: each pod that a service selects, that has an address and has not ended, is in exactly one slice of that
//! service for each of its IP families; pods whose named ports mean other numbers are in other slices. A service
//! without any such pod has one empty slice. A service without a selector is left to its user.
//!
//! 1. [`desired`]: what the pods give, by the ports they give it on.
//! 2. [`packing`]: which slices to write so that they say that, with as few writes as may be.
//! 3. [`hints`]: for which zones and nodes the endpoints are, where the service asks for that.
//!
//! Slices go with their service, because it owns them. Those that a service of the same name has left behind are removed.

mod desired;
mod hints;
mod packing;
mod shares;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;

pub(super) use self::desired::{SelectedPod, families, ports as service_ports};
use self::hints::Routing;
use self::packing::Packing;
use self::shares::weight_of;
use crate::control::{Action, Controller, Keys, Plan, Watched};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
pub(super) use crate::store::SERVICE_NAME;
use crate::store::{Change, ConditionKind, EventDraft, Object, Snapshot};
use crate::time::Time;

/// The label that says whose slice it is.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// What that label says on ours.
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// The label of slices of a service without an address.
pub(super) const HEADLESS: &str = "service.kubernetes.io/headless";
/// The annotation with the time of the change that made a slice be written.
pub(super) const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The label of a node with its zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// Keeps the slices of services.
#[derive(Debug)]
pub struct EndpointSliceController;

/// A service, the pods that it selects, and the slices it has.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    spec: &'w ServiceSpec,
    pods: Vec<SelectedPod<'w>>,
    slices: Vec<(&'w Arc<Object>, &'w EndpointSlice)>,
    /// Slices like its own, which it does not own.
    left: Vec<&'w Arc<Object>>,
    routing: Routing,
}

impl Controller for EndpointSliceController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "endpoint-slice-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::SERVICE),
        Watched::kind(kind::POD, services_of_pod),
        Watched::kind(kind::ENDPOINT_SLICE, service_of_slice),
        Watched::kind(kind::NODE, services_of_node),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let spec = object.typed::<Service>()?.spec.as_ref()?;
        let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty())?;
        if spec.type_.as_deref() == Some("ExternalName") {
            return None;
        }
        let mut pods: Vec<SelectedPod<'w>> = snapshot
            .pods_with_labels(&object.meta.namespace, selector)
            .filter_map(|pod| SelectedPod::of(snapshot, pod))
            .collect();
        pods.sort_by(|one, other| one.object.meta.name.cmp(&other.object.meta.name));
        let slices = snapshot.owned_by(key).filter(|slice| is_ours(slice));
        let mut slices: Vec<_> = slices.filter_map(|slice| Some((slice, slice.typed::<EndpointSlice>()?))).collect();
        slices.sort_by(|(one, _), (other, _)| one.meta.name.cmp(&other.meta.name));
        let left = snapshot.loose_slices_of(&object.meta.namespace, &object.meta.name);
        // One that is going lets go of its own, if somebody asked for that.
        let left = left.filter(|slice| is_ours(slice) && !object.meta.is_deleting()).collect();
        let routing = Routing::of(snapshot, &object.meta, spec);
        Some(Observed { object, spec, pods, slices, left, routing })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        let mut is_hinted = hints::are_given(observed);
        for family in desired::families(observed.spec) {
            let wanted = desired::endpoints(observed.object, observed.spec, &observed.pods, &family);
            let mut packing = Packing::of(observed, &family, wanted);
            let told = hints::settle(observed, &family, &mut packing.slices, &mut is_hinted);
            plan.actions.extend(packing.writes(observed, &family));
            plan.actions.extend(told.map(|event| Action::Emit(Box::new(event))));
        }
        plan.actions.extend(packing::not_wanted(observed));
        let meta = &observed.object.meta;
        let lost = desired::lost(observed.spec, &observed.pods).map(|selected| {
            let node = selected.pod.node.as_ref().map_or("", |node| node.as_str());
            format!("skipping Pod {} for Service {}: Node {node} Not Found", selected.object.meta.name, meta.path())
        });
        let lost: Vec<String> = lost.collect();
        match lost.as_slice() {
            [] => {}
            [one] => plan.push(failure(observed, one)),
            all => plan.push(failure(observed, &format!("[{}]", all.join(", ")))),
        }
        plan
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        if !error.is_namespace_terminating() {
            let meta = &observed.object.meta;
            let is_theirs = |name: &str| observed.slices.iter().any(|(slice, _)| *slice.meta.name == *name);
            let known = error.subject().map(|subject| subject.name.as_str()).filter(|name| is_theirs(name));
            let what = known.map_or_else(|| "create".to_owned(), |name| format!("update {name}"));
            plan.push(failure(
                observed,
                &format!("failed to {what} EndpointSlice for Service {}: {error}", meta.path()),
            ));
        }
        plan
    }
}

fn failure(observed: &Observed<'_>, why: &str) -> Action {
    let meta = &observed.object.meta;
    let message = format!("Error updating Endpoint Slices for Service {}: {why}", meta.path());
    let reason = "FailedToUpdateEndpointSlices";
    Action::Emit(Box::new(EventDraft::warning(meta, EndpointSliceController::NAME, reason, message)))
}

fn is_ours(slice: &Object) -> bool {
    slice.meta.kind == kind::ENDPOINT_SLICE
        && !slice.meta.is_deleting()
        && slice.meta.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
}

/// A pod concerns the services that select it, and those that did.
pub(super) fn services_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let now = change.after();
    if let (Some(before), Some(now)) = (&change.before, now)
        && is_same_endpoint(before, now)
    {
        return;
    }
    for pod in change.before.iter().chain(now) {
        keys.extend(snapshot.services_selecting(&pod.meta.namespace, &pod.meta.labels).map(|service| service.meta.uid));
    }
}

/// Whether no slice can tell two versions of a pod apart: most of what agents report concerns no service.
fn is_same_endpoint(before: &Object, now: &Object) -> bool {
    let (Some(one), Some(other)) = (before.pod(), now.pod()) else { return false };
    before.meta.labels == now.meta.labels
        && before.meta.is_deleting() == now.meta.is_deleting()
        && one.is_finished() == other.is_finished()
        && one.state.pod_ips == other.state.pod_ips
        && one.node == other.node
        && one.state.condition(&ConditionKind::Ready) == other.state.condition(&ConditionKind::Ready)
}

/// A slice that somebody else wrote or removed concerns its service.
fn service_of_slice(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    for slice in change.before.iter().chain(change.after()) {
        let owner = slice.meta.controller_uid().and_then(|uid| snapshot.get(uid));
        let named = slice.meta.labels.get(SERVICE_NAME).filter(|_| owner.is_none() && is_ours(slice));
        let named = named.and_then(|name| snapshot.find(kind::SERVICE, &slice.meta.namespace, name));
        let service = owner.filter(|owner| owner.meta.kind == kind::SERVICE).or(named);
        keys.extend(service.map(|service| service.meta.uid));
    }
}

/// A node that comes, goes or changes its zone concerns the services of its pods; and those that share their endpoints out
/// among zones, if that gives a zone another share.
fn services_of_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let before = change.before.as_ref();
    if weight_of(before) != weight_of(change.after()) {
        let services = snapshot.list(kind::SERVICE).filter(|service| hints::are_shared_out(&service.meta));
        keys.extend(services.map(|service| service.meta.uid));
    }
    let zone = |node: &Arc<Object>| node.meta.labels.get(ZONE).cloned();
    if let (Some(before), Some(now)) = (before, change.after())
        && zone(before) == zone(now)
    {
        return;
    }
    for pod in snapshot.pods_on(&change.object.meta.name.as_ref().into()) {
        keys.extend(snapshot.services_selecting(&pod.meta.namespace, &pod.meta.labels).map(|service| service.meta.uid));
    }
    keys.sort_unstable();
    keys.dedup();
}
