//! Updates of a pod's status: what a node agent reports must be well-formed, and a container that is done stays done.
//!
//! Source: `ValidatePodStatusUpdate` in upstream's `pkg/apis/core/validation`.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Pod, PodCondition, PodResourceClaimStatus, PodSpec, PodStatus, ResourceStatus,
};

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, list, one_of, text};
use super::pod_update::annotation_changes;
use super::{go_type, meta, names};

/// Checks a pod whose status replaces that of `old`.
pub fn pod_status_update(new: &Pod, old: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let metadata = Path::new("metadata");
    meta::update(&new.metadata, &old.metadata, &metadata, &mut errors);
    annotation_changes(new, old, &mut errors);
    let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&no_spec), old.spec.as_ref().unwrap_or(&no_spec));
    let (new, old) = (new.status.as_ref().unwrap_or(&no_status), old.status.as_ref().unwrap_or(&no_status));
    // The path is that of the metadata, as upstream has it.
    conditions(list(&new.conditions), &metadata.field("conditions"), &mut errors);

    let path = Path::new("status");
    if text(&new_spec.node_name) != text(&old_spec.node_name) {
        errors.forbidden(&path.field("nodeName"), "may not be changed directly");
    }
    let nominated = text(&new.nominated_node_name);
    if nominated != text(&old.nominated_node_name) && !nominated.is_empty() {
        errors.invalid_each(&path.field("nominatedNodeName"), nominated, names::dns1123_subdomain(nominated));
    }
    if text(&new.qos_class) != text(&old.qos_class) {
        errors.invalid(&path.field("qosClass"), text(&new.qos_class), names::IMMUTABLE);
    }
    transitions(new, old, old_spec, &path, &mut errors);
    claims(list(&new.resource_claim_statuses), new_spec, &path.field("resourceClaimStatuses"), &mut errors);
    pod_addresses(new, old, &path.field("podIPs"), &mut errors);
    host_addresses(new, old, &path.field("hostIPs"), &mut errors);
    let os = new_spec.os.as_ref().map_or("linux", |os| os.name.as_str());
    for (field, statuses) in of_containers(new) {
        users(statuses, os, &path.field(field), &mut errors);
    }
    health(list(&new.container_statuses), &new_spec.containers, &path.field("containerStatuses"), &mut errors);
    let init = list(&new_spec.init_containers);
    health(list(&new.init_container_statuses), init, &path.field("initContainerStatuses"), &mut errors);
    let ephemeral = path.field("ephemeralContainerStatuses");
    for (index, status) in list(&new.ephemeral_container_statuses).iter().enumerate() {
        if !list(&status.allocated_resources_status).is_empty() {
            let path = ephemeral.index(index);
            errors.forbidden(&path.field("allocatedResourcesStatus"), "must not be specified in container status");
        }
    }
    errors
}

fn of_containers(status: &PodStatus) -> [(&'static str, &[ContainerStatus]); 3] {
    [
        ("containerStatuses", list(&status.container_statuses)),
        ("initContainerStatuses", list(&status.init_container_statuses)),
        ("ephemeralContainerStatuses", list(&status.ephemeral_container_statuses)),
    ]
}

fn conditions(conditions: &[PodCondition], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, condition) in conditions.iter().enumerate() {
        let name = condition.type_.as_str();
        if !matches!(name, "PodScheduled" | "Ready" | "Initialized") {
            errors.invalid_each(&path.index(index).field("Type"), name, names::qualified_name(name));
        }
    }
}

/// A container that ended for good may not be said to run again.
fn transitions(new: &PodStatus, old: &PodStatus, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let none: &[Container] = &[];
    let containers = [spec.containers.as_slice(), list(&spec.init_containers), none];
    for (((field, before), (_, after)), containers) in
        of_containers(old).into_iter().zip(of_containers(new)).zip(containers)
    {
        let path = path.field(field);
        // Ephemeral containers never start again, whatever the pod's policy.
        let policy = if field == "ephemeralContainerStatuses" { "Never" } else { text(&spec.restart_policy) };
        for (index, before) in before.iter().enumerate() {
            let Some(ended) = before.state.as_ref().and_then(|state| state.terminated.as_ref()) else { continue };
            let container = containers.iter().find(|container| container.name == before.name);
            if may_restart(container, policy, ended.exit_code) {
                continue;
            }
            for _ in after.iter().filter(|after| after.name == before.name && !is_terminated(after)) {
                let detail = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(index).field("state"), detail);
            }
        }
    }
}

fn is_terminated(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.terminated.is_some())
}

/// Whether a container that ended with a code starts again: by its own rules, its own policy, or the pod's policy.
fn may_restart(container: Option<&Container>, pod_policy: &str, exit_code: i32) -> bool {
    let own = container.and_then(|container| container.restart_policy.as_deref());
    let by_rule = container.is_some_and(|container| {
        list(&container.restart_policy_rules).iter().any(|rule| {
            rule.exit_codes
                .as_ref()
                .is_some_and(|codes| list(&codes.values).contains(&exit_code) == (codes.operator == "In"))
        })
    });
    match own.unwrap_or(pod_policy) {
        "Always" => true,
        "OnFailure" => by_rule || exit_code != 0,
        _ => by_rule,
    }
}

fn claims(statuses: &[PodResourceClaimStatus], spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, status) in statuses.iter().enumerate() {
        let entry = path.index(index);
        let path = entry.field("name");
        if !list(&spec.resource_claims).iter().any(|claim| claim.name == status.name) {
            let detail = "must match the name of an entry in `spec.resourceClaims`";
            errors.invalid(&path, status.name.as_str(), detail);
        }
        if !known.insert(&status.name) {
            errors.duplicate(&path, status.name.as_str());
        }
        if let Some(claim) = status.resource_claim_name.as_deref() {
            errors.invalid_each(&path, claim, names::dns1123_subdomain(claim));
        }
    }
}

