//! The status of a pod, compact: a tenth of the memory of [`PodStatus`].

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodExtendedResourceClaimStatus, PodStatus};
use smallvec::SmallVec;

use super::given::Given;
use crate::ids::NodeName;
use crate::text::Text;
use crate::time::Time;

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodPhase {
    /// Not all containers have been started yet.
    #[default]
    Pending,
    /// At least one container runs, or will be restarted.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
    /// Its node cannot be asked.
    Unknown,
}

impl PodPhase {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// `status.qosClass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QosClass {
    /// Every container has equal requests and limits for CPU and memory.
    Guaranteed,
    /// Something is requested or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl QosClass {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The type of a pod condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    /// It has a node.
    PodScheduled,
    /// Its sandbox and network are made.
    PodReadyToStartContainers,
    /// Its init containers are done.
    Initialized,
    /// All its containers are ready.
    ContainersReady,
    /// It can serve.
    Ready,
    /// It is about to be ended by the cluster.
    DisruptionTarget,
    /// Its node cannot give it the resources that it asks for by now.
    PodResizePending,
    /// It is being given other resources.
    PodResizeInProgress,
    /// Any other, such as a readiness gate.
    Other(Arc<str>),
}

impl ConditionKind {
    /// As in the API.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PodScheduled => "PodScheduled",
            Self::PodReadyToStartContainers => "PodReadyToStartContainers",
            Self::Initialized => "Initialized",
            Self::ContainersReady => "ContainersReady",
            Self::Ready => "Ready",
            Self::DisruptionTarget => "DisruptionTarget",
            Self::PodResizePending => "PodResizePending",
            Self::PodResizeInProgress => "PodResizeInProgress",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for ConditionKind {
    fn from(name: &str) -> Self {
        match name {
            "PodScheduled" => Self::PodScheduled,
            "PodReadyToStartContainers" => Self::PodReadyToStartContainers,
            "Initialized" => Self::Initialized,
            "ContainersReady" => Self::ContainersReady,
            "Ready" => Self::Ready,
            "DisruptionTarget" => Self::DisruptionTarget,
            "PodResizePending" => Self::PodResizePending,
            "PodResizeInProgress" => Self::PodResizeInProgress,
            other => Self::Other(other.into()),
        }
    }
}

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

impl ConditionStatus {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A reason (for machines) and a message (for people); either may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// One word.
    pub reason: Text,
    /// A sentence.
    pub message: Text,
}

impl Why {
    /// A reason and a message; `None` when both are empty.
    pub fn new(reason: impl Into<Text>, message: impl Into<Text>) -> Option<Box<Self>> {
        let why = Self { reason: reason.into(), message: message.into() };
        (!why.reason.is_empty() || !why.message.is_empty()).then(|| Box::new(why))
    }
}

/// One condition of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCondition {
    /// Which.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Since when it has this status (whole seconds).
    pub since: Option<Time>,
    /// The generation of the pod it speaks of; 0 when it does not say.
    pub observed_generation: i64,
    /// Why.
    pub why: Option<Box<Why>>,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitRecord {
    /// Exit code.
    pub exit_code: i32,
    /// Signal, where it is known.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, ...
    pub reason: Text,
    /// The termination message.
    pub message: Text,
    /// When it was started.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// The id with its scheme (`containerd://...`); empty when it never had one.
    pub container_id: Arc<str>,
}

/// The state of a container in a pod's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerPhase {
    /// Not running, and why: `ContainerCreating`, `CrashLoopBackOff`, ...
    Waiting(Option<Box<Why>>),
    /// Running since then.
    Running(Time),
    /// Ended.
    Terminated(Box<ExitRecord>),
}

/// One entry of `containerStatuses` or its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its name.
    pub name: Arc<str>,
    /// Its state.
    pub phase: ContainerPhase,
    /// How it ended the last time, if it was restarted.
    pub last: Option<Box<ExitRecord>>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it has passed its startup probe and postStart hook; `None` when not said.
    pub started: Option<bool>,
    /// How often it was restarted.
    pub restart_count: i32,
    /// Its image as the runtime names it.
    pub image: Arc<str>,
    /// The image's id.
    pub image_id: Arc<str>,
    /// The id with its scheme (`containerd://...`), when it has one.
    pub container_id: Option<Arc<str>>,
    /// What it was given of its node.
    pub given: Given,
}

/// One entry of `status.resourceClaimStatuses`: the claim that was made for one of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRecord {
    /// `name`: as the pod calls it.
    pub name: Arc<str>,
    /// `resourceClaimName`: the name of the object; `None` where the pod needs none.
    pub claim: Option<Arc<str>>,
}

/// `status` of a pod, compact.
///
/// A status that a client wrote with something in it that has no place here is kept whole in `verbatim`, and the other
/// fields are what decisions need of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodState {
    /// `phase`
    pub phase: PodPhase,
    /// `qosClass`
    pub qos: Option<QosClass>,
    /// `reason` and `message`: why it is in its phase.
    pub why: Option<Box<Why>>,
    /// `startTime`: when its node agent took it up.
    pub start_time: Option<Time>,
    /// `nominatedNodeName`
    pub nominated_node: Option<NodeName>,
    /// `hostIP`, `hostIPs`
    pub host_ip: Option<IpAddr>,
    /// `podIP`, `podIPs`: the primary one first.
    pub pod_ips: SmallVec<[IpAddr; 1]>,
    /// `observedGeneration`; 0 when not said.
    pub observed_generation: i64,
    /// `conditions`
    pub conditions: Box<[PodCondition]>,
    /// `initContainerStatuses`
    pub init_containers: Box<[ContainerRecord]>,
    /// `containerStatuses`
    pub containers: Box<[ContainerRecord]>,
    /// `ephemeralContainerStatuses`
    pub ephemeral_containers: Box<[ContainerRecord]>,
    /// `resourceClaimStatuses`
    pub resource_claims: Box<[ClaimRecord]>,
    /// `extendedResourceClaimStatus`: the claim for extended resources that classes of devices have, and who uses it for what.
    pub extended_claim: Option<Box<PodExtendedResourceClaimStatus>>,
    /// The status as a client wrote it, when it says more than the fields above can hold.
    pub verbatim: Option<Box<PodStatus>>,
}

impl PodState {
    /// The condition of this kind.
    pub fn condition(&self, kind: &ConditionKind) -> Option<&PodCondition> {
        self.conditions.iter().find(|condition| condition.kind == *kind)
    }

    /// Whether the condition of this kind is there and holds.
    pub fn is_true(&self, kind: &ConditionKind) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Since when the pod is ready.
    pub fn ready_since(&self) -> Option<Time> {
        self.condition(&ConditionKind::Ready)
            .filter(|condition| condition.status == ConditionStatus::True)
            .and_then(|condition| condition.since)
    }

    /// Adds or replaces a condition; its time is kept when the status stays the same. Says whether anything changed.
    pub fn set_condition(&mut self, mut next: PodCondition) -> bool {
        match self.conditions.iter_mut().find(|condition| condition.kind == next.kind) {
            Some(current) => {
                if current.status == next.status && current.since.is_some() {
                    next.since = current.since;
                }
                let changed = *current != next;
                *current = next;
                changed
            }
            None => {
                let mut conditions = std::mem::take(&mut self.conditions).into_vec();
                conditions.push(next);
                self.conditions = conditions.into_boxed_slice();
                true
            }
        }
    }
}
