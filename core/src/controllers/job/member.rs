//! What a Job asks of one of its pods.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ids::Uid;
use crate::store::{ConditionKind, ConditionStatus, ContainerPhase, Object, PodPhase};
use crate::time::Time;

/// The finalizer that keeps a pod until it is counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation and label with a pod's completion index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The annotation with how often an index has failed before this pod.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The annotation with how often an index has failed without that counting.
pub(super) const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// A pod of a Job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'w>(pub(super) &'w Arc<Object>);

impl<'w> Member<'w> {
    pub(super) fn uid(self) -> Uid {
        self.0.meta.uid
    }

    pub(super) fn phase(self) -> PodPhase {
        self.0.pod().map_or(PodPhase::Pending, |pod| pod.state.phase)
    }

    pub(super) fn is_tracked(self) -> bool {
        self.0.meta.finalizers.iter().any(|finalizer| finalizer == TRACKING)
    }

    pub(super) fn succeeded(self) -> bool {
        self.phase() == PodPhase::Succeeded
    }

    /// Whether it counts as failed. One that is being deleted does at once, unless only failed pods are replaced.
    pub(super) fn failed(self, only_failed: bool) -> bool {
        match self.phase() {
            PodPhase::Failed => true,
            PodPhase::Succeeded => false,
            PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => !only_failed && self.0.meta.is_deleting(),
        }
    }

    /// Its completion index; `None` when it has none, or one that the job does not have any more.
    pub(super) fn index(self, completions: usize) -> Option<usize> {
        self.number(INDEX).filter(|index| *index < completions)
    }

    /// How often its index had failed when it was made: what counted, and what was ignored.
    pub(super) fn failures(self) -> (usize, usize) {
        (self.number(FAILURES).unwrap_or(0), self.number(IGNORED_FAILURES).unwrap_or(0))
    }

    fn number(self, annotation: &str) -> Option<usize> {
        self.0.meta.annotations.get(annotation)?.parse().ok()
    }

    /// How often its containers were restarted while it is not finished.
    pub(super) fn restarts(self) -> i64 {
        let Some(pod) = self.0.pod().filter(|pod| !pod.is_finished()) else { return 0 };
        let containers = pod.state.init_containers.iter().chain(&pod.state.containers);
        containers.map(|container| i64::from(container.restart_count)).sum()
    }

    /// When it ended: with the last of its containers and sidecars, or else when it was no longer ready, or else when it was
    /// deleted.
    pub(super) fn finished_at(self) -> Time {
        let meta = &self.0.meta;
        let Some(pod) = self.0.pod() else { return meta.created };
        let sidecars = pod.state.init_containers.iter().filter(|container| {
            let mut specs = pod.spec.init_containers.iter().flatten();
            specs.any(|spec| *spec.name == *container.name && spec.restart_policy.as_deref() == Some("Always"))
        });
        let ends = pod.state.containers.iter().chain(sidecars).map(|container| match &container.phase {
            ContainerPhase::Terminated(exit) => exit.finished_at,
            ContainerPhase::Waiting(_) | ContainerPhase::Running(_) => None,
        });
        let all: Option<Vec<Time>> = ends.collect();
        let last = all.and_then(|ends| ends.into_iter().max());
        let not_ready = pod.state.condition(&ConditionKind::Ready);
        let not_ready = not_ready.filter(|ready| ready.status == ConditionStatus::False).and_then(|ready| ready.since);
        let deleted = meta.deletion.map(|deletion| {
            let grace = std::time::Duration::from_secs(u64::try_from(deletion.grace_seconds.unwrap_or(0)).unwrap_or(0));
            deletion.at.minus(grace)
        });
        last.or(not_ready).or(deleted).unwrap_or(meta.created)
    }
}

/// The pods that a list in the status names.
pub(super) fn named(uids: Option<&Vec<String>>) -> BTreeSet<Uid> {
    uids.into_iter().flatten().filter_map(|uid| uid.parse().ok()).collect()
}
