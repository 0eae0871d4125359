//! The lines of workloads: how many pods are wanted, and how far they are.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::{Column, NAME, NONE, created, integer, labels, name, narrow, wide};
use crate::object::selector::Selector;
use crate::time::Time;

pub(super) const DEPLOYMENT: &[Column] = &[
    NAME,
    narrow("Ready"),
    narrow("Up-to-date"),
    narrow("Available"),
    narrow("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(super) fn deployment(object: &Deployment, now: Time) -> Vec<Value> {
    let status = object.status.clone().unwrap_or_default();
    let wanted = object.spec.replicas.unwrap_or(0);
    let mut cells = vec![
        name(&object.metadata),
        format!("{}/{wanted}", status.ready_replicas.unwrap_or(0)).into(),
        status.updated_replicas.unwrap_or(0).into(),
        status.available_replicas.unwrap_or(0).into(),
        created(&object.metadata, now),
    ];
    cells.extend(containers(Some(&object.spec.template)));
    cells.push(selector(Some(&object.spec.selector)));
    cells
}

pub(super) const REPLICA_SET: &[Column] = &[
    NAME,
    integer("Desired"),
    integer("Current"),
    integer("Ready"),
    narrow("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(super) fn replica_set(object: &ReplicaSet, now: Time) -> Vec<Value> {
    let status = object.status.clone().unwrap_or_default();
    let mut cells = vec![
        name(&object.metadata),
        object.spec.replicas.unwrap_or(0).into(),
        status.replicas.into(),
        status.ready_replicas.unwrap_or(0).into(),
        created(&object.metadata, now),
    ];
    cells.extend(containers(object.spec.template.as_ref()));
    cells.push(selector(Some(&object.spec.selector)));
    cells
}

pub(super) const STATEFUL_SET: &[Column] = &[NAME, narrow("Ready"), narrow("Age"), wide("Containers"), wide("Images")];

pub(super) fn stateful_set(object: &StatefulSet, now: Time) -> Vec<Value> {
    let ready = object.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    let wanted = object.spec.replicas.unwrap_or(0);
    let mut cells = vec![name(&object.metadata), format!("{ready}/{wanted}").into(), created(&object.metadata, now)];
    cells.extend(containers(Some(&object.spec.template)));
    cells
}

pub(super) const DAEMON_SET: &[Column] = &[
    NAME,
    integer("Desired"),
    integer("Current"),
    integer("Ready"),
    integer("Up-to-date"),
    integer("Available"),
    narrow("Node Selector"),
    narrow("Age"),
    wide("Containers"),
    wide("Images"),
    wide("Selector"),
];

pub(super) fn daemon_set(object: &DaemonSet, now: Time) -> Vec<Value> {
    let status = object.status.clone().unwrap_or_default();
    let pod = object.spec.template.spec.as_ref();
    let mut cells = vec![
        name(&object.metadata),
        status.desired_number_scheduled.into(),
        status.current_number_scheduled.into(),
        status.number_ready.into(),
        status.updated_number_scheduled.unwrap_or(0).into(),
        status.number_available.unwrap_or(0).into(),
        labels(pod.and_then(|pod| pod.node_selector.as_ref())),
        created(&object.metadata, now),
    ];
    cells.extend(containers(Some(&object.spec.template)));
    cells.push(selector(Some(&object.spec.selector)));
    cells
}

/// The names and the images of a template's containers.
fn containers(template: Option<&PodTemplateSpec>) -> [Value; 2] {
    let spec = template.and_then(|template| template.spec.as_ref());
    let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let images: Vec<&str> = containers.iter().filter_map(|container| container.image.as_deref()).collect();
    [names.join(",").into(), images.join(",").into()]
}

fn selector(selector: Option<&LabelSelector>) -> Value {
    match Selector::compile(selector) {
        Ok(selector) if !selector.to_string().is_empty() => selector.to_string().into(),
        Ok(_) => NONE.into(),
        Err(_) => "<error>".into(),
    }
}
