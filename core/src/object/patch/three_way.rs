//! `kubectl apply` as it works on the client: what was applied last, what is applied now, and what is there.
//!
//! What is applied now is merged into what is there, and what was applied last time and is not any more goes away. What
//! others have set stays. The kinds decide how lists are merged, as for a strategic merge patch; for users' own kinds
//! all lists are replaced.

use serde_json::{Map, Value};

use super::schema::{self, PLAIN, Rule, Type};
use super::strategic::{Identity, reorder};
use crate::object::kind::KindId;

/// The annotation in which `kubectl apply` keeps what was applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is applied, with the annotation that remembers it.
pub fn with_last_applied(mut applied: Value) -> Value {
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    // The annotations are written out even if there are none, as kubectl does.
    let Value::Object(fields) = &mut applied else { return applied };
    let Value::Object(metadata) = fields.entry("metadata").or_insert_with(|| Map::new().into()) else { return applied };
    let annotations = metadata.entry("annotations").or_insert_with(|| Map::new().into());
    if annotations.is_null() {
        *annotations = Map::new().into();
    }
    let text = format!("{applied}\n");
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert(LAST_APPLIED.to_owned(), text.into());
    }
    applied
}

/// Applies a manifest to the object that is there, and remembers it in the object's annotation.
pub fn apply(kind: KindId, live: &Value, applied: Value) -> Value {
    let last = live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED));
    let last: Value = last.and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let applied = with_last_applied(applied);
    merged(last.as_object(), &applied, live, schema::of(kind))
}

/// One object: `applied` into `live`, less what only `last` had.
fn merged(last: Option<&Map<String, Value>>, applied: &Value, live: &Value, of: Type) -> Value {
    let (Value::Object(applied), Value::Object(live)) = (applied, live) else { return applied.clone() };
    let mut result = live.clone();
    for key in last.into_iter().flat_map(Map::keys).filter(|key| !applied.contains_key(*key)) {
        result.remove(key);
    }
    for (key, value) in applied {
        let before = last.and_then(|last| last.get(key));
        match live.get(key) {
            _ if value.is_null() => {
                result.remove(key);
            }
            Some(there) => {
                result.insert(key.clone(), merged_field(before, value, there, of.rule(key)));
            }
            None => {
                result.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(result)
}

fn merged_field(last: Option<&Value>, applied: &Value, live: &Value, rule: Option<Rule>) -> Value {
    let last_object = last.and_then(Value::as_object);
    match (rule, applied, live) {
        (Some(Rule::Replace), ..) => applied.clone(),
        (Some(Rule::RetainKeys(of)), Value::Object(_), Value::Object(_)) => retained(last_object, applied, live, of),
        (Some(Rule::Object(of)), Value::Object(_), Value::Object(_)) => merged(last_object, applied, live, of),
        (_, Value::Object(_), Value::Object(_)) => merged(last_object, applied, live, PLAIN),
        (Some(Rule::ByKey(key, of)), Value::Array(applied), Value::Array(live)) => {
            keyed(last, applied, live, key, |last, applied, live| merged(last, applied, live, of))
        }
        (Some(Rule::ByKeyRetain(key, of)), Value::Array(applied), Value::Array(live)) => {
            keyed(last, applied, live, key, |last, applied, live| retained(last, applied, live, of))
        }
        (Some(Rule::Set), Value::Array(applied), Value::Array(live)) => {
            let gone = |value: &Value| last.is_some_and(|last| contains(last, value)) && !applied.contains(value);
            let mut list: Vec<Value> = live.iter().filter(|value| !gone(value)).cloned().collect();
            list.extend(applied.iter().filter(|value| !live.contains(value)).cloned());
            Value::Array(reorder(list, applied, live, &Identity::Value))
        }
        _ => applied.clone(),
    }
}

fn contains(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(value))
}

/// As [`merged`], but when something changes only the fields that are applied remain.
fn retained(last: Option<&Map<String, Value>>, applied: &Value, live: &Value, of: Type) -> Value {
    let mut result = merged(last, applied, live, of);
    if result != *live
        && let (Value::Object(result), Value::Object(applied)) = (&mut result, applied)
    {
        result.retain(|key, _| applied.contains_key(key));
    }
    result
}

fn keyed(
    last: Option<&Value>,
    applied: &[Value],
    live: &[Value],
    key: &str,
    merge: impl Fn(Option<&Map<String, Value>>, &Value, &Value) -> Value,
) -> Value {
    let last = last.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let find = |list: &[Value], like: &Value| list.iter().position(|element| element.get(key) == like.get(key));
    let mut result: Vec<Value> = Vec::new();
    for there in live {
        match find(applied, there) {
            Some(index) => {
                let before = find(last, there).and_then(|index| last[index].as_object());
                result.push(merge(before, &applied[index], there));
            }
            None if find(last, there).is_some() => {}
            None => result.push(there.clone()),
        }
    }
    result.extend(applied.iter().filter(|element| find(live, element).is_none()).cloned());
    Value::Array(reorder(result, applied, live, &Identity::Key(key)))
}
