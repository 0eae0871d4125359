//! How Endpoints that people write are told as slices, as tables.

use serde_json::{Value, json};

use super::*;
use crate::store::{Store, WriteOptions};

const NOW: Time = Time::from_secs(1_000);

struct World {
    store: Store,
}

impl World {
    fn new(service: Value) -> Self {
        let mut store = Store::new(1);
        store.found(NOW);
        let service = json!({"metadata": {"name": "db"}, "spec": service});
        let service: Service = serde_json::from_value(service).expect("a service");
        store.create_with(Draft::of(service), WriteOptions::default(), NOW).expect("room for it");
        Self { store }
    }

    fn endpoints(&mut self, meta: Value, subsets: Value) {
        let mut endpoints: Endpoints =
            serde_json::from_value(json!({"metadata": meta, "subsets": subsets})).expect("endpoints");
        endpoints.metadata.name = Some("db".to_owned());
        endpoints.metadata.namespace = Some("default".to_owned());
        match self.key() {
            None => {
                self.store.create_with(Draft::of(endpoints), WriteOptions::default(), NOW).expect("room for it");
            }
            Some(key) => {
                let target = Target::any_version(key);
                let write = Action::Update { target, object: Arc::new(endpoints), spec_changed: true };
                self.store.commit(vec![write], NOW).expect("nobody else writes");
            }
        }
    }

    fn key(&self) -> Option<Uid> {
        self.store.snapshot().find(kind::ENDPOINTS, "default", "db").map(|object| object.meta.uid)
    }

    /// Does what there is to do; there is nothing to do after it. Says what the slices say then: family, ports, addresses,
    /// those that are not ready with a question mark.
    fn told(&mut self) -> Vec<String> {
        let key = self.key().expect("the endpoints");
        for times in 0..2 {
            let observed =
                EndpointSliceMirroringController::observe(self.store.snapshot(), key).expect("they are there");
            let plan = EndpointSliceMirroringController::decide(&observed, NOW);
            assert!(times == 0 || plan.actions.is_empty(), "{plan:?}");
            self.store.commit(plan.actions, NOW).expect("nobody else writes");
        }
        let slices = self.store.snapshot().list(kind::ENDPOINT_SLICE).filter_map(|slice| slice.typed());
        let mut told: Vec<String> = slices.map(shown).collect();
        told.sort();
        told
    }
}

fn shown(slice: &EndpointSlice) -> String {
    let ports = slice.ports.iter().flatten().map(|port| {
        format!(
            "{}{}",
            port.name.clone().unwrap_or_default(),
            port.port.map_or_else(String::new, |port| format!(":{port}"))
        )
    });
    let addresses = slice.endpoints.iter().flatten().map(|endpoint| {
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false);
        format!("{}{}", endpoint.addresses.join(","), if ready { "" } else { "?" })
    });
    let (ports, mut addresses): (Vec<_>, Vec<_>) = (ports.collect(), addresses.collect());
    addresses.sort();
    format!("{} {} {}", slice.address_type, ports.join("+"), addresses.join(" "))
}

fn subset(ports: &[(&str, i32)], ready: &[&str], others: &[&str]) -> Value {
    let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    let addresses = |ips: &[&str]| ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>();
    json!({"ports": ports, "addresses": addresses(ready), "notReadyAddresses": addresses(others)})
}

fn plain() -> Value {
    json!({"ports": [{"port": 80}]})
}

