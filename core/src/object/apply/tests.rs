//! The laws of owners, on random objects: a kind with a map, a set, a list with keys, and both as a whole.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::owners::Operation;
use super::path::{self, PathElement};
use super::tracking::{Tracker, Writer};
use super::{FieldSet, Owner, Owners, fields, views};
use crate::object::kind::{KindInfo, Kinds};
use crate::time::Time;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

const SEEDS: u64 = 150;
const NOW: Time = Time::from_secs(1_000);

fn kinds() -> Kinds {
    let text = || json!({"type": "string"});
    let item = json!({"type": "object", "properties": {"port": {"type": "integer"}, "to": text(),
        "protocol": {"type": "string", "default": "TCP"}}});
    let spec = json!({"type": "object", "properties": {
        "size": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": text()},
        "whole": {"type": "object", "additionalProperties": text(), "x-kubernetes-map-type": "atomic"},
        "list": {"type": "array", "items": text()},
        "tags": {"type": "array", "items": text(), "x-kubernetes-list-type": "set"},
        "ports": {"type": "array", "items": item, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"]},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let info = KindInfo {
        group: "example.com".into(),
        version: "v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        ..KindInfo::custom::<k8s_openapi::api::core::v1::ConfigMap>()
    };
    let mut kinds = Kinds::built_in();
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    kinds.add(info.schema(schema)).expect("the names are free");
    kinds
}

struct World {
    kinds: Kinds,
    dice: ChaCha8Rng,
    object: Value,
    entries: Vec<ManagedFieldsEntry>,
}

impl World {
    fn new(seed: u64) -> Self {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}});
        Self { kinds: kinds(), dice: ChaCha8Rng::seed_from_u64(seed), object, entries: Vec::new() }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.next_u64() % sides
    }

    fn some<T>(&mut self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().filter(|_| self.roll(2) == 0).collect()
    }

    /// An object that says something about some fields; with few values, so that managers meet.
    fn random(&mut self) -> Value {
        let mut spec = serde_json::Map::new();
        let value = |world: &mut Self| Value::from(["x", "y"][world.roll(2) as usize]);
        for field in self.some(["size", "labels", "whole", "list", "tags", "ports", "free"]) {
            let said = match field {
                "size" => json!(self.roll(2)),
                "list" => json!(self.some(["a", "b"])),
                "tags" => json!(self.some(["a", "b", "c"])),
                "ports" => {
                    let ports = self.some([(80, None), (80, Some("UDP")), (443, Some("TCP"))]);
                    let item = |world: &mut Self, (port, protocol): (i32, Option<&str>)| {
                        let mut item = json!({"port": port});
                        if let Some(protocol) = protocol {
                            item["protocol"] = json!(protocol);
                        }
                        if world.roll(2) == 0 {
                            item["to"] = value(world);
                        }
                        item
                    };
                    Value::Array(ports.into_iter().map(|port| item(self, port)).collect())
                }
                _ => {
                    let keys = self.some(["a", "b", "c"]);
                    Value::Object(keys.into_iter().map(|key| (key.to_owned(), value(self))).collect())
                }
            };
            // Upstream forgets a list that is applied empty where it removes the last item, and learns of it the next time.
            let is_empty = said.as_array().is_some_and(Vec::is_empty) || said == json!({});
            if !is_empty || matches!(field, "whole" | "list") {
                spec.insert(field.to_owned(), said);
            }
        }
        if spec.is_empty() {
            spec.insert("size".to_owned(), json!(1));
        }
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
    }

    fn info(&self) -> &KindInfo {
        self.kinds.by_kind("example.com", "v1", "Widget").expect("it was added")
    }

    fn tracker<'w>(&'w self, manager: &'w str) -> Tracker<'w> {
        let writer = Writer { manager, subresource: "", api_version: "example.com/v1", now: NOW };
        Tracker::new(&self.kinds, self.info(), writer)
    }

    fn fields(&self, object: &Value) -> FieldSet {
        fields::of(object, views::type_of(self.info())).expect("it is of its type")
    }

    fn owners(&self) -> Owners {
        Owners::read(&self.entries).expect("we wrote them")
    }

    /// What a manager has applied.
    fn of(&self, manager: &str) -> FieldSet {
        let owner = Owner::applier(manager, "");
        self.owners().get(&owner).map(|owned| owned.fields.clone()).unwrap_or_default()
    }

    fn of_others(&self, manager: &str) -> FieldSet {
        let me = Owner::applier(manager, "");
        let owners = self.owners();
        let others = owners.iter().filter(|(owner, _)| **owner != me);
        others.fold(FieldSet::new(), |all, (_, owned)| all.union(&owned.fields))
    }

    /// Whether there was no conflict.
    fn apply(&mut self, manager: &str, applied: &Value, force: bool) -> bool {
        let outcome = self.tracker(manager).apply(&self.object, applied, &self.entries, force);
        match outcome {
            Ok(outcome) => {
                (self.object, self.entries) = (outcome.object, outcome.entries);
                true
            }
            Err(error) => {
                assert!(error.is_conflict() && !force, "only others can be in the way: {error}");
                false
            }
        }
    }

    fn update(&mut self, manager: &str) {
        let mut next = self.random();
        next["metadata"]["uid"] = json!("1");
        self.entries = self.tracker(manager).update(&self.object, &next, &self.entries, None);
        self.object = next;
    }
}

