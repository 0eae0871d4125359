//! `metadata`: the name follows its kind's rule, labels and annotations are well-formed, and an update keeps the identity.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` and `.../pkg/apis/meta/v1/validation`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use serde_json::Value;

use super::super::field::{FieldErrors, Path, is_printable};
use super::names::{self, Problems};

/// How many bytes an object's annotations may have together, keys and values.
pub const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

/// How many bytes the name of a field manager may have.
const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// How many bytes a subresource named in a managed-fields entry may have.
const SUBRESOURCE_BYTES_MAX: usize = 256;

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// They do: `metadata.namespace` is required.
    Namespaced,
    /// They do not: `metadata.namespace` must be empty.
    Cluster,
}

/// Checks the metadata of an object to create, whose name is already generated.
pub fn create(
    meta: &ObjectMeta,
    scope: Scope,
    rule: impl Fn(&str, bool) -> Problems,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(prefix) = meta.generate_name.as_deref().filter(|prefix| !prefix.is_empty()) {
        errors.invalid_each(&path.field("generateName"), prefix, rule(prefix, true));
    }
    match meta.name.as_deref().unwrap_or_default() {
        "" => errors.required(&path.field("name"), "name or generateName is required"),
        name => errors.invalid_each(&path.field("name"), name, rule(name, false)),
    }
    namespace(meta.namespace.as_deref().unwrap_or_default(), scope, &path.field("namespace"), errors);
    if let Some(generation) = meta.generation {
        non_negative(generation, &path.field("generation"), errors);
    }
    common(meta, path, errors);
    finalizers(meta.finalizers.as_deref().unwrap_or_default(), &path.field("finalizers"), errors);
    managed_fields(meta.managed_fields.as_deref().unwrap_or_default(), &path.field("managedFields"), errors);
    unqualified_finalizers(meta.finalizers.as_deref().unwrap_or_default(), &path.field("finalizers"), errors);
}

/// Checks the metadata of an object that replaces `old`.
pub fn update(new: &ObjectMeta, old: &ObjectMeta, path: &Path<'_>, errors: &mut FieldErrors) {
    if old.deletion_timestamp.is_some() {
        let before = old.finalizers.as_deref().unwrap_or_default();
        let after = new.finalizers.as_deref().unwrap_or_default();
        no_new_finalizers(after, before, &path.field("finalizers"), errors);
    }
    if new.resource_version.as_deref().unwrap_or_default().is_empty() {
        errors.invalid(&path.field("resourceVersion"), "", "must be specified for an update");
    }
    let generation = new.generation.unwrap_or_default();
    if generation < old.generation.unwrap_or_default() {
        errors.invalid(&path.field("generation"), generation, "must not be decremented");
    }
    for (field, after, before) in
        [("name", &new.name, &old.name), ("namespace", &new.namespace, &old.namespace), ("uid", &new.uid, &old.uid)]
    {
        let after = after.as_deref().unwrap_or_default();
        if after != before.as_deref().unwrap_or_default() {
            errors.invalid(&path.field(field), after, names::IMMUTABLE);
        }
    }
    immutable_times(new, old, path, errors);
    common(new, path, errors);
    managed_fields(new.managed_fields.as_deref().unwrap_or_default(), &path.field("managedFields"), errors);
    unqualified_finalizers(new.finalizers.as_deref().unwrap_or_default(), &path.field("finalizers"), errors);
}

fn immutable_times(new: &ObjectMeta, old: &ObjectMeta, path: &Path<'_>, errors: &mut FieldErrors) {
    let whole = |time: &Option<Time>| time.as_ref().map(|time| time.0.as_second());
    if whole(&new.creation_timestamp) != whole(&old.creation_timestamp) {
        let value = new.creation_timestamp.as_ref().map_or(Value::Null, time_value);
        errors.invalid(&path.field("creationTimestamp"), value, names::IMMUTABLE);
    }
    if whole(&new.deletion_timestamp) != whole(&old.deletion_timestamp) {
        let value = new.deletion_timestamp.as_ref().map_or(Value::Null, time_value);
        errors.invalid(&path.field("deletionTimestamp"), value, names::IMMUTABLE);
    }
    if new.deletion_grace_period_seconds != old.deletion_grace_period_seconds {
        let value = new.deletion_grace_period_seconds.map_or(Value::Null, Value::from);
        errors.invalid(&path.field("deletionGracePeriodSeconds"), value, names::IMMUTABLE);
    }
}

