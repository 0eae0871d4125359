//! Updates of a pod's status: what a node agent reports must be well-formed, and a container that is done stays done.
//!
//! Source: `ValidatePodStatusUpdate` in upstream's `pkg/apis/core/validation`.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Pod, PodCondition, PodExtendedResourceClaimStatus, PodResourceClaimStatus, PodSpec,
    PodStatus, ResourceStatus,
};

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, list, one_of, text};
use super::pod_update::annotation_changes;
use super::{go_type, meta, names};

const HEALTH_MESSAGE_BYTES_MAX: usize = 1024;

/// Checks a pod whose status replaces that of `old`.
pub fn pod_status_update(new: &Pod, old: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let metadata = Path::new("metadata");
    meta::update(&new.metadata, &old.metadata, &metadata, &mut errors);
    annotation_changes(new, old, &mut errors);
    let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
    let (new_spec, old_spec) = (new.spec.as_ref().unwrap_or(&no_spec), old.spec.as_ref().unwrap_or(&no_spec));
    let (new, old) = (new.status.as_ref().unwrap_or(&no_status), old.status.as_ref().unwrap_or(&no_status));
    let path = Path::new("status");
    conditions(list(&new.conditions), &path.field("conditions"), &mut errors);
    if text(&new_spec.node_name) != text(&old_spec.node_name) {
        errors.forbidden(&path.field("nodeName"), "may not be changed directly");
    }
    let nominated = text(&new.nominated_node_name);
    if nominated != text(&old.nominated_node_name) && !nominated.is_empty() {
        let path = path.field("nominatedNodeName");
        errors.invalid_each(&path, nominated, names::dns1123_subdomain(nominated));
        if !text(&old_spec.node_name).is_empty() {
            errors.forbidden(&path, "may not be set on pods that are already bound to a node");
        }
    }
    observed_generation(new.observed_generation, &path, &mut errors);
    if text(&new.qos_class) != text(&old.qos_class) {
        errors.invalid(&path.field("qosClass"), text(&new.qos_class), names::IMMUTABLE);
    }
    transitions(new, old, old_spec, &path, &mut errors);
    claims(list(&new.resource_claim_statuses), new_spec, &path.field("resourceClaimStatuses"), &mut errors);
    if let Some(status) = &new.extended_resource_claim_status {
        extended_claim(status, new_spec, &path.field("extendedResourceClaimStatus"), &mut errors);
    }
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
        observed_generation(condition.observed_generation, &path.index(index), errors);
        let name = condition.type_.as_str();
        if !matches!(name, "PodScheduled" | "Ready" | "Initialized") {
            errors.invalid_each(&path.index(index).field("Type"), name, names::qualified_name(name));
        }
    }
}

fn observed_generation(generation: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(negative) = generation.filter(|generation| *generation < 0) {
        errors.invalid(&path.field("observedGeneration"), negative, "must be a non-negative integer");
    }
}

/// A container that ended for good may not be said to run again.
fn transitions(new: &PodStatus, old: &PodStatus, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let all_may_restart = restarts_all(spec);
    let of_spec = [Some(spec.containers.as_slice()), Some(list(&spec.init_containers)), None];
    for (((field, before), (_, after)), containers) in
        of_containers(old).into_iter().zip(of_containers(new)).zip(of_spec)
    {
        let path = path.field(field);
        for (index, before) in before.iter().enumerate() {
            let Some(ended) = before.state.as_ref().and_then(|state| state.terminated.as_ref()) else { continue };
            let may_restart = containers.is_some_and(|containers| {
                let container = containers.iter().find(|container| container.name == before.name);
                let policy = text(&spec.restart_policy);
                all_may_restart || container.is_some_and(|one| may_restart(one, policy, ended.exit_code))
            });
            // Of ephemeral containers, which never start again, upstream tells each.
            let told = if containers.is_some() { 1 } else { usize::MAX };
            let running = after.iter().filter(|after| after.name == before.name && !is_terminated(after));
            for _ in running.take(told).filter(|_| !may_restart) {
                let detail = "may not be transitioned to non-terminated state";
                errors.forbidden(&path.index(index).field("state"), detail);
            }
        }
    }
}

/// Whether a container by its rules restarts all others with it.
fn restarts_all(spec: &PodSpec) -> bool {
    spec.containers
        .iter()
        .chain(list(&spec.init_containers))
        .flat_map(|container| list(&container.restart_policy_rules))
        .any(|rule| rule.action == "RestartAllContainers")
}

fn is_terminated(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.terminated.is_some())
}

