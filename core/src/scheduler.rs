//! The scheduler: each pod without a node gets the best one, or is told why there is none.
//!
//! A deterministic state machine without I/O. It is told of each change of the store ([`Scheduler::changed`]), tries
//! waiting pods when asked ([`Scheduler::step`]), and answers with [`Decision`]s, which the kernel commits. It counts a
//! pod on its node from the moment of the decision on; the change that follows is recognised.
//!
//! Filters, scores, weights and texts are those of upstream's default profile, unless a [`Profile`] says otherwise. Every node is looked at, as upstream
//! does with `percentageOfNodesToScore: 100`, but only once for all pods that are alike (`class.rs`).

mod arguments;
mod attachments;
mod capacities;
mod class;
mod classes;
mod config;
mod cycle;
mod decision;
mod devices;
mod disks;
mod effects;
mod explain;
mod happening;
mod kin;
mod node_row;
mod node_table;
mod people;
mod plugin;
mod plugins;
mod preempt;
mod profile;
mod promises;
mod queue;
mod resources;
mod scoring;
mod shape;
mod spread;
mod topology;
mod volumes;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};

pub use self::arguments::InvalidArgument;
pub use self::config::SchedulerConfig;
pub use self::decision::{Decision, Nomination};
pub use self::devices::{Grant, Made};
pub use self::profile::{Profile, UnknownPlugin};
pub use self::scoring::{ScoringStrategy, UtilizationShape};

use self::class::Class;
use self::classes::Classes;
use self::cycle::{Candidate, Nowhere, Placement};
use self::devices::{Asks, GivenDevices, Needs};
use self::explain::Claims;
use self::happening::{Happening, Rejectors};
use self::node_table::{NodeTable, Slot, Tenant};
use self::people::People;
use self::plugin::Plugin;
use self::plugins::dynamic_resources::{DynamicResources, NOT_AVAILABLE};
use self::preempt::{Preemption, Question};
use self::queue::{Bounds, Queue, Wait};
use self::volumes::Given;
use crate::ids::{NodeName, Uid};
use crate::object::kind::KindId;
use crate::store::{EventDraft, Object, PodBody, Snapshot};
use crate::text::{Text, shared};
use crate::time::Time;

/// Who the events are from.
pub const COMPONENT: &str = "default-scheduler";

/// The kinds whose changes the scheduler must be told of.
pub const WATCHED: [KindId; 14] = [
    KindId::of::<Namespace>(),
    KindId::of::<Service>(),
    KindId::of::<Pod>(),
    KindId::of::<Node>(),
    KindId::of::<PersistentVolume>(),
    KindId::of::<PersistentVolumeClaim>(),
    KindId::of::<StorageClass>(),
    KindId::of::<CSIDriver>(),
    KindId::of::<CSINode>(),
    KindId::of::<CSIStorageCapacity>(),
    KindId::of::<VolumeAttachment>(),
    KindId::of::<ResourceClaim>(),
    KindId::of::<ResourceSlice>(),
    KindId::of::<DeviceClass>(),
];

/// The scheduler.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    table: NodeTable,
    queue: Queue,
    people: People,
    classes: Classes,
    /// Pods that were given a node in a decision that has not come back as a change yet.
    assumed: BTreeMap<Uid, Assumed>,
    /// The nodes promised to pods that wait.
    promised: BTreeMap<Uid, NodeName>,
    /// The pods for which a volume was to be reserved: several, if they were tried before that was seen.
    hopes: BTreeMap<Uid, BTreeSet<Uid>>,
}

/// A pod that counts on a node.
#[derive(Clone, Debug, PartialEq)]
struct Assumed {
    node: NodeName,
    tenant: Tenant,
}

impl Scheduler {
    /// A scheduler that knows of nothing yet: it is told of what there is as if it had just been created.
    pub fn new(config: SchedulerConfig) -> Self {
        Self {
            table: NodeTable::new(config.seed),
            queue: Queue::new(Bounds {
                backoff_first: config.backoff_first,
                backoff_max: config.backoff_max,
                parked_max: config.parked_max(),
            }),
            people: People::default(),
            classes: Classes::default(),
            assumed: BTreeMap::new(),
            promised: BTreeMap::new(),
            hopes: BTreeMap::new(),
            config,
        }
    }

