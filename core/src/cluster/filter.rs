//! What lists and watches let through: label selectors and field selectors.

use std::fmt;

use serde_json::Value;

use crate::error::ApiError;
use crate::object::kind::{self, KindInfo, Kinds};
use crate::object::selector::{FieldSelector, Selector};
use crate::store::Object;

/// What a list or a watch lets through.
#[derive(Debug, Default)]
pub struct Filter {
    labels: Option<Selector>,
    fields: Option<FieldSelector>,
    name: Option<String>,
}

impl Filter {
    /// From a label selector and a field selector; an empty one lets everything through.
    ///
    /// # Errors
    /// `BadRequest` for a selector that cannot be understood.
    pub fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, ApiError> {
        let bad = |error: &dyn fmt::Display| ApiError::bad_request(error.to_string());
        let some = |text: Option<&'_ str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            name: None,
            labels: some(labels)
                .map(|text| text.parse().map_err(|error: _| bad(&error as &dyn fmt::Display)))
                .transpose()?,
            fields: some(fields)
                .map(|text| text.parse().map_err(|error: _| bad(&error as &dyn fmt::Display)))
                .transpose()?,
        })
    }

    /// The same, and only the object of this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Whether its fields, if it has any, ask for the object of this name.
    pub fn agrees_with(&self, name: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.is_everything() || fields.exact("metadata.name") == Some(name))
    }

    /// Refuses fields by which objects of a kind cannot be selected: those that upstream does not know.
    ///
    /// # Errors
    /// `BadRequest`, with the first such field.
    pub fn check(&self, info: &KindInfo) -> Result<(), ApiError> {
        let Some(fields) = &self.fields else { return Ok(()) };
        let own = selectable(info);
        // Two kinds that have no namespace say so.
        let has_namespace = !matches!(info.id, kind::NODE | kind::NAMESPACE);
        let of_all = |field: &str| field == "metadata.name" || (field == "metadata.namespace" && has_namespace);
        // What a definition makes selectable, it names with a dot in front.
        let paths = info.defined.as_ref().map_or(&[][..], |defined| &defined.selectable);
        let of_definition = |field: &str| paths.iter().any(|path| path.strip_prefix('.') == Some(field));
        let is_unknown = |field: &str| !of_all(field) && !own.contains(&field) && !of_definition(field);
        let Some(term) = fields.terms().iter().find(|term| is_unknown(&term.field)) else {
            return Ok(());
        };
        let field = &term.field;
        Err(ApiError::bad_request(match info.id {
            kind::JOB => format!("field label \"{field}\" not supported for batchv1.Job"),
            _ if own.is_empty() && info.defined.is_none() => {
                format!("\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
            }
            _ => format!("field label not supported: {field}"),
        }))
    }

    /// Whether it lets everything through.
    pub const fn is_open(&self) -> bool {
        self.labels.is_none() && self.fields.is_none() && self.name.is_none()
    }

    /// Whether it lets this object through.
    pub fn matches(&self, object: &Object, kinds: &Kinds) -> bool {
        self.name.as_deref().is_none_or(|name| *object.meta.name == *name)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&object.meta.labels))
            && self.fields.as_ref().is_none_or(|fields| matches_fields(fields, object, kinds))
    }
}

/// The fields beside name and namespace by which objects of a kind can be selected.
fn selectable(info: &KindInfo) -> &'static [&'static str] {
    match info.id {
        kind::POD => &[
            "spec.nodeName",
            "spec.host",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        kind::NODE => &["spec.unschedulable"],
        kind::NAMESPACE => &["status.phase"],
        kind::SECRET => &["type"],
        kind::SERVICE => &["spec.clusterIP", "spec.type"],
        kind::REPLICATION_CONTROLLER | kind::REPLICA_SET => &["status.replicas"],
        kind::JOB => &["status.successful"],
        kind::CERTIFICATE_SIGNING_REQUEST | kind::CLUSTER_TRUST_BUNDLE => &["spec.signerName"],
        kind::POD_CERTIFICATE_REQUEST => &["spec.signerName", "spec.podName", "spec.nodeName"],
        kind::RESOURCE_SLICE => &["spec.nodeName", "spec.driver"],
        kind::EVENT => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        kind::EVENT_V1 => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        _ => &[],
    }
}

/// The fields that most selectors name are at hand; others are looked up in the object's JSON.
fn matches_fields(fields: &FieldSelector, object: &Object, kinds: &Kinds) -> bool {
    let json = std::cell::OnceCell::new();
    fields.matches(|path| match path {
        "metadata.name" => Some(object.meta.name.to_string()),
        "metadata.namespace" => Some(object.meta.namespace.to_string()),
        other => {
            let json = json.get_or_init(|| object.to_value(kinds));
            let value = pointers(other).iter().map(|pointer| told(json, pointer)).find(|text| !text.is_empty());
            Some(value.unwrap_or_else(|| unset(other).to_owned()))
        }
    })
}

fn told(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(value) => value.to_string(),
    }
}

/// Where in an object, as it is stored, the value of a field stands: the first place that has one.
fn pointers(field: &str) -> Vec<String> {
    let place = |field: &str| format!("/{}", field.replace('.', "/"));
    match field {
        "spec.host" => vec![place("spec.nodeName")],
        "status.successful" => vec![place("status.succeeded")],
        "source" => vec![place("source.component"), place("reportingComponent")],
        "reportingController" => vec![place("reportingComponent")],
        other => match other.strip_prefix("regarding.") {
            Some(rest) => vec![place("involvedObject") + &place(rest)],
            None => vec![place(other)],
        },
    }
}

/// What a field that is not set is taken for.
fn unset(field: &str) -> &'static str {
    match field {
        "spec.unschedulable" | "spec.hostNetwork" => "false",
        "status.replicas" | "status.successful" => "0",
        _ => "",
    }
}
