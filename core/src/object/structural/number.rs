//! Numbers against bounds.
//!
//! A bound is a float, whatever the value is: a whole value is compared with the bound's whole part, as upstream does.

use serde_json::{Number, Value};

use super::node::Schema;
use super::show::{go_float, go_number};
use super::values::{Found, Problem};

/// A number as Go's JSON decoder has it.
#[derive(Clone, Copy)]
enum Given {
    Whole(i64),
    Float(f64),
}

/// What is wrong with a number.
pub(super) fn check(schema: &Schema, number: &Number, found: &mut Found<'_>) {
    let given = match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Given::Whole(whole),
        (None, Some(float)) => Given::Float(float),
        (None, None) => return,
    };
    let bounds = &schema.bounds;
    range(schema, given, "Checked", found);
    if let Some(factor) = bounds.multiple_of {
        range(schema, Given::Float(factor), "MultipleOf", found);
        multiple(given, factor, found);
    }
    if let Some(max) = bounds.maximum {
        range(schema, Given::Float(max), "Maximum boundary", found);
        let (is_beyond, shown) =
            compare(given, max, |value, max| if bounds.exclusive_maximum { value >= max } else { value > max });
        if is_beyond {
            let what = if bounds.exclusive_maximum { "less than" } else { "less than or equal to" };
            found.invalid(Value::Number(number.clone()), format_args!("should be {what} {shown}"));
        }
    }
    if let Some(min) = bounds.minimum {
        range(schema, Given::Float(min), "Minimum boundary", found);
        let (is_beyond, shown) =
            compare(given, min, |value, min| if bounds.exclusive_minimum { value <= min } else { value < min });
        if is_beyond {
            let what = if bounds.exclusive_minimum { "greater than" } else { "greater than or equal to" };
            found.invalid(Value::Number(number.clone()), format_args!("should be {what} {shown}"));
        }
    }
    found.matched();
}

/// Whether a bound is broken, and the bound as it is shown.
fn compare(given: Given, bound: f64, is_beyond: impl Fn(f64, f64) -> bool) -> (bool, String) {
    match given {
        Given::Float(value) => (is_beyond(value, bound), go_float(bound)),
        Given::Whole(value) => {
            // Both are whole here; those that a float cannot tell apart are compared as they are.
            let whole = bound as i64;
            let sign = f64::from(i8::from(value > whole) - i8::from(value < whole));
            (is_beyond(sign, 0.0), whole.to_string())
        }
    }
}

fn multiple(given: Given, factor: f64, found: &mut Found<'_>) {
    let (value, is_multiple, shown) = match given {
        Given::Whole(value) => {
            let factor = factor as i64;
            let is_multiple = factor > 0 && value % factor == 0;
            (Value::from(value), is_multiple.then_some(()).ok_or(factor <= 0), factor.to_string())
        }
        Given::Float(value) => {
            let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
            let is_multiple = factor > 0.0 && is_whole(times);
            (Value::from(value), is_multiple.then_some(()).ok_or(factor <= 0.0), go_float(factor))
        }
    };
    match is_multiple {
        Ok(()) => {}
        Err(true) => {
            let factor = Number::from_f64(factor).map_or(Value::Null, Value::Number);
            let name = found.name();
            found.problem(
                Problem::Invalid,
                factor,
                format!("factor MultipleOf declared for {name} must be positive: {shown}"),
            );
        }
        Err(false) => found.invalid(value, format_args!("should be a multiple of {shown}")),
    }
}

/// Whether a float is a whole number, as far as upstream cares.
pub(super) fn is_whole(float: f64) -> bool {
    const SAFE: f64 = 9_007_199_254_740_991.0;
    if !float.is_finite() || !(-SAFE..=SAFE).contains(&float) {
        return false;
    }
    let whole = float.trunc();
    let difference = (float - whole).abs();
    difference == 0.0 || difference / (float.abs() + whole.abs()).min(f64::MAX) < 1e-9
}

/// A value or bound that the type and format of the schema cannot hold.
fn range(schema: &Schema, given: Given, what: &str, found: &mut Found<'_>) {
    if schema.is_int_or_string {
        return;
    }
    let format = schema.bounds.format.as_deref();
    let is_held = match (schema.value_type.map(super::ValueType::name), format, given) {
        (Some("integer"), Some("int32"), Given::Whole(value)) => i32::try_from(value).is_ok(),
        (Some("integer"), Some("int32"), Given::Float(value)) => {
            value == value.trunc() && i32::try_from(value as i64).is_ok()
        }
        (Some("integer"), _, Given::Float(value)) => value == value.trunc() && value.abs() < 9.3e18,
        (Some("number"), Some("float"), Given::Float(value)) => value.abs() <= f64::from(f32::MAX),
        _ => true,
    };
    if is_held {
        return;
    }
    let (type_name, name) = (schema.type_names(), found.name());
    found.composite(match format {
        Some(format) => format!("{what} value must be of type {type_name} with format {format} in {name}"),
        None => format!("{what} value must be of type {type_name} (default format) in {name}"),
    });
}

/// Whether two numbers are the same to an enumeration.
pub(super) fn same(value: &Number, allowed: &Number) -> bool {
    match (value.as_i64(), allowed.as_i64()) {
        (Some(value), Some(allowed)) => value == allowed,
        // Upstream converts the value to what is allowed, and cuts it short for that.
        (None, Some(allowed)) => value.as_f64().is_some_and(|value| value as i64 == allowed),
        _ => value.as_f64() == allowed.as_f64(),
    }
}

/// A number as messages show it.
pub(super) fn shown(number: &Number) -> String {
    go_number(number)
}
