//! Pods and the templates they are made from: the order in which the parts are checked, and what concerns the whole.
//!
//! Source: `ValidatePodCreate`, `ValidatePodSpec` and `ValidatePodTemplateSpec` in upstream's `pkg/apis/core/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, HostAlias, Pod, PodDNSConfig, PodReadinessGate, PodResourceClaim, PodSchedulingGate, PodSpec,
    PodTemplateSpec, ResourceRequirements, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::field::{FieldErrors, Path};
use super::container::{self, Shared};
use super::fields::{Names, list, required_one_of, text};
use super::meta::{self, Scope};
use super::resources::Holder;
use super::{affinity, env, go_type, names, pod_resources, resources, security, visit, volume, windows};

/// The annotation that marks the image of a pod that a node runs by itself.
pub(super) const MIRROR: &str = "kubernetes.io/config.mirror";
/// The annotation with what it costs to delete a pod, for choosing victims.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The annotation that once held tolerations.
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";

/// How many name servers the C library asks.
const NAME_SERVERS_MAX: usize = 3;
/// How many search paths a resolver may have.
const SEARCH_PATHS_MAX: usize = 32;
/// How many bytes the search paths may have together, with spaces between.
const SEARCH_BYTES_MAX: usize = 2048;
/// How many bytes a host name may have in Linux.
const HOST_NAME_BYTES_MAX: usize = 64;

/// Whose spec is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// A pod with that name.
    Pod(&'a str),
    /// A template from which pods will be made.
    Template,
}

impl<'a> Owner<'a> {
    /// The pod's name, if it is one and has one.
    pub(super) fn pod_name(self) -> Option<&'a str> {
        match self {
            Self::Pod(name) => Some(name).filter(|name| !name.is_empty()),
            Self::Template => None,
        }
    }

    /// Whether it is a pod.
    pub(super) const fn is_pod(self) -> bool {
        matches!(self, Self::Pod(_))
    }
}

