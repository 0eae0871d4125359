//! A decision in the making: the Deployment and its sets as they shall be, beside how they were seen.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetStatus};

use super::{DeploymentController, Observed};
use crate::control::{Action, Controller, Plan, Propagation, Target};
use crate::object::int_or_percent;
use crate::store::{Draft, EventDraft, Object, StringMap};
use crate::time::Time;

/// The annotation with the number of a rollout, on Deployments and their sets.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The annotation with the earlier numbers of a set that was rolled back to.
pub(super) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// The annotation by which a set remembers the Deployment's `replicas`.
pub(super) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The annotation by which a set remembers the Deployment's `replicas + maxSurge`.
pub(super) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// One ReplicaSet of the Deployment.
#[derive(Clone, Debug)]
pub(super) struct Row<'w> {
    /// How it was seen; `None` for one that this plan creates.
    pub(super) seen: Option<&'w Arc<Object>>,
    /// How it shall be.
    pub(super) set: ReplicaSet,
    /// Whether it shall go.
    pub(super) delete: bool,
    metadata_changed: bool,
    spec_changed: bool,
}

impl Row<'_> {
    pub(super) fn name(&self) -> &str {
        self.set.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn replicas(&self) -> i32 {
        self.set.spec.replicas.unwrap_or(1)
    }

    pub(super) fn status(&self) -> ReplicaSetStatus {
        self.set.status.clone().unwrap_or_default()
    }

    pub(super) fn available(&self) -> i32 {
        self.set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
    }

    /// How many pods it has, as it says itself.
    pub(super) fn actual(&self) -> i32 {
        self.set.status.as_ref().map_or(0, |status| status.replicas)
    }

    pub(super) fn is_active(&self) -> bool {
        self.replicas() > 0
    }

    /// When it was made; one that is being made comes last.
    pub(super) fn created(&self) -> Time {
        self.seen.map_or(Time::MAX, |seen| seen.meta.created)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.set.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    pub(super) fn number(&self, key: &str) -> Option<i64> {
        self.annotation(key)?.parse().ok()
    }

    pub(super) fn annotate(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if self.annotation(key) != Some(&value) {
            self.set.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value);
            self.metadata_changed = true;
        }
    }

    pub(super) fn set_min_ready_seconds(&mut self, seconds: Option<i32>) {
        if self.set.spec.min_ready_seconds.unwrap_or(0) != seconds.unwrap_or(0) {
            self.set.spec.min_ready_seconds = seconds;
            self.spec_changed = true;
        }
    }
}

/// The decision in the making.
#[derive(Debug)]
pub(super) struct Work<'o, 'w> {
    pub(super) observed: &'o Observed<'w>,
    pub(super) now: Time,
    /// The Deployment as it shall be.
    pub(super) deployment: Deployment,
    /// All its sets, the oldest first.
    pub(super) rows: Vec<Row<'w>>,
    /// The place of the set of the current template.
    pub(super) current: Option<usize>,
    /// When to look again.
    pub(super) wake_at: Option<Time>,
    /// What is waited for.
    pub(super) waiting_on: Option<String>,
    events: Vec<EventDraft>,
}

