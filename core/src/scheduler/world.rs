//! What the store's changes mean to the scheduler: who waits, what counts on which node, and who may wake.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, PodSpec, Service};
use k8s_openapi::api::resource::v1::ResourceClaim;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};

use super::happening::{Happening, Rejectors};
use super::node_table::NodeRow;
use super::resources::requests_of;
use super::{Assumed, Scheduler, devices, is_gated};
use crate::object::kind::{self, KindId};
use crate::object::storage;
use crate::store::{Body, Meta, Object};
use crate::time::Time;

/// The kinds that claims for devices depend on.
const DEVICE_KINDS: [KindId; 3] = [kind::RESOURCE_CLAIM, kind::RESOURCE_SLICE, kind::DEVICE_CLASS];

impl Scheduler {
    /// Takes in one change of the store: an object before and after, `None` where there was or is none.
    ///
    /// Every change of the kinds in [`WATCHED`](super::WATCHED) must come here, in order; changes of other kinds are
    /// ignored.
    pub fn changed(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        let Some(kind) = after.or(before).map(|object| object.meta.kind) else { return };
        match after.or(before).map(|object| &object.body) {
            Some(Body::Pod(_)) => self.pod_changed(before, after, now),
            _ if kind == KindId::of::<Node>() => self.node_changed(before, after, now),
            _ if kind == KindId::of::<Namespace>() => {
                if let Some(meta) = after.or(before).map(|namespace| &namespace.meta) {
                    self.table.put_namespace(&meta.name, after.map(|namespace| &namespace.meta.labels));
                    self.queue.tell(&Happening::NamespaceChanged, &self.table, now);
                }
            }
            _ if kind == KindId::of::<Service>() => self.classes.forget_selectors(),
            _ if DEVICE_KINDS.contains(&kind) => self.devices_changed(kind, before, after, now),
            _ if super::WATCHED.contains(&kind) => {
                let (before, after) = (before.map(|object| &**object), after.map(|object| &**object));
                if self.storage_changed(kind, before, after, now) {
                    self.queue.tell(&Happening::StorageChanged, &self.table, now);
                }
            }
            _ => {}
        }
    }

    /// Takes over something that claims for devices depend on.
    fn devices_changed(&mut self, kind: KindId, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        let Some(meta) = after.or(before).map(|object| &object.meta) else { return };
        let is_cure = match kind {
            kind::RESOURCE_SLICE => {
                self.table.put_slice(before, after);
                after.is_some()
            }
            kind::DEVICE_CLASS => {
                self.table.put_device_class(&meta.name, after.map(|object| &**object));
                if let Some(class) = self.table.device_class(&meta.name).cloned() {
                    self.queue.tell(&Happening::DeviceClassChanged(&class), &self.table, now);
                }
                false
            }
            _ => {
                let (old, new) = (before.map(|object| &**object), after.map(|object| &**object));
                let status = |object: Option<&Object>| {
                    object.and_then(|object| object.typed::<ResourceClaim>()).and_then(|claim| claim.status.clone())
                };
                if old.is_none() || new.is_none() || status(old) != status(new) {
                    self.queue.wake_users(&devices::name_of(&meta.namespace, &meta.name), now);
                }
                self.table.put_device_claim(old, new)
            }
        };
        if is_cure {
            self.queue.tell(&Happening::DevicesChanged, &self.table, now);
        }
    }

    /// Takes over something that volumes depend on; says whether it may cure any pod that has some.
    fn storage_changed(&mut self, kind: KindId, before: Option<&Object>, after: Option<&Object>, now: Time) -> bool {
        let Some(meta) = after.or(before).map(|object| &object.meta) else { return false };
        let looks_at_room = |object: &Object| {
            let driver = object.typed::<CSIDriver>();
            driver.is_some_and(|driver| driver.spec.storage_capacity == Some(true))
        };
        if kind == KindId::of::<PersistentVolumeClaim>() {
            self.table.put_claim(meta, after.and_then(Object::typed::<PersistentVolumeClaim>));
            self.queue.wake_users(&(Arc::clone(&meta.namespace), Arc::clone(&meta.name)), now);
            return false;
        }
        if kind == KindId::of::<PersistentVolume>() {
            return self.volume_changed(meta, before, after, now);
        }
        if kind == KindId::of::<CSINode>() {
            return self.table.put_drivers(&meta.name, after.and_then(Object::typed::<CSINode>));
        }
        if kind == KindId::of::<VolumeAttachment>() {
            return self.table.put_attachment(before, after);
        }
        if kind == KindId::of::<CSIStorageCapacity>() {
            return self.table.put_capacity(before, after);
        }
        if kind == KindId::of::<CSIDriver>() {
            return before.is_some_and(looks_at_room) && !after.is_some_and(looks_at_room);
        }
        if kind == KindId::of::<StorageClass>() {
            let places =
                |class: Option<&Object>| class?.typed::<StorageClass>().map(|class| class.allowed_topologies.clone());
            self.table.put_class(&meta.name, after.and_then(Object::typed::<StorageClass>));
            return after.is_some() && places(before) != places(after);
        }
        after.is_some()
    }

