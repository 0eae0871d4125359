//! Situations of services and their pods: what is written when a pod comes, changes or goes, and what the slices then say.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::{EndpointSliceController, TRIGGER_TIME};
use crate::control::{Action, Controller, Plan, Target};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::store::{
    Body, ConditionKind, ConditionStatus, DeleteOptions, Draft, Object, PodCondition, PodPhase, PodState, Store,
    WriteOptions,
};
use crate::time::Time;

const NOW: Time = Time::from_secs(1_000);
const LATER: Time = Time::from_secs(2_000);

struct World {
    store: Store,
    service: Uid,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut store = Store::new(1);
        store.found(NOW);
        let node = json!({"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}});
        let node: Node = serde_json::from_value(node).expect("a node");
        store.create_with(Draft::of(node), WriteOptions::default(), NOW).expect("room for it");
        let service = json!({"metadata": {"name": "svc", "labels": {"team": "a"}}, "spec": spec});
        let service: Service = serde_json::from_value(service).expect("a service");
        let service = store.create_with(Draft::of(service), WriteOptions::default(), NOW).expect("room for it");
        Self { service: service.meta.uid, store }
    }

    /// A running pod with an address made of its number.
    fn pod(&mut self, number: u8, spec: &Value) {
        let mut spec = spec.clone();
        spec["nodeName"] = json!("n");
        let name = format!("p{number:03}");
        let pod = json!({"metadata": {"name": name, "labels": {"app": "x"}}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pod = self.store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it");
        let state = PodState {
            phase: PodPhase::Running,
            pod_ips: [std::net::IpAddr::from([10, 0, 0, number])].into_iter().collect(),
            ..PodState::default()
        };
        self.report(&pod, state, ConditionStatus::True, NOW);
    }

    fn report(&mut self, pod: &Object, mut state: PodState, ready: ConditionStatus, since: Time) {
        state.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ready,
            since: Some(since),
            observed_generation: 0,
            why: None,
        });
        let target = Target::seen(pod);
        self.store
            .commit(vec![Action::UpdatePodState { target, state: Box::new(state) }], since)
            .expect("nobody else writes");
    }

    fn ready(&mut self, number: u8, ready: ConditionStatus) {
        let pod = self.find(number);
        let state = pod.pod().expect("a pod").state.clone();
        self.report(&pod, state, ready, LATER);
    }

    fn find(&self, number: u8) -> Arc<Object> {
        let pod = self.store.snapshot().find(kind::POD, "default", &format!("p{number:03}"));
        Arc::clone(pod.expect("a pod of this number"))
    }

    fn kill(&mut self, number: u8) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.store.delete(kind::POD, "default", &format!("p{number:03}"), options, NOW).expect("it is there");
    }

    fn plan(&self) -> Plan {
        let observed = EndpointSliceController::observe(self.store.snapshot(), self.service);
        observed.map(|observed| EndpointSliceController::decide(&observed, NOW)).unwrap_or_default()
    }

    /// Commits one plan and says what it wrote; there is nothing to do after it.
    fn settle(&mut self) -> String {
        let plan = self.plan();
        let said = writes(&plan);
        self.store.commit(plan.actions, NOW).expect("nobody else writes");
        assert!(self.plan().is_empty(), "after {said}: {:?}", self.plan());
        said
    }

    fn slices(&self) -> impl Iterator<Item = &EndpointSlice> {
        self.store.snapshot().list_in(kind::ENDPOINT_SLICE, "default").filter_map(|slice| slice.typed())
    }

    /// Each slice: its ports, then its endpoints with `ready`, `serving` and `terminating` by their first letters.
    fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.slices().map(tell).collect();
        told.sort();
        told
    }
}

fn tell(slice: &EndpointSlice) -> String {
    let ports: Vec<String> =
        slice.ports.iter().flatten().map(|port| port.port.unwrap_or_default().to_string()).collect();
    let endpoints = slice.endpoints.iter().flatten().map(|endpoint| {
        let conditions = endpoint.conditions.clone().unwrap_or_default();
        let flag = |set: Option<bool>, letter: &str| if set == Some(true) { letter.to_owned() } else { String::new() };
        let name = endpoint.target_ref.as_ref().and_then(|pod| pod.name.clone()).unwrap_or_default();
        let flags = [flag(conditions.ready, "r"), flag(conditions.serving, "s"), flag(conditions.terminating, "t")];
        format!("{name}:{}", flags.concat())
    });
    format!("{} {}", ports.join(","), endpoints.collect::<Vec<_>>().join(" "))
}

