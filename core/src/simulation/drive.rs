//! The loop: step, commit, check, perform, and on to the next moment.

use std::time::Duration;

use rand_chacha::rand_core::RngCore;

use super::{CrashPoint, Simulation};
use crate::ids::NodeName;
use crate::invariants::{self, COMMIT_FIRST, Held, SETTLES, Step};
use crate::kernel::{Input, NodeCall, Output};
use crate::runtime::{Call, SimulatedRuntime};
use crate::time::Time;

/// Steps at one moment after which the kernel is said never to come to rest.
const STEPS_AT_ONE_MOMENT_MAX: u32 = 20_000;

impl<R: SimulatedRuntime> Simulation<R> {
    /// Does all that is due now. False once an invariant did not hold.
    pub(super) fn work_until_idle(&mut self) -> bool {
        for _ in 0..STEPS_AT_ONE_MOMENT_MAX {
            if self.violation.is_some() {
                return false;
            }
            self.collect_events();
            let inputs = self.post.take(self.now);
            let due = self.wake.is_some_and(|at| at <= self.now);
            if inputs.is_empty() && !self.more && !due {
                return true;
            }
            self.step(inputs);
        }
        self.violation = Some(SETTLES.violated(format!("it still has something to do at {}", self.now)));
        false
    }

    /// Goes on to the next moment at which something is due, or to the end. False at the end.
    pub(super) fn jump(&mut self, end: Time) -> bool {
        let runtimes = self.machines.values().filter_map(|machine| machine.runtime.next_event_at());
        let next = runtimes.chain(self.post.next()).chain(self.wake).min();
        match next.filter(|at| *at <= end) {
            Some(at) if self.now < end || at <= self.now => {
                self.now = self.now.max(at);
                true
            }
            _ => {
                let moved = self.now < end;
                self.now = self.now.max(end);
                moved
            }
        }
    }

    fn collect_events(&mut self) {
        let names: Vec<NodeName> = self
            .machines
            .iter()
            .filter(|(_, machine)| machine.runtime.next_event_at().is_some_and(|at| at <= self.now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.send_events(&name);
        }
    }

    /// Puts what has happened on a node under way. Nobody hears of it while the agent is away.
    pub(super) fn send_events(&mut self, name: &NodeName) {
        let now = self.now;
        let events = match self.machines.get_mut(name) {
            Some(machine) => {
                machine.touched = true;
                machine.runtime.take_events(now)
            }
            None => return,
        };
        for event in events {
            let late = self.late();
            let Some(machine) = self.machines.get_mut(name).filter(|machine| machine.has_agent) else { return };
            let at = (now + late).max(machine.last_event_at);
            machine.last_event_at = at;
            self.post.send(at, Input::Event(name.clone(), event));
        }
    }

    /// How late the next message is.
    fn late(&mut self) -> Duration {
        let most = u64::try_from(self.delay.as_nanos()).unwrap_or(u64::MAX);
        if most == 0 { Duration::ZERO } else { Duration::from_nanos(self.dice.next_u64() % most) }
    }

    /// One step of the kernel, and all that follows from it, in the order that durability demands.
    pub(super) fn step(&mut self, inputs: Vec<Input>) {
        self.steps += 1;
        let before = self.recording.revision();
        let output = self.kernel.step(self.now, inputs);
        (self.more, self.wake) = (output.more, output.wake);
        match self.crash.take() {
            Some(CrashPoint::BeforeCommit) => return self.restart(Duration::ZERO),
            Some(CrashPoint::AfterCommit) => {
                self.recording.commit(&output.changes, self.kernel.snapshot().revision());
                return self.restart(Duration::ZERO);
            }
            None => self.recording.commit(&output.changes, self.kernel.snapshot().revision()),
        }
        let step = Step { before, changes: &output.changes, snapshot: self.kernel.snapshot() };
        if let Err(violation) = invariants::check_step(&step) {
            self.violation.get_or_insert(violation);
        }
        self.perform(output);
        self.check_machines();
    }

    fn perform(&mut self, output: Output) {
        self.replies.extend(output.replies);
        for name in output.removed_nodes {
            self.forget_calls(&name);
        }
        for call in output.calls {
            self.check_committed(&call);
            self.make(call);
        }
        for query in output.queries {
            let Some(answer) = self.metrics.as_ref().map(|metrics| metrics(&query, self.now)) else { break };
            let at = self.now + self.late();
            self.post.send(at, Input::Metric(query, answer));
        }
    }

    fn check_committed(&mut self, call: &NodeCall) {
        if let Call::RunPodSandbox(config) = &call.call
            && !self.recording.has_pod_on(config.pod.uid, &call.node)
        {
            let found = format!("pod {} is not committed to {}", config.pod.name, call.node);
            self.violation.get_or_insert(COMMIT_FIRST.violated(found));
        }
    }

    /// Makes a call, and puts its answer under way.
    pub(super) fn make(&mut self, call: NodeCall) {
        let (now, late) = (self.now, self.late());
        let Some(machine) = self.machines.get_mut(&call.node) else { return };
        machine.touched = true;
        let completion = machine.runtime.call(now, &call.call);
        if completion.at == Time::MAX {
            machine.hanging.push(call);
        } else {
            let reply = Input::Reply(call.node.clone(), call.id, completion.result);
            self.post.send(completion.at.max(now) + late, reply);
        }
    }

    fn check_machines(&mut self) {
        for (node, machine) in &mut self.machines {
            if !std::mem::take(&mut machine.touched) {
                continue;
            }
            let inventory = machine.runtime.held(self.now);
            if let Err(violation) = invariants::check_held(&Held { node, inventory: &inventory }) {
                self.violation.get_or_insert(violation);
            }
        }
    }
}
