//! JSON patch (RFC 6902), as upstream's library has it: an index may be negative or have zeros before it, a value that
//! is not given is null, and `test` takes a missing field for null.

use serde_json::Value;

use super::PatchError;

/// How many operations one patch may have: upstream's limit.
pub const OPERATIONS_MAX: usize = 10_000;

type Outcome<T> = Result<T, &'static str>;

pub(super) fn apply(patch: &Value, object: &mut Value) -> Result<(), PatchError> {
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
    let pointer = |field: &str| operation.get(field).and_then(Value::as_str).map(split);
    let path = pointer("path").ok_or("path is missing")?;
    let from = || pointer("from").ok_or("from is missing");
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match operation.get("op").and_then(Value::as_str) {
        Some("add") => add(object, &path, value()),
        Some("remove") => remove(object, &path).map(drop),
        Some("replace") => {
            *find(object, &path)? = value();
            Ok(())
        }
        Some("move") => {
            let moved = remove(object, &from()?)?;
            add(object, &path, moved)
        }
        Some("copy") => {
            let copy = find(object, &from()?)?.clone();
            add(object, &path, copy)
        }
        Some("test") => {
            // A missing field of an object that is there is null.
            let is_there = parent(object, &path).is_ok();
            let found = match find(object, &path) {
                Ok(found) => found.clone(),
                Err(MISSING) if is_there => Value::Null,
                Err(problem) => return Err(problem),
            };
            if found == value() { Ok(()) } else { Err("the value is another") }
        }
        _ => Err("no such operation"),
    }
}

const MISSING: &str = "there is no such field";

fn split(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

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

fn find<'v>(object: &'v mut Value, path: &[String]) -> Outcome<&'v mut Value> {
    path.iter().try_fold(object, |here, step| match here {
        Value::Object(fields) => fields.get_mut(step).ok_or(MISSING),
        Value::Array(list) => {
            let index = position(step, list.len())?;
            list.get_mut(index).ok_or(MISSING)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err("the parent has no fields"),
    })
}

fn parent<'v, 'p>(object: &'v mut Value, path: &'p [String]) -> Outcome<(&'v mut Value, &'p str)> {
    let (last, above) = path.split_last().ok_or("the whole object cannot be meant here")?;
    Ok((find(object, above)?, last))
}

fn add(object: &mut Value, path: &[String], value: Value) -> Outcome<()> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    match parent(object, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name.to_owned(), value);
        }
        (Value::Array(list), "-") => list.push(value),
        // The new element counts, so that -1 is the end.
        (Value::Array(list), step) => list.insert(position(step, list.len() + 1)?, value),
        _ => return Err("the parent has no fields"),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &[String]) -> Outcome<Value> {
    match parent(object, path)? {
        (Value::Object(fields), name) => fields.remove(name).ok_or(MISSING),
        (Value::Array(list), step) => Ok(list.remove(position(step, list.len())?)),
        _ => Err("the parent has no fields"),
    }
}