fn writes(plan: &Plan) -> String {
    let size = |slice: Option<&EndpointSlice>| slice.map_or(0, |slice| slice.endpoints.iter().flatten().count());
    let each = plan.actions.iter().map(|action| match action {
        Action::Create { draft, .. } => match &draft.body {
            Body::Typed(object) => format!("create {}", size(object.as_any().downcast_ref())),
            _ => "create something else".to_owned(),
        },
        Action::Update { object, .. } => format!("update {}", size(object.as_any().downcast_ref())),
        Action::Delete { .. } => "delete".to_owned(),
        other => format!("{other:?}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn plain() -> Value {
    json!({"selector": {"app": "x"}, "ports": [{"port": 80}]})
}

fn web(port: u16) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": port}]}]})
}

#[test]
fn endpoints_stay_where_they_are_and_few_slices_are_written() {
    let mut world = World::new(plain());
    assert_eq!(world.settle(), "create 0", "a service without pods has an empty slice");
    (0..230).for_each(|number| world.pod(number, &web(1)));
    assert_eq!(world.settle(), "update 100, create 100, create 30", "the empty slice is used");
    world.pod(230, &web(1));
    assert_eq!(world.settle(), "update 31", "a new one goes where there is room");
    world.kill(0);
    world.kill(1);
    world.pod(231, &web(1));
    assert_eq!(world.settle(), "update 99", "what is written anyway is filled up");
    (0..230).filter(|number| *number > 1).for_each(|number| world.kill(number));
    let emptied = world.settle();
    assert!(emptied.matches("delete").count() >= 1, "slices that keep nothing go: {emptied}");
    let left: usize = world.slices().map(|slice| slice.endpoints.iter().flatten().count()).sum();
    assert_eq!(left, 2);
    world.kill(230);
    world.kill(231);
    world.settle();
    assert_eq!(world.told(), [" "], "an empty one is left in the end");
}

#[test]
fn conditions_say_whether_a_pod_serves_and_whether_it_is_going() {
    let mut world = World::new(plain());
    world.pod(1, &web(1));
    world.pod(2, &web(1));
    world.settle();
    assert_eq!(world.told(), ["80 p001:rs p002:rs"]);
    world.ready(1, ConditionStatus::False);
    assert_eq!(world.settle(), "update 2");
    assert_eq!(world.told(), ["80 p001: p002:rs"]);
    let annotations = |world: &World| world.slices().next().and_then(|slice| slice.metadata.annotations.clone());
    let time = annotations(&world).and_then(|mut all| all.remove(TRIGGER_TIME));
    assert_eq!(time, Some(LATER.to_string()), "since when it was so");
    let options = DeleteOptions { grace_seconds: Some(30), ..DeleteOptions::default() };
    world.store.delete(kind::POD, "default", "p002", options, NOW).expect("it is there");
    world.settle();
    assert_eq!(world.told(), ["80 p001: p002:st"]);
    assert_eq!(annotations(&world), None, "no pod became ready or unready");
}

#[test]
fn addresses_are_published_before_a_pod_is_ready_where_asked() {
    let mut world = World::new(json!({
        "selector": {"app": "x"}, "clusterIP": "None", "publishNotReadyAddresses": true,
    }));
    let mut spec = web(1);
    spec["hostname"] = json!("db-0");
    spec["subdomain"] = json!("svc");
    world.pod(1, &spec);
    world.ready(1, ConditionStatus::False);
    world.settle();
    assert_eq!(world.told(), [" p001:r"], "headless: no ports, and ready though it does not serve");
    let slice = world.slices().next().expect("a slice");
    let labels = slice.metadata.labels.clone().unwrap_or_default();
    let labels: Vec<&str> = labels.keys().map(String::as_str).collect();
    assert_eq!(
        labels,
        [
            "endpointslice.kubernetes.io/managed-by",
            "kubernetes.io/service-name",
            "service.kubernetes.io/headless",
            "team",
        ]
    );
    let endpoint = slice.endpoints.iter().flatten().next().expect("an endpoint");
    assert_eq!(endpoint.hostname.as_deref(), Some("db-0"));
    assert_eq!((endpoint.node_name.as_deref(), endpoint.zone.as_deref()), (Some("n"), Some("z")));
}

#[test]
fn a_named_port_means_what_each_pod_says() {
    let mut world = World::new(json!({"selector": {"app": "x"}, "ports": [{"port": 80, "targetPort": "web"}]}));
    world.pod(1, &web(8080));
    world.pod(2, &web(9090));
    world.pod(3, &json!({"containers": [{"name": "c", "image": "i"}]}));
    let sidecar = json!({
        "name": "s", "image": "i", "restartPolicy": "Always", "ports": [{"name": "web", "containerPort": 7070}],
    });
    world.pod(4, &json!({"containers": [{"name": "c", "image": "i"}], "initContainers": [sidecar]}));
    world.settle();
    assert_eq!(world.told(), [" p003:rs", "7070 p004:rs", "8080 p001:rs", "9090 p002:rs"]);
}

#[test]
fn a_pod_on_an_unknown_node_is_left_out_unless_all_are_published() {
    for (published, expected) in [(false, " "), (true, "80 p001:rs")] {
        let mut spec = plain();
        spec["publishNotReadyAddresses"] = json!(published);
        let mut world = World::new(spec);
        world.pod(1, &web(1));
        let options = DeleteOptions::default();
        let node = NodeName::from("n");
        world.store.delete(kind::NODE, "", node.as_str(), options, NOW).expect("it is there");
        world.settle();
        assert_eq!(world.told(), [expected], "published: {published}");
    }
}

#[test]
fn services_that_nobody_asks_for_pods_have_no_slices() {
    for spec in [
        json!({"ports": [{"port": 80}]}),
        json!({"type": "ExternalName", "externalName": "example.com", "selector": {"app": "x"}}),
    ] {
        let mut world = World::new(spec.clone());
        world.pod(1, &web(1));
        assert_eq!(world.settle(), "", "{spec}");
    }
}
