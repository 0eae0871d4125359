//! The nodes, and what is under way between them and the kernel.

use std::collections::BTreeMap;

use crate::ids::NodeName;
use crate::kernel::{Input, NodeCall};
use crate::node::NodeConfig;
use crate::time::Time;

/// One node: its runtime goes on whatever becomes of the kernel.
#[derive(Debug)]
pub(super) struct Machine<R> {
    pub(super) config: NodeConfig,
    pub(super) runtime: R,
    /// Whether the kernel has its agent.
    pub(super) has_agent: bool,
    /// Calls that are never answered, unless they are made again.
    pub(super) hanging: Vec<NodeCall>,
    /// No event arrives before the one that came before it.
    pub(super) last_event_at: Time,
    /// Something was done to the runtime since it was last looked at.
    pub(super) touched: bool,
}

impl<R> Machine<R> {
    pub(super) fn new(config: NodeConfig, runtime: R) -> Self {
        let last_event_at = Time::EPOCH;
        Self { config, runtime, has_agent: false, hanging: Vec::new(), last_event_at, touched: false }
    }
}

/// Replies and events under way, in the order in which they arrive.
#[derive(Debug, Default)]
pub(super) struct Post {
    under_way: BTreeMap<(Time, u64), Input>,
    sent: u64,
}

impl Post {
    pub(super) fn send(&mut self, at: Time, input: Input) {
        self.sent += 1;
        self.under_way.insert((at, self.sent), input);
    }

    /// When the next one arrives.
    pub(super) fn next(&self) -> Option<Time> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has arrived by now.
    pub(super) fn take(&mut self, now: Time) -> Vec<Input> {
        let later = self.under_way.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.under_way, later).into_values().collect()
    }

    /// Takes out all that is under way from a node.
    pub(super) fn lose(&mut self, node: &NodeName) -> Vec<Input> {
        let of_node = |input: &Input| match input {
            Input::Reply(from, _, _) | Input::Event(from, _) => from == node,
            Input::Request(..)
            | Input::Provisioner(..)
            | Input::Metric(..)
            | Input::Webhooks(_)
            | Input::Referred(..) => false,
        };
        let (lost, kept) = std::mem::take(&mut self.under_way).into_iter().partition(|(_, input)| of_node(input));
        self.under_way = kept;
        let lost: BTreeMap<(Time, u64), Input> = lost;
        lost.into_values().collect()
    }

    pub(super) fn clear(&mut self) {
        self.under_way.clear();
    }
}
