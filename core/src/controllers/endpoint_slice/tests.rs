//! Situations of services and their pods: what is written when a pod comes, changes or goes, and what the slices then say.

mod packing;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::{EndpointSliceController, MANAGED_BY, SERVICE_NAME, TRIGGER_TIME, service_of_slice};
use crate::control::{Action, Controller, Keys, Plan, Target};
use crate::ids::{NodeName, Uid};
use crate::object::kind;
use crate::store::{
    Body, Change, ChangeKind, ConditionKind, ConditionStatus, DeleteOptions, Draft, Object, Part, PodCondition,
    PodPhase, PodState, Store, WriteOptions,
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
        Self::with_annotations(spec, json!({}))
    }

    fn with_annotations(spec: Value, annotations: Value) -> Self {
        let mut store = Store::new(1);
        store.found(NOW);
        let metadata = json!({"name": "svc", "labels": {"team": "a"}, "annotations": annotations});
        let service: Service = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("a service");
        let service = store.create_with(Draft::of(service), WriteOptions::default(), NOW).expect("room for it");
        let mut world = Self { service: service.meta.uid, store };
        world.node("n", "z", "1");
        world
    }

    /// A ready node of a zone, with so many CPUs.
    fn node(&mut self, name: &str, zone: &str, cpu: &str) {
        let labels = if zone.is_empty() { json!({}) } else { json!({"topology.kubernetes.io/zone": zone}) };
        let status = json!({"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"cpu": cpu}});
        let node = json!({"metadata": {"name": name, "labels": labels}, "status": status});
        let node: Node = serde_json::from_value(node).expect("a node");
        let made = self.store.create_with(Draft::of(node.clone()), WriteOptions::default(), NOW).expect("room for it");
        let next = Node { metadata: made.meta.to_api(), ..node };
        let write = Action::UpdateStatus { target: Target::seen(&made), object: Arc::new(next) };
        self.store.commit(vec![write], NOW).expect("nobody else writes");
    }

    /// A running pod with an address made of its number.
    fn pod(&mut self, number: u16, spec: &Value) {
        let mut spec = spec.clone();
        if spec.get("nodeName").is_none() {
            spec["nodeName"] = json!("n");
        }
        let name = format!("p{number:03}");
        let pod = json!({"metadata": {"name": name, "labels": {"app": "x"}}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pod = self.store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it");
        let state = PodState {
            phase: PodPhase::Running,
            pod_ips: [std::net::IpAddr::from([10, 0, number.to_be_bytes()[0], number.to_be_bytes()[1]])]
                .into_iter()
                .collect(),
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

    fn ready(&mut self, number: u16, ready: ConditionStatus) {
        let pod = self.find(number);
        let state = pod.pod().expect("a pod").state.clone();
        self.report(&pod, state, ready, LATER);
    }

    fn find(&self, number: u16) -> Arc<Object> {
        let pod = self.store.snapshot().find(kind::POD, "default", &format!("p{number:03}"));
        Arc::clone(pod.expect("a pod of this number"))
    }

    fn kill(&mut self, number: u16) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        self.store.delete(kind::POD, "default", &format!("p{number:03}"), options, NOW).expect("it is there");
    }

    /// Somebody edits the service.
    fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        let edit = |mut value: Value| {
            edit(&mut value);
            Ok(value)
        };
        let (key, part, options) = (("default", "svc"), Part::Main, WriteOptions::default());
        self.store.edit(kind::SERVICE, key, part, options, NOW, edit).expect("written");
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
        let more = self.plan();
        assert!(!more.changes_something(), "after {said}: {more:?}");
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
        Action::Emit(event) => format!("{}: {}", event.reason, event.message),
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
        let lost = "create 0, FailedToUpdateEndpointSlices: Error updating Endpoint Slices for Service default/svc: \
                    skipping Pod p001 for Service default/svc: Node n Not Found";
        assert_eq!(world.settle(), if published { "create 1" } else { lost });
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

#[test]
fn slices_that_an_earlier_service_of_the_name_left_behind_go() {
    let mut world = World::new(plain());
    world.pod(1, &web(1));
    let named = |service: &str, manager: &str| json!({SERVICE_NAME: service, MANAGED_BY: manager});
    for (name, labels) in [
        ("left", named("svc", "endpointslice-controller.k8s.io")),
        ("mine", named("svc", "somebody")),
        ("other", named("else", "endpointslice-controller.k8s.io")),
    ] {
        let slice = json!({"metadata": {"name": name, "labels": labels}, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]});
        let slice: EndpointSlice = serde_json::from_value(slice).expect("a slice");
        let made = world.store.create_with(Draft::of(slice), WriteOptions::default(), NOW).expect("room for it");
        let (mut keys, change) = (Keys::new(), Change { kind: ChangeKind::Added, before: None, object: made });
        service_of_slice(&change, world.store.snapshot(), &mut keys);
        assert_eq!(keys.first() == Some(&world.service), name == "left", "{name}");
    }
    assert_eq!(world.settle(), "create 1, delete");
    let names = world.slices().filter_map(|slice| slice.metadata.name.clone());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("svc-")).collect();
    names.sort();
    assert_eq!(names, ["mine", "other"]);
}

/// The hints of each endpoint: zones, then nodes behind a slash.
fn hints(world: &World) -> String {
    let told = world.slices().flat_map(|slice| slice.endpoints.iter().flatten()).map(|endpoint| {
        let hints = endpoint.hints.clone().unwrap_or_default();
        let zones: Vec<String> = hints.for_zones.into_iter().flatten().map(|zone| zone.name).collect();
        let nodes: Vec<String> = hints.for_nodes.into_iter().flatten().map(|node| node.name).collect();
        let name = endpoint.target_ref.as_ref().and_then(|pod| pod.name.clone()).unwrap_or_default();
        let nodes = if nodes.is_empty() { String::new() } else { format!("/{}", nodes.join(",")) };
        format!("{name}:{}{nodes}", zones.join(","))
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told.join(" ")
}

fn on(node: &str) -> Value {
    json!({"nodeName": node, "containers": [{"name": "c", "image": "i"}]})
}

#[test]
fn traffic_goes_to_the_same_zone_or_node_where_the_service_wants_that() {
    for (distribution, expected) in [
        ("PreferClose", "p001:z p002:y p003: p004:"),
        ("PreferSameZone", "p001:z p002:y p003: p004:"),
        ("PreferSameNode", "p001:z/n p002:y/m p003:/k p004:"),
        ("", "p001: p002: p003: p004:"),
    ] {
        let mut spec = plain();
        if !distribution.is_empty() {
            spec["trafficDistribution"] = json!(distribution);
        }
        let mut world = World::new(spec);
        world.node("m", "y", "1");
        world.node("k", "", "1");
        for (number, node) in [(1, "n"), (2, "m"), (3, "k"), (4, "n")] {
            world.pod(number, &on(node));
        }
        world.ready(4, ConditionStatus::False);
        assert_eq!(world.settle(), "create 4");
        assert_eq!(hints(&world), expected, "{distribution}");
    }
}

#[test]
fn hints_follow_when_the_service_is_changed() {
    let mut world = World::new(plain());
    world.pod(1, &on("n"));
    world.settle();
    for (distribution, writes, expected) in [
        (Some("PreferSameNode"), "update 1", "p001:z/n"),
        (Some("PreferSameZone"), "update 1", "p001:z"),
        (Some("PreferClose"), "", "p001:z"),
        (None, "update 1", "p001:"),
    ] {
        let object = world.store.snapshot().get(world.service).expect("the service").clone();
        let mut next = object.typed::<Service>().expect("a service").clone();
        next.spec.get_or_insert_default().traffic_distribution = distribution.map(str::to_owned);
        let write = Action::Update { target: Target::seen(&object), object: Arc::new(next), spec_changed: true };
        world.store.commit(vec![write], NOW).expect("nobody else writes");
        assert_eq!((world.settle().as_str(), hints(&world).as_str()), (writes, expected), "{distribution:?}");
    }
}

/// The nodes as `name:zone:cpu`, those of the pods, and what is said and hinted.
type Shared<'a> = (&'a str, &'a str, &'a str, &'a str);

#[test]
fn zones_share_the_endpoints_by_their_cpus_where_that_can_be() {
    let enabled = "create #, TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4";
    let unknown = "create #, TopologyAwareHintsDisabled: Insufficient Node information: allocatable CPU or zone not \
                   specified on one or more nodes, addressType: IPv4";
    let few = "create #, TopologyAwareHintsDisabled: Insufficient number of endpoints (1 endpoints, 2 zones), addressType: \
               IPv4";
    let overload = "create #, TopologyAwareHintsDisabled: Unable to allocate minimum required endpoints to each zone \
                    without exceeding overload threshold (2 endpoints, 2 zones), addressType: IPv4";
    let rows: &[Shared<'_>] = &[
        ("", "n n", unknown, "p000: p001:"),
        ("m:z:1", "n n", unknown, "p000: p001:"),
        ("m:y:1 k::1", "n m", unknown, "p000: p001:"),
        ("m:y:0", "n m", unknown, "p000: p001:"),
        ("m:y:1", "n", few, "p000:"),
        ("m:y:1", "n m", enabled, "p000:z p001:y"),
        // One of four CPUs: with two endpoints one of them would have to bear too much.
        ("m:y:3", "n m", overload, "p000: p001:"),
        ("m:y:3", "n m m m", enabled, "p000:z p001:y p002:y p003:y"),
        // Those of the zone that has too many go to the other one.
        ("m:y:1", "n n n n", enabled, "p000:y p001:y p002:z p003:z"),
        ("m:y:1", "n n n m", enabled, "p000:y p001:z p002:z p003:y"),
        ("m:y:3", "n n m m", enabled, "p000:y p001:z p002:y p003:y"),
        ("m:y:1 k:x:1", "n n n n m k", enabled, "p000:x p001:y p002:z p003:z p004:y p005:x"),
    ];
    for (nodes, pods, said, expected) in rows {
        let auto = json!({"service.kubernetes.io/topology-mode": "Auto"});
        let mut world = World::with_annotations(plain(), auto);
        for node in nodes.split_whitespace() {
            let parts: Vec<&str> = node.split(':').collect();
            world.node(parts[0], parts[1], parts[2]);
        }
        let pods: Vec<&str> = pods.split_whitespace().collect();
        for (number, node) in (0..).zip(&pods) {
            world.pod(number, &on(node));
        }
        assert_eq!(world.settle(), said.replace('#', &pods.len().to_string()), "{nodes}: {pods:?}");
        assert_eq!(hints(&world), *expected, "{nodes}: {pods:?}");
    }
}

#[test]
fn what_is_shared_out_stays_while_it_fits() {
    let auto = json!({"service.kubernetes.io/topology-mode": "Auto"});
    let mut world = World::with_annotations(plain(), auto);
    world.node("m", "y", "1");
    (0..4).for_each(|number| world.pod(number, &on(if number < 2 { "n" } else { "m" })));
    world.settle();
    assert_eq!(hints(&world), "p000:z p001:z p002:y p003:y");
    // A third zone without endpoints must get some: all are shared out anew.
    world.node("k", "x", "2");
    assert_eq!(world.settle(), "update 4");
    assert_eq!(hints(&world), "p000:x p001:z p002:x p003:y");
    world.kill(0);
    world.kill(1);
    let few = "Insufficient number of endpoints (2 endpoints, 3 zones), addressType: IPv4";
    assert_eq!(world.settle(), format!("update 2, TopologyAwareHintsDisabled: {few}"));
    assert_eq!(hints(&world), "p002: p003:");
}
