//! The data of volumes that nobody has any more: removed by the runtime of the node that keeps it.
//!
//! A volume says itself that it is to be emptied (`node_local::to_be_emptied`). The agent waits until no pod of its
//! node holds the volume, asks the runtime, and tells the kernel, which lets the object go. A failure is said on the
//! volume and tried again.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PersistentVolume;

use super::super::backoff::Backoff;
use super::super::output::NodeOutputs;
use super::super::work::{Flight, PodWork};
use super::NodeAgent;
use crate::controllers::node_local;
use crate::ids::Uid;
use crate::object::storage;
use crate::runtime::{Call, Reply, RuntimeError};
use crate::store::{EventDraft, Object, Snapshot};
use crate::time::Time;

/// The volumes that are, or may be, to be emptied.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// To be looked at now.
    dirty: BTreeSet<Uid>,
    steps: BTreeMap<Uid, Step>,
    /// What failed and is not said yet.
    failures: Vec<(Uid, String)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    UnderWay(Option<Backoff>),
    Failed(Backoff),
    Done,
}

impl Removals {
    pub(super) fn has_work(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        let at = |step: &Step| match step {
            Step::Failed(backoff) => Some(backoff.next_try()),
            Step::UnderWay(_) | Step::Done => None,
        };
        self.steps.values().filter_map(at).min()
    }

    /// A pod is gone from the node: what it held may be free now.
    pub(super) fn look_again(&mut self, snapshot: &Snapshot, work: &PodWork) {
        let pod = &work.identity;
        for claim in storage::claims_of_pod(&pod.name, &work.spec) {
            self.dirty.extend(snapshot.volumes_for_claim(&pod.namespace, &claim).map(|volume| volume.meta.uid));
        }
    }
}

impl NodeAgent {
    /// A volume whose data this node keeps was created, changed or removed.
    pub fn volume_changed(&mut self, uid: Uid) {
        self.removals.dirty.insert(uid);
    }

    pub(super) fn removal_replied(&mut self, uid: Uid, result: Result<Reply, RuntimeError>, now: Time) {
        let removals = &mut self.removals;
        removals.dirty.insert(uid);
        let earlier = match removals.steps.get(&uid) {
            Some(Step::UnderWay(earlier)) => *earlier,
            _ => None,
        };
        let step = match result {
            Ok(_) => Step::Done,
            Err(error) => {
                removals.failures.push((uid, error.message().to_owned()));
                Step::Failed(Backoff::after_try(earlier, now, now))
            }
        };
        removals.steps.insert(uid, step);
    }

    /// Asks for what is to be removed now, and says what has been.
    pub(super) fn remove_volumes(&mut self, snapshot: &Snapshot, now: Time, out: &mut NodeOutputs) {
        for (uid, message) in std::mem::take(&mut self.removals.failures) {
            if let Some(volume) = snapshot.get(uid) {
                let name = storage::NODE_LOCAL;
                out.events.push(EventDraft::warning(&volume.meta, name, "VolumeFailedDelete", message));
            }
        }
        let due = |(uid, step): (&Uid, &Step)| match step {
            Step::Failed(backoff) if backoff.next_try() <= now => Some(*uid),
            _ => None,
        };
        let due: Vec<Uid> = self.removals.steps.iter().filter_map(due).collect();
        self.removals.dirty.extend(due);
        for uid in std::mem::take(&mut self.removals.dirty) {
            self.look_at_volume(snapshot, uid, now, out);
        }
    }

    fn look_at_volume(&mut self, snapshot: &Snapshot, uid: Uid, now: Time, out: &mut NodeOutputs) {
        let Some(volume) = snapshot.get(uid).filter(|object| self.is_to_empty(object)) else {
            self.removals.steps.remove(&uid);
            return;
        };
        let earlier = match self.removals.steps.get(&uid) {
            Some(Step::UnderWay(_)) => return,
            Some(Step::Done) => return out.emptied.push(uid),
            Some(Step::Failed(backoff)) if backoff.next_try() > now => return,
            Some(Step::Failed(backoff)) => Some(*backoff),
            None => None,
        };
        let is_held = volume.typed::<PersistentVolume>().is_none_or(|volume| self.is_held(volume));
        let Some(handle) = node_local::to_be_emptied(volume).filter(|_| !is_held) else { return };
        let call = Call::RemovePersistentVolume(handle.into());
        self.removals.steps.insert(uid, Step::UnderWay(earlier));
        self.send(uid, Flight::Empty, call, out);
    }

    fn is_to_empty(&self, object: &Object) -> bool {
        let node = object.meta.annotations.get(storage::ON_NODE);
        node.is_some_and(|node| **node == *self.config.name.as_str()) && node_local::to_be_emptied(object).is_some()
    }

    /// Whether a pod that is not done yet has the claim of this volume.
    fn is_held(&self, volume: &PersistentVolume) -> bool {
        let Some(claim) = storage::claim_ref(volume) else { return false };
        self.pods.values().any(|work| {
            *work.identity.namespace == *claim.namespace
                && storage::claims_of_pod(&work.identity.name, &work.spec).any(|name| name == claim.name)
        })
    }
}
