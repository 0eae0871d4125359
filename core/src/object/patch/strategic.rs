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
use super::told::go_map;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

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
        if let Some(rest) = key.strip_prefix(SET_ORDER) {
            set_order(object, patch, field_of(rest, "setElementOrder")?, order, of)?;
        }
    }
    for (key, value) in patch {
        if let Some(rest) = key.strip_prefix(DELETE_FROM) {
            merge_field(object, field_of(rest, "primitive")?, value, of, true)?;
        } else if key != RETAIN && !key.starts_with(SET_ORDER) && !has_order(patch, key) {
            merge_field(object, key, value, of, false)?;
        }
    }
    Ok(())
}

fn has_order(patch: &Object, field: &str) -> bool {
    patch.contains_key(&format!("{SET_ORDER}/{field}"))
}

/// The field that a directive is about.
fn field_of<'k>(rest: &'k str, list: &str) -> Result<&'k str, PatchError> {
    rest.strip_prefix('/').ok_or_else(|| PatchError::Malformed(format!("invalid patch format of {list} list")))
}

fn unknown_directive(directive: &Value, patch: &Object) -> PatchError {
    let name = match directive {
        Value::String(name) => name.clone(),
        Value::Null => "%!s(<nil>)".to_owned(),
        // As upstream's language prints what is no text.
        other => format!("%!s({}={})", go_type(other), go_map(other)),
    };
    PatchError::Directive(format!("unknown patch type: {name} in map: {}", shown(patch)))
}

fn shown(map: &Object) -> String {
    go_map(&Value::Object(map.clone()))
}

/// The type of a value in upstream's language.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn not_a(wanted: &Value, found: &Value) -> PatchError {
    PatchError::Directive(format!("expected a {}, but received a {}", go_type(wanted), go_type(found)))
}

fn not_a_list(found: &Value) -> PatchError {
    not_a(&Value::Array(Vec::new()), found)
}

/// `$retainKeys`: the other fields go, and the patch may name no others.
fn retain_keys(object: &mut Object, patch: &Object) -> Result<(), PatchError> {
    let Some(keys) = patch.get(RETAIN) else { return Ok(()) };
    let malformed = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let keys: Vec<&str> = keys.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    let directive = |key: &str| key == RETAIN || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !directive(key) && !value.is_null() && !keys.contains(&key.as_str())) {
        return Err(malformed());
    }
    object.retain(|key, _| keys.contains(&key.as_str()));
    Ok(())
}

/// Merges one field; where `takes` is true, the patch says what goes from it.
fn merge_field(object: &mut Object, key: &str, value: &Value, of: Type, takes: bool) -> Result<(), PatchError> {
    if value.is_null() {
        object.remove(key);
        return Ok(());
    }
    let rule = of.rule(key);
    match (object.get_mut(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => match rule {
            Some(Rule::Replace) => old.clone_from(new),
            Some(Rule::Object(inner) | Rule::RetainKeys(inner)) => merge_object(old, new, inner)?,
            _ => merge_object(old, new, PLAIN)?,
        },
        (Some(Value::Array(old)), Value::Array(new)) => {
            *old = if takes { take_from(old, new)? } else { merge_list(std::mem::take(old), new, rule)? };
        }
        (old, value) if takes && old.as_ref().is_none_or(|old| go_type(old) != go_type(value)) => {}
        _ => match fresh(value) {
            Some(value) => {
                object.insert(key.to_owned(), value);
            }
            None => {
                object.remove(key);
            }
        },
    }
    Ok(())
}

/// A value of the patch for which the object has none yet, or one of another type: its nulls mean nothing, and an object
/// with a directive is none. As upstream, other directives stay: the decoder does not know them.
fn fresh(value: &Value) -> Option<Value> {
    cleaned(value, false)
}

/// The same; the nulls stay where a list comes with its order.
fn cleaned(value: &Value, keeps_nulls: bool) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(PATCH) => None,
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| keeps_nulls || !value.is_null());
            let kept = kept.filter_map(|(key, value)| Some((key.clone(), cleaned(value, keeps_nulls)?)));
            Some(kept.collect::<Object>().into())
        }
        Value::Array(list) => Some(list.iter().filter_map(|element| cleaned(element, keeps_nulls)).collect()),
        _ => Some(value.clone()),
    }
}

/// The type of the elements, which is one and the same, and no list.
fn elements_are_objects(old: &[Value], patch: &[Value]) -> Result<bool, PatchError> {
    let mut types = old.iter().chain(patch).map(go_type);
    let Some(first) = types.next() else {
        return Err(PatchError::Directive("no elements in any of the given slices".to_owned()));
    };
    if first == go_type(&Value::Array(Vec::new())) {
        return Err(PatchError::ListOfLists);
    }
    if types.any(|other| other != first) {
        let [old, patch] = [old, patch].map(|list| go_map(&Value::Array(list.to_vec())));
        return Err(PatchError::Directive(format!("list element types are not identical: [{old} {patch}]")));
    }
    Ok(first == go_type(&Value::Object(Object::new())))
}

fn take_from(old: &[Value], taken: &[Value]) -> Result<Vec<Value>, PatchError> {
    if (!old.is_empty() || !taken.is_empty()) && elements_are_objects(old, taken)? {
        return Err(PatchError::Directive("cannot merge lists without merge key for struct".to_owned()));
    }
    Ok(old.iter().filter(|element| !taken.contains(element)).cloned().collect())
}

