//! What a set does, as tables: its nodes and pods in, the plan out.
//!
//! The set `d` had the template `old` and has `new`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::json;

use super::DaemonSetController;
use crate::control::claim::controller_reference;
use crate::control::revisions::{REVISION_HASH_LABEL, data_of};
use crate::control::{Action, Controller, Plan, Target};
use crate::ids::NodeName;
use crate::object::kind;
use crate::store::{
    Body, ConditionKind, ConditionStatus, DeleteOptions, Draft, Object, PodCondition, PodPhase, Store, WriteOptions,
    node_of_daemon,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_800_000_000);

struct World {
    store: Store,
}

impl World {
    /// A set that is described as `surge=1 minready=5`, and nodes as `a b:NoSchedule c:elsewhere`.
    fn new(set: &str, nodes: &str) -> Self {
        let mut world = Self { store: Store::new(7) };
        world.store.found(NOW);
        nodes.split_whitespace().for_each(|node| world.node(node));
        let template = |image: &str| {
            json!({"metadata": {"labels": {"app": "d"}},
                "spec": {"nodeSelector": {"here": "yes"}, "containers": [{"name": "c", "image": image}]}})
        };
        let mut spec = json!({"selector": {"matchLabels": {"app": "d"}}, "template": template("new")});
        for word in set.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let share = value.parse::<i32>().map_or_else(|_| json!(value), |number| json!(number));
            match key {
                "surge" => {
                    spec["updateStrategy"]["rollingUpdate"] = json!({"maxSurge": share, "maxUnavailable": 0});
                }
                "unavailable" => spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = share,
                "ondelete" => spec["updateStrategy"] = json!({"type": "OnDelete"}),
                "minready" => spec["minReadySeconds"] = share,
                "affinity" => spec["template"]["spec"]["affinity"] = affinity(),
                other => panic!("{other} says nothing about a set"),
            }
        }
        let object = json!({"metadata": {"name": "d"}, "spec": spec});
        world.create(serde_json::from_value::<DaemonSet>(object).expect("a set"));
        let current = world.object().typed::<DaemonSet>().expect("a set").spec.template.clone();
        let templates = [("old", serde_json::from_value(template("old")).expect("a template")), ("new", current)];
        for (number, (hash, template)) in (1..).zip(templates) {
            let labels = [("app", "d"), (REVISION_HASH_LABEL, hash)];
            let metadata = ObjectMeta {
                name: Some(format!("d-{hash}")),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                owner_references: Some(vec![controller_reference(&world.object().meta)]),
                ..ObjectMeta::default()
            };
            let data = RawExtension(data_of(&template));
            world.create(ControllerRevision { metadata, data, revision: Some(number) });
        }
        world
    }

    fn create<K: crate::object::kind::BuiltInKind>(&mut self, mut object: K) {
        let meta = k8s_openapi::Metadata::metadata_mut(&mut object);
        if crate::object::kind::KindId::of::<K>().built_in().is_none_or(|info| info.is_namespaced()) {
            meta.namespace.get_or_insert_with(|| "default".to_owned());
        }
        self.store.create_with(Draft::of(object), WriteOptions::default(), NOW).expect("it is admitted");
    }

    fn node(&mut self, node: &str) {
        let (name, what) = node.split_once(':').unwrap_or((node, ""));
        let here = if what == "elsewhere" { "no" } else { "yes" };
        let taints = match what {
            "" | "elsewhere" => json!([]),
            "cordoned" => json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]),
            "lost" => json!([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]),
            effect => json!([{"key": "k", "effect": effect}]),
        };
        let node = json!({"metadata": {"name": name, "labels": {"here": here}}});
        self.create(serde_json::from_value::<Node>(node).expect("a node"));
        // A node that is new has a taint until it is ready.
        let object = self.store.snapshot().find(kind::NODE, "", name).expect("the node");
        let mut node = object.typed::<Node>().expect("a node").clone();
        node.spec.get_or_insert_default().taints = Some(serde_json::from_value(taints).expect("taints"));
        let target = Target::seen(object);
        let write = Action::Update { target, object: Arc::new(node), spec_changed: false };
        self.store.commit(vec![write], NOW).expect("no conflict");
    }

    fn object(&self) -> Arc<Object> {
        Arc::clone(self.store.snapshot().find(kind::DAEMON_SET, "default", "d").expect("the set"))
    }

    /// Adds pods that are described as `a:old:ready b:new:waits`, or `a:old:ready:2` for a second one.
    fn pods(&mut self, pods: &str) {
        for word in pods.split_whitespace() {
            let parts: Vec<&str> = word.split(':').collect();
            let (node, revision, state) = (parts[0], parts[1], parts[2]);
            let name: Vec<&str> = [&[node, revision], &parts[3..]].concat();
            self.pod(&name.join("-"), node, revision, state);
        }
    }

    fn pod(&mut self, name: &str, node: &str, revision: &str, state: &str) {
        let named = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        let affinity = json!({"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [named]}}});
        let spec = json!({"containers": [{"name": "c", "image": revision}], "affinity": affinity});
        let mut labels = json!({"app": "d", REVISION_HASH_LABEL: revision});
        if revision == "numbered" {
            labels[super::template::GENERATION_LABEL] = json!("1");
        }
        let owners = json!([controller_reference(&self.object().meta)]);
        let meta = json!({"name": name, "namespace": "default", "labels": labels, "ownerReferences": owners});
        let pod: Pod = serde_json::from_value(json!({"metadata": meta, "spec": spec})).expect("a pod");
        self.create(pod);
        if state == "waits" {
            return;
        }
        let pod = self.store.snapshot().find(kind::POD, "default", name).expect("the pod");
        let target = Target::any_version(pod.meta.uid);
        let mut next = pod.pod().expect("a pod").state.clone();
        next.phase = match state {
            "failed" => PodPhase::Failed,
            "succeeded" => PodPhase::Succeeded,
            _ => PodPhase::Running,
        };
        let since = if state == "fresh" { NOW } else { NOW.minus(Duration::from_secs(600)) };
        next.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ConditionStatus::from(matches!(state, "ready" | "fresh" | "going")),
            since: Some(since),
            observed_generation: 0,
            why: None,
        });
        let actions = vec![
            Action::Bind { target, node: NodeName::from(node) },
            Action::UpdatePodState { target, state: Box::new(next) },
        ];
        self.store.commit(actions, NOW).expect("no conflict");
        if state == "going" {
            self.store.delete(kind::POD, "default", name, DeleteOptions::default(), NOW).expect("it is there");
        }
    }

    fn decide(&self, now: Time) -> Plan {
        let observed = DaemonSetController::observe(self.store.snapshot(), self.object().meta.uid);
        DaemonSetController::decide(&observed.expect("it is there"), now)
    }

    /// What a plan does to pods.
    fn told(&self, plan: &Plan) -> String {
        let told = plan.actions.iter().filter_map(|action| match action {
            Action::Create { draft, .. } => {
                let object = Object { meta: draft.meta.clone(), body: draft.body.clone() };
                Some(format!("+{}", node_of_daemon(&object)?))
            }
            Action::Delete { target, .. } => {
                Some(format!("-{}", self.store.snapshot().get(target.uid).expect("it was there").meta.name))
            }
            _ => None,
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

/// What a template may say of nodes: one of two terms, and a wish.
fn affinity() -> serde_json::Value {
    let label = |value: &str| json!({"matchExpressions": [{"key": "here", "operator": "In", "values": [value]}]});
    let terms =
        json!([label("nowhere"), {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["b"]}]}]);
    let wish = json!([{"weight": 1, "preference": label("yes")}]);
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
        "preferredDuringSchedulingIgnoredDuringExecution": wish}})
}

