//! Carries out a plan: remembers what it says and hands out its calls. Makes no choices.

use super::NodeAgent;
use crate::ids::Uid;
use crate::node::backoff::Backoff;
use crate::node::output::{CallId, NodeOutputs, PodWrite};
use crate::node::plan::{Action, PodPlan};
use crate::node::work::{Flight, PodStep, PodWork, SlotStep, Stage, VolumeStep, Volumes};
use crate::runtime::Call;
use crate::store::EventType;
use crate::time::Time;

/// What carrying out a plan came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// The plan changed what is remembered in a way that allows for more at once.
    pub(super) again: bool,
    /// Nothing of the pod is left.
    pub(super) forget: bool,
}

impl NodeAgent {
    /// A claim for devices that this pod uses has changed.
    pub(crate) fn claim_changed(&mut self, uid: Uid) {
        if let Some(work) = self.pods.get_mut(&uid) {
            work.forget_failures();
            self.dirty.insert(uid);
        }
    }

    pub(super) fn apply(
        &mut self,
        work: &mut PodWork,
        plan: PodPlan,
        uid: Uid,
        now: Time,
        out: &mut NodeOutputs,
    ) -> Round {
        let mut round = Round::default();
        if !plan.notes.is_empty() {
            work.transient().notes.extend(plan.notes);
        }
        for action in plan.actions {
            match action {
                Action::Call(flight, call) => {
                    work.begun(flight, &call, now);
                    self.send(uid, flight, call, out);
                }
                Action::Pull(place, pull) => {
                    work.pull_begun(place, now);
                    self.pulls.get_or_insert_default().waiting.push_back((uid, place, pull));
                }
                Action::Finish => out.writes.push(PodWrite::Finish { uid }),
                Action::Forget => round.forget = true,
                other => round.again |= work.remember(other, now),
            }
        }
        self.send_pulls(now, work, out);
        round
    }

    pub(super) fn send(&mut self, uid: Uid, flight: Flight, call: Call, out: &mut NodeOutputs) {
        self.calls_made += 1;
        let id = CallId::new(self.calls_made);
        self.flights.insert(id, (uid, flight));
        out.calls.push((id, call));
    }

    /// Begins as many pulls as may be under way; `current` is the pod that is being looked at.
    pub(super) fn send_pulls(&mut self, now: Time, current: &mut PodWork, out: &mut NodeOutputs) {
        while let Some(pulls) = &mut self.pulls
            && pulls.under_way < self.config.pulls_at_a_time.max(1)
            && let Some((uid, place, pull)) = pulls.waiting.pop_front()
        {
            let work = if uid == current.identity.uid {
                Some(&mut *current)
            } else {
                self.pods.get_mut(&uid).map(|work| &mut **work)
            };
            let Some(slot) = work.and_then(|work| work.slots.get_mut(usize::from(place))) else { continue };
            if slot.step != SlotStep::Pulling {
                continue;
            }
            let extra = slot.extra();
            extra.pull = Some((extra.pull.map_or(now, |(asked, _)| asked), now));
            pulls.under_way += 1;
            self.send(uid, Flight::Pull(place), Call::PullImage(pull), out);
        }
    }

    /// A pull was answered: the next may begin, in the step of the pod that waits for it.
    pub(super) fn pull_done(&mut self) {
        let Some(pulls) = &mut self.pulls else { return };
        pulls.under_way = pulls.under_way.saturating_sub(1);
        match pulls.waiting.front() {
            Some((uid, _, _)) => {
                self.dirty.insert(*uid);
            }
            None if pulls.under_way == 0 => self.pulls = None,
            None => {}
        }
    }
}

