//! Whether the expressions of a policy fit the kinds of the resources that it names (`status.typeChecking`).
//!
//! A policy is evaluated without types, so that one that does not fit is let in; what is wrong with it is told by kind, for
//! those kinds that its rules name in full.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    ExpressionWarning, NamedRuleWithOperations, ValidatingAdmissionPolicy,
};

use super::environment::Scope;
use crate::object::cel::{Env, Fields, Type};
use crate::object::kind::{KindInfo, Kinds};
use crate::object::schema::{Scalar, Schema, Shape, TypeId};
use crate::object::structural::rules;

/// How many kinds of one rule are looked at.
const KINDS_MAX: usize = 10;

/// What is wrong with the expressions of a policy.
pub(crate) fn warnings(policy: &ValidatingAdmissionPolicy, kinds: &Kinds) -> Vec<ExpressionWarning> {
    let spec = policy.spec.clone().unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let params = spec
        .param_kind
        .as_ref()
        .and_then(|kind| kinds.by_api_version(&text(&kind.api_version), &text(&kind.kind)).map(type_of));
    let checked: Vec<(String, Env)> = named_kinds(&spec.match_constraints.unwrap_or_default().resource_rules, kinds)
        .into_iter()
        .map(|info| {
            let variables = spec.variables.iter().flatten();
            let variables = variables.map(|variable| (variable.name.as_str(), variable.expression.as_str()));
            (format!("{}, Kind={}", info.api_version(), info.kind), env(&type_of(info), params.as_ref(), variables))
        })
        .collect();
    let mut warnings = Vec::new();
    for (index, validation) in spec.validations.iter().flatten().enumerate() {
        let message = validation.message_expression.as_deref().unwrap_or_default();
        for (field, source) in [("expression", validation.expression.as_str()), ("messageExpression", message)] {
            if source.is_empty() {
                continue;
            }
            let issues = |(kind, env): &(String, Env)| Some(format!("{kind}: {}\n", env.compile(source).err()?));
            let wrong: Vec<String> = checked.iter().filter_map(issues).collect();
            if !wrong.is_empty() {
                let field_ref = format!("spec.validations[{index}].{field}");
                warnings.push(ExpressionWarning { field_ref, warning: wrong.join("\n") });
            }
        }
    }
    warnings
}

/// The kinds that rules name without a wildcard, by group, version and name.
fn named_kinds<'k>(rules: &Option<Vec<NamedRuleWithOperations>>, kinds: &'k Kinds) -> Vec<&'k KindInfo> {
    let mut found = BTreeMap::new();
    for rule in rules.iter().flatten() {
        let named = |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<BTreeSet<String>>();
        let (groups, versions) = (named(&rule.api_groups), named(&rule.api_versions));
        if groups.iter().chain(&versions).any(|name| name.contains('*')) {
            continue;
        }
        let mut resources = named(&rule.resources);
        resources.retain(|resource| !resource.contains(['*', '/']));
        // No group may be any.
        let is_named = |info: &&KindInfo| {
            (groups.contains("") || groups.contains(&*info.group))
                && versions.contains(&*info.version)
                && resources.contains(&*info.plural)
        };
        for info in kinds.iter().filter(is_named).take(KINDS_MAX) {
            found.insert((info.group.to_string(), info.version.to_string(), info.kind.to_string()), info);
        }
    }
    found.into_values().collect()
}

fn env<'p>(object: &Type, params: Option<&Type>, variables: impl Iterator<Item = (&'p str, &'p str)>) -> Env {
    let scope = Scope { has_params: false, has_authorizer: true, makes_objects: false };
    let mut env = scope.env().with("object", object.clone()).with("oldObject", object.clone());
    if let Some(params) = params {
        env = env.with("params", params.clone());
    }
    let mut known = Fields::new();
    for (name, expression) in variables {
        let so_far = env.clone().with("variables", Type::Object(Arc::new(known.clone())));
        // What is wrong with a variable is told where the policy is written.
        let of = so_far.compile(expression).map_or(Type::Dyn, |program| program.output().clone());
        known.insert(name.to_owned(), of);
    }
    env.with("variables", Type::Object(Arc::new(known)))
}

