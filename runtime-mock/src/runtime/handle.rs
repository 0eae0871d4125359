//! The mock's own methods on a handle: faults of the node, faults of calls, what runs in it. Each is the method of
//! [`MockState`] of the same name at the moment of the call.

use bytes::Bytes;
use inboard::runtime::{ClaimConfig, Inventory, NodeStats, PodIdentity};
use inboard::time::Time;

use super::MockRuntime;
use crate::calls::RecordedCall;
use crate::fault::Fault;
use crate::script::Script;
use crate::state::MockState;

impl MockRuntime {
    /// What time it is for this runtime.
    pub fn now(&self) -> Time {
        self.lock().now()
    }

    /// See [`MockState::down`]. Answers that are under way are lost.
    pub fn down(&self) {
        self.fail(MockState::down);
    }

    /// See [`MockState::cut_off`]. Answers that are under way are lost.
    pub fn cut_off(&self) {
        self.fail(MockState::cut_off);
    }

    fn fail(&self, fail: impl FnOnce(&mut MockState, Time)) {
        self.step(|state, now| fail(state, now));
        let mut shared = self.lock();
        shared.failures = shared.failures.wrapping_add(1);
        self.inner.changed.notify_waiters();
    }

    /// See [`MockState::up`].
    pub fn up(&self) {
        self.step(MockState::up);
    }

    /// See [`MockState::reconnect`].
    pub fn reconnect(&self) {
        self.step(MockState::reconnect);
    }

    /// See [`MockState::is_up`].
    pub fn is_up(&self) -> bool {
        self.lock().state.is_up()
    }

    /// See [`MockState::inject`].
    pub fn inject(&self, fault: Fault) {
        self.lock().state.inject(fault);
    }

    /// See [`MockState::clear_faults`]. Calls that hang are made again.
    pub fn clear_faults(&self) {
        self.lock().state.clear_faults();
        self.release();
    }

    /// Calls that hang are made again; those that meet a fault that lets them hang do so again.
    pub fn release(&self) {
        let mut shared = self.lock();
        shared.released = shared.released.wrapping_add(1);
        self.inner.changed.notify_waiters();
    }

    /// See [`MockState::add_script`].
    pub fn add_script(&self, script: Script) {
        self.lock().state.add_script(script);
    }

    /// See [`MockState::set_ready`].
    pub fn set_ready(&self, pod: &str, container: &str, ready: bool) -> usize {
        self.step(|state, now| state.set_ready(now, pod, container, ready))
    }

    /// See [`MockState::set_healthy`].
    pub fn set_healthy(&self, pod: &str, container: &str, healthy: bool) -> usize {
        self.step(|state, now| state.set_healthy(now, pod, container, healthy))
    }

    /// See [`MockState::calls`].
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.lock().state.calls()
    }

    /// See [`MockState::list`].
    pub fn list(&self) -> Inventory {
        self.step(|state, _| state.list())
    }

    /// See [`MockState::out_of_memory`].
    pub fn out_of_memory(&self, pod: &str, container: &str) -> usize {
        self.step(|state, now| state.out_of_memory(now, pod, container))
    }

    /// See [`MockState::exit`].
    pub fn exit(&self, pod: &str, container: &str, code: i32) -> usize {
        self.step(|state, now| state.exit(now, pod, container, code))
    }

    /// See [`MockState::lose_sandboxes`].
    pub fn lose_sandboxes(&self, pod: &str) -> usize {
        self.step(|state, now| state.lose_sandboxes(now, pod))
    }

    /// See [`MockState::set_cpu`].
    pub fn set_cpu(&self, pod: &str, container: &str, millis: u64) -> usize {
        self.step(|state, now| state.set_cpu(now, pod, container, millis))
    }

    /// See [`MockState::set_memory`].
    pub fn set_memory(&self, pod: &str, container: &str, bytes: u64) -> usize {
        self.step(|state, now| state.set_memory(now, pod, container, bytes))
    }

    /// See [`MockState::set_machine`].
    pub fn set_machine(&self, stats: NodeStats) {
        self.lock().state.set_machine(stats);
    }

    /// See [`MockState::prepared_claims`].
    pub fn prepared_claims(&self) -> Vec<(PodIdentity, ClaimConfig)> {
        self.lock().state.prepared_claims().map(|(pod, claim)| (pod.clone(), claim.clone())).collect()
    }

    /// See [`MockState::persistent_volumes`].
    pub fn persistent_volumes(&self) -> Vec<String> {
        self.lock().state.persistent_volumes().map(str::to_owned).collect()
    }

    /// See [`MockState::read_persistent`].
    pub fn read_persistent(&self, handle: &str, path: &str) -> Option<Bytes> {
        self.lock().state.read_persistent(handle, path)
    }
}
