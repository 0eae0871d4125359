//! How many pods a budget expects: those that are there, or what the scales of their controllers add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::ids::Uid;
use crate::object::int_or_percent::{Rounding, scaled};
use crate::object::kind::{self, KindInfo};
use crate::object::scale::Scale;
use crate::object::selector;
use crate::store::{Body, Object, Snapshot};

/// What a budget asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// How many pods there should be.
    pub(super) pods: i32,
    /// How many of them must be healthy.
    pub(super) healthy: i32,
    /// Whether some of the pods have no controller, so that nobody knows how many of them there should be.
    pub(super) unmanaged: bool,
}

/// Works it out, or says why it cannot be.
pub(super) fn of(
    snapshot: &Snapshot,
    namespace: &str,
    budget: &PodDisruptionBudget,
    pods: &[&Arc<Object>],
) -> Result<Expected, String> {
    let Some(spec) = &budget.spec else { return Ok(Expected { pods: 0, healthy: 0, unmanaged: false }) };
    let there = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(unavailable), _) => {
            let (pods, unmanaged) = scale_of_all(snapshot, namespace, pods)?;
            let unavailable = scaled(unavailable, pods, Rounding::Up).map_err(|error| error.to_string())?;
            Ok(Expected { pods, healthy: pods.saturating_sub(unavailable).max(0), unmanaged })
        }
        (None, Some(IntOrString::Int(healthy))) => Ok(Expected { pods: there, healthy: *healthy, unmanaged: false }),
        (None, Some(share)) => {
            let (pods, unmanaged) = scale_of_all(snapshot, namespace, pods)?;
            let healthy = scaled(share, pods, Rounding::Up).map_err(|error| error.to_string())?;
            Ok(Expected { pods, healthy, unmanaged })
        }
        (None, None) => Ok(Expected { pods: 0, healthy: 0, unmanaged: false }),
    }
}

/// The scales of all controllers of the pods added up, and whether a pod has none.
fn scale_of_all(snapshot: &Snapshot, namespace: &str, pods: &[&Arc<Object>]) -> Result<(i32, bool), String> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut scales: BTreeMap<Uid, i32> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in pods {
        let Some(controller) = pod.meta.controller() else {
            unmanaged = true;
            continue;
        };
        if known.insert(&controller.uid) {
            let found = scale_of(snapshot, namespace, controller)?;
            let (uid, replicas) = found.ok_or_else(|| format!("found no controllers for pod \"{}\"", pod.meta.name))?;
            scales.insert(uid, replicas);
        }
    }
    Ok((scales.into_values().fold(0, i32::saturating_add), unmanaged))
}

/// Who says how many pods there should be, and how many: the Deployment of a ReplicaSet, else the controller itself.
fn scale_of(snapshot: &Snapshot, namespace: &str, controller: &OwnerReference) -> Result<Option<(Uid, i32)>, String> {
    let OwnerReference { api_version, kind, name, uid, .. } = controller;
    let info = snapshot.kinds_known().by_api_version(api_version, kind);
    let info = info.ok_or_else(|| format!("no matches for kind \"{kind}\" in version \"{api_version}\""))?;
    if !info.has_subresource("scale") {
        return Err(format!("{} does not implement the scale subresource", info.group_resource()));
    }
    let found = snapshot.find(info.stored_as, namespace, name);
    let Some(object) = found.filter(|object| object.meta.uid.to_string() == *uid) else { return Ok(None) };
    let above = object.meta.controller_uid().filter(|_| object.meta.kind == kind::REPLICA_SET);
    let deployment = above.and_then(|uid| snapshot.get(uid)).filter(|above| above.meta.kind == kind::DEPLOYMENT);
    let object = deployment.unwrap_or(object);
    Ok(Some((object.meta.uid, replicas_of(info, object)?)))
}

/// `spec.replicas` of a kind with a scale.
fn replicas_of(info: &KindInfo, object: &Object) -> Result<i32, String> {
    let replicas = if let Some(deployment) = object.typed::<Deployment>() {
        deployment.spec.replicas
    } else if let Some(set) = object.typed::<ReplicaSet>() {
        set.spec.replicas
    } else if let Some(set) = object.typed::<StatefulSet>() {
        set.spec.replicas
    } else if let Some(controller) = object.typed::<ReplicationController>() {
        controller.spec.as_ref().and_then(|spec| spec.replicas)
    } else if let Body::Custom(value) = &object.body {
        return Scale::of(info, value).map(|scale| scale.replicas).map_err(|error| error.to_string());
    } else {
        None
    };
    Ok(replicas.unwrap_or(1))
}

/// What is said of pods without a controller; the selector in the form that Go prints.
pub(super) fn unmanaged_message(selector: Option<&LabelSelector>) -> String {
    let selector = selector::in_go(selector);
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these \
         pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}
