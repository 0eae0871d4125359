//! The target of an autoscaler, and its scale: replicas, and the selector of its pods.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use serde_json::Value;

use crate::object::kind::{KindInfo, Scope};
use crate::object::selector::Selector;
use crate::store::{Object, Snapshot};

/// What the subresource `scale` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// `spec.replicas`
    pub(super) replicas: i32,
    /// `status.replicas`
    pub(super) actual: i32,
    /// `status.selector`; empty where the target has none.
    pub(super) selector: String,
}

/// The target with its scale, or why there is none, in upstream's words.
pub(super) fn find<'w>(
    snapshot: &'w Snapshot,
    object: &Object,
    autoscaler: &HorizontalPodAutoscaler,
) -> Result<(&'w Arc<Object>, Scale), String> {
    let wanted = &autoscaler.spec.scale_target_ref;
    let api_version = wanted.api_version.as_deref().unwrap_or_default();
    if api_version.matches('/').count() > 1 {
        return Err(format!("unexpected GroupVersion string: {api_version}"));
    }
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let info = snapshot.kinds_known().iter().find(|info| info.kind == *wanted.kind && info.group == *group);
    let info = info.ok_or_else(|| format!("no matches for kind \"{}\" in group \"{group}\"", wanted.kind))?;
    if !info.has_subresource("scale") || info.scope != Scope::Namespaced {
        return Err("the server could not find the requested resource".to_owned());
    }
    let found = snapshot.find(info.stored_as, &object.meta.namespace, &wanted.name);
    let target = found.ok_or_else(|| format!("{} \"{}\" not found", resource(info), wanted.name))?;
    Ok((target, scale_of(&target.to_value(snapshot.kinds_known()))))
}

fn resource(info: &KindInfo) -> String {
    if info.group.is_empty() { info.plural.to_string() } else { format!("{}.{}", info.plural, info.group) }
}

/// The scale of an object given as JSON. A selector is that of a workload, a map of labels (ReplicationController), or a
/// text in the status, as users' own kinds have it.
fn scale_of(value: &Value) -> Scale {
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let selector = value.pointer("/spec/selector").filter(|selector| selector.is_object()).map(|selector| {
        let structured = selector.get("matchLabels").or_else(|| selector.get("matchExpressions")).is_some();
        let read = if structured { selector.clone() } else { serde_json::json!({ "matchLabels": selector }) };
        let read = serde_json::from_value(read).ok();
        read.and_then(|read| Selector::compile(Some(&read)).ok()).map(|compiled| compiled.to_string())
    });
    Scale {
        replicas: number("/spec/replicas").unwrap_or(0),
        actual: number("/status/replicas").unwrap_or(0),
        selector: text("/status/selector").or_else(|| selector.flatten()).unwrap_or_default(),
    }
}
