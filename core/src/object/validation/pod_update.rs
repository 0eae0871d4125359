//! Updates of pods: hardly anything of a spec may change once a pod exists, and what its status says must be possible.
//!
//! Source: `ValidatePodUpdate` and `ValidatePodEphemeralContainersUpdate` in upstream's `pkg/apis/core/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Binding, Container, NodeAffinity, NodeSelectorTerm, Pod, PodSchedulingGate, PodSpec, Toleration,
};
use serde_json::Value;

use super::super::field::{FieldErrors, Path};
use super::fields::{list, text};
use super::pod::{MIRROR, metadata_and_spec};
use super::{affinity, container, go_type, meta, pod, security, text_diff};

/// What an update may change, in upstream's words.
const MUTABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

/// Checks a pod that replaces `old`.
pub fn pod_update(new: &Pod, old: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    meta::update(&new.metadata, &old.metadata, &Path::new("metadata"), &mut errors);
    metadata_and_spec(new, &mut errors);
    annotation_changes(new, old, &mut errors);
    let empty = PodSpec::default();
    let (new, old) = (new.spec.as_ref().unwrap_or(&empty), old.spec.as_ref().unwrap_or(&empty));
    let path = Path::new("spec");
    let fits = images(&new.containers, &old.containers, &path.field("containers"), &mut errors)
        && images(list(&new.init_containers), list(&old.init_containers), &path.field("initContainers"), &mut errors)
        && deadline(new, old, &path.field("activeDeadlineSeconds"), &mut errors);
    if !fits {
        return errors;
    }
    let tolerations = path.field("tolerations");
    added_tolerations(list(&new.tolerations), list(&old.tolerations), &tolerations, &mut errors);
    let gates = path.field("schedulingGates");
    removed_gates(list(&new.scheduling_gates), list(&old.scheduling_gates), &gates, &mut errors);
    if new != old {
        rest_is_unchanged(new, old, &path, &mut errors);
    }
    errors
}

