//! LimitRanges: each type once, with bounds and defaults in order.
//!
//! Source: `pkg/apis/core/validation`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::fields::amount;
use super::names::{self, name_is_dns_subdomain};
use super::resources;
use super::shared::{self, SPEC};
use crate::object::field::{FieldErrors, Path};
use crate::object::quantity::{Quantity, QuantityFormat};

type Amounts = Option<BTreeMap<String, ApiQuantity>>;

/// From this many units on, amounts are compared in whole units.
const MILLI_MAX: i64 = i64::MAX / 1000;

/// What is wrong with a new LimitRange.
pub fn limit_range(range: &LimitRange) -> FieldErrors {
    let mut errors = shared::namespaced(&range.metadata, name_is_dns_subdomain);
    let path = SPEC.field("limits");
    let limits = range.spec.as_ref().map(|spec| spec.limits.as_slice()).unwrap_or_default();
    let repeated = shared::repeated(limits.iter().map(|item| &item.type_));
    for (index, item) in limits.iter().enumerate() {
        let path = path.index(index);
        type_name(&item.type_, &path.field("type"), &mut errors);
        if repeated[index] {
            errors.duplicate(&path.field("type"), item.type_.as_str());
        }
        limits_of(item, &path, &mut errors);
    }
    errors
}

/// What is wrong with a changed LimitRange: upstream checks it as a new one.
pub fn limit_range_update(new: &LimitRange, _old: &LimitRange) -> FieldErrors {
    limit_range(new)
}

fn type_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let problems = names::qualified_name(name);
    if !problems.is_empty() {
        errors.invalid_each(path, name, problems);
    } else if !name.contains('/') && !matches!(name, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.invalid(path, name, "must be a standard limit type or fully qualified");
    }
}

fn limits_of(item: &LimitRangeItem, path: &Path<'_>, errors: &mut FieldErrors) {
    let is_pod = item.type_ == "Pod";
    let names = |field: &str, given: &Amounts, errors: &mut FieldErrors| {
        let path = path.field(field);
        for name in given.iter().flatten().map(|(name, _)| name) {
            resources::any_resource_name(name, &path.key(name), errors);
            if matches!(item.type_.as_str(), "Pod" | "Container") {
                resources::container_resource_name(name, &path.key(name), errors);
            }
        }
    };
    names("max", &item.max, errors);
    names("min", &item.min, errors);
    for (field, given) in [("default", &item.default), ("defaultRequest", &item.default_request)] {
        if !is_pod {
            names(field, given, errors);
        } else if given.as_ref().is_some_and(|given| !given.is_empty()) {
            errors.forbidden(&path.field(field), "may not be specified when `type` is 'Pod'");
        }
    }
    let has_storage = |given: &Amounts| given.as_ref().is_some_and(|given| given.contains_key("storage"));
    if item.type_ == "PersistentVolumeClaim" && !has_storage(&item.min) && !has_storage(&item.max) {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.field("limits"), detail);
    }
    names("maxLimitRequestRatio", &item.max_limit_request_ratio, errors);
    let mut keys: BTreeSet<&String> = BTreeSet::new();
    let defaults = [&item.default, &item.default_request].into_iter().filter(|_| !is_pod);
    for given in [&item.max, &item.min, &item.max_limit_request_ratio].into_iter().chain(defaults) {
        keys.extend(given.iter().flatten().map(|(name, _)| name));
    }
    for name in keys {
        one_resource(name, item, path, errors);
    }
}

fn one_resource(name: &str, item: &LimitRangeItem, path: &Path<'_>, errors: &mut FieldErrors) {
    let of = |given: &Amounts| given.as_ref().and_then(|given| given.get(name)).map(amount);
    let of_default = |given: &Amounts| of(given).filter(|_| item.type_ != "Pod");
    let (min, max) = (of(&item.min), of(&item.max));
    let (default, request) = (of_default(&item.default), of_default(&item.default_request));
    let ratio = of(&item.max_limit_request_ratio);
    let mut ordered =
        |low: Option<Quantity>, high: Option<Quantity>, field: &str, shown: Option<Quantity>, texts: [&str; 2]| {
            if let (Some(low), Some(high), Some(shown)) = (low, high, shown)
                && low > high
            {
                let field = path.field(field);
                let detail = format!("{} value {low} is greater than {} value {high}", texts[0], texts[1]);
                errors.invalid(&field.key(name), shown.to_string(), detail);
            }
        };
    ordered(min, max, "min", min, ["min", "max"]);
    ordered(min, request, "defaultRequest", request, ["min", "default request"]);
    ordered(request, max, "defaultRequest", request, ["default request", "max"]);
    ordered(request, default, "defaultRequest", request, ["default request", "default limit"]);
    ordered(min, default, "default", min, ["min", "default"]);
    ordered(default, max, "default", max, ["default", "max"]);
    if let Some(ratio) = ratio {
        max_ratio(name, ratio, min, max, path, errors);
    }
    if let (Some(default), Some(request)) = (default, request)
        && !resources::may_overcommit(name)
        && default != request
    {
        let field = path.field("defaultRequest");
        let detail = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        errors.invalid(&field.key(name), request.to_string(), detail);
    }
}

fn max_ratio(
    name: &str,
    ratio: Quantity,
    min: Option<Quantity>,
    max: Option<Quantity>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let field = path.field("maxLimitRequestRatio");
    let path = field.key(name);
    if ratio < Quantity::new(1, QuantityFormat::DecimalSi) {
        errors.invalid(&path, ratio.to_string(), format!("ratio {ratio} is less than 1"));
    }
    let (Some(min), Some(max)) = (min, max) else { return };
    let small = [ratio, min, max].into_iter().all(|quantity| quantity.value() < MILLI_MAX);
    #[allow(clippy::cast_precision_loss, reason = "a ratio for people, as upstream works it out")]
    let (given, limit) = if small {
        (ratio.as_milli() as f64 / 1000.0, max.as_milli() as f64 / min.as_milli() as f64)
    } else {
        (ratio.value() as f64, max.value() as f64 / min.value() as f64)
    };
    if given > limit {
        let detail = format!("ratio {ratio} is greater than max/min = {limit:.6}");
        errors.invalid(&path, ratio.to_string(), detail);
    }
}
