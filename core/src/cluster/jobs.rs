//! What people do with Jobs and CronJobs: `kubectl create job --from`, and waiting for the end of one.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube_core::params::PostParams;

use super::api::Api;
use super::conditions;
use super::wait::WaitError;
use crate::error::{ApiError, Subject};

/// Says that somebody asked for the Job, not the clock.
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";

impl Api<CronJob> {
    /// Runs the Job of a CronJob now, under this name: `kubectl create job NAME --from=cronjob/FROM`.
    ///
    /// The Job belongs to the CronJob: its history limits and its deletion concern it, its concurrency policy and its
    /// suspension do not.
    ///
    /// # Errors
    /// `NotFound` when there is no such CronJob, `AlreadyExists` when there is a Job of this name.
    pub async fn create_job(&self, from: &str, name: &str) -> Result<Job, ApiError> {
        let cron_job = self.get(from).await?;
        let template = cron_job.spec.job_template;
        let asked = template.metadata.unwrap_or_default();
        let mut annotations = asked.annotations.unwrap_or_default();
        annotations.insert(INSTANTIATE.to_owned(), "manual".to_owned());
        let owner = OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "CronJob".to_owned(),
            name: from.to_owned(),
            uid: cron_job.metadata.uid.unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        let namespace = cron_job.metadata.namespace.unwrap_or_default();
        let job = Job {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.clone()),
                annotations: Some(annotations),
                labels: asked.labels,
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            spec: template.spec,
            status: None,
        };
        Api::<Job>::namespaced(&self.cluster, &namespace).create(&PostParams::default(), &job).await
    }
}

impl Api<Job> {
    /// Waits until a Job has come to its end, well or badly: its conditions say which.
    ///
    /// # Errors
    /// `NotFound` when there is no such Job or it goes meanwhile, [`WaitError::TimedOut`] after `timeout` of tokio's
    /// clock.
    pub async fn wait_finished(&self, name: &str, timeout: Duration) -> Result<Job, WaitError> {
        self.get(name).await?;
        let finished = conditions::is_job_finished();
        let waited = self.wait(name, timeout, |job| job.is_none() || finished(job)).await?;
        Ok(waited.ok_or_else(|| ApiError::not_found(Subject::new("batch", "jobs", name)))?)
    }
}
