//! Strategic merge patch: a merge patch that knows which lists have keys, with directives for what merging cannot say.
//!
//! | directive | meaning |
//! |---|---|
//! | `$patch: replace` in an object | the rest of this object replaces the old one |
//! | `$patch: delete` in an object | the object goes; in a keyed list, the element with this key |
//! | `$patch: replace` in an element of a keyed list | the other elements of the patch replace the list |
//! | `$retainKeys: [...]` | only these fields of the old object remain |
//! | `$deleteFromPrimitiveList/x: [...]` | these values go from the list `x` |
//! | `$setElementOrder/x: [...]` | the elements of `x` are put in this order |

use serde_json::{Map, Value};

use super::PatchError;
use super::schema::{PLAIN, Rule, Type};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

type Object = Map<String, Value>;

pub(super) fn apply(object: &mut Value, patch: &Value, of: Type) -> Result<(), PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::Malformed("invalid JSON document".to_owned()));
    };
    let Value::Object(object) = object else {
        return Err(PatchError::Malformed("invalid JSON document".to_owned()));
    };
    merge_object(object, patch, of)
}

fn merge_object(object: &mut Object, patch: &Object, of: Type) -> Result<(), PatchError> {
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            object.clone_from(patch);
            object.remove(PATCH);
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            object.clear();
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(other, patch)),
    }
    retain_keys(object, patch)?;
    for (key, order) in patch {
        if let Some(field) = key.strip_prefix(SET_ORDER) {
            set_order(object, patch, field, order, of)?;
        }
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            delete_values(object, field, value)?;
        } else if key != RETAIN && !key.starts_with(SET_ORDER) && !has_order(patch, key) {
            merge_field(object, key, value, of)?;
        }
    }
    Ok(())
}

fn has_order(patch: &Object, field: &str) -> bool {
    patch.contains_key(&format!("{SET_ORDER}{field}"))
}

fn unknown_directive(directive: &Value, patch: &Object) -> PatchError {
    let name = directive.as_str().map_or_else(|| directive.to_string(), str::to_owned);
    PatchError::Directive(format!("unknown patch type: {name} in map: {}", go_map(patch)))
}

/// A map as upstream's language prints it: `map[a:1 b:map[c:x]]`.
fn go_map(map: &Object) -> String {
    let entries = map.iter().map(|(key, value)| format!("{key}:{}", go_value(value)));
    format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
}

fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) => go_map(map),
        Value::Array(list) => format!("[{}]", list.iter().map(go_value).collect::<Vec<_>>().join(" ")),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// `$retainKeys`: the other fields go, and the patch may name no others.
fn retain_keys(object: &mut Object, patch: &Object) -> Result<(), PatchError> {
    let Some(keys) = patch.get(RETAIN) else { return Ok(()) };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let keys: Vec<&str> = keys.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    if patch.iter().any(|(key, value)| !key.starts_with('$') && !value.is_null() && !keys.contains(&key.as_str())) {
        return Err(malformed());
    }
    object.retain(|key, _| keys.contains(&key.as_str()));
    Ok(())
}

fn delete_values(object: &mut Object, field: &str, values: &Value) -> Result<(), PatchError> {
    let malformed = || PatchError::Malformed("invalid patch format of primitive list".to_owned());
    let values = values.as_array().ok_or_else(malformed)?;
    if let Some(Value::Array(list)) = object.get_mut(field) {
        list.retain(|element| !values.contains(element));
    }
    Ok(())
}

fn merge_field(object: &mut Object, key: &str, value: &Value, of: Type) -> Result<(), PatchError> {
    if value.is_null() {
        object.remove(key);
        return Ok(());
    }
    let rule = of.rule(key);
    match (object.get_mut(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => match rule {
            Some(Rule::Replace) => *old = without_directives(new),
            Some(Rule::Object(inner) | Rule::RetainKeys(inner)) => merge_object(old, new, inner)?,
            _ => merge_object(old, new, PLAIN)?,
        },
        (Some(Value::Array(old)), Value::Array(new)) => {
            let merged = merge_list(std::mem::take(old), new, rule)?;
            *old = merged;
        }
        _ => {
            object.insert(key.to_owned(), fresh(value));
        }
    }
    Ok(())
}

/// A value of the patch for which the object has none yet: directives and nulls mean nothing in it.
fn fresh(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(list) => {
            let keeps = |element: &&Value| element.get(PATCH).is_none();
            Value::Array(list.iter().filter(keeps).map(fresh).collect())
        }
        _ => value.clone(),
    }
}

fn without_directives(map: &Object) -> Object {
    if map.get(PATCH).and_then(Value::as_str) == Some("delete") {
        return Object::new();
    }
    let kept = map.iter().filter(|(key, value)| !value.is_null() && !is_directive(key));
    kept.map(|(key, value)| (key.clone(), fresh(value))).collect()
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER)
}

pub(super) fn merge_list(old: Vec<Value>, patch: &[Value], rule: Option<Rule>) -> Result<Vec<Value>, PatchError> {
    match rule {
        Some(Rule::ByKey(key, inner) | Rule::ByKeyRetain(key, inner)) => merge_keyed(old, patch, key, inner),
        Some(Rule::Set) => {
            let mut merged = old.clone();
            for value in patch {
                if !merged.contains(value) {
                    merged.push(value.clone());
                }
            }
            Ok(reorder(merged, patch, &old, &Identity::Value))
        }
        // Lists without a key are replaced as they are.
        Some(Rule::Object(_) | Rule::RetainKeys(_) | Rule::Replace) | None => Ok(patch.to_vec()),
    }
}

