//! The part of the node lifecycle controller that sends pods away (`pkg/controller/nodelifecycle`).
//!
//! **The rule**: a node that is not ready, or not heard of, gets the taint that sends its pods away; in each zone one node
//! after the other, and none where so many are out that the fault is more likely to be elsewhere.
//!
//! The stages of a decision about all nodes:
//! 1. the zones, and how many nodes of each are ready and out;
//! 2. every node of every zone is out: nobody is sent away, and the taints go again;
//! 3. else the node of a zone that has been out for the longest is tainted, when the one before it was long enough ago.
//!
//! Its key is the namespace [`KEY`]; nodes are looked at only while one of them is out. A node that is well again loses the
//! taint in its own turn (`node_lifecycle`).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Taint};

use super::node_lifecycle::{EVICTING, NOT_READY, UNREACHABLE};
use crate::control::{Action, Controller, Keys, Plan, Target, WaitingOn, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Change, Object, Snapshot, ready_of};
use crate::time::Time;

/// The namespace whose key stands for all nodes: it is always there.
const KEY: &str = "kube-system";
/// How long after one node the next of its zone is tainted (`--node-eviction-rate`).
const PERIOD: Duration = Duration::from_secs(10);
/// The same in a large zone that is partly out (`--secondary-node-eviction-rate`); in a small one nobody is sent away.
const PERIOD_PARTLY_OUT: Duration = Duration::from_secs(100);
/// A zone with more nodes is large (`--large-cluster-size-threshold`).
const SMALL_MAX: usize = 50;
/// From which part of its nodes on a zone is partly out, in percent (`--unhealthy-zone-threshold`).
const PARTLY_OUT_PERCENT: usize = 55;
/// Fewer nodes than this that are out are no matter of the zone.
const PARTLY_OUT_MIN: usize = 3;
/// The label of nodes that are left out of the count.
const UNCOUNTED: &str = "node.kubernetes.io/exclude-disruption";
/// The labels that say where a node is, the new names and the old ones.
const REGION: [&str; 2] = ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"];
const ZONE: [&str; 2] = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];

/// Sends pods away from nodes that are out.
#[derive(Debug)]
pub struct NodeEvictionController;

/// All nodes.
#[derive(Debug)]
pub struct Observed<'w>(Vec<Site<'w>>);

/// A node, as far as it matters here.
#[derive(Debug)]
struct Site<'w> {
    object: &'w Arc<Object>,
    node: &'w Node,
    zone: [&'w str; 2],
    /// The status of its `Ready` condition, and since when; a node that never said anything is left to its grace.
    ready: Option<(&'w str, Option<Time>)>,
    counts: bool,
}

/// How a zone stands.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    ready: usize,
    out: usize,
    /// When a node of it was tainted last.
    last: Option<Time>,
}

impl Controller for NodeEvictionController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "node-eviction-controller";

    const WATCHED: &'static [Watched] = &[Watched::kind(kind::NODE, all_nodes)];

    fn observe<'w>(snapshot: &'w Snapshot, _: Uid) -> Option<Observed<'w>> {
        snapshot.nodes_out().next()?;
        Some(Observed(snapshot.list(kind::NODE).filter_map(Site::of).collect()))
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let zones = zones(&observed.0);
        if zones.values().all(|zone| zone.ready == 0) {
            for site in observed.0.iter().filter(|site| site.is_tainted()) {
                plan.push(site.with_taint(None, now));
            }
            plan.waiting_on = Some(WaitingOn::new("a node that is ready: as long as none is, no pod is sent away"));
            return plan;
        }
        let mut waiting: Vec<&Site<'_>> =
            observed.0.iter().filter(|site| site.is_out() && !site.is_tainted()).collect();
        waiting.sort_by_key(|site| (site.zone, site.ready.and_then(|(_, since)| since), &site.object.meta.name));
        for of_zone in waiting.chunk_by(|one, other| one.zone == other.zone) {
            let zone = zones.get(&of_zone[0].zone).copied().unwrap_or_default();
            let Some(period) = zone.period() else {
                plan.waiting_on = Some(WaitingOn::new("more nodes of a zone to be ready"));
                continue;
            };
            match zone.last.map(|last| last + period).filter(|next| *next > now) {
                Some(next) => plan.wake(next),
                None => {
                    plan.push(of_zone[0].with_taint(of_zone[0].taint(), now));
                    if of_zone.len() > 1 {
                        plan.wake(now + period);
                    }
                }
            }
        }
        plan
    }
}

