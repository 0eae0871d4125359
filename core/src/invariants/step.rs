//! What holds after every step.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};

use super::Step;
use crate::control::pods::{is_active, is_ready};
use crate::ids::Uid;
use crate::object::{int_or_percent, kind};
use crate::store::{Change, ChangeKind, Object, PodBody};

pub(super) fn revisions_grow(step: &Step<'_>) -> Result<(), String> {
    let mut last = step.before;
    for change in step.changes {
        if change.revision() <= last {
            return Err(format!("{} of {} comes after {last}", change.revision(), change.object.meta.path()));
        }
        last = change.revision();
    }
    Ok(())
}

pub(super) fn pods_stay(step: &Step<'_>) -> Result<(), String> {
    each_pod(step, |change, before, after| match (&before.node, &after.node) {
        (Some(was), is) if is.as_ref() != Some(was) => {
            Err(format!("{} was on {was} and is on {is:?}", change.object.meta.path()))
        }
        _ => Ok(()),
    })
}

pub(super) fn finished_stays_finished(step: &Step<'_>) -> Result<(), String> {
    each_pod(step, |change, before, after| {
        if before.is_finished() && after.state.phase != before.state.phase {
            let phases = (before.state.phase, after.state.phase);
            return Err(format!("{} went from {:?} to {:?}", change.object.meta.path(), phases.0, phases.1));
        }
        Ok(())
    })
}

fn each_pod(step: &Step<'_>, check: impl Fn(&Change, &PodBody, &PodBody) -> Result<(), String>) -> Result<(), String> {
    step.changes.iter().try_for_each(|change| {
        match (change.before.as_ref().and_then(|before| before.pod()), change.object.pod()) {
            (Some(before), Some(after)) => check(change, before, after),
            _ => Ok(()),
        }
    })
}

pub(super) fn names_are_unique(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes.iter().filter(|change| change.kind != ChangeKind::Deleted) {
        let meta = &change.object.meta;
        if meta.kind == kind::EVENT || step.snapshot.get(meta.uid).is_none() {
            continue;
        }
        let found = step.snapshot.find(meta.kind, &meta.namespace, &meta.name).map(|object| object.meta.uid);
        if found != Some(meta.uid) {
            return Err(format!("{} is both {} and {found:?}", meta.path(), meta.uid));
        }
    }
    Ok(())
}

pub(super) fn generations_grow(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes {
        let Some(before) = &change.before else { continue };
        let (was, is) = (generations(before), generations(&change.object));
        if is.0 < was.0 || is.1 < was.1 || is.1 > is.0 {
            let path = change.object.meta.path();
            return Err(format!("{path} had generation {} (observed {}) and has {} ({})", was.0, was.1, is.0, is.1));
        }
    }
    Ok(())
}

/// `generation`, and the `observedGeneration` of what has one.
fn generations(object: &Object) -> (i64, i64) {
    let of_deployment = || object.typed::<Deployment>()?.status.as_ref()?.observed_generation;
    let of_replica_set = || object.typed::<ReplicaSet>()?.status.as_ref()?.observed_generation;
    let of_stateful_set = || object.typed::<StatefulSet>()?.status.as_ref()?.observed_generation;
    let of_daemon_set = || object.typed::<DaemonSet>()?.status.as_ref()?.observed_generation;
    let observed = of_deployment().or_else(of_replica_set).or_else(of_stateful_set).or_else(of_daemon_set);
    (object.meta.generation, observed.unwrap_or(0))
}

/// The pods that were created in this step by a controller of this kind, with their controller.
pub(super) fn created_pods<'a>(step: &'a Step<'_>) -> impl Iterator<Item = (&'a Arc<Object>, &'a Arc<Object>)> {
    let created = step.changes.iter().filter(|change| change.kind == ChangeKind::Added);
    created.filter_map(|change| {
        let owner = step.snapshot.get(change.object.meta.controller_uid()?)?;
        (change.object.meta.kind == kind::POD).then_some((&change.object, owner))
    })
}

/// All versions of an object that were current during the step.
pub(super) fn versions<'a>(step: &'a Step<'_>, uid: Uid) -> impl Iterator<Item = &'a Arc<Object>> {
    let changed = step.changes.iter().filter(move |change| change.object.meta.uid == uid);
    changed.flat_map(|change| change.before.iter().chain([&change.object])).chain(step.snapshot.get(uid))
}

