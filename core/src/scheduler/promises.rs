//! Room that is promised to pods that wait: for victims to end, or for their devices.

use std::sync::Arc;

use super::devices::Grant;
use super::happening::Happening;
use super::node_table::{Nominated, Tenant};
use super::queue::Wait;
use super::{Decision, Scheduler, named_scheduler};
use crate::ids::{NodeName, Uid};
use crate::store::{EventDraft, Object};
use crate::time::Time;

impl Scheduler {
    /// A pod has its node, and waits for its devices to be made ready there.
    pub(super) fn await_devices(
        &mut self,
        object: &Object,
        (node, tenant): (NodeName, Tenant),
        (grants, wait): (Vec<Grant>, Wait),
        now: Time,
        out: &mut Vec<Decision>,
    ) {
        let uid = object.meta.uid;
        if self.promised.get(&uid) != Some(&node) || !grants.is_empty() {
            let text = format!("waiting for binding conditions for device on node {node}");
            let event = EventDraft::normal(&object.meta, named_scheduler(object), "BindingConditionsPending", text);
            out.push(Decision::Expect { pod: uid, node: node.clone() });
            out.push(Decision::Allocate { pod: uid, grants, event });
        }
        self.promise(uid, node, tenant);
        self.queue.park(uid, wait, now);
    }

    /// Promises the node to the pod, and makes the victims go that are not going already.
    pub(super) fn evict(
        &mut self,
        object: &Arc<Object>,
        node: &NodeName,
        tenant: Tenant,
        victims: &[Arc<Object>],
        now: Time,
        out: &mut Vec<Decision>,
    ) {
        let preemptor = object.meta.uid;
        let name = named_scheduler(object);
        for victim in victims.iter().filter(|victim| !victim.meta.is_deleting()) {
            let text = format!("Preempted by pod {preemptor} on node {node}");
            out.push(Decision::Preempt {
                victim: victim.meta.uid,
                preemptor,
                message: format!("{name}: preempting to accommodate a higher priority pod").into(),
                event: EventDraft::normal(&victim.meta, name.clone(), "Preempted", text),
            });
        }
        let row = self.table.find(node.as_str()).and_then(|slot| self.table.node(slot));
        let promised = row.into_iter().flat_map(|row| &row.nominated);
        let lower = promised.filter(|other| other.tenant.priority < tenant.priority && other.pod != preemptor);
        for pod in lower.map(|other| other.pod).collect::<Vec<_>>() {
            self.give_up_room(pod, now);
            self.queue.wake_pod(pod, Time::EPOCH);
            out.push(Decision::Unnominate { pod });
        }
        self.promise(preemptor, node.clone(), tenant);
    }

    pub(super) fn promise(&mut self, pod: Uid, node: NodeName, tenant: Tenant) {
        if self.promised.get(&pod) == Some(&node) {
            return;
        }
        self.break_promise(pod);
        self.table.nominate(&node, Nominated { pod, tenant });
        self.promised.insert(pod, node);
    }

    /// To whom it was given, if there was one.
    pub(super) fn break_promise(&mut self, pod: Uid) -> Option<Tenant> {
        let node = self.promised.remove(&pod)?;
        self.table.forget_nomination(&node, pod)
    }

    /// A pod does not come to the node that was promised to it: there is room for others.
    pub(super) fn give_up_room(&mut self, pod: Uid, now: Time) {
        if let Some(tenant) = self.break_promise(pod) {
            self.queue.tell_up_to(tenant.priority, &Happening::PodWent(&tenant), &self.table, now);
        }
    }
}
