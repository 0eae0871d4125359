//! The node lifecycle controller (`pkg/controller/nodelifecycle`).
//!
//! **The rule**: a node's taints say what its conditions say; a node that is not heard of any more is unknown.
//!
//! The stages of a decision, all in one plan:
//! 1. [`unknown`]: a node whose agent has been away for longer than the grace period gets conditions of status `Unknown`;
//! 2. [`taints`]: conditions, and `spec.unschedulable`, become taints; which nodes send their pods away is decided for all
//!    of them together (`node_eviction`);
//! 3. [`labels`]: system and architecture are there under their old names too;
//! 4. [`pods`]: the pods of a node that has fallen silent are not ready either.
//!
//! The agents of local nodes live in this process and send no heartbeats, so that an idle cluster does nothing. A lease
//! (`kube-node-lease`) without a renew time is held by such an agent; one with it was last held then, and a status that
//! was reported later is as good. A node without a lease is kept by somebody else, whose word is its status.

mod labels;
mod pods;
mod taints;
#[cfg(test)]
mod tests;
mod unknown;

pub(super) use self::taints::{EVICTING, NOT_READY, UNREACHABLE};

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;

use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::store::{Change, EventDraft, Object, Snapshot, ready_of};
use crate::time::Time;

/// The namespace of the nodes' leases.
pub const LEASE_NAMESPACE: &str = "kube-node-lease";

/// How long a node that has not said how it is may be silent (`--node-startup-grace-period`).
const STARTUP_GRACE: Duration = Duration::from_secs(60);

/// Keeps the taints of nodes true.
#[derive(Debug)]
pub struct NodeLifecycleController;

/// A node, when it was last heard of, and its pods if that matters.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    node: &'w Node,
    /// When its agent left; `None` while it is there, or is not ours.
    silent_since: Option<Time>,
    /// How long it may be away.
    grace: Duration,
    pods: Vec<&'w Arc<Object>>,
}

impl Controller for NodeLifecycleController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "node-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::NODE), Watched::kind(kind::LEASE, node_of_lease)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let node: &Node = object.typed()?;
        let lease = snapshot.find(kind::LEASE, LEASE_NAMESPACE, &object.meta.name);
        let renewed = lease.and_then(|lease| lease.typed::<Lease>()?.spec.as_ref()?.renew_time.clone());
        let name = NodeName::new(Arc::clone(&object.meta.name));
        Some(Observed {
            object,
            node,
            silent_since: renewed.map(|at| Time::from_timestamp(at.0).max(reported(node))),
            grace: ready_of(node).map_or(STARTUP_GRACE, |_| snapshot.node_monitor_grace()),
            pods: snapshot.pods_on(&name).collect(),
        })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let mut node = observed.node.clone();
        unknown::judge(observed, &mut node, now, &mut plan);
        let became_unready = !is_ready(&node) && is_ready(observed.node);
        taints::follow_conditions(&mut node, now);
        labels::follow_new_names(&mut node);
        if node != *observed.node {
            let target = Target::seen(observed.object);
            plan.push(Action::Update { target, object: Arc::new(node.clone()), spec_changed: false });
        }
        if became_unready {
            let message = format!("Node {} status is now: NodeNotReady", observed.object.meta.name);
            let event = EventDraft::normal(&observed.object.meta, Self::NAME, "NodeNotReady", message);
            plan.push(Action::Emit(Box::new(event)));
            // Once, as upstream: an agent that is still there may know better afterwards.
            pods::mark_unready(observed, now, &mut plan);
        }
        plan
    }
}

/// What is said of a node that comes or goes. Other than all else that the controller says it follows from the change alone, and
/// from nothing that could be looked at later.
pub(crate) fn told_of(change: &Change) -> Option<EventDraft> {
    let name = &change.object.meta.name;
    let (reason, said) = match (&change.before, change.after()) {
        (None, Some(_)) => ("RegisteredNode", format!("Registered Node {name} in Controller")),
        (_, None) => ("RemovingNode", format!("Removing Node {name} from Controller")),
        (Some(_), Some(_)) => return None,
    };
    Some(event(&change.object, reason, &said))
}

/// What is said of a node of which the controller hears anew.
pub(crate) fn registered(node: &Object) -> EventDraft {
    event(node, "RegisteredNode", &format!("Registered Node {} in Controller", node.meta.name))
}

fn event(node: &Object, reason: &'static str, said: &str) -> EventDraft {
    let message = format!("Node {} event: {said}", node.meta.name);
    EventDraft::normal(&node.meta, NodeLifecycleController::NAME, reason, message)
}

/// When its agent last said how it is.
fn reported(node: &Node) -> Time {
    let at = ready_of(node).and_then(|ready| ready.last_heartbeat_time.as_ref());
    at.map_or(Time::EPOCH, Time::from_api)
}

fn is_ready(node: &Node) -> bool {
    ready_of(node).is_some_and(|ready| ready.status == "True")
}

fn node_of_lease(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if *change.object.meta.namespace == *LEASE_NAMESPACE {
        keys.extend(snapshot.find(kind::NODE, "", &change.object.meta.name).map(|node| node.meta.uid));
    }
}
