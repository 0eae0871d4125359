//! Faults of a whole node, and of what runs on it.

use std::sync::Arc;

use inboard::runtime::{ExitStatus, PodIdentity, RuntimeEvent};
use inboard::time::Time;

use super::container::Forced;
use super::lifecycle::out_of_memory;
use super::{Condition, MockState};
use crate::calls::RecordedCall;
use crate::fault::Fault;
use crate::ids::Key;
use crate::script::{Script, glob};

/// The exit code of containers that were lost with their node; containerd's for an unknown end.
const LOST: i32 = 255;

impl MockState {
    /// The power fails: every container dies, every sandbox is lost, calls answer `Unavailable`. Images, volumes
    /// that are not in memory and what is left of containers stay. Tells [`RuntimeEvent::Unavailable`].
    pub fn down(&mut self, now: Time) {
        let now = self.advance(now);
        if self.condition == Condition::Down {
            return;
        }
        self.condition = Condition::Up;
        for number in self.sandboxes.iter().map(|entry| entry.number).collect::<Vec<_>>() {
            self.lose_sandbox(now, number);
        }
        self.volumes.lose_memory();
        // Nobody hears of the single containers: the node itself is gone.
        self.events.clear();
        self.push_event(RuntimeEvent::Unavailable("the node is down".to_owned()));
        self.condition = Condition::Down;
    }

    fn lose_sandbox(&mut self, now: Time, number: u64) {
        let Some(sandbox) = self.sandbox(number) else { return };
        for ordinal in sandbox.containers.iter().map(|container| container.ordinal).collect::<Vec<_>>() {
            self.end(now, Key::sandbox(number).container(ordinal), ExitStatus::exited(LOST));
        }
        let Some(sandbox) = self.sandbox_mut(number) else { return };
        sandbox.ready = false;
        if let Some(address) = sandbox.address.take() {
            self.addresses.give_back(address);
        }
    }

    /// The network of the node fails: calls answer `Unavailable` and no event gets out, while the containers go on.
    /// Tells [`RuntimeEvent::Unavailable`].
    pub fn cut_off(&mut self, now: Time) {
        self.advance(now);
        if self.condition == Condition::Up {
            self.push_event(RuntimeEvent::Unavailable("the node cannot be reached".to_owned()));
            self.condition = Condition::CutOff;
        }
    }

    /// The node is back after [`MockState::down`] or [`MockState::cut_off`]. Tells [`RuntimeEvent::Relist`].
    pub fn up(&mut self, now: Time) {
        self.advance(now);
        if self.condition != Condition::Up {
            self.condition = Condition::Up;
            self.push_event(RuntimeEvent::Relist);
        }
    }

    /// The same as [`MockState::up`]: the other end of [`MockState::cut_off`].
    pub fn reconnect(&mut self, now: Time) {
        self.up(now);
    }

    /// Whether calls are answered.
    pub fn is_up(&self) -> bool {
        self.condition == Condition::Up
    }

    /// Injects a fault, after those that are there.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Takes all faults away, those of scripts too.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The last calls, when [`MockBuilder::record_calls`](crate::MockBuilder::record_calls) asked for a record.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.recorder.as_ref().map(|recorder| recorder.calls()).unwrap_or_default()
    }

    /// The kernel kills the running containers of this name for their memory; both names may have `*`. Says how many
    /// there were.
    pub fn out_of_memory(&mut self, now: Time, pod: &str, container: &str) -> usize {
        self.end_each(now, pod, container, &out_of_memory())
    }

    /// The running containers of this name exit by themselves; both names may have `*`. Says how many there were.
    pub fn exit(&mut self, now: Time, pod: &str, container: &str, code: i32) -> usize {
        self.end_each(now, pod, container, &ExitStatus::exited(code))
    }

    fn end_each(&mut self, now: Time, pod: &str, container: &str, exit: &ExitStatus) -> usize {
        let now = self.advance(now);
        let keys = self.running(now, |identity, name| glob(pod, &identity.name) && glob(container, name));
        for key in &keys {
            self.end(now, *key, exit.clone());
        }
        keys.len()
    }

    /// From now on readiness probes of the running containers of this name succeed or fail, whatever their script says;
    /// both names may have `*`. Says how many there were.
    pub fn set_ready(&mut self, now: Time, pod: &str, container: &str, ready: bool) -> usize {
        self.force(now, pod, container, |forced| forced.ready = Some(ready))
    }

    /// The same for liveness probes.
    pub fn set_healthy(&mut self, now: Time, pod: &str, container: &str, healthy: bool) -> usize {
        self.force(now, pod, container, |forced| forced.healthy = Some(healthy))
    }

    fn force(&mut self, now: Time, pod: &str, container: &str, set: impl Fn(&mut Forced)) -> usize {
        let now = self.advance(now);
        let keys = self.running(now, |identity, name| glob(pod, &identity.name) && glob(container, name));
        for key in &keys {
            if let Some(container) = self.container_mut(*key) {
                set(&mut container.live_mut().forced);
            }
        }
        keys.len()
    }

    /// Adds a script that is tried before those that are there. Containers that were created before keep theirs.
    pub fn add_script(&mut self, script: Script) {
        self.faults.extend(script.faults.iter().cloned());
        self.scripts = std::iter::once(Arc::new(script)).chain(self.scripts.iter().cloned()).collect();
    }

    /// The sandboxes of these pods are lost, as when their network namespace is deleted: their containers die. Says how
    /// many there were.
    pub fn lose_sandboxes(&mut self, now: Time, pod: &str) -> usize {
        let now = self.advance(now);
        let lost = self.sandboxes.iter().filter(|entry| entry.sandbox.ready && glob(pod, &entry.sandbox.pod.name));
        let lost: Vec<_> = lost.map(|entry| (entry.number, entry.sandbox.id.clone())).collect();
        for (number, id) in &lost {
            self.lose_sandbox(now, *number);
            self.push_event(RuntimeEvent::SandboxLost(id.clone()));
        }
        lost.len()
    }

    pub(super) fn running(&self, now: Time, wanted: impl Fn(&PodIdentity, &str) -> bool) -> Vec<Key> {
        let mut keys = Vec::new();
        for entry in &self.sandboxes {
            for container in &entry.sandbox.containers {
                if container.running_since(now).is_some() && wanted(&entry.sandbox.pod, &container.name) {
                    keys.push(Key::sandbox(entry.number).container(container.ordinal));
                }
            }
        }
        keys
    }
}
