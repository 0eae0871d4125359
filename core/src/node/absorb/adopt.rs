//! Takes over what earlier agents left: what the stored status says, and what the runtime lists.

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::config::NodeConfig;
use super::super::work::{Past, PodStep, PodWork, Seen, SeenPhase, Slot, SlotStep, VolumeStep, Volumes};
use super::{exit_record, lost_record};
use crate::node::restart;
use crate::node::status::stored_record;
use crate::node::volumes::Trouble;
use crate::runtime::{ContainerId, ContainerKind, ContainerState, ContainerStatus, ProbePurpose};
use crate::store::{ContainerPhase, ContainerRecord, EventType, ExitRecord, PodState};
use crate::time::Time;

impl PodWork {
    /// What the stored status says of containers that ran before: restart counts go on, what is done stays done.
    pub(in crate::node) fn recall(&mut self, state: &PodState, now: Time) {
        self.take_note_of_claim(state);
        if let Some(start_time) = state.start_time {
            self.start_time = start_time;
            self.is_holding = true;
        }
        self.ips = state.pod_ips.iter().copied().collect::<SmallVec<_>>();
        for slot in &mut self.slots {
            if let Some(record) = stored_record(state, slot) {
                slot.recall(record, now);
            }
        }
        if state.start_time.is_some() {
            self.recall_given(state);
        }
    }

    /// Before an inventory: nothing is known to be there.
    pub(in crate::node) fn lost_sight(&mut self) {
        if let Some(sandbox) = &mut self.sandbox
            && self.step == PodStep::Idle
        {
            sandbox.ready = false;
        }
        for slot in &mut self.slots {
            slot.listed = false;
        }
    }

    /// One container that the runtime lists. They come in the order of their attempts.
    pub(in crate::node) fn adopt(
        &mut self,
        status: &ContainerStatus,
        stored: Option<&PodState>,
        config: &NodeConfig,
        now: Time,
    ) {
        let Some(place) = self.slot_named(status.kind, &status.name) else {
            return self.transient().surplus.push(status.id.clone());
        };
        let spec = Arc::clone(&self.spec);
        let Some(slot) = self.slots.get_mut(place) else { return };
        if slot.current.as_ref().is_some_and(|seen| seen.id == status.id && seen.exit().is_none()) {
            slot.listed = true;
            return self.observe(status, config, now);
        }
        if slot.current.as_ref().is_some_and(|seen| seen.attempt > status.attempt) {
            let exit = exit_record(status, config, now);
            let older = slot.past.replace(Box::new(Past { id: Some(status.id.clone()), exit }));
            return self.surplus(older.and_then(|past| past.id));
        }
        let same = slot.current.as_ref().is_some_and(|seen| seen.attempt == status.attempt);
        let older = if same { slot.current.take().map(|_| None) } else { Some(slot.retire()) };
        let record = stored.and_then(|state| stored_record(state, slot));
        slot.take_over(status, record, &spec, config, now);
        self.surplus(older.flatten());
    }

    fn surplus(&mut self, id: Option<ContainerId>) {
        if let Some(id) = id {
            self.transient().surplus.push(id);
        }
    }

    /// After an inventory: what was not listed is gone.
    pub(in crate::node) fn missed(&mut self, config: &NodeConfig, now: Time) {
        for slot in &mut self.slots {
            let waits = matches!(slot.step, SlotStep::Creating | SlotStep::Starting);
            if slot.listed || waits {
                continue;
            }
            match &slot.current {
                Some(seen) if seen.running_since().is_some() => {
                    let record = lost_record(seen, &config.runtime.name, now);
                    slot.has_exited(record);
                }
                Some(seen) if seen.exit().is_none() => slot.current = None,
                Some(_) | None => {}
            }
        }
    }

