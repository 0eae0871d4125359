//! The conditions of a namespace that is going: what is left in it, and what holds that.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};

use crate::store::{Body, Object};
use crate::time::Time;

/// What is left in a namespace.
#[derive(Debug)]
pub(super) enum Left<'o> {
    /// Pods. While there are some upstream says that nothing is left, and so do we.
    Pods,
    /// Pods that should be gone by now, and that no finalizer holds.
    OverduePods,
    /// These, and no pods.
    Objects(&'o [&'o Arc<Object>]),
}

/// Writes down what is left.
pub(super) fn describe(namespace: &mut Namespace, left: &Left<'_>, now: Time) {
    let failure = match left {
        Left::OverduePods => ("True", "ContentDeletionFailed", overdue(namespace)),
        Left::Pods | Left::Objects(_) => ("False", "ContentDeleted", deleted()),
    };
    let (content, finalizers) = match left {
        Left::Objects(content) => (("True", "SomeResourcesRemain", remaining(content)), held(content)),
        Left::Pods | Left::OverduePods => (("False", "ContentRemoved", removed()), None),
    };
    let rows = [
        ("NamespaceDeletionDiscoveryFailure", ("False", "ResourcesDiscovered", discovered())),
        ("NamespaceDeletionGroupVersionParsingFailure", ("False", "ParsedGroupVersions", parsed())),
        ("NamespaceDeletionContentFailure", failure),
        ("NamespaceContentRemaining", content),
        match finalizers {
            Some(held) => ("NamespaceFinalizersRemaining", ("True", "SomeFinalizersRemain", held)),
            None => ("NamespaceFinalizersRemaining", ("False", "ContentHasNoFinalizers", no_finalizers())),
        },
    ];
    let conditions = namespace.status.get_or_insert_default().conditions.get_or_insert_default();
    for (kind, said) in rows {
        set(conditions, kind, said, now);
    }
}

fn overdue(namespace: &Namespace) -> String {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let why = format!("unexpected items still remain in namespace: {name} for gvr: /v1, Resource=pods");
    format!("Failed to delete all resource types, 1 remaining: {why}")
}

fn removed() -> String {
    "All content successfully removed".to_owned()
}

fn discovered() -> String {
    "All resources successfully discovered".to_owned()
}

fn parsed() -> String {
    "All legacy kube types successfully parsed".to_owned()
}

fn deleted() -> String {
    "All content successfully deleted, may be waiting on finalization".to_owned()
}

fn no_finalizers() -> String {
    "All content-preserving finalizers finished".to_owned()
}

fn set(
    conditions: &mut Vec<NamespaceCondition>,
    kind: &str,
    (status, reason, message): (&str, &str, String),
    now: Time,
) {
    let next = NamespaceCondition {
        last_transition_time: Some(now.to_api()),
        message: Some(message),
        reason: Some(reason.to_owned()),
        status: status.to_owned(),
        type_: kind.to_owned(),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(current) => {
            let since = current.last_transition_time.take().filter(|_| current.status == next.status);
            *current = NamespaceCondition { last_transition_time: since.or(next.last_transition_time), ..next };
        }
        None => conditions.push(next),
    }
}

fn remaining(content: &[&Arc<Object>]) -> String {
    let counts = count(content.iter().map(|object| resource(object)));
    let rows = counts.iter().map(|(resource, count)| format!("{resource} has {count} resource instances"));
    format!("Some resources are remaining: {}", rows.collect::<Vec<_>>().join(", "))
}

fn held(content: &[&Arc<Object>]) -> Option<String> {
    let counts = count(content.iter().flat_map(|object| object.meta.finalizers.iter().cloned()));
    let rows = counts.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"));
    let rows = rows.collect::<Vec<_>>().join(", ");
    (!rows.is_empty()).then(|| format!("Some content in the namespace has finalizers remaining: {rows}"))
}

fn count(all: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for each in all {
        *counts.entry(each).or_default() += 1;
    }
    counts
}

/// `configmaps.`, `deployments.apps`. Of a user's own kind the plural is not known here: its kind stands for it.
fn resource(object: &Object) -> String {
    if let Some(info) = object.meta.kind.built_in() {
        return format!("{}.{}", info.plural, info.group);
    }
    let Body::Custom(value) = &object.body else { return "objects.".to_owned() };
    let text = |field: &str| value.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    format!("{}.{group}", text("kind").to_lowercase())
}
