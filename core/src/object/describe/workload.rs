//! Workloads: what they select, how many there are, and the template of their pods.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::pod::containers;
use super::{Lines, metadata};
use crate::object::selector::Selector;

pub(super) fn deployment(lines: &mut Lines, object: &Deployment) {
    metadata(lines, &object.metadata);
    let (spec, status) = (&object.spec, object.status.clone().unwrap_or_default());
    selector(lines, &spec.selector);
    let count = |count: Option<i32>| count.unwrap_or(0);
    let replicas = format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        spec.replicas.unwrap_or(1),
        count(status.updated_replicas),
        count(status.replicas),
        count(status.available_replicas),
        count(status.unavailable_replicas),
    );
    lines.put(0, "Replicas", replicas);
    let strategy = spec.strategy.clone().unwrap_or_default();
    lines.put(0, "StrategyType", strategy.type_.as_deref().unwrap_or("RollingUpdate"));
    lines.put(0, "MinReadySeconds", spec.min_ready_seconds.unwrap_or(0));
    if let Some(rolling) = strategy.rolling_update {
        use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
        let share = |share: Option<IntOrString>| match share {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(text)) => text,
            None => "25%".to_owned(),
        };
        let (unavailable, surge) = (share(rolling.max_unavailable), share(rolling.max_surge));
        let text = format!("{unavailable} max unavailable, {surge} max surge");
        lines.put(0, "RollingUpdate", text);
    }
    template(lines, &spec.template);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lines.conditions(
        status
            .conditions
            .iter()
            .flatten()
            .map(|condition| [text(&condition.type_), text(&condition.status), text(&condition.reason)]),
    );
}

pub(super) fn replica_set(lines: &mut Lines, set: &ReplicaSet, pods: &[Pod]) {
    metadata(lines, &set.metadata);
    selector(lines, &set.spec.selector);
    let current = set.status.as_ref().map_or(0, |status| status.replicas);
    lines.put(0, "Replicas", format_args!("{current} current / {} desired", set.spec.replicas.unwrap_or(1)));
    pods_status(lines, pods);
    if let Some(pod) = &set.spec.template {
        template(lines, pod);
    }
    let conditions = set.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lines.conditions(conditions.map(|found| [text(&found.type_), text(&found.status), text(&found.reason)]));
}

pub(super) fn stateful_set(lines: &mut Lines, set: &StatefulSet, pods: &[Pod]) {
    metadata(lines, &set.metadata);
    let spec = &set.spec;
    selector(lines, &spec.selector);
    let total = set.status.as_ref().map_or(0, |status| status.replicas);
    lines.put(0, "Replicas", format_args!("{} desired | {total} total", spec.replicas.unwrap_or(1)));
    let strategy = spec.update_strategy.clone().unwrap_or_default();
    lines.put(0, "Update Strategy", strategy.type_.as_deref().unwrap_or("RollingUpdate"));
    if let Some(partition) = strategy.rolling_update.and_then(|rolling| rolling.partition) {
        lines.put(1, "Partition", partition);
    }
    pods_status(lines, pods);
    template(lines, &spec.template);
    for claim in spec.volume_claim_templates.iter().flatten() {
        lines.title("Volume Claims");
        let claim_spec = claim.spec.clone().unwrap_or_default();
        lines.put(1, "Name", claim.metadata.name.as_deref().unwrap_or_default());
        lines.put(1, "StorageClass", claim_spec.storage_class_name.as_deref().unwrap_or_default());
        let requests = claim_spec.resources.and_then(|resources| resources.requests).unwrap_or_default();
        lines.put(1, "Capacity", requests.get("storage").map(|amount| amount.0.as_str()).unwrap_or_default());
        lines.put(1, "Access Modes", claim_spec.access_modes.unwrap_or_default().join(","));
    }
}

pub(super) fn daemon_set(lines: &mut Lines, set: &DaemonSet, pods: &[Pod]) {
    metadata(lines, &set.metadata);
    let (spec, status) = (&set.spec, set.status.clone().unwrap_or_default());
    selector(lines, &spec.selector);
    let node_selector = spec.template.spec.iter().flat_map(|pod| pod.node_selector.iter().flatten());
    lines.list("Node-Selector", node_selector.map(|(key, value)| format!("{key}={value}")));
    lines.put(0, "Desired Number of Nodes Scheduled", status.desired_number_scheduled);
    lines.put(0, "Current Number of Nodes Scheduled", status.current_number_scheduled);
    let up_to_date = status.updated_number_scheduled.unwrap_or(0);
    lines.put(0, "Number of Nodes Scheduled with Up-to-date Pods", up_to_date);
    lines.put(0, "Number of Nodes Scheduled with Available Pods", status.number_available.unwrap_or(0));
    lines.put(0, "Number of Nodes Misscheduled", status.number_misscheduled);
    pods_status(lines, pods);
    template(lines, &spec.template);
}

