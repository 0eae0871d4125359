//! The Deployment controller (`pkg/controller/deployment`).
//!
//! **The rule**: the ReplicaSet of the current template takes over from those of earlier templates, with never more
//! pods than `replicas + maxSurge` and, by our own doing, never fewer available ones than `replicas - maxUnavailable`.
//!
//! The stages of a decision:
//! 1. claim the ReplicaSets that match the selector;
//! 2. paused, or `spec.replicas` changed: [`scaling`] keeps the proportions, and nothing rolls;
//! 3. asked to by an annotation: [`rollback`] to an earlier template;
//! 4. otherwise the [`new_set`] is found or made, and [`rolling`] or [`recreate`] moves pods over, one direction a plan;
//! 5. once complete, [`history`] forgets the oldest sets;
//! 6. [`status`] counts, and [`progress`] says how the rollout is going.
//!
//! A Deployment that is being deleted knows its set of the current template, and only counts.

mod history;
mod new_set;
mod progress;
mod recreate;
mod rollback;
mod rolling;
mod scaling;
mod status;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

use self::work::Work;
use crate::control::claim::{Claims, owners_of};
use crate::control::{Action, Controller, Keys, Plan, Watched};
use crate::error::{ApiError, Reason};
use crate::ids::Uid;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::time::Time;

/// Rolls Deployments out.
#[derive(Debug)]
pub struct DeploymentController;

/// A Deployment and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    deployment: &'w Deployment,
    /// Whether its selector matches everything, which is a mistake.
    selects_everything: bool,
    claims: Claims<'w>,
    /// The sets with pods that have not ended; only looked up when pods must be gone first (`Recreate`).
    with_pods: Vec<Uid>,
}

impl Observed<'_> {
    fn is_recreate(&self) -> bool {
        is_recreate(self.deployment)
    }

    fn is_paused(&self) -> bool {
        self.deployment.spec.paused == Some(true)
    }
}

impl Controller for DeploymentController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "deployment-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::DEPLOYMENT),
        Watched::kind(kind::REPLICA_SET, deployments_of_set),
        Watched::kind(kind::POD, recreating_deployment_of_pod),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let deployment: &Deployment = object.typed()?;
        let selector = Selector::compile(Some(&deployment.spec.selector)).ok()?;
        let claims = Claims::of(snapshot, &object.meta, kind::REPLICA_SET, &selector);
        let has_pods = |set: &Uid| snapshot.owned_by(*set).any(|pod| pod.pod().is_some_and(|pod| !pod.is_finished()));
        let with_pods = if is_recreate(deployment) {
            claims.kept().map(|set| set.meta.uid).filter(has_pods).collect()
        } else {
            Vec::new()
        };
        Some(Observed { object, deployment, selects_everything: selector.is_everything(), claims, with_pods })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        if observed.selects_everything {
            return complain_about_selector(observed);
        }
        let mut work = Work::new(observed, now);
        if observed.object.meta.is_deleting() {
            new_set::find(&mut work);
            status::count(&mut work);
            return work.into_plan();
        }
        progress::note_pausing(&mut work);
        if observed.is_paused() {
            new_set::find(&mut work);
            scaling::proportionally(&mut work);
            history::forget(&mut work);
            status::count(&mut work);
        } else if let Some(revision) = rollback::asked(&work) {
            rollback::to(&mut work, revision);
        } else if work.is_scaling_event() {
            new_set::find(&mut work);
            scaling::proportionally(&mut work);
            status::count(&mut work);
        } else {
            if observed.is_recreate() {
                recreate::roll(&mut work);
            } else {
                rolling::roll(&mut work);
            }
            status::count(&mut work);
            progress::report(&mut work);
        }
        work.into_plan()
    }

    /// The set of the current template could not be made. What else may have been refused is only tried again.
    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        let mut work = Work::new(observed, now);
        new_set::find(&mut work);
        if work.current.is_some() || error.is_namespace_terminating() {
            return Plan::nothing();
        }
        if error.reason() == Reason::AlreadyExists {
            work.count_collision();
        } else {
            let name = new_set::name(&work);
            progress::report_failed_create(&mut work, &name, error);
        }
        work.into_plan()
    }
}

fn is_recreate(deployment: &Deployment) -> bool {
    deployment.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

fn complain_about_selector(observed: &Observed<'_>) -> Plan {
    let message = "This deployment is selecting all pods. A non-empty selector is required.";
    let event = EventDraft::warning(&observed.object.meta, DeploymentController::NAME, "SelectingAll", message);
    let mut plan = Plan::wait_on("a selector that does not match everything");
    if observed.deployment.status.as_ref().and_then(|status| status.observed_generation)
        < Some(observed.object.meta.generation)
    {
        plan.push(Action::Emit(Box::new(event)));
        let mut deployment = observed.deployment.clone();
        deployment.status.get_or_insert_default().observed_generation = Some(observed.object.meta.generation);
        let target = crate::control::Target::seen(observed.object);
        plan.push(Action::UpdateStatus { target, object: Arc::new(deployment) });
    }
    plan
}

/// The Deployments that a set concerns.
fn deployments_of_set(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    owners_of(change, snapshot, kind::DEPLOYMENT, |owner| Some(&owner.typed::<Deployment>()?.spec.selector), keys);
}

/// A Deployment that recreates waits for its last old pod to end: nothing else of a pod concerns a Deployment.
fn recreating_deployment_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let ended = change.after().is_none_or(|pod| pod.pod().is_some_and(crate::store::PodBody::is_finished));
    if !ended {
        return;
    }
    let set = change.object.meta.controller_uid().and_then(|uid| snapshot.get(uid));
    let Some(set) = set.filter(|set| set.typed::<ReplicaSet>().is_some()) else { return };
    let deployment = set.meta.controller_uid().and_then(|uid| snapshot.get(uid));
    if let Some(deployment) = deployment.filter(|object| object.typed().is_some_and(is_recreate)) {
        keys.push(deployment.meta.uid);
    }
}
