//! The DaemonSet controller (`pkg/controller/daemon`).
//!
//! **The rule**: each node that the template's selector, affinity and tolerations admit has one pod of the set; no other
//! node has one, unless it was there before and nothing drives it out.
//!
//! The stages of a decision, in [`DaemonSetController::decide`]:
//! 1. claim the pods that match the selector, and settle the [`History`] of the template;
//! 2. [`place`]: create what is missing on a node, delete what is too much, has ended, or must not be there;
//! 3. when every node has what it should, [`roll`]: move pods to the current template, a few nodes at a time;
//! 4. forget old revisions, and [`status`]: count.
//!
//! Where a pod goes is written into its affinity; the scheduler carries it out. A set that is being deleted is left alone.

mod backoff;
mod nodes;
mod place;
mod roll;
mod status;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::Node;

use self::nodes::Nodes;
use self::template::{GENERATION_ANNOTATION, GENERATION_LABEL};
use crate::control::claim::owners_of;
use crate::control::crew::Crew;
use crate::control::revisions::{History, REVISION_HASH_LABEL, Subject};
use crate::control::{Action, Controller, Keys, Plan, Propagation, Target, Watched, pods};
use crate::error::ApiError;
use crate::ids::{NodeName, Uid};
use crate::object::daemon::Fate;
use crate::object::int_or_percent::{self, Rounding};
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, EventDraft, FailureTimes, Object, Snapshot, Standing, is_same_node};
use crate::time::Time;

/// Keeps a pod on each node.
#[derive(Debug)]
pub struct DaemonSetController;

/// A DaemonSet and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    set: &'w DaemonSet,
    selects_everything: bool,
    crew: Crew<'w>,
    history: History<'w>,
    nodes: Nodes<'w>,
    /// On which nodes its pods have failed.
    failures: Option<&'w Arc<FailureTimes>>,
}

impl<'w> Observed<'w> {
    fn spec(&self) -> &'w DaemonSetSpec {
        &self.set.spec
    }

    fn min_ready(&self) -> Duration {
        pods::seconds(self.spec().min_ready_seconds)
    }

    /// How pods are rolled; `None` when somebody else does it.
    fn rolling(&self) -> Option<RollingUpdateDaemonSet> {
        let strategy = self.spec().update_strategy.as_ref();
        let on_delete = strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete");
        (!on_delete).then(|| strategy.and_then(|strategy| strategy.rolling_update.clone()).unwrap_or_default())
    }

    fn has_current_hash(&self, pod: &Standing) -> bool {
        pod.labels().get(REVISION_HASH_LABEL).is_some_and(|hash| hash == self.history.current_hash())
    }

    /// Whether a pod is of the current template, by its hash or by the number from before there were hashes.
    fn is_current(&self, pod: &Standing) -> bool {
        let generation = self.object.meta.annotations.get(GENERATION_ANNOTATION);
        self.has_current_hash(pod) || generation.is_some() && pod.labels().get(GENERATION_LABEL) == generation
    }
}

/// A decision in the making.
#[derive(Debug)]
struct Work<'o, 'w> {
    observed: &'o Observed<'w>,
    now: Time,
    plan: Plan,
    /// Failed pods that are to go, each with its node.
    failed: BTreeMap<Uid, NodeName>,
    /// Where pods shall be made.
    create: Vec<NodeName>,
    /// The pods that shall go.
    delete: Vec<&'w Arc<Object>>,
    /// On which nodes pods have failed, as it shall be remembered.
    failures: FailureTimes,
}

impl<'o, 'w> Work<'o, 'w> {
    fn new(observed: &'o Observed<'w>, now: Time) -> Self {
        let failures = backoff::remembered(observed);
        let (plan, create, delete, failed) = (Plan::nothing(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { observed, now, plan, failed, create, delete, failures }
    }
}

/// Whether new pods come up beside the old ones.
pub(crate) fn surges(spec: &DaemonSetSpec) -> bool {
    let Some(strategy) = &spec.update_strategy else { return false };
    let surge = strategy.rolling_update.as_ref().and_then(|rolling| rolling.max_surge.as_ref());
    let share = surge.and_then(|surge| int_or_percent::scaled(surge, 100, Rounding::Up).ok());
    strategy.type_.as_deref() != Some("OnDelete") && share.is_some_and(|share| share > 0)
}

impl Controller for DaemonSetController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "daemonset-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::DAEMON_SET),
        Watched::kind(kind::POD, sets_of_pod),
        Watched::kind(kind::NODE, sets_that_a_node_concerns),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let set: &DaemonSet = object.typed()?;
        let selector = Selector::compile(Some(&set.spec.selector)).ok()?;
        let crew = Crew::of(snapshot, &object.meta, &selector, |_| true);
        let subject = Subject {
            owner: &object.meta,
            template: &set.spec.template,
            collisions: set.status.as_ref().and_then(|status| status.collision_count),
            hash_label: REVISION_HASH_LABEL,
        };
        let history = History::of(snapshot, subject, &selector);
        let selects_everything = selector.is_everything();
        let nodes = Nodes::of(snapshot, object.meta.uid, selector);
        let failures = snapshot.failure_times(key);
        Some(Observed { object, set, selects_everything, crew, history, nodes, failures })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut work = Work::new(observed, now);
        if observed.object.meta.is_deleting() {
            return work.plan;
        }
        if observed.selects_everything {
            let message = "This daemon set is selecting all pods. A non-empty selector is required.";
            let event = EventDraft::warning(&observed.object.meta, Self::NAME, "SelectingAll", message);
            work.plan.push(Action::Emit(Box::new(event)));
            return work.plan;
        }
        observed.history.settle(&mut work.plan);
        observed.crew.settle(&mut work.plan);
        if !observed.crew.adopt.is_empty() {
            // They are nowhere yet.
            work.plan.more = true;
            return work.plan;
        }
        place::pods(&mut work);
        if work.create.is_empty() && work.delete.is_empty() {
            roll::to_current(&mut work);
        }
        place::carry_out(&mut work);
        forget_history(&mut work);
        status::count(&mut work);
        work.plan
    }

