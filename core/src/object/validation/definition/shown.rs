//! Schemas and versions as upstream shows them in errors: JSON of its older form, whose fields have their Go names and
//! never hide.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    JSONSchemaPropsOrStringArray,
};
use serde::Serialize;

use super::rules;
use super::spec::Alike;

/// A field with its Go name, and its value as JSON.
type Field<'f> = (&'f str, String);

fn object<'f>(fields: impl IntoIterator<Item = Field<'f>>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

fn json<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A text that is empty where it is absent.
fn text(value: &Option<String>) -> String {
    json(&value.as_deref().unwrap_or_default())
}

fn flag(value: Option<bool>) -> String {
    value.unwrap_or(false).to_string()
}

/// A number as Go has it: whole ones without a fraction.
fn number(value: Option<f64>) -> String {
    or_null(value.map(|value| if value.fract() == 0.0 { format!("{value:.0}") } else { json(&value) }))
}

/// A schema.
pub(super) fn schema(given: &JSONSchemaProps) -> String {
    let schemas = |all: &Option<Vec<JSONSchemaProps>>| or_null(all.as_ref().map(|all| list(all.iter().map(schema))));
    let named = |all: &Option<std::collections::BTreeMap<String, JSONSchemaProps>>| {
        or_null(all.as_ref().map(|all| {
            let fields: Vec<String> = all.iter().map(|(name, one)| format!("{}:{}", json(name), schema(one))).collect();
            format!("{{{}}}", fields.join(","))
        }))
    };
    let docs = given.external_docs.as_ref();
    let rules = given.x_kubernetes_validations.as_ref();
    object([
        ("ID", text(&given.id)),
        ("Schema", text(&given.schema)),
        ("Ref", json(&given.ref_path)),
        ("Description", text(&given.description)),
        ("Type", text(&given.type_)),
        ("Nullable", flag(given.nullable)),
        ("Format", text(&given.format)),
        ("Title", text(&given.title)),
        ("Default", json(&given.default)),
        ("Maximum", number(given.maximum)),
        ("ExclusiveMaximum", flag(given.exclusive_maximum)),
        ("Minimum", number(given.minimum)),
        ("ExclusiveMinimum", flag(given.exclusive_minimum)),
        ("MaxLength", json(&given.max_length)),
        ("MinLength", json(&given.min_length)),
        ("Pattern", text(&given.pattern)),
        ("MaxItems", json(&given.max_items)),
        ("MinItems", json(&given.min_items)),
        ("UniqueItems", flag(given.unique_items)),
        ("MultipleOf", number(given.multiple_of)),
        ("Enum", json(&given.enum_)),
        ("MaxProperties", json(&given.max_properties)),
        ("MinProperties", json(&given.min_properties)),
        ("Required", json(&given.required)),
        ("Items", or_null(given.items.as_ref().map(items))),
        ("AllOf", schemas(&given.all_of)),
        ("OneOf", schemas(&given.one_of)),
        ("AnyOf", schemas(&given.any_of)),
        ("Not", or_null(given.not.as_deref().map(schema))),
        ("Properties", named(&given.properties)),
        ("AdditionalProperties", or_null(given.additional_properties.as_ref().map(schema_or_bool))),
        ("PatternProperties", named(&given.pattern_properties)),
        ("Dependencies", dependencies(given)),
        ("AdditionalItems", or_null(given.additional_items.as_ref().map(schema_or_bool))),
        ("Definitions", named(&given.definitions)),
        (
            "ExternalDocs",
            or_null(docs.map(|docs| object([("Description", text(&docs.description)), ("URL", text(&docs.url))]))),
        ),
        ("Example", json(&given.example)),
        ("XPreserveUnknownFields", json(&given.x_kubernetes_preserve_unknown_fields)),
        ("XEmbeddedResource", flag(given.x_kubernetes_embedded_resource)),
        ("XIntOrString", flag(given.x_kubernetes_int_or_string)),
        ("XListMapKeys", json(&given.x_kubernetes_list_map_keys)),
        ("XListType", json(&given.x_kubernetes_list_type)),
        ("XMapType", json(&given.x_kubernetes_map_type)),
        ("XValidations", or_null(rules.map(|all| list(all.iter().map(rules::shown))))),
    ])
}

