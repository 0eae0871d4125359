//! What the expressions of a schema may cost, by estimate: each of them, and all together.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use crate::object::field::{FieldError, FieldErrors, FieldProblem, Path};

/// What one expression may cost for one object.
pub(super) const EXPRESSION_MAX: u64 = 10_000_000;
/// What all expressions of a schema may cost for one object.
const SCHEMA_MAX: u64 = 100_000_000;
/// How many of the expensive ones are named.
const NAMED_MAX: usize = 4;
/// More than this is told as such.
const FACTOR_MAX: f64 = 100.0;

/// What is counted of a schema.
#[derive(Debug, Default)]
pub(super) struct Costs {
    total: u64,
    /// Where the most expensive ones stand, from the first on.
    most: Vec<(u64, String)>,
}

impl Costs {
    pub(super) fn add(&mut self, cost: u64, path: &Path<'_>) {
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_MAX / 100 {
            self.most.push((cost, path.to_string()));
            self.most.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.most.truncate(NAMED_MAX);
        }
    }

    /// Says whether all of them together may cost too much.
    pub(super) fn judge(self, path: &Path<'_>, errors: &mut FieldErrors) {
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let Some(problem) = beyond(what, self.total, SCHEMA_MAX) else { return };
        for (_, field) in self.most {
            let message =
                "Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errors.push(FieldError { field, problem: FieldProblem::Forbidden, message: message.to_owned() });
        }
        errors.forbidden(path, problem);
    }
}

/// By how much a cost goes beyond its budget, if it does.
pub(super) fn beyond(what: &str, cost: u64, budget: u64) -> Option<String> {
    if cost <= budget {
        return None;
    }
    let factor = cost as f64 / budget as f64;
    let factor = if factor > FACTOR_MAX {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    Some(format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    ))
}

/// How many values there may be in one of a schema, at each place in it; nothing where that has no bound.
pub(super) fn elements(given: &JSONSchemaProps) -> Option<u64> {
    let bound = |bound: Option<i64>| bound.map(|bound| u64::try_from(bound).unwrap_or(0));
    match given.type_.as_deref() {
        Some("object") if given.additional_properties.is_some() => bound(given.max_properties),
        Some("array") => bound(given.max_items),
        _ => Some(1),
    }
}
