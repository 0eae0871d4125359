//! What can go wrong, beside what a runtime does wrong by itself.

use std::time::Duration;

use super::Simulation;
use crate::error::ApiError;
use crate::ids::NodeName;
use crate::kernel::{Input, Kernel, Request};
use crate::runtime::{RuntimeError, RuntimeErrorKind, SimulatedRuntime};
use crate::time::Time;

/// Where in a step the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// Before anything of the step is committed: it is as if it had never been.
    BeforeCommit,
    /// After the commit, before anything of it leaves: no answer, no call.
    AfterCommit,
}

impl<R: SimulatedRuntime> Simulation<R> {
    /// Does something to the runtime of a node: a fault to inject, a container to end. Nothing when there is no such
    /// node.
    pub fn on_node<T>(&mut self, node: &str, act: impl FnOnce(&mut R, Time) -> T) -> Option<T> {
        let name = NodeName::from(node);
        let result = act(&mut self.machines.get_mut(&name)?.runtime, self.now);
        self.send_events(&name);
        Some(result)
    }

    /// The same for something after which nothing of the node gets through: answers under way are errors now, events
    /// under way are lost, but for what `act` itself leads to.
    pub fn fail_node(&mut self, node: &str, act: impl FnOnce(&mut R, Time)) {
        let name = NodeName::from(node);
        self.send_events(&name);
        let lost = self.post.lose(&name);
        let hanging = self.machines.get_mut(&name).map(|machine| std::mem::take(&mut machine.hanging));
        let answers = lost.into_iter().filter_map(|input| match input {
            Input::Reply(_, id, _) => Some(id),
            Input::Event(..)
            | Input::Request(..)
            | Input::Provisioner(..)
            | Input::Metric(..)
            | Input::Webhooks(_)
            | Input::Referred(..) => None,
        });
        for id in answers.chain(hanging.into_iter().flatten().map(|call| call.id)) {
            let error = RuntimeError::new(RuntimeErrorKind::Unavailable, "the node went away during the call");
            self.post.send(self.now, Input::Reply(name.clone(), id, Err(error)));
        }
        self.on_node(node, act);
    }

    /// Makes the calls again that hang on a node: those that meet a fault that lets them hang do so again.
    pub fn release(&mut self, node: &str) {
        let hanging = self.machines.get_mut(&NodeName::from(node)).map(|machine| std::mem::take(&mut machine.hanging));
        for call in hanging.into_iter().flatten() {
            self.make(call);
        }
    }

    /// Takes the agent of a node away, as when the machine that it is on is switched off; what runs there goes on.
    pub fn agent_away(&mut self, node: &str) {
        let name = NodeName::from(node);
        if let Some(machine) = self.machines.get_mut(&name) {
            machine.has_agent = false;
            // An agent that is not there cannot be taken away twice; there is nothing else to be refused.
            let _ = self.request(Request::RemoveAgent(name.clone()));
            self.forget_calls(&name);
        }
    }

    /// Gives a node an agent, if it has none.
    ///
    /// # Errors
    /// What the cluster answered.
    pub fn agent_back(&mut self, node: &str) -> Result<(), ApiError> {
        let name = NodeName::from(node);
        let Some(machine) = self.machines.get_mut(&name).filter(|machine| !machine.has_agent) else { return Ok(()) };
        machine.has_agent = true;
        // What happened meanwhile nobody was told.
        machine.runtime.take_events(self.now);
        let config = machine.config.clone();
        let dies = self.crash.is_some();
        match self.request(Request::AddNode(Box::new(config))) {
            Err(error) if !dies => Err(error),
            // A process that died over it has asked again when it came back.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The answers to what an agent asked are of no use to the next one.
    pub(super) fn forget_calls(&mut self, name: &NodeName) {
        self.post.lose(name);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.hanging.clear();
        }
    }

    /// The process dies in the middle of the next step, and goes on at once from what was committed.
    pub fn crash_in_next_step(&mut self, point: CrashPoint) {
        self.crash = Some(point);
    }

    /// The process dies between two steps, and goes on after `away` from what was committed. What runs on the nodes
    /// goes on.
    pub fn restart(&mut self, away: Duration) {
        self.past = self.digest();
        self.post.clear();
        self.replies.clear();
        self.now = self.now + away;
        let committed = self.recording.committed(self.kernel.store().kinds());
        self.kernel = Kernel::restore(&self.config, committed, self.now);
        (self.more, self.wake) = (true, None);
        for name in self.machines.keys().cloned().collect::<Vec<_>>() {
            let Some(machine) = self.machines.get_mut(&name) else { continue };
            machine.hanging.clear();
            machine.runtime.take_events(self.now);
            if std::mem::take(&mut machine.has_agent) {
                // The node was taken before.
                let _ = self.agent_back(name.as_str());
            }
        }
    }
}
