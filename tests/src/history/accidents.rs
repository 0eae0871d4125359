//! What goes wrong in a cluster.

use std::time::Duration;

use inboard::kernel::Request;
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use inboard::simulation::CrashPoint;
use inboard_runtime_mock::{Fault, MockState, Verb};

use super::History;

/// The calls that faults are injected into.
const VERBS: [Verb; 16] = [
    Verb::Inventory,
    Verb::RunPodSandbox,
    Verb::StopPodSandbox,
    Verb::RemovePodSandbox,
    Verb::PullImage,
    Verb::ImageStatus,
    Verb::CreateContainer,
    Verb::StartContainer,
    Verb::StopContainer,
    Verb::RemoveContainer,
    Verb::RemoveVolumes,
    Verb::PrepareVolume,
    Verb::PrepareClaim,
    Verb::ReleaseClaims,
    Verb::RemovePersistentVolume,
    Verb::Probe,
];

impl History {
    pub(super) fn accident(&mut self) {
        let node = self.dice.pick(&self.nodes);
        match self.dice.roll(12) {
            0 => {
                self.note(format!("{node} is cut off"));
                self.cluster.fail_node(&node, |runtime, now| runtime.cut_off(now));
            }
            1 => {
                self.note(format!("{node} goes down"));
                self.cluster.fail_node(&node, |runtime, now| runtime.down(now));
            }
            2 | 3 => {
                self.note(format!("{node} is back"));
                self.cluster.on_node(&node, |runtime, now| runtime.up(now));
            }
            4 => {
                self.note(format!("the agent of {node} is away"));
                self.cluster.agent_away(&node);
            }
            5 => {
                self.note(format!("the agent of {node} is back"));
                self.cluster.agent_back(&node).expect("a node that was there is taken back");
            }
            6 => {
                let away = self.dice.pick(&[0, 0, 1, 40]);
                self.note(format!("the process dies and is back after {away} s"));
                self.cluster.restart(Duration::from_secs(away));
            }
            7 => {
                let point = self.dice.pick(&[CrashPoint::BeforeCommit, CrashPoint::AfterCommit]);
                self.note(format!("the process will die {point:?}"));
                self.cluster.crash_in_next_step(point);
            }
            8 | 9 => self.inject(&node),
            10 => {
                let code = self.dice.pick(&[0, 1]);
                self.note(format!("containers on {node} exit {code}"));
                self.cluster.on_node(&node, |runtime, now| runtime.exit(now, "*", "*", code));
            }
            _ => {
                self.note(format!("sandboxes on {node} are lost"));
                self.cluster.on_node(&node, |runtime, now| runtime.lose_sandboxes(now, "*"));
            }
        }
    }

    fn inject(&mut self, node: &str) {
        let verb = self.dice.pick(&VERBS);
        let times = 1 + self.dice.roll(3) as u32;
        let kind = self.dice.pick(&[RuntimeErrorKind::Unavailable, RuntimeErrorKind::Internal]);
        let error = RuntimeError::new(kind, "the disk is busy");
        let fault = Fault::on(verb).times(times);
        let fault = match self.dice.roll(4) {
            0 => fault.fails(error),
            1 => fault.answer_lost(error),
            2 => fault.slow(Duration::from_secs(13)),
            _ => fault.hangs(),
        };
        self.note(format!("on {node}: {fault:?}"));
        self.cluster.on_node(node, |runtime, _| runtime.inject(fault));
    }

    /// After this nothing goes wrong any more.
    pub(super) fn end_accidents(&mut self) {
        // A process that is to die does so now.
        let _ = self.cluster.request(Request::Snapshot);
        for node in self.nodes.clone() {
            self.cluster.on_node(&node, MockState::up);
            self.cluster.on_node(&node, |runtime, _| runtime.clear_faults());
            self.cluster.agent_back(&node).expect("a node that was there is taken back");
            self.cluster.release(&node);
        }
    }
}
