//! Operators: arithmetic that never overflows silently, comparison, membership, indexes.

use std::cmp::Ordering;

use super::super::value::{Key, Value};
use super::super::{Budget, Failure};
use super::texts::plain;
use super::{Called, at};

pub(super) fn call(name: &str, values: &[Value], budget: &mut Budget) -> Option<Called> {
    Some(match (name, values) {
        ("!_", [Value::Bool(flag)]) => Ok(Value::Bool(!flag)),
        ("-_", [Value::Int(number)]) => number.checked_neg().map(Value::Int).ok_or_else(overflow),
        ("-_", [Value::Double(number)]) => Ok(Value::Double(-number)),
        ("_==_" | "_!=_", [one, other]) => {
            let wanted = name == "_==_";
            budget.spend(one.weight_together(other)).map(|()| Value::Bool(one.same(other) == wanted))
        }
        ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => compare(name, one, other, budget),
        ("@in", [one, Value::List(list)]) => {
            let mut costs = list.items.iter().map(|item| item.weight_together(one));
            let spent = costs.try_for_each(|cost| budget.spend(cost));
            spent.map(|()| Value::Bool(list.items.iter().any(|item| item.same(one))))
        }
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(Key::of(key).is_some_and(|key| map.contains_key(&key)))),
        ("@in", [key, Value::Extension(own)]) => match own.entries() {
            Some(map) => Ok(Value::Bool(Key::of(key).is_some_and(|key| map.contains_key(&key)))),
            None => return None,
        },
        ("_[_]", [Value::Optional(of), index]) | ("_[?_]", [Value::Optional(of), index]) => match of {
            None => Ok(Value::Optional(None)),
            Some(of) => at(of, index).map(Value::optional),
        },
        ("_[?_]", [of, index]) => at(of, index).map(Value::optional),
        ("_[_]", [of, index]) => at(of, index).and_then(|found| found.ok_or_else(|| missing(of, index))),
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [one, other]) => arithmetic(name, one, other, budget),
        _ => return None,
    })
}

fn overflow() -> Failure {
    Failure::new("integer overflow")
}

fn missing(of: &Value, index: &Value) -> Failure {
    let shown = plain(index).unwrap_or_default();
    Failure::new(match of {
        Value::List(_) => format!("index out of bounds: {shown}"),
        _ => format!("no such key: {shown}"),
    })
}

fn compare(name: &str, one: &Value, other: &Value, budget: &mut Budget) -> Called {
    budget.spend(one.weight_together(other))?;
    let is_nan = |value: &Value| matches!(value, Value::Double(number) if number.is_nan());
    let order = match one.order(other) {
        Some(order) => order,
        None if is_nan(one) || is_nan(other) => return Ok(Value::Bool(false)),
        None => return Err(Failure::no_overload()),
    };
    Ok(Value::Bool(match name {
        "_<_" => order == Ordering::Less,
        "_<=_" => order != Ordering::Greater,
        "_>_" => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

fn arithmetic(name: &str, one: &Value, other: &Value, budget: &mut Budget) -> Called {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => integers(name, *one, *other).map(Value::Int),
        (Value::Uint(one), Value::Uint(other)) => unsigned(name, *one, *other).map(Value::Uint),
        (Value::Double(one), Value::Double(other)) => Ok(Value::Double(match name {
            "_+_" => one + other,
            "_-_" => one - other,
            "_*_" => one * other,
            "_/_" => one / other,
            _ => return Err(Failure::no_overload()),
        })),
        (Value::Text(a), Value::Text(b)) if name == "_+_" => {
            budget.spend(one.weight() + other.weight())?;
            Ok(Value::text(format!("{a}{b}")))
        }
        (Value::Bytes(a), Value::Bytes(b)) if name == "_+_" => {
            budget.spend(one.weight() + other.weight())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) if name == "_+_" => {
            budget.spend(1 + (a.items.len() + b.items.len()) as u64)?;
            Ok(a.add(b))
        }
        _ => times(name, one, other),
    }
}

/// Arithmetic of whole numbers of any type: what does not fit is an error.
macro_rules! whole {
    ($name:expr, $one:expr, $other:expr) => {
        match $name {
            "_+_" => Ok($one.checked_add($other)),
            "_-_" => Ok($one.checked_sub($other)),
            "_*_" => Ok($one.checked_mul($other)),
            "_/_" if $other == 0 => Err(Failure::new("division by zero")),
            "_/_" => Ok($one.checked_div($other)),
            _ if $other == 0 => Err(Failure::new("modulus by zero")),
            _ => Ok($one.checked_rem($other)),
        }
    };
}

fn integers(name: &str, one: i64, other: i64) -> Result<i64, Failure> {
    whole!(name, one, other)?.ok_or_else(overflow)
}

fn unsigned(name: &str, one: u64, other: u64) -> Result<u64, Failure> {
    whole!(name, one, other)?.ok_or_else(|| Failure::new("unsigned integer overflow"))
}

fn times(name: &str, one: &Value, other: &Value) -> Called {
    let span = |nanos: i64| jiff::SignedDuration::from_nanos(nanos);
    let moved = |at: Result<jiff::Timestamp, jiff::Error>| {
        at.map(Value::Timestamp).map_err(|_| Failure::new("timestamp overflow"))
    };
    let long = |nanos: Option<i64>| nanos.map(Value::Duration).ok_or_else(|| Failure::new("duration overflow"));
    match (name, one, other) {
        ("_+_", Value::Duration(one), Value::Duration(other)) => long(one.checked_add(*other)),
        ("_-_", Value::Duration(one), Value::Duration(other)) => long(one.checked_sub(*other)),
        ("_+_", Value::Timestamp(at), Value::Duration(nanos))
        | ("_+_", Value::Duration(nanos), Value::Timestamp(at)) => moved(at.checked_add(span(*nanos))),
        ("_-_", Value::Timestamp(at), Value::Duration(nanos)) => moved(at.checked_sub(span(*nanos))),
        ("_-_", Value::Timestamp(one), Value::Timestamp(other)) => {
            long(i64::try_from(one.as_nanosecond() - other.as_nanosecond()).ok())
        }
        _ => Err(Failure::no_overload()),
    }
}
