//! What an agent remembers of one pod. Small once the pod has settled: what belongs to a step under way is boxed and
//! dropped with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::PodSpec;
use smallvec::SmallVec;

use super::admit::Held;
use super::resize::Resize;
pub(super) use super::slot::{Extra, Failure, LaunchImage, Past, Seen, SeenPhase, Slot, SlotStep, StopReason};
pub(super) use super::spec_ref::SpecRef;
pub(super) use super::verdict::Verdict;
use crate::ids::Revision;
use crate::runtime::{ContainerId, ContainerKind, PodIdentity, SandboxId};
use crate::store::{EventType, PodState};
use crate::text::Text;
use crate::time::Time;

/// What a call to the runtime is for. The number is a place in [`PodWork::slots`], or among the pod's volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    Inventory,
    Volume(u16),
    Sandbox,
    Inspect(u16),
    Pull(u16),
    Create(u16),
    Start(u16),
    PostStart(u16),
    PreStop(u16),
    Stop(u16),
    Look(u16),
    RemovePast(u16),
    /// Other resources for what runs.
    Give(u16),
    Probe(u16, crate::runtime::ProbePurpose),
    StopSandbox,
    RemoveSandbox,
    ReleaseClaims,
    RemoveVolumes,
    /// The data of a volume that nobody has any more.
    Empty,
    /// What all pods take up.
    Measure,
    /// How the node is.
    Watch,
}

/// Where the agent stands with a pod as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Seen, not judged yet.
    New,
    /// Admitted: its containers shall run.
    Active,
    /// Refused, or past its deadline: nothing of it shall run, and its phase is `Failed`.
    Condemned,
    /// Its object is gone: nothing of it shall stay.
    Gone,
}

/// The sandbox-level call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodStep {
    Idle,
    RunningSandbox,
    StoppingSandbox,
    RemovingSandbox,
    ReleasingClaims,
    RemovingVolumes,
}

/// Whether the pod's volumes are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Volumes {
    /// None was made.
    Absent,
    /// Some were made, or are being made: [`Transient::volumes`] has the details.
    Partial,
    /// All are ready.
    Ready,
}

/// The pod's sandbox.
#[derive(Clone, Debug)]
pub(super) struct Sandbox {
    pub(super) id: SandboxId,
    pub(super) ready: bool,
}

/// An event about a pod, before the names are filled in.
#[derive(Debug)]
pub(super) struct Note {
    /// The container it is about.
    pub(super) slot: Option<u16>,
    pub(super) event_type: EventType,
    pub(super) reason: &'static str,
    pub(super) message: Text,
}

/// One volume on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VolumeStep {
    Wanted,
    Preparing { delay: Duration },
    Ready,
    Failed { retry_at: Time, delay: Duration },
}

/// What is under way for a pod as a whole.
#[derive(Debug, Default)]
pub(super) struct Transient {
    pub(super) notes: Vec<Note>,
    pub(super) volumes: SmallVec<[VolumeStep; 4]>,
    /// When the sandbox-level step may be tried again.
    pub(super) retry_at: Option<Time>,
    /// The end of the grace of the pod's termination.
    pub(super) kill_by: Option<Time>,
    /// Instances that nobody needs any more.
    pub(super) surplus: Vec<ContainerId>,
    /// A change of status that can wait until then, since more is on its way.
    pub(super) hold_until: Option<Time>,
    /// It takes up more of the node than it may, or than the node has: what it is to be told.
    pub(super) excess: Option<Verdict>,
    /// Why the pod was condemned.
    pub(super) verdict: Option<Verdict>,
    /// A change of its resources that is not done.
    pub(super) resize: Option<Box<Resize>>,
    /// Its claims for devices were prepared, or are being prepared, and are to be given back.
    pub(super) has_claims: bool,
    /// A claim was made for its extended resources.
    pub(super) has_extended_claim: bool,
}

/// What an agent remembers of one pod.
#[derive(Debug)]
pub(super) struct PodWork {
    pub(super) identity: PodIdentity,
    /// The spec as it was last seen, with the resources that the node agreed to.
    pub(super) spec: Arc<PodSpec>,
    pub(super) stage: Stage,
    pub(super) step: PodStep,
    pub(super) volumes: Volumes,
    /// The sandbox was lost once: the next one is a replacement.
    pub(super) sandboxes: u32,
    pub(super) sandbox: Option<Sandbox>,
    pub(super) ips: SmallVec<[IpAddr; 1]>,
    /// What it holds of the node's resources.
    pub(super) held: Held,
    /// Whether it holds that: it was admitted and has not ended.
    pub(super) is_holding: bool,
    /// `status.startTime`
    pub(super) start_time: Time,
    /// The version of the pod that the last status made, unless that was its end.
    pub(super) said: Revision,
    /// The timer that the agent keeps for it; [`Time::MAX`] for none.
    pub(super) wake: Time,
    pub(super) slots: SmallVec<[Slot; 1]>,
    pub(super) transient: Option<Box<Transient>>,
}

impl PodWork {
    /// What it takes of its node now.
    pub(super) fn holds(&self) -> Held {
        if self.is_holding { self.held } else { Held::default() }
    }