/// What update, status update and the subresources check of annotations: those that mean something stay as they are.
pub(super) fn annotation_changes(new: &Pod, old: &Pod, errors: &mut FieldErrors) {
    let metadata = Path::new("metadata");
    let path = metadata.field("annotations");
    let empty = BTreeMap::new();
    let (after, before) =
        (new.metadata.annotations.as_ref().unwrap_or(&empty), old.metadata.annotations.as_ref().unwrap_or(&empty));
    for (key, value) in before {
        if after.get(key) == Some(value) {
            continue;
        }
        if key.starts_with(security::APPARMOR_OF_CONTAINER) {
            errors.forbidden(&path.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        if key.starts_with(security::APPARMOR_OF_CONTAINER) {
            errors.forbidden(&path.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&path.key(key), "may not add mirror pod annotation");
        }
    }
    if let Some(spec) = &new.spec {
        pod::annotations(after, spec, &path, errors);
    }
}

/// Images may change, the number of containers may not: false then, and nothing further can be compared.
fn images(new: &[Container], old: &[Container], path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    if new.len() != old.len() {
        errors.forbidden(path, "pod updates may not add or remove containers");
        return false;
    }
    for (index, updated) in new.iter().enumerate() {
        let path = path.index(index);
        let image = text(&updated.image);
        if image.is_empty() {
            errors.required(&path.field("image"), "");
        }
        container::image_without_space(image, &path, errors);
    }
    true
}

/// A deadline may be set once and brought forward; false when comparing further would only repeat the error.
fn deadline(new: &PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.invalid(path, new, format!("must be between 0 and {}, inclusive", i32::MAX));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.invalid(path, new, "must be less than or equal to previous value");
            false
        }
        (None, Some(_)) => {
            errors.invalid(path, Value::Null, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn added_tolerations(new: &[Toleration], old: &[Toleration], path: &Path<'_>, errors: &mut FieldErrors) {
    let same = |one: &Toleration, other: &Toleration| {
        (text(&one.key), text(&one.operator), text(&one.value), text(&one.effect))
            == (text(&other.key), text(&other.operator), text(&other.value), text(&other.effect))
    };
    if old.iter().any(|old| !new.iter().any(|new| same(new, old))) {
        return errors.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
    }
    affinity::tolerations(new, path, errors);
}

fn removed_gates(new: &[PodSchedulingGate], old: &[PodSchedulingGate], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, gate) in new.iter().enumerate() {
        if !old.contains(gate) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            errors.forbidden(&path.index(index).field("name"), detail);
        }
    }
}

/// Takes from the old spec what may change, and from a gated pod also what may be added, and compares the rest.
fn rest_is_unchanged(new: &PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut munged = new.clone();
    for (container, before) in munged.containers.iter_mut().zip(&old.containers) {
        container.image.clone_from(&before.image);
    }
    for (container, before) in munged.init_containers.iter_mut().flatten().zip(list(&old.init_containers)) {
        container.image.clone_from(&before.image);
    }
    munged.active_deadline_seconds = old.active_deadline_seconds;
    munged.scheduling_gates.clone_from(&old.scheduling_gates);
    munged.tolerations.clone_from(&old.tolerations);
    let grace = old.termination_grace_period_seconds;
    if grace.is_some_and(|seconds| seconds < 0) && munged.termination_grace_period_seconds == Some(1) {
        munged.termination_grace_period_seconds = grace;
    }
    if !list(&old.scheduling_gates).is_empty() {
        gated_changes(&mut munged, old, path, errors);
    }
    if !go_type::same(&munged, old, "PodSpec") {
        let diff = text_diff::unified(&go_type::pretty(old, "PodSpec"), &go_type::pretty(&munged, "PodSpec"));
        errors.forbidden(path, format!("pod updates may not change fields other than {MUTABLE}\n{diff}"));
    }
}

/// While gates hold a pod back, where it may run can be narrowed down.
fn gated_changes(munged: &mut PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = BTreeMap::new();
    let after = munged.node_selector.as_ref().unwrap_or(&empty);
    let before = old.node_selector.as_ref().unwrap_or(&empty);
    if before.iter().any(|(key, value)| after.get(key) != Some(value)) {
        let shown = serde_json::to_value(&munged.node_selector).unwrap_or(Value::Null);
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.invalid(&path.field("nodeSelector"), shown, detail);
    }
    munged.node_selector.clone_from(&old.node_selector);

    let before = old.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let after = munged.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    if before == after {
        return;
    }
    let affinity_path = path.field("affinity");
    node_affinity_changes(after, before, &affinity_path.field("nodeAffinity"), errors);
    let before = before.cloned();
    match &mut munged.affinity {
        None => munged.affinity = before.map(|node| Affinity { node_affinity: Some(node), ..Affinity::default() }),
        Some(affinity)
            if old.affinity.is_none() && affinity.pod_affinity.is_none() && affinity.pod_anti_affinity.is_none() =>
        {
            munged.affinity = None;
        }
        Some(affinity) => affinity.node_affinity = before,
    }
}

fn node_affinity_changes(
    new: Option<&NodeAffinity>,
    old: Option<&NodeAffinity>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    fn terms(affinity: Option<&NodeAffinity>) -> &[NodeSelectorTerm] {
        let required = affinity.and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref());
        required.map(|selector| selector.node_selector_terms.as_slice()).unwrap_or_default()
    }
    let (after, before) = (terms(new), terms(old));
    let required = path.field("requiredDuringSchedulingIgnoredDuringExecution");
    let path = required.field("nodeSelectorTerms");
    if !before.is_empty() && before.len() != after.len() {
        let shown = go_type::compact(&after, "NodeSelectorTerm");
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return errors.invalid_json(&path, shown, detail);
    }
    for (index, (new, old)) in after.iter().zip(before).enumerate() {
        let grows = list(&new.match_expressions).starts_with(list(&old.match_expressions))
            && list(&new.match_fields).starts_with(list(&old.match_fields));
        // A term without requirements matches nothing: adding one would make it match.
        let was_empty = list(&old.match_expressions).is_empty() && list(&old.match_fields).is_empty();
        let is_empty = list(&new.match_expressions).is_empty() && list(&new.match_fields).is_empty();
        if !grows || (was_empty && !is_empty) {
            let shown = go_type::compact(new, "NodeSelectorTerm");
            errors.invalid_json(&path.index(index), shown, "only additions are allowed (no mutations or deletions)");
        }
    }
}

/// Checks an update of a pod's ephemeral containers: they can be added, never changed or taken away.
pub fn pod_ephemeral_containers_update(new: &Pod, old: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if is_mirror(old) {
        errors.forbidden(&Path::new(""), "static pods do not support ephemeral containers");
        return errors;
    }
    meta::update(&new.metadata, &old.metadata, &Path::new("metadata"), &mut errors);
    metadata_and_spec(new, &mut errors);
    annotation_changes(new, old, &mut errors);
    let spec = Path::new("spec");
    let path = spec.field("ephemeralContainers");
    let of = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.ephemeral_containers.clone()).unwrap_or_default();
    let after = of(new);
    for before in of(old) {
        let name = super::super::field::GoQuoted(&before.name);
        // The last of a name counts, as in upstream's map.
        match after.iter().rev().find(|container| container.name == before.name) {
            None => errors.forbidden(&path, format!("existing ephemeral containers {name} may not be removed\n")),
            Some(after) if !go_type::same(after, &before, "EphemeralContainer") => {
                let show = |container| go_type::pretty(container, "EphemeralContainer");
                let diff = text_diff::unified(&show(&before), &show(after));
                errors.forbidden(&path, format!("existing ephemeral containers {name} may not be changed\n{diff}"));
            }
            Some(_) => {}
        }
    }
    errors
}

