//! Containers of a pod: app containers, init containers and sidecars, and the ephemeral ones added for debugging.
//!
//! Source: `validateContainers`, `validateInitContainers` and `validateEphemeralContainers` in upstream's
//! `pkg/apis/core/validation`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerResizePolicy, ContainerRestartRule, EnvFromSource, EnvVar, EphemeralContainer,
    ResourceRequirements, SecurityContext, VolumeDevice, VolumeMount,
};

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, list, one_of, required_one_of, text};
use super::mount::{self, Volumes};
use super::probe::{self, ProbeKind};
use super::resources::{self, Holder};
use super::{env, names, security};

/// When an image is pulled, in order.
pub(super) const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];

/// The protocols of ports, in order.
pub const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

/// How many rules may say when a container starts again.
const RESTART_RULES_MAX: usize = 20;

/// The resize policy that starts the container once more.
pub(super) const RESTART: &str = "RestartContainer";

/// How many exit codes one rule may name.
const EXIT_CODES_MAX: usize = 255;

/// What the containers of a pod share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    /// The pod's well-formed volumes.
    pub(super) volumes: Volumes<'a>,
    /// The names of the pod's resource claims.
    pub(super) claims: Names<'a>,
    /// The pod's grace period in seconds.
    pub(super) grace: Option<i64>,
    /// The pod's restart policy.
    pub(super) restart_policy: &'a str,
    /// Whether the users of the pod are those of the node.
    pub(super) host_users: bool,
}

/// What all sorts of containers have.
struct Common<'a> {
    name: &'a str,
    image: &'a str,
    message_policy: &'a str,
    pull_policy: &'a str,
    ports: &'a [ContainerPort],
    env: &'a [EnvVar],
    env_from: &'a [EnvFromSource],
    mounts: &'a [VolumeMount],
    devices: &'a [VolumeDevice],
    resources: Option<&'a ResourceRequirements>,
    resize_policy: &'a [ContainerResizePolicy],
    security: Option<&'a SecurityContext>,
}

macro_rules! common {
    ($container:expr) => {
        Common {
            name: &$container.name,
            image: text(&$container.image),
            message_policy: text(&$container.termination_message_policy),
            pull_policy: text(&$container.image_pull_policy),
            ports: list(&$container.ports),
            env: list(&$container.env),
            env_from: list(&$container.env_from),
            mounts: list(&$container.volume_mounts),
            devices: list(&$container.volume_devices),
            resources: $container.resources.as_ref(),
            resize_policy: list(&$container.resize_policy),
            security: $container.security_context.as_ref(),
        }
    };
}

/// Checks the app containers: at least one, with names that differ.
pub(super) fn containers(containers: &[Container], shared: &Shared<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if containers.is_empty() {
        return errors.required(path, "");
    }
    let mut known = Names::default();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        common(&common!(container), shared, &path, errors);
        if !known.insert(&container.name) {
            errors.duplicate(&path.field("name"), container.name.as_str());
        }
        hooks_and_probes(container, shared, &path, errors);
        restart_policy(container, &path, errors);
    }
    host_ports(containers, path, errors);
}

/// Checks the init containers: those that stay running (sidecars) may have probes and hooks, the others may not.
pub(super) fn init_containers(
    containers: &[Container],
    apps: &[Container],
    shared: &Shared<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if containers.is_empty() {
        return;
    }
    let mut known: Names<'_> = apps.iter().map(|container| container.name.as_str()).collect();
    for (index, container) in containers.iter().enumerate() {
        let entry = path.index(index);
        common(&common!(container), shared, &entry, errors);
        restart_policy(container, &entry, errors);
        if known.contains(&container.name) {
            errors.duplicate(&entry.field("name"), container.name.as_str());
        } else if !container.name.is_empty() {
            known.insert(&container.name);
        }
        // They run one by one, so that each is checked by itself: as the first, as upstream does.
        host_ports(std::slice::from_ref(container), path, errors);
        if container.restart_policy.as_deref() == Some("Always") {
            hooks_and_probes(container, shared, &entry, errors);
        } else {
            runs_once(container, &entry, errors);
        }
    }
}

