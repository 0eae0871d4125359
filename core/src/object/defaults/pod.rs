//! Pods and pod templates.
//!
//! A template gets what belongs to a pod's spec only; what depends on the pod being one (requests from limits, service
//! links, host ports) waits until a pod is made of it.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplate, PodTemplateSpec};

use super::container::{container, ephemeral};
use super::resources::{pod_level, requests_from_limits, round_list};
use super::volume::volume;
use super::{each, text};

/// Seconds that a pod gets to stop in.
const GRACE_SECONDS: i64 = 30;

/// Defaults of a pod.
pub fn pod(pod: &mut Pod) {
    let spec = pod.spec.get_or_insert_default();
    for container in spec.containers.iter_mut().chain(each(&mut spec.init_containers)) {
        if let Some(resources) = &mut container.resources {
            requests_from_limits(resources);
        }
    }
    pod_level(spec);
    spec.enable_service_links.get_or_insert(true);
    if spec.host_network == Some(true) {
        spec.containers.iter_mut().chain(each(&mut spec.init_containers)).for_each(host_ports);
    }
    pod_spec(spec);
}

/// Defaults of a `PodTemplate` object.
pub fn pod_template(template: &mut PodTemplate) {
    pod_template_spec(template.template.get_or_insert_default());
}

/// Defaults of the template in a workload.
pub fn pod_template_spec(template: &mut PodTemplateSpec) {
    pod_spec(template.spec.get_or_insert_default());
}

/// On the node's network a container's port is the node's port.
fn host_ports(container: &mut Container) {
    for port in each(&mut container.ports) {
        if port.host_port.unwrap_or_default() == 0 {
            port.host_port = Some(port.container_port);
        }
    }
}

fn pod_spec(spec: &mut PodSpec) {
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(GRACE_SECONDS);
    service_account(spec);
    each(&mut spec.volumes).for_each(volume);
    each(&mut spec.init_containers).for_each(container);
    spec.containers.iter_mut().for_each(container);
    each(&mut spec.ephemeral_containers).for_each(ephemeral);
    round_list(&mut spec.overhead);
    if let Some(resources) = &mut spec.resources {
        round_list(&mut resources.limits);
        round_list(&mut resources.requests);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are always shown, and the new one rules.
fn service_account(spec: &mut PodSpec) {
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let name = given(&spec.service_account_name).or_else(|| given(&spec.service_account));
    spec.service_account_name.clone_from(&name);
    spec.service_account = name;
}
