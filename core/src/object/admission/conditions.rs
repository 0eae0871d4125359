//! `matchConditions`: expressions that must all be true before anybody is asked.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::MatchCondition;

use super::authorizer::Authorizer;
use super::environment::{Scope, compile};
use super::policy::{Case, evaluate};
use crate::object::cel::{Program, Type, Value};
use crate::object::kind::KindId;

/// What all conditions of one policy or webhook may cost together.
const BUDGET: u64 = 2_500_000;

/// The conditions of a policy or of a webhook.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    conditions: Vec<(Program, String)>,
    /// Why one of them is none: validation lets no such one in.
    problem: Option<String>,
}

impl Conditions {
    /// Those of a webhook.
    pub fn of_webhook(given: Option<&[MatchCondition]>) -> Self {
        Self::new(given.unwrap_or_default(), Scope { has_authorizer: true, ..Scope::default() })
    }

    pub(super) fn new(given: &[MatchCondition], scope: Scope) -> Self {
        let mut conditions = Self::default();
        if given.is_empty() {
            return conditions;
        }
        let env = scope.env();
        for condition in given {
            match compile(&env, condition.expression.trim(), &[Type::Bool]) {
                Ok(program) => conditions.conditions.push((program, condition.expression.clone())),
                Err(problem) => conditions.problem = Some(problem),
            }
        }
        conditions
    }

    /// Whether all of them hold: one that does not decides, whatever is wrong with the others.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub(super) fn hold(&self, case: &Case<'_>, params: Option<&Value>) -> Result<bool, String> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let (mut left, mut failures) = (BUDGET, Vec::new());
        for (program, source) in &self.conditions {
            match evaluate(program, source, &case.bindings(params, None), &mut left) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(error) => failures.push(error.to_string()),
            }
        }
        match failures.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    /// Whether all of them hold for a request, which is shown in this version.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub fn hold_for(
        &self,
        request: &super::Asked<'_>,
        objects: &super::Objects,
        kinds: &crate::object::kind::Kinds,
        version: KindId,
        authorizer: &Arc<dyn Authorizer>,
    ) -> Result<bool, String> {
        if self.conditions.is_empty() && self.problem.is_none() {
            return Ok(true);
        }
        self.hold(&Case::new(request, objects, kinds, version, None, authorizer), None)
    }
}
