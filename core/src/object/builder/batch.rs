//! What runs to an end: Jobs, and CronJobs that start them. Both have the methods of a Job.

use k8s_openapi::api::batch::v1::{
    CronJob, Job, JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicyRule,
};

use super::{Build, Builder, HasPodSpec};

/// Kinds that say how a Job runs.
pub trait HasJobSpec: HasPodSpec {
    /// The Job, as they say it.
    fn job_mut(&mut self) -> &mut JobSpec;
}

impl HasJobSpec for Job {
    fn job_mut(&mut self) -> &mut JobSpec {
        self.spec.get_or_insert_default()
    }
}

impl HasJobSpec for CronJob {
    fn job_mut(&mut self) -> &mut JobSpec {
        self.spec.job_template.spec.get_or_insert_default()
    }
}

impl Build for Job {
    fn complete(&mut self) {
        never_restart(self.job_mut());
    }
}

impl Build for CronJob {
    fn complete(&mut self) {
        never_restart(self.job_mut());
    }
}

/// The pods of a job cannot have the policy that pods have by default.
fn never_restart(spec: &mut JobSpec) {
    spec.template.spec.get_or_insert_default().restart_policy.get_or_insert_with(|| "Never".to_owned());
}

/// ```
/// use inboard::object::builder::OnFailure;
/// use inboard::prelude::*;
///
/// let job = Job::builder("render")
///     .indexed(100)
///     .parallelism(10)
///     .backoff_limit_per_index(2)
///     .max_failed_indexes(5)
///     .on_exit_codes(OnFailure::FailIndex, [42])
///     .on_pod_condition(OnFailure::Ignore, "DisruptionTarget")
///     .container(Container::builder("frame", "renderer").command(["render"]))
///     .build()?;
/// assert_eq!(job.spec.and_then(|spec| spec.completions), Some(100));
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl<K: HasJobSpec> Builder<K> {
    fn job(self, change: impl FnOnce(&mut JobSpec)) -> Self {
        self.with(|object| change(object.job_mut()))
    }

    /// Sets how many pods must succeed (`completions`, default: 1).
    pub fn completions(self, count: i32) -> Self {
        self.job(|spec| spec.completions = Some(count))
    }

    /// Sets how many pods may run at once (`parallelism`, default: 1).
    pub fn parallelism(self, count: i32) -> Self {
        self.job(|spec| spec.parallelism = Some(count))
    }

    /// Gives each pod an index: one pod must succeed for each from 0 to below `completions`
    /// (`completionMode: Indexed`).
    pub fn indexed(self, completions: i32) -> Self {
        self.job(|spec| {
            spec.completion_mode = Some("Indexed".to_owned());
            spec.completions = Some(completions);
        })
    }

    /// Sets how many failures are put up with (`backoffLimit`, default: 6).
    pub fn backoff_limit(self, count: i32) -> Self {
        self.job(|spec| spec.backoff_limit = Some(count))
    }

    /// Sets how many failures of each index are put up with, whatever becomes of the others (`backoffLimitPerIndex`).
    pub fn backoff_limit_per_index(self, count: i32) -> Self {
        self.job(|spec| spec.backoff_limit_per_index = Some(count))
    }

    /// Sets how many indexes may fail before the Job does at once (`maxFailedIndexes`).
    pub fn max_failed_indexes(self, count: i32) -> Self {
        self.job(|spec| spec.max_failed_indexes = Some(count))
    }

    /// Sets how many seconds the Job may be active (`activeDeadlineSeconds`).
    pub fn active_deadline_seconds(self, seconds: i64) -> Self {
        self.job(|spec| spec.active_deadline_seconds = Some(seconds))
    }

    /// Deletes the Job so many seconds after it has finished (`ttlSecondsAfterFinished`).
    pub fn ttl_seconds_after_finished(self, seconds: i32) -> Self {
        self.job(|spec| spec.ttl_seconds_after_finished = Some(seconds))
    }

    /// Starts a container that failed again in its pod, instead of making another pod (`restartPolicy: OnFailure`).
    pub fn restart_on_failure(self) -> Self {
        self.job(|spec| {
            spec.template.spec.get_or_insert_default().restart_policy = Some("OnFailure".to_owned());
        })
    }

    /// Replaces a pod that is being deleted only once it has ended (`podReplacementPolicy: Failed`).
    pub fn replace_failed_only(self) -> Self {
        self.job(|spec| spec.pod_replacement_policy = Some("Failed".to_owned()))
    }

    /// Adds a rule of `podFailurePolicy`: what a container that ended with one of these codes means.
    pub fn on_exit_codes(self, then: OnFailure, codes: impl IntoIterator<Item = i32>) -> Self {
        let codes = PodFailurePolicyOnExitCodesRequirement {
            container_name: None,
            operator: "In".to_owned(),
            values: codes.into_iter().collect(),
        };
        self.failure_rule(PodFailurePolicyRule { on_exit_codes: Some(codes), ..then.rule() })
    }

    /// Adds a rule of `podFailurePolicy`: what a failed pod with this condition means.
    pub fn on_pod_condition(self, then: OnFailure, condition: impl Into<String>) -> Self {
        let pattern =
            PodFailurePolicyOnPodConditionsPattern { status: Some("True".to_owned()), type_: condition.into() };
        self.failure_rule(PodFailurePolicyRule { on_pod_conditions: Some(vec![pattern]), ..then.rule() })
    }

    fn failure_rule(self, rule: PodFailurePolicyRule) -> Self {
        self.job(|spec| spec.pod_failure_policy.get_or_insert_default().rules.push(rule))
    }

    /// Adds a rule of `successPolicy`: the Job has succeeded once all these indexes have (`0-3,7`).
    pub fn succeeds_with_indexes(self, indexes: impl Into<String>) -> Self {
        self.success_rule(SuccessPolicyRule { succeeded_indexes: Some(indexes.into()), succeeded_count: None })
    }

    /// Adds a rule of `successPolicy`: the Job has succeeded once this many indexes have.
    pub fn succeeds_with_count(self, count: i32) -> Self {
        self.success_rule(SuccessPolicyRule { succeeded_indexes: None, succeeded_count: Some(count) })
    }

    fn success_rule(self, rule: SuccessPolicyRule) -> Self {
        self.job(|spec| spec.success_policy.get_or_insert_default().rules.push(rule))
    }
}

