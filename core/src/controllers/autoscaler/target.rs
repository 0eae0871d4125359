//! The target of an autoscaler, and its scale: replicas, and the selector of its pods.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use crate::object::scale::Scale;
use crate::store::{Object, Snapshot};

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
    if !info.has_subresource("scale") || !info.is_namespaced() {
        return Err("the server could not find the requested resource".to_owned());
    }
    let found = snapshot.find(info.stored_as, &object.meta.namespace, &wanted.name);
    let target = found.ok_or_else(|| format!("{} \"{}\" not found", info.group_resource(), wanted.name))?;
    let scale = Scale::of(info, &target.to_value(snapshot.kinds_known()));
    scale.map(|scale| (target, scale)).map_err(|error| error.to_string())
}
