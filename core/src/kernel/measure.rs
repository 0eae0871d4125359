//! Measuring: the nodes are asked what their pods use, and the embedder's metrics what they say, again and again, but
//! only while somebody needs it: an autoscaler, or a client who has just asked. An idle cluster makes no wake-ups.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Kernel, NodeCall, Output};
use crate::controllers::autoscaler_queries;
use crate::ids::NodeName;
use crate::node::CallId;
use crate::object::kind;
use crate::runtime::{Call, Reply, RuntimeError};
use crate::time::Time;

/// For how long usage is measured after a client asked for it.
const KEPT_FOR_CLIENTS: Duration = Duration::from_secs(120);

/// When is measured next, and what was asked.
#[derive(Debug, Default)]
pub(super) struct Meter {
    next: Option<Time>,
    wanted_until: Time,
    asked: BTreeSet<(NodeName, CallId)>,
}

impl Meter {
    pub(super) const fn next_wake(&self) -> Option<Time> {
        self.next
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        self.next.is_some_and(|next| next <= now)
    }
}

impl Kernel {
    /// A client wants to know what pods use.
    pub(super) fn want_measures(&mut self, now: Time) {
        self.meter.wanted_until = now + KEPT_FOR_CLIENTS;
    }

    /// Asks everybody, when it is time to.
    pub(super) fn measure(&mut self, now: Time, output: &mut Output) {
        let autoscaled = self.snapshot().list(kind::HORIZONTAL_POD_AUTOSCALER).next().is_some();
        if !autoscaled && self.meter.wanted_until <= now {
            if self.meter.next.take().is_some() {
                self.meter.asked.clear();
                self.store.forget_measures();
            }
            return;
        }
        if self.meter.next.is_some_and(|next| next > now) {
            return;
        }
        let resolution = self.snapshot().autoscaling().metric_resolution.max(Duration::from_millis(1));
        self.meter.next = Some(now + resolution);
        for (silent, _) in std::mem::take(&mut self.meter.asked) {
            self.store.measured(&silent, &[]);
        }
        for (node, agent) in self.agents.iter_mut() {
            let id = agent.number_call();
            self.meter.asked.insert((node.clone(), id));
            output.calls.push(NodeCall { node: node.clone(), id, call: Call::Stats });
        }
        output.queries = autoscaler_queries(self.snapshot());
        self.store.keep_answers(&output.queries);
    }

    /// Whether an answer was one to a question of the meter; then it is taken in.
    pub(super) fn hear_measures(
        &mut self,
        node: &NodeName,
        call: CallId,
        result: &Result<Reply, RuntimeError>,
    ) -> bool {
        if !self.meter.asked.remove(&(node.clone(), call)) {
            return false;
        }
        let stats = match result {
            Ok(Reply::Stats(stats)) => stats.as_slice(),
            _ => &[],
        };
        self.store.measured(node, stats);
        true
    }
}
