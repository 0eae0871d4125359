//! What may stand under `allOf`, `anyOf`, `oneOf` and `not`: bounds of values, and no structure.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::object::field::{FieldErrors, Path};
use crate::object::structural;

/// Which alternatives are the known way to write "a number or a text", and may name types.
#[derive(Clone, Copy, Default)]
pub(super) struct Skipped {
    any_of: bool,
    any_of_in_first_all_of: bool,
}

/// The two ways to write it.
pub(super) fn skipped(given: &JSONSchemaProps) -> Skipped {
    let first = given.all_of.as_ref().and_then(|all| all.first());
    Skipped {
        any_of: is_int_or_string(given.any_of.as_ref()),
        any_of_in_first_all_of: first.is_some_and(|first| is_int_or_string(first.any_of.as_ref())),
    }
}

fn is_int_or_string(any_of: Option<&Vec<JSONSchemaProps>>) -> bool {
    let only = |name: &str| JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() };
    any_of.is_some_and(|any_of| *any_of == [only("integer"), only("string")])
}

/// The alternatives of a node, and its pattern.
pub(super) fn values(given: &JSONSchemaProps, skipped: Skipped, path: &Path<'_>, errors: &mut FieldErrors) {
    if !skipped.any_of {
        let path = path.field("anyOf");
        for (index, schema) in given.any_of.iter().flatten().enumerate() {
            nested(schema, Skipped::default(), &path.index(index), errors);
        }
    }
    let all_of = path.field("allOf");
    for (index, schema) in given.all_of.iter().flatten().enumerate() {
        let any_of = skipped.any_of_in_first_all_of && index == 0;
        nested(schema, Skipped { any_of, any_of_in_first_all_of: false }, &all_of.index(index), errors);
    }
    let one_of = path.field("oneOf");
    for (index, schema) in given.one_of.iter().flatten().enumerate() {
        nested(schema, Skipped::default(), &one_of.index(index), errors);
    }
    if let Some(not) = &given.not {
        nested(not, Skipped::default(), &path.field("not"), errors);
    }
    if let Some(pattern) = given.pattern.as_deref().filter(|pattern| !pattern.is_empty())
        && let Err(why) = structural::compile_pattern(pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.invalid(&path.field("pattern"), pattern, detail);
    }
}

fn nested(given: &JSONSchemaProps, skipped: Skipped, path: &Path<'_>, errors: &mut FieldErrors) {
    values(given, skipped, path, errors);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &given.items {
        nested(items, Skipped::default(), &path.field("items"), errors);
    }
    let properties = path.field("properties");
    for (name, field) in given.properties.iter().flatten() {
        nested(field, Skipped::default(), &properties.key(name), errors);
    }
    structure(given, path, errors);
    if given.properties.as_ref().is_some_and(|properties| properties.contains_key("metadata")) {
        errors.forbidden(&properties.key("metadata"), "must not be specified in a nested context");
    }
}

/// What would be structure.
fn structure(given: &JSONSchemaProps, path: &Path<'_>, errors: &mut FieldErrors) {
    let has = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let is = |flag: Option<bool>| flag == Some(true);
    let additional = given.additional_properties.as_ref();
    let (empty, undefined, no) =
        ("must be empty to be structural", "must be undefined to be structural", "must be false to be structural");
    let fields = [
        ("type", has(&given.type_), empty),
        (
            "additionalProperties",
            additional.is_some_and(|additional| *additional != JSONSchemaPropsOrBool::Bool(false)),
            undefined,
        ),
        ("default", given.default.as_ref().is_some_and(|default| !default.0.is_null()), undefined),
        ("title", has(&given.title), empty),
        ("description", has(&given.description), empty),
        ("nullable", is(given.nullable), no),
        ("x-kubernetes-preserve-unknown-fields", is(given.x_kubernetes_preserve_unknown_fields), no),
        ("x-kubernetes-embedded-resource", is(given.x_kubernetes_embedded_resource), no),
        ("x-kubernetes-int-or-string", is(given.x_kubernetes_int_or_string), no),
        (
            "x-kubernetes-list-map-keys",
            given.x_kubernetes_list_map_keys.as_ref().is_some_and(|keys| !keys.is_empty()),
            empty,
        ),
        ("x-kubernetes-list-type", given.x_kubernetes_list_type.is_some(), undefined),
        ("x-kubernetes-map-type", given.x_kubernetes_map_type.is_some(), undefined),
        (
            "x-kubernetes-validations",
            given.x_kubernetes_validations.as_ref().is_some_and(|rules| !rules.is_empty()),
            empty,
        ),
    ];
    for (field, _, detail) in fields.into_iter().filter(|(_, is_there, _)| *is_there) {
        errors.forbidden(&path.field(field), detail);
    }
}

/// What alternatives speak of must be there in the structure, too.
pub(super) fn complete(
    given: &JSONSchemaProps,
    structure: Option<&JSONSchemaProps>,
    at: &Path<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(not) = &given.not {
        complete_nested(not, structure, at, &path.field("not"), errors);
    }
    for (name, schemas) in [("allOf", &given.all_of), ("anyOf", &given.any_of), ("oneOf", &given.one_of)] {
        let path = path.field(name);
        for (index, schema) in schemas.iter().flatten().enumerate() {
            complete_nested(schema, structure, at, &path.index(index), errors);
        }
    }
}

fn complete_nested(
    given: &JSONSchemaProps,
    structure: Option<&JSONSchemaProps>,
    at: &Path<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let Some(structure) = structure else {
        errors.required(at, format!("because it is defined in {path}"));
        return;
    };
    complete(given, Some(structure), at, path, errors);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &given.items {
        let inner = match &structure.items {
            Some(JSONSchemaPropsOrArray::Schema(inner)) => Some(&**inner),
            Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
        };
        complete_nested(items, inner, &at.field("items"), &path.field("items"), errors);
    }
    let (at_properties, properties) = (at.field("properties"), path.field("properties"));
    for (name, field) in given.properties.iter().flatten() {
        let (at, path) = (at_properties.key(name), properties.key(name));
        match structure.properties.as_ref().and_then(|properties| properties.get(name)) {
            Some(inner) => complete_nested(field, Some(inner), &at, &path, errors),
            None => errors.required(&at, format!("because it is defined in {path}")),
        }
    }
}
