//! Takes in what the runtime answered and reported. It changes only what the agent remembers; events that follow from an
//! answer are noted and go out with the next look at the pod.

mod adopt;
mod answers;

use std::sync::Arc;

use super::config::NodeConfig;
use super::probes::Probes;
use super::status::with_scheme;
use super::work::{PodWork, Seen, SeenPhase, Slot, SlotStep};
use crate::runtime::{ContainerState, ContainerStatus, ExitReason, ExitStatus, ProbePurpose};
use crate::store::ExitRecord;
use crate::text::Text;
use crate::time::Time;

impl PodWork {
    /// A container's state as the runtime reports it; older news than what is known changes nothing.
    pub(super) fn observe(&mut self, status: &ContainerStatus, config: &NodeConfig, now: Time) {
        let Some(place) = self.slot_of(&status.id) else { return };
        let spec = Arc::clone(&self.spec);
        let Some(slot) = self.slots.get_mut(place) else { return };
        match (&status.state, slot.current.as_ref().map(|seen| &seen.phase)) {
            (_, None | Some(SeenPhase::Exited(_))) | (ContainerState::Created, _) => {}
            (ContainerState::Running { started_at }, Some(SeenPhase::Created)) => {
                slot.has_started(&spec, *started_at);
            }
            (ContainerState::Running { .. }, Some(SeenPhase::Running(_))) => {}
            (ContainerState::Exited { .. }, _) => slot.has_exited(exit_record(status, config, now)),
        }
    }
}

impl Slot {
    /// Its process runs.
    pub(super) fn has_started(&mut self, spec: &k8s_openapi::api::core::v1::PodSpec, started_at: Time) {
        if let Some(seen) = &mut self.current {
            seen.phase = SeenPhase::Running(started_at);
        }
        let Some(spec) = self.spec(spec) else { return };
        self.probes = Probes::of(spec, started_at);
        self.started = false;
        self.ready = false;
        if spec.lifecycle().is_some_and(|lifecycle| lifecycle.post_start.is_some()) {
            self.extra().post_start_due = true;
        } else {
            self.hook_passed();
        }
    }

    /// The postStart hook is done, or there is none.
    pub(super) fn hook_passed(&mut self) {
        let probes = self.probes.as_deref();
        if !probes.is_some_and(|probes| probes.has(ProbePurpose::Startup)) {
            self.started = true;
        }
        self.ready = !probes.is_some_and(|probes| probes.has(ProbePurpose::Readiness));
    }

    /// Its process has ended.
    pub(super) fn has_exited(&mut self, exit: ExitRecord) {
        let Some(seen) = &mut self.current else { return };
        seen.phase = SeenPhase::Exited(Box::new(exit));
        self.started = false;
        self.ready = false;
        self.probes = None;
        if matches!(
            self.step,
            SlotStep::PostStart | SlotStep::PreStop | SlotStep::Stopping | SlotStep::Stopped | SlotStep::Looking
        ) {
            self.step = SlotStep::Idle;
        }
        if let Some(extra) = &mut self.extra {
            extra.stop = extra.stop.filter(|reason| reason.replaces());
            extra.post_start_due = false;
            extra.hook_until = None;
            extra.pre_stopped = false;
            extra.stop_by = None;
            extra.failure = None;
            // The next instance is made with what was agreed to.
            extra.actual = None;
            extra.giving = None;
            extra.give_again = None;
        }
    }
}

/// How a container ended, as the API says it.
fn exit_record(status: &ContainerStatus, config: &NodeConfig, now: Time) -> ExitRecord {
    let container_id = with_scheme(&config.runtime.name, status.id.as_str());
    let (started_at, finished_at, exit) = match &status.state {
        ContainerState::Exited { started_at, finished_at, exit } => (Some(*started_at), *finished_at, exit.clone()),
        ContainerState::Running { started_at } => (Some(*started_at), now, ExitStatus::exited(137)),
        ContainerState::Created => (None, now, ExitStatus::exited(137)),
    };
    let message = match &status.termination_message {
        Some(message) if !message.is_empty() => Text::Shared(Arc::clone(message)),
        _ if exit.message.is_empty() => Text::default(),
        _ => Text::Shared(Arc::clone(&exit.message)),
    };
    let reason = match exit.reason {
        ExitReason::OutOfMemory => "OOMKilled",
        ExitReason::CannotRun => "StartError",
        ExitReason::Exited if exit.code == 0 => "Completed",
        ExitReason::Exited => "Error",
    };
    ExitRecord {
        exit_code: exit.code,
        signal: None,
        reason: reason.into(),
        message,
        started_at,
        finished_at: Some(finished_at),
        container_id,
    }
}

/// The record of a container that the runtime does not have any more.
fn lost_record(seen: &Seen, config_name: &str, now: Time) -> ExitRecord {
    ExitRecord {
        exit_code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".into(),
        message: "The container could not be located when the pod was deleted.  The container used to be Running"
            .into(),
        started_at: None,
        finished_at: Some(now),
        container_id: with_scheme(config_name, seen.id.as_str()),
    }
}