fn time_value(time: &Time) -> Value {
    serde_json::to_value(time).unwrap_or(Value::Null)
}

/// What creation and update check alike.
fn common(meta: &ObjectMeta, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(entries) = &meta.labels {
        labels(entries, &path.field("labels"), errors);
    }
    if let Some(entries) = &meta.annotations {
        annotations(entries, &path.field("annotations"), errors);
    }
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    owner_references(owners, &path.field("ownerReferences"), errors);
}

fn namespace(namespace: &str, scope: Scope, path: &Path<'_>, errors: &mut FieldErrors) {
    match (scope, namespace) {
        (Scope::Namespaced, "") => errors.required(path, ""),
        (Scope::Namespaced, name) => errors.invalid_each(path, name, names::dns1123_label(name)),
        (Scope::Cluster, "") => {}
        (Scope::Cluster, _) => errors.forbidden(path, "not allowed on this type"),
    }
}

/// Refuses a number below zero.
pub fn non_negative(value: i64, path: &Path<'_>, errors: &mut FieldErrors) {
    if value < 0 {
        errors.invalid(path, value, names::NEGATIVE);
    }
}

/// Checks the key of a label.
pub fn label_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(path, name, names::qualified_name(name));
}

/// Checks labels: their errors stand at the map's own path.
pub fn labels(labels: &BTreeMap<String, String>, path: &Path<'_>, errors: &mut FieldErrors) {
    for (key, value) in labels {
        label_name(key, path, errors);
        errors.invalid_each(path, value, names::label_value(value));
    }
}

/// Checks annotations: keys like those of labels, in either case, and a limit on the size of all together.
pub fn annotations(annotations: &BTreeMap<String, String>, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut bytes = 0_usize;
    for (key, value) in annotations {
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        let problems = if key.bytes().any(|byte| byte.is_ascii_uppercase()) || !key.is_ascii() {
            names::qualified_name(&key.to_lowercase())
        } else {
            names::qualified_name(key)
        };
        errors.invalid_each(path, key, problems);
    }
    if bytes > ANNOTATION_BYTES_MAX {
        errors.too_long(path, ANNOTATION_BYTES_MAX);
    }
}

/// Checks owner references: each names an object, and one at most is the controller.
pub fn owner_references(owners: &[OwnerReference], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut controller: Option<&OwnerReference> = None;
    for owner in owners {
        owner_reference(owner, path, errors);
        if owner.controller != Some(true) {
            continue;
        }
        let Some(first) = controller else {
            controller = Some(owner);
            continue;
        };
        let shown: Vec<String> = owners.iter().map(owner_json).collect();
        errors.invalid_json(
            path,
            format_args!("[{}]", shown.join(",")),
            format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
                first.kind, first.name, owner.kind, owner.name
            ),
        );
    }
}

fn owner_reference(owner: &OwnerReference, path: &Path<'_>, errors: &mut FieldErrors) {
    let (group, version) = match owner.api_version.split_once('/') {
        None => ("", owner.api_version.as_str()),
        Some((_, rest)) if rest.contains('/') => ("", ""),
        Some((group, version)) => (group, version),
    };
    if version.is_empty() {
        errors.invalid(&path.field("apiVersion"), owner.api_version.as_str(), "version must not be empty");
    }
    for (field, value) in [("kind", &owner.kind), ("name", &owner.name), ("uid", &owner.uid)] {
        if value.is_empty() {
            errors.invalid(&path.field(field), "", "must not be empty");
        }
    }
    if (group, version, owner.kind.as_str()) == ("", "v1", "Event") {
        let detail = "/v1, Kind=Event is disallowed from being an owner";
        errors.invalid_json(path, format_args!("{}", owner_json(owner)), detail);
    }
}

/// An owner reference as upstream writes it: fields in the order of its type.
fn owner_json(owner: &OwnerReference) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let mut json = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"name\":{},\"uid\":{}",
        text(&owner.api_version),
        text(&owner.kind),
        text(&owner.name),
        text(&owner.uid)
    );
    for (field, value) in [("controller", owner.controller), ("blockOwnerDeletion", owner.block_owner_deletion)] {
        if let Some(value) = value {
            json.push_str(&format!(",\"{field}\":{value}"));
        }
    }
    json.push('}');
    json
}

