//! Hints to whoever routes: for which zones and nodes an endpoint is (`trafficdist` of upstream's `k8s.io/endpointslice`).
//!
//! **The rule**: with `spec.trafficDistribution` each ready endpoint is for its own zone, and with `PreferSameNode` for its own
//! node too. With the older annotation `service.kubernetes.io/topology-mode: Auto` the zones share them: see [`shares`](super::shares).
//! Without either there are no hints.
//!
//! A slice that has the right hints already is left as it is. That hints were taken away because somebody removed the
//! annotation is not told: nothing but upstream's memory knows that it was there.

use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, ForNode, ForZone};

use super::packing::Packed;
use super::shares::{self, Shares};
use super::{EndpointSliceController, Observed};
use crate::control::Controller;
use crate::store::{EventDraft, Meta, Snapshot};

/// The annotation that asks for shares; the first is the older name, and counts before the other.
const MODE: [&str; 2] = ["service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"];

/// How a service wants to be reached.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Routing {
    /// From anywhere alike.
    Anywhere,
    /// Rather from the same zone, and perhaps the same node.
    Near { nodes: bool },
    /// From the zones by their shares; `None` where they cannot be said.
    ByShare(Option<Shares>),
}

impl Routing {
    pub(super) fn of(snapshot: &Snapshot, service: &Meta, spec: &ServiceSpec) -> Self {
        if are_shared_out(service) {
            return Self::ByShare(shares::of(snapshot));
        }
        match spec.traffic_distribution.as_deref() {
            Some("PreferClose" | "PreferSameZone") => Self::Near { nodes: false },
            Some("PreferSameNode") => Self::Near { nodes: true },
            _ => Self::Anywhere,
        }
    }
}

/// Whether a service has the annotation.
pub(super) fn are_shared_out(service: &Meta) -> bool {
    let mode = MODE.iter().find_map(|name| service.annotations.get(*name));
    mode.is_some_and(|mode| mode == "Auto" || mode == "auto")
}

/// Whether the slices of a service have hints.
pub(super) fn are_given(observed: &Observed<'_>) -> bool {
    let mut endpoints = observed.slices.iter().flat_map(|(_, slice)| slice.endpoints.iter().flatten());
    endpoints.any(|endpoint| endpoint.hints.is_some())
}

/// Gives the endpoints of a family the hints that they shall have. Slices of which that changes something are to be written.
pub(super) fn settle(
    observed: &Observed<'_>,
    family: &str,
    slices: &mut [Packed<'_>],
    is_hinted: &mut bool,
) -> Option<EventDraft> {
    let shares = match &observed.routing {
        Routing::Anywhere => {
            remove(slices);
            return None;
        }
        Routing::Near { nodes } => {
            near(slices, *nodes);
            return None;
        }
        Routing::ByShare(shares) => shares,
    };
    let (meta, name) = (&observed.object.meta, EndpointSliceController::NAME);
    match shares::share_out(slices, shares.as_ref()) {
        Ok(()) if std::mem::replace(is_hinted, true) => None,
        Ok(()) => {
            let message = format!("Topology Aware Hints has been enabled, addressType: {family}");
            Some(EventDraft::normal(meta, name, "TopologyAwareHintsEnabled", message))
        }
        Err(why) => {
            *is_hinted = false;
            remove(slices);
            let message = format!("{why}, addressType: {family}");
            Some(EventDraft::warning(meta, name, "TopologyAwareHintsDisabled", message))
        }
    }
}

pub(super) fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true)
}

fn remove(slices: &mut [Packed<'_>]) {
    for slice in slices {
        for endpoint in &mut slice.endpoints {
            slice.changed |= endpoint.hints.take().is_some();
        }
    }
}

fn near(slices: &mut [Packed<'_>], nodes: bool) {
    for slice in slices {
        for endpoint in slice.endpoints.iter_mut().filter(|endpoint| is_ready(endpoint)) {
            let for_zones = endpoint.zone.clone().map(|name| vec![ForZone { name }]);
            let for_nodes = endpoint.node_name.clone().filter(|_| nodes).map(|name| vec![ForNode { name }]);
            let hints = (for_zones.is_some() || for_nodes.is_some()).then_some(EndpointHints { for_nodes, for_zones });
            slice.changed |= endpoint.hints != hints;
            endpoint.hints = hints;
        }
    }
}