/// The nodes, the pods that stand there, and what is done.
type Row<'a> = (&'a str, &'a str, &'a str);

fn check(set: &str, rows: &[Row<'_>]) {
    for (nodes, pods, expected) in rows {
        let mut world = World::new(set, nodes);
        world.pods(pods);
        world.store.snapshot().check_indexes().expect("posts are as pods are");
        let plan = world.decide(NOW + Duration::from_secs(1));
        assert_eq!(world.told(&plan), *expected, "{set}, on {nodes}, with {pods}");
    }
}

#[test]
fn each_node_that_may_have_a_pod_gets_one() {
    check(
        "",
        &[
            ("", "", ""),
            ("a b c", "", "+a +b +c"),
            ("a b c", "b:new:ready", "+a +c"),
            ("a b", "a:new:waits", "+b"),
            ("a:cordoned b:elsewhere c:NoSchedule d:NoExecute e:PreferNoSchedule f:lost", "", "+a +e +f"),
            // What is on its way out keeps its node until it is gone; one that has ended does not.
            ("a", "a:new:going", ""),
        ],
    );
}

#[test]
fn a_pod_names_its_node_in_place_of_all_that_the_template_demands_of_nodes() {
    let world = World::new("affinity", "a b");
    let plan = world.decide(NOW);
    assert_eq!(world.told(&plan), "+a", "the template does not want b");
    let made = plan.actions.iter().find_map(|action| match action {
        Action::Create { draft, .. } => match &draft.body {
            Body::Pod(pod) => Some(serde_json::to_value(&pod.spec.affinity).expect("it is data")),
            _ => None,
        },
        _ => None,
    });
    let mut expected = affinity();
    let named = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]);
    expected["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] = named;
    assert_eq!(made, Some(expected));
}

