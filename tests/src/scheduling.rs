//! A store and a scheduler, without the rest of the cluster: decisions are committed as the kernel does.

use std::sync::Arc;
use std::time::Duration;

use inboard::ids::{NodeName, Uid};
use inboard::k8s_openapi::api::scheduling::v1::PriorityClass;
use inboard::object::kind::{self, KindId};
use inboard::scheduler::{Decision, Scheduler, SchedulerConfig};
use inboard::store::{Object, Part, Store, WriteOptions};
use inboard::time::Time;
use serde_json::{Value, json};

/// A store and a scheduler.
#[derive(Debug)]
pub struct Scheduling {
    /// The store.
    pub store: Store,
    /// The scheduler.
    pub scheduler: Scheduler,
    /// Now; moves only by [`Scheduling::advance`].
    pub now: Time,
    /// All decisions so far.
    pub decisions: Vec<Decision>,
}

impl Scheduling {
    /// An empty cluster with the namespaces `default` and `test`.
    pub fn new(seed: u64) -> Self {
        Self::with(SchedulerConfig { seed, ..SchedulerConfig::default() })
    }

    /// The same, with a scheduler of this configuration.
    pub fn with(config: SchedulerConfig) -> Self {
        let now = Time::from_secs(1_800_000_000);
        let store = Store::new(config.seed);
        let mut this = Self { store, scheduler: Scheduler::new(config), now, decisions: Vec::new() };
        for name in ["default", "test"] {
            this.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        this
    }

    /// Creates an object, its status included. A node has just the taints that it is given, and the one that a cordoned
    /// node has: nobody is there to take away the one that a new node starts with. A pod gets the priority of its class, as admission gives it.
    ///
    /// # Panics
    /// When the object is refused.
    pub fn create(&mut self, mut value: Value) -> Arc<Object> {
        let kind = self.kind_of(&value);
        if kind == kind::POD {
            self.set_priority(&mut value);
        }
        let draft = self.store.decode(kind, value.clone()).expect("the object decodes");
        let created = self.store.create_with(draft, WriteOptions::default(), self.now).expect("the object is admitted");
        let created = match value.get("status").cloned() {
            Some(status) => self.edit(kind, &created, Part::Status, |value| value["status"] = status),
            None => created,
        };
        if kind == kind::NODE {
            self.edit(kind, &created, Part::Main, |node| node["spec"]["taints"] = taints_of(&value));
        }
        self.pass_on();
        created
    }

    fn edit(&mut self, kind: KindId, object: &Object, part: Part, change: impl FnOnce(&mut Value)) -> Arc<Object> {
        let path = (&*object.meta.namespace, &*object.meta.name);
        let changed = |mut value: Value| {
            change(&mut value);
            Ok(value)
        };
        self.store.edit(kind, path, part, WriteOptions::default(), self.now, changed).expect("the change is admitted")
    }

    /// Changes an object by its JSON and tells the scheduler.
    ///
    /// # Panics
    /// When there is none, or when the change is refused.
    pub fn edit_named(
        &mut self,
        kind: KindId,
        namespace: &str,
        name: &str,
        part: Part,
        change: impl FnOnce(&mut Value),
    ) {
        let object = self.store.snapshot().find(kind, namespace, name).cloned().expect("the object is there");
        self.edit(kind, &object, part, change);
        self.pass_on();
    }

    fn kind_of(&self, value: &Value) -> KindId {
        let text = |key: &str| value[key].as_str().expect("the object names its kind");
        let info = self.store.kinds().by_api_version(text("apiVersion"), text("kind"));
        info.expect("the kind is known").id
    }

    fn set_priority(&self, pod: &mut Value) {
        let Some(class) = pod["spec"]["priorityClassName"].as_str() else { return };
        let found = self.store.snapshot().find(KindId::of::<PriorityClass>(), "", class);
        let value = found.and_then(|object| object.typed::<PriorityClass>()).and_then(|class| class.value).unwrap_or(0);
        pod["spec"]["priority"] = value.into();
    }

    /// Deletes an object at once.
    ///
    /// # Panics
    /// When there is none.
    pub fn delete(&mut self, kind: KindId, namespace: &str, name: &str) {
        let options = inboard::store::DeleteOptions { grace_seconds: Some(0), ..Default::default() };
        self.store.delete(kind, namespace, name, options, self.now).expect("the object is there");
        self.pass_on();
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    /// Tells the scheduler of what changed.
    pub fn pass_on(&mut self) {
        for change in self.store.take_changes() {
            self.scheduler.changed(change.before.as_ref(), change.after(), self.now);
        }
    }

    /// Schedules until there is nothing more to do.
    ///
    /// # Panics
    /// When that takes more than 100,000 tries.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.scheduler.has_work(self.now) {
                return;
            }
            self.step(1);
        }
        panic!("the scheduler does not come to rest");
    }

    /// Tries so many pods and commits what was decided.
    pub fn step(&mut self, budget: usize) {
        let mut decisions = Vec::new();
        self.scheduler.step(&self.store.snapshot().clone(), self.now, budget, &mut decisions);
        for decision in decisions {
            self.decisions.push(decision.clone());
            let bound = match &decision {
                Decision::Bind { pod, .. } => Some(*pod),
                Decision::Unschedulable { .. }
                | Decision::Failed { .. }
                | Decision::Allocate { .. }
                | Decision::SelectNode { .. }
                | Decision::Reserve { .. }
                | Decision::Expect { .. }
                | Decision::Deallocate { .. }
                | Decision::Preempt { .. }
                | Decision::Unnominate { .. } => None,
            };
            let actions = decision.into_actions(self.store.snapshot(), self.now);
            let committed = self.store.commit(actions, self.now);
            if let (Err(_), Some(pod)) = (committed, bound) {
                self.scheduler.refused(pod, self.now);
            }
        }
        self.pass_on();
    }

    /// The pod as it is now.
    pub fn pod(&self, uid: Uid) -> Option<&Arc<Object>> {
        self.store.snapshot().get(uid)
    }

    /// The node of a pod.
    pub fn node_of(&self, uid: Uid) -> Option<NodeName> {
        self.pod(uid)?.pod()?.node.clone()
    }
}

fn taints_of(node: &Value) -> Value {
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    if node["spec"]["unschedulable"] == true {
        taints.push(json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}));
    }
    taints.into()
}
