//! The StatefulSet controller (`pkg/controller/statefulset`).
//!
//! **The rule**: each ordinal from `ordinals.start` on, `replicas` of them, has one pod of its own name, with its own
//! claims, and never two. Ordered sets go up one by one, each pod available before the next is made, and down one by one
//! from the top; parallel sets do all at once. What is filled and shrunk rolls to the current template from the top down,
//! to the partition.
//!
//! The stages of a decision, in [`StatefulSetController::decide`]:
//! 1. claim the pods that match the selector, and settle the [`History`] of the template;
//! 2. [`fill`]: make the pods that are missing, with their claims, and replace those that have ended;
//! 3. [`shrink`]: delete the pods beyond the wanted ordinals;
//! 4. [`roll`]: delete pods of earlier templates, so that they are made anew;
//! 5. forget old revisions, and [`status`]: count.
//!
//! In an ordered set a stage that acts or waits ends the turn. A set that is being deleted only counts.

mod fill;
mod identity;
mod places;
mod roll;
mod shrink;
mod status;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};

use self::identity::Ordinal;
use self::places::Places;
use crate::control::claim::owners_of;
use crate::control::crew::Crew;
use crate::control::revisions::{History, REVISION_HASH_LABEL, Subject};
use crate::control::{Action, Controller, Keys, Plan, WaitingOn, Watched, pods};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::time::Time;

/// The label on revisions that carries their hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// Keeps the pods of StatefulSets in their places.
#[derive(Debug)]
pub struct StatefulSetController;

/// A StatefulSet and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    set: &'w StatefulSet,
    places: Places<'w>,
    /// The ordinals whose claims may not have the owners that they shall have.
    doubtful: BTreeSet<Ordinal>,
    history: History<'w>,
    /// The name of the revision that pods below the partition have.
    current: String,
    /// Its template, when it is not that of the set.
    current_template: Option<PodTemplateSpec>,
}

impl<'w> Observed<'w> {
    fn spec(&self) -> &'w StatefulSetSpec {
        &self.set.spec
    }

    /// Whether pods come and go one after the other.
    fn is_ordered(&self) -> bool {
        self.spec().pod_management_policy.as_deref() != Some("Parallel")
    }

    fn replicas(&self) -> i32 {
        self.spec().replicas.unwrap_or(1)
    }

    fn min_ready(&self) -> Duration {
        pods::seconds(self.spec().min_ready_seconds)
    }

    /// Whether pods of earlier templates are replaced without anybody asking.
    fn rolls(&self) -> bool {
        self.spec().update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete")
    }

    fn rolling(&self) -> Option<&'w RollingUpdateStatefulSetStrategy> {
        self.spec().update_strategy.as_ref()?.rolling_update.as_ref()
    }

    /// The first ordinal that rolls.
    fn partition(&self) -> Ordinal {
        let partition = self.rolling().and_then(|rolling| rolling.partition).unwrap_or(0);
        self.places.wanted.start.plus(partition)
    }

    fn is_wanted(&self, ordinal: Ordinal) -> bool {
        self.places.wanted.contains(&ordinal)
    }

    fn claim_templates(&self) -> &'w [PersistentVolumeClaim] {
        self.spec().volume_claim_templates.as_deref().unwrap_or_default()
    }

    /// The revision of the set's own template.
    fn update(&self) -> &str {
        self.history.current_name()
    }

    /// The revision that a new pod gets: below the partition the one from before the rollout.
    fn revision_for(&self, ordinal: Ordinal) -> &str {
        let waits = self.rolls() && ordinal < self.partition();
        if waits { &self.current } else { self.update() }
    }

    fn event(&self, verb: Verb, object: &str, name: &str) -> EventDraft {
        let (reason, word) = verb.succeeded();
        let set = &self.object.meta;
        let message = match object {
            "" => format!("{word} Pod {name} in StatefulSet {} successful", set.name),
            claim => format!("{word} Claim {claim} Pod {name} in StatefulSet {} success", set.name),
        };
        EventDraft::normal(set, StatefulSetController::NAME, reason, message)
    }
}

/// What is done to a pod or a claim, as events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    const fn succeeded(self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("SuccessfulCreate", "Create"),
            Self::Update => ("SuccessfulUpdate", "Update"),
            Self::Delete => ("SuccessfulDelete", "Delete"),
        }
    }
}