pub(super) fn sets_create_no_surplus(step: &Step<'_>) -> Result<(), String> {
    for (pod, owner) in created_pods(step) {
        if owner.typed::<ReplicaSet>().is_none() {
            continue;
        }
        let declared = versions(step, owner.meta.uid)
            .filter_map(|set| Some(set.typed::<ReplicaSet>()?.spec.replicas.unwrap_or(1)))
            .max()
            .unwrap_or(0);
        let uid = owner.meta.uid;
        let active = step.snapshot.owned_by(uid).filter(|pod| pod.meta.controller_uid() == Some(uid) && is_active(pod));
        let active = active.count();
        if active > usize::try_from(declared).unwrap_or(0) {
            let (pod, set) = (pod.meta.path(), owner.meta.path());
            return Err(format!("{pod} was created, and {set} has {active} active pods for {declared} replicas"));
        }
    }
    Ok(())
}

pub(super) fn rollouts_keep_to_surge(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes.iter().filter(|change| change.kind != ChangeKind::Deleted) {
        let replicas = |object: &Arc<Object>| Some(object.typed::<ReplicaSet>()?.spec.replicas.unwrap_or(1));
        let Some(is) = replicas(&change.object) else { continue };
        if is <= change.before.as_ref().and_then(replicas).unwrap_or(0) {
            continue;
        }
        let Some(owner) = change.object.meta.controller_uid() else { continue };
        let Some(limit) = versions(step, owner).filter_map(|object| limit(object.typed()?)).max() else { continue };
        let sets = step.snapshot.owned_by(owner).filter(|set| set.meta.controller_uid() == Some(owner));
        let total: i32 = sets.filter_map(replicas).sum();
        if total > limit {
            let path = change.object.meta.path();
            return Err(format!("{path} was raised to {is}, all sets together to {total}; {limit} are allowed"));
        }
    }
    Ok(())
}

/// The most replicas that all sets of a Deployment may have together.
fn limit(deployment: &Deployment) -> Option<i32> {
    let replicas = deployment.spec.replicas.unwrap_or(1);
    let strategy = deployment.spec.strategy.as_ref();
    if strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate")) {
        return Some(replicas);
    }
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
    let surge = int_or_percent::fenceposts(surge, None, replicas).ok()?.0;
    Some(replicas.saturating_add(surge))
}

pub(super) fn recreate_does_not_mix(step: &Step<'_>) -> Result<(), String> {
    for (pod, set) in created_pods(step) {
        let Some(deployment) = set.meta.controller_uid().and_then(|uid| step.snapshot.get(uid)) else { continue };
        let strategy = deployment.typed::<Deployment>().and_then(|deployment| deployment.spec.strategy.as_ref());
        if strategy.is_none_or(|strategy| strategy.type_.as_deref() != Some("Recreate")) {
            continue;
        }
        let siblings = step.snapshot.owned_by(deployment.meta.uid).filter(|other| other.meta.uid != set.meta.uid);
        // One that came later in the same step is judged by itself: this pod may be gone again by then.
        let was_there = |other: &Arc<Object>| {
            let mut made = step.changes.iter().filter(|change| change.kind == ChangeKind::Added);
            made.find(|change| change.object.meta.uid == other.meta.uid)
                .is_none_or(|made| made.revision() < pod.meta.revision)
        };
        let mut others = siblings
            .flat_map(|other| step.snapshot.owned_by(other.meta.uid))
            .filter(|other| other.pod().is_some_and(|pod| !pod.is_finished()) && was_there(other));
        if let Some(other) = others.next() {
            return Err(format!("{} was created while {} is there", pod.meta.path(), other.meta.path()));
        }
    }
    Ok(())
}

pub(super) fn ordered_sets_wait(step: &Step<'_>) -> Result<(), String> {
    for (pod, owner) in created_pods(step) {
        let Some(set) = owner.typed::<StatefulSet>() else { continue };
        let ordinal = |name: &str| name.rsplit_once('-').and_then(|(_, number)| number.parse::<i32>().ok());
        let Some(made) = ordinal(&pod.meta.name) else { continue };
        if set.spec.pod_management_policy.as_deref() == Some("Parallel") {
            continue;
        }
        let start = |object: &Arc<Object>| object.typed::<StatefulSet>()?.spec.ordinals.as_ref()?.start;
        let first = versions(step, owner.meta.uid).filter_map(start).max().unwrap_or(0);
        let was_ready = |name: &str| {
            let by_name = |change: &&Change| change.object.meta.kind == kind::POD && *change.object.meta.name == *name;
            let changed = step.changes.iter().filter(by_name);
            let current = step.snapshot.find(kind::POD, &pod.meta.namespace, name);
            let mut all = changed.flat_map(|change| change.before.iter().chain([&change.object])).chain(current);
            all.any(|pod| is_active(pod) && is_ready(pod))
        };
        let unready = (first..made).map(|below| format!("{}-{below}", owner.meta.name)).find(|name| !was_ready(name));
        if let Some(unready) = unready {
            return Err(format!("{} was made, and {unready} was not ready", pod.meta.path()));
        }
    }
    Ok(())
}
