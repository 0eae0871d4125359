//! The agent itself: which pods need a look, which calls are out, when to wake up. It decides nothing about a pod:
//! [`pod_plan`] does.

mod apply;
mod gauge;
mod inventory;
mod pressure;
mod removals;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use self::gauge::Gauge;
use self::pressure::Watch;
use self::removals::Removals;
use super::admit::Held;
use super::config::NodeConfig;
use super::output::{CallId, NodeOutputs, PodWrite};
use super::plan::{View, WaitingOn, pod_plan};
use super::work::{Flight, PodWork, Stage};
use super::{events, status};
use crate::ids::{Revision, Uid};
use crate::object::kind::KindId;
use crate::runtime::{Call, ImagePull, Inventory, PodIdentity, Reply, RuntimeError, RuntimeEvent};
use crate::store::{NameKey, Object, PodBody, Snapshot};
use crate::text::Text;
use crate::time::Time;

/// How often a pod is planned again in one step when a plan changed only what the agent remembers. More would be a
/// plan that never settles.
const ROUNDS_MAX: usize = 16;

/// The agent of one node: the kubelet as a state machine without I/O.
///
/// Inputs mark pods as needing a look; [`NodeAgent::step`] looks at them and says what is to be done.
#[derive(Debug)]
pub struct NodeAgent {
    config: Arc<NodeConfig>,
    host: Arc<str>,
    pods: BTreeMap<Uid, Box<PodWork>>,
    /// What those among them that were admitted hold together.
    held: Held,
    flights: BTreeMap<CallId, (Uid, Flight)>,
    dirty: BTreeSet<Uid>,
    /// Where the next look begins, so that each pod has its turn.
    cursor: Uid,
    timers: BTreeSet<(Time, Uid)>,
    calls_made: u64,
    inventory: InventoryStep,
    changed_inputs: Vec<(KindId, NameKey)>,
    /// Calls that take away what no pod of ours wants.
    strays: Vec<Call>,
    /// Pods of which the runtime may hold more than is known: a call failed that may have been carried out.
    doubtful: BTreeSet<Uid>,
    pulls: Option<Box<Pulls>>,
    health: super::node_status::Health,
    removals: Removals,
    gauge: Option<Box<Gauge>>,
    /// The path of the container that the last event was about.
    last_path: Text,
    watch: Option<Box<Watch>>,
    room: Option<Box<Room>>,
}

/// Who waits for room on the node, to be resized.
#[derive(Debug, Default)]
struct Room {
    waiting: BTreeSet<Uid>,
    /// Those of them that are to be looked at, since there is more room, in the order in which they get it.
    next: VecDeque<Uid>,
}

/// Where the agent stands with knowing what its runtime holds.
#[derive(Debug)]
enum InventoryStep {
    Wanted,
    Asked,
    /// Asked, and something has happened since that the answer may not contain: ask again after it.
    Outdated,
    Failed(Time),
    Arrived(Box<Inventory>),
    Known,
}

impl InventoryStep {
    /// Something happened on the node: an answer that was made before it must not be taken for what is there now.
    fn is_overtaken(&mut self) {
        match self {
            Self::Asked => *self = Self::Outdated,
            Self::Arrived(_) => *self = Self::Wanted,
            Self::Wanted | Self::Outdated | Self::Failed(_) | Self::Known => {}
        }
    }
}

/// Images to pull: a few at a time, in the order they were asked for.
#[derive(Debug, Default)]
struct Pulls {
    waiting: VecDeque<(Uid, u16, Arc<ImagePull>)>,
    under_way: u16,
}

