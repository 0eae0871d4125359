//! A kernel that goes on from what was committed.

use k8s_openapi::api::coordination::v1::Lease;

use super::{Kernel, KernelConfig};
use crate::controllers::LEASE_NAMESPACE;
use crate::ids::{NodeName, Revision};
use crate::object::kind;
use crate::store::{Committed, Store};
use crate::time::Time;

impl Kernel {
    /// A kernel over what was committed. All that it holds besides (queues, the scheduler's tables, agents) is made
    /// anew from the objects; the agents come back by [`Request::AddNode`](super::Request::AddNode), and until then
    /// their nodes count as left alone since now. Where nothing was committed it is a new cluster.
    pub fn restore(config: &KernelConfig, committed: Committed, now: Time) -> Self {
        let is_new = committed.revision == Revision::ZERO;
        let mut kernel = Self::around(config, Store::restore(committed, config.seed));
        if is_new {
            kernel.store.found(now);
            return kernel;
        }
        let (store, loops, scheduler) = (&kernel.store, &mut kernel.loops, &mut kernel.scheduler);
        let provisioning = &mut kernel.provisioning;
        for change in store.as_changes() {
            for each in loops.iter_mut() {
                each.route(&change, store.snapshot(), now);
            }
            provisioning.changed(&change);
            if let Some(scheduler) = scheduler {
                scheduler.changed(None, Some(&change.object), now);
            }
        }
        for node in kernel.nodes_with_agents() {
            // A lease that cannot be written leaves the node as it is: whoever keeps it says more.
            let _ = kernel.hold_lease(&node, Some(now), now);
        }
        kernel
    }

    /// The nodes whose leases an agent of the last life held.
    fn nodes_with_agents(&self) -> Vec<NodeName> {
        let held = |lease: &Lease| lease.spec.as_ref().is_some_and(|spec| spec.renew_time.is_none());
        let leases = self.snapshot().list_in(kind::LEASE, LEASE_NAMESPACE);
        leases
            .filter(|object| object.typed::<Lease>().is_some_and(held))
            .map(|object| NodeName::new(std::sync::Arc::clone(&object.meta.name)))
            .collect()
    }
}
