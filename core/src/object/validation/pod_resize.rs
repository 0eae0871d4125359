//! Resizes of pods: amounts of cpu and memory change while the pod runs, and nothing else does.
//!
//! Source: `ValidatePodResize` in upstream's `pkg/apis/core/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::super::field::{FieldErrors, Path};
use super::super::prepare::qos_class;
use super::container::RESTART;
use super::fields::{list, text};
use super::pod::metadata_and_spec;
use super::pod_update::is_mirror;
use super::{go_type, meta};

const ONLY_COMPUTE: &str = "only cpu and memory resources are mutable";

/// Checks a resize: only cpu and memory may change, and neither may vanish nor change the quality of service.
pub fn pod_resize(new: &Pod, old: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if is_mirror(old) {
        errors.forbidden(&Path::new(""), "static pods cannot be resized");
        return errors;
    }
    let empty = PodSpec::default();
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&empty), old.spec.as_ref().unwrap_or(&empty));
    if old_spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        errors.forbidden(&Path::new(""), "windows pods cannot be resized");
        return errors;
    }
    meta::update(&new.metadata, &old.metadata, &Path::new("metadata"), &mut errors);
    metadata_and_spec(new, &mut errors);
    let path = Path::new("spec");
    if qos_class(old_spec) != qos_class(new_spec) {
        let class = new.status.as_ref().map(|status| text(&status.qos_class)).unwrap_or_default();
        errors.invalid(&path, class, "Pod QOS Class may not change as a result of resizing");
    }
    if !node_can_resize(old) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    own_amounts(new_spec, old_spec, &path, &mut errors);
    if !same_names(new_spec, old_spec, &path, &mut errors) {
        return errors;
    }
    containers(new_spec, old_spec, &path, &mut errors);
    if errors.is_empty() {
        let mut munged = new_spec.clone();
        munged.containers.clone_from(&old_spec.containers);
        munged.init_containers.clone_from(&old_spec.init_containers);
        munged.resources.clone_from(&old_spec.resources);
        if !go_type::same(&munged, old_spec, "PodSpec") {
            errors.forbidden(&path, ONLY_COMPUTE);
        }
    }
    errors
}

/// A node that can resize reports the resources of what runs.
fn node_can_resize(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().map(|status| list(&status.container_statuses)).unwrap_or_default();
    let running = statuses.iter().find(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()));
    running.is_none_or(|status| status.resources.is_some())
}

/// What the pod as a whole asks for.
fn own_amounts(new: &PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let field = path.field("resources");
    let (new, old) = match (&new.resources, &old.resources) {
        (None, None) => return,
        (None, Some(old)) if has_amounts(old) => {
            return errors.forbidden(&field, "pod-level resources cannot be removed");
        }
        (new, old) => (new.clone().unwrap_or_default(), old.clone().unwrap_or_default()),
    };
    if is_any_removed(&new.requests, &old.requests) {
        errors.forbidden(&field.field("requests"), "pod-level resource requests cannot be removed");
    }
    if is_any_removed(&new.limits, &old.limits) {
        errors.forbidden(&field.field("limits"), "pod-level resource limits cannot be removed");
    }
    let munged = ResourceRequirements { claims: new.claims.clone(), ..with_compute_of(&old, &new) };
    if !same_amounts(&munged, &old) {
        errors.forbidden(path, "only cpu and memory resources are mutable at pod-level");
    }
}

fn has_amounts(resources: &ResourceRequirements) -> bool {
    [&resources.requests, &resources.limits].into_iter().flatten().any(|amounts| !amounts.is_empty())
}

/// Whether all containers are still there, in the same order; they cannot be compared otherwise.
fn same_names(new: &PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) -> bool {
    let mut same = true;
    let kinds = [
        ("containers", new.containers.as_slice(), old.containers.as_slice()),
        ("initContainers", list(&new.init_containers), list(&old.init_containers)),
    ];
    for (kind, new, old) in kinds {
        let path = path.field(kind);
        if new.len() != old.len() {
            errors.forbidden(&path, format!("{kind} may not be added or removed on resize"));
            same = false;
            continue;
        }
        for (index, _) in new.iter().zip(old).enumerate().filter(|(_, (new, old))| new.name != old.name) {
            let detail = format!("{kind} may not be renamed or reordered on resize");
            errors.forbidden(&path.index(index).field("name"), detail);
            same = false;
        }
    }
    same
}

fn containers(new: &PodSpec, old: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let inits = path.field("initContainers");
    let of_inits = || list(&new.init_containers).iter().zip(list(&old.init_containers)).enumerate();
    for (index, (new, old)) in of_inits() {
        nothing_removed(new, old, &inits.index(index).field("resources"), errors);
    }
    let apps = path.field("containers");
    for (index, (new, old)) in new.containers.iter().zip(&old.containers).enumerate() {
        nothing_removed(new, old, &apps.index(index).field("resources"), errors);
    }
    for (new, old) in new.containers.iter().zip(&old.containers) {
        if !same_but_compute(new, old) {
            errors.forbidden(path, ONLY_COMPUTE);
        }
    }
    for (index, (new, old)) in of_inits() {
        let path = inits.index(index);
        if !same_but_compute(new, old) {
            let detail = "only cpu and memory resources for init or sidecar containers are mutable";
            errors.forbidden(&path, detail);
        }
        if new.restart_policy.as_deref() == Some("Always") || go_type::same(new, old, "Container") {
            continue;
        }
        for _ in list(&new.resize_policy).iter().filter(|policy| policy.restart_policy == RESTART) {
            let detail = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            errors.forbidden(&path, detail);
        }
    }
}

