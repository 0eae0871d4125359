//! What holds of controllers in every world, tried in random ones: no kernel, no scheduler, no agents, only a store,
//! the controllers, people who edit and a kubelet who reports.
//!
//! The laws of every decision:
//! - asked twice, a controller decides the same;
//! - it looks again in the future, never now;
//! - it writes only its own object, what that owns, and what it may adopt;
//! - the numbered invariants hold after every single action, also where the plan is cut short after it.
//!
//! A world has a hostile phase, in which plans are cut short at random and everything fails, and a calm one, after which
//! no controller has anything to do and all is as declared. A key is looked at only when what it watches changed, when
//! its time has come, or when its plan was cut short: a forgotten wake-up shows.

mod autoscaled;
mod budgets;
mod cron_jobs;
mod jobs;
mod kubelet;
mod rollouts;
mod sets;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::control::{Action, Controller, Keys, Plan, Target};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::invariants::{self, Step};
use crate::object::kind::{self, KindId};
use crate::object::patch::Patch;
use crate::store::{Change, CommitError, Meta, Object, Part, Snapshot, Store, WriteOptions};
use crate::time::Time;

/// Rounds within which a calm world must come to rest.
const CALM_ROUNDS: usize = 400;
/// How far a calm world's clock is moved to reach what time will bring.
const CALM_JUMPS: usize = 200;

/// A controller, whichever.
pub(super) trait Subject: fmt::Debug {
    fn name(&self) -> &'static str;
    fn keys(&self, change: &Change, snapshot: &Snapshot) -> Vec<(Duration, Uid)>;
    fn decide(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<Plan>;
}

#[derive(Debug)]
struct Of<C>(PhantomData<fn() -> C>);

/// This controller as a subject.
pub(super) fn subject<C: Controller + fmt::Debug>() -> Box<dyn Subject> {
    Box::new(Of::<C>(PhantomData))
}

impl<C: Controller + fmt::Debug> Subject for Of<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn keys(&self, change: &Change, snapshot: &Snapshot) -> Vec<(Duration, Uid)> {
        let mut found = Vec::new();
        let kind = change.object.meta.kind;
        for watched in C::WATCHED.iter().filter(|watched| watched.kind.is_none_or(|wanted| wanted == kind)) {
            let mut keys = Keys::new();
            (watched.keys)(change, snapshot, &mut keys);
            found.extend(keys.into_iter().map(|key| (watched.after, key)));
        }
        found
    }

