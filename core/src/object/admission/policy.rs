//! A ValidatingAdmissionPolicy: what must be true of a request that it concerns.
//!
//! 1. **Read once** ([`Policy::read`]), when it is written; what cannot be read is refused there, by the same code.
//! 2. **Evaluated** ([`Policy::evaluate`]) for each binding and parameter: the conditions, then each validation, then the
//!    audit annotations. What cannot be worked out counts as its failure policy says.
//!
//! All validations of one evaluation share a budget, so that no policy can stop the cluster.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec, Validation as Rule,
};
use serde_json::Value as Json;

use super::asked::{Asked, Objects};
use super::authorizer::{self, Authorizer};
use super::frame::{Bindings, Frame, Given};
use crate::access::What;
use crate::error::Reason;
use crate::object::cel::{Budget, Env, Failure, Program, Type, Value, Variables};
use crate::object::kind::{KindId, Kinds};

/// What all expressions of one evaluation may cost together.
pub(super) const BUDGET: u64 = 10_000_000;
/// What one expression may cost.
const CALL_BUDGET: u64 = 1_000_000;
/// How long a message may be that an expression makes, in bytes.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;
/// How long the value of an audit annotation may be, in bytes.
const ANNOTATION_BYTES_MAX: usize = 10 * 1024;

/// A policy, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) frame: Frame,
    validations: Vec<Validation>,
    annotations: Vec<(String, Program, String)>,
}

#[derive(Debug)]
struct Validation {
    program: Program,
    expression: String,
    message: String,
    message_program: Option<(Program, String)>,
    reason: Reason,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) message: String,
    pub(crate) reason: Reason,
    /// Which validation it was.
    pub(crate) index: usize,
}

/// What a policy says of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evaluated {
    pub(crate) denials: Vec<Denial>,
    pub(crate) annotations: Vec<Annotation>,
    /// Annotations that cannot be made, where that is to count.
    pub(crate) failed_annotations: Vec<String>,
}

/// What a policy has to say for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Policy {
    pub(crate) fn read(policy: &ValidatingAdmissionPolicy) -> Self {
        let nothing = ValidatingAdmissionPolicySpec::default();
        let spec = policy.spec.as_ref().unwrap_or(&nothing);
        let mut frame = Frame::read(Given {
            name: policy.metadata.name.as_deref(),
            failure_policy: spec.failure_policy.as_deref(),
            param_kind: spec.param_kind.as_ref(),
            match_constraints: spec.match_constraints.as_ref(),
            conditions: spec.match_conditions.as_deref().unwrap_or_default(),
            variables: spec.variables.as_deref().unwrap_or_default(),
            makes_objects: false,
        });
        let (env, plain) = (frame.env(), frame.plain_env());
        let validations = spec.validations.iter().flatten();
        let validations = validations.filter_map(|given| Validation::read(given, &mut frame, &env, &plain)).collect();
        let mut annotations = Vec::new();
        for given in spec.audit_annotations.iter().flatten() {
            let source = given.value_expression.trim();
            let program = frame.compile(&env, source, &[Type::String, Type::Null]);
            annotations.extend(program.map(|program| (given.key.clone(), program, source.to_owned())));
        }
        Self { frame, validations, annotations }
    }

    /// What it says of a request with these parameters: why it refuses it, and what the audit shall know.
    pub(crate) fn evaluate(&self, case: &Case<'_>, params: Option<&Value>) -> Evaluated {
        let failed = |message: String, index| {
            self.frame.fails_closed.then_some(Denial { message, reason: Reason::Invalid, index })
        };
        match self.frame.holds(case, params) {
            Ok(true) => {}
            Ok(false) => return Evaluated::default(),
            Err(why) => return Evaluated::failed(failed(why, 0)),
        }
        let bindings = self.frame.bindings(case, params);
        let (mut left, mut denials) = (BUDGET, Vec::new());
        for (index, validation) in self.validations.iter().enumerate() {
            match evaluate(&validation.program, &validation.expression, &bindings, &mut left) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => denials.push(Denial {
                    message: validation.told(&bindings, &mut left),
                    reason: validation.reason,
                    index,
                }),
                Err(error @ EvaluationError::OutOfBudget) => {
                    return Evaluated::failed(failed(error.to_string(), 0));
                }
                Err(error) => denials.extend(failed(error.to_string(), index)),
            }
        }
        let (mut left, mut annotations, mut failed_annotations) = (BUDGET, Vec::new(), Vec::new());
        for (key, program, source) in &self.annotations {
            match evaluate(program, source, &bindings, &mut left) {
                Ok(value) => {
                    let text = value.as_text().map(str::trim).filter(|text| !text.is_empty());
                    annotations.extend(text.map(|text| Annotation { key: key.clone(), value: cut(text) }));
                }
                Err(error) => failed_annotations.extend(self.frame.fails_closed.then(|| error.to_string())),
            }
        }
        Evaluated { denials, annotations, failed_annotations }
    }
}

impl Evaluated {
    /// Nothing but that it could not be worked out, where that is to count.
    fn failed(denial: Option<Denial>) -> Self {
        Self { denials: denial.into_iter().collect(), ..Self::default() }
    }
}