/// Checks finalizers: qualified names, and never both of the two that say what happens to dependents.
pub fn finalizers(finalizers: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    for finalizer in finalizers {
        errors.invalid_each(path, finalizer, names::qualified_name(finalizer));
    }
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(path, finalizers.to_vec(), "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// A finalizer without a domain must be one of Kubernetes's own.
fn unqualified_finalizers(finalizers: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, name) in finalizers.iter().enumerate() {
        if !name.contains('/') && !matches!(name.as_str(), "kubernetes" | "orphan" | "foregroundDeletion") {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&path.index(index), name.as_str(), detail);
        }
    }
}

fn no_new_finalizers(new: &[String], old: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut added: Vec<&String> = new.iter().filter(|finalizer| !old.contains(finalizer)).collect();
    added.sort_unstable();
    added.dedup();
    if !added.is_empty() {
        let list: Vec<String> = added.iter().map(|name| Value::from(name.as_str()).to_string()).collect();
        errors.forbidden(
            path,
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            ),
        );
    }
}

fn managed_fields(entries: &[ManagedFieldsEntry], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, entry) in entries.iter().enumerate() {
        let path = path.index(index);
        let operation = entry.operation.as_deref().unwrap_or_default();
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid(&path.field("operation"), operation, "must be `Apply` or `Update`");
        }
        let fields_type = entry.fields_type.as_deref().unwrap_or_default();
        if !matches!(fields_type, "" | "FieldsV1") {
            errors.invalid(&path.field("fieldsType"), fields_type, "must be `FieldsV1`");
        }
        field_manager(entry.manager.as_deref().unwrap_or_default(), &path.field("manager"), errors);
        if entry.subresource.as_deref().unwrap_or_default().len() > SUBRESOURCE_BYTES_MAX {
            errors.too_long(&path.field("subresource"), SUBRESOURCE_BYTES_MAX);
        }
    }
}

/// Checks the name of a field manager: printable, 128 bytes at most.
pub fn field_manager(manager: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if manager.len() > FIELD_MANAGER_BYTES_MAX {
        errors.too_long(path, FIELD_MANAGER_BYTES_MAX);
    }
    for (position, character) in manager.char_indices() {
        if !is_printable(character) {
            let code = u32::from(character);
            errors.invalid(path, manager, format!("invalid character U+{code:04X} (at position {position})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some("test".to_owned()),
            resource_version: Some("1".to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn created(meta: &ObjectMeta) -> String {
        let mut errors = FieldErrors::new();
        create(meta, Scope::Namespaced, names::name_is_dns_subdomain, &Path::new("metadata"), &mut errors);
        errors.to_string()
    }

    #[test]
    fn a_new_object_needs_a_name_and_well_formed_parts() {
        assert_eq!(created(&meta("a")), "");
        assert_eq!(created(&meta("")), "metadata.name: Required value: name or generateName is required");
        let mut owned = meta("a");
        let owner = |name: &str| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: name.to_owned(),
            uid: "u".to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        owned.owner_references = Some(vec![owner("x"), owner("y")]);
        assert_eq!(
            created(&owned),
            "metadata.ownerReferences: Invalid value: \
             [{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"x\",\"uid\":\"u\",\"controller\":true},\
             {\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"y\",\"uid\":\"u\",\"controller\":true}]: \
             Only one reference can have Controller set to true. \
             Found \"true\" in references for Pod/x and Pod/y"
        );
        let mut noted = meta("a");
        noted.annotations = Some(BTreeMap::from([("A.b/C".to_owned(), "x".repeat(ANNOTATION_BYTES_MAX))]));
        assert_eq!(created(&noted), "metadata.annotations: Too long: may not be more than 262144 bytes");
    }

    #[test]
    fn an_update_keeps_the_identity_and_adds_no_finalizer_to_a_dying_object() {
        let mut old = meta("a");
        old.uid = Some("u".to_owned());
        old.deletion_timestamp = Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        let mut new = meta("a");
        new.finalizers = Some(vec!["b.c/d".to_owned()]);
        let mut errors = FieldErrors::new();
        update(&new, &old, &Path::new("metadata"), &mut errors);
        assert_eq!(
            errors.to_string(),
            "[metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
             found new finalizers []string{\"b.c/d\"}, \
             metadata.uid: Invalid value: \"\": field is immutable, \
             metadata.deletionTimestamp: Invalid value: null: field is immutable]"
        );
    }
}
