//! JSON patch (RFC 6902), as upstream's library has it, which is not to the letter:
//!
//! - An index may be negative, or have zeros before it; what stands before the first slash of a path does not count.
//! - A value that is not given is null; a field that is not there is null to `test` and `copy`, and `replace` adds it.
//! - The whole object can be replaced and tested, nothing else.

use serde_json::Value;

use super::PatchError;

/// How many operations one patch may have: upstream's limit.
pub const OPERATIONS_MAX: usize = 10_000;

type Outcome<T> = Result<T, &'static str>;

pub(crate) fn apply(patch: &Value, object: &mut Value) -> Result<(), PatchError> {
    let Value::Array(operations) = patch else {
        return Err(PatchError::Malformed("a JSON patch must be a list of operations".to_owned()));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooManyOperations { count: operations.len() });
    }
    for (index, operation) in operations.iter().enumerate() {
        let text = |field: &str| operation.get(field).and_then(Value::as_str);
        perform(operation, object).map_err(|problem| PatchError::Operation {
            index,
            operation: text("op").unwrap_or_default().to_owned(),
            path: text("path").unwrap_or_default().to_owned(),
            problem,
        })?;
    }
    Ok(())
}

fn perform(operation: &Value, object: &mut Value) -> Outcome<()> {
    let text = |field: &str| operation.get(field).and_then(Value::as_str);
    let path = || text("path").ok_or("path is missing");
    let from = || text("from").ok_or("from is missing");
    let given = operation.get("value");
    let value = || given.cloned().unwrap_or(Value::Null);
    match text("op") {
        Some("add") => add(object, path()?, value()),
        Some("remove") => remove(object, path()?).map(drop),
        Some("replace") => replace(object, path()?, value()),
        Some("move") => {
            let moved = remove(object, from()?)?;
            add(object, path()?, moved)
        }
        Some("copy") => {
            let copy = find(object, from()?)?;
            add(object, path()?, copy)
        }
        Some("test") => {
            let path = path()?;
            let found = if path.is_empty() { object.clone() } else { find(object, path)? };
            let is_same = if found.is_null() { given.is_none_or(Value::is_null) } else { given == Some(&found) };
            if is_same { Ok(()) } else { Err("the value is another") }
        }
        _ => Err("no such operation"),
    }
}

const MISSING: &str = "there is no such field";

/// A place in a list of `length` elements; a negative one counts from the end.
fn position(step: &str, length: usize) -> Outcome<usize> {
    let number: i64 = step.parse().map_err(|_| "an index must be a number")?;
    let index = if number < 0 {
        usize::try_from(number.unsigned_abs()).ok().and_then(|back| length.checked_sub(back))
    } else {
        usize::try_from(number).ok()
    };
    index.filter(|index| *index < length).ok_or("the index is out of bounds")
}

/// The object or list that holds what a path names, and its name there.
fn parent<'v>(object: &'v mut Value, path: &str) -> Outcome<(&'v mut Value, String)> {
    let (_, steps) = path.split_once('/').ok_or("the whole object cannot be meant here")?;
    let mut steps = steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
    let last = steps.next_back().ok_or(MISSING)?;
    let parent = steps.try_fold(object, |here, step| match here {
        Value::Object(fields) => fields.get_mut(&step).ok_or(MISSING),
        Value::Array(list) => {
            let index = position(&step, list.len())?;
            list.get_mut(index).ok_or(MISSING)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err("the parent has no fields"),
    })?;
    Ok((parent, last))
}

/// What a path names; null for a field that is not there.
fn find(object: &mut Value, path: &str) -> Outcome<Value> {
    match parent(object, path)? {
        (Value::Object(fields), name) => Ok(fields.get(&name).cloned().unwrap_or(Value::Null)),
        (Value::Array(list), step) => Ok(list[position(&step, list.len())?].clone()),
        _ => Err("the parent has no fields"),
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Outcome<()> {
    match parent(object, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(list), step) if step == "-" => list.push(value),
        // The new element counts, so that -1 is the end.
        (Value::Array(list), step) => list.insert(position(&step, list.len() + 1)?, value),
        _ => return Err("the parent has no fields"),
    }
    Ok(())
}

fn replace(object: &mut Value, path: &str, value: Value) -> Outcome<()> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("the value is no object");
        }
        *object = value;
        return Ok(());
    }
    match parent(object, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(list), step) => {
            let index = position(&step, list.len())?;
            list[index] = value;
        }
        _ => return Err("the parent has no fields"),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Outcome<Value> {
    match parent(object, path)? {
        (Value::Object(fields), name) => fields.remove(&name).ok_or(MISSING),
        (Value::Array(list), step) => Ok(list.remove(position(&step, list.len())?)),
        _ => Err("the parent has no fields"),
    }
}