#[test]
fn what_is_too_much_has_ended_or_must_not_be_there_goes() {
    check(
        "",
        &[
            ("a", "a:new:ready a:new:ready:2", "-a-new-2"),
            // One that is there is older than one that waits.
            ("a", "a:new:waits a:new:ready:2", "-a-new"),
            ("a", "a:new:succeeded", "-a-new"),
            ("a b", "a:new:failed b:new:ready", "-a-new"),
            ("a", "a:new:failed a:new:ready:2", "-a-new"),
            ("a", "a:new:failed a:new:ready:2 a:new:ready:3 a:new:ready:4", "-a-new -a-new-3 -a-new-4"),
            ("a", "a:new:failed a:new:failed:2", "-a-new"),
            ("a:NoSchedule", "a:new:ready", ""),
            ("a:NoSchedule", "a:new:failed", "-a-new"),
            ("a:NoExecute b:elsewhere", "a:new:ready b:new:waits", "-a-new -b-new"),
            ("a:NoExecute", "a:new:going", ""),
            ("a", "a:new:ready gone:new:waits", "-gone-new"),
            ("a", "a:new:ready gone:new:ready", ""),
        ],
    );
}

#[test]
fn a_rollout_leaves_so_many_nodes_without_an_available_pod() {
    let all = "a:old:ready b:old:ready c:old:ready";
    check("ondelete", &[("a b c", all, ""), ("a b c", "a:old:ready b:old:ready", "+c")]);
    check(
        "unavailable=1",
        &[
            ("a b c", all, "-c-old"),
            // Those that are of no use go beyond what may be without; those that are wait for it.
            ("a b c", "a:old:ready b:old:unready c:new:unready", "-b-old"),
            ("a b c", "a:old:unready b:old:unready c:old:unready", "-c-old -b-old -a-old"),
            ("a b c", "a:old:ready b:new:unready c:new:unready", ""),
            // The number of the template is as good as its hash.
            ("a b", "a:old:ready b:numbered:ready", "-a-old"),
        ],
    );
    check(
        "unavailable=2",
        &[
            ("a b c", all, "-c-old -b-old"),
            ("a b c", "a:old:ready b:old:ready c:new:unready", "-b-old"),
            ("a b c", "a:old:ready b:new:unready c:new:unready", ""),
            ("a b c", "a:old:ready b:old:going c:new:ready", "-a-old"),
            // What is not available anyway goes first, and takes from what may be without.
            ("a b c", "a:old:unready b:old:unready c:old:ready", "-b-old -a-old"),
            ("a b c", "a:old:ready b:old:unready c:old:ready", "-b-old -c-old"),
            // First every node has what it should.
            ("a b c", "a:old:ready b:old:ready", "+c"),
        ],
    );
    check("unavailable=34%", &[("a b c", all, "-c-old -b-old")]);
    check("unavailable=2 minready=5", &[("a b c", "a:old:ready b:new:fresh c:new:fresh", "")]);
}