impl<'o, 'w> Work<'o, 'w> {
    pub(super) fn new(observed: &'o Observed<'w>, now: Time) -> Self {
        let row = |seen: &'w Arc<Object>| {
            let set = seen.typed::<ReplicaSet>()?.clone();
            Some(Row { seen: Some(seen), set, delete: false, metadata_changed: false, spec_changed: false })
        };
        let mut rows: Vec<Row<'w>> = observed.claims.kept().filter_map(row).collect();
        rows.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        Self {
            observed,
            now,
            deployment: observed.deployment.clone(),
            rows,
            current: None,
            wake_at: None,
            waiting_on: None,
            events: Vec::new(),
        }
    }

    pub(super) fn replicas(&self) -> i32 {
        self.deployment.spec.replicas.unwrap_or(1)
    }

    fn fenceposts(&self) -> (i32, i32) {
        if self.observed.is_recreate() {
            return (0, 0);
        }
        let rolling = self.deployment.spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let (surge, unavailable) = match rolling {
            Some(rolling) => (rolling.max_surge.as_ref(), rolling.max_unavailable.as_ref()),
            None => (None, None),
        };
        // A text that is no percentage cannot have been admitted.
        int_or_percent::fenceposts(surge, unavailable, self.replicas()).unwrap_or((0, 1))
    }

    pub(super) fn max_surge(&self) -> i32 {
        self.fenceposts().0
    }

    pub(super) fn max_unavailable(&self) -> i32 {
        if self.replicas() == 0 { 0 } else { self.fenceposts().1.min(self.replicas()) }
    }

    /// Whether `spec.replicas` is another than when the active sets were last written.
    ///
    /// Recreate with several active sets (of an earlier Deployment, say) is none: they all go, whatever their number.
    /// Upstream waits for ever there.
    pub(super) fn is_scaling_event(&self) -> bool {
        if self.observed.is_recreate() && self.rows.iter().filter(|row| row.is_active()).count() > 1 {
            return false;
        }
        let wanted = i64::from(self.replicas());
        self.rows
            .iter()
            .filter(|row| row.is_active())
            .any(|row| row.number(DESIRED_REPLICAS).is_some_and(|desired| desired != wanted))
    }

    /// The sets of earlier templates.
    pub(super) fn old(&self) -> impl Iterator<Item = usize> + use<'o, 'w> {
        let current = self.current;
        (0..self.rows.len()).filter(move |index| Some(*index) != current)
    }

    pub(super) fn current(&self) -> Option<&Row<'w>> {
        self.current.and_then(|index| self.rows.get(index))
    }

    /// The wanted pods of all sets.
    pub(super) fn total(&self) -> i32 {
        self.rows.iter().map(Row::replicas).sum()
    }

    /// Adds a set that does not exist yet.
    pub(super) fn create(&mut self, set: ReplicaSet) {
        self.current = Some(self.rows.len());
        self.rows.push(Row { seen: None, set, delete: false, metadata_changed: false, spec_changed: false });
    }

    /// Lets a set remember the size of the Deployment.
    pub(super) fn remember_size(&mut self, index: usize) {
        let (desired, max) = (self.replicas(), self.replicas() + self.max_surge());
        let row = &mut self.rows[index];
        row.annotate(DESIRED_REPLICAS, desired.to_string());
        row.annotate(MAX_REPLICAS, max.to_string());
    }

    /// Gives a set another number of pods. Says whether it was another.
    pub(super) fn scale(&mut self, index: usize, replicas: i32) -> bool {
        let before = self.rows[index].replicas();
        if before == replicas {
            return false;
        }
        self.remember_size(index);
        let row = &mut self.rows[index];
        row.set.spec.replicas = Some(replicas);
        row.spec_changed = true;
        let direction = if replicas > before { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {before} to {replicas}", row.name());
        self.say("ScalingReplicaSet", message);
        true
    }

    pub(super) fn say(&mut self, reason: &'static str, message: String) {
        let meta = &self.observed.object.meta;
        self.events.push(EventDraft::normal(meta, DeploymentController::NAME, reason, message));
    }

    pub(super) fn warn(&mut self, reason: &'static str, message: String) {
        let meta = &self.observed.object.meta;
        self.events.push(EventDraft::warning(meta, DeploymentController::NAME, reason, message));
    }

    /// Notes that the name of a new set was taken by one that is not ours: its hash will be another next time.
    pub(super) fn count_collision(&mut self) {
        let status = self.deployment.status.get_or_insert_default();
        status.collision_count = Some(status.collision_count.unwrap_or(0).saturating_add(1));
    }

    pub(super) fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub(super) fn annotate(&mut self, key: &str, value: &str) {
        let annotations: &mut StringMap = self.deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), value.to_owned());
    }

    /// Everything that is another than it was seen, as actions.
    pub(super) fn into_plan(self) -> Plan {
        let mut plan = Plan { wake_at: self.wake_at, ..Plan::nothing() };
        self.observed.claims.settle(&self.observed.object.meta, &mut plan);
        for row in self.rows {
            write_row(row, &mut plan);
        }
        plan.actions.extend(self.events.into_iter().map(|event| Action::Emit(Box::new(event))));
        if self.deployment != *self.observed.deployment {
            let target = Target::seen(self.observed.object);
            let spec_changed = self.deployment.spec != self.observed.deployment.spec;
            plan.push(Action::Update { target, object: Arc::new(self.deployment), spec_changed });
        }
        plan.waiting_on = self.waiting_on.map(crate::control::WaitingOn::new);
        plan
    }
}

fn write_row(row: Row<'_>, plan: &mut Plan) {
    let Some(seen) = row.seen else {
        plan.push(Action::Create { draft: Box::new(Draft::of(row.set)), announce: None });
        return;
    };
    // What is adopted or released in this plan has another version by then.
    let target = Target::seen(seen);
    if row.delete {
        plan.push(Action::Delete { target, grace_seconds: None, propagation: Propagation::Background, announce: None });
    } else if row.metadata_changed || row.spec_changed {
        plan.push(Action::Update { target, object: Arc::new(row.set), spec_changed: row.spec_changed });
    }
}
