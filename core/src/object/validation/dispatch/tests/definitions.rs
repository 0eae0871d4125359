//! Definitions of users' own kinds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{assert_each, object, wrong, wrong_change};

fn version(name: &str, more: Value) -> Value {
    let mut version = json!({
        "name": name, "served": true, "storage": name == "v1", "schema": {"openAPIV3Schema": {"type": "object"}},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        version[field] = value.clone();
    }
    version
}

fn definition(spec: Value) -> Value {
    let names = json!({"plural": "gardens", "singular": "garden", "kind": "Garden", "listKind": "GardenList"});
    let mut whole =
        json!({"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version("v1", json!({}))]});
    for (field, value) in spec.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    let status = json!({
        "storedVersions": ["v1"], "acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}],
    });
    let fields = json!({"spec": whole, "status": status});
    object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gardens.example.com", fields)
}

/// With this schema below its root.
fn with(schema: Value) -> Value {
    let root = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}});
    definition(json!({"versions": [version("v1", json!({"schema": root}))]}))
}

#[test]
fn a_name_is_that_of_the_kind() {
    let named = |name: Value| {
        let mut definition = definition(json!({}));
        definition["metadata"]["name"] = name;
        wrong(&definition)
    };
    assert_each([
        (named(json!("gardens.example.com")), ""),
        (named(json!("a.b")), "metadata.name: Invalid value: \"a.b\": must be spec.names.plural+\".\"+spec.group"),
        (named(json!("")), "metadata.name: Required value: name or generateName is required"),
    ]);
}

#[test]
fn a_schema_is_structural() {
    assert_each([
        (
            wrong(&with(
                json!({"type": "integer", "anyOf": [{"externalDocs": {"url": "https://example.com"}, "minimum": 1}]}),
            )),
            "",
        ),
        (
            wrong(&with(json!({"type": "string", "anyOf": [{"title": "t", "nullable": true}]}))),
            "[spec.validation.openAPIV3Schema.properties[spec].anyOf[0].nullable: Forbidden: must be false to be structural, \
 spec.validation.openAPIV3Schema.properties[spec].anyOf[0].title: Forbidden: must be empty to be structural]",
        ),
        // Expressions of a node that is wrong are not looked at.
        (
            wrong(&with(json!({"type": "array", "uniqueItems": true, "items": {"type": "string"},
                "x-kubernetes-validations": [{"rule": "self.nope"}]}))),
            "spec.validation.openAPIV3Schema.properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since \
the runtime complexity becomes quadratic",
        ),
    ]);
}

#[test]
fn where_the_status_is_apart_the_root_says_little() {
    let schema = json!({"openAPIV3Schema": {"type": "object", "maxProperties": 3}});
    let subresources = json!({"status": {}});
    let found = wrong(&definition(json!({
        "versions": [version("v1", json!({"schema": schema, "subresources": subresources}))],
    })));
    let schema = "{\"ID\":\"\",\"Schema\":\"\",\"Ref\":null,\"Description\":\"\",\"Type\":\"object\",\"Nullable\":false,\
\"Format\":\"\",\"Title\":\"\",\"Default\":null,\"Maximum\":null,\"ExclusiveMaximum\":false,\"Minimum\":null,\
\"ExclusiveMinimum\":false,\"MaxLength\":null,\"MinLength\":null,\"Pattern\":\"\",\"MaxItems\":null,\"MinItems\":null,\
\"UniqueItems\":false,\"MultipleOf\":null,\"Enum\":null,\"MaxProperties\":3,\"MinProperties\":null,\"Required\":null,\
\"Items\":null,\"AllOf\":null,\"OneOf\":null,\"AnyOf\":null,\"Not\":null,\"Properties\":null,\"AdditionalProperties\":null,\
\"PatternProperties\":null,\"Dependencies\":null,\"AdditionalItems\":null,\"Definitions\":null,\"ExternalDocs\":null,\
\"Example\":null,\"XPreserveUnknownFields\":null,\"XEmbeddedResource\":false,\"XIntOrString\":false,\"XListMapKeys\":null,\
\"XListType\":null,\"XMapType\":null,\"XValidations\":null}";
    assert!(
        found.starts_with(&format!("spec.validation.openAPIV3Schema: Invalid value: {schema}: only [Description Type")),
        "{found}"
    );
}

