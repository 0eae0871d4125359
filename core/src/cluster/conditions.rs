//! States that are often waited for, for [`Api::wait`](super::Api::wait).

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;

fn pod_condition(pod: &Pod, kind: &str) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

fn pod_phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// The pod runs.
pub fn is_pod_running() -> impl Fn(Option<&Pod>) -> bool {
    |pod| pod.and_then(pod_phase) == Some("Running")
}

/// The pod is ready.
pub fn is_pod_ready() -> impl Fn(Option<&Pod>) -> bool {
    |pod| pod.is_some_and(|pod| pod_condition(pod, "Ready"))
}

/// The pod has ended, well or badly.
pub fn is_pod_finished() -> impl Fn(Option<&Pod>) -> bool {
    |pod| matches!(pod.and_then(pod_phase), Some("Succeeded" | "Failed"))
}

/// There is no such object.
pub fn is_deleted<K>() -> impl Fn(Option<&K>) -> bool {
    |object| object.is_none()
}

/// The Deployment's last change is rolled out: all pods are of the current template, as many as wanted, and available.
pub fn is_deployment_rolled_out() -> impl Fn(Option<&Deployment>) -> bool {
    |deployment| {
        let Some(deployment) = deployment else { return false };
        let Some(status) = &deployment.status else { return false };
        let wanted = deployment.spec.replicas.unwrap_or(1);
        status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas.unwrap_or(0) == wanted
            && status.replicas.unwrap_or(0) == wanted
            && status.available_replicas.unwrap_or(0) == wanted
    }
}

fn job_condition(job: &Job, kind: &str) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

/// The Job has succeeded.
pub fn is_job_complete() -> impl Fn(Option<&Job>) -> bool {
    |job| job.is_some_and(|job| job_condition(job, "Complete"))
}

/// The Job has come to its end, well or badly.
pub fn is_job_finished() -> impl Fn(Option<&Job>) -> bool {
    |job| job.is_some_and(|job| job_condition(job, "Complete") || job_condition(job, "Failed"))
}