/// What an init container that ends may not have: nobody would look at it, or start it once more.
fn runs_once(container: &Container, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, is_set) in [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ] {
        if is_set {
            let detail = "may not be set for init containers without restartPolicy=Always";
            errors.forbidden(&path.field(field), detail);
        }
    }
    let policies = path.field("resizePolicy");
    for (index, policy) in list(&container.resize_policy).iter().enumerate() {
        if policy.restart_policy == RESTART {
            let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.invalid(&policies.index(index).field("restartPolicy"), RESTART, detail);
        }
    }
}

/// Checks the ephemeral containers: names of their own, and nothing that a workload would rely on.
pub(super) fn ephemeral_containers(
    containers: &[EphemeralContainer],
    others: &[&[Container]],
    shared: &Shared<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if containers.is_empty() {
        return;
    }
    let other_names = || others.iter().flat_map(|list| list.iter()).map(|container| container.name.as_str());
    let others: Names<'_> = other_names().collect();
    let mut known: Names<'_> = other_names().collect();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        common(&common!(container), shared, &path, errors);
        image_without_space(text(&container.image), &path, errors);
        if !known.insert(&container.name) {
            errors.duplicate(&path.field("name"), container.name.as_str());
        }
        let target = text(&container.target_container_name);
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(&path.field("targetContainerName"), target);
        }
        ephemeral_only(container, &path, errors);
    }
}

fn ephemeral_only(container: &EphemeralContainer, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "cannot be set for an Ephemeral Container";
    let has_resources =
        container.resources.as_ref().is_some_and(|resources| *resources != ResourceRequirements::default());
    for (field, is_set) in [
        ("ports", container.ports.is_some()),
        ("resources", has_resources),
        ("resizePolicy", container.resize_policy.is_some()),
        ("restartPolicy", container.restart_policy.is_some()),
        ("restartPolicyRules", container.restart_policy_rules.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
    ] {
        if is_set {
            errors.forbidden(&path.field(field), detail);
        }
    }
    let mounts = path.field("volumeMounts");
    for (index, mount) in list(&container.volume_mounts).iter().enumerate() {
        for (field, value) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
            if !text(value).is_empty() {
                errors.forbidden(&mounts.index(index).field(field), detail);
            }
        }
    }
}

/// Checks what only containers of pods must have, not those of templates.
pub(super) fn image_without_space(image: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if image.trim().len() != image.len() {
        errors.invalid(&path.field("image"), image, "must not have leading or trailing whitespace");
    }
}

fn common(container: &Common<'_>, shared: &Shared<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if container.name.is_empty() {
        errors.required(&path.field("name"), "");
    } else {
        errors.invalid_each(&path.field("name"), container.name, names::dns1123_label(container.name));
    }
    if container.image.is_empty() {
        errors.required(&path.field("image"), "");
    }
    required_one_of(
        container.message_policy,
        &["File", "FallbackToLogsOnError"],
        &path.field("terminationMessagePolicy"),
        errors,
    );
    ports(container.ports, &path.field("ports"), errors);
    env::variables(container.env, &path.field("env"), errors);
    env::sources(container.env_from, &path.field("envFrom"), errors);
    let privileged = container.security.is_some_and(|security| security.privileged == Some(true));
    let mounts_path = path.field("volumeMounts");
    mount::mounts(container.mounts, container.devices, &shared.volumes, privileged, &mounts_path, errors);
    mount::devices(container.devices, container.mounts, &shared.volumes, &path.field("volumeDevices"), errors);
    required_one_of(container.pull_policy, PULL_POLICIES, &path.field("imagePullPolicy"), errors);
    if let Some(asked) = container.resources {
        resources::requirements(asked, Holder::Container, &shared.claims, &path.field("resources"), errors);
    }
    resize_policy(container.resize_policy, shared.restart_policy, &path.field("resizePolicy"), errors);
    if let Some(context) = container.security {
        security::container(context, shared.host_users, &path.field("securityContext"), errors);
    }
}