/// Checks a pod to create.
pub fn pod(pod: &Pod) -> FieldErrors {
    let mut errors = FieldErrors::new();
    metadata_and_spec(pod, &mut errors);
    let Some(spec) = &pod.spec else { return errors };
    let path = Path::new("spec");
    if !list(&spec.ephemeral_containers).is_empty() {
        errors.forbidden(&path.field("ephemeralContainers"), "cannot be set on create");
    }
    if !text(&spec.node_name).is_empty() && !list(&spec.scheduling_gates).is_empty() {
        errors.forbidden(&path.field("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
    if let Some(annotations) = &pod.metadata.annotations {
        profiles_match(annotations, spec, &path, &mut errors);
    }
    errors
}

/// Checks the template of pods that a workload will make.
pub fn pod_template_spec(template: &PodTemplateSpec, path: &Path<'_>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let empty = ObjectMeta::default();
    let metadata = template.metadata.as_ref().unwrap_or(&empty);
    let empty = PodSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&empty);
    if let Some(labels) = &metadata.labels {
        meta::labels(labels, &path.field("labels"), &mut errors);
    }
    if let Some(entries) = &metadata.annotations {
        let path = path.field("annotations");
        meta::annotations(entries, &path, &mut errors);
        annotations(entries, spec, &path, &mut errors);
    }
    let spec_path = path.field("spec");
    pod_spec(spec, Owner::Template, &spec_path, &mut errors);
    if let Some(annotations) = &metadata.annotations {
        profiles_match(annotations, spec, &spec_path, &mut errors);
    }
    if !list(&spec.ephemeral_containers).is_empty() {
        errors.forbidden(&spec_path.field("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
    errors
}

/// Checks what a pod must have whether it is new or not.
pub(super) fn metadata_and_spec(pod: &Pod, errors: &mut FieldErrors) {
    let path = Path::new("metadata");
    meta::create(&pod.metadata, Scope::Namespaced, names::name_is_dns_subdomain, &path, errors);
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    if let Some(entries) = &pod.metadata.annotations {
        annotations(entries, spec, &path.field("annotations"), errors);
    }
    let path = Path::new("spec");
    pod_spec(spec, Owner::Pod(text(&pod.metadata.name)), &path, errors);
    if text(&spec.service_account_name).is_empty() {
        tokens_without_account(spec, &path, errors);
    }
    for (field, containers) in
        [("containers", spec.containers.as_slice()), ("initContainers", list(&spec.init_containers))]
    {
        let path = path.field(field);
        for (index, container) in containers.iter().enumerate() {
            container::image_without_space(text(&container.image), &path.index(index), errors);
        }
    }
}

fn tokens_without_account(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let volumes = path.field("volumes");
    for (index, volume) in list(&spec.volumes).iter().enumerate() {
        let Some(projected) = &volume.projected else { continue };
        let volume = volumes.index(index);
        let path = volume.field("projected");
        let path = path.field("sources");
        for (index, source) in list(&projected.sources).iter().enumerate() {
            if source.service_account_token.is_some() {
                let detail = "must not be specified when serviceAccountName is not set";
                errors.forbidden(&path.index(index).field("serviceAccountToken"), detail);
            }
        }
    }
}

/// Checks the annotations that mean something in a pod.
pub(super) fn annotations(
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(mirror) = annotations.get(MIRROR)
        && text(&spec.node_name).is_empty()
    {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.invalid(&path.key(MIRROR), mirror.as_str(), detail);
    }
    if let Some(json) = annotations.get(TOLERATIONS).filter(|json| !json.is_empty()) {
        match serde_json::from_str::<Vec<Toleration>>(json) {
            Ok(tolerations) => affinity::tolerations(&tolerations, &path.field(TOLERATIONS), errors),
            Err(error) => errors.invalid(path, TOLERATIONS, error.to_string()),
        }
    }
    if let Some(cost) = annotations.get(DELETION_COST).filter(|cost| !is_deletion_cost(cost)) {
        errors.invalid(&path.key(DELETION_COST), cost.as_str(), "must be a 32bit integer");
    }
    let has_container = |name: &str| {
        let mut found = false;
        visit::containers(spec, path, |container, _| found |= container.name() == name);
        found
    };
    security::annotations(annotations, has_container, path, errors);
}

/// A whole number without a plus sign or leading zeros.
fn is_deletion_cost(text: &str) -> bool {
    let starts_well = text == "0" || text.starts_with(|first: char| matches!(first, '-' | '1'..='9'));
    starts_well && text.parse::<i32>().is_ok()
}

/// Checks a spec, part by part in upstream's order.
fn pod_spec(spec: &PodSpec, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.termination_grace_period_seconds.is_none() {
        errors.required(&path.field("terminationGracePeriodSeconds"), "");
    }
    let volumes = volume::volumes(list(&spec.volumes), owner, &path.field("volumes"), errors);
    let claims = list(&spec.resource_claims);
    let shared = Shared {
        volumes,
        claims: claims.iter().map(|claim| claim.name.as_str()).filter(|name| !name.is_empty()).collect(),
        grace: spec.termination_grace_period_seconds,
        restart_policy: text(&spec.restart_policy),
        host_users: spec.host_users != Some(false),
    };
    resource_claims(claims, &path.field("resourceClaims"), errors);
    let init = list(&spec.init_containers);
    container::containers(&spec.containers, &shared, &path.field("containers"), errors);
    container::init_containers(init, &spec.containers, &shared, &path.field("initContainers"), errors);
    let others: [&[Container]; 2] = [&spec.containers, init];
    let ephemeral = list(&spec.ephemeral_containers);
    container::ephemeral_containers(ephemeral, &others, &shared, &path.field("ephemeralContainers"), errors);
    if let Some(asked) = &spec.resources {
        pod_resources::pod_resources(asked, spec, &shared.claims, &path.field("resources"), errors);
    }
    placement(spec, owner, path, errors);
    identity(spec, path, errors);
    windows::operating_system(spec, path, errors);
    file_variables(spec, path, errors);
}

/// Variables from files need a volume that the pod itself can write.
fn file_variables(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    // The last of a name counts, as in upstream's map, and it need not be well-formed.
    let volume_of = |name: &str| list(&spec.volumes).iter().rev().find(|volume| volume.name == name);
    visit::containers(spec, path, |container, path| {
        for (index, volume) in env::file_volumes(container.env()) {
            let list = path.field("env");
            let entry = list.index(index);
            let source = entry.field("valueFrom");
            let file = source.field("fileKeyRef");
            match volume_of(volume) {
                None => errors.not_found(&file.field("volumeName"), volume),
                Some(found) if found.empty_dir.is_none() => {
                    errors.invalid(&file.field("volumeName"), volume, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    });
}

fn resource_claims(claims: &[PodResourceClaim], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        if claim.name.is_empty() {
            errors.required(&path.field("name"), "");
        } else if known.insert(&claim.name) {
            errors.invalid_each(&path.field("name"), &claim.name, names::dns1123_label(&claim.name));
        } else {
            errors.duplicate(&path.field("name"), claim.name.as_str());
        }
        let detail = match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => {
                Some("at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")
            }
            (None, None) => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            _ => None,
        };
        if let Some(detail) = detail {
            errors.invalid_json(&path, go_type::compact(claim, "PodResourceClaim"), detail);
        }
        for (field, name) in [
            ("resourceClaimName", &claim.resource_claim_name),
            ("resourceClaimTemplateName", &claim.resource_claim_template_name),
        ] {
            if let Some(name) = name.as_deref() {
                errors.invalid_each(&path.field(field), name, names::dns1123_subdomain(name));
            }
        }
    }
}

/// Where the pod runs, how it is restarted and what it may do there.
fn placement(spec: &PodSpec, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if spec.host_network == Some(true) {
        ports_on_host(spec, owner, path, errors);
    }
    let policies = ["Always", "OnFailure", "Never"];
    required_one_of(text(&spec.restart_policy), &policies, &path.field("restartPolicy"), errors);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    required_one_of(text(&spec.dns_policy), &policies, &path.field("dnsPolicy"), errors);
    if let Some(labels) = &spec.node_selector {
        meta::labels(labels, &path.field("nodeSelector"), errors);
    }
    if let Some(context) = &spec.security_context {
        security::pod(context, spec, &path.field("securityContext"), errors);
    }
    if let Some(affinity) = &spec.affinity {
        affinity::affinity(affinity, &path.field("affinity"), errors);
    }
    dns_config(spec.dns_config.as_ref(), text(&spec.dns_policy), &path.field("dnsConfig"), errors);
    readiness_gates(list(&spec.readiness_gates), &path.field("readinessGates"), errors);
    scheduling_gates(list(&spec.scheduling_gates), &path.field("schedulingGates"), errors);
    let constraints = list(&spec.topology_spread_constraints);
    affinity::topology_spread(constraints, &path.field("topologySpreadConstraints"), errors);
    windows::host_process(spec, path, errors);
    if spec.host_users == Some(false) {
        own_users(spec, path, errors);
    }
}

/// On the node's network a container's port is the node's.
fn ports_on_host(spec: &PodSpec, owner: Owner<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    let containers = path.field("containers");
    for (index, container) in spec.containers.iter().enumerate() {
        let entry = containers.index(index);
        let ports = entry.field("ports");
        for (index, port) in list(&container.ports).iter().enumerate() {
            let host_port = port.host_port.unwrap_or_default();
            // A template's are filled in when a pod is made from it.
            if (owner.is_pod() || host_port != 0) && host_port != port.container_port {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&ports.index(index).field("hostPort"), host_port, detail);
            }
        }
    }
}

/// A pod with users of its own shares nothing else with the node. The paths are written as upstream writes them.
fn own_users(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "when `hostUsers` is false";
    for (field, shares) in [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)]
    {
        if shares == Some(true) {
            errors.forbidden(&path.field(field), detail);
        }
    }
    visit::containers(spec, path, |container, path| {
        if !container.devices().is_empty() {
            errors.forbidden(&path.field("volumeDevices"), detail);
        }
    });
}

/// The names by which the pod is known and that it refers to.
fn identity(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    host_name_override(spec, &path.field("hostnameOverride"), errors);
    for (field, name) in [("serviceAccountName", &spec.service_account_name), ("nodeName", &spec.node_name)] {
        let name = text(name);
        if !name.is_empty() {
            errors.invalid_each(&path.field(field), name, names::dns1123_subdomain(name));
        }
    }
    if let Some(seconds) = spec.active_deadline_seconds {
        for problem in names::in_range(seconds, 1, i64::from(i32::MAX)) {
            errors.invalid(&path.field("activeDeadlineSeconds"), seconds, problem);
        }
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        let name = text(name);
        if !name.is_empty() {
            errors.invalid_each(&path.field(field), name, names::dns1123_label(name));
        }
    }
    affinity::tolerations(list(&spec.tolerations), &path.field("tolerations"), errors);
    host_aliases(list(&spec.host_aliases), &path.field("hostAliases"), errors);
    let class = text(&spec.priority_class_name);
    if !class.is_empty() {
        errors.invalid_each(&path.field("priorityClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(class) = spec.runtime_class_name.as_deref() {
        errors.invalid_each(&path.field("runtimeClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(policy) = spec.preemption_policy.as_deref() {
        let policies = ["PreemptLowerPriority", "Never"];
        required_one_of(policy, &policies, &path.field("preemptionPolicy"), errors);
    }
    if let Some(overhead) = &spec.overhead {
        let limits = ResourceRequirements { limits: Some(overhead.clone()), ..ResourceRequirements::default() };
        resources::requirements(&limits, Holder::Container, &Names::default(), &path.field("overhead"), errors);
    }
}

fn host_name_override(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(name) = spec.hostname_override.as_deref() else { return };
    if spec.set_hostname_as_fqdn == Some(true) {
        errors.forbidden(path, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.host_network == Some(true) {
        errors.forbidden(path, "may not be specified when hostNetwork is true");
    }
    if name.len() > HOST_NAME_BYTES_MAX {
        errors.too_long(path, HOST_NAME_BYTES_MAX);
    }
    errors.invalid_each(path, name, names::dns1123_subdomain(name));
}

fn host_aliases(aliases: &[HostAlias], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, alias) in aliases.iter().enumerate() {
        let path = path.index(index);
        names::ip_address(&alias.ip, &[], &path.field("ip"), errors);
        let path = path.field("hostnames");
        for (index, name) in list(&alias.hostnames).iter().enumerate() {
            errors.invalid_each(&path.index(index), name, names::dns1123_subdomain(name));
        }
    }
}

fn dns_config(config: Option<&PodDNSConfig>, policy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(config) = config else {
        if policy == "None" {
            errors.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    };
    let servers_path = path.field("nameservers");
    let servers = list(&config.nameservers);
    if servers.is_empty() && policy == "None" {
        return errors.required(&servers_path, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if servers.len() > NAME_SERVERS_MAX {
        let detail = format!("must not have more than {NAME_SERVERS_MAX} nameservers");
        errors.invalid(&servers_path, servers.to_vec(), detail);
    }
    for (index, server) in servers.iter().enumerate() {
        names::ip_address(server, &[], &servers_path.index(index), errors);
    }
    search_paths(list(&config.searches), &path.field("searches"), errors);
    let options = path.field("options");
    for (index, option) in list(&config.options).iter().enumerate() {
        if text(&option.name).is_empty() {
            errors.required(&options.index(index), "must not be empty");
        }
    }
}

fn search_paths(searches: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if searches.len() > SEARCH_PATHS_MAX {
        let detail = format!("must not have more than {SEARCH_PATHS_MAX} search paths");
        errors.invalid(path, searches.to_vec(), detail);
    }
    let bytes = searches.iter().map(String::len).sum::<usize>() + searches.len().saturating_sub(1);
    if bytes > SEARCH_BYTES_MAX {
        let detail =
            format!("must not have more than {SEARCH_BYTES_MAX} characters (including spaces) in the search list");
        errors.invalid(path, searches.to_vec(), detail);
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, search)| search.as_str() != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.invalid_each(&path.index(index), search, names::dns1123_subdomain_with_underscore(search));
    }
}

fn readiness_gates(gates: &[PodReadinessGate], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, gate) in gates.iter().enumerate() {
        let problems = names::qualified_name(&gate.condition_type);
        errors.invalid_each(&path.index(index).field("conditionType"), &gate.condition_type, problems);
    }
}

fn scheduling_gates(gates: &[PodSchedulingGate], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, gate) in gates.iter().enumerate() {
        errors.invalid_each(&path.index(index), &gate.name, names::qualified_name(&gate.name));
        if !known.insert(&gate.name) {
            errors.duplicate(&path.index(index), gate.name.as_str());
        }
    }
}

/// Profiles that annotations and fields both name must agree.
fn profiles_match(annotations: &BTreeMap<String, String>, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    seccomp_matches(annotations, spec, path, errors);
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = spec.security_context.as_ref().and_then(|context| context.app_armor_profile.as_ref());
    visit::containers(spec, path, |container, path| {
        let own = container.security().and_then(|context| context.app_armor_profile.as_ref());
        let Some(profile) = own.or(of_pod) else { return };
        let key = format!("{}{}", security::APPARMOR_OF_CONTAINER, container.name());
        if let Some(annotation) = annotations.get(&key) {
            let context = path.field("securityContext");
            security::apparmor_matches(annotation, profile, &context.field("appArmorProfile"), errors);
        }
    });
}

fn seccomp_matches(annotations: &BTreeMap<String, String>, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let of_pod = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
    if let (Some(profile), Some(annotation)) = (of_pod, annotations.get(security::SECCOMP_OF_POD)) {
        let context = path.field("securityContext");
        security::seccomp_matches(annotation, profile, &context.field("seccompProfile"), errors);
    }
    visit::containers(spec, path, |container, path| {
        let Some(profile) = container.security().and_then(|context| context.seccomp_profile.as_ref()) else { return };
        let key = format!("{}{}", security::SECCOMP_OF_CONTAINER, container.name());
        if let Some(annotation) = annotations.get(&key) {
            let context = path.field("securityContext");
            security::seccomp_matches(annotation, profile, &context.field("seccompProfile"), errors);
        }
    });
}

#[cfg(test)]
mod tests;