pub(super) fn job(lines: &mut Lines, job: &Job) {
    metadata(lines, &job.metadata);
    let (Some(spec), status) = (&job.spec, job.status.clone().unwrap_or_default()) else { return };
    if let Some(labels) = &spec.selector {
        selector(lines, labels);
    }
    job_spec(lines, spec);
    for (name, time) in [("Start Time", &status.start_time), ("Completed At", &status.completion_time)] {
        if let Some(time) = time {
            lines.put(0, name, time.0);
        }
    }
    let [active, succeeded, failed] = [status.active, status.succeeded, status.failed].map(|count| count.unwrap_or(0));
    let ready = status.ready.unwrap_or(0);
    lines.put(
        0,
        "Pods Statuses",
        format_args!("{active} Active ({ready} Ready) / {succeeded} Succeeded / {failed} Failed"),
    );
    if let Some(indexes) = &status.completed_indexes {
        lines.put(0, "Completed Indexes", indexes);
    }
    if let Some(indexes) = &status.failed_indexes {
        lines.put(0, "Failed Indexes", indexes);
    }
    template(lines, &spec.template);
    let conditions = status.conditions.into_iter().flatten();
    lines.conditions(conditions.map(|found| [found.type_, found.status, found.reason.unwrap_or_default()]));
}

pub(super) fn cron_job(lines: &mut Lines, cron: &CronJob) {
    metadata(lines, &cron.metadata);
    let (spec, status) = (&cron.spec, cron.status.clone().unwrap_or_default());
    lines.put(0, "Schedule", &spec.schedule);
    if let Some(zone) = &spec.time_zone {
        lines.put(0, "Time Zone", zone);
    }
    lines.put(0, "Concurrency Policy", spec.concurrency_policy.as_deref().unwrap_or("Allow"));
    lines.put(0, "Suspend", spec.suspend.unwrap_or(false));
    let limit = |limit: Option<i32>| limit.map_or_else(|| "<unset>".to_owned(), |limit| limit.to_string());
    lines.put(0, "Successful Job History Limit", limit(spec.successful_jobs_history_limit));
    lines.put(0, "Failed Job History Limit", limit(spec.failed_jobs_history_limit));
    let deadline = spec.starting_deadline_seconds.map(|seconds| format!("{seconds}s"));
    lines.put(0, "Starting Deadline Seconds", deadline.as_deref().unwrap_or("<unset>"));
    if let Some(spec) = &spec.job_template.spec {
        job_spec(lines, spec);
        template(lines, &spec.template);
    }
    let last = status.last_schedule_time.map(|time| time.0.to_string());
    lines.put(0, "Last Schedule Time", last.as_deref().unwrap_or("<unset>"));
    let active = status.active.into_iter().flatten().filter_map(|job| job.name);
    lines.list("Active Jobs", active);
}

fn job_spec(lines: &mut Lines, spec: &JobSpec) {
    let number = |number: Option<i32>| number.map_or_else(|| "<unset>".to_owned(), |number| number.to_string());
    lines.put(0, "Parallelism", number(spec.parallelism));
    lines.put(0, "Completions", number(spec.completions));
    if let Some(mode) = &spec.completion_mode {
        lines.put(0, "Completion Mode", mode);
    }
    lines.put(0, "Suspend", spec.suspend.unwrap_or(false));
    lines.put(0, "Backoff Limit", number(spec.backoff_limit));
    if let Some(seconds) = spec.active_deadline_seconds {
        lines.put(0, "Active Deadline Seconds", format_args!("{seconds}s"));
    }
    if let Some(seconds) = spec.ttl_seconds_after_finished {
        lines.put(0, "TTL Seconds After Finished", seconds);
    }
}

fn selector(lines: &mut Lines, labels: &LabelSelector) {
    let selector = Selector::compile(Some(labels)).map(|selector| selector.to_string());
    lines.put(0, "Selector", selector.unwrap_or_default());
}

/// How many of the pods are in each phase.
fn pods_status(lines: &mut Lines, pods: &[Pod]) {
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
    let count = |wanted: &str| pods.iter().filter(|pod| phase(pod) == wanted).count();
    let [running, waiting, succeeded, failed] = ["Running", "Pending", "Succeeded", "Failed"].map(count);
    let text = format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed");
    lines.put(0, "Pods Status", text);
}

fn template(lines: &mut Lines, template: &PodTemplateSpec) {
    let pod = template.spec.clone().unwrap_or_default();
    if let Some(init) = pod.init_containers.as_deref().filter(|init| !init.is_empty()) {
        containers(lines, "Init Containers", init, None);
    }
    containers(lines, "Containers", &pod.containers, None);
}