type Amounts = Option<BTreeMap<String, ApiQuantity>>;

fn is_any_removed(new: &Amounts, old: &Amounts) -> bool {
    old.iter().flatten().any(|(name, _)| !new.as_ref().is_some_and(|new| new.contains_key(name)))
}

fn nothing_removed(new: &Container, old: &Container, path: &Path<'_>, errors: &mut FieldErrors) {
    let empty = ResourceRequirements::default();
    let (new, old) = (new.resources.as_ref().unwrap_or(&empty), old.resources.as_ref().unwrap_or(&empty));
    if is_any_removed(&new.requests, &old.requests) {
        errors.forbidden(&path.field("requests"), "resource requests cannot be removed");
    }
    if is_any_removed(&new.limits, &old.limits) {
        errors.forbidden(&path.field("limits"), "resource limits cannot be removed");
    }
}

/// The new amounts with cpu and memory of the old ones, and without claims for devices.
fn with_compute_of(old: &ResourceRequirements, new: &ResourceRequirements) -> ResourceRequirements {
    let is_compute = |name: &str| matches!(name, "cpu" | "memory");
    let munged = |new: &Amounts, old: &Amounts| -> Amounts {
        let kept = new.iter().flatten().filter(|(name, _)| !is_compute(name));
        let taken = old.iter().flatten().filter(|(name, _)| is_compute(name));
        Some(kept.chain(taken).map(|(name, amount)| (name.clone(), amount.clone())).collect())
    };
    ResourceRequirements {
        claims: None,
        limits: munged(&new.limits, &old.limits),
        requests: munged(&new.requests, &old.requests),
    }
}

fn same_amounts(one: &ResourceRequirements, other: &ResourceRequirements) -> bool {
    let of =
        |resources: &ResourceRequirements| Container { resources: Some(resources.clone()), ..Container::default() };
    go_type::same(&of(one), &of(other), "Container")
}

/// Whether two containers differ in cpu and memory only. Upstream forgets the claims of the new one, so that a
/// container with claims for devices cannot be resized.
fn same_but_compute(new: &Container, old: &Container) -> bool {
    let (asked, had) = (new.resources.clone().unwrap_or_default(), old.resources.clone().unwrap_or_default());
    let munged = Container { resources: Some(with_compute_of(&had, &asked)), ..new.clone() };
    go_type::same(&munged, &Container { resources: Some(had), ..old.clone() }, "Container")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::validation::testing::pod_of;
    use serde_json::{Value, json};

    fn resized(old: &Value, new: &Value) -> String {
        let (mut old, mut new) = (pod_of(old.clone()), pod_of(new.clone()));
        for pod in [&mut old, &mut new] {
            pod.metadata.resource_version = Some("1".to_owned());
        }
        pod_resize(&new, &old).to_string()
    }

    fn container(name: &str, requests: Value) -> Value {
        json!({"name": name, "image": "a", "resources": {"requests": requests}})
    }

    #[test]
    fn amounts_change_and_nothing_else() {
        let one = |requests: Value| json!({"containers": [container("c", requests)]});
        let with_own = |containers: Value, requests: Value| {
            let mut pod = one(containers);
            pod["resources"] = json!({"requests": requests});
            pod
        };
        let two = |names: [&str; 2]| json!({"containers": names.map(|name| container(name, json!({"cpu": "1"})))});
        let rows = [
            (one(json!({"cpu": "1"})), one(json!({"cpu": "2"})), ""),
            (
                one(json!({"cpu": "1", "memory": "1"})),
                one(json!({"cpu": "1"})),
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ),
            (
                two(["c", "d"]),
                one(json!({"cpu": "1"})),
                "spec.containers: Forbidden: containers may not be added or removed on resize",
            ),
            (
                two(["c", "d"]),
                two(["c", "e"]),
                "spec.containers[1].name: Forbidden: containers may not be renamed or reordered on resize",
            ),
            (
                with_own(json!({"cpu": "1"}), json!({"cpu": "1"})),
                with_own(json!({"cpu": "1"}), json!({"cpu": "2"})),
                "",
            ),
            (
                with_own(json!({"cpu": "1"}), json!({"cpu": "1"})),
                one(json!({"cpu": "1"})),
                "spec.resources: Forbidden: pod-level resources cannot be removed",
            ),
            (
                with_own(json!({"cpu": "1"}), json!({"cpu": "1", "memory": "1"})),
                with_own(json!({"cpu": "1"}), json!({"cpu": "1"})),
                "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed",
            ),
        ];
        for (old, new, wanted) in rows {
            assert_eq!(resized(&old, &new), wanted, "{old} to {new}");
        }
    }

    #[test]
    fn init_containers_are_told_apart() {
        let init = |cpu: &str, command: &str| {
            let mut one = container("i", json!({"cpu": cpu}));
            one["command"] = json!([command]);
            json!({"containers": [{"name": "c", "image": "a"}], "initContainers": [one]})
        };
        assert_eq!(resized(&init("1", "x"), &init("2", "x")), "");
        assert_eq!(
            resized(&init("1", "x"), &init("1", "y")),
            "spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable"
        );
    }

    #[test]
    fn amounts_of_other_resources_stay() {
        let devices = |amount: &str| {
            let amounts = json!({"example.com/a": amount});
            let container = json!({"name": "c", "image": "a", "resources": {"requests": amounts, "limits": amounts}});
            json!({"containers": [container]})
        };
        assert_eq!(resized(&devices("1"), &devices("2")), "spec: Forbidden: only cpu and memory resources are mutable");
    }
}