    /// The containers of a lost sandbox are gone with it: those that shall run begin anew.
    pub(in crate::node) fn abandon_containers(&mut self, now: Time) {
        for place in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(place) else { continue };
            if let Some(seen) = &slot.current
                && seen.running_since().is_some()
            {
                let record = ExitRecord { reason: "Error".into(), message: "".into(), ..lost_record(seen, "", now) };
                slot.has_exited(record);
            }
            slot.step = SlotStep::Idle;
            let Some(slot) = self.slots.get(place) else { continue };
            let again = match slot.kind {
                ContainerKind::Init => true,
                ContainerKind::Regular => slot.exit().is_none_or(|exit| restart::is_wanted(self, slot, exit.exit_code)),
                ContainerKind::Ephemeral => slot.exit().is_none(),
            };
            if again && let Some(slot) = self.slots.get_mut(place) {
                slot.retire();
                if let Some(past) = &mut slot.past {
                    past.id = None;
                }
            }
        }
    }

    /// A volume could not be made: said in an event, and tried again after a delay that doubles.
    pub(in crate::node) fn volume_failed(&mut self, place: u16, trouble: &Trouble, now: Time) {
        const FIRST: std::time::Duration = std::time::Duration::from_millis(500);
        /// Upstream's longest delay between tries to mount: two minutes and two seconds.
        const LONGEST: std::time::Duration = std::time::Duration::from_secs(122);
        let volumes = self.transient.as_ref().map(|transient| &transient.volumes);
        let earlier = match volumes.and_then(|volumes| volumes.get(usize::from(place))) {
            Some(VolumeStep::Failed { delay, .. } | VolumeStep::Preparing { delay }) => *delay,
            _ => std::time::Duration::ZERO,
        };
        let delay = (earlier * 2).clamp(FIRST, LONGEST);
        let name = self.spec.volumes.as_ref().and_then(|volumes| volumes.get(usize::from(place)));
        let name = name.map(|volume| volume.name.clone()).unwrap_or_default();
        let (reason, said) = trouble.said(&self.spec, &name);
        self.note(None, EventType::Warning, reason, said);
        self.volumes = Volumes::Partial;
        self.volume_is(place, VolumeStep::Failed { retry_at: now + delay, delay });
    }

    /// Something that the pod takes files or variables from has changed.
    pub(in crate::node) fn inputs_changed(&mut self) {
        self.forget_failures();
        let mut volumes = self.spec.volumes.iter().flatten();
        if self.volumes == Volumes::Ready && volumes.any(super::super::volumes::is_projection) {
            self.volumes = Volumes::Partial;
            let step = |volume| match super::super::volumes::is_projection(volume) {
                true => VolumeStep::Wanted,
                false => VolumeStep::Ready,
            };
            let mut volumes: SmallVec<[VolumeStep; 4]> = self.spec.volumes.iter().flatten().map(step).collect();
            volumes.resize(self.prepared_count(), VolumeStep::Ready);
            self.transient().volumes = volumes;
        }
    }

    /// What failed because of the spec or of other objects may be tried again at once.
    pub(in crate::node) fn forget_failures(&mut self) {
        for slot in &mut self.slots {
            if let Some(extra) = &mut slot.extra
                && let Some(failure) = &mut extra.failure
                && matches!(failure.reason, "CreateContainerConfigError" | "InvalidImageName")
            {
                failure.retry_at = Time::EPOCH;
            }
        }
        if let Some(transient) = &mut self.transient {
            for volume in &mut transient.volumes {
                if let VolumeStep::Failed { delay, .. } = *volume {
                    *volume = VolumeStep::Failed { retry_at: Time::EPOCH, delay };
                }
            }
        }
    }
}

impl Slot {
    /// The last instance that the stored status speaks of, as one that has ended.
    fn recall(&mut self, record: &ContainerRecord, now: Time) {
        let past = |exit: &ExitRecord| Box::new(Past { id: None, exit: exit.clone() });
        let exit = match &record.phase {
            ContainerPhase::Terminated(exit) => {
                self.past = record.last.as_deref().map(past);
                (**exit).clone()
            }
            ContainerPhase::Waiting(_) => match &record.last {
                Some(last) => (**last).clone(),
                None => return,
            },
            // Whether it still runs is for the runtime to say.
            ContainerPhase::Running(since) => {
                self.past = record.last.as_deref().map(past);
                ExitRecord {
                    exit_code: 137,
                    signal: None,
                    reason: "ContainerStatusUnknown".into(),
                    message: "The container could not be located when the pod was deleted.  \
                              The container used to be Running"
                        .into(),
                    started_at: Some(*since),
                    finished_at: Some(now),
                    container_id: record.container_id.clone().unwrap_or_else(|| "".into()),
                }
            }
        };
        let attempt = u32::try_from(record.restart_count).unwrap_or(0);
        let id = exit.container_id.split_once("://").map_or("", |(_, id)| id);
        self.next_attempt = attempt + 1;
        self.current = Some(Seen {
            id: ContainerId::new(id),
            attempt,
            image: Arc::clone(&record.image),
            image_id: Arc::clone(&record.image_id),
            phase: SeenPhase::Exited(Box::new(exit)),
        });
    }

    /// The instance that the runtime lists becomes the current one, as it is: nothing is restarted.
    fn take_over(
        &mut self,
        status: &ContainerStatus,
        record: Option<&ContainerRecord>,
        spec: &k8s_openapi::api::core::v1::PodSpec,
        config: &NodeConfig,
        now: Time,
    ) {
        self.listed = true;
        self.next_attempt = self.next_attempt.max(status.attempt + 1);
        self.current = Some(Seen {
            id: status.id.clone(),
            attempt: status.attempt,
            image: Arc::clone(&status.image),
            image_id: Arc::clone(&status.image_id),
            phase: SeenPhase::Created,
        });
        match &status.state {
            ContainerState::Created => {}
            ContainerState::Running { started_at } => {
                self.has_started(spec, *started_at);
                // Its hook was run by the agent that started it.
                if let Some(extra) = &mut self.extra {
                    extra.post_start_due = false;
                }
                self.hook_passed();
                let said_ready = record.is_some_and(|record| record.ready);
                let said_started = record.is_some_and(|record| record.started == Some(true));
                let startup = self.probes.as_ref().is_some_and(|probes| probes.has(ProbePurpose::Startup));
                self.started = said_started || !startup;
                self.ready |= said_ready;
            }
            ContainerState::Exited { .. } => self.has_exited(exit_record(status, config, now)),
        }
    }
}