    /// Whether [`Scheduler::step`] would try a pod now.
    pub fn has_work(&self, now: Time) -> bool {
        self.queue.is_ready(now)
    }

    /// When there will be work even if nothing changes: when a pod has waited for a cure for long enough. A pod whose
    /// backoff is not over is tried as soon as there is nothing else to do.
    pub fn next_wake(&self) -> Option<Time> {
        self.queue.next_wake()
    }

    /// How many pods wait for a node.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Tries at most `budget` waiting pods; fewer where the next must see what claims for devices got.
    ///
    /// `snapshot` must contain every change that the scheduler was told of.
    pub fn step(&mut self, snapshot: &Snapshot, now: Time, budget: usize, out: &mut Vec<Decision>) {
        for _ in 0..budget {
            let Some(uid) = self.queue.next(now) else { return };
            let known = out.len();
            match snapshot.get(uid) {
                Some(object) => self.try_pod(object, snapshot, now, out),
                None => self.queue.remove(uid),
            }
            if out[known..].iter().any(Decision::writes_claims) {
                return;
            }
        }
    }

    /// The nodes that a waiting pod fits, with their points, by name: what [`Scheduler::step`] would choose from.
    ///
    /// The points are upstream's final scores: the sum of all plugins' scores times their weights.
    pub fn ranking(&mut self, object: &Object, snapshot: &Snapshot) -> Vec<(NodeName, i64)> {
        let Some((profile, pod)) = self.profile_of(object).zip(object.pod()) else { return Vec::new() };
        let tenant = self.people.tenant(object, pod);
        let needs = self.device_needs(&profile, (object, pod), &tenant, snapshot, Time::EPOCH);
        let demand = needs.map(|needs| needs.demand);
        let of = (object, pod);
        let (class, _) = self.classes.of(&profile, of, demand.as_ref(), &tenant, &self.table, snapshot);
        class.catch_up(&self.table);
        let named = |(slot, points)| Some((self.table.node(slot)?.name.clone(), points));
        let mut ranking: Vec<_> = class.totals(&self.table).into_iter().filter_map(named).collect();
        ranking.sort_unstable();
        ranking
    }

    /// A decision to bind could not be committed, because something has changed meanwhile: the pod is tried again.
    pub fn refused(&mut self, pod: Uid, now: Time) {
        if let Some(priority) = self.unassume(pod, now) {
            self.queue.add(pod, priority, now, now);
        }
    }

    /// A decision to bind was refused for what it is: the pod is tried again after the longest backoff, and told why.
    pub fn rejected(&mut self, object: &Object, why: &str, now: Time) -> Option<Decision> {
        let priority = self.unassume(object.meta.uid, now)?;
        self.queue.set_back(object.meta.uid, priority, now + self.config.backoff_max, now);
        Some(Decision::failed(object, format!("binding rejected: running Bind plugin \"DefaultBinder\": {why}")))
    }

    /// Counts a pod no longer where it was to be bound; says how important it is.
    fn unassume(&mut self, pod: Uid, now: Time) -> Option<i32> {
        let assumed = self.assumed.remove(&pod)?;
        self.table.remove_pod(&assumed.node, &assumed.tenant);
        self.queue.tell(&Happening::PodWent(&assumed.tenant), &self.table, now);
        Some(assumed.tenant.priority)
    }

