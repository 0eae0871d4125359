//! What budgets allow, as tables: workloads and their pods in, a status out; and what becomes of evictions.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use super::{DisruptionController, PodDisruptionController};
use crate::control::{Action, Controller, Plan, Target};
use crate::error::{ApiError, Reason};
use crate::ids::{NodeName, Uid};
use crate::object::kind::{self, KindId, KindInfo};
use crate::store::{
    ConditionKind, ConditionStatus, DeleteOptions, Draft, Expect, Object, PodCondition, PodPhase, Store, Why,
    WriteOptions,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
    now: Time,
}

impl World {
    /// With two kinds of somebody's own: a Gadget has a scale, a Widget has none.
    fn new() -> Self {
        let mut world = Self { store: Store::new(7), now: NOW };
        world.store.found(NOW);
        for (name, subresource) in [("Gadget", "scale"), ("Widget", "status")] {
            let mut info = KindInfo::custom::<Pod>().subresource(subresource);
            (info.group, info.kind) = ("example.com".into(), name.into());
            info.plural = format!("{}s", name.to_lowercase()).into();
            info.singular = name.to_lowercase().into();
            world.store.add_kind(info).expect("a kind of one's own");
        }
        world.create(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}));
        world
    }

    fn create(&mut self, mut object: Value) -> Arc<Object> {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let info = self.store.kinds().by_api_version(text("apiVersion"), text("kind")).expect("a kind").clone();
        if info.is_namespaced() {
            object["metadata"]["namespace"] = json!("default");
        }
        let draft = match info.codec {
            Some(codec) => Draft::typed(codec.decode(&object).expect("an object").object),
            None => Draft::custom(info.id, object).expect("an object"),
        };
        self.store.create_with(draft, WriteOptions::default(), self.now).expect("it is admitted")
    }

    fn budget(&mut self, spec: &Value) -> Uid {
        let mut spec = spec.clone();
        if spec.get("selector").is_none() {
            spec["selector"] = json!({"matchLabels": {"app": "x"}});
        }
        let body = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "guard"}, "spec": spec});
        self.create(body).meta.uid
    }

    /// `ReplicaSet/web=7`, or `ReplicaSet/web-1=3<Deployment/web` for one that is owned.
    fn workload(&mut self, text: &str) {
        let (text, owner) = text.split_once('<').unwrap_or((text, "-"));
        let (name, replicas) = text.split_once('=').expect("replicas");
        let (kind, name) = name.split_once('/').expect("kind and name");
        let container = json!({"name": "c", "image": "i"});
        let mut labels = json!({"matchLabels": {"app": "x"}});
        if kind == "ReplicationController" {
            labels = json!({"app": "x"});
        }
        let replicas: i32 = replicas.parse().expect("a number");
        let spec = json!({"replicas": replicas, "selector": labels,
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}});
        let meta = json!({"name": name, "ownerReferences": self.owners(owner)});
        self.create(json!({"apiVersion": api_version(kind), "kind": kind, "metadata": meta, "spec": spec}));
    }

    /// The owner that controls something: `-` for none, an object that exists or does not.
    fn owners(&self, owner: &str) -> Value {
        let Some((kind, name)) = owner.split_once('/') else { return json!([]) };
        let info = self.store.kinds().by_api_version(api_version(kind), kind);
        let found = info.and_then(|info| self.store.snapshot().find(info.id, "default", name));
        let uid = found.map_or_else(|| "4c0ffee0-0000-4000-8000-000000000000".to_owned(), |it| it.meta.uid.to_string());
        json!([{"apiVersion": api_version(kind), "kind": kind, "name": name, "uid": uid, "controller": true}])
    }

    /// `a:ready b:unready c:going`, with this owner.
    fn pods(&mut self, owner: &str, pods: &str) {
        for word in pods.split_whitespace() {
            let (name, state) = word.split_once(':').expect("name and state");
            let meta = json!({"name": name, "labels": {"app": "x"}, "ownerReferences": self.owners(owner)});
            let spec = json!({"containers": [{"name": "c", "image": "i"}]});
            let pod = self.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}));
            let target = Target::any_version(pod.meta.uid);
            let mut next = pod.pod().expect("a pod").state.clone();
            next.phase = match state {
                "pending" => PodPhase::Pending,
                "failed" => PodPhase::Failed,
                _ => PodPhase::Running,
            };
            next.set_condition(condition(ConditionKind::Ready, matches!(state, "ready" | "going"), "", NOW));
            let bound = Action::Bind { target, node: NodeName::from("n") };
            self.commit(vec![bound, Action::UpdatePodState { target, state: Box::new(next) }]);
            if state == "going" {
                self.store.delete(kind::POD, "default", name, DeleteOptions::default(), self.now).expect("it is there");
            }
        }
    }

    fn commit(&mut self, actions: Vec<Action>) {
        self.store.commit(actions, self.now).expect("no conflict");
    }

    fn plan<C: Controller>(&self, key: Uid) -> Plan {
        let observed = C::observe(self.store.snapshot(), key).expect("it is there");
        C::decide(&observed, self.now)
    }

    /// Lets the controller look at the budget once.
    fn look(&mut self) {
        drop(self.look_and_tell());
    }

    fn look_and_tell(&mut self) -> Plan {
        let plan = self.plan::<DisruptionController>(self.object(kind::POD_DISRUPTION_BUDGET, "guard").meta.uid);
        self.commit(plan.actions.clone());
        plan
    }

    fn object(&self, kind: KindId, name: &str) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind, "default", name).expect("it is there"))
    }

    /// `2 of 3 healthy, 1 needed: 1 may go`, and who was evicted.
    fn status(&self) -> String {
        let object = self.object(kind::POD_DISRUPTION_BUDGET, "guard");
        let status = object.typed::<PodDisruptionBudget>().and_then(|budget| budget.status.clone()).unwrap_or_default();
        let number = |number: Option<i32>| number.unwrap_or(0);
        let evicted: Vec<&str> = status.disrupted_pods.iter().flatten().map(|(name, _)| name.as_str()).collect();
        let reason = status.conditions.iter().flatten().map(|condition| condition.reason.as_str()).collect::<String>();
        let text = format!(
            "{} of {} healthy, {} needed: {} may go ({reason})",
            number(status.current_healthy),
            number(status.expected_pods),
            number(status.desired_healthy),
            number(status.disruptions_allowed),
        );
        if evicted.is_empty() { text } else { format!("{text}, evicted {}", evicted.join(" ")) }
    }

    fn evict(&mut self, name: &str) -> Result<(), ApiError> {
        self.store.evict("default", name, DeleteOptions::default(), self.now)
    }

    /// What became of an eviction: the cause of a refusal.
    fn told(&mut self, name: &str) -> String {
        match self.evict(name) {
            Ok(()) => "goes".to_owned(),
            Err(error) => {
                let cause = error.causes().first().and_then(|cause| cause.message.clone());
                format!("{} {}", error.reason().code(), cause.unwrap_or_else(|| error.to_string()))
            }
        }
    }
}

