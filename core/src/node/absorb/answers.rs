//! The answer to each call.

use std::sync::Arc;

use super::super::backoff::{Backoff, RETRY_AFTER};
use super::super::config::NodeConfig;
use super::super::events::{SHOWN_AFTER, go_duration};
use super::super::probes::Verdict;
use super::super::volumes::Trouble;
use super::super::work::{
    Failure, Flight, LaunchImage, PodStep, PodWork, Sandbox, Seen, SeenPhase, Slot, SlotStep, SpecRef, StopReason,
    VolumeStep, Volumes,
};
use super::lost_record;
use crate::runtime::{ImageStatus, ProbeOutcome, ProbePurpose, Reply, RuntimeError, RuntimeErrorKind, SandboxState};
use crate::store::{EventType, ExitRecord};
use crate::text::{Text, shared};
use crate::time::Time;

type Answer = Result<Reply, RuntimeError>;

impl PodWork {
    /// Takes in the answer to a call.
    pub(in crate::node) fn absorb(&mut self, flight: Flight, answer: Answer, config: &NodeConfig, now: Time) {
        match flight {
            Flight::Inventory | Flight::Empty | Flight::Measure | Flight::Watch | Flight::RemovePast(_) => {}
            Flight::Volume(place) => self.volume_answered(place, answer, now),
            Flight::Sandbox => self.sandbox_answered(answer, now),
            Flight::StopSandbox | Flight::RemoveSandbox => self.sandbox_gone(flight, answer, now),
            Flight::ReleaseClaims => self.claims_released(answer, now),
            Flight::RemoveVolumes => self.volumes_gone(answer, now),
            Flight::Inspect(place) => self.inspected(place, answer, now),
            Flight::Pull(place) => self.pulled(place, answer, now),
            Flight::Create(place) => self.created(place, answer, now),
            Flight::Start(place) => self.start_answered(place, answer, config, now),
            Flight::PostStart(place) => self.post_started(place, answer),
            Flight::PreStop(place) => self.pre_stopped(place, answer),
            Flight::Stop(place) => self.stopped(place, answer, now),
            Flight::Look(place) => self.looked(place, answer, config, now),
            Flight::Give(place) => self.give_answered(place, &answer, now),
            Flight::Probe(place, purpose) => self.probed(place, purpose, answer, now),
        }
    }

