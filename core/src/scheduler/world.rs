//! What the store's changes mean to the scheduler: who waits, what counts on which node, and who may wake.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, Service};

use super::plugin::Cure;
use super::queue::Cures;
use super::{Assumed, Scheduler};
use crate::object::kind::KindId;
use crate::store::{Body, Object};
use crate::time::Time;

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
                    self.queue.wake(Cure::PodAdded.into(), now);
                }
            }
            _ if kind == KindId::of::<Service>() => self.classes.forget_selectors(),
            _ if super::WATCHED.contains(&kind) => self.queue.wake(Cure::VolumeChange.into(), now),
            _ => {}
        }
    }

    fn node_changed(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>, now: Time) {
        let changed = match (before, after) {
            (_, Some(node)) => self.table.put_node(node),
            (Some(node), None) => {
                self.table.remove_node(&node.meta.name);
                false
            }
            (None, None) => false,
        };
        if changed {
            self.queue.wake(Cures::ANY, now);
        }
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
                match &body.state.nominated_node {
                    Some(node) => self.promise(uid, node.clone(), tenant),
                    None => self.give_up_room(uid, now),
                }
                if !before.is_some_and(|before| asks_for_the_same(before, pod)) || !self.queue.contains(uid) {
                    self.queue.add(uid, body.priority(), now);
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
        let counted = assumed.or(counted);
        if counted != counts {
            if let Some(old) = &counted {
                self.table.remove_pod(&old.node, &old.tenant);
            }
            if let Some(new) = &counts {
                self.table.add_pod(&new.node, &new.tenant);
            }
        }
        // A binding that comes back changes nothing, but is the first that others hear of it.
        if counted.is_some() && counted != counts {
            self.queue.wake(Cure::Eviction.into(), now);
        }
        if counts.is_some() {
            self.queue.wake(Cure::PodAdded.into(), now);
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
    (Arc::ptr_eq(&old.spec, &new.spec) || old.spec == new.spec) && before.meta.labels == after.meta.labels
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
