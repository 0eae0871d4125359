//! What validating and mutating policies have in common: whom they concern, on which conditions, and with which variables.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, MatchResources, ParamKind, Variable};

use super::conditions::Conditions;
use super::environment::{Scope, compile};
use super::matching::Concern;
use super::policy::Case;
use crate::object::cel::{Env, Program, Type, Value};

/// What expressions may name, with their values.
pub(super) type Bindings = Vec<(&'static str, Option<Value>)>;

/// The common parts of the spec of a policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) failure_policy: Option<&'a str>,
    pub(super) param_kind: Option<&'a ParamKind>,
    pub(super) match_constraints: Option<&'a MatchResources>,
    pub(super) conditions: &'a [MatchCondition],
    pub(super) variables: &'a [Variable],
    /// Whether its expressions make objects.
    pub(super) makes_objects: bool,
}

/// The common parts of a policy, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) name: Arc<str>,
    /// Whether what cannot be worked out is refused.
    pub(crate) fails_closed: bool,
    /// The `apiVersion` and kind of its parameters.
    pub(crate) param_kind: Option<(String, String)>,
    pub(crate) concern: Concern,
    /// Why it cannot be evaluated: validation lets no such one in.
    pub(crate) problem: Option<String>,
    scope: Scope,
    conditions: Conditions,
    variables: Arc<[(String, Program)]>,
}

impl Frame {
    pub(super) fn read(given: Given<'_>) -> Self {
        let param_kind = given.param_kind.map(|kind| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            (text(&kind.api_version), text(&kind.kind))
        });
        let (has_params, makes_objects) = (param_kind.is_some(), given.makes_objects);
        let scope = Scope { has_params, has_authorizer: true, makes_objects };
        let mut problem = None;
        let mut variables: Vec<(String, Program)> = Vec::new();
        for variable in given.variables {
            match compile(&scope.env_with(&variables), &variable.expression, &[]) {
                Ok(program) => variables.push((variable.name.clone(), program)),
                Err(why) => problem = problem.or(Some(why)),
            }
        }
        Self {
            name: given.name.unwrap_or_default().into(),
            fails_closed: given.failure_policy != Some("Ignore"),
            param_kind,
            concern: Concern::of_resources(&given.match_constraints.cloned().unwrap_or_default()),
            conditions: Conditions::new(given.conditions, Scope { makes_objects: false, ..scope }),
            scope,
            variables: variables.into(),
            problem,
        }
    }

    /// What its expressions may name.
    pub(super) fn env(&self) -> Env {
        self.scope.env_with(&self.variables)
    }

    /// The same for messages, which know no authorizer.
    pub(super) fn plain_env(&self) -> Env {
        Scope { has_authorizer: false, ..self.scope }.env_with(&self.variables)
    }

    /// One of its expressions; what is wrong with it is the policy's problem.
    pub(super) fn compile(&mut self, env: &Env, source: &str, wanted: &[Type]) -> Option<Program> {
        compile(env, source, wanted).map_err(|why| self.problem.get_or_insert(why)).ok()
    }

    /// Whether its conditions hold.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub(super) fn holds(&self, case: &Case<'_>, params: Option<&Value>) -> Result<bool, String> {
        self.conditions.hold(case, self.params(params).as_ref())
    }

    /// What its expressions name, with the values that it has in this case.
    pub(super) fn bindings(&self, case: &Case<'_>, params: Option<&Value>) -> Bindings {
        let variables = (!self.variables.is_empty()).then_some(&self.variables);
        case.bindings(self.params(params).as_ref(), variables)
    }

    /// The parameters as expressions see them: null where a binding gives none, nothing where the policy wants none.
    fn params(&self, params: Option<&Value>) -> Option<Value> {
        self.param_kind.as_ref().map(|_| params.cloned().unwrap_or(Value::Null))
    }
}
