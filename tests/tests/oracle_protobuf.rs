//! Every object of the recordings through protobuf and back, and bytes that were damaged on the way.

use std::fs;
use std::path::Path;

use inboard::object::kind::{Codec, Kinds};
use inboard_apiserver::protobuf;
use inboard_tests::dice::Dice;
use inboard_tests::oracle::{cases, folder};
use serde_json::Value;

const FOLDERS: [&str; 6] = ["apply", "defaults", "patch", "scheduler", "tables", "validation"];

/// Every value of a built-in kind within these, as an API server prints it, with what reads it.
fn objects(value: &Value, kinds: &Kinds, found: &mut Vec<(Codec, Value)>) {
    match value {
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
            let info = kinds.by_api_version(text("apiVersion"), text("kind"));
            // What admission would refuse for its types is no object.
            if let Some(codec) = info.and_then(|info| info.codec)
                && let Ok(decoded) = codec.decode(value)
            {
                found.push((codec, decoded.object.to_wire()));
            }
            fields.values().for_each(|value| objects(value, kinds, found));
        }
        Value::Array(values) => values.iter().for_each(|value| objects(value, kinds, found)),
        _ => {}
    }
}

fn recorded() -> Vec<(Codec, Value)> {
    let kinds = Kinds::built_in();
    let mut found = Vec::new();
    for name in FOLDERS {
        let folder = folder(name);
        for case in cases(&folder, ".json").expect("the folder of the recordings") {
            objects(&read(&folder, &case), &kinds, &mut found);
        }
    }
    found
}

/// Without what protobuf cannot tell from absent: `null` and empty lists.
fn without_empty(value: &Value) -> Value {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !is_empty(value));
            kept.map(|(name, value)| (name.clone(), without_empty(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

fn read(folder: &Path, case: &str) -> Value {
    let text = fs::read_to_string(folder.join(format!("{case}.json"))).expect("a case");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_object_comes_back_from_protobuf_as_it_was() {
    let recorded = recorded();
    assert!(recorded.len() > 500, "{} objects", recorded.len());
    for (codec, object) in &recorded {
        let bytes = protobuf::encode(object).unwrap_or_else(|error| panic!("{error}: {object}"));
        let back = protobuf::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {object}"));
        let back = codec.decode(&back).unwrap_or_else(|error| panic!("{error}: {back}"));
        assert_eq!(back.unknown_fields, Vec::<String>::new(), "{object}");
        // A schema's own false and zero are printed here, and are nothing to Go.
        if object["kind"] != "CustomResourceDefinition" {
            assert_eq!(without_empty(&back.object.to_wire()), without_empty(object));
        }
    }
    // Shown with `--nocapture`.
    {
        print!("{} objects", recorded.len());
    }
}

#[test]
fn damaged_bytes_are_read_or_refused() {
    let mut dice = Dice::new(7);
    let mut refused = 0;
    let mut judge = |bytes: &[u8]| refused += usize::from(protobuf::decode(bytes).is_err());
    for (_, object) in recorded().iter().step_by(9) {
        let whole = protobuf::encode(object).expect("an object of a built-in kind");
        for length in (0..whole.len()).step_by(7) {
            judge(&whole[..length]);
        }
        for _ in 0..40 {
            let mut bytes = whole.clone();
            for _ in 0..=dice.roll(3) {
                let place = dice.roll(bytes.len() as u64) as usize;
                bytes[place] = dice.roll(256) as u8;
            }
            judge(&bytes);
        }
    }
    assert!(refused > 1000, "{refused}");
}
