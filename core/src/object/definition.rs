//! CustomResourceDefinitions: from an object that people write to a kind that the cluster knows.
//!
//! 1. **Names** are accepted where nobody else in the group has them (`names`); a definition whose names are all accepted
//!    once is established, and stays so.
//! 2. **Kinds**: each version of an established definition is a [`KindInfo`] with a [`Defined`]. All versions are one
//!    kind of stored objects: those of the version that is marked for storage.
//!
//! How an object of such a kind is written is in `object/custom`.

pub(crate) mod names;

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionCondition,
    CustomResourceDefinitionVersion, JSONSchemaProps, WebhookConversion,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::custom;
use super::kind::{KindInfo, Scope, Texts, Verbs};
use super::scale::ScalePaths;
use super::structural::Schema;
use crate::error::{ApiError, Subject};
use crate::text::Text;
use crate::time::Time;

/// The finalizer that holds a definition until its objects are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Condition types of definitions.
pub(crate) const ESTABLISHED: &str = "Established";
pub(crate) const NAMES_ACCEPTED: &str = "NamesAccepted";
pub(crate) const TERMINATING: &str = "Terminating";

/// What a definition says of one version of its kind.
#[derive(Debug)]
#[non_exhaustive]
pub struct Defined {
    /// The name of the definition: `widgets.example.com`.
    pub definition: Text,
    /// The generation of the definition that this was read from.
    pub generation: i64,
    /// The kind of lists: `WidgetList`.
    pub list_kind: Text,
    /// Whether the version is served; one that is not can still be what is stored.
    pub is_served: bool,
    /// Who makes objects of this version from those of the stored one, and the other way; nothing where nobody needs to be
    /// asked, because only the version's name changes.
    pub conversion: Option<Arc<WebhookConversion>>,
    /// Whether the definition is going, so that nothing new may come.
    pub is_terminating: bool,
    /// What clients of this version are warned of, if it is deprecated.
    pub deprecation: Option<String>,
    /// The schema of its objects.
    pub schema: Schema,
    /// The same as it was written: what OpenAPI shows.
    pub given: Arc<JSONSchemaProps>,
    /// The columns of `kubectl get`; none for the usual ones.
    pub columns: Vec<CustomResourceColumnDefinition>,
    /// The fields by which objects can be selected: `.spec.color`.
    pub selectable: Vec<String>,
}

/// Whether a condition of a definition is true.
pub(crate) fn has_condition(definition: &CustomResourceDefinition, condition_type: &str) -> bool {
    let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == condition_type && condition.status == "True")
}

/// Whether the kind of a definition is served.
pub fn is_established(definition: &CustomResourceDefinition) -> bool {
    has_condition(definition, ESTABLISHED)
}

/// Sets a condition; its time moves only when its status does.
pub(crate) fn set_condition(
    conditions: &mut Vec<CustomResourceDefinitionCondition>,
    condition_type: &str,
    (status, reason, message): (&str, &str, &str),
    now: Time,
) {
    let since = Some(now.whole_second().to_api());
    let found = conditions.iter_mut().find(|condition| condition.type_ == condition_type);
    let condition = match found {
        Some(condition) => condition,
        None => {
            let type_ = condition_type.to_owned();
            conditions.push(CustomResourceDefinitionCondition { type_, ..Default::default() });
            let last = conditions.len() - 1;
            &mut conditions[last]
        }
    };
    if condition.status != status || condition.last_transition_time.is_none() {
        condition.last_transition_time = since;
    }
    condition.status = status.to_owned();
    condition.reason = Some(reason.to_owned());
    condition.message = Some(message.to_owned());
}

/// The versions of the kind of a definition, the stored one first; none while it is not established.
pub(crate) fn kinds(definition: &CustomResourceDefinition) -> Vec<KindInfo> {
    if !is_established(definition) {
        return Vec::new();
    }
    let versions = &definition.spec.versions;
    let stored = versions.iter().filter(|version| version.storage);
    let mut others: Vec<_> = versions.iter().filter(|version| !version.storage).collect();
    others.sort_by_key(|version| std::cmp::Reverse(priority(&version.name)));
    stored.chain(others).map(|version| kind(definition, version)).collect()
}