/// The type of the objects of a kind.
fn type_of(info: &KindInfo) -> Type {
    if let Some(defined) = &info.defined {
        return rules::type_of(&defined.schema, true).unwrap_or(Type::Dyn);
    }
    let schema = Schema::built_in();
    let Some(of) = schema.kind(info) else { return Type::Dyn };
    BuiltIn { schema, known: BTreeMap::new() }.fields(of)
}

/// The types of built-in kinds, each made once.
struct BuiltIn {
    schema: &'static Schema,
    known: BTreeMap<TypeId, Type>,
}

impl BuiltIn {
    fn fields(&mut self, of: &crate::object::schema::Type) -> Type {
        let fields = of.fields.iter();
        let fields: Fields = fields
            .filter_map(|field| Some((crate::object::cel::escape(&field.name)?, self.shape(&field.shape)?)))
            .collect();
        Type::Object(Arc::new(fields))
    }

    /// Nothing for what has no type of its own, and cannot be named.
    fn shape(&mut self, shape: &Shape) -> Option<Type> {
        Some(match shape {
            Shape::Scalar(scalar) => scalar_type(*scalar),
            Shape::Raw(_) => return None,
            Shape::Struct { of, .. } => {
                if let Some(known) = self.known.get(of) {
                    return Some(known.clone());
                }
                // What is in itself may be anything there.
                self.known.insert(*of, Type::Dyn);
                let made = self.fields(self.schema.get(*of));
                self.known.insert(*of, made.clone());
                made
            }
            Shape::List { element, .. } => Type::List(Arc::new(self.shape(element)?)),
            Shape::Map { value, .. } => Type::Map(Arc::new(Type::String), Arc::new(self.shape(value)?)),
        })
    }
}

const fn scalar_type(scalar: Scalar) -> Type {
    match scalar {
        Scalar::String | Scalar::Quantity | Scalar::Duration => Type::String,
        Scalar::Bytes => Type::Bytes,
        Scalar::Bool => Type::Bool,
        Scalar::Int32 | Scalar::Int64 => Type::Int,
        Scalar::Double => Type::Double,
        Scalar::IntOrString => Type::Dyn,
        Scalar::Time | Scalar::MicroTime => Type::Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(policy: serde_json::Value) -> Vec<String> {
        let policy = serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": policy })).expect("a policy");
        let warnings = warnings(&policy, &Kinds::built_in());
        warnings.into_iter().map(|ExpressionWarning { field_ref, warning }| format!("{field_ref}: {warning}")).collect()
    }

    fn policy(resources: &[&str], expression: &str) -> serde_json::Value {
        let rule = json!({ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": resources });
        json!({
            "matchConstraints": { "resourceRules": [rule] },
            "variables": [{ "name": "few", "expression": "object.spec.replicas < 3" }],
            "validations": [{ "expression": expression }],
        })
    }

    #[test]
    fn what_does_not_fit_a_kind_is_told_for_it() {
        let fine = [
            "object.spec.replicas > 1",
            "variables.few",
            "object.metadata.labels['a'] == 'b' || object.metadata.creationTimestamp < timestamp('2026-01-01T00:00:00Z')",
            "object.spec.template.spec.containers.all(c, c.resources.requests['cpu'] != '')",
            "authorizer.group('').resource('pods').check('create').allowed()",
            "request.userInfo.username == 'me' && oldObject == null",
        ];
        for expression in fine {
            assert_eq!(told(policy(&["deployments"], expression)), [""; 0], "{expression}");
        }
        assert_eq!(
            told(policy(&["deployments", "replicasets", "deployments/scale"], "object.replicas > 1")),
            [
                "spec.validations[0].expression: apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n \
              | object.replicas > 1\n | ......^\n\napps/v1, Kind=ReplicaSet: ERROR: <input>:1:7: undefined field \
              'replicas'\n | object.replicas > 1\n | ......^\n"
            ]
        );
        assert_eq!(told(policy(&["*"], "object.replicas > 1")), [""; 0], "what may be anything is not looked at");
        let told = told(policy(&["daemonsets"], "variables.few && object.spec.updateStrategy.type == 3"));
        assert!(told[0].contains("found no matching overload for '_==_' applied to '(string, int)'"), "{told:?}");
    }
}