fn api_version(kind: &str) -> &'static str {
    match kind {
        "ReplicationController" => "v1",
        "Gadget" | "Widget" | "Unheard" => "example.com/v1",
        _ => "apps/v1",
    }
}

fn condition(kind: ConditionKind, holds: bool, reason: &'static str, since: Time) -> PodCondition {
    let status = ConditionStatus::from(holds);
    PodCondition { kind, status, since: Some(since), observed_generation: 0, why: Why::new(reason, "") }
}

fn events(plan: &Plan) -> String {
    let reasons = plan.actions.iter().filter_map(|action| match action {
        Action::Emit(event) => Some(event.reason),
        _ => None,
    });
    reasons.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_budget_allows_what_is_healthy_above_what_must_be() {
    let none: &[(&str, &str)] = &[];
    let web: &[(&str, &str)] =
        &[("Deployment/web=4", ""), ("ReplicaSet/web-1=3<Deployment/web", "a:ready b:ready c:ready")];
    for (spec, world, status, said) in [
        // A number of pods that must be there asks nobody how many there should be.
        (json!({"minAvailable": 3}), none, "0 of 0 healthy, 3 needed: 0 may go (InsufficientPods)", "NoPods"),
        (json!({"minAvailable": 0}), none, "0 of 0 healthy, 0 needed: 0 may go (InsufficientPods)", "NoPods"),
        (
            json!({"minAvailable": 2}),
            &[("-", "a:ready b:ready c:ready")],
            "3 of 3 healthy, 2 needed: 1 may go (SufficientPods)",
            "",
        ),
        (
            json!({"minAvailable": 1}),
            &[("-", "a:ready b:unready c:going d:pending")],
            "1 of 4 healthy, 1 needed: 0 may go (InsufficientPods)",
            "",
        ),
        (
            json!({"minAvailable": 1, "selector": {}}),
            &[("-", "a:ready b:ready")],
            "2 of 2 healthy, 1 needed: 1 may go (SufficientPods)",
            "",
        ),
        (
            json!({"minAvailable": 1, "selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}),
            &[("-", "a:ready b:ready")],
            "2 of 2 healthy, 1 needed: 1 may go (SufficientPods)",
            "",
        ),
        // A share, and what may be missing, are of what the controllers want; shares are rounded up.
        (
            json!({"maxUnavailable": 2}),
            &[("ReplicaSet/web=7", "a:ready")],
            "1 of 7 healthy, 5 needed: 0 may go (InsufficientPods)",
            "",
        ),
        (
            json!({"maxUnavailable": "30%"}),
            &[("ReplicaSet/web=7", "a:ready b:ready c:ready d:ready e:ready")],
            "5 of 7 healthy, 4 needed: 1 may go (SufficientPods)",
            "",
        ),
        (
            json!({"maxUnavailable": 9}),
            &[("StatefulSet/web=2", "a:ready")],
            "1 of 2 healthy, 0 needed: 1 may go (SufficientPods)",
            "",
        ),
        (
            json!({"minAvailable": "34%"}),
            &[("ReplicationController/web=3", "a:ready b:ready c:ready")],
            "3 of 3 healthy, 2 needed: 1 may go (SufficientPods)",
            "",
        ),
        (json!({"maxUnavailable": 1}), web, "3 of 4 healthy, 3 needed: 0 may go (InsufficientPods)", ""),
        (
            json!({"minAvailable": "50%"}),
            &[("StatefulSet/a=2", "a:ready b:ready"), ("ReplicaSet/b=3", "c:ready d:ready")],
            "4 of 5 healthy, 3 needed: 1 may go (SufficientPods)",
            "",
        ),
        (
            json!({"maxUnavailable": 5}),
            &[("Gadget/g=10", "a:ready b:ready c:ready d:ready e:ready f:ready")],
            "6 of 10 healthy, 5 needed: 1 may go (SufficientPods)",
            "",
        ),
        // A set whose Deployment is gone speaks for itself.
        (
            json!({"maxUnavailable": 1}),
            &[("ReplicaSet/web-1=2<Deployment/gone", "a:ready b:ready")],
            "2 of 2 healthy, 1 needed: 1 may go (SufficientPods)",
            "",
        ),
        // Pods of nobody are not expected.
        (
            json!({"maxUnavailable": 1}),
            &[("-", "a:ready")],
            "1 of 0 healthy, 0 needed: 0 may go (InsufficientPods)",
            "UnmanagedPods",
        ),
        (
            json!({"minAvailable": "28%"}),
            &[("ReplicaSet/web=1", "a:ready"), ("-", "b:ready")],
            "2 of 1 healthy, 1 needed: 1 may go (SufficientPods)",
            "UnmanagedPods",
        ),
    ] {
        let mut set = World::new();
        set.budget(&spec);
        for (owner, pods) in world {
            if owner.contains('=') {
                set.workload(owner);
            }
            set.pods(owner.split('=').next().expect("an owner"), pods);
        }
        let plan = set.look_and_tell();
        assert_eq!((set.status().as_str(), events(&plan).as_str()), (status, said), "{spec} of {world:?}");
        assert!(!set.look_and_tell().changes_something(), "it settles: {spec} of {world:?}");
    }
}

#[test]
fn a_budget_that_cannot_be_worked_out_allows_nothing_and_says_why() {
    for (owner, why) in [
        ("ReplicaSet/gone", "found no controllers for pod \"b\""),
        ("DaemonSet/gone", "daemonsets.apps does not implement the scale subresource"),
        ("Widget/w", "widgets.example.com does not implement the scale subresource"),
        ("Unheard/u", "no matches for kind \"Unheard\" in version \"example.com/v1\""),
    ] {
        let mut world = World::new();
        world.budget(&json!({"maxUnavailable": 1}));
        world.workload("ReplicaSet/web=1");
        world.pods("ReplicaSet/web", "a:ready");
        world.look();
        let before = world.status();
        assert_eq!(before, "1 of 1 healthy, 0 needed: 1 may go (SufficientPods)");

        world.pods(owner, "b:ready");
        assert_eq!(events(&world.look_and_tell()), "CalculateExpectedPodCountFailed");
        assert_eq!(world.status(), "1 of 1 healthy, 0 needed: 0 may go (SyncFailed)", "{owner}");
        let refusal = format!(
            "429 The disruption budget guard does not allow evicting pods currently because it failed sync: {why}"
        );
        assert_eq!(world.told("a"), refusal, "{owner}");
        assert!(!world.look_and_tell().changes_something());
    }
}

#[test]
fn an_evicted_pod_counts_as_gone_until_it_is_or_two_minutes_are_over() {
    let mut world = World::new();
    let budget = world.budget(&json!({"minAvailable": 1}));
    world.pods("-", "a:ready b:ready c:ready");
    world.look();
    let object = world.store.snapshot().get(budget).expect("the budget").clone();
    let mut next = object.typed::<PodDisruptionBudget>().expect("a budget").clone();
    let evicted = next.status.get_or_insert_default().disrupted_pods.get_or_insert_default();
    evicted.insert("a".to_owned(), NOW.to_api());
    evicted.insert("not-there".to_owned(), NOW.to_api());
    world.commit(vec![Action::UpdateStatus { target: Target::seen(&object), object: Arc::new(next) }]);

    assert_eq!(world.look_and_tell().wake_at, Some(NOW + Duration::from_secs(120)));
    assert_eq!(world.status(), "2 of 3 healthy, 1 needed: 1 may go (SufficientPods), evicted a");
    world.now = NOW + Duration::from_secs(119);
    assert!(!world.look_and_tell().changes_something());
    world.now = NOW + Duration::from_secs(120);
    assert_eq!(events(&world.look_and_tell()), "NotDeleted");
    assert_eq!(world.status(), "3 of 3 healthy, 1 needed: 2 may go (SufficientPods)");
}

#[test]
fn evictions_take_from_the_budget_until_nothing_is_left() {
    let mut world = World::new();
    world.budget(&json!({"minAvailable": 1}));
    world.pods("-", "a:ready b:ready c:ready d:pending e:failed");
    let unseen = "429 The disruption budget guard is still being processed by the server.";
    assert_eq!(world.told("a"), unseen);
    assert_eq!(world.told("a"), unseen, "a refusal changes nothing");
    world.look();
    assert_eq!(world.status(), "3 of 5 healthy, 1 needed: 2 may go (SufficientPods)");

    assert_eq!(world.told("d"), "goes", "what has not begun is not missed");
    assert_eq!(world.told("e"), "goes", "what has ended neither");
    assert_eq!(world.told("a"), "goes");
    assert_eq!(world.told("a"), "goes", "it is going already");
    assert_eq!(world.told("b"), "goes");
    assert_eq!(world.status(), "3 of 5 healthy, 1 needed: 0 may go (InsufficientPods), evicted a b");
    assert_eq!(world.told("c"), "429 The disruption budget guard needs 1 healthy pods and has 3 currently");
    world.look();
    assert_eq!(world.status(), "1 of 4 healthy, 1 needed: 0 may go (InsufficientPods)");
    assert_eq!(world.told("c"), "429 The disruption budget guard needs 1 healthy pods and has 1 currently");
    assert_eq!(world.told("nobody"), "404 pods \"nobody\" not found");

    let pod = world.object(kind::POD, "a");
    let target = pod.pod().and_then(|pod| pod.state.condition(&ConditionKind::DisruptionTarget)).cloned();
    let why = target.and_then(|condition| condition.why).expect("a reason");
    assert_eq!((why.reason.as_str(), why.message.as_str()), ("EvictionByEvictionAPI", "Eviction API: evicting"));
}

#[test]
fn unhealthy_pods_go_by_the_policy_of_their_budget() {
    for (policy, needed, told) in [
        ("IfHealthyBudget", 1, "goes"),
        ("IfHealthyBudget", 2, "429 The disruption budget guard needs 2 healthy pods and has 1 currently"),
        ("AlwaysAllow", 2, "goes"),
    ] {
        let mut world = World::new();
        world.budget(&json!({"minAvailable": needed, "unhealthyPodEvictionPolicy": policy}));
        world.pods("-", "a:ready b:unready");
        world.look();
        let before = world.status();
        assert_eq!(world.told("b"), told, "{policy}, {needed} needed");
        assert_eq!(world.status(), before, "nothing is taken from the budget");
        assert_eq!(world.told("a").split(' ').next(), Some("429"), "the healthy one stays");
    }
}

#[test]
fn an_eviction_may_be_tried_and_may_expect_something() {
    let mut world = World::new();
    world.budget(&json!({"minAvailable": 1}));
    world.pods("-", "a:ready b:ready");
    world.look();
    let revision = world.store.snapshot().revision();
    let mut evict = |options: DeleteOptions| world.store.evict("default", "a", options, NOW);
    assert!(evict(DeleteOptions { dry_run: true, ..DeleteOptions::default() }).is_ok());

    let uid = Some("4c0ffee0-0000-4000-8000-000000000000".parse().expect("a uid"));
    let stranger = evict(DeleteOptions { expect: Expect { uid, revision: None }, ..DeleteOptions::default() });
    let error = stranger.expect_err("it is another pod");
    assert_eq!(error.reason(), Reason::Conflict);
    assert!(error.to_string().contains("does not match the UID in record"), "{error}");
    let expect = Expect { uid: None, revision: Some(crate::ids::Revision::ZERO) };
    let stale = evict(DeleteOptions { expect, ..DeleteOptions::default() }).expect_err("it has changed");
    assert!(stale.to_string().contains("does not match the ResourceVersion in record"), "{stale}");
    assert_eq!(world.store.snapshot().revision(), revision, "nothing was written");

    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    world.store.evict("default", "a", options, NOW).expect("it may go");
    assert!(world.store.snapshot().find(kind::POD, "default", "a").is_none());
}

#[test]
fn a_pod_in_two_budgets_is_not_evicted_and_people_hear_of_it() {
    let mut world = World::new();
    world.budget(&json!({"minAvailable": 0}));
    let second = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "other"},
        "spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": "x"}}}});
    world.create(second);
    world.pods("-", "a:ready");
    world.look();
    let error = world.evict("a").expect_err("nobody can tell");
    let status = error.to_status();
    assert_eq!((status.code, status.reason, status.details), (Some(500), None, None));
    let plan = world.plan::<PodDisruptionController>(world.object(kind::POD, "a").meta.uid);
    assert_eq!(events(&plan), "MultiplePodDisruptionBudgets");
}

