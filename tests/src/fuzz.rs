//! What anybody may send, as bytes: each entry takes them the way that a server does, and must come back.
//!
//! The fuzzers of the folder `fuzz` call these with bytes of their own making, and a test with those that are kept there,
//! and with what chance makes of them. An entry checks what must hold of whatever it was given.

use std::sync::Arc;

use inboard::cluster::Filter;
use inboard::ids::Revision;
use inboard::object::body::{self, Format};
use inboard::object::cron::{Schedule, Utc, Zone};
use inboard::object::der;
use inboard::object::kind::{self, Kinds};
use inboard::object::manifest::{Document, FieldValidation, Manifest};
use inboard::object::patch::Patch;
use inboard::object::selector::Selector;
use inboard::object::subject::Subject;
use inboard::store::{Application, Draft, FieldManager, Object, Part, Store, WriteOptions};
use inboard::time::Time;
use inboard_apiserver::{Certificates, frames, protobuf};
use serde_json::{Value, json};

const NOW: Time = Time::from_secs(1_800_000_000);

/// Takes bytes, and comes back whatever they are.
pub type Entry = fn(&[u8]);

/// The entries by their names, which are those of the folders of bytes that are kept.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("manifest", manifest),
    ("patch", patch),
    ("selector", selector),
    ("protobuf", protobuf_body),
    ("spdy", spdy),
    ("websocket", websocket),
    ("cel", cel),
    ("cron", cron),
    ("certificate", certificate),
];

/// A manifest as people apply it, and as the body of a request.
pub fn manifest(bytes: &[u8]) {
    let kinds = Kinds::built_in();
    if let Ok(text) = std::str::from_utf8(bytes) {
        for how in [FieldValidation::Strict, FieldValidation::Warn] {
            for manifest in Manifest::parse_with(text, &kinds, how).into_iter().flatten() {
                if let Some(object) = manifest.object() {
                    admit(Draft::typed(Arc::clone(object)));
                }
            }
        }
    }
    for info in [kind::POD, kind::DEPLOYMENT, kind::CUSTOM_RESOURCE_DEFINITION].iter().filter_map(|id| id.built_in()) {
        for format in [Format::Json, Format::Yaml] {
            let _ = body::read(bytes, format, &kinds, info, FieldValidation::Warn);
        }
    }
    let _ = body::applied(bytes, Format::Yaml);
}

/// What becomes of an object in an empty store; what is taken can be read again, and is the same.
fn admit(draft: Draft) {
    let mut store = store();
    if let Ok(object) = store.create_with(draft, WriteOptions::default(), NOW) {
        let value = object.to_wire(store.kinds());
        let again = store.decode(object.meta.kind, value.clone()).expect("what is printed can be read");
        assert_eq!(value["metadata"]["name"], *again.meta.name, "{value}");
    }
}

fn store() -> Store {
    let mut store = Store::new(7);
    let namespace = json!({ "metadata": { "name": "default" } });
    let draft = store.decode(kind::NAMESPACE, namespace).expect("a namespace");
    store.create_with(draft, WriteOptions::default(), NOW).expect("the name is free");
    store
}

/// A patch of any kind of a Deployment, and an apply of one.
pub fn patch(bytes: &[u8]) {
    let Ok(Document { value, .. }) = Document::from_json(bytes) else { return };
    let mut store = store();
    let deployment = deployment(&mut store);
    let before = deployment.to_wire(store.kinds());
    for patch in [Patch::Json(value.clone()), Patch::Merge(value.clone()), Patch::Strategic(value.clone())] {
        let mut after = before.clone();
        let _ = patch.apply(kind::DEPLOYMENT, &mut after);
        let edit = |mut current: Value| {
            patch
                .apply(kind::DEPLOYMENT, &mut current)
                .map_err(|error| inboard::ApiError::bad_request(error.to_string()))?;
            Ok(current)
        };
        let _ = store.edit(kind::DEPLOYMENT, ("default", "web"), Part::Main, WriteOptions::default(), NOW, edit);
    }
    for force in [false, true] {
        let application = Application {
            kind: kind::DEPLOYMENT,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            part: Part::Main,
            object: value.clone(),
            force,
        };
        let manager = Some(FieldManager::new("fuzzer"));
        let _ = store.apply_object(&application, &WriteOptions { manager, ..WriteOptions::default() }, NOW);
    }
    let revision = store.snapshot().find(kind::DEPLOYMENT, "default", "web").map(|object| object.meta.revision);
    assert!(revision.is_some_and(|revision| revision > Revision::ZERO), "a patch takes nothing away");
}

fn deployment(store: &mut Store) -> Arc<Object> {
    let container = json!({ "name": "c", "image": "nginx", "ports": [{ "containerPort": 80 }], "env": [{ "name": "A", "value": "b" }] });
    let deployment = json!({
        "metadata": { "name": "web", "labels": { "app": "web" }, "finalizers": ["example.com/held"] },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [container] } },
        },
    });
    let draft = store.decode(kind::DEPLOYMENT, deployment).expect("a deployment");
    let manager = Some(FieldManager::new("author"));
    store.create_with(draft, WriteOptions { manager, ..WriteOptions::default() }, NOW).expect("it is good")
}

