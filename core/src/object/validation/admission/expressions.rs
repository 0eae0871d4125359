//! The expressions of policies and conditions: each compiles with what it may name, and has the type that is wanted.

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, Variable};

use crate::object::admission::{Scope, compile};
use crate::object::cel::{self, Program, Type};
use crate::object::field::{FieldErrors, Path};
use crate::object::validation::names::qualified_name;

const CONDITIONS_MAX: usize = 64;

/// What the expressions of one policy may name.
pub(super) struct Expressions {
    scope: Scope,
    variables: Vec<(String, Program)>,
}

impl Expressions {
    pub(super) const fn new(has_params: bool, makes_objects: bool) -> Self {
        Self { scope: Scope { has_params, has_authorizer: true, makes_objects }, variables: Vec::new() }
    }

    /// Conditions come before the variables: they do not know them. They make no objects either.
    pub(super) fn conditions(&self, given: &[MatchCondition], path: &Path<'_>, errors: &mut FieldErrors) {
        if given.len() > CONDITIONS_MAX {
            errors.too_many(path, given.len(), CONDITIONS_MAX);
        }
        for (index, MatchCondition { expression, name }) in given.iter().enumerate() {
            let path = path.index(index);
            match expression.trim() {
                "" => errors.required(&path.field("expression"), ""),
                source => {
                    let scope = Scope { makes_objects: false, ..self.scope };
                    if let Err(why) = compile(&scope.env(), source, &[Type::Bool]) {
                        errors.invalid(&path.field("expression"), source, why);
                    }
                }
            }
            if name.is_empty() {
                errors.required(&path.field("name"), "");
                continue;
            }
            errors.invalid_each(&path.field("name"), name, qualified_name(name));
            if given[..index].iter().any(|other| other.name == *name) {
                errors.duplicate(&path.field("name"), name.as_str());
            }
        }
    }

    /// Each knows those before it.
    pub(super) fn variables(&mut self, given: &[Variable], path: &Path<'_>, errors: &mut FieldErrors) {
        for (index, Variable { expression, name }) in given.iter().enumerate() {
            let path = path.index(index);
            if name.trim().is_empty() {
                errors.required(&path.field("name"), "name is not specified");
            } else if !cel::is_identifier(name) {
                errors.invalid(&path.field("name"), name.as_str(), "name is not a valid CEL identifier");
            }
            let at = path.field("expression");
            if expression.trim().is_empty() {
                errors.required(&at, "expression is not specified");
                continue;
            }
            match compile(&self.scope.env_with(&self.variables), expression, &[]) {
                Ok(program) => self.variables.push((name.clone(), program)),
                Err(why) => errors.invalid(&at, expression.as_str(), why),
            }
        }
    }

    /// An expression whose value must be of one of these types; messages know no authorizer.
    pub(super) fn check(
        &self,
        source: &str,
        wanted: &[Type],
        has_authorizer: bool,
        path: &Path<'_>,
        errors: &mut FieldErrors,
    ) {
        let scope = Scope { has_authorizer, ..self.scope };
        if let Err(why) = compile(&scope.env_with(&self.variables), source, wanted) {
            errors.invalid(path, source, why);
        }
    }
}