impl NodeAgent {
    /// The agent of a node that has just come up: it first asks the runtime what it holds.
    pub fn new(config: impl Into<Arc<NodeConfig>>) -> Self {
        let config = config.into();
        Self {
            host: config.name.as_str().into(),
            config,
            pods: BTreeMap::new(),
            held: Held::default(),
            flights: BTreeMap::new(),
            dirty: BTreeSet::new(),
            cursor: Uid::LOWEST,
            timers: BTreeSet::new(),
            calls_made: 0,
            inventory: InventoryStep::Wanted,
            changed_inputs: Vec::new(),
            strays: Vec::new(),
            doubtful: BTreeSet::new(),
            pulls: None,
            health: super::node_status::Health::default(),
            removals: Removals::default(),
            gauge: None,
            last_path: Text::default(),
            room: None,
            watch: None,
        }
    }

    /// Counts its calls from here on: an answer to an earlier agent of the node must not be taken for one to this.
    pub(crate) const fn count_calls_from(&mut self, first: u64) {
        self.calls_made = first;
    }

    /// The number of a call that is not about its pods: it hears nothing of the answer.
    pub(crate) const fn number_call(&mut self) -> CallId {
        self.calls_made += 1;
        CallId::new(self.calls_made)
    }

    /// What it was told of its node.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The node was known before this agent: what is written of it may be wrong, so it reports as soon as it runs.
    pub const fn announce(&mut self) {
        self.health.announce();
    }

    /// A pod of this node was created, changed, bound here or removed.
    pub fn pod_changed(&mut self, uid: Uid) {
        self.dirty.insert(uid);
    }

    /// A status that this agent asked for is written.
    pub(crate) fn status_written(&mut self, written: &Object) {
        let goes_on = written.pod().is_some_and(|pod| !pod.is_finished());
        if let Some(work) = self.pods.get_mut(&written.meta.uid).filter(|_| goes_on) {
            work.said = written.meta.revision;
        }
    }

    /// Whether this version of a pod is what the agent made of the one before it by saying how the pod is: what there is
    /// to do follows from its spec and from the runtime, and has been decided. Only the end of a pod leads to more.
    pub(crate) fn has_said(&self, uid: Uid, revision: Revision) -> bool {
        self.pods.get(&uid).is_some_and(|work| work.said == revision)
    }

    /// An object was created, changed or removed that pods here may take files or variables from.
    pub fn inputs_changed(&mut self, kind: KindId, namespace: &str, name: &str) {
        if !self.pods.is_empty() {
            self.changed_inputs.push((kind, NameKey::new(namespace, name)));
        }
    }

    /// A call was answered. An answer to a call that is not under way is ignored.
    pub fn replied(&mut self, call: CallId, result: Result<Reply, RuntimeError>, now: Time) {
        let Some((uid, flight)) = self.flights.remove(&call) else { return };
        if matches!(flight, Flight::Sandbox | Flight::Create(_)) && result.is_err() {
            if self.pods.contains_key(&uid) {
                self.doubtful.insert(uid);
            } else {
                self.inventory = InventoryStep::Wanted;
            }
        }
        match flight {
            Flight::Inventory => self.inventory_replied(result, now),
            Flight::Empty => self.removal_replied(uid, result, now),
            Flight::Measure => self.storage_measured(result, now),
            Flight::Watch => self.node_told(result),
            _ => {
                if matches!(flight, Flight::Pull(_)) {
                    self.pull_done();
                }
                match (self.pods.get_mut(&uid), result) {
                    (Some(work), result) => {
                        work.absorb(flight, result, &self.config, now);
                        self.dirty.insert(uid);
                    }
                    // What came too late for its pod is taken away again.
                    (None, Ok(Reply::Created(id))) => self.strays.push(Call::RemoveContainer(id)),
                    (None, Ok(Reply::Sandbox(sandbox))) => self.strays.push(Call::RemovePodSandbox(sandbox.id)),
                    (None, _) => {}
                }
            }
        }
    }

