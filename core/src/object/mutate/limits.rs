//! `LimitRanger`: requests and limits that a namespace gives to containers without them. Its bounds are in
//! [`permit`](crate::object::permit).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, LimitRange, LimitRangeItem, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Surroundings, all};

/// Where a pod says what it was given.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type List = BTreeMap<String, ApiQuantity>;

/// Fills in what containers do not ask for, from each limit range of the namespace in turn.
pub fn default_limits(pod: &mut Pod, around: &(impl Surroundings + ?Sized)) {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    for range in all::<LimitRange>(around, &namespace) {
        give(pod, range.spec.as_ref().map(|spec| spec.limits.as_slice()).unwrap_or_default());
    }
}

/// Gives every container the default requests and limits that it lacks, and notes it in the annotation.
fn give(pod: &mut Pod, items: &[LimitRangeItem]) {
    let mut requests = List::new();
    let mut limits = List::new();
    for item in items.iter().filter(|item| item.type_ == "Container") {
        requests.extend(item.default_request.clone().unwrap_or_default());
        limits.extend(item.default.clone().unwrap_or_default());
    }
    let spec = pod.spec.get_or_insert_default();
    let mut notes = Vec::new();
    let regular = spec.containers.iter_mut().map(|container| (container, "container"));
    let init = spec.init_containers.iter_mut().flatten().map(|container| (container, "init container"));
    for (container, what) in regular.chain(init) {
        note(container, what, &requests, &limits, &mut notes);
    }
    if !notes.is_empty() {
        let text = format!("LimitRanger plugin set: {}", notes.join("; "));
        pod.metadata.annotations.get_or_insert_default().insert(ANNOTATION.to_owned(), text);
    }
}

fn note(container: &mut Container, what: &str, requests: &List, limits: &List, notes: &mut Vec<String>) {
    if requests.is_empty() && limits.is_empty() {
        return;
    }
    let resources = container.resources.get_or_insert_default();
    for (list, defaults, word) in
        [(&mut resources.requests, requests, "request"), (&mut resources.limits, limits, "limit")]
    {
        let list = list.get_or_insert_default();
        let missing: Vec<_> = defaults.iter().filter(|(name, _)| !list.contains_key(*name)).collect();
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
            notes.push(format!("{} {word} for {what} {}", names.join(", "), container.name));
            list.extend(missing.into_iter().map(|(name, amount)| (name.clone(), amount.clone())));
        }
    }
}
