//! What to do next for one pod. Pure: it reads the pod, what the runtime reported and the time, and changes nothing.
//!
//! Each stage either has something to do or lets the next one speak:
//! condemned or deleting -> stop its containers, then its sandbox and volumes, then finish;
//! otherwise volumes -> sandbox -> init containers in order -> all other containers, each with its own steps.

pub(super) mod containers;
mod launch;
pub(super) mod resize;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use super::admit::{self, Held};
use super::config::NodeConfig;
use super::pressure::Pressures;
use super::resize::Pending;
use super::work::{Failure, Flight, Note, PodStep, PodWork, SlotStep, Stage, StopReason, Verdict};
use super::{sandbox, volumes};
use crate::runtime::{Call, ContainerId, ContainerKind, ProbeAction, ProbePurpose, ProbeRequest, SandboxId};
use crate::store::{EventType, Object, PodBody, PodPhase, Snapshot};
use crate::text::Text;
use crate::time::Time;

/// All that a plan may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// The pod; `None` once it is gone from the store.
    pub(super) object: Option<&'a Object>,
    pub(super) work: &'a PodWork,
    pub(super) config: &'a NodeConfig,
    pub(super) snapshot: &'a Snapshot,
    /// What the other pods of the node hold; asked for while the pod is not admitted yet.
    pub(super) held: Held,
    /// What the node is short of.
    pub(super) pressures: Pressures,
    pub(super) now: Time,
}

impl<'a> View<'a> {
    pub(super) fn pod(&self) -> Option<&'a PodBody> {
        self.object.and_then(Object::pod)
    }

    /// A probe or a hook of one of its containers, to be carried out by the runtime.
    pub(super) fn probe(
        &self,
        (sandbox, container): (&SandboxId, &ContainerId),
        action: ProbeAction,
        timeout: Duration,
        purpose: ProbePurpose,
    ) -> Call {
        let (sandbox, container) = (sandbox.clone(), container.clone());
        let ip = self.work.ips.first().copied();
        Call::Probe(ProbeRequest { container, sandbox, ip, action, timeout, purpose }.into())
    }

    /// Whether its containers must go.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.work.stage, Stage::Gone | Stage::Condemned)
            || self.object.is_none_or(|object| object.meta.is_deleting())
            || self.pod().is_some_and(PodBody::is_finished)
            || super::status::is_complete(self)
    }
}

/// One thing to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Make a call.
    Call(Flight, Call),
    /// Ask for an image to be pulled, when its turn comes.
    Pull(u16, Arc<crate::runtime::ImagePull>),
    /// It is admitted: its containers shall run.
    Admit,
    /// It may not run here any more, and why.
    Condemn(Verdict),
    /// A volume cannot be made now.
    VolumeFailed(u16, super::volumes::Trouble),
    /// There is nothing to make of a claim.
    NoVolume(u16),
    /// A container cannot be started now.
    Fail(u16, Failure),
    /// An exit is answered with a delay, which is now shown.
    Announce(u16, Time),
    /// A hook that only waits, until then.
    SleepHook(u16, Time, SlotStep),
    /// A postStart hook that cannot be run.
    HookBroken(u16, Text),
    /// A probe that cannot be made.
    ProbeBroken(u16, ProbePurpose, Text),
    /// A container is to be stopped for this reason.
    Mark(u16, StopReason),
    /// The containers of a lost sandbox are gone with it.
    Abandon,
    /// The containers get until then to stop.
    KillBy(Time),
    /// A start was not answered for too long; what it leaves behind goes with the sandbox.
    GiveUp(u16),
    /// A hook has had its time.
    HookOver(u16),
    /// The node agrees to the resources that the pod asks for in this generation.
    Agree(i64),
    /// The node does not agree to them.
    Defer(Pending),
    /// What was agreed to is given.
    Resized,
    /// Nothing of the pod is left on the node.
    Forget,
    /// The pod's object may go.
    Finish,
}

/// Why nothing happens with a pod now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WaitingOn {
    /// A volume is being prepared, or cannot be now.
    Volumes,
    /// Its sandbox is being made or removed.
    Sandbox,
    /// Its claims for devices are being given back.
    Claims,
    /// An init container runs, or is to be run again.
    InitContainer,
    /// A container is being started, or is not ready.
    Containers,
    /// Something failed and is tried again later.
    Backoff,
    /// Its containers are stopping.
    Termination,
    /// Its containers are being given other resources.
    Resize,
}

/// What to do next, and when to look again.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct PodPlan {
    pub(super) actions: Vec<Action>,
    pub(super) notes: Vec<Note>,
    pub(super) wake_at: Option<Time>,
    pub(super) waiting_on: Option<WaitingOn>,
}

impl PodPlan {
    pub(super) fn wake(&mut self, at: Time) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub(super) fn wait(&mut self, on: WaitingOn) {
        self.waiting_on = self.waiting_on.or(Some(on));
    }

    pub(super) fn note(
        &mut self,
        slot: Option<u16>,
        event_type: EventType,
        reason: &'static str,
        message: impl Into<Text>,
    ) {
        self.notes.push(Note { slot, event_type, reason, message: message.into() });
    }

    pub(super) fn call(&mut self, flight: Flight, call: Call) {
        self.actions.push(Action::Call(flight, call));
    }
}

