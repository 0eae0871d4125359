//! What is wrong with a question about permissions: it is about one thing, and about somebody.
//!
//! Source: upstream's `pkg/apis/authorization/validation`, and the handlers in `pkg/registry/authorization`.

use inboard::ApiError;
use inboard::error::Subject;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindId};
use inboard::object::validation::names;
use serde_json::{Value, json};

/// The fields of metadata in the order in which upstream prints them, but for those of managers.
const METADATA: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
];

/// Refuses a question that makes no sense.
pub(super) fn check(kind: KindId, review: &Value) -> Result<(), ApiError> {
    let errors = problems(kind, review);
    if errors.is_empty() {
        return Ok(());
    }
    // Upstream takes the kind from where it no longer stands.
    Err(ApiError::invalid(Subject::new("authorization.k8s.io", "", ""), errors))
}

fn problems(kind: KindId, review: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let (spec, path) = (&review["spec"], Path::new("spec"));
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let other_path = path.field("nonResourceAttributes");
    let shown = || {
        let text = |field: &str| json!(other[field].as_str().unwrap_or_default());
        format!("{{\"Path\":{},\"Verb\":{}}}", text("path"), text("verb"))
    };
    match (resource.is_object(), other.is_object()) {
        (true, true) => {
            errors.invalid_json(&other_path, shown(), "cannot be specified in combination with resourceAttributes");
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.invalid(&path.field("resourceAttributes"), Value::Null, detail);
        }
        _ => {}
    }
    let is_about_oneself = kind == kind::SELF_SUBJECT_ACCESS_REVIEW;
    if !is_about_oneself && text(&spec["user"]).is_empty() && entries(&spec["groups"]).is_empty() {
        errors.invalid(&path.field("user"), "", "at least one of user or group must be specified");
    }
    if resource.is_object() {
        selectors(resource, &path.field("resourceAttributes"), &mut errors);
    }
    let is_local = kind == kind::LOCAL_SUBJECT_ACCESS_REVIEW;
    metadata(&review["metadata"], is_local, &mut errors);
    if is_local {
        let asked = text(&resource["namespace"]);
        if resource.is_object() && asked != text(&review["metadata"]["namespace"]) {
            let attributes = path.field("resourceAttributes");
            errors.invalid(&attributes.field("namespace"), asked, "must match metadata.namespace");
        }
        if other.is_object() {
            errors.invalid_json(&other_path, shown(), "disallowed on this kind of request");
        }
    }
    errors
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn entries(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A question has no metadata of its own, except for where it is asked.
fn metadata(metadata: &Value, is_local: bool, errors: &mut FieldErrors) {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        value => *value == json!(0),
    };
    let given: Vec<&str> = METADATA.into_iter().filter(|field| !is_nothing(&metadata[*field])).collect();
    if given.iter().all(|field| is_local && *field == "namespace") {
        return;
    }
    let shown: Vec<String> = given.iter().map(|field| format!("\"{field}\":{}", metadata[*field])).collect();
    let detail = if is_local { "must be empty except for namespace" } else { "must be empty" };
    errors.invalid_json(&Path::new("metadata"), format_args!("{{{}}}", shown.join(",")), detail);
}

/// What narrows a question about a list down: one text, or requirements one by one. Operators that are not known may
/// come from newer clients.
fn selectors(resource: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    for field in ["fieldSelector", "labelSelector"] {
        let (selector, path) = (&resource[field], path.field(field));
        if !selector.is_object() {
            continue;
        }
        let (raw, requirements) = (text(&selector["rawSelector"]), entries(&selector["requirements"]));
        match (raw.is_empty(), requirements.is_empty()) {
            (false, false) => {
                let detail = "may not specified at the same time as requirements";
                errors.invalid(&path.field("rawSelector"), raw, detail);
            }
            (true, true) => {
                let detail = format!("when {path} is specified, requirements or rawSelector is required");
                errors.required(&path.field("requirements"), detail);
            }
            _ => {}
        }
        let path = path.field("requirements");
        for (index, one) in requirements.iter().enumerate() {
            requirement(one, field == "labelSelector", &path.index(index), errors);
        }
    }
}

fn requirement(requirement: &Value, of_labels: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let (key, key_path) = (text(&requirement["key"]), path.field("key"));
    let (values, values_path) = (entries(&requirement["values"]), path.field("values"));
    if !of_labels && key.is_empty() {
        errors.required(&key_path, "must be specified");
    }
    match (text(&requirement["operator"]), values.is_empty()) {
        ("In" | "NotIn", true) => {
            errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        ("Exists" | "DoesNotExist", false) => {
            errors.forbidden(&values_path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        _ => {}
    }
    if of_labels {
        errors.invalid_each(&key_path, key, names::qualified_name(key));
        for (index, value) in values.iter().map(text).enumerate() {
            errors.invalid_each(&values_path.index(index), value, names::label_value(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: KindId, metadata: Value, spec: Value) -> String {
        check(kind, &json!({"metadata": metadata, "spec": spec})).map_or_else(|why| why.to_string(), |()| String::new())
    }

    #[test]
    fn a_question_is_about_one_thing_and_about_somebody() {
        let pods = json!({"verb": "get", "resource": "pods", "namespace": "test"});
        let page = json!({"verb": "get", "path": "/x"});
        let nothing = || json!({});
        let local = || json!({"namespace": "test"});
        let rows = [
            (kind::SELF_SUBJECT_ACCESS_REVIEW, nothing(), json!({"resourceAttributes": pods}), ""),
            (
                kind::SELF_SUBJECT_ACCESS_REVIEW,
                nothing(),
                json!({}),
                "spec.resourceAttributes: Invalid value: null: \
                 exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ),
            (
                kind::SELF_SUBJECT_ACCESS_REVIEW,
                json!({"name": "a", "labels": {"b": "c"}, "managedFields": [{}]}),
                json!({"nonResourceAttributes": page}),
                "metadata: Invalid value: {\"name\":\"a\",\"labels\":{\"b\":\"c\"}}: must be empty",
            ),
            (
                kind::SUBJECT_ACCESS_REVIEW,
                nothing(),
                json!({"nonResourceAttributes": page, "resourceAttributes": pods}),
                "[spec.nonResourceAttributes: Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: \
                 cannot be specified in combination with resourceAttributes, \
                 spec.user: Invalid value: \"\": at least one of user or group must be specified]",
            ),
            (kind::SUBJECT_ACCESS_REVIEW, nothing(), json!({"groups": ["a"], "nonResourceAttributes": page}), ""),
            (kind::LOCAL_SUBJECT_ACCESS_REVIEW, local(), json!({"user": "a", "resourceAttributes": pods}), ""),
            (
                kind::LOCAL_SUBJECT_ACCESS_REVIEW,
                local(),
                json!({"user": "a", "resourceAttributes": {"verb": "get"}}),
                "spec.resourceAttributes.namespace: Invalid value: \"\": must match metadata.namespace",
            ),
            (
                kind::LOCAL_SUBJECT_ACCESS_REVIEW,
                local(),
                json!({"user": "a", "nonResourceAttributes": page}),
                "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: \
                 disallowed on this kind of request",
            ),
            (
                kind::SELF_SUBJECT_ACCESS_REVIEW,
                nothing(),
                json!({"resourceAttributes": {
                    "fieldSelector": {},
                    "labelSelector": {"rawSelector": "a", "requirements": [{"key": "a", "operator": "In"}]},
                }}),
                "[spec.resourceAttributes.fieldSelector.requirements: Required value: \
                 when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required, \
                 spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a\": \
                 may not specified at the same time as requirements, \
                 spec.resourceAttributes.labelSelector.requirements[0].values: Required value: \
                 must be specified when `operator` is 'In' or 'NotIn']",
            ),
        ];
        for (kind, metadata, spec, wanted) in rows {
            let wanted = if wanted.is_empty() {
                String::new()
            } else {
                format!(".authorization.k8s.io \"\" is invalid: {wanted}")
            };
            assert_eq!(told(kind, metadata, spec.clone()), wanted, "{spec}");
        }
    }
}