pub(super) fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(MIRROR))
}

/// Checks the binding of a pod to a node.
pub fn pod_binding(binding: &Binding) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let target = Path::new("target");
    let kind = text(&binding.target.kind);
    if !matches!(kind, "" | "Node") {
        errors.not_supported(&target.field("kind"), kind, &["Node", "<empty>"]);
    }
    if text(&binding.target.name).is_empty() {
        errors.required(&target.field("name"), "");
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::validation::testing::pod_of;
    use serde_json::json;

    fn updated(old: Value, new: Value) -> String {
        let (mut old, mut new) = (pod_of(old), pod_of(new));
        for pod in [&mut old, &mut new] {
            pod.metadata.resource_version = Some("1".to_owned());
        }
        pod_update(&new, &old).to_string()
    }

    #[test]
    fn images_and_deadlines_change_and_nothing_else() {
        let container = |image: &str, name: &str| json!({"name": name, "image": image});
        let spec = |image: &str| json!({"containers": [container(image, "c")]});
        assert_eq!(updated(spec("a:1"), spec("a:2")), "");
        assert_eq!(
            updated(spec("a"), json!({"containers": [container("a", "c"), container("b", "d")]})),
            "spec.containers: Forbidden: pod updates may not add or remove containers"
        );
        let with_deadline =
            |seconds: i64| json!({"containers": [container("a", "c")], "activeDeadlineSeconds": seconds});
        assert_eq!(updated(with_deadline(10), with_deadline(5)), "");
        assert_eq!(
            updated(with_deadline(10), with_deadline(20)),
            "spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value"
        );
        let renamed = updated(spec("a"), json!({"containers": [container("a", "d")]}));
        assert!(renamed.ends_with("-   \"Name\": \"c\",\n+   \"Name\": \"d\",\n    \"Image\": \"a\",\n    \"Command\": null,\n    \"Args\": null,\n"), "{renamed}");
    }

    #[test]
    fn a_gated_pod_may_be_held_to_fewer_nodes() {
        let gated = |selector: Value| {
            json!({
                "containers": [{"name": "c", "image": "a"}],
                "schedulingGates": [{"name": "g"}],
                "nodeSelector": selector,
            })
        };
        assert_eq!(updated(gated(json!({"a": "b"})), gated(json!({"a": "b", "c": "d"}))), "");
        assert_eq!(
            updated(gated(json!({"a": "b"})), gated(json!({"a": "c"}))),
            "spec.nodeSelector: Invalid value: {\"a\":\"c\"}: \
             only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        );
    }
}
