//! The loop: take a key, observe, decide, commit, and say when to look again.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use super::controller::{Controller, Keys};
use super::plan::{Action, Plan};
use super::queue::Queue;
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind::KindId;
use crate::store::{Author, Change, CommitError, Snapshot, Store};
use crate::time::Time;

/// Whether a controller works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerMode {
    /// It works.
    #[default]
    On,
    /// It hears of changes and does nothing until it is on again.
    Paused,
    /// It is not there: it hears of nothing.
    Off,
}

/// What a controller has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControllerMetrics {
    /// Keys looked at.
    pub reconciles: u64,
    /// Plans that wrote something.
    pub commits: u64,
    /// Actions committed.
    pub actions: u64,
    /// Plans that met a changed object and were made anew.
    pub conflicts: u64,
    /// Plans that the store refused.
    pub refusals: u64,
    /// Keys waiting now.
    pub queued: usize,
}

/// What a turn came to.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There was no key to look at.
    Idle,
    /// One was looked at.
    Done,
    /// The same, and these writes of it are to be shown to webhooks before they are made. The key is not looked at until it
    /// is known what came of them.
    Refers(Uid, Vec<Action>),
}

/// A controller's loop, whatever the controller.
pub(crate) trait AnyLoop: fmt::Debug + Send {
    fn name(&self) -> &'static str;
    fn mode(&self) -> ControllerMode;
    fn set_mode(&mut self, mode: ControllerMode);
    /// Whether changes of objects of this kind can concern it.
    fn watches(&self, kind: KindId) -> bool;
    /// Puts the keys that a change concerns into the queue.
    fn route(&mut self, change: &Change, snapshot: &Snapshot, now: Time);
    /// Looks at one key.
    fn turn(&mut self, store: &mut Store, now: Time) -> Turn;
    /// What came of the writes of a key that webhooks wanted to see.
    fn referred(&mut self, store: &mut Store, key: Uid, result: Result<(), ApiError>, now: Time);
    fn has_work(&self, now: Time) -> bool;
    fn next_wake(&self) -> Option<Time>;
    fn metrics(&self) -> ControllerMetrics;
    /// Why this key is not done, as of its last turn.
    fn waiting_on(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<String>;
    /// What the controller would do for this key now.
    fn plan(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<Plan>;
    /// Whether it would write something for this key, and nothing will make it look.
    fn forgets(&self, snapshot: &Snapshot, key: Uid, now: Time) -> bool;
}

pub(crate) struct Loop<C> {
    queue: Queue,
    /// Keys whose writes webhooks are looking at.
    away: BTreeSet<Uid>,
    mode: ControllerMode,
    metrics: ControllerMetrics,
    controller: PhantomData<fn() -> C>,
}

impl<C: Controller> Loop<C> {
    pub(crate) fn boxed() -> Box<dyn AnyLoop> {
        Box::new(Self {
            queue: Queue::default(),
            away: BTreeSet::new(),
            mode: ControllerMode::On,
            metrics: ControllerMetrics::default(),
            controller: PhantomData,
        })
    }

    fn commit(store: &mut Store, actions: Vec<Action>, now: Time) -> Result<(), CommitError> {
        match actions.is_empty() {
            true => Ok(()),
            false => store.by(Author::Controller(C::NAME), Value::Null, |store| store.commit(actions, now)).0,
        }
    }

    /// Writes down that an action was refused.
    fn report(&mut self, store: &mut Store, key: Uid, error: &ApiError, now: Time) {
        let observed = C::observe(store.snapshot(), key);
        let report = observed.map(|observed| C::refused(&observed, error, now).actions).unwrap_or_default();
        let report = store.in_parts(report);
        if Self::commit(store, report, now).is_err() {
            self.queue.add_after_failure(key, now, C::RETRY);
        }
    }

    /// The table of outcomes: what a turn's result means for the key.
    fn settle(&mut self, key: Uid, plan: &Plan, result: Result<(), CommitError>, now: Time) -> Option<CommitError> {
        match result {
            Ok(()) => {
                self.queue.forget_failures(key);
                if plan.more {
                    self.queue.add(key);
                }
                if let Some(at) = plan.wake_at {
                    self.queue.add_at(key, at);
                }
                None
            }
            Err(CommitError::Conflict { .. }) => {
                self.metrics.conflicts += 1;
                self.queue.add(key);
                None
            }
            Err(refused @ CommitError::Refused { .. }) => {
                self.metrics.refusals += 1;
                self.queue.add_after_failure(key, now, C::RETRY);
                Some(refused)
            }
        }
    }
}

impl<C: Controller> AnyLoop for Loop<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn mode(&self) -> ControllerMode {
        self.mode
    }

    fn set_mode(&mut self, mode: ControllerMode) {
        self.mode = mode;
    }

    fn watches(&self, kind: KindId) -> bool {
        C::WATCHED.iter().any(|watched| watched.kind.is_none_or(|watched| watched == kind))
    }

    fn route(&mut self, change: &Change, snapshot: &Snapshot, now: Time) {
        if self.mode == ControllerMode::Off {
            return;
        }
        let mut keys = Keys::new();
        let kind = change.object.meta.kind;
        for watched in C::WATCHED.iter().filter(|watched| watched.kind.is_none_or(|wanted| wanted == kind)) {
            (watched.keys)(change, snapshot, &mut keys);
            for key in keys.drain(..) {
                if watched.after.is_zero() {
                    self.queue.add(key);
                } else {
                    self.queue.add_at(key, now + watched.after);
                }
            }
        }
    }

    fn turn(&mut self, store: &mut Store, now: Time) -> Turn {
        if self.mode != ControllerMode::On {
            return Turn::Idle;
        }
        let Some(key) = self.queue.pop(now) else { return Turn::Idle };
        if self.away.contains(&key) {
            // It is looked at when it is back.
            return Turn::Done;
        }
        self.metrics.reconciles += 1;
        let Some(observed) = C::observe(store.snapshot(), key) else {
            self.queue.forget_failures(key);
            return Turn::Done;
        };
        let mut plan = C::decide(&observed, now);
        drop(observed);
        let mut actions = store.in_parts(std::mem::take(&mut plan.actions));
        let referred = store.take_referred(&mut actions, &Author::Controller(C::NAME));
        if !actions.is_empty() || !referred.is_empty() {
            self.metrics.commits += 1;
            self.metrics.actions += (actions.len() + referred.len()) as u64;
        }
        let result = Self::commit(store, actions, now);
        let is_done = result.is_ok();
        if let Some(CommitError::Refused { error }) = self.settle(key, &plan, result, now) {
            self.report(store, key, &error, now);
        }
        if referred.is_empty() || !is_done {
            return Turn::Done;
        }
        self.away.insert(key);
        Turn::Refers(key, referred)
    }

    fn referred(&mut self, store: &mut Store, key: Uid, result: Result<(), ApiError>, now: Time) {
        self.away.remove(&key);
        match result {
            // There may be more to do: the plan may have been cut short.
            Ok(()) => {
                self.queue.forget_failures(key);
                self.queue.add(key);
            }
            Err(error) if error.is_conflict() => {
                self.metrics.conflicts += 1;
                self.queue.add(key);
            }
            // Most often somebody else was faster to delete it.
            Err(error) if error.is_not_found() => self.queue.add_after_failure(key, now, C::RETRY),
            Err(error) => {
                self.metrics.refusals += 1;
                self.queue.add_after_failure(key, now, C::RETRY);
                self.report(store, key, &error, now);
            }
        }
    }

    fn has_work(&self, now: Time) -> bool {
        self.mode == ControllerMode::On && self.queue.has_work(now)
    }

    fn next_wake(&self) -> Option<Time> {
        if self.mode == ControllerMode::On { self.queue.next_wake() } else { None }
    }

    fn metrics(&self) -> ControllerMetrics {
        ControllerMetrics { queued: self.queue.len(), ..self.metrics }
    }

    fn waiting_on(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<String> {
        self.plan(snapshot, key, now).and_then(|plan| plan.waiting_on).map(|waiting| waiting.0)
    }

    fn plan(&self, snapshot: &Snapshot, key: Uid, now: Time) -> Option<Plan> {
        C::observe(snapshot, key).map(|observed| C::decide(&observed, now))
    }

    fn forgets(&self, snapshot: &Snapshot, key: Uid, now: Time) -> bool {
        self.mode == ControllerMode::On
            && !self.queue.holds(key)
            && !self.away.contains(&key)
            && self.plan(snapshot, key, now).is_some_and(|plan| plan.changes_something() && !C::can_wait(&plan))
    }
}

impl<C: Controller> fmt::Debug for Loop<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("name", &C::NAME).field("mode", &self.mode).field("queue", &self.queue).finish()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::control::{MetaEdit, Target, Watched};
    use crate::object::kind;
    use crate::store::{Draft, Object, WriteOptions};

    /// Wants a label on every ConfigMap, and watches nothing.
    #[derive(Debug)]
    struct Deaf;

    impl Controller for Deaf {
        type Observed<'w> = &'w std::sync::Arc<Object>;
        const NAME: &'static str = "deaf-controller";
        const WATCHED: &'static [Watched] = &[];

        fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Self::Observed<'w>> {
            snapshot.get(key).filter(|object| object.meta.kind == kind::CONFIG_MAP)
        }

        fn decide(object: &Self::Observed<'_>, _: Time) -> Plan {
            let mut plan = Plan::nothing();
            if object.meta.labels.is_empty() {
                let edit = MetaEdit { labels: vec![("seen".into(), Some("yes".into()))], ..MetaEdit::default() };
                plan.push(Action::EditMeta { target: Target::seen(object), edit });
            }
            plan
        }
    }

    #[test]
    fn a_key_with_something_to_do_that_nobody_routed_is_forgotten_until_it_is_looked_at() {
        let (mut store, now) = (Store::new(0), Time::EPOCH);
        store.found(now);
        let mut map = ConfigMap::default();
        map.metadata.name = Some("one".to_owned());
        let key = store.create_with(Draft::of(map), WriteOptions::default(), now).expect("created").meta.uid;
        let mut deaf = Loop::<Deaf> {
            queue: Queue::default(),
            away: BTreeSet::new(),
            mode: ControllerMode::On,
            metrics: ControllerMetrics::default(),
            controller: PhantomData,
        };
        for change in store.take_changes() {
            deaf.route(&change, store.snapshot(), now);
        }
        assert!(matches!(deaf.turn(&mut store, now), Turn::Idle), "it has heard of nothing");
        assert!(deaf.forgets(store.snapshot(), key, now));
        deaf.queue.add(key);
        assert!(!deaf.forgets(store.snapshot(), key, now), "it will look");
        assert!(matches!(deaf.turn(&mut store, now), Turn::Done));
        assert!(!deaf.forgets(store.snapshot(), key, now), "there is nothing to do any more");
    }
}
