//! Containers: pull policy from the image's tag, termination message, ports, `fieldRef`s, probes and hooks.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EphemeralContainer, HTTPGetAction, Lifecycle, ObjectFieldSelector, Probe,
    ResourceRequirements,
};

use super::image::is_latest;
use super::resources::round_list;
use super::{each, number, text};

/// What an init, regular and ephemeral container have in common.
struct Common<'c> {
    image: Option<&'c str>,
    image_pull_policy: &'c mut Option<String>,
    termination_message_path: &'c mut Option<String>,
    termination_message_policy: &'c mut Option<String>,
    ports: &'c mut Option<Vec<ContainerPort>>,
    env: &'c mut Option<Vec<EnvVar>>,
    resources: &'c mut Option<ResourceRequirements>,
    probes: [&'c mut Option<Probe>; 3],
    lifecycle: &'c mut Option<Lifecycle>,
}

/// `spec.containers[]` and `spec.initContainers[]`.
pub(super) fn container(container: &mut Container) {
    common(Common {
        image: container.image.as_deref(),
        image_pull_policy: &mut container.image_pull_policy,
        termination_message_path: &mut container.termination_message_path,
        termination_message_policy: &mut container.termination_message_policy,
        ports: &mut container.ports,
        env: &mut container.env,
        resources: &mut container.resources,
        probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
        lifecycle: &mut container.lifecycle,
    });
}

/// `spec.ephemeralContainers[]`.
pub(super) fn ephemeral(container: &mut EphemeralContainer) {
    common(Common {
        image: container.image.as_deref(),
        image_pull_policy: &mut container.image_pull_policy,
        termination_message_path: &mut container.termination_message_path,
        termination_message_policy: &mut container.termination_message_policy,
        ports: &mut container.ports,
        env: &mut container.env,
        resources: &mut container.resources,
        probes: [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe],
        lifecycle: &mut container.lifecycle,
    });
}

fn common(container: Common<'_>) {
    let pull = if is_latest(container.image.unwrap_or_default()) { "Always" } else { "IfNotPresent" };
    text(container.image_pull_policy, pull);
    text(container.termination_message_path, "/dev/termination-log");
    text(container.termination_message_policy, "File");
    for port in each(container.ports) {
        text(&mut port.protocol, "TCP");
    }
    for from in each(container.env).filter_map(|variable| variable.value_from.as_mut()) {
        if let Some(field) = &mut from.field_ref {
            field_ref(field);
        }
        if let Some(file) = &mut from.file_key_ref {
            file.optional.get_or_insert(false);
        }
    }
    if let Some(resources) = container.resources {
        round_list(&mut resources.limits);
        round_list(&mut resources.requests);
    }
    for probe in container.probes.into_iter().flatten() {
        self::probe(probe);
    }
    let hooks =
        container.lifecycle.iter_mut().flat_map(|lifecycle| [&mut lifecycle.post_start, &mut lifecycle.pre_stop]);
    for request in hooks.flatten().filter_map(|hook| hook.http_get.as_mut()) {
        http_get(request);
    }
}

/// Zero is as good as absent for all of them.
fn probe(probe: &mut Probe) {
    number(&mut probe.timeout_seconds, 1);
    number(&mut probe.period_seconds, 10);
    number(&mut probe.success_threshold, 1);
    number(&mut probe.failure_threshold, 3);
    if let Some(request) = &mut probe.http_get {
        http_get(request);
    }
    if let Some(request) = &mut probe.grpc {
        request.service.get_or_insert_default();
    }
}

fn http_get(request: &mut HTTPGetAction) {
    text(&mut request.path, "/");
    text(&mut request.scheme, "HTTP");
}

/// `fieldRef`, in an environment variable or a downward API volume.
pub(super) fn field_ref(field: &mut ObjectFieldSelector) {
    text(&mut field.api_version, "v1");
}