/// What stands at `items`.
pub(super) fn items(given: &JSONSchemaPropsOrArray) -> String {
    let (one, several) = match given {
        JSONSchemaPropsOrArray::Schema(one) => (schema(one), "null".to_owned()),
        JSONSchemaPropsOrArray::Schemas(several) => ("null".to_owned(), list(several.iter().map(schema))),
    };
    object([("Schema", one), ("JSONSchemas", several)])
}

fn schema_or_bool(given: &JSONSchemaPropsOrBool) -> String {
    let (allows, of) = match given {
        JSONSchemaPropsOrBool::Bool(allows) => (*allows, "null".to_owned()),
        JSONSchemaPropsOrBool::Schema(of) => (true, schema(of)),
    };
    object([("Allows", allows.to_string()), ("Schema", of)])
}

fn dependencies(given: &JSONSchemaProps) -> String {
    or_null(given.dependencies.as_ref().map(|all| {
        let fields: Vec<String> = all
            .iter()
            .map(|(name, dependency)| {
                let (of, names) = match dependency {
                    JSONSchemaPropsOrStringArray::Schema(of) => (schema(of), "null".to_owned()),
                    JSONSchemaPropsOrStringArray::Strings(names) => ("null".to_owned(), json(names)),
                };
                format!("{}:{}", json(name), object([("Schema", of), ("Property", names)]))
            })
            .collect();
        format!("{{{}}}", fields.join(","))
    }))
}

/// The versions, without what they say alike.
pub(super) fn versions(versions: &[CustomResourceDefinitionVersion], alike: &Alike) -> String {
    let own = |is_alike: bool, value: Option<String>| or_null(value.filter(|_| !is_alike));
    if versions.is_empty() {
        return "null".to_owned();
    }
    list(versions.iter().map(|version| {
        let given = version
            .schema
            .as_ref()
            .map(|given| object([("OpenAPIV3Schema", or_null(given.open_api_v3_schema.as_ref().map(schema)))]));
        object([
            ("Name", json(&version.name)),
            ("Served", version.served.to_string()),
            ("Storage", version.storage.to_string()),
            ("Deprecated", flag(version.deprecated)),
            ("DeprecationWarning", json(&version.deprecation_warning)),
            ("Schema", own(alike.schema, given)),
            ("Subresources", own(alike.subresources, subresources(version))),
            ("AdditionalPrinterColumns", own(alike.columns, columns(version))),
            ("SelectableFields", own(alike.selectable, selectable(version))),
        ])
    }))
}

fn subresources(version: &CustomResourceDefinitionVersion) -> Option<String> {
    let given = version.subresources.as_ref()?;
    let scale = given.scale.as_ref().map(|scale| {
        object([
            ("SpecReplicasPath", json(&scale.spec_replicas_path)),
            ("StatusReplicasPath", json(&scale.status_replicas_path)),
            ("LabelSelectorPath", json(&scale.label_selector_path)),
        ])
    });
    let status = given.status.as_ref().map(|_| "{}".to_owned());
    Some(object([("Status", or_null(status)), ("Scale", or_null(scale))]))
}

fn columns(version: &CustomResourceDefinitionVersion) -> Option<String> {
    let given = version.additional_printer_columns.as_ref()?;
    Some(list(given.iter().map(|column| {
        object([
            ("Name", json(&column.name)),
            ("Type", json(&column.type_)),
            ("Format", text(&column.format)),
            ("Description", text(&column.description)),
            ("Priority", column.priority.unwrap_or(0).to_string()),
            ("JSONPath", json(&column.json_path)),
        ])
    })))
}

fn selectable(version: &CustomResourceDefinitionVersion) -> Option<String> {
    let given = version.selectable_fields.as_ref()?;
    Some(list(given.iter().map(|field| object([("JSONPath", json(&field.json_path))]))))
}