    /// Something happened on the node that was not asked for.
    pub fn runtime_event(&mut self, event: RuntimeEvent, now: Time) {
        self.inventory.is_overtaken();
        match event {
            RuntimeEvent::Exited(status) => {
                let uid = status.pod.uid;
                if let Some(work) = self.pods.get_mut(&uid) {
                    work.observe(&status, &self.config, now);
                    self.dirty.insert(uid);
                }
            }
            RuntimeEvent::SandboxLost(id) => {
                let owner = self.pods.iter_mut().find_map(|(uid, work)| {
                    let sandbox = work.sandbox.as_mut().filter(|sandbox| sandbox.id == id)?;
                    sandbox.ready = false;
                    Some(*uid)
                });
                self.dirty.extend(owner);
            }
            RuntimeEvent::Relist => {
                if !matches!(self.inventory, InventoryStep::Outdated) {
                    self.inventory = InventoryStep::Wanted;
                }
                self.health.runtime_is(Ok(()));
            }
            RuntimeEvent::Devices(amounts) => {
                Arc::make_mut(&mut self.config).set_devices(&amounts);
                self.health.has_other_devices();
            }
            RuntimeEvent::Unavailable(why) => self.health.runtime_is(Err(why)),
        }
    }

    /// The earliest moment at which there is something to do without any input.
    pub fn next_wake(&self) -> Option<Time> {
        // Pods have to wait until it is known what the runtime holds, whatever time it is.
        let due = match self.inventory {
            InventoryStep::Known => {
                let timer = self.timers.first().map(|(at, _)| *at);
                let gauge = self.gauge.as_ref().and_then(|gauge| gauge.next_wake());
                let watch = self.watch.as_ref().and_then(|watch| watch.next_wake());
                [timer, self.removals.next_wake(), gauge, watch].into_iter().flatten().min()
            }
            InventoryStep::Failed(until) => Some(until),
            InventoryStep::Wanted | InventoryStep::Asked | InventoryStep::Outdated | InventoryStep::Arrived(_) => None,
        };
        [due, self.health.next_report(&self.config)].into_iter().flatten().min()
    }

    /// Whether [`NodeAgent::step`] has something to do now.
    pub fn has_work(&self) -> bool {
        match self.inventory {
            InventoryStep::Wanted | InventoryStep::Arrived(_) => true,
            InventoryStep::Asked | InventoryStep::Outdated | InventoryStep::Failed(_) => self.health.has_news(),
            InventoryStep::Known => {
                !self.dirty.is_empty()
                    || self.room.as_ref().is_some_and(|room| !room.next.is_empty())
                    || !self.changed_inputs.is_empty()
                    || !self.strays.is_empty()
                    || self.health.has_news()
                    || self.removals.has_work()
                    || self.watch.as_ref().map_or(self.config.eviction.is_some(), |watch| watch.has_work())
            }
        }
    }