impl Validation {
    fn read(given: &Rule, frame: &mut Frame, env: &Env, plain: &Env) -> Option<Self> {
        let message = given.message_expression.as_deref().filter(|text| !text.trim().is_empty());
        let message = message.and_then(|text| Some((frame.compile(plain, text, &[Type::String])?, text.to_owned())));
        Some(Self {
            program: frame.compile(env, &given.expression, &[Type::Bool])?,
            expression: given.expression.clone(),
            message: given.message.as_deref().unwrap_or_default().trim().to_owned(),
            message_program: message,
            reason: match given.reason.as_deref() {
                Some("Forbidden") => Reason::Forbidden,
                Some("RequestEntityTooLarge") => Reason::RequestEntityTooLarge,
                Some("Unauthorized") => Reason::Unauthorized,
                _ => Reason::Invalid,
            },
        })
    }

    /// What the client is told: what an expression says, where it says something good; a text; or the rule itself.
    fn told(&self, bindings: &[(&'static str, Option<Value>)], left: &mut u64) -> String {
        let said = self.message_program.as_ref().and_then(|(program, source)| {
            let value = evaluate(program, source, bindings, left).ok()?;
            let text = value.as_text()?.trim().to_owned();
            let is_good = !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n');
            is_good.then_some(text)
        });
        said.or_else(|| (!self.message.is_empty()).then(|| self.message.clone()))
            .unwrap_or_else(|| format!("failed expression: {}", self.expression.trim()))
    }
}

fn cut(text: &str) -> String {
    let end = (0..=ANNOTATION_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

/// A request, in the version in which somebody wants to see it.
pub(crate) struct Case<'a> {
    asked: &'a Asked<'a>,
    objects: &'a Objects,
    kinds: &'a Kinds,
    version: KindId,
    namespace: Option<&'a Json>,
    authorizer: &'a Arc<dyn Authorizer>,
    /// What all expressions may name, worked out once.
    bindings: OnceCell<Bindings>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        asked: &'a Asked<'a>,
        objects: &'a Objects,
        kinds: &'a Kinds,
        version: KindId,
        namespace: Option<&'a Json>,
        authorizer: &'a Arc<dyn Authorizer>,
    ) -> Self {
        Self { asked, objects, kinds, version, namespace, authorizer, bindings: OnceCell::new() }
    }

    /// What expressions may name, with their values.
    pub(super) fn bindings(&self, params: Option<&Value>, variables: Option<&Arc<[(String, Program)]>>) -> Bindings {
        let mut bindings = self.bindings.get_or_init(|| self.values()).clone();
        if let Some(params) = params {
            bindings.push(("params", Some(params.clone())));
        }
        if let Some(variables) = variables {
            let own = Variables::new(Arc::clone(variables), bindings.clone());
            bindings.push(("variables", Some(Value::Variables(own))));
        }
        bindings
    }

    fn values(&self) -> Bindings {
        let Objects { object, old } = self.objects.converted(self.kinds, self.asked, self.version);
        let value = |json: Option<&Json>| Some(json.map_or(Value::Null, Value::of_json));
        let authorizer = authorizer::variable(Arc::clone(self.authorizer), self.asked.user, self.resource());
        vec![
            ("object", value(object.as_ref())),
            ("oldObject", value(old.as_ref())),
            ("request", value(Some(&self.asked.request(self.kinds, self.version)))),
            ("namespaceObject", value(self.namespace)),
            ("authorizer", Some(authorizer)),
        ]
    }

    fn resource(&self) -> What {
        let Asked { info, subresource, namespace, name, .. } = self.asked;
        What::Resource {
            group: info.group.to_string(),
            version: info.version.to_string(),
            plural: info.plural.to_string(),
            subresource: (*subresource).to_owned(),
            namespace: (*namespace).to_owned(),
            name: (*name).to_owned(),
        }
    }
}

/// Why an expression has no value.
#[derive(Debug)]
pub(super) enum EvaluationError {
    OutOfBudget,
    Failed { expression: String, why: String },
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBudget => f.write_str(
                "validation failed due to running out of cost budget, no further validation rules will be run",
            ),
            Self::Failed { expression, why } => write!(f, "expression '{expression}' resulted in error: {why}"),
        }
    }
}

/// The value of an expression, paid from what is `left`.
pub(super) fn evaluate(
    program: &Program,
    source: &str,
    bindings: &[(&'static str, Option<Value>)],
    left: &mut u64,
) -> Result<Value, EvaluationError> {
    let mut budget = Budget::new(CALL_BUDGET.min(*left));
    let result = program.evaluate(bindings, &mut budget);
    let is_call_limit = *left >= CALL_BUDGET;
    *left -= budget.used().min(*left);
    result.map_err(|failure| match failure {
        Failure::TooExpensive if !is_call_limit => EvaluationError::OutOfBudget,
        Failure::TooExpensive => EvaluationError::Failed {
            expression: source.to_owned(),
            why: "operation cancelled: actual cost limit exceeded".to_owned(),
        },
        Failure::Error(why) => EvaluationError::Failed { expression: source.to_owned(), why },
    })
}
