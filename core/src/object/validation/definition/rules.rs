//! Expressions in a schema: their texts are well-formed, and they compile against the types that the schema says.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use serde_json::json;

use super::schema::{Context, Found};
use crate::object::field::{FieldErrors, Path};
use crate::object::structural::{Schema, rules};

pub(super) use crate::object::structural::rules::field_path;

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

fn text(given: &Option<String>) -> &str {
    given.as_deref().unwrap_or_default()
}

fn has_newlines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// The texts of the rules of a node.
pub(super) fn shape(given: &JSONSchemaProps, all: &[ValidationRule], path: &Path<'_>, errors: &mut FieldErrors) {
    let schema = Schema::read(given);
    let path = path.field("x-kubernetes-validations");
    for (index, rule) in all.iter().enumerate() {
        let path = path.index(index);
        let (trimmed, message) = (rule.rule.trim(), text(&rule.message));
        if trimmed.is_empty() {
            errors.required(&path.field("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(&path.field("message"), message, "must be non-empty if specified");
        } else if has_newlines(message.trim()) {
            errors.invalid(&path.field("message"), message, "must not contain line breaks");
        } else if has_newlines(trimmed) && message.trim().is_empty() {
            errors.required(&path.field("message"), "message must be specified if rule contains line breaks");
        }
        let expression = text(&rule.message_expression);
        if !expression.is_empty() && expression.trim().is_empty() {
            errors.required(&path.field("messageExpression"), "messageExpression must be non-empty if specified");
        }
        if let Some(reason) = rule.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            errors.not_supported(&path.field("reason"), reason, &REASONS);
        }
        let field = text(&rule.field_path);
        if !field.is_empty() {
            let path = path.field("fieldPath");
            if field.trim().is_empty() {
                errors.invalid(&path, field, "must be non-empty if specified");
            }
            if has_newlines(field) {
                errors.invalid(&path, field, "must not contain line breaks");
            }
            if field_path(field, &schema, true).is_err() {
                errors.invalid(&path, field, "must be a valid path");
            }
        }
    }
}

/// A rule as upstream shows it.
pub(super) fn shown(rule: &ValidationRule) -> String {
    let fields = [
        ("Rule", json!(rule.rule)),
        ("Message", json!(text(&rule.message))),
        ("MessageExpression", json!(text(&rule.message_expression))),
        ("Reason", json!(rule.reason)),
        ("FieldPath", json!(text(&rule.field_path))),
        ("OptionalOldSelf", json!(rule.optional_old_self)),
    ];
    let escaped = |text: String| text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("\"{name}\":{}", escaped(value.to_string()))).collect();
    format!("{{{}}}", fields.join(","))
}

/// Compiles the rules of a node.
pub(super) fn compile(
    given: &JSONSchemaProps,
    all: &[ValidationRule],
    path: &Path<'_>,
    context: Context<'_>,
    found: &mut Found,
) {
    let schema = Schema::read(given);
    let path = path.field("x-kubernetes-validations");
    for (index, rule) in all.iter().enumerate() {
        let path = path.index(index);
        let compiled = rules::compile(&schema, context.is_root, rule);
        let costs = rules::costs(&schema, context.is_root, rule, &compiled);
        if let Some(costs) = &costs {
            let often = context.often.unwrap_or(costs.often);
            found.charge("rule", costs.rule.saturating_mul(often), &path.field("rule"));
        }
        let errors = &mut found.rules;
        if let Some(problem) = compiled.rule_problem {
            errors.invalid_json(&path.field("rule"), shown(rule), problem);
        }
        if let Some(problem) = compiled.message_problem {
            errors.invalid_json(&path.field("messageExpression"), shown(rule), problem);
        }
        if let Some(cost) = costs.and_then(|costs| costs.message) {
            found.charge("messageExpression", cost, &path.field("messageExpression"));
        }
        let errors = &mut found.rules;
        if compiled.uses_old {
            if let Some(uncorrelatable) = context.uncorrelatable {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
                );
                errors.invalid(&path.field("rule"), rule.rule.as_str(), detail);
            }
        } else if let Some(optional) = rule.optional_old_self {
            let detail = "may not be set if oldSelf is not used in rule";
            errors.invalid(&path.field("optionalOldSelf"), optional, detail);
        }
    }
}