fn pod_addresses(new: &PodStatus, old: &PodStatus, path: &Path<'_>, errors: &mut FieldErrors) {
    let addresses: Vec<&str> = list(&new.pod_ips).iter().map(|ip| ip.ip.as_str()).collect();
    let known: Vec<String> = list(&old.pod_ips).iter().map(|ip| ip.ip.clone()).collect();
    for (index, address) in addresses.iter().enumerate() {
        names::ip_address(address, &known, &path.index(index), errors);
    }
    if addresses.len() > 1 {
        one_of_each_family(&addresses, &go_type::compact(&new.pod_ips, "PodIP"), path, errors);
        duplicate_addresses(&addresses, path, errors);
    }
}

fn host_addresses(new: &PodStatus, old: &PodStatus, path: &Path<'_>, errors: &mut FieldErrors) {
    let addresses: Vec<&str> = list(&new.host_ips).iter().map(|ip| ip.ip.as_str()).collect();
    let Some(first) = addresses.first() else { return };
    if text(&new.host_ip) != *first {
        errors.invalid(&path.index(0).field("ip"), *first, "must be equal to `hostIP`");
    }
    let known: Vec<String> = list(&old.host_ips).iter().map(|ip| ip.ip.clone()).collect();
    for (index, address) in addresses.iter().enumerate() {
        names::ip_address(address, &known, &path.index(index), errors);
    }
    if addresses.len() > 1 {
        duplicate_addresses(&addresses, path, errors);
        one_of_each_family(&addresses, &go_type::compact(&new.host_ips, "HostIP"), path, errors);
    }
}

fn one_of_each_family(addresses: &[&str], shown: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let parsed: Vec<Option<IpAddr>> = addresses.iter().map(|address| names::ip_sloppy(address)).collect();
    if let Some(bad) = parsed.iter().position(Option::is_none) {
        let address = addresses.get(bad).copied().unwrap_or_default();
        let quoted = addresses.join(" ");
        let detail = format!("failed to check for dual stack with error:invalid IP[{bad}] in [{quoted}]: {address}");
        errors.internal(path, detail);
    }
    let has = |v4: bool| parsed.iter().flatten().any(|address| address.is_ipv4() == v4);
    if !(has(true) && has(false)) || addresses.len() > 2 {
        errors.invalid_json(path, shown, "may specify no more than one IP for each IP family");
    }
}

fn duplicate_addresses(addresses: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, address) in addresses.iter().enumerate() {
        if !known.insert(address) {
            errors.duplicate(&path.index(index), serde_json::json!({ "IP": address }));
        }
    }
}

fn users(statuses: &[ContainerStatus], os: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, status) in statuses.iter().enumerate() {
        let Some(linux) = status.user.as_ref().and_then(|user| user.linux.as_ref()) else { continue };
        let entry = path.index(index);
        let path = entry.field("linux");
        if os == "windows" {
            errors.forbidden(&path, "cannot be set for a windows pod");
            continue;
        }
        for (field, id) in [("uid", linux.uid), ("gid", linux.gid)] {
            for problem in names::user_or_group_id(id) {
                errors.invalid(&path.field(field), id, problem);
            }
        }
        let groups = path.field("supplementalGroups");
        for (index, group) in list(&linux.supplemental_groups).iter().enumerate() {
            for problem in names::user_or_group_id(*group) {
                errors.invalid(&groups.index(index), *group, problem);
            }
        }
    }
}

/// The health of devices that a container was given: of those it asked for, each device once.
fn health(statuses: &[ContainerStatus], containers: &[Container], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, status) in statuses.iter().enumerate() {
        let entry = path.index(index);
        let path = entry.field("allocatedResourcesStatus");
        for (index, allocated) in list(&status.allocated_resources_status).iter().enumerate() {
            let path = path.index(index);
            if let Some(container) = containers.iter().find(|container| container.name == status.name)
                && let Some(detail) = not_asked_for(allocated, container)
            {
                errors.invalid(&path.field("name"), allocated.name.as_str(), detail);
            }
            let mut known = Names::default();
            let resources = path.field("resources");
            for (index, resource) in list(&allocated.resources).iter().enumerate() {
                let path = resources.index(index);
                let states = ["Healthy", "Unhealthy", "Unknown"];
                one_of(text(&resource.health), &states, &path.field("health"), errors);
                if !known.insert(&resource.resource_id) {
                    errors.duplicate(&path.field("resourceID"), resource.resource_id.as_str());
                }
            }
        }
    }
}

fn not_asked_for(allocated: &ResourceStatus, container: &Container) -> Option<&'static str> {
    let asked = container.resources.as_ref();
    let name = allocated.name.as_str();
    let Some(claim) = name.strip_prefix("claim:") else {
        let is_asked =
            asked.and_then(|asked| asked.requests.as_ref()).is_some_and(|requests| requests.contains_key(name));
        return (!is_asked).then_some("must match one of the container's resource requests");
    };
    let (claim, request) = claim.split_once('/').unwrap_or((claim, ""));
    let claims = asked.map(|asked| list(&asked.claims)).unwrap_or_default();
    let is_asked = claims.iter().any(|known| known.name == claim && text(&known.request) == request);
    (!is_asked).then_some(
        "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
         'claim:<claimName>' if request is empty",
    )
}
