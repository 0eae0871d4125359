//! One write of an object of a user's own kind: the stages of [`strategy`](super::strategy), by the schema of its definition.
//!
//! ```text
//! prune -> drop nulls -> type embedded metadata -> default -> (status apart) -> validate
//! ```
//! Validation looks at the metadata, the values, the scale, embedded objects, lists that are sets or maps, and last at the
//! rules, if nothing stands in their way. A kind that was added without a definition has no schema: of its objects only the
//! metadata is looked at.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::definition::Defined;
use super::field::{FieldError, FieldErrors, FieldProblem, Path};
use super::kind::{KindInfo, Scope};
use super::manifest::whole_numbers;
use super::scale::ScalePaths;
use super::structural::{NO_FIELD, accessor_error, rules};
use super::validation::meta;
use super::validation::names::name_is_dns_subdomain;

/// An object, its metadata apart.
pub(crate) type Parts<'o> = (&'o ObjectMeta, &'o Value);

/// Makes of what a client sent what its version says; the fields that are not in the schema are told.
///
/// # Errors
/// Why the metadata of an embedded object is none.
pub(crate) fn complete(
    defined: &Defined,
    value: &mut Value,
    mut unknown: Option<&mut Vec<String>>,
) -> Result<(), String> {
    whole_numbers(value);
    defined.schema.prune(value, unknown.as_deref_mut());
    if defined.schema.has_embedded() {
        let coerced = defined.schema.coerce(value);
        if let Some(unknown) = unknown {
            unknown.extend(coerced.unknown);
        }
        if let Some(error) = coerced.error {
            return Err(error);
        }
    }
    defined.schema.complete(value);
    Ok(())
}

/// The fields that a client sent and that the schema does not have, without the object's own metadata.
pub(crate) fn unknown_fields(defined: &Defined, value: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    // What is wrong with embedded metadata is told when the object is written.
    let _ = complete(defined, &mut value.clone(), Some(&mut unknown));
    unknown
}

/// What is wrong with a new object.
pub(crate) fn check_new(info: &KindInfo, (meta, value): Parts<'_>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let scope = match info.scope {
        Scope::Namespaced => meta::Scope::Namespaced,
        Scope::Cluster => meta::Scope::Cluster,
    };
    meta::create(meta, scope, name_is_dns_subdomain, &Path::new("metadata"), &mut errors);
    let Some(defined) = info.defined.as_deref() else { return errors };
    let whole = whole(meta, value);
    defined.schema.check(&whole, None, None, &mut errors);
    scale_spec(info, &whole, &mut errors);
    scale_status(info, &whole, &mut errors);
    inside(defined, &whole, None, &mut errors);
    errors
}

/// What is wrong with an object that replaces another, or whose status does.
pub(crate) fn check_update(info: &KindInfo, new: Parts<'_>, old: Parts<'_>, is_status: bool) -> FieldErrors {
    let mut errors = FieldErrors::new();
    meta::update(new.0, old.0, &Path::new("metadata"), &mut errors);
    let Some(defined) = info.defined.as_deref() else { return errors };
    let (whole, before) = (whole(new.0, new.1), whole(old.0, old.1));
    if is_status {
        if let (Some(schema), Some(status)) = (defined.schema.properties.get("status"), whole.get("status")) {
            let before = before.get("status");
            if before != Some(status) {
                schema.check(status, before, Some(&Path::new("status")), &mut errors);
            }
        }
    } else {
        defined.schema.check(&whole, Some(&before), None, &mut errors);
        scale_spec(info, &whole, &mut errors);
    }
    scale_status(info, &whole, &mut errors);
    inside(defined, &whole, Some(&before), &mut errors);
    errors
}

fn whole(meta: &ObjectMeta, value: &Value) -> Value {
    let mut whole = value.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("metadata".to_owned(), serde_json::to_value(meta).unwrap_or_default());
    }
    whole
}

/// Embedded objects, lists, rules.
fn inside(defined: &Defined, whole: &Value, before: Option<&Value>, errors: &mut FieldErrors) {
    let schema = &defined.schema;
    if schema.has_embedded() {
        schema.check_embedded(whole, None, errors);
    }
    if schema.has_lists() {
        let mut known = FieldErrors::new();
        if let Some(before) = before {
            schema.check_lists(before, &mut known);
        }
        // An object that had such lists before the schema said so can still be changed.
        if known.is_empty() {
            schema.check_lists(whole, errors);
        }
    }
    if !rules::has_rules(schema) {
        return;
    }
    let stands_in_the_way = |error: &FieldError| {
        matches!(
            error.problem,
            FieldProblem::NotSupported
                | FieldProblem::Required
                | FieldProblem::TooLong
                | FieldProblem::TooMany
                | FieldProblem::TypeInvalid
        )
    };
    if errors.iter().any(stands_in_the_way) {
        errors.push(FieldError {
            field: NO_FIELD.to_owned(),
            problem: FieldProblem::Invalid,
            message:
                "Invalid value: null: some validation rules were not checked because the object was invalid; correct \
                      the existing errors to complete validation"
                    .to_owned(),
        });
        return;
    }
    rules::check(schema, whole, before, None, errors);
}

fn scale_spec(info: &KindInfo, whole: &Value, errors: &mut FieldErrors) {
    if info.has_subresource("scale") {
        replicas(&info.scale.replicas, whole, errors);
    }
}

fn scale_status(info: &KindInfo, whole: &Value, errors: &mut FieldErrors) {
    if !info.has_subresource("scale") {
        return;
    }
    let ScalePaths { actual, selector, .. } = &info.scale;
    replicas(actual, whole, errors);
    match follow(selector, whole) {
        Err(why) => errors.invalid(&Path::new(selector), "", why),
        Ok(Some(value)) if !value.is_string() => {
            errors.invalid(&Path::new(selector), "", accessor_error(selector, value, "string"));
        }
        Ok(_) => {}
    }
}

fn replicas(path: &str, whole: &Value, errors: &mut FieldErrors) {
    let at = Path::new(path);
    match follow(path, whole) {
        Err(why) => errors.invalid(&at, 0, why),
        Ok(None) => {}
        Ok(Some(value)) => match value.as_i64() {
            None => errors.invalid(&at, 0, accessor_error(path, value, "int64")),
            Some(count) if count < 0 => errors.invalid(&at, count, "should be a non-negative integer"),
            Some(count) if count > i64::from(i32::MAX) => {
                errors.invalid(&at, count, format!("should be less than or equal to {}", i32::MAX));
            }
            Some(_) => {}
        },
    }
}

/// The value at the end of a path such as `.spec.replicas`.
fn follow<'v>(path: &str, whole: &'v Value) -> Result<Option<&'v Value>, String> {
    let mut value = whole;
    let mut walked = String::new();
    for part in path.trim_start_matches('.').split('.') {
        walked = format!("{walked}.{part}");
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return Ok(None),
            other => return Err(accessor_error(&walked, other, "map[string]interface{}")),
        };
        match fields.get(part) {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}