    fn try_pod(&mut self, object: &Arc<Object>, snapshot: &Snapshot, now: Time, out: &mut Vec<Decision>) {
        let uid = object.meta.uid;
        let Some((profile, pod)) = self.profile_of(object).zip(object.pod()) else { return self.queue.remove(uid) };
        let tenant = self.people.tenant(object, pod);
        let devices = self.device_needs(&profile, (object, pod), &tenant, snapshot, now);
        let failure = devices.as_ref().and_then(Needs::failure);
        if let Some(why) = failure.filter(|_| self.promised.contains_key(&uid)) {
            self.give_up_room(uid, now);
            self.queue.set_back(uid, tenant.priority, now + self.config.backoff_first, now);
            return out.push(Decision::failed(object, format!("running PreBind plugin \"DynamicResources\": {why}")));
        }
        if devices.as_ref().is_some_and(|needs| needs.held.is_some()) {
            // Nothing is said of it: whoever makes the claim says why there is none.
            let claims = devices::names_of(&object.meta, pod);
            return self.queue.hold(uid, Wait { claims, ..Wait::default() }, now);
        }
        let demand = devices.as_ref().map(|needs| &needs.demand);
        let of = (&**object, pod);
        let (class, needs) = self.classes.of(&profile, of, demand, &tenant, &self.table, snapshot);
        class.catch_up(&self.table);
        let candidate = Candidate { pod: uid, priority: pod.priority(), nominated: self.promised.get(&uid).cloned() };
        match cycle::place(class, &self.table, &candidate) {
            Placement::At(slot) => {
                let Some(row) = self.table.node(slot) else { return };
                let node = row.name.clone();
                if needs.delayed.is_empty() {
                    let waits = devices.as_ref().is_some_and(Needs::waits);
                    let given = devices.map(|needs| devices::given_on(&needs, self.table.devices(), row));
                    return match given.unwrap_or_else(|| Some(GivenDevices::default())) {
                        Some(given) if waits || given.waits() => {
                            let wait = wait_of(by_devices(), class, object, pod, &tenant);
                            self.await_devices(object, (node, tenant), (given.grants, wait), now, out);
                        }
                        Some(given) => {
                            let bound = self.bind(object, Assumed { node, tenant }, given, now);
                            out.push(bound);
                        }
                        None => self.queue.park(uid, wait_of(by_devices(), class, object, pod, &tenant), now),
                    };
                }
                for (claim, given) in volumes::given_on(&needs, &self.table, row) {
                    let claim_uid = claim.claim;
                    match given {
                        Given::Volume(volume) => {
                            self.hopes.entry(volume).or_default().insert(uid);
                            out.push(Decision::Reserve { volume, claim: claim_uid, pod: uid });
                        }
                        Given::Made if claim.selected.is_none() => {
                            out.push(Decision::SelectNode { claim: claim_uid, pod: uid, node: node.clone() });
                        }
                        Given::Made | Given::NoRoom | Given::Nothing => {}
                    }
                }
                // The room is kept until the claims are bound, and others may know.
                out.push(Decision::Expect { pod: uid, node: node.clone() });
                let (claims, by) = (tenant.claims().collect(), Rejectors::named("VolumeBinding"));
                let shape = Some(Arc::clone(class.shape()));
                self.promise(uid, node, tenant);
                self.queue.park(uid, Wait { by, shape, claims }, now);
            }
            Placement::Nowhere(Nowhere::EmptyCluster) => {
                self.queue.park(uid, Wait { by: Rejectors::NO_NODES, ..Wait::default() }, now);
                self.break_promise(uid);
                out.push(Decision::unschedulable(object, Nomination::Clear, explain::NO_NODES.to_owned()));
            }
            Placement::Nowhere(Nowhere::OutOfQuestion { reason, by }) => {
                let nodes = self.table.len();
                let message = match by == by_devices() {
                    true => explain::nothing_for_claims(nodes, &reason),
                    false => explain::nothing(nodes, &reason),
                };
                let wait = wait_of(by, class, object, pod, &tenant);
                self.queue.park(uid, wait, now);
                out.push(Decision::unschedulable(object, Nomination::Keep, message));
            }
            Placement::Nowhere(Nowhere::NoNode { why, by, conflicts }) => {
                let never = pod.spec.preemption_policy.as_deref() == Some("Never");
                let table = &self.table;
                let question = Question { class, table, snapshot, candidate: &candidate, conflicts: &conflicts, never };
                let preemption = preempt::preempt(&question, &mut self.people);
                let idle = devices.as_ref().map(|needs| idle_claim(needs, uid, class, table, snapshot));
                let wait = wait_of(by, class, object, pod, &tenant);
                self.queue.park(uid, wait, now);
                let nodes = self.table.len();
                let claims = match idle {
                    None => Claims::Fine,
                    Some(None) => Claims::Kept,
                    Some(Some(claim)) => {
                        out.push(Decision::Deallocate { claim, pod: uid });
                        Claims::GivenBack
                    }
                };
                let (nomination, message) = match preemption {
                    Preemption::Found { slot, victims } => {
                        let Some(node) = self.table.node(slot).map(|row| row.name.clone()) else { return };
                        self.evict(object, &node, tenant, &victims, now, out);
                        (Nomination::Set(node), why.sentence(nodes))
                    }
                    Preemption::NotEligible(text) => {
                        (Nomination::Keep, explain::unschedulable(nodes, &why, claims, text))
                    }
                    Preemption::NoHelp(text) => {
                        self.give_up_room(uid, now);
                        (Nomination::Clear, explain::unschedulable(nodes, &why, claims, &text))
                    }
                };
                out.push(Decision::unschedulable(object, nomination, message));
            }
        }
    }