#[test]
fn each_set_of_ports_and_family_gets_a_slice() {
    let rows: [(Value, &[&str]); 6] = [
        (json!([]), &[]),
        (
            json!([subset(&[("http", 80)], &["10.0.0.1", "10.0.0.2"], &["10.0.0.3"])]),
            &["IPv4 http:80 10.0.0.1 10.0.0.2 10.0.0.3?"],
        ),
        (json!([subset(&[], &["10.0.0.1"], &[])]), &["IPv4  10.0.0.1"]),
        (
            json!([subset(&[("http", 80)], &["10.0.0.1", "fd00::1"], &[])]),
            &["IPv4 http:80 10.0.0.1", "IPv6 http:80 fd00::1"],
        ),
        (
            json!([subset(&[("http", 80)], &["10.0.0.1"], &[]), subset(&[("http", 81), ("x", 9)], &["10.0.0.2"], &[])]),
            &["IPv4 http:80 10.0.0.1", "IPv4 http:81+x:9 10.0.0.2"],
        ),
        // Subsets of the same ports are one.
        (
            json!([subset(&[("http", 80)], &["10.0.0.1"], &[]), subset(&[("http", 80)], &["10.0.0.2"], &[])]),
            &["IPv4 http:80 10.0.0.1 10.0.0.2"],
        ),
    ];
    for (subsets, expected) in rows {
        let mut world = World::new(plain());
        world.endpoints(json!({}), subsets.clone());
        assert_eq!(world.told(), expected, "{subsets}");
    }
}

#[test]
fn only_endpoints_of_a_service_without_a_selector_are_mirrored() {
    let one = || json!([subset(&[("http", 80)], &["10.0.0.1"], &[])]);
    let rows = [
        (plain(), json!({}), true),
        (json!({"ports": [{"port": 80}], "selector": {"app": "x"}}), json!({}), false),
        (plain(), json!({"labels": {SKIP_MIRROR: "true"}}), false),
        (plain(), json!({"labels": {SKIP_MIRROR: "yes"}}), true),
        (plain(), json!({"annotations": {LEADER: "{}"}}), false),
    ];
    for (service, meta, is_mirrored) in rows {
        let mut world = World::new(service);
        world.endpoints(meta.clone(), one());
        assert_eq!(!world.told().is_empty(), is_mirrored, "{meta}");
    }
}

#[test]
fn a_slice_is_written_anew_where_the_endpoints_change_and_goes_with_its_reason() {
    let mut world = World::new(plain());
    world.endpoints(
        json!({"labels": {"team": "a"}, "annotations": {"note": "1", LAST_APPLIED: "{}"}}),
        json!([subset(&[("http", 80)], &["10.0.0.1"], &[])]),
    );
    world.told();
    let slice = |world: &World| {
        let all: Vec<_> = world.store.snapshot().list(kind::ENDPOINT_SLICE).cloned().collect();
        assert_eq!(all.len(), 1);
        Arc::clone(&all[0])
    };
    let first = slice(&world);
    let labels = [("team", "a"), (SERVICE_NAME, "db"), (MANAGED_BY, MANAGER)];
    let labels: StringMap = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    assert_eq!((&*first.meta.labels, first.meta.annotations.len()), (&labels, 1));
    assert!(first.meta.name.starts_with("db-") && first.meta.controller_uid() == world.key());
    // Other ports take the place of those that are gone.
    world.endpoints(json!({}), json!([subset(&[("https", 443)], &["10.0.0.2"], &[])]));
    assert_eq!(world.told(), ["IPv4 https:443 10.0.0.2"]);
    assert_eq!(slice(&world).meta.uid, first.meta.uid);
    assert_eq!(slice(&world).meta.labels.len(), 2);
    let service = world.store.snapshot().find(kind::SERVICE, "default", "db").expect("the service");
    let target = Target::any_version(service.meta.uid);
    let mut changed = service.typed::<Service>().expect("a service").clone();
    changed.spec.get_or_insert_default().selector = Some([("app".to_owned(), "x".to_owned())].into());
    let write = Action::Update { target, object: Arc::new(changed), spec_changed: true };
    world.store.commit(vec![write], NOW).expect("nobody else writes");
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_thousand_addresses_of_a_subset_are_mirrored() {
    let addresses: Vec<String> = (0..1002).map(|number| format!("10.0.{}.{}", number / 250, number % 250)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let endpoints: Endpoints =
        serde_json::from_value(json!({"subsets": [subset(&[("http", 80)], &addresses, &[])]})).expect("endpoints");
    let (wanted, skipped) = wanted(&endpoints);
    assert_eq!((wanted.len(), wanted[0].endpoints.len(), skipped), (1, ADDRESSES_MAX, 2));
}