pub(super) fn merge_list(old: Vec<Value>, patch: &[Value], rule: Option<Rule>) -> Result<Vec<Value>, PatchError> {
    let key = match rule {
        Some(Rule::ByKey(key, inner) | Rule::ByKeyRetain(key, inner)) => Some((key, inner)),
        Some(Rule::Set) => None,
        // Lists without a key are replaced as they are.
        Some(Rule::Object(_) | Rule::RetainKeys(_) | Rule::Replace) | None => return Ok(patch.to_vec()),
    };
    if old.is_empty() && patch.is_empty() {
        return Ok(old);
    }
    match (key, elements_are_objects(&old, patch)?) {
        (Some((key, inner)), true) => merge_keyed(old, patch, key, inner),
        (Some(_), false) => {
            let wanted = Value::Object(Object::new());
            Err(not_a(&wanted, old.first().or(patch.first()).unwrap_or(&Value::Null)))
        }
        (None, true) => Err(PatchError::Directive("cannot merge lists without merge key for string".to_owned())),
        (None, false) => {
            let mut merged: Vec<Value> = Vec::new();
            for value in old.iter().chain(patch) {
                if !merged.contains(value) {
                    merged.push(value.clone());
                }
            }
            Ok(reorder(merged, patch, &old, &Identity::Value))
        }
    }
}

fn merge_keyed(mut old: Vec<Value>, patch: &[Value], key: &str, of: Type) -> Result<Vec<Value>, PatchError> {
    let mut plain = Vec::new();
    let mut replaces = false;
    for element in patch {
        let Value::Object(fields) = element else { continue };
        match fields.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None => plain.push(element.clone()),
            Some("replace") => replaces = true,
            Some("delete") => {
                let gone = fields.get(key).ok_or_else(|| no_key(fields, key))?;
                old.retain(|element| element.get(key) != Some(gone));
            }
            Some("merge") => {
                return Err(PatchError::Directive("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(_) => return Err(unknown_directive(&fields[PATCH], fields)),
        }
    }
    if replaces {
        all_have_key(&plain, key)?;
        return Ok(plain);
    }
    let mut merged = old.clone();
    for element in &plain {
        let Value::Object(fields) = element else { continue };
        let wanted = fields.get(key).ok_or_else(|| no_key(fields, key))?;
        match merged.iter_mut().find(|element| element.get(key) == Some(wanted)) {
            Some(Value::Object(found)) => merge_object(found, fields, of)?,
            _ => merged.push(element.clone()),
        }
    }
    all_have_key(&merged, key)?;
    Ok(reorder(merged, &plain, &old, &Identity::Key(key)))
}

fn no_key(fields: &Object, key: &str) -> PatchError {
    PatchError::Directive(format!("map: {} does not contain declared merge key: {key}", shown(fields)))
}

fn all_have_key(list: &[Value], key: &str) -> Result<(), PatchError> {
    list.iter().try_for_each(|element| match element {
        Value::Object(fields) if fields.contains_key(key) => Ok(()),
        Value::Object(fields) => Err(no_key(fields, key)),
        other => Err(not_a(&Value::Object(Object::new()), other)),
    })
}

/// `$setElementOrder/x`: merges the list, then puts it in order.
fn set_order(object: &mut Object, patch: &Object, field: &str, order: &Value, of: Type) -> Result<(), PatchError> {
    let list = |value: &Value| value.as_array().cloned().ok_or_else(|| not_a_list(value));
    let order = list(order)?;
    let old = object.get(field).map(list).transpose()?;
    let new = patch.get(field).map(list).transpose()?;
    if let Some(problem) = of.without(field) {
        return Err(PatchError::Directive(problem));
    }
    let rule = of.rule(field);
    let key = match rule {
        Some(Rule::ByKey(key, _) | Rule::ByKeyRetain(key, _)) => Some(key),
        _ => None,
    };
    let identity = key.map_or(Identity::Value, Identity::Key);
    check_order(new.as_deref().unwrap_or_default(), &order, key)?;
    let merged = match (&old, &new) {
        (None, None) => return Ok(()),
        (Some(old), None) => old.clone(),
        (None, Some(new)) => new.iter().filter_map(|element| cleaned(element, true)).collect(),
        (Some(old), Some(new)) => merge_list(old.clone(), new, rule)?,
    };
    if let Some(key) = key {
        all_have_key(&merged, key)?;
        all_have_key(&order, key)?;
    }
    let old = old.unwrap_or_default();
    elements_are_objects(&old, new.as_deref().unwrap_or_default())?;
    object.insert(field.to_owned(), Value::Array(reorder(merged, &order, &old, &identity)));
    Ok(())
}

/// The elements of the patch must be in the order list, in its order.
fn check_order(list: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    let deletes = |element: &Value| key.is_some() && element.get(PATCH).and_then(Value::as_str) == Some("delete");
    let mut wanted = list.iter().filter(|element| !deletes(element)).peekable();
    if order.is_empty() || list.is_empty() {
        return Ok(());
    }
    for ordered in order {
        while wanted.next_if(|element| element.get(PATCH).is_some()).is_some() {}
        let Some(element) = wanted.peek() else { break };
        let is_same = match key {
            Some(key) => {
                all_have_key(std::slice::from_ref(*element), key)?;
                all_have_key(std::slice::from_ref(ordered), key)?;
                element.get(key) == ordered.get(key)
            }
            None => *element == ordered,
        };
        if is_same {
            wanted.next();
        }
    }
    if wanted.next().is_some() {
        let [list, order] = [list, order].map(|list| go_map(&Value::Array(list.to_vec())));
        let message = format!("The order in patch list:\n{list}\n doesn't match $setElementOrder list:\n{order}\n");
        return Err(PatchError::Directive(message));
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