    /// A volume that is for one claim concerns those who have that claim; one that is for nobody may be for anybody.
    fn volume_changed(&mut self, meta: &Meta, before: Option<&Object>, after: Option<&Object>, now: Time) -> bool {
        let typed = after.and_then(Object::typed::<PersistentVolume>);
        self.table.put_volume(&meta.name, typed);
        let reserved = |object: Option<&Object>| {
            let claim = storage::claim_ref(object?.typed::<PersistentVolume>()?)?;
            Some((Arc::from(claim.namespace), Arc::from(claim.name)))
        };
        let (was_for, is_for) = (reserved(before), reserved(after));
        let naming = self.table.claimants_of(&meta.name);
        for claim in naming.iter().chain(&was_for).chain(&is_for) {
            self.queue.wake_users(claim, now);
        }
        for pod in self.hopes.remove(&meta.uid).into_iter().flatten() {
            self.queue.wake_pod(pod, now);
        }
        typed.is_some() && is_for.is_none()
    }

    fn node_changed(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        match (before, after) {
            (_, Some(node)) => {
                let before = self.row_to_compare(&node.meta.name);
                let news = self.table.put_node(node);
                let after = self.table.find(&node.meta.name).and_then(|slot| self.table.node(slot));
                if let Some(after) = after.filter(|_| news.may_cure) {
                    let what = match &before {
                        Some(before) => Happening::NodeChanged { before, after },
                        None => Happening::NodeCame(after),
                    };
                    self.queue.tell(&what, &self.table, now);
                }
            }
            // A domain that has gone holds the others back no longer.
            (Some(node), None) => {
                let before = self.row_to_compare(&node.meta.name);
                self.table.remove_node(&node.meta.name);
                if let Some(before) = &before {
                    self.queue.tell(&Happening::NodeWent(before), &self.table, now);
                }
            }
            (None, None) => {}
        }
    }

    /// A node as it is, if that makes a difference to anybody.
    fn row_to_compare(&self, node: &str) -> Option<NodeRow> {
        let slot = self.table.find(node).filter(|_| self.queue.has_parked())?;
        self.table.node(slot).cloned()
    }

    fn pod_changed(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        self.count(before, after, now);
        let Some(pod) = after else {
            if let Some(before) = before {
                self.forget(before, now);
            }
            return;
        };
        let uid = pod.meta.uid;
        match self.profile_of(pod).zip(pod.pod()) {
            Some((_, body)) if !self.assumed.contains_key(&uid) => {
                let tenant = self.people.tenant(pod, body);
                let nominated = body.state.nominated_node.as_ref();
                if self.promised.get(&uid) != nominated {
                    self.give_up_room(uid, now);
                }
                if let Some(node) = nominated {
                    self.promise(uid, node.clone(), tenant);
                }
                let is_cure = match (before, self.queue.rejectors(uid)) {
                    (Some(before), Some(by)) => own_cures(before, pod).meets(by),
                    (Some(before), None) => !asks_for_the_same(before, pod),
                    (None, _) => true,
                };
                // The claims that were made for it stand in its status.
                let records = before.and_then(|before| before.pod()).map(|before| &before.state.resource_claims);
                let has_claims_now = records.is_some_and(|records| *records != body.state.resource_claims);
                if is_cure || has_claims_now || !self.queue.contains(uid) {
                    // Who was held back keeps its place in the line.
                    let since = if before.is_some_and(|before| is_gated(before)) { pod.meta.created } else { now };
                    self.queue.add(uid, body.priority(), since, now);
                }
            }
            Some(_) => {}
            None => self.forget(pod, now),
        }
    }