/// Whether a container that ended with a code starts again: by its own rules, its own policy, or the pod's policy.
fn may_restart(container: &Container, pod_policy: &str, exit_code: i32) -> bool {
    let by_rule = list(&container.restart_policy_rules).iter().any(|rule| {
        rule.exit_codes
            .as_ref()
            .is_some_and(|codes| list(&codes.values).contains(&exit_code) == (codes.operator == "In"))
    });
    match container.restart_policy.as_deref().unwrap_or(pod_policy) {
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
            errors.invalid_each(&entry.field("resourceClaimName"), claim, names::dns1123_subdomain(claim));
        }
    }
}

/// The claim made for what containers ask for by the names of resources.
fn extended_claim(status: &PodExtendedResourceClaimStatus, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let mappings = path.field("requestMappings");
    if status.request_mappings.is_empty() {
        errors.required(&mappings, "at least one request mapping is required");
    }
    let containers = || spec.containers.iter().chain(list(&spec.init_containers));
    for (index, mapping) in status.request_mappings.iter().enumerate() {
        let entry = mappings.index(index);
        match containers().find(|container| container.name == mapping.container_name) {
            None => {
                let detail = "must match the name of an entry in spec.initContainers.name or spec.containers.name";
                errors.invalid(&entry.field("containerName"), mapping.container_name.as_str(), detail);
            }
            Some(container) if !requests(container, &mapping.resource_name) => {
                let detail = "must match the extended resource name of an entry in \
                              spec.initContainers.resources.requests or spec.containers.resources.requests";
                errors.invalid(&entry.field("resourceName"), mapping.resource_name.as_str(), detail);
            }
            Some(_) => {}
        }
        // Upstream gives this path, without the index.
        let request = mapping.request_name.as_str();
        errors.invalid_each(&path.field("requestName"), request, names::dns1123_label(request));
        if status.request_mappings.iter().take(index).any(|known| known == mapping) {
            errors.duplicate(&entry.field("containerName"), mapping.container_name.as_str());
            errors.duplicate(&entry.field("resourceName"), mapping.resource_name.as_str());
            errors.duplicate(&entry.field("requestName"), request);
        }
    }
    let (claim, path) = (status.resource_claim_name.as_str(), path.field("resourceClaimName"));
    if claim.is_empty() {
        return errors.required(&path, "");
    }
    errors.invalid_each(&path, claim, names::dns1123_subdomain(claim));
}

fn requests(container: &Container, resource: &str) -> bool {
    let requests = container.resources.as_ref().and_then(|asked| asked.requests.as_ref());
    requests.is_some_and(|requests| requests.contains_key(resource))
}

fn pod_addresses(new: &PodStatus, old: &PodStatus, path: &Path<'_>, errors: &mut FieldErrors) {
    let addresses: Vec<&str> = list(&new.pod_ips).iter().map(|ip| ip.ip.as_str()).collect();
    let known: Vec<String> = list(&old.pod_ips).iter().map(|ip| ip.ip.clone()).collect();
    for (index, address) in addresses.iter().enumerate() {
        names::ip_address(address, &known, &path.index(index), errors);
    }
    if addresses.len() > 1 {
        one_of_each_family(&addresses, &go_type::compact(&new.pod_ips, "PodIP"), path, errors);
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

fn users(statuses: &[ContainerStatus], os: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, status) in statuses.iter().enumerate() {
        let Some(linux) = status.user.as_ref().and_then(|user| user.linux.as_ref()) else { continue };
        let entry = path.index(index);
        let user = entry.field("user");
        let path = user.field("linux");
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
                health_message(resource.message.as_deref(), &path.field("message"), errors);
                if !known.insert(&resource.resource_id) {
                    errors.duplicate(&path.field("resourceID"), resource.resource_id.as_str());
                }
            }
        }
    }
}

fn health_message(message: Option<&str>, path: &Path<'_>, errors: &mut FieldErrors) {
    match message {
        Some("") => errors.required(path, "must be non-empty if specified"),
        Some(long) if long.len() > HEALTH_MESSAGE_BYTES_MAX => errors.too_long(path, HEALTH_MESSAGE_BYTES_MAX),
        _ => {}
    }
}

fn not_asked_for(allocated: &ResourceStatus, container: &Container) -> Option<&'static str> {
    let name = allocated.name.as_str();
    let Some(claim) = name.strip_prefix("claim:") else {
        return (!requests(container, name)).then_some("must match one of the container's resource requests");
    };
    let (claim, request) = claim.split_once('/').unwrap_or((claim, ""));
    let claims = container.resources.as_ref().map(|asked| list(&asked.claims)).unwrap_or_default();
    let is_asked = claims.iter().any(|known| known.name == claim && text(&known.request) == request);
    (!is_asked).then_some(
        "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or \
         'claim:<claimName>' if request is empty",
    )
}