    pub(super) fn new(identity: PodIdentity, spec: Arc<PodSpec>, now: Time) -> Self {
        let mut work = Self {
            held: Held::by(&spec),
            is_holding: false,
            identity,
            spec,
            stage: Stage::New,
            step: PodStep::Idle,
            volumes: Volumes::Absent,
            sandboxes: 0,
            sandbox: None,
            ips: SmallVec::new(),
            start_time: now.whole_second(),
            said: Revision::ZERO,
            wake: Time::MAX,
            slots: SmallVec::new(),
            transient: None,
        };
        work.fit_slots();
        work
    }

    /// Makes a slot for every container of the spec; only ephemeral containers are ever added to one.
    pub(super) fn fit_slots(&mut self) {
        let count = |list: usize| u16::try_from(list).unwrap_or(u16::MAX);
        let wanted = [
            (ContainerKind::Init, count(self.spec.init_containers.as_ref().map_or(0, Vec::len))),
            (ContainerKind::Regular, count(self.spec.containers.len())),
            (ContainerKind::Ephemeral, count(self.spec.ephemeral_containers.as_ref().map_or(0, Vec::len))),
        ];
        for (kind, count) in wanted {
            let has = count_of(&self.slots, kind);
            for index in has..count {
                self.slots.push(Slot::new(kind, index));
            }
        }
    }

    pub(super) fn transient(&mut self) -> &mut Transient {
        self.transient.get_or_insert_default()
    }

    /// The slot of a container with this name.
    pub(super) fn slot_named(&self, kind: ContainerKind, name: &str) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.kind == kind && slot.spec(&self.spec).is_some_and(|spec| spec.name() == name))
    }

    /// The slot that this instance is current in.
    pub(super) fn slot_of(&self, id: &ContainerId) -> Option<usize> {
        self.slots.iter().position(|slot| slot.current.as_ref().is_some_and(|seen| seen.id == *id))
    }

    pub(super) fn note(
        &mut self,
        slot: Option<u16>,
        event_type: EventType,
        reason: &'static str,
        message: impl Into<Text>,
    ) {
        self.transient().notes.push(Note { slot, event_type, reason, message: message.into() });
    }

    /// Whether it has claims for devices that are not given back. As long as it has, it has not ended.
    pub(super) fn has_claims(&self) -> bool {
        self.transient.as_ref().is_some_and(|transient| transient.has_claims)
    }

    /// Notes whether a claim was made for its extended resources.
    pub(super) fn take_note_of_claim(&mut self, state: &PodState) {
        if state.extended_claim.is_some() {
            self.transient().has_extended_claim = true;
        }
    }

    /// Whether one was made.
    pub(super) fn has_extended_claim(&self) -> bool {
        self.transient.as_ref().is_some_and(|transient| transient.has_extended_claim)
    }

    /// Whether any process of it may run.
    pub(super) fn any_running(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_running() || matches!(slot.step, SlotStep::Creating | SlotStep::Starting))
    }

    /// Whether its containers are being stopped.
    pub(super) fn is_stopping(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.step, SlotStep::Stopping | SlotStep::Stopped | SlotStep::Looking))
    }

    /// Whether a quick step of its start is under way, which will change its status again soon.
    pub(super) fn is_hurrying(&self) -> bool {
        let slots = || self.slots.iter();
        self.step == PodStep::RunningSandbox
            || (self.volumes == Volumes::Partial && self.is_preparing())
            || slots().any(|slot| {
                matches!(slot.step, SlotStep::Inspecting | SlotStep::Pulling | SlotStep::Creating | SlotStep::Starting)
            })
    }

    /// Whether a volume is being prepared: the call may still take effect.
    pub(super) fn is_preparing(&self) -> bool {
        let volumes = self.transient.as_ref().map(|transient| transient.volumes.as_slice()).unwrap_or_default();
        volumes.iter().any(|volume| matches!(volume, VolumeStep::Preparing { .. }))
    }

    /// Lets go of what is not needed any more.
    pub(super) fn tidy(&mut self) {
        let idle = self.transient.as_ref().is_some_and(|transient| {
            transient.notes.is_empty()
                && transient.retry_at.is_none()
                && transient.kill_by.is_none()
                && transient.surplus.is_empty()
                && transient.hold_until.is_none()
                && transient.excess.is_none()
                && transient.verdict.is_none()
                && transient.resize.is_none()
                && !transient.has_claims
                && !transient.has_extended_claim
                && (self.volumes != Volumes::Partial)
        });
        if idle {
            self.transient = None;
        }
        for slot in &mut self.slots {
            let idle = slot.extra.as_ref().is_some_and(|extra| {
                slot.step == SlotStep::Idle
                    && extra.image.is_none()
                    && !extra.must_pull
                    && !extra.post_start_due
                    && extra.crash.is_none()
                    && extra.pulling.is_none()
                    && extra.failure.is_none()
                    && extra.stop.is_none()
                    && extra.hook_until.is_none()
                    && !extra.pre_stopped
                    && extra.stop_by.is_none()
                    && extra.announced.is_none()
                    && extra.actual.is_none()
                    && extra.giving.is_none()
                    && extra.give_again.is_none()
            });
            if idle {
                slot.extra = None;
            }
        }
    }
}

fn count_of(slots: &[Slot], kind: ContainerKind) -> u16 {
    u16::try_from(slots.iter().filter(|slot| slot.kind == kind).count()).unwrap_or(u16::MAX)
}
