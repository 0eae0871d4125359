//! Objects that `kubectl apply` has kept by its annotation, and that `kubectl apply --server-side` takes over.

use serde_json::{Map, Value};

use super::check::Duplicates;
use super::compare::compare;
use super::fields;
use super::set::FieldSet;
use super::updater::Rules;
use crate::object::patch::LAST_APPLIED;

/// How large all annotations of an object may be, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// What the annotation says was applied and still is so: kubectl may apply that again, whoever owns it. Nothing when there
/// is no annotation that could be read.
pub(super) fn allowed(rules: &Rules<'_>, live: &Value, api_version: &str) -> Option<FieldSet> {
    let text = annotation(live)?;
    let of = rules.views.type_in(api_version)?;
    rules.check(live, api_version, Duplicates::Refused).ok()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
        return None;
    }
    rules.check(&applied, api_version, Duplicates::Refused).ok()?;
    let set = fields::of(&applied, of).ok()?;
    let since = compare(&applied, live, of).ok()?;
    Some(set.difference(&since.modified).difference(&since.added).difference(&since.removed))
}

/// Where there is an annotation it says what is applied now, unless that were too much.
pub(super) fn renew(object: &mut Value, applied: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    // As Go writes JSON.
    let text = applied.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    annotations.insert(LAST_APPLIED.to_owned(), Value::from(format!("{text}\n")));
    if bytes(annotations) > ANNOTATIONS_BYTES_MAX {
        annotations.remove(LAST_APPLIED);
    }
}

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations.get(LAST_APPLIED).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn bytes(annotations: &Map<String, Value>) -> usize {
    annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum()
}
