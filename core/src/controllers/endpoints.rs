//! The controller of Endpoints (`pkg/controller/endpoint`): the older form of endpoint slices, for those who still read it.
//!
//! **The rule**: a service that selects pods has Endpoints of its own name with the addresses of those pods that have one,
//! that have not ended and are not going; they go with the service.
//!
//! 1. [`subsets`]: addresses by the ports they serve, ready ones and others apart.
//! 2. More than a thousand addresses are cut, ready ones last.

mod subsets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointSubset, Endpoints, Service, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::endpoint_slice::{HEADLESS, SelectedPod, TRIGGER_TIME, services_of_pod};
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, ConditionKind, Draft, EventDraft, Involved, Object, Snapshot, StringMap};
use crate::time::Time;

/// The label that says who keeps the Endpoints.
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// What that label says on ours.
const MANAGER: &str = "endpoint-controller";
/// The annotation of Endpoints that leave addresses out, and what it says.
const OVER_CAPACITY: (&str, &str) = ("endpoints.kubernetes.io/over-capacity", "truncated");

/// Keeps the Endpoints of services.
#[derive(Debug)]
pub struct EndpointsController;

/// A service and its Endpoints, or Endpoints without a service.
#[derive(Debug)]
pub enum Observed<'w> {
    /// The service is there.
    Service(Served<'w>),
    /// There is no service of this name.
    Left(&'w Arc<Object>),
}

/// A service, the pods that it selects, and its Endpoints.
#[derive(Debug)]
pub struct Served<'w> {
    object: &'w Arc<Object>,
    spec: &'w ServiceSpec,
    pods: Vec<SelectedPod<'w>>,
    current: Option<(&'w Arc<Object>, &'w Endpoints)>,
}

impl Controller for EndpointsController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "endpoint-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::SERVICE, service_and_endpoints),
        Watched::kind(kind::POD, services_of_pod),
        Watched::kind(kind::ENDPOINTS, service_and_endpoints),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let (namespace, name) = (&object.meta.namespace, &object.meta.name);
        let Some(service) = object.typed::<Service>() else {
            let is_alone = object.meta.kind == kind::ENDPOINTS
                && !object.meta.is_deleting()
                && snapshot.find(kind::SERVICE, namespace, name).is_none();
            return is_alone.then_some(Observed::Left(object));
        };
        let spec = service.spec.as_ref()?;
        let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty())?;
        if spec.type_.as_deref() == Some("ExternalName") || object.meta.is_deleting() {
            return None;
        }
        let mut pods: Vec<SelectedPod<'w>> =
            snapshot.pods_with_labels(namespace, selector).filter_map(|pod| SelectedPod::of(snapshot, pod)).collect();
        pods.sort_by(|one, other| one.object.meta.name.cmp(&other.object.meta.name));
        let current = snapshot.find(kind::ENDPOINTS, namespace, name);
        let current = current.and_then(|current| Some((current, current.typed::<Endpoints>()?)));
        Some(Observed::Service(Served { object, spec, pods, current }))
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        match observed {
            Observed::Service(served) => plan.actions.extend(write(served)),
            Observed::Left(object) => plan.push(Action::Delete {
                target: Target::seen(object),
                grace_seconds: None,
                propagation: Propagation::Background,
                announce: None,
            }),
        }
        plan
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        match observed {
            Observed::Service(served) => plan.actions.extend(failure(served, error)),
            Observed::Left(_) => {}
        }
        plan
    }

    /// Endpoints that never had a service are left to whoever wrote them: only the end of a service makes us look.
    fn can_wait(plan: &Plan) -> bool {
        plan.actions.iter().all(|action| matches!(action, Action::Delete { .. }))
    }
}

/// Says that the Endpoints could not be made or written, unless all of the namespace goes.
fn failure(served: &Served<'_>, error: &ApiError) -> Option<Action> {
    let service = &served.object.meta;
    let told = |reason, message| EventDraft::warning(service, EndpointsController::NAME, reason, message);
    let (involved, event) = match served.current {
        Some((object, _)) => {
            let message = format!("Failed to update endpoint {}: {error}", service.path());
            (Involved::object(&object.meta), told("FailedToUpdateEndpoint", message))
        }
        None if error.is_namespace_terminating() => return None,
        None => {
            let message = format!("Failed to create endpoint for service {}: {error}", service.path());
            let involved = Involved::unmade(kind::ENDPOINTS, &service.namespace, &service.name);
            (involved, told("FailedToCreateEndpoint", message))
        }
    };
    Some(Action::Emit(Box::new(EventDraft { involved, ..event })))
}