/// The selectors of a list: labels in front of a line break, fields behind it.
pub fn selector(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (labels, fields) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(selector) = labels.parse::<Selector>() {
        let told = selector.to_string();
        let again: Selector = told.parse().unwrap_or_else(|error| panic!("{told:?} cannot be read: {error}"));
        assert_eq!(again.to_string(), told);
        let _ = selector.matches(&[("app".to_owned(), "web".to_owned())].into());
    }
    if let Ok(filter) = Filter::parse(Some(labels), Some(fields)) {
        let mut store = store();
        let deployment = deployment(&mut store);
        for info in [kind::POD, kind::DEPLOYMENT, kind::EVENT].iter().filter_map(|id| id.built_in()) {
            let _ = filter.check(info);
        }
        let _ = filter.matches(&deployment, store.kinds());
    }
}

/// A body in protobuf: what can be read can be written, and read again as the same.
pub fn protobuf_body(bytes: &[u8]) {
    let Ok(value) = protobuf::decode(bytes) else { return };
    if let Ok(written) = protobuf::encode(&value) {
        let again = protobuf::decode(&written).expect("what was written can be read");
        assert_eq!(protobuf::encode(&again).ok(), Some(written), "{value}");
    }
    let _ = protobuf::encode_event("ADDED", &value);
}

/// The frames of SPDY, in pieces of two sizes: how they are cut makes no difference.
pub fn spdy(bytes: &[u8]) {
    let _ = (frames::spdy(bytes, bytes.len()), frames::spdy(bytes, 7));
}

/// The frames of WebSocket, in the same way.
pub fn websocket(bytes: &[u8]) {
    let _ = (frames::websocket(bytes, bytes.len()), frames::websocket(bytes, 7));
}

/// A rule of a definition, read, and asked about an object.
pub fn cel(bytes: &[u8]) {
    let rule = String::from_utf8_lossy(bytes);
    let spec = json!({
        "type": "object",
        "properties": {
            "text": { "type": "string", "maxLength": 20 },
            "number": { "type": "integer" },
            "list": { "type": "array", "maxItems": 5, "items": { "type": "string", "maxLength": 5 } },
            "map": { "type": "object", "maxProperties": 5, "additionalProperties": { "type": "integer" } },
        },
        "x-kubernetes-validations": [{ "rule": rule, "messageExpression": rule }],
    });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "farms.example.com" },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": { "plural": "farms", "singular": "farm", "kind": "Farm", "listKind": "FarmList" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } },
            }],
        },
    });
    let mut store = store();
    let draft = store.decode(kind::CUSTOM_RESOURCE_DEFINITION, definition).expect("a definition");
    if store.create_with(draft, WriteOptions::default(), NOW).is_err() {
        return;
    }
    let info = store.kinds().by_kind("example.com", "v1", "Farm").cloned().expect("it is established");
    let farm = json!({
        "apiVersion": "example.com/v1",
        "kind": "Farm",
        "metadata": { "name": "a", "namespace": "default" },
        "spec": { "text": "abc", "number": 7, "list": ["a", "b"], "map": { "a": 1 } },
    });
    let draft = Draft::custom(info.stored_as, farm).expect("it has metadata");
    let _ = store.create_with(draft, WriteOptions::default(), NOW);
}

/// A schedule, behind a line break a time zone.
pub fn cron(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (schedule, zone) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(schedule) = Schedule::parse(schedule) else { return };
    let later = |next: Option<Time>| assert!(next.is_none_or(|next| next > NOW), "the next time is behind");
    later(schedule.next_after(NOW, &Utc));
    if let Some(zone) = Zone::named(zone) {
        later(schedule.next_after(NOW, &zone));
    }
}

/// A certificate in DER, and a request for one in PEM or DER. Whom it names can be written and read again.
pub fn certificate(bytes: &[u8]) {
    let packed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let wrapped = format!("-----BEGIN CERTIFICATE REQUEST-----\n{packed}\n-----END CERTIFICATE REQUEST-----\n");
    for request in [bytes, wrapped.as_bytes()] {
        let _ = Certificates::check_request(request);
    }
    let named = [Subject::of_certificate(bytes), Subject::of_request(bytes), Subject::of_request(wrapped.as_bytes())];
    for mut subject in named.into_iter().flatten() {
        let der = subject.to_der();
        let read = der::element(&der, der::SEQUENCE).and_then(|(inner, _)| Subject::read(inner));
        let mut read = read.expect("what is written can be read");
        // A set has an order of its own.
        read.groups.sort_unstable();
        subject.groups.sort_unstable();
        assert_eq!(read, subject);
    }
}
