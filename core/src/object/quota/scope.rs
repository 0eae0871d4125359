//! The scopes of a quota: which pods and which claims are in them.

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PodAffinityTerm, PodSpec, ScopedResourceSelectorRequirement as Scope,
    WeightedPodAffinityTerm,
};

use crate::object::prepare;

/// Whether a pod is in a scope.
pub fn pod_is_in(spec: &PodSpec, scope: &Scope) -> bool {
    let ends_by_itself = || spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0);
    let is_best_effort = || prepare::qos_class(spec) == "BestEffort";
    match &*scope.scope_name {
        "Terminating" => ends_by_itself(),
        "NotTerminating" => !ends_by_itself(),
        "BestEffort" => is_best_effort(),
        "NotBestEffort" => !is_best_effort(),
        "PriorityClass" => selects(scope, spec.priority_class_name.iter().map(String::as_str)),
        "CrossNamespacePodAffinity" => looks_across_namespaces(spec),
        _ => false,
    }
}

/// Whether a claim is in a scope: its class of volume attributes, the one it has and the one it is on its way to.
pub fn claim_is_in(claim: &PersistentVolumeClaim, scope: &Scope) -> bool {
    if scope.scope_name != "VolumeAttributesClass" {
        return false;
    }
    let status = claim.status.as_ref();
    let classes = [
        claim.spec.as_ref().and_then(|spec| spec.volume_attributes_class_name.as_deref()),
        status.and_then(|status| status.current_volume_attributes_class_name.as_deref()),
        status.and_then(|status| status.modify_volume_status.as_ref()?.target_volume_attributes_class_name.as_deref()),
    ];
    selects(scope, classes.into_iter().flatten())
}

/// Whether one of the names, or their absence, is what the scope selects.
fn selects<'n>(scope: &Scope, names: impl Iterator<Item = &'n str>) -> bool {
    let listed = |name: &str| scope.values.iter().flatten().any(|value| value == name);
    let mut names = names.filter(|name| !name.is_empty()).peekable();
    if names.peek().is_none() {
        return matches!(&*scope.operator, "NotIn" | "DoesNotExist");
    }
    match &*scope.operator {
        "In" => names.any(listed),
        "NotIn" => names.any(|name| !listed(name)),
        "Exists" => true,
        _ => false,
    }
}

fn looks_across_namespaces(spec: &PodSpec) -> bool {
    let Some(affinity) = &spec.affinity else { return false };
    let across = |term: &PodAffinityTerm| {
        term.namespaces.as_ref().is_some_and(|names| !names.is_empty()) || term.namespace_selector.is_some()
    };
    let preferred = |terms: &Option<Vec<WeightedPodAffinityTerm>>| {
        terms.iter().flatten().any(|weighted| across(&weighted.pod_affinity_term))
    };
    let required = |terms: &Option<Vec<PodAffinityTerm>>| terms.iter().flatten().any(across);
    let near = affinity.pod_affinity.as_ref().is_some_and(|near| {
        required(&near.required_during_scheduling_ignored_during_execution)
            || preferred(&near.preferred_during_scheduling_ignored_during_execution)
    });
    near || affinity.pod_anti_affinity.as_ref().is_some_and(|apart| {
        required(&apart.required_during_scheduling_ignored_during_execution)
            || preferred(&apart.preferred_during_scheduling_ignored_during_execution)
    })
}