/// What to do next for a pod.
pub(super) fn pod_plan(view: &View<'_>) -> PodPlan {
    let mut plan = PodPlan::default();
    surplus(view, &mut plan);
    if judge(view, &mut plan) {
        return plan;
    }
    if view.is_ending() {
        stop::stop_pod(view, &mut plan);
        return plan;
    }
    resize::resize(view, &mut plan);
    if volumes::make(view, &mut plan) && make_sandbox(view, &mut plan) {
        containers::keep(view, &mut plan);
    }
    plan
}

pub(super) use containers::mains_begun;

/// Removes dead instances that nobody can ask for.
fn surplus(view: &View<'_>, plan: &mut PodPlan) {
    let Some(transient) = view.work.transient.as_ref().filter(|_| view.object.is_some()) else { return };
    for (place, id) in (0_u16..).zip(&transient.surplus) {
        plan.call(Flight::RemovePast(place), Call::RemoveContainer(id.clone()));
    }
}

/// Decides once whether a pod may run here, and ends it at its deadline or when it takes up too much. True when that is all for now.
fn judge(view: &View<'_>, plan: &mut PodPlan) -> bool {
    let Some(pod) = view.pod() else { return false };
    let deleting = view.object.is_some_and(|object| object.meta.is_deleting());
    match view.work.stage {
        Stage::New if deleting || pod.is_finished() => false,
        Stage::New => {
            match admit::judge(view, pod) {
                Ok(()) => plan.actions.push(Action::Admit),
                Err(refusal) => {
                    plan.note(None, EventType::Warning, refusal.reason, refusal.event);
                    plan.actions.push(Action::Condemn(Verdict::new(refusal.reason, refusal.message)));
                }
            }
            true
        }
        Stage::Active => {
            let excess = view.work.transient.as_ref().and_then(|transient| transient.excess.clone());
            if let Some(verdict) = excess.filter(|_| !deleting && !pod.is_finished()) {
                plan.note(None, EventType::Warning, verdict.reason, verdict.message.clone());
                plan.actions.push(Action::Condemn(verdict));
                return true;
            }
            let Some(deadline) = deadline_of(view, pod) else { return false };
            if view.now >= deadline && !matches!(pod.state.phase, PodPhase::Succeeded | PodPhase::Failed) {
                let text = "Pod was active on the node longer than the specified deadline";
                plan.note(None, EventType::Normal, "DeadlineExceeded", text);
                plan.actions.push(Action::Condemn(Verdict::new("DeadlineExceeded", text.into())));
                return true;
            }
            if view.now < deadline {
                plan.wake(deadline);
            }
            false
        }
        Stage::Condemned | Stage::Gone => false,
    }
}

fn deadline_of(view: &View<'_>, pod: &PodBody) -> Option<Time> {
    let seconds = u64::try_from(pod.spec.active_deadline_seconds?).ok()?;
    Some(view.work.start_time + Duration::from_secs(seconds))
}

/// Sees to a usable sandbox. True when there is one.
fn make_sandbox(view: &View<'_>, plan: &mut PodPlan) -> bool {
    let work = view.work;
    match (&work.sandbox, work.step) {
        (Some(current), PodStep::Idle) if current.ready => return true,
        (_, PodStep::Idle) => {}
        (
            _,
            PodStep::RunningSandbox
            | PodStep::StoppingSandbox
            | PodStep::RemovingSandbox
            | PodStep::ReleasingClaims
            | PodStep::RemovingVolumes,
        ) => {
            plan.wait(WaitingOn::Sandbox);
            return false;
        }
    }
    plan.wait(WaitingOn::Sandbox);
    if let Some(retry_at) = work.transient.as_ref().and_then(|transient| transient.retry_at)
        && retry_at > view.now
    {
        plan.wake(retry_at);
        return false;
    }
    if let Some(lost) = &work.sandbox {
        // Its containers go with it; what they left behind is remembered by their records.
        plan.note(None, EventType::Normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
        plan.call(Flight::RemoveSandbox, Call::RemovePodSandbox(lost.id.clone()));
        return false;
    }
    if has_leftovers(work) {
        plan.actions.push(Action::Abandon);
        return false;
    }
    if let Some(object) = view.object
        && let Some(pod) = view.pod()
    {
        let config = sandbox::config(object, pod, view.config, work.sandboxes);
        plan.call(Flight::Sandbox, Call::RunPodSandbox(Arc::new(config)));
    }
    false
}

/// Whether containers of an earlier sandbox stand in the way of beginning again in a new one.
fn has_leftovers(work: &PodWork) -> bool {
    work.slots.iter().any(|slot| match (&slot.current, slot.exit()) {
        (None, _) => false,
        (Some(_), Some(exit)) if slot.kind == ContainerKind::Regular => {
            super::restart::is_wanted(work, slot, exit.exit_code)
        }
        (Some(_), Some(_)) => slot.kind == ContainerKind::Init,
        (Some(_), None) => true,
    })
}

/// What the event says when a container is stopped while its pod goes on.
pub(super) fn stop_text(name: &str, reason: StopReason) -> String {
    match reason {
        StopReason::Liveness => format!("Container {name} failed liveness probe, will be restarted"),
        StopReason::Startup => format!("Container {name} failed startup probe, will be restarted"),
        StopReason::Definition => format!("Container {name} definition changed, will be restarted"),
        StopReason::Resize => format!("Container {name} resize requires restart"),
        StopReason::PostStart => "FailedPostStartHook".to_owned(),
    }
}