fn kind(definition: &CustomResourceDefinition, version: &CustomResourceDefinitionVersion) -> KindInfo {
    let spec = &definition.spec;
    let names = definition.status.as_ref().and_then(|status| status.accepted_names.as_ref()).unwrap_or(&spec.names);
    let texts = |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<Texts>();
    let text = |given: &str| Text::from(given.to_owned());
    let subresources = version.subresources.as_ref();
    let scale = subresources.and_then(|subresources| subresources.scale.as_ref());
    let has_status = subresources.is_some_and(|subresources| subresources.status.is_some());
    let parts = [(scale.is_some(), "scale"), (has_status, "status")];
    let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.clone()).unwrap_or_default();
    let conversion = spec.conversion.as_ref().filter(|conversion| conversion.strategy == "Webhook" && !version.storage);
    let warning = || format!("{}/{} {} is deprecated", spec.group, version.name, names.kind);
    let mut info = KindInfo {
        group: text(&spec.group),
        version: text(&version.name),
        kind: text(&names.kind),
        plural: text(&names.plural),
        singular: text(names.singular.as_deref().unwrap_or_default()),
        short_names: texts(&names.short_names),
        categories: texts(&names.categories),
        scope: if spec.scope == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
        subresources: parts.iter().filter(|(has, _)| *has).map(|(_, name)| Text::Static(name)).collect(),
        verbs: Verbs::All,
        ..KindInfo::unnumbered()
    };
    if let Some(scale) = scale {
        info.scale = ScalePaths {
            replicas: text(&scale.spec_replicas_path),
            actual: text(&scale.status_replicas_path),
            selector: text(scale.label_selector_path.as_deref().unwrap_or_default()),
        };
    }
    info.schema = serde_json::to_value(&schema).ok().map(Arc::new);
    info.defined = Some(Arc::new(Defined {
        definition: text(definition.metadata.name.as_deref().unwrap_or_default()),
        generation: definition.metadata.generation.unwrap_or(0),
        list_kind: text(names.list_kind.as_deref().unwrap_or_default()),
        is_served: version.served,
        conversion: conversion.and_then(|conversion| conversion.webhook.clone()).map(Arc::new),
        is_terminating: definition.metadata.deletion_timestamp.is_some(),
        deprecation: (version.deprecated == Some(true))
            .then(|| version.deprecation_warning.clone().unwrap_or_else(warning)),
        schema: Schema::read(&schema),
        given: Arc::new(schema),
        columns: version.additional_printer_columns.clone().unwrap_or_default(),
        selectable: version.selectable_fields.iter().flatten().map(|field| field.json_path.clone()).collect(),
    }));
    info
}

/// What a client sends of a version that is not the stored one, as the schema of that version has it: pruned, with its defaults,
/// and checked.
///
/// # Errors
/// `Invalid`, `BadRequest` for embedded metadata that is none.
pub fn admitted(info: &KindInfo, meta: &ObjectMeta, value: &Value) -> Result<Value, ApiError> {
    let mut next = value.clone();
    if let Some(defined) = &info.defined {
        custom::complete(defined, &mut next, None).map_err(ApiError::bad_request)?;
    }
    let errors = custom::check_new(info, (meta, &next));
    if errors.is_empty() {
        return Ok(next);
    }
    let name = meta.name.as_deref().unwrap_or_default();
    Err(ApiError::invalid(Subject::new(info.group.to_string(), info.kind.to_string(), name), errors))
}

/// Which version clients rather use: `v2` before `v1`, those before `v2beta1` and `v1alpha3`, and those before all others.
pub fn priority(version: &str) -> (u8, u32, u32) {
    let numbered = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('0') && !text.starts_with('+'));
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return match (numbered(major), numbered(minor)) {
                (Some(major), Some(minor)) => (rank, major, minor),
                _ => (0, 0, 0),
            };
        }
    }
    numbered(rest).map_or((0, 0, 0), |major| (3, major, 0))
}

#[cfg(test)]
mod tests;
