//! Label selectors: keys and values are labels, and each operator has the values it needs.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::super::field::{FieldErrors, Path};
use super::{meta, names};

/// Whether a requirement's values must look like label values; objects stored before this rule existed may break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// They must.
    Checked,
    /// Any text will do.
    Any,
}

/// Checks a label selector.
pub fn label_selector(selector: &LabelSelector, values: Values, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(labels) = &selector.match_labels {
        meta::labels(labels, &path.field("matchLabels"), errors);
    }
    let list = path.field("matchExpressions");
    for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        label_requirement(requirement, values, &list.index(index), errors);
    }
}

/// Checks one requirement of a label selector.
pub fn label_requirement(
    requirement: &LabelSelectorRequirement,
    values: Values,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let listed = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if listed.is_empty() {
                errors.required(&path.field("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !listed.is_empty() {
                errors.forbidden(
                    &path.field("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
        }
        other => errors.invalid(&path.field("operator"), other, "not a valid selector operator"),
    }
    meta::label_name(&requirement.key, &path.field("key"), errors);
    if values == Values::Checked {
        let path = path.field("values");
        for (index, value) in listed.iter().enumerate() {
            errors.invalid_each(&path.index(index), value, names::label_value(value));
        }
    }
}