    fn decide(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<Plan> {
        let observed = C::observe(snapshot, key)?;
        let plan = C::decide(&observed, now);
        let again = C::decide(&observed, now);
        assert_eq!(format!("{plan:?}"), format!("{again:?}"), "{} asked twice", C::NAME);
        Some(plan)
    }
}

/// What is tried: who lives in the world, what happens in it, and what must be so in the end.
pub(super) trait Scenario {
    /// The controllers.
    fn subjects(&self) -> Vec<Box<dyn Subject>>;
    /// Makes the first objects.
    fn begin(&self, world: &mut World);
    /// Somebody edits something.
    fn people(&self, world: &mut World);
    /// A pod makes progress, or an accident happens to it.
    fn kubelet(&self, world: &mut World);
    /// All pods make all the progress they can. Says whether anything changed.
    fn calm_kubelet(&self, world: &mut World) -> bool;
    /// What must be so beside the invariants after an action of a controller: `before` is the world before it.
    fn judge(&self, action: &Action, before: &Snapshot, after: &Snapshot) -> Result<(), String>;
    /// What is not as declared when all is calm.
    fn missing(&self, snapshot: &Snapshot) -> Option<String>;
}

/// A world under way.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) now: Time,
    dice: ChaCha8Rng,
    subjects: Vec<Box<dyn Subject>>,
    queue: BTreeSet<(usize, Uid)>,
    timers: BTreeSet<(Time, usize, Uid)>,
    /// What will be looked at a while after a change.
    gathered: BTreeSet<(usize, Uid)>,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64, subjects: Vec<Box<dyn Subject>>) -> Self {
        let mut world = Self {
            store: Store::new(seed),
            now: Time::from_secs(1_800_000_000),
            dice: ChaCha8Rng::seed_from_u64(seed),
            subjects,
            queue: BTreeSet::new(),
            timers: BTreeSet::new(),
            gathered: BTreeSet::new(),
            log: Vec::new(),
        };
        world.store.found(world.now);
        world.route();
        world
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.dice.next_u32() % sides
    }

    /// One of these.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(u32::try_from(from.len()).expect("few")) as usize].clone()
    }

    /// Writes as a client or a kubelet would; what is refused is no matter.
    pub(super) fn write(&mut self, what: impl Into<String>, write: impl FnOnce(&mut Store, Time)) {
        self.log.push(format!("{} {}", self.now, what.into()));
        write(&mut self.store, self.now);
        self.route();
    }

    /// The objects of a kind in the namespace `default`.
    pub(super) fn objects(&self, kind: KindId) -> Vec<std::sync::Arc<Object>> {
        self.store.snapshot().list_in(kind, "default").cloned().collect()
    }

    fn route(&mut self) {
        for change in self.store.take_changes() {
            for (index, subject) in self.subjects.iter().enumerate() {
                for (after, key) in subject.keys(&change, self.store.snapshot()) {
                    if after.is_zero() {
                        self.queue.insert((index, key));
                    } else {
                        self.timers.insert((self.now + after, index, key));
                        self.gathered.insert((index, key));
                    }
                }
            }
        }
    }

    fn wake(&mut self) {
        while let Some((at, index, key)) = self.timers.first().copied().filter(|(at, ..)| *at <= self.now) {
            self.timers.remove(&(at, index, key));
            self.gathered.remove(&(index, key));
            self.queue.insert((index, key));
        }
    }

    /// One controller looks at one key; its plan is cut short after `most` actions.
    fn turn(&mut self, scenario: &dyn Scenario, most: usize) -> Result<bool, String> {
        let Some((index, key)) = self.pick_key() else { return Ok(false) };
        let Some(plan) = self.subjects[index].decide(self.store.snapshot(), key, self.now) else { return Ok(true) };
        let name = self.subjects[index].name();
        if let Some(at) = plan.wake_at {
            if at <= self.now {
                return Err(format!("{name} wants to look again at {at}, and it is {}", self.now));
            }
            self.timers.insert((at, index, key));
        }
        let cut = plan.actions.len() > most;
        if cut || plan.more {
            self.queue.insert((index, key));
        }
        let mut written = BTreeSet::new();
        for mut action in plan.actions.into_iter().take(most) {
            // The versions are those before the plan: what it has written itself is no surprise to it.
            if let Some(target) = target_of(&mut action)
                && !written.insert(target.uid)
            {
                target.seen = None;
            }
            if let Some(stranger) = stranger(&action, key, self.store.snapshot()) {
                return Err(format!("{name} writes {stranger}, which is not its own"));
            }
            self.log.push(format!("{} {name}: {}", self.now, brief(&action)));
            match self.act(scenario, action)? {
                Ok(()) => {}
                // Its object has changed by an action before, or admission said no: it looks again.
                Err(CommitError::Conflict { .. }) => {
                    self.queue.insert((index, key));
                    break;
                }
                Err(CommitError::Refused { error }) => return Err(format!("{name} was refused: {error}")),
            }
        }
        self.store.snapshot().check_indexes()?;
        Ok(true)
    }

    fn pick_key(&mut self) -> Option<(usize, Uid)> {
        let waiting = u32::try_from(self.queue.len()).ok().filter(|count| *count > 0)?;
        let place = self.roll(waiting) as usize;
        let found = self.queue.iter().nth(place).copied()?;
        self.queue.remove(&found);
        Some(found)
    }

    /// Commits one action, and looks at what it did.
    fn act(&mut self, scenario: &dyn Scenario, action: Action) -> Result<Result<(), CommitError>, String> {
        let before = self.store.snapshot().clone();
        let done = self.store.commit(vec![action.clone()], self.now);
        let changes = self.store.take_changes();
        let step = Step { before: before.revision(), changes: &changes, snapshot: self.store.snapshot() };
        invariants::check_step(&step).map_err(|violation| violation.to_string())?;
        scenario.judge(&action, &before, self.store.snapshot())?;
        for change in changes {
            for (index, subject) in self.subjects.iter().enumerate() {
                for (_, key) in subject.keys(&change, self.store.snapshot()) {
                    self.queue.insert((index, key));
                }
            }
        }
        Ok(done)
    }

    /// Whether any controller would write something about any object, though nothing makes it look.
    fn forgotten(&self) -> Option<String> {
        let snapshot = self.store.snapshot();
        let objects = snapshot.kinds().flat_map(|kind| snapshot.list(kind));
        for object in objects {
            for (index, subject) in self.subjects.iter().enumerate() {
                if self.gathered.contains(&(index, object.meta.uid)) {
                    continue;
                }
                let plan = subject.decide(snapshot, object.meta.uid, self.now);
                let plan = plan.filter(Plan::changes_something);
                if let Some(action) = plan.and_then(|plan| plan.actions.into_iter().next()) {
                    return Some(format!("{} has forgotten {}: {action:?}", subject.name(), object.meta.path()));
                }
            }
        }
        None
    }
}