#[test]
fn a_pod_that_does_not_go_is_meant_to_go_no_longer() {
    for (state, reason, stale) in [
        ("ready", "EvictionByEvictionAPI", true),
        ("pending", "PreemptionByScheduler", true),
        ("ready", "TerminationByKubelet", false),
        ("failed", "EvictionByEvictionAPI", false),
        ("going", "EvictionByEvictionAPI", false),
    ] {
        let mut world = World::new();
        world.pods("-", &format!("a:{state}"));
        let pod = world.object(kind::POD, "a");
        let mut next = pod.pod().expect("a pod").state.clone();
        next.set_condition(condition(ConditionKind::DisruptionTarget, true, reason, NOW));
        world.commit(vec![Action::UpdatePodState { target: Target::seen(&pod), state: Box::new(next) }]);

        let waiting = world.plan::<PodDisruptionController>(pod.meta.uid);
        assert_eq!(waiting.wake_at, stale.then_some(NOW + Duration::from_secs(120)), "{state}, {reason}");
        assert!(waiting.is_empty());
        world.now = NOW + Duration::from_secs(120);
        let plan = world.plan::<PodDisruptionController>(pod.meta.uid);
        world.commit(plan.actions);
        let pod = world.object(kind::POD, "a");
        let target =
            pod.pod().and_then(|pod| pod.state.condition(&ConditionKind::DisruptionTarget)).expect("it has one");
        assert_eq!(target.status, ConditionStatus::from(!stale), "{state}, {reason}");
        assert_eq!(target.observed_generation, if stale { pod.meta.generation } else { 0 }, "{state}, {reason}");
    }
}
