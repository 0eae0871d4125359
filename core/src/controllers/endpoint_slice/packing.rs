//! How endpoints are spread over slices: what is in a slice stays there, and as few slices as possible are written.
//!
//! For the endpoints of each set of ports, in this order:
//! 1. a slice keeps those of its endpoints that are still wanted; one that keeps none is not needed any more;
//! 2. new endpoints go into slices that are written anyway, the fullest first;
//! 3. the rest goes, if it fits, into the fullest slice that has room for all of it, or else into new ones.
//!
//! A new slice takes the place of one that is not needed any more, if there is one. Hints come in between: see [`super::hints`].

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::desired::{ByPorts, families};
use super::{HEADLESS, MANAGED_BY, MANAGER, Observed, SERVICE_NAME, TRIGGER_TIME};
use crate::control::claim::controller_reference;
use crate::control::{Action, Propagation, Target};
use crate::store::{ConditionKind, Draft, Object, StringMap};
use crate::time::Time;

/// `--max-endpoints-per-slice`.
pub(super) const ENDPOINTS_MAX: usize = 100;

/// A slice as it shall be.
#[derive(Debug)]
pub(super) struct Packed<'w> {
    /// The one that exists.
    current: Option<Existing<'w>>,
    ports: Vec<EndpointPort>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) changed: bool,
}

impl Packed<'_> {
    pub(super) fn is_new(&self) -> bool {
        self.current.is_none()
    }

    /// Whether it has other endpoints than the one that exists.
    pub(super) fn is_another(&self) -> bool {
        self.current.is_none_or(|(_, slice)| slice.endpoints.as_deref().unwrap_or_default() != self.endpoints)
    }
}

/// A slice that is there.
type Existing<'w> = (&'w Arc<Object>, &'w EndpointSlice);

/// The slices of one family.
#[derive(Debug)]
pub(super) struct Packing<'w> {
    /// As they shall be.
    pub(super) slices: Vec<Packed<'w>>,
    /// Those that are not needed any more.
    spare: Vec<Existing<'w>>,
}

impl<'w> Packing<'w> {
    /// Spreads the endpoints of one family.
    pub(super) fn of(observed: &Observed<'w>, family: &str, wanted: ByPorts) -> Self {
        let labels = labels(observed);
        let mut spare: Vec<_> =
            observed.slices.iter().copied().filter(|(_, slice)| slice.address_type == family).collect();
        let mut slices = Vec::new();
        for (ports, endpoints) in wanted {
            let is_theirs = |slice: &EndpointSlice| slice.ports.as_deref().unwrap_or_default() == ports;
            let (theirs, others) = spare.into_iter().partition(|(_, slice)| is_theirs(slice));
            spare = others;
            pack(ports, endpoints, theirs, &labels, &mut slices, &mut spare);
        }
        if slices.is_empty() {
            let is_empty = |slice: &EndpointSlice| {
                slice.endpoints.iter().flatten().count() == 0 && slice.ports.iter().flatten().count() == 0
            };
            // The one that stands for nothing stays as it is.
            let at = spare.iter().position(|(object, slice)| is_empty(slice) && *object.meta.labels == labels);
            let current = at.map(|at| spare.remove(at));
            slices.push(Packed { current, ports: Vec::new(), endpoints: Vec::new(), changed: current.is_none() });
        }
        Self { slices, spare }
    }

    /// The writes that make the slices of the family say what is wanted.
    pub(super) fn writes(mut self, observed: &Observed<'_>, family: &str) -> Vec<Action> {
        let (labels, trigger) = (labels(observed), trigger_time(observed));
        for slice in self.slices.iter_mut().filter(|slice| slice.current.is_none()) {
            slice.current = self.spare.pop();
        }
        let mut actions: Vec<Action> = self.spare.into_iter().map(|(object, _)| delete(object)).collect();
        let kept = self.slices.into_iter().filter(|slice| slice.changed);
        actions.extend(kept.filter_map(|slice| write(observed, family, slice, &labels, trigger)));
        actions
    }
}

/// Takes away slices of a family that the service does not have any more, and those that it does not own.
pub(super) fn not_wanted(observed: &Observed<'_>) -> impl Iterator<Item = Action> {
    let families = families(observed.spec);
    let others = observed.slices.iter().filter(move |(_, slice)| !families.contains(&slice.address_type));
    others.map(|(object, _)| *object).chain(observed.left.iter().copied()).map(|object| delete(object))
}

