//! Kubernetes's amounts.

use std::cmp::Ordering;

use super::super::Failure;
use super::super::value::Value;
use super::Called;
use crate::object::quantity::Quantity;

pub(super) fn call(name: &str, values: &[Value]) -> Option<Called> {
    let number = |order: Ordering| Value::Int(order as i64);
    Some(Ok(match (name, values) {
        ("isQuantity", [Value::Text(text)]) => Value::Bool(text.parse::<Quantity>().is_ok()),
        ("quantity", [Value::Text(text)]) => match text.parse() {
            Ok(quantity) => Value::Quantity(quantity),
            Err(_) => {
                let message =
                    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
                return Some(Err(Failure::new(message)));
            }
        },
        ("sign", [Value::Quantity(quantity)]) => number(quantity.cmp(&Quantity::ZERO)),
        ("isInteger", [Value::Quantity(quantity)]) => Value::Bool(whole(*quantity).is_some()),
        ("asInteger", [Value::Quantity(quantity)]) => match whole(*quantity) {
            Some(value) => Value::Int(value),
            None => return Some(Err(Failure::new("cannot convert value to integer"))),
        },
        ("asApproximateFloat", [Value::Quantity(quantity)]) => Value::Double(quantity.as_f64()),
        ("add", [Value::Quantity(one), other]) => Value::Quantity(*one + amount(other)?),
        ("sub", [Value::Quantity(one), other]) => Value::Quantity(*one - amount(other)?),
        ("isLessThan", [Value::Quantity(one), Value::Quantity(other)]) => Value::Bool(one < other),
        ("isGreaterThan", [Value::Quantity(one), Value::Quantity(other)]) => Value::Bool(one > other),
        ("compareTo", [Value::Quantity(one), Value::Quantity(other)]) => number(one.cmp(other)),
        _ => return None,
    }))
}

/// Its value, if it is a whole number.
fn whole(quantity: Quantity) -> Option<i64> {
    let value = quantity.value();
    (value.to_string().parse::<Quantity>().ok()? == quantity).then_some(value)
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::Quantity(quantity) => Some(*quantity),
        Value::Int(number) => number.to_string().parse().ok(),
        _ => None,
    }
}