    fn forget(&mut self, pod: &Object, now: Time) {
        self.queue.remove(pod.meta.uid);
        self.give_up_room(pod.meta.uid, now);
    }

    /// Counts a pod where it counts now and no longer where it counted before.
    fn count(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        if let (Some(before), Some(after)) = (before, after)
            && is_same_to_others(before, after)
        {
            return;
        }
        let counted = before.and_then(|pod| self.counts(pod));
        let counts = after.and_then(|pod| self.counts(pod));
        let uid = after.or(before).map(|pod| pod.meta.uid);
        // A pod that waits for its binding to come back counts already.
        let bound_or_gone = counts.is_some() || after.is_none();
        let assumed = uid.filter(|_| bound_or_gone).and_then(|uid| self.assumed.remove(&uid));
        // A binding that comes back changes nothing, but is the first that others hear of it.
        let is_new = assumed.is_some();
        let counted = assumed.or(counted);
        if counted != counts {
            if let Some(old) = &counted {
                self.table.remove_pod(&old.node, &old.tenant);
            }
            if let Some(new) = &counts {
                self.table.add_pod(&new.node, &new.tenant);
            }
        }
        match (&counted, &counts) {
            (Some(old), Some(new)) if old.node == new.node && !is_new => {
                let (before, after) = (&old.tenant, &new.tenant);
                if before != after {
                    self.queue.tell(&Happening::PodChanged { before, after }, &self.table, now);
                }
            }
            _ => {
                let gone =
                    counted.as_ref().filter(|old| !is_new || counts.as_ref().is_none_or(|new| new.node != old.node));
                if let Some(old) = gone {
                    self.queue.tell(&Happening::PodWent(&old.tenant), &self.table, now);
                }
                if let Some(new) = &counts {
                    self.queue.tell(&Happening::PodCame(&new.tenant), &self.table, now);
                }
            }
        }
    }

    /// What a pod takes of which node: nothing before it is bound and after it has ended.
    fn counts(&mut self, object: &Object) -> Option<Assumed> {
        let pod = object.pod().filter(|pod| !pod.is_finished())?;
        let node = pod.node.clone()?;
        Some(Assumed { node, tenant: self.people.tenant(object, pod) })
    }
}

/// Whether a change of a pod that waits makes no difference to where it may go.
fn asks_for_the_same(before: &Object, after: &Object) -> bool {
    let (Some(old), Some(new)) = (before.pod(), after.pod()) else { return false };
    (Arc::ptr_eq(&old.spec, &new.spec) || old.spec == new.spec)
        && before.meta.labels == after.meta.labels
        && old.state.resource_claims == new.state.resource_claims
}

/// Which plugins may let a pod through that waits, after this change of itself.
fn own_cures(before: &Object, after: &Object) -> Rejectors {
    let (Some(old), Some(new)) = (before.pod(), after.pod()) else { return Rejectors::default() };
    let changes: [(bool, &[&str]); 3] = [
        (before.meta.labels != after.meta.labels, &["PodTopologySpread", "InterPodAffinity"]),
        (old.spec.tolerations != new.spec.tolerations, &["NodeUnschedulable", "TaintToleration", "PodTopologySpread"]),
        (asks_for_less(&old.spec, &new.spec), &["NodeResourcesFit"]),
    ];
    let changed = changes.into_iter().filter(|(is_changed, _)| *is_changed).flat_map(|(_, names)| names);
    changed.fold(Rejectors::default(), |all, name| all.with(Rejectors::named(name)))
}

fn asks_for_less(before: &PodSpec, after: &PodSpec) -> bool {
    let before = requests_of(before).0;
    before.is_less_short(&requests_of(after).0, &before)
}

/// Whether a change of a pod makes no difference to other pods: most changes are of its status.
fn is_same_to_others(before: &Object, after: &Object) -> bool {
    let (Some(old), Some(new)) = (before.pod(), after.pod()) else { return false };
    Arc::ptr_eq(&old.spec, &new.spec)
        && !old.may_be_resized()
        && !new.may_be_resized()
        && old.node == new.node
        && old.is_finished() == new.is_finished()
        && before.meta.is_deleting() == after.meta.is_deleting()
        && before.meta.labels == after.meta.labels
}