#[test]
fn versions_are_shown_without_what_they_say_alike() {
    let scale = json!({"scale": {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a"}});
    let both = json!([
        version("v1", json!({"storage": true, "subresources": scale})),
        version("v2", json!({"storage": true}))
    ]);
    let own = |subresources: &str, name: &str| {
        format!(
            "{{\"Name\":\"{name}\",\"Served\":true,\"Storage\":true,\"Deprecated\":false,\"DeprecationWarning\":null,\
             \"Schema\":null,\"Subresources\":{subresources},\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}"
        )
    };
    let scale = "{\"Status\":null,\"Scale\":{\"SpecReplicasPath\":\".spec.a\",\"StatusReplicasPath\":\".status.a\",\
                 \"LabelSelectorPath\":null}}";
    let versions = format!("[{},{}]", own(scale, "v1"), own("null", "v2"));
    let two = "must have exactly one version marked as storage version";
    let missing = "status.storedVersions: Invalid value: [\"v1\"]: must have the storage version v2";
    assert_eq!(
        wrong(&definition(json!({"versions": both}))),
        format!("[spec.versions: Invalid value: {versions}: {two}, {missing}]")
    );
    let selectable =
        |schema: Value| json!({"selectableFields": [{"jsonPath": ".a"}], "schema": {"openAPIV3Schema": schema}});
    let text = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let number = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let versions =
        |other: &Value| json!([version("v1", selectable(text.clone())), version("v2", selectable(other.clone()))]);
    assert_each([
        (wrong(&definition(json!({"versions": versions(&text)}))), ""),
        (
            wrong(&definition(json!({"versions": versions(&number)}))),
            "spec.selectableFields: Invalid value: \"\": may only be set when validations.schema is included",
        ),
        (
            wrong(&definition(
                json!({"versions": [version("v1", json!({"deprecated": true, "deprecationWarning": "a\u{200b}b"}))]}),
            )),
            "spec.versions[0].deprecationWarning: Invalid value: \"a\\u200bb\": must only contain printable UTF-8 characters; \
non-printable character found at index 1",
        ),
    ]);
}

#[test]
fn a_webhook_is_at_some_place_and_believed_by_its_certificates() {
    let converts = |client: Value| {
        let webhook = json!({"clientConfig": client, "conversionReviewVersions": ["v1"]});
        definition(json!({"preserveUnknownFields": false, "conversion": {"strategy": "Webhook", "webhook": webhook}}))
    };
    let at =
        |path: &str| wrong(&converts(json!({"service": {"name": "s", "namespace": "n", "path": path, "port": 443}})));
    let with = |bundle: &str| converts(json!({"url": "https://example.com", "caBundle": STANDARD.encode(bundle)}));
    let plain = converts(json!({"url": "https://example.com"}));
    let key = "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n";
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_each([
        (at("/a/b"), ""),
        (at("/"), ""),
        (at(""), ""),
        (
            at("//"),
            "spec.conversion.webhookClientConfig.service.path: Invalid value: \"//\": segment[0] may not be empty",
        ),
        (
            at("/a//B/"),
            "[spec.conversion.webhookClientConfig.service.path: Invalid value: \"/a//B/\": segment[1] may not be empty, \
 spec.conversion.webhookClientConfig.service.path: Invalid value: \"/a//B/\": segment[2]: <subdomain>]",
        ),
        (at("ab"), "spec.conversion.webhookClientConfig.service.path: Invalid value: \"ab\": must start with a '/'"),
        (
            wrong(&converts(json!({"service": {"name": "", "namespace": "n", "port": 443}}))),
            "spec.conversion.webhookClientConfig.service.namespace: Required value",
        ),
        (wrong(&with("x")), ""),
        (
            wrong_change(&with("x"), &plain),
            "spec.conversion.webhookClientConfig.caBundle: Invalid value: \"eA==\": unable to load root certificates: unable to \
parse bytes as PEM block",
        ),
        (wrong_change(&with("x"), &with("y")), ""),
        (
            wrong_change(&with(key), &plain).split(": unable").nth(1).unwrap_or_default().to_owned(),
            " to load root certificates: no valid certificate authority data seen",
        ),
        (
            wrong_change(&with(certificate), &plain).split(": unable").nth(1).unwrap_or_default().to_owned(),
            " to load root certificates: failed to parse certificate: x509: malformed certificate",
        ),
    ]);
}
