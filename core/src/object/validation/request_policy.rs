//! How much of a capacity that several share each may ask for: some of a few amounts, or one in a range, by steps.
//!
//! Source: `validateRequestPolicy` in upstream's `pkg/apis/resource/validation`.

use k8s_openapi::api::resource::v1::{CapacityRequestPolicy, CapacityRequestPolicyRange};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::device_claim::few;
use super::fields::{amount, list};
use super::{names, shared};
use crate::object::field::{FieldErrors, Path};
use crate::object::quantity::Quantity;

/// How many amounts a policy may list.
const CHOICES_MAX: usize = 10;

/// Checks a policy for a capacity of this much.
pub(super) fn request_policy(
    policy: &CapacityRequestPolicy,
    capacity: Quantity,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let (choices, range) = (list(&policy.valid_values), &policy.valid_range);
    let default = policy.default.as_ref().map(amount);
    let default_path = path.field("default");
    match (choices, range, default) {
        ([_, ..], Some(_), _) => {
            let detail = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
            errors.forbidden(path, detail);
        }
        ([_, ..], None, None) => errors.required(&default_path, "required when validValues is defined"),
        ([], Some(_), None) => errors.required(&default_path, "required when validRange is defined"),
        ([_, ..], None, Some(default)) => {
            one_of_these(choices, default, capacity, &path.field("validValues"), errors);
        }
        ([], Some(range), Some(default)) => in_range(range, default, capacity, &path.field("validRange"), errors),
        ([], None, _) => {}
    }
}

fn one_of_these(
    choices: &[ApiQuantity],
    default: Quantity,
    capacity: Quantity,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let choices: Vec<Quantity> = choices.iter().map(amount).collect();
    for (index, pair) in choices.windows(2).enumerate() {
        if pair[0] > pair[1] {
            let detail = "values must be sorted in ascending order";
            errors.invalid(&path.index(index + 1), pair[1].to_string(), detail);
        }
    }
    let is_short = few(&choices, CHOICES_MAX, path, errors);
    if is_short {
        for (index, choice) in choices.iter().enumerate().filter(|(_, choice)| **choice > capacity) {
            let detail = format!("option is larger than capacity value: {capacity}");
            errors.invalid(&path.index(index), choice.to_string(), detail);
        }
        let whole: Vec<i64> = choices.iter().map(|choice| choice.value()).collect();
        for (index, _) in shared::repeated(whole.iter()).iter().enumerate().filter(|(_, repeated)| **repeated) {
            errors.duplicate(&path.index(index), whole[index].to_string());
        }
    }
    if !(is_short && choices.contains(&default)) {
        let detail = "default value is not valid according to the requestPolicy";
        errors.invalid(path, default.to_string(), detail);
    }
}

fn in_range(
    range: &CapacityRequestPolicyRange,
    default: Quantity,
    capacity: Quantity,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if range.min.0.is_empty() {
        return errors.required(&path.field("min"), "required when validRange is defined");
    }
    let (min, max, step) = (amount(&range.min), range.max.as_ref().map(amount), range.step.as_ref().map(amount));
    let mut wrong = |field: &str, value: Quantity, what: &str, bound: Quantity| {
        errors.invalid(&path.field(field), value.to_string(), format!("{what}: {bound}"));
    };
    if min > capacity {
        wrong("min", min, "min is larger than capacity value", capacity);
    }
    if default < min {
        wrong("default", default, "default is less than min", min);
    }
    if let Some(max) = max {
        if min > max {
            wrong("max", min, "min is larger than max", max);
        }
        if max > capacity {
            wrong("max", max, "max is larger than capacity value", capacity);
        }
        if default > max {
            wrong("default", default, "default is more than max", max);
        }
    }
    let Some(step) = step else { return };
    if step.is_negative() || step.is_zero() {
        return errors.invalid(&path.field("step"), step.to_string(), "must be greater than zero");
    }
    let once = Quantity::from_nano(min.nano().saturating_add(step.nano()), min.format());
    if once > capacity {
        let detail = format!("one step {once} is larger than capacity value: {capacity}");
        errors.invalid(&path.field("step"), step.to_string(), detail);
    }
    steps(&[("default", Some(default)), ("min", Some(min)), ("max", max), ("step", Some(step))], path, errors);
}

/// The default and the highest amount are some steps above the lowest. Counted in whole units, as upstream does.
fn steps(bounds: &[(&str, Option<Quantity>); 4], path: &Path<'_>, errors: &mut FieldErrors) {
    let before = errors.len();
    for (field, bound) in bounds {
        match bound {
            Some(bound) if bound.is_negative() => {
                errors.invalid(&path.field(field), bound.to_string(), names::NEGATIVE);
            }
            Some(bound) if bound.value() == i64::MAX => {
                let detail = "must not be larger than 9223372036854775807";
                errors.invalid(&path.field(field), bound.to_string(), detail);
            }
            _ => {}
        }
    }
    let [(_, default), (_, Some(min)), (_, max), (_, Some(step))] = bounds else { return };
    if errors.len() > before {
        return;
    }
    for value in [default, max].into_iter().flatten() {
        if (value.value() - min.value()) % step.value() != 0 {
            let detail = format!("value is not a multiple of a given step ({step}) from ({min})");
            errors.invalid(&path.field("step"), value.to_string(), detail);
        }
    }
}
