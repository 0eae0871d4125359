//! When the runtime is asked what pods take up of their node: while one of them has a limit for it, and not else.

use std::collections::BTreeSet;

use super::super::output::NodeOutputs;
use super::super::storage;
use super::super::work::{Flight, PodWork, Verdict};
use super::NodeAgent;
use crate::ids::Uid;
use crate::runtime::{Call, Reply, RuntimeError};
use crate::time::Time;

/// The pods with a limit, of which there is one at least, and when they are measured next.
#[derive(Debug)]
pub(super) struct Gauge {
    limited: BTreeSet<Uid>,
    /// `None` while the question is out.
    next: Option<Time>,
}

impl Gauge {
    pub(super) const fn next_wake(&self) -> Option<Time> {
        self.next
    }
}

impl NodeAgent {
    /// Takes note of whether a pod has to be measured.
    pub(super) fn note_limits(&mut self, uid: Uid, work: &PodWork, now: Time) {
        if work.is_holding && storage::is_limited(&work.spec) {
            let new = || Box::new(Gauge { limited: BTreeSet::new(), next: Some(now + storage::PERIOD) });
            self.gauge.get_or_insert_with(new).limited.insert(uid);
        } else if let Some(gauge) = &mut self.gauge
            && gauge.limited.remove(&uid)
            && gauge.limited.is_empty()
        {
            self.gauge = None;
        }
    }

    /// Asks what all pods take up, when it is time to.
    pub(super) fn measure_storage(&mut self, now: Time, out: &mut NodeOutputs) {
        if let Some(gauge) = &mut self.gauge
            && gauge.next.is_some_and(|next| next <= now)
        {
            gauge.next = None;
            self.send(Uid::LOWEST, Flight::Measure, Call::Stats, out);
        }
    }

    /// Pods that take up too much are looked at. Without an answer they are left alone until the next.
    pub(super) fn storage_measured(&mut self, result: Result<Reply, RuntimeError>, now: Time) {
        let Some(gauge) = &mut self.gauge else { return };
        gauge.next = Some(now + storage::PERIOD);
        let Ok(Reply::Stats(all)) = result else { return };
        for stats in all.iter().filter(|stats| gauge.limited.contains(&stats.pod.uid)) {
            let Some(work) = self.pods.get_mut(&stats.pod.uid) else { continue };
            if let Some(message) = storage::excess(&work.spec, stats) {
                let (reason, grace) = (storage::EVICTED, Some(storage::GRACE));
                work.transient().excess = Some(Verdict { grace, ..Verdict::new(reason, message.into()) });
                self.dirty.insert(stats.pod.uid);
            }
        }
    }
}
