//! Jobs and CronJobs.

use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};

use super::pod::pod_template_spec;
use super::{each, text};

/// Defaults of a Job: one run of one pod, unless it says more.
///
/// The template inside a CronJob gets none of them but those of its pods: a Job gets its own when it is made.
pub fn job(job: &mut Job) {
    let spec = job.spec.get_or_insert_default();
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    // With a limit for each index, the limit for all is as good as none.
    let backoff = if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 };
    spec.backoff_limit.get_or_insert(backoff);
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".to_owned());
    spec.suspend.get_or_insert(false);
    spec.manual_selector.get_or_insert(false);
    let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.pod_replacement_policy.get_or_insert_with(|| replacement.to_owned());
    template(spec);

    let labels = spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    if labels.is_some() && job.metadata.labels.as_ref().is_none_or(|labels| labels.is_empty()) {
        job.metadata.labels = labels;
    }
}

/// Defaults of a CronJob.
pub fn cron_job(job: &mut CronJob) {
    let spec = &mut job.spec;
    text(&mut spec.concurrency_policy, "Allow");
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    template(spec.job_template.spec.get_or_insert_default());
}

fn template(spec: &mut JobSpec) {
    pod_template_spec(&mut spec.template);
    for rule in spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules) {
        for pattern in each(&mut rule.on_pod_conditions) {
            text(&mut pattern.status, "True");
        }
    }
}
