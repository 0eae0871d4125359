//! Namespaces, nodes, secrets, limit ranges, quotas, priority classes and role bindings.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, Namespace, Node, ResourceQuota, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::resources::round_list;
use super::{each, text};

/// The label by which a namespace is selected by its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Defaults of a Namespace: it always carries its own name as a label.
pub fn namespace(namespace: &mut Namespace) {
    if let Some(name) = namespace.metadata.name.clone().filter(|name| !name.is_empty()) {
        namespace.metadata.labels.get_or_insert_default().insert(NAMESPACE_NAME_LABEL.to_owned(), name);
    }
    text(&mut namespace.status.get_or_insert_default().phase, "Active");
}

/// Defaults of a Node: all it has can be allocated, unless it says otherwise.
pub fn node(node: &mut Node) {
    let Some(status) = &mut node.status else { return };
    if status.allocatable.is_none() {
        status.allocatable.clone_from(&status.capacity);
    }
    round_list(&mut status.capacity);
    round_list(&mut status.allocatable);
}

/// Defaults of a Secret. What `stringData` says is merged when the object is prepared.
pub fn secret(secret: &mut Secret) {
    text(&mut secret.type_, "Opaque");
}

/// Defaults of a LimitRange.
pub fn limit_range(range: &mut LimitRange) {
    let Some(spec) = &mut range.spec else { return };
    for item in &mut spec.limits {
        if item.type_ == "Container" {
            container_limits(item);
        }
        let lists = [
            &mut item.max,
            &mut item.min,
            &mut item.default,
            &mut item.default_request,
            &mut item.max_limit_request_ratio,
        ];
        lists.into_iter().for_each(round_list);
    }
}

/// The default limit is the greatest one, and the default request the default limit or else the least request.
fn container_limits(item: &mut LimitRangeItem) {
    let default = item.default.get_or_insert_default();
    for (name, amount) in item.max.iter().flatten() {
        default.entry(name.clone()).or_insert_with(|| amount.clone());
    }
    let request = item.default_request.get_or_insert_default();
    for (name, amount) in default.iter().chain(item.min.iter().flatten()) {
        request.entry(name.clone()).or_insert_with(|| amount.clone());
    }
}

/// Defaults of a ResourceQuota.
pub fn resource_quota(quota: &mut ResourceQuota) {
    if let Some(spec) = &mut quota.spec {
        round_list(&mut spec.hard);
    }
    if let Some(status) = &mut quota.status {
        round_list(&mut status.hard);
        round_list(&mut status.used);
    }
}

/// Defaults of a PriorityClass.
pub fn priority_class(class: &mut PriorityClass) {
    class.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".to_owned());
}

/// Defaults of a RoleBinding.
pub fn role_binding(binding: &mut RoleBinding) {
    role_ref(&mut binding.role_ref);
    each(&mut binding.subjects).for_each(subject);
}

/// Defaults of a ClusterRoleBinding.
pub fn cluster_role_binding(binding: &mut ClusterRoleBinding) {
    role_ref(&mut binding.role_ref);
    each(&mut binding.subjects).for_each(subject);
}

fn role_ref(reference: &mut RoleRef) {
    text(&mut reference.api_group, RBAC_GROUP);
}

fn subject(subject: &mut Subject) {
    if matches!(&*subject.kind, "User" | "Group") {
        text(&mut subject.api_group, RBAC_GROUP);
    }
}