fn zones<'s>(sites: &[Site<'s>]) -> BTreeMap<[&'s str; 2], Tally> {
    let mut zones: BTreeMap<[&str; 2], Tally> = BTreeMap::new();
    for site in sites.iter().filter(|site| site.counts) {
        let zone = zones.entry(site.zone).or_default();
        match site.ready {
            Some(("True", _)) => zone.ready += 1,
            _ => zone.out += 1,
        }
        zone.last = zone.last.max(site.tainted_at());
    }
    zones
}

impl Tally {
    /// How long after one node the next is tainted; `None` for never.
    fn period(self) -> Option<Duration> {
        let all = self.ready + self.out;
        let is_partly_out = self.ready > 0 && self.out >= PARTLY_OUT_MIN && self.out * 100 >= all * PARTLY_OUT_PERCENT;
        match is_partly_out {
            false => Some(PERIOD),
            true => (all > SMALL_MAX).then_some(PERIOD_PARTLY_OUT),
        }
    }
}

impl<'w> Site<'w> {
    fn of(object: &'w Arc<Object>) -> Option<Self> {
        let node: &Node = object.typed()?;
        let label = |names: [&str; 2]| {
            let value = names.into_iter().find_map(|name| object.meta.labels.get(name));
            value.map(String::as_str).unwrap_or_default()
        };
        let ready =
            ready_of(node).map(|ready| (&*ready.status, ready.last_transition_time.as_ref().map(Time::from_api)));
        let counts = !object.meta.labels.contains_key(UNCOUNTED);
        Some(Self { object, node, zone: [label(REGION), label(ZONE)], ready, counts })
    }

    fn is_out(&self) -> bool {
        self.ready.is_some_and(|(status, _)| status != "True")
    }

    /// The taints that this controller gives.
    fn taints(&self) -> impl Iterator<Item = &'w Taint> {
        let taints = self.node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        taints.iter().filter(|taint| is_ours(taint))
    }

    fn is_tainted(&self) -> bool {
        self.taints().next().is_some()
    }

    fn tainted_at(&self) -> Option<Time> {
        self.taints().filter_map(|taint| taint.time_added.as_ref().map(Time::from_api)).max()
    }

    /// The taint that says why it is out.
    fn taint(&self) -> Option<&'static str> {
        self.ready.map(|(status, _)| if status == "False" { NOT_READY } else { UNREACHABLE })
    }

    /// The write that gives it this taint, and none other of ours.
    fn with_taint(&self, key: Option<&str>, now: Time) -> Action {
        let mut node = self.node.clone();
        let spec = node.spec.get_or_insert_default();
        let mut taints = spec.taints.take().unwrap_or_default();
        taints.retain(|taint| !is_ours(taint));
        taints.extend(key.map(|key| Taint {
            effect: "NoExecute".to_owned(),
            key: key.to_owned(),
            time_added: Some(now.to_api()),
            value: None,
        }));
        spec.taints = (!taints.is_empty()).then_some(taints);
        Action::Update { target: Target::seen(self.object), object: Arc::new(node), spec_changed: false }
    }
}

fn is_ours(taint: &Taint) -> bool {
    taint.effect == "NoExecute" && EVICTING.contains(&&*taint.key)
}

/// Any node concerns all of them while one is out, when it comes or goes, or says something else of how and where it is.
fn all_nodes(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let says = |object: &Arc<Object>| {
        let site = Site::of(object)?;
        let status = site.ready.map(|(status, _)| status.to_owned());
        Some((status, site.zone.map(str::to_owned), site.counts, site.is_tainted()))
    };
    let is_news = || change.before.as_ref().and_then(says) != change.after().and_then(says);
    if snapshot.nodes_out().next().is_some() && is_news() {
        keys.extend(snapshot.find(kind::NAMESPACE, "", KEY).map(|namespace| namespace.meta.uid));
    }
}