fn pack<'w>(
    ports: Vec<EndpointPort>,
    endpoints: Vec<Endpoint>,
    current: Vec<Existing<'w>>,
    labels: &StringMap,
    packed: &mut Vec<Packed<'w>>,
    spare: &mut Vec<Existing<'w>>,
) {
    let mut open: BTreeMap<String, Endpoint> =
        endpoints.into_iter().map(|endpoint| (identity(&endpoint), endpoint)).collect();
    let mut slices: Vec<Packed<'w>> = Vec::new();
    for (object, slice) in current {
        let mut changed = *object.meta.labels != *labels;
        let mut kept = Vec::new();
        for endpoint in slice.endpoints.iter().flatten() {
            let next = open.remove(&identity(endpoint)).map(|next| Endpoint { hints: endpoint.hints.clone(), ..next });
            changed |= next.as_ref() != Some(endpoint);
            kept.extend(next);
        }
        if kept.is_empty() {
            spare.push((object, slice));
            continue;
        }
        if changed {
            // One that stays as it is keeps its hints.
            kept.iter_mut().for_each(|endpoint| endpoint.hints = None);
        }
        slices.push(Packed { current: Some((object, slice)), ports: ports.clone(), endpoints: kept, changed });
    }
    let mut rest = open.into_values().collect::<Vec<_>>().into_iter();
    slices.sort_by_key(|slice| std::cmp::Reverse(slice.endpoints.len()));
    for slice in slices.iter_mut().filter(|slice| slice.changed) {
        fill(slice, &mut rest);
    }
    while rest.len() > 0 {
        // They are sorted by how full they are: the first with room for the rest is the fullest.
        let roomy =
            slices.iter_mut().find(|slice| !slice.changed && slice.endpoints.len() + rest.len() <= ENDPOINTS_MAX);
        if let Some(slice) = roomy {
            slice.changed = true;
            fill(slice, &mut rest);
        } else {
            let mut slice = Packed { current: None, ports: ports.clone(), endpoints: Vec::new(), changed: true };
            fill(&mut slice, &mut rest);
            slices.push(slice);
        }
    }
    packed.extend(slices);
}

fn fill(slice: &mut Packed<'_>, rest: &mut std::vec::IntoIter<Endpoint>) {
    let room = ENDPOINTS_MAX.saturating_sub(slice.endpoints.len());
    slice.endpoints.extend(rest.by_ref().take(room));
}

/// What makes two endpoints the same one: the pod, and its addresses.
fn identity(endpoint: &Endpoint) -> String {
    let pod = endpoint.target_ref.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let (name, uid) = (text(pod.and_then(|pod| pod.name.as_ref())), text(pod.and_then(|pod| pod.uid.as_ref())));
    format!("{name} {uid} {}", endpoint.addresses.join(","))
}

fn delete(object: &Object) -> Action {
    Action::Delete {
        target: Target::seen(object),
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: None,
    }
}

/// A service that is going gets no new slices.
fn write(
    observed: &Observed<'_>,
    family: &str,
    slice: Packed<'_>,
    labels: &StringMap,
    trigger: Option<Time>,
) -> Option<Action> {
    let service = &observed.object.meta;
    let mut next = slice.current.map_or_else(
        || EndpointSlice {
            address_type: family.to_owned(),
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", service.name)),
                namespace: Some(service.namespace.to_string()),
                owner_references: Some(vec![controller_reference(service)]),
                ..ObjectMeta::default()
            },
            ..EndpointSlice::default()
        },
        |(_, current)| current.clone(),
    );
    next.endpoints = Some(slice.endpoints);
    next.ports = (!slice.ports.is_empty()).then_some(slice.ports);
    next.metadata.labels = Some(labels.clone());
    let mut annotations = next.metadata.annotations.take().unwrap_or_default();
    match trigger {
        Some(time) => annotations.insert(TRIGGER_TIME.to_owned(), time.whole_second().to_string()),
        None => annotations.remove(TRIGGER_TIME),
    };
    next.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    match slice.current {
        Some((object, current)) => {
            let spec_changed = next.endpoints != current.endpoints || next.ports != current.ports;
            Some(Action::Update { target: Target::seen(object), object: Arc::new(next), spec_changed })
        }
        None if service.is_deleting() => None,
        None => Some(Action::Create { draft: Box::new(Draft::of(next)), announce: None }),
    }
}

/// The labels of a service's slices: its own, and those that say whose they are.
fn labels(observed: &Observed<'_>) -> StringMap {
    let service = &observed.object.meta;
    let mut labels = (*service.labels).clone();
    labels.remove(HEADLESS);
    if matches!(observed.spec.cluster_ip.as_deref(), None | Some("" | "None")) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), service.name.to_string());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// When what the slices do not say yet began: the earliest time at which a pod that is not in them as it is became ready
/// or unready; for a service without slices, when it was made, if that is earlier.
fn trigger_time(observed: &Observed<'_>) -> Option<Time> {
    let known: BTreeMap<&str, bool> = observed
        .slices
        .iter()
        .flat_map(|(_, slice)| slice.endpoints.iter().flatten())
        .filter_map(|endpoint| {
            let serving = endpoint.conditions.as_ref().and_then(|conditions| conditions.serving).unwrap_or(true);
            Some((endpoint.target_ref.as_ref()?.uid.as_deref()?, serving))
        })
        .collect();
    let changed = observed.pods.iter().filter_map(|selected| {
        let uid = selected.object.meta.uid.to_string();
        let is_known = known.get(uid.as_str()) == Some(&selected.pod.is_ready());
        selected.pod.state.condition(&ConditionKind::Ready).filter(|_| !is_known)?.since
    });
    let made = observed.slices.is_empty().then_some(observed.object.meta.created);
    changed.chain(made).min()
}
