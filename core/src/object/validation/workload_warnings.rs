//! What a client is warned of when it writes a workload: a name that pods cannot have, and what their template holds.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::fields::{list, text};
use super::names;
use super::shared::SPEC;
use super::volume_claim::claim_spec_warnings;
use super::warnings::pod_template_warnings;

/// Names only matter where they are given: at the creation.
fn name(metadata: &ObjectMeta, new: bool) -> Vec<String> {
    let problems = names::dns1123_label(text(&metadata.name));
    if !new || problems.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; \
         a DNS label is recommended: [{}]",
        problems.join(" ")
    )]
}

pub(super) fn deployment(deployment: &Deployment, new: bool) -> Vec<String> {
    let mut warnings = name(&deployment.metadata, new);
    warnings.extend(pod_template_warnings(&deployment.spec.template, &SPEC.field("template")));
    warnings
}

pub(super) fn replica_set(set: &ReplicaSet, new: bool) -> Vec<String> {
    let mut warnings = name(&set.metadata, new);
    if let Some(template) = &set.spec.template {
        warnings.extend(pod_template_warnings(template, &SPEC.field("template")));
    }
    warnings
}

pub(super) fn replication_controller(controller: &ReplicationController, new: bool) -> Vec<String> {
    let mut warnings = name(&controller.metadata, new);
    if let Some(template) = controller.spec.as_ref().and_then(|spec| spec.template.as_ref()) {
        warnings.extend(pod_template_warnings(template, &SPEC.field("template")));
    }
    warnings
}

pub(super) fn daemon_set(set: &DaemonSet) -> Vec<String> {
    pod_template_warnings(&set.spec.template, &SPEC.field("template"))
}

pub(super) fn stateful_set(set: &StatefulSet) -> Vec<String> {
    let mut warnings = pod_template_warnings(&set.spec.template, &SPEC.field("template"));
    for (index, claim) in list(&set.spec.volume_claim_templates).iter().enumerate() {
        let path = format!("spec.volumeClaimTemplates[{index}]");
        warnings.extend(claim.spec.iter().flat_map(|spec| claim_spec_warnings(spec, &path)));
    }
    if set.spec.revision_history_limit.is_some_and(|limit| limit < 0) {
        let warning = "spec.revisionHistoryLimit: a negative value retains all historical revisions; \
                       a value >= 0 is recommended";
        warnings.push(warning.to_owned());
    }
    warnings
}

pub(super) fn job(job: &Job, new: bool) -> Vec<String> {
    let mut warnings = name(&job.metadata, new);
    if let Some(spec) = &job.spec {
        warnings.extend(indexes(spec));
        warnings.extend(pod_template_warnings(&spec.template, &SPEC.field("template")));
    }
    warnings
}

fn indexes(spec: &JobSpec) -> Option<String> {
    const MANY_COMPLETIONS: i32 = 100_000;
    const MANY_AT_ONCE: i32 = 10_000;
    let many = text(&spec.completion_mode) == "Indexed"
        && spec.completions.unwrap_or(0) > MANY_COMPLETIONS
        && spec.parallelism.unwrap_or(0) > MANY_AT_ONCE;
    many.then(|| {
        "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes \
         might not be able to track completedIndexes when a big number of indexes fail"
            .to_owned()
    })
}

pub(super) fn cron_job(cron_job: &CronJob, new: bool) -> Vec<String> {
    let mut warnings = name(&cron_job.metadata, new);
    if cron_job.spec.schedule.contains("TZ") {
        warnings.push(format!(
            "CRON_TZ or TZ used in {:?} is not officially supported, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
            cron_job.spec.schedule
        ));
    }
    if let Some(spec) = &cron_job.spec.job_template.spec {
        let job_template = SPEC.field("jobTemplate");
        let job = job_template.field("spec");
        warnings.extend(pod_template_warnings(&spec.template, &job.field("template")));
    }
    warnings
}