fn ports(ports: &[ContainerPort], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(&port.name);
        if !name.is_empty() {
            let problems = names::port_name(name);
            if !problems.is_empty() {
                errors.invalid_each(&path.field("name"), name, problems);
            } else if !known.insert(name) {
                errors.duplicate(&path.field("name"), name);
            }
        }
        if port.container_port == 0 {
            errors.required(&path.field("containerPort"), "");
        } else {
            port_number(port.container_port, &path.field("containerPort"), errors);
        }
        if let Some(host_port) = port.host_port.filter(|port| *port != 0) {
            port_number(host_port, &path.field("hostPort"), errors);
        }
        required_one_of(text(&port.protocol), PROTOCOLS, &path.field("protocol"), errors);
    }
}

fn port_number(port: i32, path: &Path<'_>, errors: &mut FieldErrors) {
    for problem in names::port_number(i64::from(port)) {
        errors.invalid(path, port, problem);
    }
}

/// No two containers may take the same port of the node.
fn host_ports(containers: &[Container], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut taken = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let entry = path.index(index);
        let ports = entry.field("ports");
        for (index, port) in list(&container.ports).iter().enumerate() {
            let Some(number) = port.host_port.filter(|port| *port != 0) else { continue };
            let (protocol, address) = (text(&port.protocol), text(&port.host_ip));
            if !taken.insert((protocol, address, number)) {
                let shown = format!("{protocol}/{address}/{number}");
                errors.duplicate(&ports.index(index).field("hostPort"), shown);
            }
        }
    }
}

fn hooks_and_probes(container: &Container, shared: &Shared<'_>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(lifecycle) = &container.lifecycle {
        probe::lifecycle(lifecycle, shared.grace, &path.field("lifecycle"), errors);
    }
    for (field, probe, kind) in [
        ("livenessProbe", &container.liveness_probe, ProbeKind::Liveness),
        ("readinessProbe", &container.readiness_probe, ProbeKind::Readiness),
        ("startupProbe", &container.startup_probe, ProbeKind::Startup),
    ] {
        if let Some(probe) = probe {
            probe::probe(probe, kind, &path.field(field), errors);
        }
    }
}

fn restart_policy(container: &Container, path: &Path<'_>, errors: &mut FieldErrors) {
    let rules = list(&container.restart_policy_rules);
    match container.restart_policy.as_deref() {
        Some(policy) => one_of(policy, &["Always", "Never", "OnFailure"], &path.field("restartPolicy"), errors),
        None if rules.is_empty() => {}
        None => {
            let detail = "must specify restartPolicy when restart rules are used";
            errors.required(&path.field("restartPolicy"), detail);
        }
    }
    let path = path.field("restartPolicyRules");
    if rules.len() > RESTART_RULES_MAX {
        errors.too_many(&path, rules.len(), RESTART_RULES_MAX);
    }
    for (index, rule) in rules.iter().enumerate() {
        restart_rule(rule, &path.index(index), errors);
    }
}

fn restart_rule(rule: &ContainerRestartRule, path: &Path<'_>, errors: &mut FieldErrors) {
    one_of(&rule.action, &["Restart", "RestartAllContainers"], &path.field("action"), errors);
    let path = path.field("exitCodes");
    let Some(codes) = &rule.exit_codes else { return errors.required(&path, "must be specified") };
    one_of(&codes.operator, &["In", "NotIn"], &path.field("operator"), errors);
    let count = list(&codes.values).len();
    if count > EXIT_CODES_MAX {
        errors.too_many(&path.field("values"), count, EXIT_CODES_MAX);
    }
}

/// Errors stand at the list, not at its entries, as upstream has them.
fn resize_policy(policies: &[ContainerResizePolicy], restart_policy: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, policy) in policies.iter().enumerate() {
        if !known.insert(&policy.resource_name) {
            errors.duplicate(&path.index(index), policy.resource_name.as_str());
        }
        required_one_of(&policy.resource_name, &["cpu", "memory"], path, errors);
        required_one_of(&policy.restart_policy, &["NotRequired", RESTART], path, errors);
        if restart_policy == "Never" && policy.restart_policy != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.invalid(path, policy.restart_policy.as_str(), detail);
        }
    }
}