fn write(served: &Served<'_>) -> Option<Action> {
    let service = &served.object.meta;
    let (subsets, is_cut) = subsets::capped(subsets::of(served.object, served.spec, &served.pods));
    let labels = labels(served);
    let current = served.current.map(|(_, current)| current);
    if let Some(current) = current
        && current.subsets.as_deref().unwrap_or_default() == subsets
        && current.metadata.labels.as_ref() == Some(&labels)
        && over_capacity(current) == is_cut.then_some(OVER_CAPACITY.1)
    {
        return None;
    }
    let mut next = current.cloned().unwrap_or_else(|| Endpoints {
        metadata: ObjectMeta {
            name: Some(service.name.to_string()),
            namespace: Some(service.namespace.to_string()),
            ..ObjectMeta::default()
        },
        ..Endpoints::default()
    });
    next.metadata.labels = Some(labels);
    let mut annotations = next.metadata.annotations.take().unwrap_or_default();
    annotations.remove(OVER_CAPACITY.0);
    annotations.remove(TRIGGER_TIME);
    annotations.extend(is_cut.then(|| (OVER_CAPACITY.0.to_owned(), OVER_CAPACITY.1.to_owned())));
    annotations.extend(trigger_time(served).map(|time| (TRIGGER_TIME.to_owned(), time.whole_second().to_string())));
    next.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
    next.subsets = (!subsets.is_empty()).then_some(subsets);
    Some(match served.current {
        Some((object, _)) => {
            Action::Update { target: Target::seen(object), object: Arc::new(next), spec_changed: false }
        }
        None => Action::Create { draft: Box::new(Draft::of(next)), announce: None },
    })
}

fn over_capacity(endpoints: &Endpoints) -> Option<&str> {
    endpoints.metadata.annotations.as_ref()?.get(OVER_CAPACITY.0).map(String::as_str)
}

/// Those of the service, and those that say whose the Endpoints are.
fn labels(served: &Served<'_>) -> StringMap {
    let mut labels = (*served.object.meta.labels).clone();
    labels.remove(HEADLESS);
    if matches!(served.spec.cluster_ip.as_deref(), None | Some("" | "None")) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// When what the Endpoints do not say yet began: see `endpoint_slice/packing.rs`.
fn trigger_time(served: &Served<'_>) -> Option<Time> {
    let of = |subset: &EndpointSubset, is_ready: bool| {
        let addresses = if is_ready { subset.addresses.clone() } else { subset.not_ready_addresses.clone() };
        let named = addresses.into_iter().flatten().filter_map(|address| address.target_ref?.uid);
        named.map(move |uid| (uid, is_ready)).collect::<Vec<_>>()
    };
    let subsets = served.current.iter().flat_map(|(_, current)| current.subsets.iter().flatten());
    let known: Vec<(String, bool)> =
        subsets.flat_map(|subset| [of(subset, true), of(subset, false)].concat()).collect();
    let changed = served.pods.iter().filter_map(|selected| {
        let told = (selected.object.meta.uid.to_string(), selected.pod.is_ready());
        selected.pod.state.condition(&ConditionKind::Ready).filter(|_| !known.contains(&told))?.since
    });
    // What somebody else wrote says nothing of what this controller has seen.
    let is_told = served.current.is_some_and(|(object, _)| is_ours(object));
    let made = (!is_told).then_some(served.object.meta.created);
    changed.chain(made).min()
}

fn is_ours(endpoints: &Object) -> bool {
    endpoints.meta.labels.get(MANAGED_BY).is_some_and(|manager| manager == MANAGER)
}

/// A service concerns its Endpoints, and they it.
fn service_and_endpoints(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let meta = &change.object.meta;
    match snapshot.find(kind::SERVICE, &meta.namespace, &meta.name) {
        Some(service) => keys.push(service.meta.uid),
        None if meta.kind == kind::SERVICE => {
            let left = snapshot.find(kind::ENDPOINTS, &meta.namespace, &meta.name);
            keys.extend(left.map(|endpoints| endpoints.meta.uid));
        }
        None => {
            keys.extend(is_ours(&change.object).then_some(meta.uid));
        }
    }
}
