//! Whether the arguments of plugins can be as a profile has them, in upstream's words.

use std::fmt;

use k8s_openapi::api::core::v1::TopologySpreadConstraint;

use crate::object::field::FieldErrors;
use crate::object::validation::names::qualified_name;

/// An argument of a plugin cannot be as it was asked for: which field, with which value, and why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidArgument(String);

impl InvalidArgument {
    pub(super) fn new(field: impl fmt::Display, value: impl fmt::Display, problem: &str) -> Self {
        Self(format!("{field}: {value}: {problem}"))
    }

    /// What is wrong with a part of an object.
    pub(super) fn of(errors: &FieldErrors) -> Self {
        Self(errors.to_string())
    }

    pub(super) fn required(field: &str, problem: &str) -> Self {
        Self(format!("{field}: {problem}"))
    }
}

/// Whether it is the name of a resource or of a group of them.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), InvalidArgument> {
    match qualified_name(name).into_iter().next() {
        Some(problem) => Err(InvalidArgument::new(field, format_args!("{name:?}"), &problem)),
        None => Ok(()),
    }
}

/// Whether it can be a default constraint beside those before it.
pub(super) fn check_constraint(
    field: &str,
    constraint: &TopologySpreadConstraint,
    before: &[TopologySpreadConstraint],
) -> Result<(), InvalidArgument> {
    let TopologySpreadConstraint { max_skew, topology_key, when_unsatisfiable, label_selector, .. } = constraint;
    if *max_skew <= 0 {
        return Err(InvalidArgument::new(format_args!("{field}.maxSkew"), max_skew, "not in valid range (0, inf)"));
    }
    for (name, value) in [("topologyKey", topology_key), ("whenUnsatisfiable", when_unsatisfiable)] {
        if value.is_empty() {
            return Err(InvalidArgument::required(&format!("{field}.{name}"), "can not be empty"));
        }
    }
    check_name(&format!("{field}.topologyKey"), topology_key)?;
    if !["DoNotSchedule", "ScheduleAnyway"].contains(&when_unsatisfiable.as_str()) {
        let problem = "supported values: \"DoNotSchedule\", \"ScheduleAnyway\"";
        let field = format!("{field}.whenUnsatisfiable");
        return Err(InvalidArgument::new(field, format_args!("{when_unsatisfiable:?}"), problem));
    }
    if label_selector.is_some() {
        let problem = "constraint must not define a selector, as they deduced for each pod";
        return Err(InvalidArgument::required(&format!("{field}.labelSelector"), problem));
    }
    let is_same = |other: &TopologySpreadConstraint| {
        other.topology_key == *topology_key && other.when_unsatisfiable == *when_unsatisfiable
    };
    match before.iter().any(is_same) {
        true => {
            let both = format!("{{{topology_key}, {when_unsatisfiable}}}");
            Err(InvalidArgument::new(field, both, "it is there already"))
        }
        false => Ok(()),
    }
}
