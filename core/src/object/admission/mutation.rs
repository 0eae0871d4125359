//! A MutatingAdmissionPolicy: what becomes of an object that a request brings.
//!
//! Its mutations come one after the other, each sees what those before it have made of the object. One is an object that is
//! applied to it, as server-side apply would, or a list of the operations of a JSON patch.

use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicy, MutatingAdmissionPolicySpec};
use serde_json::{Value as Json, json};

use super::frame::{Frame, Given};
use super::policy::{BUDGET, Case, evaluate};
use crate::object::apply;
use crate::object::cel::{Program, Type, Value, WEIGHT_MAX};
use crate::object::kind::KindInfo;
use crate::object::patch::{PatchError, apply_operations};

/// A policy, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct MutatingPolicy {
    pub(crate) frame: Frame,
    /// Whether it is asked once more when the object is changed after its turn.
    pub(crate) reinvokes: bool,
    mutations: Vec<Mutation>,
}

/// Of which kind the object of a request is.
#[derive(Debug)]
pub(crate) enum ObjectKind<'k> {
    /// Of the resource's own.
    Own(&'k KindInfo),
    /// Of one of these version and name, whose objects are never stored.
    Beside(String, &'static str),
}

impl ObjectKind<'_> {
    fn names(&self) -> (String, &str) {
        match self {
            Self::Own(info) => (info.api_version(), &info.kind),
            Self::Beside(api_version, kind) => (api_version.clone(), kind),
        }
    }
}

#[derive(Debug)]
enum Mutation {
    Apply(Program, String),
    Patch(Program, String),
}

/// The type of an expression that makes what is applied.
pub(crate) fn object_type() -> Type {
    Type::Made("Object".into())
}

/// The type of an expression that makes the operations of a patch.
pub(crate) fn patch_type() -> Type {
    Type::List(std::sync::Arc::new(Type::Made("JSONPatch".into())))
}

impl MutatingPolicy {
    pub(crate) fn read(policy: &MutatingAdmissionPolicy) -> Self {
        let nothing = MutatingAdmissionPolicySpec::default();
        let spec = policy.spec.as_ref().unwrap_or(&nothing);
        let mut frame = Frame::read(Given {
            name: policy.metadata.name.as_deref(),
            failure_policy: spec.failure_policy.as_deref(),
            param_kind: spec.param_kind.as_ref(),
            match_constraints: spec.match_constraints.as_ref(),
            conditions: spec.match_conditions.as_deref().unwrap_or_default(),
            variables: spec.variables.as_deref().unwrap_or_default(),
            makes_objects: true,
        });
        let env = frame.env();
        let mut mutations = Vec::new();
        for mutation in spec.mutations.iter().flatten() {
            if let Some(source) = mutation.apply_configuration.as_ref().and_then(|given| given.expression.clone()) {
                let program = frame.compile(&env, &source, &[object_type()]);
                mutations.extend(program.map(|program| Mutation::Apply(program, source)));
            } else if let Some(source) = mutation.json_patch.as_ref().and_then(|given| given.expression.clone()) {
                let program = frame.compile(&env, &source, &[patch_type()]);
                mutations.extend(program.map(|program| Mutation::Patch(program, source)));
            }
        }
        Self { frame, reinvokes: spec.reinvocation_policy.as_deref() == Some("IfNeeded"), mutations }
    }

    /// How many mutations it has.
    pub(crate) fn len(&self) -> usize {
        self.mutations.len()
    }

    /// Whether its conditions hold.
    ///
    /// # Errors
    /// Why that cannot be said.
    pub(crate) fn holds(&self, case: &Case<'_>, params: Option<&Value>) -> Result<bool, String> {
        self.frame.holds(case, params)
    }

    /// What one of its mutations makes of an object of this kind.
    ///
    /// # Errors
    /// Why it makes nothing of it.
    pub(crate) fn mutate(
        &self,
        index: usize,
        case: &Case<'_>,
        params: Option<&Value>,
        object: &Json,
        of: &ObjectKind<'_>,
    ) -> Result<Json, String> {
        let bindings = self.frame.bindings(case, params);
        let value = |program: &Program, source: &str| {
            let mut left = BUDGET;
            evaluate(program, source, &bindings, &mut left).map_err(|error| error.to_string())
        };
        match self.mutations.get(index) {
            Some(Mutation::Apply(program, source)) => applied(&value(program, source)?, object, of),
            Some(Mutation::Patch(program, source)) => patched(&value(program, source)?, object),
            None => Ok(object.clone()),
        }
    }
}

fn applied(value: &Value, object: &Json, of: &ObjectKind<'_>) -> Result<Json, String> {
    if !matches!(value, Value::Made(_)) {
        return Err(format!("unsupported return type from ApplyConfiguration expression: {}", value.type_name()));
    }
    check(value)?;
    let mut configuration = value.to_json().ok_or("the object that is applied has a value that is not JSON")?;
    let (api_version, kind) = of.names();
    configuration["apiVersion"] = api_version.into();
    configuration["kind"] = kind.into();
    let applied = match of {
        ObjectKind::Own(info) => apply::configure(object, &configuration, info),
        ObjectKind::Beside(api_version, kind) => apply::configure_beside(object, &configuration, (api_version, kind)),
    };
    applied.map_err(|why| format!("error applying patch: {why}"))
}

/// A value that is written out is one that could be looked at: what shares its parts may be far larger than what made it.
fn check(value: &Value) -> Result<(), String> {
    if value.weight() >= WEIGHT_MAX {
        return Err("the value is too large to be written".to_owned());
    }
    value.check_made().map_err(|wrong| format!("type mismatch: {wrong}"))
}

/// A patch whose `test` fails changes nothing.
fn patched(value: &Value, object: &Json) -> Result<Json, String> {
    let operations = match value {
        Value::List(list) => list.items().iter().map(operation).collect::<Result<Vec<_>, _>>()?,
        _ => return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned()),
    };
    let mut next = object.clone();
    match apply_operations(&operations.into(), &mut next) {
        Ok(()) => Ok(next),
        Err(PatchError::Operation { operation, .. }) if operation == "test" => Ok(object.clone()),
        Err(error) => Err(format!("JSONPath: {error}")),
    }
}

fn operation(value: &Value) -> Result<Json, String> {
    let Value::Made(made) = value else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch".to_owned());
    };
    let text = |field: &str| made.fields.get(field).and_then(Value::as_text).unwrap_or_default();
    let mut operation = json!({ "op": text("op"), "path": text("path") });
    if !text("from").is_empty() {
        operation["from"] = text("from").into();
    }
    if let Some(value) = made.fields.get("value") {
        check(value)?;
        let wrong = "JSONPath valueExpression evaluated to a type that could not marshal to JSON";
        operation["value"] = value.to_json().ok_or(wrong)?;
    }
    Ok(operation)
}