    /// Of nodes that go, and of taints that drive no pod out, upstream hears only at the next occasion; the counts wait
    /// for it.
    fn can_wait(plan: &Plan) -> bool {
        plan.actions.iter().all(|action| matches!(action, Action::UpdateStatus { .. } | Action::Emit(_)))
    }

    /// A pod could not be created: it is said, unless the namespace goes, and what is there is counted.
    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        let mut work = Work::new(observed, now);
        if !error.is_namespace_terminating() {
            let message = format!("Error creating: {error}");
            let event = EventDraft::warning(&observed.object.meta, Self::NAME, "FailedCreate", message);
            work.plan.push(Action::Emit(Box::new(event)));
        }
        status::count(&mut work);
        work.plan
    }
}

fn forget_history(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    let is_live = |revision: &Object| {
        let hash = revision.meta.labels.get(REVISION_HASH_LABEL);
        hash.is_some() && observed.crew.count(|pod| pod.labels().get(REVISION_HASH_LABEL) == hash) > 0
    };
    // Other than in a StatefulSet, old revisions that pods still have take up room in the history.
    let old = observed.history.past().iter().filter(|past| past.name() != observed.history.current_name());
    let live = i32::try_from(old.filter(|past| is_live(past.object)).count()).unwrap_or(i32::MAX);
    let limit = observed.spec().revision_history_limit.map(|limit| limit.saturating_sub(live).max(0));
    observed.history.forget(limit, |past| is_live(past.object), &mut work.plan);
}

fn delete(observed: &Observed<'_>, pod: &Object) -> Action {
    let meta = &observed.object.meta;
    let event = EventDraft::normal(meta, DaemonSetController::NAME, "SuccessfulDelete", "Deleted pod: ");
    Action::Delete {
        target: Target::seen(pod),
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: Some(Box::new(event)),
    }
}

/// Whether pods of an earlier template were there when the set was last looked at.
fn is_rolling(set: &DaemonSet) -> bool {
    let status = set.status.as_ref();
    let updated = status.and_then(|status| status.updated_number_scheduled).unwrap_or(0);
    status.is_some_and(|status| updated < status.current_number_scheduled + status.number_misscheduled)
}

/// The sets that a pod concerns.
fn sets_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    owners_of(change, snapshot, kind::DAEMON_SET, |set| Some(&set.typed::<DaemonSet>()?.spec.selector), keys);
}

/// The sets that should have a pod on a node and have none, or have one that must not be there, or may have one too many
/// because they surge; and those in the middle of a rollout: how many pods may go depends on how many nodes want one.
fn sets_that_a_node_concerns(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if change.before.as_ref().is_none_or(|before| !is_same_node(before, &change.object)) || change.after().is_none() {
        let sets = snapshot.list(kind::DAEMON_SET);
        keys.extend(sets.filter(|set| set.typed().is_some_and(is_rolling)).map(|set| set.meta.uid));
    }
    let Some(object) = change.after() else { return };
    let Some(node) = object.typed::<Node>() else { return };
    let before = change.before.as_ref().and_then(|before| before.typed::<Node>());
    let taints = |node: &Node| node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let is_tainted_anew = before.is_some_and(|before| taints(before) != taints(node));
    let name = NodeName::new(Arc::clone(&object.meta.name));
    for set in snapshot.list(kind::DAEMON_SET) {
        let Some(post) = snapshot.post_at(set.meta.uid, &name) else { continue };
        let has_pod = !post.pods.is_empty();
        let concerns = match post.fate {
            Fate::Barred => has_pod,
            Fate::Wanted if !has_pod => true,
            Fate::Wanted | Fate::Tolerated => {
                has_pod && is_tainted_anew && set.typed::<DaemonSet>().is_some_and(|set| surges(&set.spec))
            }
            Fate::Gone => false,
        };
        if concerns {
            keys.push(set.meta.uid);
        }
    }
}
