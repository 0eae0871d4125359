//! What the scheduler decided, and the writes that make it so.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::devices::{self, Grant, Made};
use super::named_scheduler;
use crate::control::plan::{Action, MetaEdit, Propagation, Target};
use crate::ids::{NodeName, Revision, Uid};
use crate::object::{device, storage};
use crate::store::{ConditionKind, ConditionStatus, EventDraft, Object, PodCondition, PodState, Snapshot, Why};
use crate::time::Time;

/// What becomes of `status.nominatedNodeName`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nomination {
    /// It stays as it is.
    Keep,
    /// It is removed.
    Clear,
    /// The pod has been promised room on this node.
    Set(NodeName),
}

/// What is to be committed.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The pod gets a node: `spec.nodeName` is set and `PodScheduled` becomes true, in one write.
    Bind {
        /// The pod.
        pod: Uid,
        /// The version of it that was decided upon; if it has changed since, tell
        /// [`Scheduler::refused`](super::Scheduler::refused).
        at: Revision,
        /// Its node.
        node: NodeName,
        /// What its claims for devices get with it.
        grants: Vec<Grant>,
        /// The claim that is made for its extended resources, where classes of devices have them.
        made: Option<Box<Made>>,
        /// What to tell the user.
        event: EventDraft,
    },
    /// No node fits: `PodScheduled` becomes false, with the reason `Unschedulable` and the event's message.
    Unschedulable {
        /// The pod.
        pod: Uid,
        /// The version of it that was decided upon.
        at: Revision,
        /// What becomes of its promised node.
        nomination: Nomination,
        /// What to tell the user.
        event: EventDraft,
    },
    /// The claims of a pod get devices that are to be made ready before it is bound to this node.
    Allocate {
        /// The pod.
        pod: Uid,
        /// What its claims get.
        grants: Vec<Grant>,
        /// What to tell the user.
        event: EventDraft,
    },
    /// What was decided for the pod was refused: `PodScheduled` becomes false, with the reason `SchedulerError` and the
    /// event's message, and a claim that was made for it goes again.
    Failed {
        /// The pod.
        pod: Uid,
        /// What to tell the user.
        event: EventDraft,
    },
    /// A pod of lower priority must go: it gets the condition `DisruptionTarget` with the reason
    /// `PreemptionByScheduler` and this message, and is deleted with its grace.
    Preempt {
        /// The pod that must go.
        victim: Uid,
        /// The pod it makes room for.
        preemptor: Uid,
        /// The message of the condition.
        message: Arc<str>,
        /// What to tell the user.
        event: EventDraft,
    },
    /// A claim that waits for its first consumer is to be satisfied for this node: the claim gets the annotation
    /// `volume.kubernetes.io/selected-node`, and its pod waits until it is bound.
    SelectNode {
        /// The claim.
        claim: Uid,
        /// The pod that will use it.
        pod: Uid,
        /// The node.
        node: NodeName,
    },
    /// A free volume is reserved for a claim that waits for its first consumer; the claim is bound to it by the binder,
    /// and its pod waits for that.
    Reserve {
        /// The volume.
        volume: Uid,
        /// The claim.
        claim: Uid,
        /// The pod that will use it.
        pod: Uid,
    },
    /// A pod has its node, and only waits for its claims to be bound: its `status.nominatedNodeName` says so.
    Expect {
        /// The pod.
        pod: Uid,
        /// Its node.
        node: NodeName,
    },
    /// A claim has devices where its pod cannot go, and nobody else uses it: it gives them back.
    Deallocate {
        /// The claim.
        claim: Uid,
        /// The pod that uses it.
        pod: Uid,
    },
    /// A pod loses the room that it was promised to one with a higher priority: its `status.nominatedNodeName` is
    /// removed.
    Unnominate {
        /// The pod.
        pod: Uid,
    },
}

impl Decision {
    pub(super) fn unschedulable(object: &Object, nomination: Nomination, message: String) -> Self {
        let event = EventDraft::warning(&object.meta, named_scheduler(object), "FailedScheduling", message);
        Self::Unschedulable { pod: object.meta.uid, at: object.meta.revision, nomination, event }
    }

    pub(super) fn failed(object: &Object, message: String) -> Self {
        let event = EventDraft::warning(&object.meta, named_scheduler(object), "FailedScheduling", message);
        Self::Failed { pod: object.meta.uid, event }
    }

    /// Whether those who are tried next must see it: what claims for devices get is gone for others.
    pub(super) const fn writes_claims(&self) -> bool {
        match self {
            Self::Bind { grants, made, .. } => !grants.is_empty() || made.is_some(),
            Self::Allocate { .. } | Self::Deallocate { .. } => true,
            Self::Unschedulable { .. }
            | Self::Failed { .. }
            | Self::Preempt { .. }
            | Self::SelectNode { .. }
            | Self::Reserve { .. }
            | Self::Expect { .. }
            | Self::Unnominate { .. } => false,
        }
    }

