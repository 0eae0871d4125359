//! What the Endpoints of services say, as tables.

use k8s_openapi::api::core::v1::{EndpointAddress, Pod};
use serde_json::{Value, json};

use super::subsets::{ADDRESSES_MAX, capped};
use super::*;
use crate::error::Reason;
use crate::store::{ConditionStatus, DeleteOptions, PodCondition, PodPhase, PodState, Store, WriteOptions};

const NOW: Time = Time::from_secs(1_000);

struct World {
    store: Store,
    service: Uid,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut store = Store::new(1);
        store.found(NOW);
        let service = json!({"metadata": {"name": "svc", "labels": {"team": "a"}}, "spec": spec});
        let service: Service = serde_json::from_value(service).expect("a service");
        let service = store.create_with(Draft::of(service), WriteOptions::default(), NOW).expect("room for it");
        Self { service: service.meta.uid, store }
    }

    /// A running pod with an address made of its number.
    fn pod(&mut self, number: u8, ready: bool, spec: &Value) {
        let pod = json!({"metadata": {"name": format!("p{number}"), "labels": {"app": "x"}}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let pod = self.store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it");
        let mut state = PodState {
            phase: PodPhase::Running,
            pod_ips: [std::net::IpAddr::from([10, 0, 0, number])].into_iter().collect(),
            ..PodState::default()
        };
        state.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: if ready { ConditionStatus::True } else { ConditionStatus::False },
            since: Some(NOW),
            observed_generation: 1,
            why: None,
        });
        let write = Action::UpdatePodState { target: Target::seen(&pod), state: Box::new(state) };
        self.store.commit(vec![write], NOW).expect("nobody else writes");
    }

    /// Does what there is to do for this key; there is nothing to do after it.
    fn settle(&mut self, key: Uid) {
        for times in 0..2 {
            let observed = EndpointsController::observe(self.store.snapshot(), key);
            let plan = observed.map(|observed| EndpointsController::decide(&observed, NOW)).unwrap_or_default();
            assert!(times == 0 || plan.is_empty(), "{plan:?}");
            self.store.commit(plan.actions, NOW).expect("nobody else writes");
        }
    }

    fn endpoints(&self) -> Option<&Arc<Object>> {
        self.store.snapshot().find(kind::ENDPOINTS, "default", "svc")
    }

    /// Each subset: its ports, then its ready addresses, then the others behind a bar.
    fn told(&mut self) -> Vec<String> {
        self.settle(self.service);
        let endpoints = self.endpoints().and_then(|object| object.typed::<Endpoints>());
        let subsets = endpoints.iter().flat_map(|endpoints| endpoints.subsets.iter().flatten());
        subsets.map(shown).collect()
    }
}

fn shown(subset: &EndpointSubset) -> String {
    let addresses = |list: &Option<Vec<EndpointAddress>>| {
        let each = list.iter().flatten().map(|address| address.ip.clone());
        each.collect::<Vec<_>>().join(" ")
    };
    let ports = subset.ports.iter().flatten().map(|port| port.port.to_string());
    let ports = ports.collect::<Vec<_>>().join(",");
    format!("{ports}: {} | {}", addresses(&subset.addresses), addresses(&subset.not_ready_addresses))
}

fn web(port: u16) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": port}]}]})
}

