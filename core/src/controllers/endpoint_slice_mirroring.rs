//! The controller that mirrors Endpoints into slices (`pkg/controller/endpointslicemirroring`).
//!
//! **The rule**: Endpoints that somebody wrote for a service without a selector are told as slices too: one for each set of
//! ports and each family of addresses, with the labels and annotations of the Endpoints. Those with the label
//! `endpointslice.kubernetes.io/skip-mirror: "true"`, and those that are a leader's lock, are not.
//!
//! 1. [`wanted`]: what the subsets say, by ports and family;
//! 2. [`writes`]: the first slice of a set of ports is kept and written anew where it says something else, others of it go;
//!    one that is not needed any more is written anew for another set of ports rather than deleted.
//!
//! Slices go with their Endpoints, because those own them.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{self as core, EndpointAddress, EndpointSubset, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::endpoint_slice::{MANAGED_BY, SERVICE_NAME, TRIGGER_TIME};
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, Draft, EventDraft, Object, Snapshot, StringMap};
use crate::time::Time;

/// What the label about who manages a slice says on ours.
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
/// The label of Endpoints that are not mirrored.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// The annotation of Endpoints that are a lock.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// The annotation of `kubectl apply`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most addresses of a subset that are mirrored (`--mirroring-max-endpoints-per-subset`).
const ADDRESSES_MAX: usize = 1000;

/// Mirrors Endpoints.
#[derive(Debug)]
pub struct EndpointSliceMirroringController;

/// Endpoints, and the slices that mirror them.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    endpoints: &'w Endpoints,
    is_mirrored: bool,
    slices: Vec<Existing<'w>>,
}

/// A slice that is there.
type Existing<'w> = (&'w Arc<Object>, &'w EndpointSlice);

impl Controller for EndpointSliceMirroringController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "endpoint-slice-mirroring-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::ENDPOINTS),
        Watched::kind(kind::SERVICE, endpoints_of_service),
        Watched::kind(kind::ENDPOINT_SLICE, endpoints_of_slice),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let endpoints: &Endpoints = object.typed()?;
        let service = snapshot.find(kind::SERVICE, &object.meta.namespace, &object.meta.name);
        let spec = service.and_then(|service| service.typed::<Service>()?.spec.as_ref());
        let has_no_selector = spec.is_some_and(|spec| spec.selector.as_ref().is_none_or(StringMap::is_empty));
        let skips = object.meta.labels.get(SKIP_MIRROR).is_some_and(|skip| skip == "true");
        let is_mirrored = has_no_selector && !skips && !object.meta.annotations.contains_key(LEADER);
        let slices = snapshot.owned_of_kind(key, kind::ENDPOINT_SLICE).filter(|slice| is_ours(slice));
        let mut slices: Vec<_> = slices.filter_map(|slice| Some((slice, slice.typed::<EndpointSlice>()?))).collect();
        slices.sort_by(|(one, _), (other, _)| one.meta.name.cmp(&other.meta.name));
        Some(Observed { object, endpoints, is_mirrored, slices })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        if !observed.is_mirrored {
            plan.actions.extend(observed.slices.iter().map(|(object, _)| delete(object)));
            return plan;
        }
        let (wanted, skipped) = wanted(observed.endpoints);
        plan.actions.extend(writes(observed, wanted));
        if skipped > 0 && !plan.actions.is_empty() {
            let message = format!(
                "A max of {ADDRESSES_MAX} addresses can be mirrored to EndpointSlices per Endpoints subset. {skipped} \
                 addresses were skipped"
            );
            let reason = "TooManyAddressesToMirror";
            let event = EventDraft::warning(&observed.object.meta, Self::NAME, reason, message);
            plan.push(Action::Emit(Box::new(event)));
        }
        plan
    }
}

/// What one slice shall say.
#[derive(Debug, PartialEq)]
struct Wanted {
    family: &'static str,
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
}

/// What the subsets say, and how many addresses are left out. Subsets with the same ports share a slice.
fn wanted(endpoints: &Endpoints) -> (Vec<Wanted>, usize) {
    let (mut all, mut skipped): (Vec<Wanted>, usize) = (Vec::new(), 0);
    for subset in endpoints.subsets.iter().flatten() {
        let ports = ports(subset);
        let ready = subset.addresses.iter().flatten().map(|address| (address, true));
        let others = subset.not_ready_addresses.iter().flatten().map(|address| (address, false));
        for (number, (address, is_ready)) in ready.chain(others).enumerate() {
            let parsed = address.ip.parse::<IpAddr>().ok().filter(|_| number < ADDRESSES_MAX);
            let Some(ip) = parsed else {
                skipped += 1;
                continue;
            };
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let at = all.iter().position(|slice| slice.family == family && slice.ports == ports);
            let slice = match at {
                Some(at) => &mut all[at],
                None => {
                    all.push(Wanted { family, ports: ports.clone(), endpoints: Vec::new() });
                    all.last_mut().expect("one was pushed")
                }
            };
            let next = endpoint(address, ip, is_ready);
            match slice.endpoints.iter_mut().find(|other| is_same(other, &next)) {
                Some(other) => *other = next,
                None => slice.endpoints.push(next),
            }
        }
    }
    for slice in &mut all {
        skipped += slice.endpoints.len().saturating_sub(ADDRESSES_MAX);
        slice.endpoints.truncate(ADDRESSES_MAX);
    }
    (all, skipped)
}