impl PodWork {
    /// A call was handed out.
    fn begun(&mut self, flight: Flight, call: &Call, now: Time) {
        let step = match flight {
            Flight::Volume(place) => {
                self.volumes = Volumes::Partial;
                self.transient().has_claims |= matches!(call, Call::PrepareClaim(..));
                let earlier = self.transient().volumes.get(usize::from(place)).copied();
                let delay = match earlier {
                    Some(VolumeStep::Failed { delay, .. }) => delay,
                    _ => std::time::Duration::ZERO,
                };
                self.volume_is(place, VolumeStep::Preparing { delay });
                return;
            }
            Flight::Sandbox => return self.step_is(PodStep::RunningSandbox),
            Flight::StopSandbox => return self.step_is(PodStep::StoppingSandbox),
            Flight::RemoveSandbox => return self.step_is(PodStep::RemovingSandbox),
            Flight::ReleaseClaims => return self.step_is(PodStep::ReleasingClaims),
            Flight::RemoveVolumes => return self.step_is(PodStep::RemovingVolumes),
            Flight::RemovePast(_) => {
                // Asked for once: what stays behind goes with the sandbox.
                if let Some(transient) = &mut self.transient {
                    transient.surplus.clear();
                }
                return;
            }
            Flight::Probe(place, purpose) => {
                let probes = self.slots.get_mut(usize::from(place)).and_then(|slot| slot.probes.as_mut());
                if let Some(probes) = probes {
                    probes.sent(purpose);
                }
                return;
            }
            Flight::Give(place) => {
                if let (Some(slot), Call::UpdateContainerResources(_, resources)) =
                    (self.slots.get_mut(usize::from(place)), call)
                {
                    slot.extra().giving = Some(std::sync::Arc::clone(&resources.spec));
                    slot.extra().give_again = None;
                }
                return;
            }
            Flight::Inventory | Flight::Empty | Flight::Measure | Flight::Watch | Flight::Pull(_) => return,
            Flight::Inspect(place) => (place, SlotStep::Inspecting),
            Flight::Create(place) => (place, SlotStep::Creating),
            Flight::Start(place) => (place, SlotStep::Starting),
            Flight::PostStart(place) => (place, SlotStep::PostStart),
            Flight::PreStop(place) => (place, SlotStep::PreStop),
            Flight::Stop(place) => (place, SlotStep::Stopping),
            Flight::Look(place) => (place, SlotStep::Looking),
        };
        let Some(slot) = self.slots.get_mut(usize::from(step.0)) else { return };
        slot.step = step.1;
        match (flight, call) {
            (Flight::Create(_), _) => {
                if let Some(failed_at) = slot.exit().and_then(|exit| exit.finished_at) {
                    let extra = slot.extra();
                    extra.crash = Some(Backoff::after_try(extra.crash, failed_at, now));
                }
            }
            (Flight::PostStart(_), _) => slot.extra().post_start_due = false,
            (Flight::Stop(_), Call::StopContainer(_, grace)) => {
                slot.extra().stop_by = Some(now + *grace);
                slot.probes = None;
            }
            (Flight::PreStop(_), _) => slot.probes = None,
            _ => {}
        }
    }

    fn step_is(&mut self, step: PodStep) {
        self.step = step;
        if let Some(transient) = &mut self.transient {
            transient.retry_at = None;
        }
    }

    pub(in crate::node) fn volume_is(&mut self, place: u16, step: VolumeStep) {
        let count = self.prepared_count();
        let volumes = &mut self.transient().volumes;
        volumes.resize(count, VolumeStep::Wanted);
        if let Some(volume) = volumes.get_mut(usize::from(place)) {
            *volume = step;
        }
    }

    fn pull_begun(&mut self, place: u16, now: Time) {
        if let Some(slot) = self.slots.get_mut(usize::from(place)) {
            slot.step = SlotStep::Pulling;
            slot.extra().pull = Some((now, now));
        }
    }

    /// Takes in what a plan decided about what is remembered. True when that allows for more at once.
    fn remember(&mut self, action: Action, now: Time) -> bool {
        match action {
            Action::Admit => {
                self.stage = Stage::Active;
                return true;
            }
            Action::Condemn(verdict) => {
                self.stage = Stage::Condemned;
                let transient = self.transient();
                transient.verdict = Some(verdict);
                transient.excess = None;
                return true;
            }
            Action::NoVolume(place) => {
                self.volumes = Volumes::Partial;
                self.volume_is_ready(place);
                return true;
            }
            Action::VolumeFailed(place, message) => {
                self.volume_failed(place, &message, now);
                return true;
            }
            Action::KillBy(at) => self.transient().kill_by = Some(at),
            Action::Abandon => {
                self.abandon_containers(now);
                return true;
            }
            Action::Fail(place, failure) => {
                if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                    slot.extra().failure = Some(failure);
                }
            }
            Action::Announce(place, exited_at) => {
                if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                    let extra = slot.extra();
                    extra.announced = Some(exited_at);
                    extra.failure = None;
                }
            }
            Action::Mark(place, reason) => {
                if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                    slot.extra().stop = Some(reason);
                }
            }
            Action::SleepHook(place, until, step) => {
                if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                    slot.step = step;
                    let extra = slot.extra();
                    extra.hook_until = Some(until);
                    extra.post_start_due = false;
                    if step == SlotStep::PreStop {
                        slot.probes = None;
                    }
                }
            }
            Action::GiveUp(place) => {
                if let Some(slot) = self.slots.get_mut(usize::from(place)) {
                    slot.step = SlotStep::Idle;
                }
                return true;
            }
            Action::HookOver(place) => {
                self.hook_over(place);
                return true;
            }
            Action::HookBroken(place, wrong) => {
                self.note(Some(place), EventType::Warning, "FailedPostStartHook", wrong);
                self.hook_failed(place);
                return true;
            }
            Action::ProbeBroken(place, purpose, wrong) => {
                self.probe_errored(place, purpose, &wrong, now);
                return true;
            }
            Action::Agree(generation) => {
                self.agree(generation);
                return true;
            }
            Action::Defer(pending) => self.resizing().pending = Some(pending),
            Action::Resized => self.resized(),
            Action::Call(..) | Action::Pull(..) | Action::Finish | Action::Forget => {}
        }
        false
    }
}
