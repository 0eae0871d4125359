//! One container of a pod, as its agent remembers it: the instance that there is, the one before it, and what is under way.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

use super::backoff::Backoff;
use super::probes::Probes;
use super::spec_ref::SpecRef;
use crate::runtime::{ContainerId, ContainerKind};
use crate::store::ExitRecord;
use crate::text::Text;
use crate::time::Time;

/// An instance of a container that the runtime has.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: ContainerId,
    pub(super) attempt: u32,
    pub(super) image: Arc<str>,
    pub(super) image_id: Arc<str>,
    pub(super) phase: SeenPhase,
}

/// Where it is in its life; only ever moves down this list.
#[derive(Clone, Debug)]
pub(super) enum SeenPhase {
    Created,
    Running(Time),
    Exited(Box<ExitRecord>),
}

impl Seen {
    pub(super) const fn exit(&self) -> Option<&ExitRecord> {
        match &self.phase {
            SeenPhase::Exited(exit) => Some(exit),
            SeenPhase::Created | SeenPhase::Running(_) => None,
        }
    }

    pub(super) const fn running_since(&self) -> Option<Time> {
        match self.phase {
            SeenPhase::Running(since) => Some(since),
            SeenPhase::Created | SeenPhase::Exited(_) => None,
        }
    }
}

/// The instance before the current one: kept for `logs --previous`.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// Its id while the runtime still has it.
    pub(super) id: Option<ContainerId>,
    pub(super) exit: ExitRecord,
}

/// The call under way for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotStep {
    Idle,
    Inspecting,
    /// Waiting for its turn, or being pulled.
    Pulling,
    Creating,
    Starting,
    PostStart,
    PreStop,
    Stopping,
    /// The runtime says it has stopped; how it ended is not known yet.
    Stopped,
    Looking,
}

/// Why a container is to be stopped although its pod goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    Liveness,
    Startup,
    Definition,
    /// It gets other resources, and its policy says that this takes a restart.
    Resize,
    PostStart,
}

impl StopReason {
    /// Whether the container is stopped to be made anew.
    pub(super) const fn replaces(self) -> bool {
        matches!(self, Self::Definition | Self::Resize)
    }
}

/// One container of the pod's spec.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) kind: ContainerKind,
    pub(super) index: u16,
    pub(super) step: SlotStep,
    /// Its postStart hook and startup probe have passed.
    pub(super) started: bool,
    /// Its readiness probe says so; meaningful while it is started.
    pub(super) ready: bool,
    /// The inventory under way lists its current instance.
    pub(super) listed: bool,
    /// The number of the next instance.
    pub(super) next_attempt: u32,
    pub(super) current: Option<Seen>,
    pub(super) past: Option<Box<Past>>,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) probes: Option<Box<Probes>>,
}

/// What a container needs beside its state only now and then.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The image to start it with, once it is known to be here.
    pub(super) image: Option<LaunchImage>,
    /// The image was looked for and is not here.
    pub(super) must_pull: bool,
    /// When the pull was asked for, and when it really began.
    pub(super) pull: Option<(Time, Time)>,
    pub(super) crash: Option<Backoff>,
    pub(super) pulling: Option<Backoff>,
    pub(super) failure: Option<Failure>,
    pub(super) stop: Option<StopReason>,
    /// The postStart hook of the current instance is still to be run.
    pub(super) post_start_due: bool,
    /// A hook that only waits, or the end of what a preStop hook may take.
    pub(super) hook_until: Option<Time>,
    /// The preStop hook of the current instance was run.
    pub(super) pre_stopped: bool,
    /// The end of the grace that the stop under way was given.
    pub(super) stop_by: Option<Time>,
    /// The back-off was announced for the exit at this moment.
    pub(super) announced: Option<Time>,
    /// The resources that it has, while they are not those that were agreed to.
    pub(super) actual: Option<Box<ResourceRequirements>>,
    /// The spec whose resources it is being given.
    pub(super) giving: Option<Arc<PodSpec>>,
    /// When giving them is tried again.
    pub(super) give_again: Option<Time>,
}

/// An image on the node.
#[derive(Clone, Debug)]
pub(super) struct LaunchImage {
    pub(super) id: Arc<str>,
    pub(super) user: Option<Arc<str>>,
}

/// Why a container cannot be started now.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: Text,
    pub(super) retry_at: Time,
}

impl Slot {
    pub(super) const fn new(kind: ContainerKind, index: u16) -> Self {
        Self {
            kind,
            index,
            step: SlotStep::Idle,
            started: false,
            ready: false,
            listed: false,
            next_attempt: 0,
            current: None,
            past: None,
            extra: None,
            probes: None,
        }
    }

    /// Its part of the spec; `None` when the spec lost it, which the API does not allow.
    pub(super) fn spec<'a>(&self, spec: &'a PodSpec) -> Option<SpecRef<'a>> {
        let index = usize::from(self.index);
        match self.kind {
            ContainerKind::Init | ContainerKind::Regular => self.kind.container_of(spec, index).map(SpecRef::Container),
            ContainerKind::Ephemeral => spec.ephemeral_containers.as_deref()?.get(index).map(SpecRef::Ephemeral),
        }
    }

    /// The same, to be changed; `None` for an ephemeral one, whose type differs.
    pub(super) fn spec_mut<'a>(&self, spec: &'a mut PodSpec) -> Option<&'a mut Container> {
        let index = usize::from(self.index);
        match self.kind {
            ContainerKind::Init => spec.init_containers.as_mut()?.get_mut(index),
            ContainerKind::Regular => spec.containers.get_mut(index),
            ContainerKind::Ephemeral => None,
        }
    }

    /// Whether it is an init container that keeps running.
    pub(super) fn is_sidecar(&self, spec: &PodSpec) -> bool {
        self.kind == ContainerKind::Init
            && self
                .spec(spec)
                .and_then(SpecRef::container)
                .is_some_and(|container| container.restart_policy.as_deref() == Some("Always"))
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Whether its process runs.
    pub(super) fn is_running(&self) -> bool {
        self.current.as_ref().is_some_and(|seen| seen.running_since().is_some())
    }

    /// Whether it runs, or was made to run.
    pub(super) fn may_run(&self) -> bool {
        self.current.as_ref().is_some_and(|seen| seen.exit().is_none())
            || matches!(self.step, SlotStep::Creating | SlotStep::Starting)
    }

    /// How the current instance ended.
    pub(super) fn exit(&self) -> Option<&ExitRecord> {
        self.current.as_ref().and_then(Seen::exit)
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.extra.as_ref().and_then(|extra| extra.failure.as_ref())
    }

    /// Puts the current instance away to make room for the next; gives back the id of the one before it, which nobody
    /// needs any more.
    pub(super) fn retire(&mut self) -> Option<ContainerId> {
        self.started = false;
        self.ready = false;
        self.probes = None;
        let seen = self.current.take()?;
        let SeenPhase::Exited(exit) = seen.phase else { return Some(seen.id) };
        let past = Past { id: Some(seen.id), exit: *exit };
        self.past.replace(Box::new(past)).and_then(|old| old.id)
    }
}