    /// The writes that make it so, for one commit each. A pod that has gone since needs none.
    pub fn into_actions(self, snapshot: &Snapshot, now: Time) -> Vec<Action> {
        match self {
            Self::Bind { pod, at, node, grants, made, event } => {
                let target = Target { uid: pod, seen: Some(at) };
                let object = snapshot.get(pod);
                let made = made.zip(object).map(|(made, object)| made.into_actions(object, target, now));
                let granted = grants.into_iter().zip(object.into_iter().cycle());
                let granted = granted.flat_map(|(grant, object)| grant.into_actions(&object.meta, snapshot, now));
                let bind = [Action::Bind { target, node }, Action::Emit(Box::new(event.in_series("Binding")))];
                granted.chain(made.into_iter().flatten()).chain(bind).collect()
            }
            Self::Allocate { pod, grants, event } => {
                let object = snapshot.get(pod);
                let granted = grants.into_iter().zip(object.into_iter().cycle());
                let granted = granted.flat_map(|(grant, object)| grant.into_actions(&object.meta, snapshot, now));
                granted.chain([Action::Emit(Box::new(event.in_series("Scheduling")))]).collect()
            }
            Self::Deallocate { claim, .. } => deallocate(snapshot, claim).into_iter().collect(),
            Self::Unschedulable { pod, at, nomination, event } => {
                let target = Target { uid: pod, seen: Some(at) };
                let message = event.message.clone();
                let mut actions = vec![Action::Emit(Box::new(event.in_series("Scheduling")))];
                actions.extend(edit(snapshot, target, |state, generation| {
                    match nomination {
                        Nomination::Keep => {}
                        Nomination::Clear => state.nominated_node = None,
                        Nomination::Set(node) => state.nominated_node = Some(node),
                    }
                    let why = Why::new("Unschedulable", message);
                    set(state, ConditionKind::PodScheduled, ConditionStatus::False, why, generation, now);
                }));
                actions
            }
            Self::Failed { pod, event } => {
                let message = event.message.clone();
                let object = snapshot.get(pod);
                let claim = object.and_then(|object| devices::made_for(object, snapshot));
                let mut actions: Vec<Action> = claim.map(devices::unmake).into_iter().flatten().collect();
                actions.push(Action::Emit(Box::new(event.in_series("Scheduling"))));
                actions.extend(edit(snapshot, Target::any_version(pod), |state, generation| {
                    state.extended_claim = None;
                    state.nominated_node = None;
                    let why = Why::new("SchedulerError", message);
                    set(state, ConditionKind::PodScheduled, ConditionStatus::False, why, generation, now);
                }));
                actions
            }
            Self::Preempt { victim, .. } if snapshot.get(victim).is_none_or(|pod| pod.meta.is_deleting()) => Vec::new(),
            Self::Preempt { victim, preemptor, message, event } => {
                let event = event.in_series("Preempting");
                let event = match snapshot.get(preemptor) {
                    Some(preemptor) => event.related_to(&preemptor.meta),
                    None => event,
                };
                let target = Target::any_version(victim);
                let marked = edit(snapshot, target, |state, generation| {
                    let why = Why::new("PreemptionByScheduler", message);
                    set(state, ConditionKind::DisruptionTarget, ConditionStatus::True, why, generation, now);
                });
                let grace_seconds = None;
                let propagation = Propagation::Background;
                let delete = Action::Delete { target, grace_seconds, propagation, announce: None };
                marked.into_iter().chain([delete, Action::Emit(Box::new(event))]).collect()
            }
            Self::SelectNode { claim, node, .. } => {
                let annotations = vec![(storage::SELECTED_NODE.to_owned(), Some(node.to_string()))];
                let edit = MetaEdit { annotations, ..MetaEdit::default() };
                vec![Action::EditMeta { target: Target::any_version(claim), edit }]
            }
            Self::Reserve { volume, claim, .. } => reserve(snapshot, volume, claim).into_iter().collect(),
            Self::Expect { pod, node } => {
                let target = Target::any_version(pod);
                edit(snapshot, target, |state, _| state.nominated_node = Some(node)).into_iter().collect()
            }
            Self::Unnominate { pod } => {
                let target = Target::any_version(pod);
                edit(snapshot, target, |state, _| state.nominated_node = None).into_iter().collect()
            }
        }
    }
}

/// The write that reserves a volume; none when it is reserved already.
fn reserve(snapshot: &Snapshot, volume: Uid, claim: Uid) -> Option<Action> {
    let (object, claim) = (snapshot.get(volume)?, snapshot.get(claim)?);
    let before: &PersistentVolume = object.typed()?;
    // Another pod of the same turn may have been faster: this one is tried again, because the volume has changed.
    if storage::claim_ref(before).is_some() && !storage::is_reserved_for(before, &claim.meta) {
        return None;
    }
    let mut next = before.clone();
    storage::reserve(&mut next, &claim.meta);
    let write = Action::Update { target: Target::seen(object), object: Arc::new(next.clone()), spec_changed: true };
    (next != *before).then_some(write)
}

/// The write that takes its devices from a claim.
fn deallocate(snapshot: &Snapshot, claim: Uid) -> Option<Action> {
    let object = snapshot.get(claim)?;
    let mut next = object.typed::<ResourceClaim>()?.clone();
    device::deallocate(next.status.get_or_insert_default());
    Some(Action::UpdateStatus { target: Target::seen(object), object: Arc::new(next) })
}

/// A write of a pod's status; none when nothing changes.
fn edit(snapshot: &Snapshot, target: Target, change: impl FnOnce(&mut PodState, i64)) -> Option<Action> {
    let object = snapshot.get(target.uid)?;
    let before = &object.pod()?.state;
    let mut state = before.clone();
    change(&mut state, object.meta.generation);
    (state != *before).then(|| Action::UpdatePodState { target, state: Box::new(state) })
}

fn set(
    state: &mut PodState,
    kind: ConditionKind,
    status: ConditionStatus,
    why: Option<Box<Why>>,
    generation: i64,
    now: Time,
) {
    let since = Some(now.whole_second());
    state.set_condition(PodCondition { kind, status, since, observed_generation: generation, why });
}