#[test]
fn what_is_applied_belongs_to_who_applies_it_and_goes_with_the_last_who_does() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..12 {
            let manager = ["m1", "m2", "m3"][world.roll(3) as usize];
            if world.roll(4) == 0 {
                world.update(manager);
                continue;
            }
            let (applied, force) = (world.random(), world.roll(2) == 0);
            let note = format!("seed {seed}, step {step}: {manager} applies {applied} to {}", world.object);
            let (before, mine_before) = (world.object.clone(), world.of(manager));
            let had = world.fields(&before);
            if !world.apply(manager, &applied, force) {
                continue;
            }
            let is_leaf = |path: &Vec<PathElement>| path.len() > 1;
            let wanted: FieldSet = world.fields(&applied).leaves().paths().into_iter().filter(is_leaf).collect();
            let mine = world.of(manager);
            let missing = wanted.difference(&mine);
            let missing: Vec<String> = missing.paths().iter().map(|path| path::show(path)).collect();
            assert!(missing.iter().all(|path| path.starts_with(".metadata")), "not mine: {missing:?}, {note}");
            let there = world.fields(&world.object);
            let lost = mine_before.leaves().difference(&mine).difference(&world.of_others(manager));
            assert!(lost.intersection(&there.leaves()).is_empty(), "still there, {note}: {}", world.object);
            let named = there.with_named_fields(Some(views::type_of(world.info())));
            let gone = had.difference(&named).leaves().difference_with_below(&mine_before);
            // An item goes with its owner, whoever has changed a field of it.
            assert!(gone.is_empty(), "taken from others: {gone:?}, {note}");
            let (object, entries) = (world.object.clone(), world.entries.clone());
            assert!(world.apply(manager, &applied, false), "the same once more, {note}");
            assert_eq!((&world.object, &world.entries), (&object, &entries), "nothing new, {note}");
        }
    }
}

#[test]
fn without_force_nothing_of_others_changes() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..12 {
            let manager = ["m1", "m2", "m3"][world.roll(3) as usize];
            let applied = world.random();
            let (before, others) = (world.object.clone(), world.of_others(manager));
            if !world.apply(manager, &applied, false) {
                assert_eq!(world.object, before);
                continue;
            }
            let changed = super::compare::compare(&before, &world.object, views::type_of(world.info()));
            let changed = changed.expect("they are of their type");
            let touched = others.leaves().intersection(&changed.modified.union(&changed.removed));
            assert!(touched.is_empty(), "seed {seed}, step {step}: {applied} changed {touched:?}");
        }
    }
}

#[test]
fn sets_obey_the_laws_of_sets_and_survive_being_written() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let (one, other) = (world.random(), world.random());
        let (one, other) = (world.fields(&one), world.fields(&other));
        assert_eq!(FieldSet::from_fields(&one.to_fields()), Ok(one.clone()));
        assert_eq!(one.difference(&other).union(&one.intersection(&other)), one);
        assert_eq!(one.union(&other), other.union(&one));
        assert_eq!(one.intersection(&other), other.intersection(&one));
        assert!(one.difference(&other).intersection(&other).is_empty());
        assert_eq!(one.union(&other).len(), one.len() + other.difference(&one).len());
        assert_eq!(one.paths().iter().collect::<FieldSet>(), one);
        assert!(one.difference_with_below(&one).is_empty());
    }
}

#[test]
fn eleven_writers_share_ten_entries() {
    let mut world = World::new(1);
    let number = |count: u64| {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "1"},
        "spec": {"labels": (0..count).map(|at| (format!("k{at}"), json!("v"))).collect::<serde_json::Map<_, _>>()}})
    };
    for count in 0..12 {
        let name = format!("writer-{count:02}");
        let next = number(count + 1);
        let writer = Writer {
            manager: &name,
            subresource: "",
            api_version: "example.com/v1",
            now: Time::from_secs(count as i64),
        };
        let tracker = Tracker::new(&world.kinds, world.info(), writer);
        let entries = tracker.update(&world.object, &next, &world.entries, None);
        (world.object, world.entries) = (next, entries);
    }
    let owners = world.owners();
    let names: Vec<&str> = owners.iter().map(|(owner, _)| owner.manager.as_str()).collect();
    assert_eq!(names.len(), 10);
    assert!(owners.iter().all(|(owner, _)| owner.operation == Operation::Update));
    let ancient =
        owners.get(&Owner::updater("ancient-changes", "example.com/v1", "")).expect("the oldest share an entry");
    let label = |at: u32| [path::fields("spec.labels"), vec![PathElement::field(&format!("k{at}"))]].concat();
    assert!((0..3).all(|at| ancient.fields.has(&label(at))) && !ancient.fields.has(&label(3)), "{names:?}");
}

#[test]
fn fields_are_read_as_upstream_writes_them() {
    let written = json!({
        "f:data": {".": {}, "f:a.b": {}},
        "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
        "f:tags": {"v:\"a\"": {}, "v:1": {}, "i:3": {}},
    });
    let set = FieldSet::from_fields(&written).expect("it is a set");
    let shown: Vec<String> = set.paths().iter().map(|path| path::show(path)).collect();
    let expected = [
        ".data",
        ".data.a.b",
        ".ports[port=80,protocol=\"TCP\"]",
        ".ports[port=80,protocol=\"TCP\"].port",
        ".tags[=1]",
        ".tags[=\"a\"]",
        ".tags[3]",
    ];
    assert_eq!(shown, expected);
    assert_eq!(set.to_fields(), written);
    for odd in [
        json!({"f:a": 1}),
        json!({"k:{": {}}),
        json!({"x": {}}),
        json!({"i:a": {}}),
        json!({"v:\"a\" 1": {}}),
        json!([]),
    ] {
        assert!(FieldSet::from_fields(&odd).is_err(), "{odd}");
    }
    assert_eq!(FieldSet::from_fields(&json!({"z:future": {}})), Ok(FieldSet::new()));
}