#[test]
fn addresses_stand_by_the_ports_they_serve() {
    let two = json!([{"name": "a", "port": 80, "targetPort": "web"}, {"name": "b", "port": 81}]);
    for (extra, expected) in [
        (
            json!({"ports": two}),
            vec!["81: 10.0.0.1 10.0.0.3 | 10.0.0.2", "8080: 10.0.0.1 | 10.0.0.2", "9090: 10.0.0.3 | "],
        ),
        (json!({"ports": [{"port": 80}]}), vec!["80: 10.0.0.1 10.0.0.3 | 10.0.0.2"]),
        (json!({"ports": [{"port": 80}], "publishNotReadyAddresses": true}), vec!["80: 10.0.0.1 10.0.0.2 10.0.0.3 | "]),
        (json!({"clusterIP": "None"}), vec![": 10.0.0.1 10.0.0.3 | 10.0.0.2"]),
    ] {
        let mut spec = json!({"selector": {"app": "x"}});
        spec.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
        let mut world = World::new(spec.clone());
        assert_eq!(world.told(), [""; 0], "{spec}");
        world.pod(1, true, &web(8080));
        world.pod(2, false, &web(8080));
        world.pod(3, true, &web(9090));
        let mut told = world.told();
        told.sort_by_key(|subset| subset.len());
        let mut expected = expected;
        expected.sort_by_key(|subset| subset.len());
        assert_eq!(told, expected, "{spec}");
    }
}

#[test]
fn they_go_with_their_service_and_are_left_alone_without_a_selector() {
    let mut world = World::new(json!({"selector": {"app": "x"}, "ports": [{"port": 80}], "clusterIP": "None"}));
    world.pod(1, true, &web(1));
    assert_eq!(world.told(), ["80: 10.0.0.1 | "]);
    let object = world.endpoints().expect("they are there").clone();
    let labels: Vec<&str> = object.meta.labels.keys().map(String::as_str).collect();
    assert_eq!(labels, [MANAGED_BY, HEADLESS, "team"]);
    assert_eq!(object.meta.annotations.get(TRIGGER_TIME), Some(&NOW.to_string()));
    for says in ["truncated", "something"] {
        let mut next = object.typed::<Endpoints>().expect("they are").clone();
        next.metadata.annotations.get_or_insert_default().insert(OVER_CAPACITY.0.to_owned(), says.to_owned());
        let (target, object) = (Target::any_version(object.meta.uid), Arc::new(next));
        let write = Action::Update { target, object, spec_changed: false };
        world.store.commit(vec![write], NOW).expect("nobody else writes");
        world.settle(world.service);
        assert!(
            world.endpoints().is_some_and(|object| !object.meta.annotations.contains_key(OVER_CAPACITY.0)),
            "{says}"
        );
    }
    world.store.delete(kind::SERVICE, "default", "svc", DeleteOptions::default(), NOW).expect("it is there");
    world.settle(object.meta.uid);
    assert!(world.endpoints().is_none());

    let mut world = World::new(json!({"ports": [{"port": 80}]}));
    world.pod(1, true, &web(1));
    assert_eq!(world.told(), [""; 0]);
    assert!(world.endpoints().is_none());
}

