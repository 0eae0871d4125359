//! Patches against recorded Kubernetes behaviour: what a patch makes of an object, before defaults are filled in again.
//!
//! The recorded answers went through defaulting, so what we make must be in the answer, and where the answer has more it
//! must be a default.

use std::fs;
use std::path::Path;

use inboard::object::kind::Kinds;
use inboard::object::patch::Patch;
use serde_json::Value;

/// Fields that the server fills in again when a patch adds or replaces an object.
const FILLED_IN: [&str; 22] = [
    "imagePullPolicy",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "resources",
    "protocol",
    "targetPort",
    "restartPolicy",
    "dnsPolicy",
    "schedulerName",
    "securityContext",
    "terminationGracePeriodSeconds",
    "rollingUpdate",
    "type",
    "nodePort",
    "policyTypes",
    "maxSurge",
    "defaultMode",
    "apiVersion",
    "annotations",
    "apiGroup",
    "status",
    "creationTimestamp",
];

/// Fields that every write changes or that a patch cannot change.
const OF_THE_SERVER: [&str; 8] = [
    "kind",
    "namespace",
    "resourceVersion",
    "generation",
    "uid",
    "managedFields",
    "observedGeneration",
    "creationTimestamp",
];

fn compare(path: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours.iter().filter(|(key, _)| !OF_THE_SERVER.contains(&key.as_str())) {
                let path = format!("{path}.{key}");
                match theirs.get(key) {
                    Some(other) => compare(&path, value, other, differences),
                    None if value.as_object().is_some_and(|map| map.is_empty()) => {}
                    None if value.as_array().is_some_and(Vec::is_empty) => {}
                    None => differences.push(format!("{path}: only ours has {value}")),
                }
            }
            for (key, value) in theirs.iter().filter(|(key, _)| !ours.contains_key(*key)) {
                let says_nothing = value.is_null() || value.as_object().is_some_and(|map| map.is_empty());
                if !says_nothing && !FILLED_IN.contains(&key.as_str()) && !OF_THE_SERVER.contains(&key.as_str()) {
                    differences.push(format!("{path}.{key}: only theirs has {value}"));
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{path}[{index}]"), ours, theirs, differences);
            }
        }
        _ if ours == theirs => {}
        // Decoding makes the empty text of a null.
        (Value::Null, Value::String(text)) if text.is_empty() => {}
        _ => differences.push(format!("{path}: ours {ours}, theirs {theirs}")),
    }
}

#[test]
fn patches_make_of_objects_what_kubernetes_makes_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/patch");
    let kinds = Kinds::built_in();
    let (mut checked, mut failures) = (0, Vec::new());
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let case: Value = serde_json::from_slice(&fs::read(file).expect("readable")).expect("JSON");
        let (base, answer) = (&case["baseReturned"], &case["response"]);
        if answer["code"] != 200
            || !base.is_object()
            || case["path"].as_str().is_some_and(|path| path.ends_with("/scale"))
        {
            continue;
        }
        let text = |field: &str| base[field].as_str().unwrap_or_default();
        let Some(info) = kinds.by_api_version(text("apiVersion"), text("kind")) else { continue };
        let patch = match &case["patch"] {
            Value::String(text) => serde_json::from_str(text).expect("JSON"),
            patch => patch.clone(),
        };
        let patch = match case["contentType"].as_str() {
            Some("application/json-patch+json") => Patch::Json(patch),
            Some("application/merge-patch+json") => Patch::Merge(patch),
            Some("application/strategic-merge-patch+json") => Patch::Strategic(patch),
            _ => continue,
        };
        // What the main resource ignores of its status, and the other way round, is the store's affair.
        if name.contains("status-ignored") || name.contains("generation") || name.contains("creation-timestamp") {
            continue;
        }
        checked += 1;
        let mut ours = base.clone();
        let mut differences = Vec::new();
        match patch.apply(info.id, &mut ours) {
            Ok(()) => compare("", &ours, &answer["body"], &mut differences),
            Err(error) => differences.push(format!("refused: {error}")),
        }
        failures.extend(differences.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    assert!(checked > 60, "only {checked} cases were found");
    assert!(failures.is_empty(), "{} differences in {checked} cases:\n{}", failures.len(), failures.join("\n"));
}