/// A decision in the making.
#[derive(Debug)]
struct Work<'o, 'w> {
    observed: &'o Observed<'w>,
    now: Time,
    plan: Plan,
    /// Pods that this plan creates or deletes.
    moved: usize,
    /// Pods of the current revision that this plan deletes to roll them.
    rolled: i32,
}

impl Work<'_, '_> {
    fn emit(&mut self, event: EventDraft) {
        self.plan.push(Action::Emit(Box::new(event)));
    }

    fn wait_on(&mut self, what: impl FnOnce() -> String) {
        self.plan.waiting_on.get_or_insert_with(|| WaitingOn::new(what()));
    }
}

/// Whether the later stages have their turn in this plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Over,
    GoesOn,
}

impl Controller for StatefulSetController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "statefulset-controller";

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::STATEFUL_SET),
        Watched::kind(kind::POD, sets_of_pod),
        Watched::kind(kind::CONTROLLER_REVISION, sets_of_revision),
        Watched::kind(kind::PERSISTENT_VOLUME_CLAIM, volumes::sets_of_claim),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let set: &StatefulSet = object.typed()?;
        let selector = Selector::compile(Some(&set.spec.selector)).ok()?;
        // Only pods with names of the set's are its own: others are let go of, and none is adopted.
        let crew = Crew::of(snapshot, &object.meta, &selector, |pod| *pod.series() == *object.meta.name);
        let places = Places::new(snapshot, &object.meta, crew, wanted(&set.spec));
        let status = set.status.as_ref();
        let subject = Subject {
            owner: &object.meta,
            template: &set.spec.template,
            collisions: Some(status.and_then(|status| status.collision_count).unwrap_or(0)),
            hash_label: HASH_LABEL,
        };
        let history = History::of(snapshot, subject, &selector);
        let known = status.and_then(|status| status.current_revision.as_deref()).and_then(|name| history.named(name));
        let other = known.filter(|past| past.name() != history.current_name());
        let current = other.map_or(history.current_name(), |past| past.name()).to_owned();
        let current_template = other.and_then(|past| past.template());
        let doubtful = volumes::doubtful(snapshot, &object.meta, &set.spec);
        Some(Observed { object, set, places, doubtful, history, current, current_template })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut work = Work { observed, now, plan: Plan::nothing(), moved: 0, rolled: 0 };
        if observed.object.meta.is_deleting() {
            status::count(&mut work);
            return work.plan;
        }
        observed.history.settle(&mut work.plan);
        let crew = &observed.places.crew;
        crew.settle(&mut work.plan);
        if !crew.adopt.is_empty() {
            // They have no places yet.
            work.plan.more = true;
            return work.plan;
        }
        let stages = [fill::missing, shrink::claims_of_condemned, shrink::condemned, roll::to_current];
        let _ = stages.into_iter().find(|stage| stage(&mut work) == Turn::Over);
        let is_live =
            |name: &str| name == observed.current || crew.count(|pod| identity::revision(pod.labels()) == name) > 0;
        observed.history.forget(observed.spec().revision_history_limit, |past| is_live(past.name()), &mut work.plan);
        status::count(&mut work);
        work.plan
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        let mut work = Work { observed, now, plan: Plan::nothing(), moved: 0, rolled: 0 };
        fill::report_failure(&mut work, error);
        status::count(&mut work);
        work.plan
    }
}

/// The ordinals that shall have a pod.
fn wanted(spec: &StatefulSetSpec) -> Range<Ordinal> {
    let start = Ordinal::new(spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0));
    start..start.plus(spec.replicas.unwrap_or(1))
}

/// The sets that a pod concerns; also the one whose pod had or wants this very name. What changes
/// nothing about a pod is not looked at.
fn sets_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if !snapshot.has(kind::STATEFUL_SET) || pods::is_immaterial(change) {
        return;
    }
    owners_of(change, snapshot, kind::STATEFUL_SET, |set| Some(&set.typed::<StatefulSet>()?.spec.selector), keys);
    let meta = &change.object.meta;
    if let Some((parent, _)) = identity::parse(&meta.name)
        && let Some(set) = snapshot.find(kind::STATEFUL_SET, &meta.namespace, parent)
        && !keys.contains(&set.meta.uid)
    {
        keys.push(set.meta.uid);
    }
}

fn sets_of_revision(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    owners_of(change, snapshot, kind::STATEFUL_SET, |set| Some(&set.typed::<StatefulSet>()?.spec.selector), keys);
}