    /// What the claims of a pod for devices demand, if it has any: most have none.
    fn device_needs(
        &self,
        profile: &Profile,
        (object, pod): (&Object, &PodBody),
        tenant: &Tenant,
        snapshot: &Snapshot,
        now: Time,
    ) -> Option<Needs> {
        let asks = Asks { meta: &object.meta, pod, requests: &tenant.footprint.requests, now };
        let needs = devices::needs_of(asks, self.table.devices(), snapshot)?;
        // A profile may leave devices to others.
        profile.plugins().any(|(plugin, _)| plugin.name() == DynamicResources.name()).then_some(needs)
    }

    fn bind(&mut self, object: &Arc<Object>, assumed: Assumed, given: GivenDevices, now: Time) -> Decision {
        let uid = object.meta.uid;
        self.queue.remove(uid);
        match self.promised.get(&uid).is_some_and(|node| *node != assumed.node) {
            true => self.give_up_room(uid, now),
            false => drop(self.break_promise(uid)),
        }
        self.table.add_pod(&assumed.node, &assumed.tenant);
        let (namespace, name) = (&object.meta.namespace, &object.meta.name);
        let message = shared(format_args!("Successfully assigned {namespace}/{name} to {}", assumed.node));
        let node = assumed.node.clone();
        self.assumed.insert(uid, assumed);
        let event = EventDraft::normal(&object.meta, named_scheduler(object), "Scheduled", message);
        let GivenDevices { grants, made } = given;
        Decision::Bind { pod: uid, at: object.meta.revision, node, grants, made, event }
    }

    /// The profile that a pod asks for, if it waits for a node.
    fn profile_of(&self, object: &Object) -> Option<Arc<Profile>> {
        let pod = object.pod()?;
        if pod.node.is_some() || pod.is_finished() || object.meta.is_deleting() || is_gated(object) {
            return None;
        }
        let name = named_scheduler(object);
        self.config.profiles.iter().find(|known| *known.name() == *name).cloned()
    }
}

/// The plugin that looks after claims for devices.
fn by_devices() -> Rejectors {
    Rejectors::named(DynamicResources.name())
}

/// What a pod waits for that these plugins rejected, its claims among it where those keep it.
fn wait_of(by: Rejectors, class: &Class, object: &Object, pod: &PodBody, tenant: &Tenant) -> Wait {
    let mut wait = Wait::of(by, class.shape(), tenant);
    if by.meets(by_devices()) {
        wait.claims.extend(devices::names_of(&object.meta, pod));
    }
    wait
}

/// A claim that keeps its pod from nodes that would do, and that can give back what it has.
fn idle_claim(needs: &Needs, pod: Uid, class: &Class, table: &NodeTable, snapshot: &Snapshot) -> Option<Uid> {
    let is_out = |slot: &Slot| {
        let why = class.rejection(table, *slot);
        why.is_some_and(|why| why.reasons.iter().any(|reason| reason.as_str() == NOT_AVAILABLE))
    };
    let rows: Vec<_> = table.iter().filter(|(slot, _)| is_out(slot)).map(|(_, row)| row).collect();
    devices::idle_elsewhere(needs, pod, snapshot, &rows)
}

/// Whether a pod is held back (`spec.schedulingGates`).
fn is_gated(object: &Object) -> bool {
    let gates = object.pod().and_then(|pod| pod.spec.scheduling_gates.as_ref());
    gates.is_some_and(|gates| !gates.is_empty())
}

/// The scheduler that a pod asks for: it is also who tells of what becomes of the pod.
fn named_scheduler(object: &Object) -> Text {
    let name = object.pod().and_then(|pod| pod.spec.scheduler_name.as_deref()).filter(|name| !name.is_empty());
    match name {
        None | Some(COMPONENT) => Text::Static(COMPONENT),
        Some(name) => Text::Shared(name.into()),
    }
}