    /// The slot, when it is at this step.
    fn slot_at(&mut self, place: u16, step: SlotStep) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(place)).filter(|slot| slot.step == step)
    }

    fn name_of(&self, place: u16) -> String {
        let slot = self.slots.get(usize::from(place));
        slot.and_then(|slot| slot.spec(&self.spec)).map(SpecRef::name).unwrap_or_default().to_owned()
    }

    fn image_of(&self, place: u16) -> String {
        let slot = self.slots.get(usize::from(place));
        slot.and_then(|slot| slot.spec(&self.spec)).map(SpecRef::image).unwrap_or_default().to_owned()
    }

    fn fail(&mut self, place: u16, reason: &'static str, message: impl Into<Text>, retry_at: Time) {
        if let Some(slot) = self.slots.get_mut(usize::from(place)) {
            slot.extra().failure = Some(Failure { reason, message: message.into(), retry_at });
        }
    }

    fn volume_answered(&mut self, place: u16, answer: Answer, now: Time) {
        match answer {
            Ok(_) => self.volume_is_ready(place),
            Err(error) => {
                let why = error.message().to_owned();
                let is_claim = usize::from(place) >= self.spec.volumes.as_ref().map_or(0, Vec::len);
                let trouble = if is_claim { Trouble::Unprepared(why.into()) } else { Trouble::unmade(why) };
                self.volume_failed(place, &trouble, now);
            }
        }
    }

    /// A volume or a claim is prepared, and perhaps it was the last one.
    pub(in crate::node) fn volume_is_ready(&mut self, place: u16) {
        self.volume_is(place, VolumeStep::Ready);
        let all_ready = |transient: &super::super::work::Transient| {
            transient.volumes.iter().all(|volume| *volume == VolumeStep::Ready)
        };
        if self.transient.as_deref().is_some_and(all_ready) {
            self.volumes = Volumes::Ready;
            self.transient().volumes.clear();
        }
    }

    fn sandbox_answered(&mut self, answer: Answer, now: Time) {
        self.step = PodStep::Idle;
        match answer {
            Ok(Reply::Sandbox(status)) => {
                self.sandboxes = self.sandboxes.max(status.attempt + 1);
                self.ips = status.ips.iter().copied().collect();
                let ready = status.state == SandboxState::Ready;
                self.sandbox = Some(Sandbox { id: status.id, ready });
            }
            Ok(_) => {}
            Err(error) => {
                self.note(
                    None,
                    EventType::Warning,
                    "FailedCreatePodSandBox",
                    format!("Failed to create pod sandbox: {error}"),
                );
                self.transient().retry_at = Some(now + RETRY_AFTER);
            }
        }
    }

    fn sandbox_gone(&mut self, flight: Flight, answer: Answer, now: Time) {
        self.step = PodStep::Idle;
        match answer {
            Err(error) if error.kind() != RuntimeErrorKind::NotFound => {
                let text = format!(
                    "error killing pod: failed to \"KillPodSandbox\" for {:?} with KillPodSandboxError: {:?}",
                    self.identity.uid.to_string(),
                    error.message()
                );
                self.note(None, EventType::Warning, "FailedKillPod", text);
                self.transient().retry_at = Some(now + RETRY_AFTER);
            }
            _ if flight == Flight::RemoveSandbox => self.sandbox = None,
            _ => {
                if let Some(sandbox) = &mut self.sandbox {
                    sandbox.ready = false;
                }
            }
        }
    }

    fn claims_released(&mut self, answer: Answer, now: Time) {
        self.step = PodStep::Idle;
        match answer {
            Err(error) if error.kind() != RuntimeErrorKind::NotFound => {
                let why = format!("Failed to unprepare dynamic resources: unprepare dynamic resources: {error}");
                self.note(None, EventType::Warning, "FailedUnprepareDynamicResources", why);
                self.transient().retry_at = Some(now + RETRY_AFTER);
            }
            _ => self.transient().has_claims = false,
        }
    }

    fn volumes_gone(&mut self, answer: Answer, now: Time) {
        self.step = PodStep::Idle;
        match answer {
            Err(error) if error.kind() != RuntimeErrorKind::NotFound => {
                self.note(None, EventType::Warning, "FailedUnMount", format!("volumes could not be removed: {error}"));
                self.transient().retry_at = Some(now + RETRY_AFTER);
            }
            _ => self.volumes = Volumes::Absent,
        }
    }

    fn inspected(&mut self, place: u16, answer: Answer, now: Time) {
        let name = self.image_of(place);
        let policy_never = self
            .slots
            .get(usize::from(place))
            .and_then(|slot| slot.spec(&self.spec))
            .is_some_and(|spec| spec.image_pull_policy() == "Never");
        let Some(slot) = self.slot_at(place, SlotStep::Inspecting) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Image(Some(image))) => {
                slot.image_is_here(image);
                let text =
                    format!("Container image {name:?} already present on machine and can be accessed by the pod");
                self.note(Some(place), EventType::Normal, "Pulled", text);
            }
            Ok(_) if policy_never => {
                // Nobody tells when it appears; look again, ever more rarely.
                let backoff = Backoff::after_try(slot.extra().pulling, now, now);
                slot.extra().pulling = Some(backoff);
                let text = format!("Container image {name:?} is not present with pull policy of Never");
                self.note(Some(place), EventType::Warning, "ErrImageNeverPull", text.clone());
                self.note(Some(place), EventType::Warning, "Failed", "Error: ErrImageNeverPull");
                self.fail(place, "ErrImageNeverPull", text, backoff.next_try());
            }
            Ok(_) => slot.extra().must_pull = true,
            Err(error) => {
                let text = format!("Failed to inspect image {name:?}: {error}");
                self.note(Some(place), EventType::Warning, "InspectFailed", text.clone());
                self.note(Some(place), EventType::Warning, "Failed", "Error: ImageInspectError");
                self.fail(place, "ImageInspectError", text, now + RETRY_AFTER);
            }
        }
    }

    fn pulled(&mut self, place: u16, answer: Answer, now: Time) {
        let name = self.image_of(place);
        let Some(slot) = self.slot_at(place, SlotStep::Pulling) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Image(Some(image))) => {
                let (asked, began) = slot.extra().pull.take().unwrap_or((now, now));
                let size = image.size_bytes;
                slot.image_is_here(image);
                slot.extra().pulling = None;
                let (took, waited) = (go_duration(millis(now.since(began))), go_duration(millis(now.since(asked))));
                let text = shared(format_args!(
                    "Successfully pulled image {name:?} in {took} ({waited} including waiting). Image size: {size} bytes."
                ));
                self.note(Some(place), EventType::Normal, "Pulled", text);
            }
            Ok(_) => slot.extra().must_pull = true,
            Err(error) => {
                let extra = slot.extra();
                extra.pull = None;
                extra.pulling = Some(Backoff::after_try(extra.pulling, now, now));
                let (reason, message) = match error.kind() {
                    RuntimeErrorKind::InvalidImageName => ("InvalidImageName", error.to_string()),
                    RuntimeErrorKind::RegistryUnavailable => (
                        "RegistryUnavailable",
                        format!("image pull failed for {name} because the registry is unavailable: {error}"),
                    ),
                    _ => ("ErrImagePull", error.to_string()),
                };
                self.note(Some(place), EventType::Warning, "Failed", format!("Failed to pull image {name:?}: {error}"));
                self.note(Some(place), EventType::Warning, "Failed", format!("Error: {reason}"));
                self.fail(place, reason, message, now + SHOWN_AFTER);
            }
        }
    }

    fn created(&mut self, place: u16, answer: Answer, now: Time) {
        let image: Arc<str> = self.image_of(place).into();
        let Some(slot) = self.slot_at(place, SlotStep::Creating) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Created(id)) => {
                let surplus = slot.retire();
                let image_id = slot.extra.as_ref().and_then(|extra| extra.image.as_ref()).map(|image| &image.id);
                slot.current = Some(Seen {
                    id,
                    attempt: slot.next_attempt,
                    image_id: image_id.map_or_else(|| "".into(), Arc::clone),
                    image,
                    phase: SeenPhase::Created,
                });
                slot.next_attempt += 1;
                if let Some(extra) = &mut slot.extra {
                    extra.failure = None;
                    extra.stop = None;
                    extra.announced = None;
                }
                if let Some(id) = surplus {
                    self.transient().surplus.push(id);
                }
                self.note(Some(place), EventType::Normal, "Created", "Container created");
            }
            Ok(_) => {}
            Err(error) => {
                if matches!(error.kind(), RuntimeErrorKind::NotFound | RuntimeErrorKind::ImageNotFound) {
                    slot.extra().image = None;
                }
                self.sandbox_may_be_lost(&error);
                self.note(Some(place), EventType::Warning, "Failed", format!("Error: {error}"));
                self.fail(place, "CreateContainerError", error.to_string(), now + RETRY_AFTER);
            }
        }
    }

    fn start_answered(&mut self, place: u16, answer: Answer, config: &NodeConfig, now: Time) {
        let Some(slot) = self.slot_at(place, SlotStep::Starting) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Container(status)) => {
                if let Some(extra) = &mut slot.extra {
                    extra.failure = None;
                    extra.image = None;
                    extra.must_pull = false;
                }
                self.observe(&status, config, now);
                self.note(Some(place), EventType::Normal, "Started", "Container started");
            }
            Ok(_) => {}
            Err(error) => {
                self.sandbox_may_be_lost(&error);
                self.note(Some(place), EventType::Warning, "Failed", format!("Error: {error}"));
                if error.kind() == RuntimeErrorKind::CannotRun || !error.is_retryable() {
                    self.could_not_start(place, &error, config, now);
                }
                self.fail(place, "RunContainerError", error.to_string(), now + RETRY_AFTER);
            }
        }
    }

    /// The event that a sandbox is lost can come before the answer that it is made, and be of no use then.
    fn sandbox_may_be_lost(&mut self, error: &RuntimeError) {
        if let Some(sandbox) = &mut self.sandbox
            && matches!(error.kind(), RuntimeErrorKind::FailedPrecondition | RuntimeErrorKind::NotFound)
        {
            sandbox.ready = false;
        }
    }

    /// This instance will never run: it counts as one that ended badly at once.
    fn could_not_start(&mut self, place: u16, error: &RuntimeError, config: &NodeConfig, now: Time) {
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        let Some(seen) = &slot.current else { return };
        let exit = ExitRecord {
            exit_code: 128,
            signal: None,
            reason: "StartError".into(),
            message: error.to_string().into(),
            started_at: Some(Time::EPOCH),
            finished_at: Some(now),
            container_id: super::with_scheme(&config.runtime.name, seen.id.as_str()),
        };
        slot.has_exited(exit);
        if let Some(extra) = &mut slot.extra {
            extra.image = None;
            extra.must_pull = false;
        }
    }

    fn post_started(&mut self, place: u16, answer: Answer) {
        let Some(slot) = self.slot_at(place, SlotStep::PostStart) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Probe(ProbeOutcome::Success)) => slot.hook_passed(),
            _ => {
                self.note(Some(place), EventType::Warning, "FailedPostStartHook", "PostStartHook failed");
                self.hook_failed(place);
            }
        }
    }

    /// A postStart hook went wrong: the container is stopped, and restarted as its policy says.
    pub(in crate::node) fn hook_failed(&mut self, place: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(place)) {
            let extra = slot.extra();
            extra.post_start_due = false;
            extra.stop = Some(StopReason::PostStart);
        }
    }

    fn pre_stopped(&mut self, place: u16, answer: Answer) {
        let Some(slot) = self.slot_at(place, SlotStep::PreStop) else { return };
        slot.step = SlotStep::Idle;
        slot.extra().pre_stopped = true;
        slot.extra().hook_until = None;
        if !matches!(answer, Ok(Reply::Probe(ProbeOutcome::Success))) {
            self.note(Some(place), EventType::Warning, "FailedPreStopHook", "PreStopHook failed");
        }
    }

    /// A hook that only waits is done.
    pub(in crate::node) fn hook_over(&mut self, place: u16) {
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        let step = std::mem::replace(&mut slot.step, SlotStep::Idle);
        let extra = slot.extra();
        extra.hook_until = None;
        match step {
            SlotStep::PostStart => slot.hook_passed(),
            SlotStep::PreStop => extra.pre_stopped = true,
            _ => {}
        }
    }

    fn stopped(&mut self, place: u16, answer: Answer, now: Time) {
        let name = self.name_of(place);
        let Some(slot) = self.slot_at(place, SlotStep::Stopping) else { return };
        match answer {
            Err(error) if error.kind() != RuntimeErrorKind::NotFound => {
                slot.step = SlotStep::Idle;
                let text = format!(
                    "error killing pod: failed to \"KillContainer\" for {name:?} with KillContainerError: {:?}",
                    error.message()
                );
                self.note(None, EventType::Warning, "FailedKillPod", text);
                self.fail(place, "KillContainerError", error.to_string(), now + RETRY_AFTER);
            }
            // The news of its exit may be on its way; if not, the next look asks.
            _ => slot.step = SlotStep::Stopped,
        }
    }

    fn looked(&mut self, place: u16, answer: Answer, config: &NodeConfig, now: Time) {
        let Some(slot) = self.slot_at(place, SlotStep::Looking) else { return };
        slot.step = SlotStep::Idle;
        match answer {
            Ok(Reply::Container(status)) => self.observe(&status, config, now),
            Err(error) if error.kind() == RuntimeErrorKind::NotFound => {
                if let Some(seen) = &slot.current {
                    let record = lost_record(seen, &config.runtime.name, now);
                    slot.has_exited(record);
                }
            }
            Ok(_) => {}
            Err(error) => self.fail(place, "KillContainerError", error.to_string(), now + RETRY_AFTER),
        }
    }

    fn give_answered(&mut self, place: u16, answer: &Answer, now: Time) {
        let Some(slot) = self.slots.get_mut(usize::from(place)).filter(|slot| slot.is_running()) else { return };
        let Some(spec) = slot.extra.as_mut().and_then(|extra| extra.giving.take()) else { return };
        let error = match answer {
            Ok(_) => {
                self.gave(place, &spec);
                None
            }
            Err(error) => {
                let again = if error.is_retryable() { now + RETRY_AFTER } else { Time::MAX };
                slot.extra().give_again = Some(again);
                Some(Text::from(error.to_string()))
            }
        };
        let Some(progress) = self.resize_mut().and_then(|resize| resize.progress.as_mut()) else { return };
        let is_news = progress.answered(place, error.as_ref());
        let generation = progress.generation;
        if let Some(error) = error.filter(|_| is_news) {
            let text = crate::node::plan::resize::told("error", &self.spec, generation, Some(&error));
            self.note(None, EventType::Warning, "ResizeError", text);
        }
    }

    fn probed(&mut self, place: u16, purpose: ProbePurpose, answer: Answer, now: Time) {
        let success = match answer {
            Ok(Reply::Probe(ProbeOutcome::Success)) => true,
            Ok(Reply::Probe(ProbeOutcome::Failure(text))) => {
                if self.is_probed(place) {
                    let text = format!("{} probe failed: {text}", purpose.title());
                    self.note(Some(place), EventType::Warning, "Unhealthy", text);
                }
                false
            }
            Ok(_) => return,
            Err(error) => return self.probe_errored(place, purpose, error.message(), now),
        };
        self.count_probe(place, purpose, Some(success), now);
    }

    fn is_probed(&self, place: u16) -> bool {
        self.slots.get(usize::from(place)).is_some_and(|slot| slot.probes.is_some())
    }

    /// A probe that could not be made says nothing of the container.
    pub(in crate::node) fn probe_errored(&mut self, place: u16, purpose: ProbePurpose, wrong: &str, now: Time) {
        if self.is_probed(place) {
            let text = format!("{} probe errored and resulted in unknown state: {wrong}", purpose.title());
            self.note(Some(place), EventType::Warning, "Unhealthy", text);
            self.count_probe(place, purpose, None, now);
        }
    }

    fn count_probe(&mut self, place: u16, purpose: ProbePurpose, success: Option<bool>, now: Time) {
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        let Some(mut probes) = slot.probes.take() else { return };
        if let Some(probe) = slot.spec(&self.spec).and_then(|spec| spec.probe(purpose)) {
            match (probes.record(purpose, success, probe, now), purpose) {
                (Verdict::Passed, ProbePurpose::Startup) => slot.started = true,
                (Verdict::Failed, ProbePurpose::Startup) => slot.extra().stop = Some(StopReason::Startup),
                (Verdict::Failed, ProbePurpose::Liveness) => slot.extra().stop = Some(StopReason::Liveness),
                (Verdict::Passed, ProbePurpose::Readiness) => slot.ready = true,
                (Verdict::Failed, ProbePurpose::Readiness) => slot.ready = false,
                _ => {}
            }
        }
        slot.probes = Some(probes);
    }
}

impl Slot {
    fn image_is_here(&mut self, image: ImageStatus) {
        let extra = self.extra();
        extra.must_pull = false;
        extra.image = Some(LaunchImage { id: image.id, user: image.user });
    }
}

/// Pull times are told in milliseconds.
fn millis(duration: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