#[test]
fn a_set_that_surges_has_the_new_pod_beside_the_old_one_until_it_is_available() {
    check(
        "surge=1",
        &[
            ("a b", "a:old:ready b:old:ready", "+b"),
            ("a b", "a:old:ready b:old:ready b:new:unready", ""),
            ("a b", "a:old:ready b:old:ready b:new:ready", "-b-old"),
            // The old one is of no use any more.
            ("a b", "a:old:ready b:old:unready b:new:unready", "-b-old"),
            ("a b", "a:old:unready b:old:unready", "+b +a"),
            ("a", "a:old:ready a:new:unready a:old:ready:2 a:new:unready:2", "-a-new-2 -a-old-2"),
            // The next one need not wait for the last one to be gone.
            ("a", "a:old:going", "+a"),
            ("a:NoSchedule", "a:old:going", ""),
        ],
    );
    check("surge=50%", &[("a b c", "a:old:ready b:old:ready c:old:ready", "+c +b")]);
    // A share of no nodes at all still says that there may be two on one.
    check("surge=50%", &[("a:NoSchedule", "a:old:ready a:new:unready", "")]);
}

#[test]
fn on_a_node_that_should_have_none_the_old_one_stays_while_it_is_needed() {
    check(
        "surge=1",
        &[
            ("a:NoSchedule b", "a:old:ready b:old:ready", "-a-old +b"),
            ("a:NoSchedule b", "a:old:ready b:new:unready", ""),
            ("a:NoSchedule b", "a:old:ready b:new:ready", "-a-old"),
            ("a:NoSchedule b", "a:old:unready b:new:unready", "-a-old"),
        ],
    );
}

#[test]
fn it_looks_again_when_the_pod_that_surges_becomes_available() {
    // Nothing else may happen on that node for a long time, as in the history of seed 249.
    let mut world = World::new("surge=1 minready=5", "a");
    world.pods("a:old:ready a:new:fresh");
    let plan = world.decide(NOW + Duration::from_secs(1));
    assert_eq!((world.told(&plan), plan.wake_at), (String::new(), Some(NOW + Duration::from_secs(5))));
    assert_eq!(world.told(&world.decide(NOW + Duration::from_secs(5))), "-a-old");
}

#[test]
fn of_pods_that_fail_on_a_node_the_first_is_replaced_at_once_and_each_further_one_after_a_longer_wait() {
    let mut world = World::new("", "b");
    world.pods("b:new:ready");
    let first = world.decide(NOW);
    world.store.commit(first.actions, NOW).expect("no conflict");
    world.node("a");
    let mut now = NOW;
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let waits = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map(Duration::from_secs);
    let waits = [Duration::ZERO].into_iter().chain(waits).chain([minutes(15), minutes(15)]);
    for (number, wait) in waits.enumerate() {
        world.pod(&format!("a-{number}"), "a", "new", "failed");
        let plan = world.decide(now);
        if !wait.is_zero() {
            assert_eq!((world.told(&plan), plan.wake_at), (String::new(), Some(now + wait)), "failure {number}");
        }
        now = now + wait;
        let plan = world.decide(now);
        assert_eq!(world.told(&plan), format!("-a-{number}"));
        world.store.commit(plan.actions, now).expect("no conflict");
        let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        let _ = world.store.delete(kind::POD, "default", &format!("a-{number}"), at_once, now);
    }
    // Nothing has failed for twice the longest wait.
    world.pod("a-last", "a", "new", "failed");
    now = now + minutes(30) + Duration::from_secs(1);
    let plan = world.decide(now);
    assert_eq!(world.told(&plan), "-a-last");
    world.store.commit(plan.actions, now).expect("no conflict");
    let wait = world.store.snapshot().failure_times(world.object().meta.uid).map(|times| times.nodes["a"].1);
    assert_eq!(wait, Some(Duration::from_secs(1)));
}
