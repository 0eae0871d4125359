//! Start and restart: what the runtime already holds is taken over; what no pod wants is removed.

use std::sync::Arc;

use super::{InventoryStep, NodeAgent, identity_of};
use crate::node::admit::Held;
use crate::node::backoff::RETRY_AFTER;
use crate::node::output::NodeOutputs;
use crate::node::work::{Flight, PodWork, Sandbox, Stage, Volumes};
use crate::runtime::{Call, Inventory, PodIdentity, Reply, RuntimeError, SandboxState};
use crate::store::Snapshot;
use crate::time::Time;

impl NodeAgent {
    pub(super) fn inventory_replied(&mut self, result: Result<Reply, RuntimeError>, now: Time) {
        let is_outdated = matches!(self.inventory, InventoryStep::Outdated);
        self.inventory = match result {
            Ok(Reply::Inventory(_)) if is_outdated => InventoryStep::Wanted,
            Ok(Reply::Inventory(inventory)) => {
                self.health.runtime_is(Ok(()));
                InventoryStep::Arrived(Box::new(inventory))
            }
            Ok(_) => InventoryStep::Failed(now + RETRY_AFTER),
            Err(error) => {
                self.health.runtime_is(Err(error.to_string()));
                InventoryStep::Failed(now + RETRY_AFTER)
            }
        };
    }

    /// Sees to knowing what the runtime holds. True once it is known.
    pub(super) fn take_inventory(&mut self, snapshot: &Snapshot, now: Time, out: &mut NodeOutputs) -> bool {
        match std::mem::replace(&mut self.inventory, InventoryStep::Asked) {
            InventoryStep::Known => self.inventory = InventoryStep::Known,
            InventoryStep::Asked => return false,
            InventoryStep::Outdated => {
                self.inventory = InventoryStep::Outdated;
                return false;
            }
            InventoryStep::Failed(until) if until > now => {
                self.inventory = InventoryStep::Failed(until);
                return false;
            }
            InventoryStep::Wanted | InventoryStep::Failed(_) => {
                self.send(crate::ids::Uid::LOWEST, Flight::Inventory, Call::Inventory, out);
                return false;
            }
            InventoryStep::Arrived(inventory) => {
                self.inventory = InventoryStep::Known;
                self.adopt(snapshot, *inventory, now);
            }
        }
        true
    }

    /// Compares what the runtime holds with what is remembered. Every pod of the node is looked at afterwards.
    fn adopt(&mut self, snapshot: &Snapshot, inventory: Inventory, now: Time) {
        for object in snapshot.pods_on(&self.config.name) {
            let finished = object.pod().is_some_and(crate::store::PodBody::is_finished);
            if !self.pods.contains_key(&object.meta.uid)
                && let Some(pod) = object.pod()
                && (!finished || object.meta.is_deleting())
            {
                let mut work = PodWork::new(identity_of(object), Arc::clone(&pod.spec), now);
                work.recall(&pod.state, now);
                self.pods.insert(object.meta.uid, Box::new(work));
            }
        }
        for (uid, work) in &mut self.pods {
            work.lost_sight();
            self.dirty.insert(*uid);
        }
        let mut sandboxes = inventory.sandboxes;
        sandboxes.sort_by_key(|sandbox| sandbox.attempt);
        for sandbox in sandboxes {
            let work = self.known_or_stray(snapshot, &sandbox.pod, now);
            work.sandboxes = work.sandboxes.max(sandbox.attempt + 1);
            work.ips = sandbox.ips.iter().copied().collect();
            let ready = sandbox.state == SandboxState::Ready;
            work.sandbox = Some(Sandbox { id: sandbox.id, ready });
        }
        let mut containers = inventory.containers;
        containers.sort_by_key(|container| container.attempt);
        for container in containers {
            let config = Arc::clone(&self.config);
            let stored = snapshot.get(container.pod.uid).and_then(|object| object.pod()).map(|pod| pod.state.clone());
            self.known_or_stray(snapshot, &container.pod, now).adopt(&container, stored.as_ref(), &config, now);
        }
        for pod in &inventory.volumes {
            let work = self.known_or_stray(snapshot, pod, now);
            if work.volumes == Volumes::Absent {
                work.volumes = Volumes::Partial;
            }
        }
        for claim in &inventory.claims {
            let work = self.known_or_stray(snapshot, &claim.pod, now);
            work.transient().has_claims = true;
            if work.volumes == Volumes::Absent {
                work.volumes = Volumes::Partial;
            }
        }
        for work in self.pods.values_mut() {
            work.missed(&self.config, now);
        }
        self.held = self.pods.values().fold(Held::default(), |sum, work| sum.and(work.holds()));
    }

    /// The work of a pod that the runtime knows; one that nobody wants is to be removed.
    fn known_or_stray(&mut self, snapshot: &Snapshot, pod: &PodIdentity, now: Time) -> &mut PodWork {
        let spec = snapshot.get(pod.uid).and_then(|object| object.pod()).map(|pod| Arc::clone(&pod.spec));
        self.dirty.insert(pod.uid);
        self.pods.entry(pod.uid).or_insert_with(|| {
            let wanted = spec.is_some();
            let mut work = Box::new(PodWork::new(pod.clone(), spec.unwrap_or_default(), now));
            if !wanted {
                work.stage = Stage::Gone;
            }
            work
        })
    }
}