    /// Looks at what is due: timers, and at most `budget` pods.
    pub fn step(&mut self, snapshot: &Snapshot, now: Time, budget: usize, out: &mut NodeOutputs) {
        self.health.report(&self.config, now, out);
        if !self.take_inventory(snapshot, now, out) {
            return;
        }
        for call in std::mem::take(&mut self.strays) {
            self.send(Uid::LOWEST, Flight::RemovePast(0), call, out);
        }
        self.mark_users_of_inputs();
        self.remove_volumes(snapshot, now, out);
        self.measure_storage(now, out);
        self.look_after_node(snapshot, now, out);
        while let Some((at, uid)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, uid));
            if let Some(work) = self.pods.get_mut(&uid) {
                work.wake = Time::MAX;
            }
            self.dirty.insert(uid);
        }
        for _ in 0..budget {
            if let Some(uid) = self.room.as_mut().and_then(|room| room.next.pop_front()) {
                self.look_at(snapshot, uid, now, out);
                continue;
            }
            let next = self.dirty.range(self.cursor..).next().or_else(|| self.dirty.first()).copied();
            let Some(uid) = next else { break };
            self.dirty.remove(&uid);
            self.cursor = uid;
            self.look_at(snapshot, uid, now, out);
        }
    }

    /// Why nothing happens with a pod now; `None` when it is as it should be, or not here.
    pub fn waiting_on(&self, snapshot: &Snapshot, uid: Uid, now: Time) -> Option<WaitingOn> {
        let work = self.pods.get(&uid)?;
        let object = snapshot.get(uid).filter(|object| self.is_here(object)).map(|object| &**object);
        let (held, pressures) = (self.held.without(work.holds()), self.pressures());
        pod_plan(&View { object, work, config: &self.config, snapshot, held, pressures, now }).waiting_on
    }

    /// One pod: take in what changed of it, plan, act, and say how it is.
    fn look_at(&mut self, snapshot: &Snapshot, uid: Uid, now: Time, out: &mut NodeOutputs) {
        let object = snapshot.get(uid).filter(|object| self.is_here(object)).map(|object| &**object);
        let Some(mut work) = self.take_out(uid).or_else(|| take_up(object?, now)) else { return };
        let held_before = work.holds();
        work.take_in(object);
        let (mut forget, mut wake_at) = (false, None);
        for _ in 0..ROUNDS_MAX {
            let (held, pressures) = (self.held, self.pressures());
            let view = View { object, work: &work, config: &self.config, snapshot, held, pressures, now };
            let plan = pod_plan(&view);
            wake_at = plan.wake_at.filter(|at| *at > now);
            let round = self.apply(&mut work, plan, uid, now, out);
            forget |= round.forget;
            if !round.again {
                break;
            }
        }
        let has_ended = object.and_then(Object::pod).is_none_or(PodBody::is_finished);
        work.is_holding = work.stage == Stage::Active && !has_ended;
        self.note_limits(uid, &work, now);
        self.pod_looked_at(uid, &work, now);
        self.note_room(snapshot, (uid, &work), held_before);
        let hold_until = match object.and_then(|object| Some((object, object.pod()?))) {
            Some((object, pod)) => self.say(snapshot, &mut work, object, pod, now, out),
            None => None,
        };
        if let Some(transient) = &mut work.transient {
            transient.hold_until = hold_until;
            for note in std::mem::take(&mut transient.notes) {
                let Some(object) = object else { continue };
                let slot = note.slot.and_then(|place| work.slots.get(usize::from(place)));
                let slot = slot.and_then(|slot| Some((slot, slot.spec(&work.spec)?)));
                let involved = events::involved(&object.meta, slot, &mut self.last_path);
                out.events.push(events::draft(involved, &self.host, note));
            }
        }
        let timer = std::mem::replace(&mut work.wake, Time::MAX);
        if timer < Time::MAX {
            self.timers.remove(&(timer, uid));
        }
        if forget {
            self.removals.look_again(snapshot, &work);
            if self.doubtful.remove(&uid) {
                self.inventory = InventoryStep::Wanted;
            }
            if let Some(pulls) = &mut self.pulls {
                pulls.waiting.retain(|(waiting, _, _)| *waiting != uid);
            }
            return;
        }
        if let Some(at) = [wake_at, hold_until].into_iter().flatten().min() {
            work.wake = at;
            self.timers.insert((at, uid));
        }
        work.tidy();
        self.held = self.held.and(work.holds());
        self.pods.insert(uid, work);
    }

    /// Notes whether a pod waits for room, and who is to be looked at when it gave some back.
    fn note_room(&mut self, snapshot: &Snapshot, (uid, work): (Uid, &PodWork), held_before: Held) {
        let waits = work.is_holding && work.resize().is_some_and(|resize| resize.pending.is_some());
        if waits {
            self.room.get_or_insert_default().waiting.insert(uid);
        }
        let Some(room) = &mut self.room else { return };
        if !waits && room.waiting.remove(&uid) && room.waiting.is_empty() {
            self.room = None;
            return;
        }
        if work.holds().covers(held_before) {
            return;
        }
        let waiting = room.waiting.iter().filter(|waiting| **waiting != uid);
        let mut ranked: Vec<_> = waiting
            .filter_map(|waiting| {
                let pod = snapshot.get(*waiting)?.pod()?;
                Some((super::resize::rank(self.pods.get(waiting)?, pod.priority(), &pod.state), *waiting))
            })
            .collect();
        ranked.sort();
        room.next = ranked.into_iter().map(|(_, waiting)| waiting).collect();
    }

    fn take_out(&mut self, uid: Uid) -> Option<Box<PodWork>> {
        let work = self.pods.remove(&uid)?;
        self.held = self.held.without(work.holds());
        Some(work)
    }

    fn is_here(&self, object: &Object) -> bool {
        object.pod().is_some_and(|pod| pod.node.as_ref() == Some(&self.config.name))
    }

    /// Writes the status where it changed. Gives the moment until which a change was held back, if it was.
    fn say(
        &self,
        snapshot: &Snapshot,
        work: &mut PodWork,
        object: &Object,
        pod: &PodBody,
        now: Time,
        out: &mut NodeOutputs,
    ) -> Option<Time> {
        let held_until = work.transient.as_ref().and_then(|transient| transient.hold_until);
        if held_until.is_some_and(|until| until > now) && work.is_hurrying() {
            return held_until;
        }
        let (held, pressures) = (Held::default(), self.pressures());
        let view = View { object: Some(object), work, config: &self.config, snapshot, held, pressures, now };
        let state = status::pod_state(&view, pod, object.meta.generation);
        if state == pod.state {
            return None;
        }
        let finishing = out.writes.iter().any(|write| *write == PodWrite::Finish { uid: object.meta.uid });
        if finishing && pod.is_finished() {
            // It was said already how its containers ended.
            return None;
        }
        if (work.is_hurrying() || work.is_stopping()) && status::can_wait(&pod.state, &state) {
            let until = held_until.unwrap_or(now + events::SHOWN_AFTER);
            if until > now {
                work.transient();
                return Some(until);
            }
        }
        let at =
            out.writes.iter().rposition(|write| matches!(write, PodWrite::Finish { uid } if *uid == object.meta.uid));
        let write = PodWrite::Status { uid: object.meta.uid, at: object.meta.revision, state: Box::new(state) };
        out.writes.insert(at.unwrap_or(out.writes.len()), write);
        None
    }

    fn mark_users_of_inputs(&mut self) {
        for (kind, key) in std::mem::take(&mut self.changed_inputs) {
            for (uid, work) in &mut self.pods {
                if work.identity.namespace == key.namespace && super::inputs::uses(&work.spec, kind, &key.name) {
                    work.inputs_changed();
                    self.dirty.insert(*uid);
                }
            }
        }
    }
}

/// Begins to look after a pod; `None` when there is nothing to look after.
fn take_up(object: &Object, now: Time) -> Option<Box<PodWork>> {
    let pod = object.pod()?;
    if pod.is_finished() && !object.meta.is_deleting() {
        return None;
    }
    let mut work = Box::new(PodWork::new(identity_of(object), Arc::clone(&pod.spec), now));
    work.recall(&pod.state, now);
    Some(work)
}

fn identity_of(object: &Object) -> PodIdentity {
    PodIdentity {
        uid: object.meta.uid,
        namespace: Arc::clone(&object.meta.namespace),
        name: Arc::clone(&object.meta.name),
    }
}

impl PodWork {
    /// Takes in what the store says now.
    fn take_in(&mut self, object: Option<&Object>) {
        let Some(pod) = object.and_then(Object::pod) else {
            self.stage = Stage::Gone;
            return;
        };
        self.take_note_of_claim(&pod.state);
        if self.spec_is(&pod.spec) {
            self.fit_slots();
            self.hold();
            self.forget_failures();
        }
    }
}
