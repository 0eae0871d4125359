//! Documents are whole, and say what clients look for.

use std::collections::BTreeSet;

use super::*;

/// Every `$ref` in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.insert(target.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn assert_whole(document: &Value) {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(found.len() > 3, "{found:?}");
    for target in found {
        let place = target.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(place).is_some_and(Value::is_object), "{target}");
    }
}

#[test]
fn each_document_has_all_that_it_refers_to_and_every_operation_its_own_name() {
    let kinds = Kinds::built_in();
    let pages = index(&kinds);
    let pages = pages["paths"].as_object().expect("an object");
    let expected = ["api/v1", "apis/apps/v1", "apis/metrics.k8s.io/v1beta1"];
    assert!(expected.into_iter().all(|path| pages.contains_key(path)), "{pages:?}");
    for path in pages.keys() {
        let parts: Vec<&str> = path.split('/').collect();
        let (group, version) = match parts.as_slice() {
            ["apis", group, version] => (*group, *version),
            ["api", version] => ("", *version),
            other => panic!("{other:?}"),
        };
        let document = document(&kinds, group, version).expect("a version with kinds");
        assert_whole(&document);
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for operation in item.as_object().expect("operations").values().filter(|value| value.is_object()) {
                let name = operation["operationId"].as_str().expect("a name").to_owned();
                assert!(path.ends_with("{path}") || names.insert(name), "{path}: {operation}");
            }
        }
    }
    assert_whole(&swagger(&kinds));
    assert!(document(&kinds, "apps", "v7").is_none());
}

/// kubectl validates on the server only when it finds the parameter in the operation with which the kind is patched.
#[test]
fn what_can_be_patched_says_that_fields_are_validated() {
    let kinds = Kinds::built_in();
    for info in kinds.iter().filter(|info| info.verbs.names().contains(&"patch")) {
        let document = document(&kinds, &info.group, &info.version).expect("a version with kinds");
        let kind = json!({ "group": &*info.group, "version": &*info.version, "kind": &*info.kind });
        let patches = document["paths"].as_object().expect("paths").values().map(|item| &item["patch"]);
        let of_kind = patches.filter(|patch| patch["x-kubernetes-group-version-kind"] == kind);
        let says = |patch: &Value| {
            let parameters = patch["parameters"].as_array().expect("parameters");
            ["dryRun", "fieldManager", "fieldValidation", "force"].iter().all(|name| {
                parameters.iter().any(|parameter| parameter["name"] == **name && parameter["in"] == "query")
            })
        };
        assert!(of_kind.clone().count() > 0 && of_kind.clone().all(says), "{kind}");
    }
}

#[test]
fn fields_say_what_they_are() {
    let document = document(&Kinds::built_in(), "", "v1").expect("the core group");
    let of = |name: &str| &document["components"]["schemas"][format!("io.k8s.api.core.v1.{name}")];
    assert_eq!(of("Pod")["x-kubernetes-group-version-kind"], json!([{ "group": "", "version": "v1", "kind": "Pod" }]));
    assert_eq!(of("PodSpec")["required"], json!(["containers"]));
    let property = |of_type: &str, name: &str| of(of_type)["properties"][name].clone();
    assert_eq!(
        property("Container", "ports"),
        json!({
            "type": "array",
            "items": { "allOf": [{ "$ref": "#/components/schemas/io.k8s.api.core.v1.ContainerPort" }], "default": {} },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "containerPort",
        })
    );
    assert_eq!(
        property("ContainerPort", "protocol"),
        json!({ "type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"] })
    );
    assert_eq!(property("PodSpec", "nodeSelector")["x-kubernetes-map-type"], "atomic");
    assert_eq!(of("NodeSelector")["x-kubernetes-map-type"], "atomic");
    assert_eq!(
        property("Secret", "data"),
        json!({ "type": "object", "additionalProperties": { "type": "string", "format": "byte" } })
    );
}

#[test]
fn the_protobuf_has_a_definition_and_a_path_for_each_of_the_json() {
    let document = swagger(&Kinds::built_in());
    assert!(document["definitions"]["io.k8s.api.core.v1.Pod"].get("default").is_none());
    let bytes = gnostic::to_protobuf(&document);
    let fields = |bytes: &[u8], wanted: u32| crate::protobuf::fields(bytes, wanted).expect("a message");
    let names = |number: u32, entries: u32| -> Vec<String> {
        let [message] = &fields(&bytes, number)[..] else { panic!("field {number} once") };
        let entries = fields(message, entries);
        let name = |entry: &Vec<u8>| String::from_utf8(fields(entry, 1).concat()).expect("a name");
        entries.iter().map(name).collect()
    };
    let keys = |name: &str| document[name].as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(9, 1), keys("definitions"));
    assert_eq!(names(8, 2), keys("paths"));
    assert_eq!(fields(&bytes, 1), [b"2.0"]);
}

#[test]
fn the_hash_of_a_version_changes_with_its_kinds() {
    let mut kinds = Kinds::built_in();
    let hashes = |kinds: &Kinds| ["", "apps"].map(|group| GroupVersion { group, version: "v1" }.hash(kinds));
    let before = hashes(&kinds);
    let widget = KindInfo { group: "apps".into(), ..KindInfo::custom::<inboard::prelude::ConfigMap>() };
    kinds.add(widget).expect("a kind that is not there");
    let after = hashes(&kinds);
    assert!(before[0] == after[0] && before[1] != after[1], "{before:?} {after:?}");
    let document = document(&kinds, "apps", "v1").expect("a version with kinds");
    assert_whole(&document);
    assert!(document["components"]["schemas"]["apps.v1.ConfigMap"]["x-kubernetes-preserve-unknown-fields"] == true);
}
