//! `LimitRanger`: requests and limits that a namespace gives to containers without them, and the bounds it sets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Refusal, Surroundings, all};
use crate::object::quantity::Quantity;

/// Where a pod says what it was given.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type List = BTreeMap<String, ApiQuantity>;

/// Fills in what containers do not ask for, from each limit range of the namespace in turn, and holds the pod to it.
///
/// # Errors
/// All bounds that the pod breaks.
pub fn limit_pod(pod: &mut Pod, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    for range in all::<LimitRange>(around, &namespace) {
        let items = range.spec.as_ref().map(|spec| spec.limits.as_slice()).unwrap_or_default();
        give(pod, items);
        let spec = pod.spec.get_or_insert_default();
        let mut broken = Vec::new();
        for item in items {
            match &*item.type_ {
                "Container" => {
                    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
                        let asked = container.resources.clone().unwrap_or_default();
                        check(
                            item,
                            &asked.requests.unwrap_or_default(),
                            &asked.limits.unwrap_or_default(),
                            &mut broken,
                        );
                    }
                }
                "Pod" => {
                    let requests = together(spec, |resources| resources.requests.as_ref());
                    let limits = together(spec, |resources| resources.limits.as_ref());
                    check(item, &requests, &limits, &mut broken);
                }
                _ => {}
            }
        }
        refuse(broken)?;
    }
    Ok(())
}

/// Holds the storage that a claim asks for to the bounds of its namespace.
///
/// # Errors
/// All bounds that the claim breaks.
pub fn limit_claim(claim: &PersistentVolumeClaim, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let namespace = claim.metadata.namespace.clone().unwrap_or_default();
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let requests = resources.and_then(|resources| resources.requests.clone()).unwrap_or_default();
    for range in all::<LimitRange>(around, &namespace) {
        let mut broken = Vec::new();
        let items = range.spec.iter().flat_map(|spec| &spec.limits);
        for item in items.filter(|item| item.type_ == "PersistentVolumeClaim") {
            for (name, bound) in item.min.iter().flatten() {
                at_least(item, name, bound, &requests, &List::new(), &mut broken);
            }
            // Claims have requests only: those are what the greatest amount bounds.
            for (name, bound) in item.max.iter().flatten() {
                at_most(item, name, bound, &requests, &requests, &mut broken);
                if let Some(last) = broken.last_mut() {
                    *last = last.replace("but limit is", "but request is").replace("No limit", "No request");
                }
            }
        }
        refuse(broken)?;
    }
    Ok(())
}

fn refuse(broken: Vec<String>) -> Result<(), Refusal> {
    match broken.as_slice() {
        [] => Ok(()),
        [one] => Err(Refusal(one.clone())),
        several => Err(Refusal(format!("[{}]", several.join(", ")))),
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

/// What all containers ask for at once, or an init container before them if that is more.
fn together(spec: &PodSpec, pick: impl Fn(&ResourceRequirements) -> Option<&List>) -> List {
    let of = |container: &Container| container.resources.as_ref().and_then(&pick).cloned().unwrap_or_default();
    let mut total: BTreeMap<String, Quantity> = BTreeMap::new();
    for container in &spec.containers {
        add(&mut total, &of(container));
    }
    let mut sidecars: BTreeMap<String, Quantity> = BTreeMap::new();
    let mut starting: BTreeMap<String, Quantity> = BTreeMap::new();
    for container in spec.init_containers.iter().flatten() {
        let mut now = sidecars.clone();
        add(&mut now, &of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &of(container));
            sidecars.clone_from(&now);
        }
        raise(&mut starting, now);
    }
    raise(&mut total, starting);
    total.into_iter().map(|(name, amount)| (name, amount.to_api())).collect()
}

fn add(total: &mut BTreeMap<String, Quantity>, list: &List) {
    for (name, amount) in list {
        if let Ok(amount) = Quantity::from_api(amount) {
            total.entry(name.clone()).and_modify(|total| *total += amount).or_insert(amount);
        }
    }
}

fn raise(total: &mut BTreeMap<String, Quantity>, other: BTreeMap<String, Quantity>) {
    for (name, amount) in other {
        total.entry(name).and_modify(|total| *total = (*total).max(amount)).or_insert(amount);
    }
}

fn check(item: &LimitRangeItem, requests: &List, limits: &List, broken: &mut Vec<String>) {
    for (name, bound) in item.min.iter().flatten() {
        at_least(item, name, bound, requests, limits, broken);
    }
    for (name, bound) in item.max.iter().flatten() {
        at_most(item, name, bound, requests, limits, broken);
    }
    for (name, bound) in item.max_limit_request_ratio.iter().flatten() {
        ratio(item, name, bound, requests, limits, broken);
    }
}

/// The amounts of one resource that are given and can be read.
fn amounts(name: &str, requests: &List, limits: &List) -> (Option<Quantity>, Option<Quantity>) {
    let of = |list: &List| list.get(name).and_then(|amount| Quantity::from_api(amount).ok());
    (of(requests), of(limits))
}

fn at_least(
    item: &LimitRangeItem,
    name: &str,
    bound: &ApiQuantity,
    requests: &List,
    limits: &List,
    broken: &mut Vec<String>,
) {
    let Ok(least) = Quantity::from_api(bound) else { return };
    let prefix = format!("minimum {name} usage per {} is {}", item.type_, bound.0);
    match amounts(name, requests, limits) {
        (None, _) => broken.push(format!("{prefix}.  No request is specified")),
        (Some(request), _) if request < least => broken.push(format!("{prefix}, but request is {request}")),
        (_, Some(limit)) if limit < least => broken.push(format!("{prefix}, but limit is {limit}")),
        _ => {}
    }
}

fn at_most(
    item: &LimitRangeItem,
    name: &str,
    bound: &ApiQuantity,
    requests: &List,
    limits: &List,
    broken: &mut Vec<String>,
) {
    let Ok(most) = Quantity::from_api(bound) else { return };
    let prefix = format!("maximum {name} usage per {} is {}", item.type_, bound.0);
    match amounts(name, requests, limits) {
        (_, None) => broken.push(format!("{prefix}.  No limit is specified")),
        (_, Some(limit)) if limit > most => broken.push(format!("{prefix}, but limit is {limit}")),
        (Some(request), _) if request > most => broken.push(format!("{prefix}, but request is {request}")),
        _ => {}
    }
}

fn ratio(
    item: &LimitRangeItem,
    name: &str,
    bound: &ApiQuantity,
    requests: &List,
    limits: &List,
    broken: &mut Vec<String>,
) {
    let Ok(most) = Quantity::from_api(bound) else { return };
    let prefix = format!("{name} max limit to request ratio per {} is {}", item.type_, bound.0);
    let (request, limit) = amounts(name, requests, limits);
    let positive = |amount: Option<Quantity>| amount.map(Quantity::as_f64).filter(|amount| *amount > 0.0);
    match (positive(request), positive(limit)) {
        (None, _) => broken.push(format!("{prefix}, but no request is specified or request is 0")),
        (_, None) => broken.push(format!("{prefix}, but no limit is specified or limit is 0")),
        (Some(request), Some(limit)) if limit / request > most.as_f64() => {
            broken.push(format!("{prefix}, but provided ratio is {:.6}", limit / request));
        }
        _ => {}
    }
}