fn merge_keyed(old: Vec<Value>, patch: &[Value], key: &str, of: Type) -> Result<Vec<Value>, PatchError> {
    let identity = Identity::Key(key);
    let mut merged = old.clone();
    let mut plain = Vec::new();
    let mut replaces = false;
    for element in patch {
        let Value::Object(fields) = element else {
            return Err(PatchError::Malformed("invalid patch: an element of a keyed list is not an object".to_owned()));
        };
        match fields.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(element.clone()),
            Some("replace") => replaces = true,
            Some("delete") => {
                let gone = fields.get(key).ok_or_else(|| no_key(fields, key))?;
                merged.retain(|element| element.get(key) != Some(gone));
            }
            Some("merge") => {
                return Err(PatchError::Directive("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(_) => return Err(unknown_directive(&fields[PATCH], fields)),
        }
    }
    if replaces {
        return Ok(plain.iter().map(fresh).collect());
    }
    for element in &plain {
        let Value::Object(fields) = element else { continue };
        let wanted = fields.get(key).ok_or_else(|| no_key(fields, key))?;
        match merged.iter_mut().find(|element| element.get(key) == Some(wanted)) {
            Some(Value::Object(found)) => merge_object(found, fields, of)?,
            _ => merged.push(fresh(element)),
        }
    }
    Ok(reorder(merged, &plain, &old, &identity))
}

fn no_key(fields: &Object, key: &str) -> PatchError {
    PatchError::Directive(format!("map: {} does not contain declared merge key: {key}", go_map(fields)))
}

/// `$setElementOrder/x`: merges the list, then puts it in order.
fn set_order(object: &mut Object, patch: &Object, field: &str, order: &Value, of: Type) -> Result<(), PatchError> {
    let malformed = || PatchError::Malformed("invalid patch format of setElementOrder list".to_owned());
    let order = order.as_array().ok_or_else(malformed)?;
    let rule = of.rule(field);
    let identity = match rule {
        Some(Rule::ByKey(key, _) | Rule::ByKeyRetain(key, _)) => Identity::Key(key),
        _ => Identity::Value,
    };
    let old = match object.get_mut(field) {
        Some(Value::Array(list)) => std::mem::take(list),
        Some(_) => return Err(malformed()),
        None if patch.contains_key(field) => Vec::new(),
        None => return Ok(()),
    };
    let merged = match patch.get(field) {
        Some(Value::Array(list)) => {
            check_order(list, order, &identity)?;
            merge_list(old.clone(), list, rule)?
        }
        Some(Value::Null) => Vec::new(),
        Some(_) => return Err(malformed()),
        None => old.clone(),
    };
    object.insert(field.to_owned(), Value::Array(reorder(merged, order, &old, &identity)));
    Ok(())
}

/// The elements of the patch must be in the order list, in its order.
fn check_order(list: &[Value], order: &[Value], identity: &Identity<'_>) -> Result<(), PatchError> {
    let mut rest = order.iter();
    for element in list.iter().filter(|element| element.get(PATCH).is_none()) {
        if !rest.any(|ordered| identity.same(element, ordered)) {
            let shown = |list: &[Value]| go_value(&Value::Array(list.to_vec()));
            let (list, order) = (shown(list), shown(order));
            let message = format!("The order in patch list:\n{list}\n doesn't match setElementOrder list:\n{order}\n");
            return Err(PatchError::Directive(message));
        }
    }
    Ok(())
}

/// By what two elements are the same.
pub(super) enum Identity<'a> {
    /// A field of theirs.
    Key(&'a str),
    /// Themselves.
    Value,
}

impl Identity<'_> {
    fn same(&self, one: &Value, other: &Value) -> bool {
        match self {
            Self::Key(key) => one.get(key).is_some() && one.get(key) == other.get(key),
            Self::Value => one == other,
        }
    }

    fn index(&self, list: &[Value], element: &Value) -> Option<usize> {
        list.iter().position(|other| self.same(element, other))
    }
}

/// Puts a merged list in order: elements that the patch names in the patch's order, the others in the old order, and an
/// other before a named one only where it stood before it in the old list.
pub(super) fn reorder(merged: Vec<Value>, named: &[Value], old: &[Value], identity: &Identity<'_>) -> Vec<Value> {
    let sorted = |mut list: Vec<Value>, order: &[Value]| {
        list.sort_by_key(|element| identity.index(order, element).unwrap_or(usize::MAX));
        list
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        merged.into_iter().partition(|element| identity.index(named, element).is_some());
    let mut ours = sorted(ours, named).into_iter().peekable();
    let mut others = sorted(others, old).into_iter().peekable();
    let mut result = Vec::new();
    loop {
        let other_first = match (others.peek(), ours.peek()) {
            (None, None) => return result,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(our)) => {
                matches!((identity.index(old, other), identity.index(old, our)), (Some(other), Some(our)) if other < our)
            }
        };
        result.extend(if other_first { others.next() } else { ours.next() });
    }
}
