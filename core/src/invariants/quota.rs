//! What holds of quotas and limit ranges.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};

use super::Step;
use crate::object::pod_total::Amounts;
use crate::object::quantity::Quantity;
use crate::object::{kind, quota};
use crate::store::{ChangeKind, Object};

/// In a step that lets a pod in, the pods that are not on their way out use no more than each quota of their namespace
/// allows: whatever else happened, the last one that was let in had room. A quota that changed in the step is left out.
pub(super) fn quotas_hold(step: &Step<'_>) -> Result<(), String> {
    let is_here = |object: &Object| step.snapshot.get(object.meta.uid).is_some();
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for change in step.changes.iter().filter(|change| change.kind == ChangeKind::Added) {
        if change.object.meta.kind == kind::POD && is_here(&change.object) {
            added.insert(&change.object.meta.namespace, &change.object.meta.name);
        }
    }
    for (namespace, pod) in added {
        for object in step.snapshot.list_in(kind::RESOURCE_QUOTA, namespace) {
            let quota: Option<&ResourceQuota> = object.typed();
            let Some(spec) = quota.and_then(|quota| quota.spec.as_ref()) else { continue };
            let unscoped = spec.scopes.is_none() && spec.scope_selector.is_none();
            if !unscoped || spec_changed(step, object) {
                continue;
            }
            let used = used_by_pods(step, namespace);
            for (name, limit) in spec.hard.iter().flatten() {
                let limit = Quantity::from_api(limit).unwrap_or_default();
                if let Some(used) = used.get(name).filter(|used| **used > limit) {
                    return Err(format!("{namespace}/{pod} was let in, and {name} is {used}: more than {limit}"));
                }
            }
        }
    }
    Ok(())
}

fn spec_changed(step: &Step<'_>, quota: &Object) -> bool {
    let spec = |object: &Object| object.typed::<ResourceQuota>().and_then(|quota| quota.spec.clone());
    let mut versions = step.changes.iter().filter(|change| change.object.meta.uid == quota.meta.uid);
    versions.any(|change| change.before.as_ref().is_none_or(|before| spec(before) != spec(&change.object)))
}

fn used_by_pods(step: &Step<'_>, namespace: &str) -> Amounts {
    let mut used = Amounts::new();
    for object in step.snapshot.list_in(kind::POD, namespace).filter(|object| !object.meta.is_deleting()) {
        let Some(pod) = object.pod() else { continue };
        for (name, amount) in quota::of_pod(&pod.spec, pod.is_finished()) {
            *used.entry(name).or_default() += amount;
        }
    }
    used
}

/// Limits that a container has, or was given, are within those of each limit range of its namespace. A limit range that
/// changed in the step is left out.
pub(super) fn bounds_hold(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes.iter().filter(|change| change.kind == ChangeKind::Added) {
        let Some(pod) = change.object.pod() else { continue };
        for range in step.snapshot.list_in(kind::LIMIT_RANGE, &change.object.meta.namespace) {
            if step.changes.iter().any(|change| change.object.meta.uid == range.meta.uid) {
                continue;
            }
            let items = range.typed::<LimitRange>().and_then(|range| range.spec.as_ref()).map(|spec| &spec.limits);
            for item in items.into_iter().flatten().filter(|item| item.type_ == "Container") {
                for (name, most) in item.max.iter().flatten() {
                    let most = Quantity::from_api(most).unwrap_or_default();
                    let all = pod.spec.containers.iter().chain(pod.spec.init_containers.iter().flatten());
                    for container in all {
                        let limits = container.resources.as_ref().and_then(|all| all.limits.as_ref());
                        let limit = limits.and_then(|limits| Quantity::from_api(limits.get(name)?).ok());
                        if limit.is_none_or(|limit| limit > most) {
                            let path = change.object.meta.path();
                            return Err(format!(
                                "{} of {path} may use {limit:?} of {name}, not {most}",
                                container.name
                            ));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