fn ports(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let port = |port: &core::EndpointPort| EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    };
    subset.ports.iter().flatten().map(port).collect()
}

fn endpoint(address: &EndpointAddress, ip: IpAddr, is_ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![ip.to_string()],
        conditions: Some(EndpointConditions { ready: Some(is_ready), ..EndpointConditions::default() }),
        hostname: address.hostname.clone().filter(|name| !name.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}

/// Whether two endpoints are one: the same address of the same object.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let target = |endpoint: &Endpoint| {
        let target = endpoint.target_ref.as_ref();
        target.map(|target| (target.namespace.clone(), target.name.clone()))
    };
    one.addresses == other.addresses && target(one) == target(other)
}

fn writes(observed: &Observed<'_>, wanted: Vec<Wanted>) -> Vec<Action> {
    let (labels, annotations) = (labels(observed), annotations(observed));
    let mut spare = observed.slices.clone();
    let (mut anew, mut fresh) = (Vec::new(), Vec::new());
    for slice in wanted {
        let is_for_it = |(_, current): &Existing<'_>| {
            current.address_type == slice.family && current.ports.as_deref().unwrap_or_default() == slice.ports
        };
        match spare.iter().position(is_for_it).map(|at| spare.remove(at)) {
            Some((object, current)) if says(current, &slice) => {
                if *object.meta.labels != labels || *object.meta.annotations != annotations {
                    anew.push((object, current, slice));
                }
            }
            Some((object, current)) => anew.push((object, current, slice)),
            None => fresh.push(slice),
        }
    }
    let mut create = Vec::new();
    for slice in fresh {
        match spare.iter().position(|(_, current)| current.address_type == slice.family) {
            Some(at) => {
                let (object, current) = spare.remove(at);
                anew.push((object, current, slice));
            }
            None => create.push(slice),
        }
    }
    let mut actions = Vec::new();
    if !observed.object.meta.is_deleting() {
        actions.extend(create.into_iter().map(|slice| {
            let metadata = ObjectMeta {
                generate_name: Some(format!("{}-", observed.object.meta.name)),
                namespace: Some(observed.object.meta.namespace.to_string()),
                ..ObjectMeta::default()
            };
            let next = filled(observed, metadata, slice, &labels, &annotations);
            Action::Create { draft: Box::new(Draft::of(next)), announce: None }
        }));
    }
    actions.extend(anew.into_iter().map(|(object, current, slice)| {
        let spec_changed = !says(current, &slice);
        let next = filled(observed, current.metadata.clone(), slice, &labels, &annotations);
        Action::Update { target: Target::seen(object), object: Arc::new(next), spec_changed }
    }));
    actions.extend(spare.into_iter().map(|(object, _)| delete(object)));
    actions
}

/// Whether a slice has these endpoints, in whatever order, and these ports.
fn says(current: &EndpointSlice, wanted: &Wanted) -> bool {
    let endpoints = current.endpoints.as_deref().unwrap_or_default();
    current.ports.as_deref().unwrap_or_default() == wanted.ports
        && endpoints.len() == wanted.endpoints.len()
        && wanted.endpoints.iter().all(|endpoint| endpoints.contains(endpoint))
}

fn filled(
    observed: &Observed<'_>,
    metadata: ObjectMeta,
    slice: Wanted,
    labels: &StringMap,
    annotations: &StringMap,
) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            labels: Some(labels.clone()),
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            owner_references: Some(vec![controller_reference(&observed.object.meta)]),
            ..metadata
        },
        address_type: slice.family.to_owned(),
        ports: (!slice.ports.is_empty()).then_some(slice.ports),
        endpoints: Some(slice.endpoints),
    }
}

/// The labels of the Endpoints, and those that say whose the slices are.
fn labels(observed: &Observed<'_>) -> StringMap {
    let mut labels = (*observed.object.meta.labels).clone();
    labels.insert(SERVICE_NAME.to_owned(), observed.object.meta.name.to_string());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

fn annotations(observed: &Observed<'_>) -> StringMap {
    let mut annotations = (*observed.object.meta.annotations).clone();
    annotations.retain(|key, _| key != TRIGGER_TIME && key != LAST_APPLIED);
    annotations
}

fn is_ours(slice: &Object) -> bool {
    !slice.meta.is_deleting() && slice.meta.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
}

fn delete(object: &Object) -> Action {
    let (target, propagation) = (Target::seen(object), Propagation::Background);
    Action::Delete { target, grace_seconds: None, propagation, announce: None }
}

/// A service concerns the Endpoints of its name.
fn endpoints_of_service(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    let endpoints = snapshot.find(kind::ENDPOINTS, &meta.namespace, &meta.name);
    keys.extend(endpoints.map(|endpoints| endpoints.meta.uid));
}

/// A slice that somebody else wrote or removed concerns its Endpoints.
fn endpoints_of_slice(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    for slice in change.before.iter().chain(change.after()) {
        let owner = slice.meta.controller_uid().and_then(|uid| snapshot.get(uid));
        keys.extend(owner.filter(|owner| owner.meta.kind == kind::ENDPOINTS).map(|owner| owner.meta.uid));
    }
    keys.dedup();
}