#[test]
fn what_is_too_much_is_left_out_by_shares() {
    let list = |number: usize| {
        let address = |at| EndpointAddress { ip: format!("a{at}"), ..EndpointAddress::default() };
        (number > 0).then(|| (0..number).map(address).collect::<Vec<_>>())
    };
    let subset = |(ready, others): (usize, usize)| EndpointSubset {
        addresses: list(ready),
        not_ready_addresses: list(others),
        ports: None,
    };
    assert_eq!(ADDRESSES_MAX, 1000);
    for (given, expected, is_cut) in [
        (vec![(600, 400)], vec![(600, 400)], false),
        (vec![(600, 500)], vec![(600, 400)], true),
        (vec![(900, 100), (300, 100)], vec![(750, 0), (250, 0)], true),
        (vec![(500, 300), (400, 600)], vec![(500, 34), (400, 66)], true),
        (vec![(1000, 0), (0, 5)], vec![(1000, 0)], true),
        (vec![], vec![], false),
        (vec![(100, 100); 5], vec![(100, 100); 5], false),
        (
            vec![(90, 101), (110, 200), (50, 200), (10, 201), (20, 298)],
            vec![(90, 73), (110, 144), (50, 144), (10, 145), (20, 214)],
            true,
        ),
        (
            vec![(205, 100), (400, 200), (402, 200), (400, 200), (693, 300)],
            vec![(98, 0), (191, 0), (192, 0), (191, 0), (328, 0)],
            true,
        ),
    ] {
        let (subsets, cut) = capped(given.iter().copied().map(subset).collect());
        let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
        let found: Vec<(usize, usize)> =
            subsets.iter().map(|subset| (count(&subset.addresses), count(&subset.not_ready_addresses))).collect();
        assert_eq!((found, cut), (expected, is_cut), "{given:?}");
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    let mut world = World::new(json!({"selector": {"app": "x"}, "ports": [{"port": 80}]}));
    let told = |world: &World| {
        let observed = EndpointsController::observe(world.store.snapshot(), world.service).expect("a service");
        let plan = EndpointsController::refused(&observed, &ApiError::new(Reason::Forbidden, "not today"), NOW);
        let events = plan.actions.into_iter().filter_map(|action| match action {
            Action::Emit(event) => Some((event.involved, format!("{}: {}", event.reason, event.message))),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    let name = &Arc::from("svc");
    let unmade = Involved::unmade(kind::ENDPOINTS, &Arc::from("default"), name);
    let expected = "FailedToCreateEndpoint: Failed to create endpoint for service default/svc: not today";
    assert_eq!(told(&world), [(unmade, expected.to_owned())]);
    assert_eq!(world.told(), [""; 0]);
    let made = Involved::object(&world.endpoints().expect("they are there").meta);
    let expected = "FailedToUpdateEndpoint: Failed to update endpoint default/svc: not today";
    assert_eq!(told(&world), [(made, expected.to_owned())]);
}

/// A pod of a service for UDP, in this state: its address among those that are ready, or the others behind the bar.
fn of_pod(phase: PodPhase, ready: bool, going: bool, publishes: bool) -> Vec<String> {
    let port = json!({"port": 53, "protocol": "UDP"});
    let mut world =
        World::new(json!({"selector": {"app": "x"}, "ports": [port], "publishNotReadyAddresses": publishes}));
    world.pod(1, ready, &json!({"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}));
    if going {
        world.store.delete(kind::POD, "default", "p1", DeleteOptions::default(), NOW).expect("it is there");
    }
    let pod = world.store.snapshot().find(kind::POD, "default", "p1").expect("a pod").clone();
    let state = PodState { phase, ..pod.pod().expect("a pod").state.clone() };
    let write = Action::UpdatePodState { target: Target::seen(&pod), state: Box::new(state) };
    world.store.commit(vec![write], NOW).expect("nobody else writes");
    let told = world.told();
    let endpoints = world.endpoints().and_then(|object| object.typed::<Endpoints>()).expect("Endpoints");
    let mut ports = endpoints.subsets.iter().flatten().flat_map(|subset| subset.ports.iter().flatten());
    assert!(ports.all(|port| port.protocol.as_deref() == Some("UDP")));
    told
}

#[test]
fn pods_that_go_or_have_ended_are_left_out() {
    let (among_ready, among_others) = (["53: 10.0.0.1 | "].as_slice(), ["53:  | 10.0.0.1"].as_slice());
    for phase in [PodPhase::Running, PodPhase::Pending, PodPhase::Unknown] {
        for (ready, going, publishes, expected) in [
            (true, false, false, among_ready),
            (true, true, false, &[]),
            (false, false, false, among_others),
            (false, true, false, &[]),
            (false, false, true, among_ready),
            (false, true, true, among_ready),
        ] {
            let told = of_pod(phase, ready, going, publishes);
            assert_eq!(told, expected, "{phase:?}: {ready}, {going}, {publishes}");
        }
    }
    for (phase, publishes) in
        [(PodPhase::Failed, false), (PodPhase::Succeeded, false), (PodPhase::Failed, true), (PodPhase::Succeeded, true)]
    {
        assert_eq!(of_pod(phase, false, false, publishes), [""; 0], "{phase:?}, {publishes}");
    }
}
