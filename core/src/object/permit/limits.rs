//! `LimitRanger`: the bounds that a namespace sets to what pods and claims ask for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::object::mutate::{Refusal, Surroundings, all};
use crate::object::pod_total::{self, Amounts};
use crate::object::quantity::Quantity;

/// Holds a pod to the bounds of its namespace, those for each container and those for all of it.
///
/// # Errors
/// All bounds of one limit range that the pod breaks.
pub(super) fn pod(pod: &Pod, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    for range in all::<LimitRange>(around, pod.metadata.namespace.as_deref().unwrap_or_default()) {
        let mut broken = Vec::new();
        for item in range.spec.iter().flat_map(|spec| &spec.limits) {
            match &*item.type_ {
                "Container" => {
                    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
                        check(item, &Asked::of_container(container), &mut broken);
                    }
                }
                "Pod" => check(item, &Asked::of_pod(spec), &mut broken),
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
/// All bounds of one limit range that the claim breaks.
pub(super) fn claim(claim: &PersistentVolumeClaim, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let requests = amounts(resources.and_then(|resources| resources.requests.as_ref()));
    for range in all::<LimitRange>(around, claim.metadata.namespace.as_deref().unwrap_or_default()) {
        let mut broken = Vec::new();
        let items = range.spec.iter().flat_map(|spec| &spec.limits);
        for item in items.filter(|item| item.type_ == "PersistentVolumeClaim") {
            let asked = Asked { requests: requests.clone(), limits: Amounts::new() };
            for (name, bound) in item.min.iter().flatten() {
                at_least(item, name, bound, &asked, &mut broken);
            }
            // Claims have requests only: those are what the greatest amount bounds.
            for (name, bound) in item.max.iter().flatten() {
                let Ok(most) = Quantity::from_api(bound) else { continue };
                let prefix = format!("maximum {name} usage per {} is {}", item.type_, bound.0);
                match requests.get(name) {
                    None => broken.push(format!("{prefix}.  No request is specified")),
                    Some(request) if *request > most => broken.push(format!("{prefix}, but request is {request}")),
                    Some(_) => {}
                }
            }
        }
        refuse(broken)?;
    }
    Ok(())
}

/// What a container or a pod asks for.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn of_container(container: &Container) -> Self {
        let resources = container.resources.as_ref();
        Self {
            requests: amounts(resources.and_then(|resources| resources.requests.as_ref())),
            limits: amounts(resources.and_then(|resources| resources.limits.as_ref())),
        }
    }

    fn of_pod(spec: &PodSpec) -> Self {
        Self {
            requests: pod_total::without_overhead(spec, pod_total::List::Requests),
            limits: pod_total::without_overhead(spec, pod_total::List::Limits),
        }
    }

    /// Request and limit of one resource.
    fn both(&self, name: &str) -> (Option<Quantity>, Option<Quantity>) {
        (self.requests.get(name).copied(), self.limits.get(name).copied())
    }
}

fn amounts(list: Option<&BTreeMap<String, ApiQuantity>>) -> Amounts {
    let all = list.into_iter().flatten();
    all.filter_map(|(name, amount)| Some((name.clone(), Quantity::from_api(amount).ok()?))).collect()
}

fn refuse(broken: Vec<String>) -> Result<(), Refusal> {
    match broken.as_slice() {
        [] => Ok(()),
        [one] => Err(Refusal(one.clone())),
        several => Err(Refusal(format!("[{}]", several.join(", ")))),
    }
}

fn check(item: &LimitRangeItem, asked: &Asked, broken: &mut Vec<String>) {
    for (name, bound) in item.min.iter().flatten() {
        at_least(item, name, bound, asked, broken);
    }
    for (name, bound) in item.max.iter().flatten() {
        at_most(item, name, bound, asked, broken);
    }
    for (name, bound) in item.max_limit_request_ratio.iter().flatten() {
        ratio(item, name, bound, asked, broken);
    }
}

fn at_least(item: &LimitRangeItem, name: &str, bound: &ApiQuantity, asked: &Asked, broken: &mut Vec<String>) {
    let Ok(least) = Quantity::from_api(bound) else { return };
    let prefix = format!("minimum {name} usage per {} is {}", item.type_, bound.0);
    match asked.both(name) {
        (None, _) => broken.push(format!("{prefix}.  No request is specified")),
        (Some(request), _) if request < least => broken.push(format!("{prefix}, but request is {request}")),
        (_, Some(limit)) if limit < least => broken.push(format!("{prefix}, but limit is {limit}")),
        _ => {}
    }
}

fn at_most(item: &LimitRangeItem, name: &str, bound: &ApiQuantity, asked: &Asked, broken: &mut Vec<String>) {
    let Ok(most) = Quantity::from_api(bound) else { return };
    let prefix = format!("maximum {name} usage per {} is {}", item.type_, bound.0);
    match asked.both(name) {
        (_, None) => broken.push(format!("{prefix}.  No limit is specified")),
        (_, Some(limit)) if limit > most => broken.push(format!("{prefix}, but limit is {limit}")),
        (Some(request), _) if request > most => broken.push(format!("{prefix}, but request is {request}")),
        _ => {}
    }
}

fn ratio(item: &LimitRangeItem, name: &str, bound: &ApiQuantity, asked: &Asked, broken: &mut Vec<String>) {
    let Ok(most) = Quantity::from_api(bound) else { return };
    let prefix = format!("{name} max limit to request ratio per {} is {}", item.type_, bound.0);
    let (request, limit) = asked.both(name);
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