/// Edits the spec of an object, as a person does; what is refused changes nothing.
pub(super) fn patch(world: &mut World, kind: KindId, name: &str, spec: &serde_json::Value) {
    let change = Patch::Strategic(serde_json::json!({"spec": spec}));
    world.write(format!("edit {spec}"), |store, now| {
        let apply = |mut value| {
            change.apply(kind, &mut value).map_err(ApiError::internal)?;
            Ok(value)
        };
        let _ = store.edit(kind, ("default", name), Part::Main, WriteOptions::default(), now, apply);
    });
}

/// The object that an action writes, when there is one already.
fn target_of(action: &mut Action) -> Option<&mut Target> {
    match action {
        Action::Update { target, .. }
        | Action::UpdateStatus { target, .. }
        | Action::UpdatePodState { target, .. }
        | Action::Bind { target, .. }
        | Action::EditMeta { target, .. }
        | Action::Delete { target, .. }
        | Action::Scale { target, .. } => Some(target),
        Action::Create { .. }
        | Action::CreateWithStatus { .. }
        | Action::Remember { .. }
        | Action::Notice { .. }
        | Action::BackOff { .. }
        | Action::Emit(_) => None,
    }
}

/// What an action writes though it belongs to somebody else.
fn stranger(action: &Action, key: Uid, snapshot: &Snapshot) -> Option<String> {
    if let Action::Create { draft, .. } = action {
        let owned = is_claim_of_set(&draft.meta, key, snapshot)
            || draft.meta.owners.iter().any(|owner| owner.uid == key.to_string());
        return (!owned).then(|| format!("a new {}", draft.meta.path()));
    }
    let target = *target_of(&mut action.clone())?;
    let object = snapshot.get(target.uid)?;
    if let Action::Scale { .. } = action {
        let autoscaler = snapshot.get(key).and_then(|object| object.typed::<HorizontalPodAutoscaler>());
        let named = autoscaler.is_some_and(|autoscaler| autoscaler.spec.scale_target_ref.name == *object.meta.name);
        return (!named).then(|| object.meta.path());
    }
    let own = object.meta.uid == key
        || is_claim_of_set(&object.meta, key, snapshot)
        || object.meta.owners.iter().any(|owner| owner.uid == key.to_string());
    let adopts = object.meta.controller().is_none() && matches!(action, Action::EditMeta { .. });
    (!own && !adopts).then(|| object.meta.path())
}

/// The claims of a StatefulSet outlive it: they are its own by their names.
fn is_claim_of_set(meta: &Meta, key: Uid, snapshot: &Snapshot) -> bool {
    let set = snapshot.get(key).filter(|set| set.meta.kind == kind::STATEFUL_SET);
    meta.kind == kind::PERSISTENT_VOLUME_CLAIM
        && set.is_some_and(|set| meta.name.contains(&format!("-{}-", set.meta.name)))
}

fn brief(action: &Action) -> String {
    let mut text = format!("{action:?}");
    text.truncate(text.char_indices().nth(160).map_or(text.len(), |(place, _)| place));
    text
}

/// Lives through worlds from one seed on.
pub(super) fn hold(scenario: &dyn Scenario, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut world = World::new(seed, scenario.subjects());
        if let Err(problem) = live(scenario, &mut world) {
            let log = world.log.iter().rev().take(30).rev().cloned().collect::<Vec<_>>().join("\n  ");
            panic!("seed {seed}: {problem}\n  {log}");
        }
    }
}

fn live(scenario: &dyn Scenario, world: &mut World) -> Result<(), String> {
    scenario.begin(world);
    for _ in 0..40 {
        match world.roll(8) {
            0 => scenario.people(world),
            1 | 2 => scenario.kubelet(world),
            3 => world.now = world.now + Duration::from_millis(u64::from(world.roll(20_000))),
            _ => {
                let most = if world.roll(3) == 0 { world.roll(4) as usize } else { usize::MAX };
                world.turn(scenario, most)?;
            }
        }
        world.wake();
    }
    for _ in 0..CALM_JUMPS {
        let mut rounds = 0;
        while world.turn(scenario, usize::MAX)? || scenario.calm_kubelet(world) {
            rounds += 1;
            if rounds > CALM_ROUNDS {
                return Err("it does not come to rest".to_owned());
            }
        }
        if let Some(forgotten) = world.forgotten() {
            return Err(forgotten);
        }
        let Some((at, ..)) = world.timers.first().copied() else { break };
        world.now = world.now.max(at);
        world.wake();
    }
    scenario.missing(world.store.snapshot()).map_or(Ok(()), Err)
}