/// What a failed pod means to its Job (`action` of a rule of `podFailurePolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The whole Job has failed.
    FailJob,
    /// The pod's index has failed; needs a limit for each index.
    FailIndex,
    /// It does not count.
    Ignore,
    /// It counts as any other.
    Count,
}

impl OnFailure {
    fn rule(self) -> PodFailurePolicyRule {
        let action = match self {
            Self::FailJob => "FailJob",
            Self::FailIndex => "FailIndex",
            Self::Ignore => "Ignore",
            Self::Count => "Count",
        };
        PodFailurePolicyRule { action: action.to_owned(), ..PodFailurePolicyRule::default() }
    }
}

impl Builder<Job> {
    /// Makes no pods until the Job is resumed (`suspend`).
    pub fn suspended(self) -> Self {
        self.job(|spec| spec.suspend = Some(true))
    }
}

/// What happens at the next time of a CronJob while a Job of it still runs (`concurrencyPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// Both run.
    Allow,
    /// The new one is left out until the old one has ended.
    Forbid,
    /// The old one is deleted.
    Replace,
}

/// ```
/// use inboard::object::builder::Concurrency;
/// use inboard::prelude::*;
///
/// let backup = CronJob::builder("backup")
///     .schedule("0 3 * * *")
///     .time_zone("Europe/Zurich")
///     .concurrency(Concurrency::Forbid)
///     .starting_deadline_seconds(600)
///     .history(2, 5)
///     .backoff_limit(1)
///     .container(Container::builder("dump", "postgres").command(["pg_dump"]))
///     .build()?;
/// assert_eq!(backup.spec.schedule, "0 3 * * *");
/// let wrong = CronJob::builder("b").schedule("0 3 * * 7").container(Container::builder("c", "i")).build();
/// assert!(wrong.is_err());
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl Builder<CronJob> {
    /// Sets when Jobs are started: five fields such as `*/5 * * * *`, or `@daily` and its like.
    pub fn schedule(self, schedule: impl Into<String>) -> Self {
        self.with(|cron_job| cron_job.spec.schedule = schedule.into())
    }

    /// Sets the time zone of the schedule: `Europe/Zurich` (default: UTC).
    pub fn time_zone(self, zone: impl Into<String>) -> Self {
        self.with(|cron_job| cron_job.spec.time_zone = Some(zone.into()))
    }

    /// Sets what happens while a Job still runs (`concurrencyPolicy`, default: [`Concurrency::Allow`]).
    pub fn concurrency(self, policy: Concurrency) -> Self {
        let text = match policy {
            Concurrency::Allow => "Allow",
            Concurrency::Forbid => "Forbid",
            Concurrency::Replace => "Replace",
        };
        self.with(|cron_job| cron_job.spec.concurrency_policy = Some(text.to_owned()))
    }

    /// Sets how many seconds late a Job may start (`startingDeadlineSeconds`, default: any time).
    pub fn starting_deadline_seconds(self, seconds: i64) -> Self {
        self.with(|cron_job| cron_job.spec.starting_deadline_seconds = Some(seconds))
    }

    /// Sets how many Jobs are kept that have succeeded, and that have failed (default: 3 and 1).
    pub fn history(self, successful: i32, failed: i32) -> Self {
        self.with(|cron_job| {
            cron_job.spec.successful_jobs_history_limit = Some(successful);
            cron_job.spec.failed_jobs_history_limit = Some(failed);
        })
    }

    /// Starts no Jobs until it is resumed (`suspend`).
    pub fn suspended(self) -> Self {
        self.with(|cron_job| cron_job.spec.suspend = Some(true))
    }
}
