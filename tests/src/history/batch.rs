//! What people do with Jobs and CronJobs, and how those must be in the end.

use inboard::k8s_openapi::api::batch::v1::{CronJob, Job, JobStatus};
use inboard::object::kind;
use inboard::object::patch::Patch;
use inboard::store::Object;
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

const JOBS: [&str; 2] = ["j0", "j1"];
const CRON_JOBS: [&str; 2] = ["c0", "c1"];
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

impl History {
    pub(super) fn use_batch(&mut self) {
        match self.dice.roll(10) {
            0..3 => {
                let name = self.dice.pick(&JOBS);
                let spec = self.job(name);
                let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create job {object}"));
                let object: Job = serde_json::from_value(object).expect("a job");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            3 => {
                let name = self.dice.pick(&JOBS);
                let suspend = self.dice.one_in(2);
                self.patch_batch(false, name, &json!({"suspend": suspend}));
            }
            4 if self.dice.one_in(2) => self.stretch(),
            4 => {
                let name = self.dice.pick(&JOBS);
                let parallelism = self.dice.roll(4);
                self.patch_batch(false, name, &json!({"parallelism": parallelism}));
            }
            5..8 => {
                let name = self.dice.pick(&CRON_JOBS);
                let spec = self.cron_job(name);
                let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create cron job {object}"));
                let object: CronJob = serde_json::from_value(object).expect("a cron job");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            _ => {
                let name = self.dice.pick(&CRON_JOBS);
                let edit = match self.dice.roll(3) {
                    0 => json!({"suspend": self.dice.one_in(2)}),
                    1 => json!({"schedule": self.dice.pick(&SCHEDULES)}),
                    _ => json!({"concurrencyPolicy": self.dice.pick(&POLICIES)}),
                };
                self.patch_batch(true, name, &edit);
            }
        }
    }

    fn job(&mut self, app: &str) -> Value {
        let completions = self.dice.pick(&[Value::Null, json!(1), json!(2), json!(4)]);
        let indexed = completions != Value::Null && self.dice.one_in(2);
        let mut spec = json!({
            "parallelism": self.dice.roll(4),
            "completions": completions,
            "completionMode": if indexed { "Indexed" } else { "NonIndexed" },
            "backoffLimit": self.dice.pick(&[0, 1, 3]),
            "suspend": self.dice.one_in(6),
            "ttlSecondsAfterFinished": self.dice.pick(&[Value::Null, Value::Null, json!(0), json!(30)]),
            "activeDeadlineSeconds": self.dice.pick(&[Value::Null, Value::Null, json!(5), json!(60)]),
            "template": self.job_template(app),
        });
        if indexed && self.dice.one_in(2) {
            spec["backoffLimitPerIndex"] = json!(self.dice.roll(2));
            spec["template"]["spec"]["restartPolicy"] = "Never".into();
        }
        if indexed && self.dice.one_in(3) {
            spec["successPolicy"] = self
                .dice
                .pick(&[json!({"rules": [{"succeededIndexes": "0"}]}), json!({"rules": [{"succeededCount": 1}]})]);
        }
        if self.dice.one_in(4) {
            let disrupted = json!([{"type": "DisruptionTarget", "status": "True"}]);
            let ignore = json!({"action": "Ignore", "onPodConditions": disrupted});
            let action = self.dice.pick(&["FailJob", "Count"]);
            let crash = json!({"action": action, "onExitCodes": {"operator": "In", "values": [1]}});
            spec["podFailurePolicy"] = json!({"rules": [ignore, crash]});
            spec["template"]["spec"]["restartPolicy"] = "Never".into();
        } else if self.dice.one_in(3) {
            spec["podReplacementPolicy"] = self.dice.pick(&["Failed", "TerminatingOrFailed"]).into();
        }
        spec
    }

    /// Another number of indexes for a Job that has as many as run at a time.
    fn stretch(&mut self) {
        let name = self.dice.pick(&JOBS);
        let number = 1 + self.dice.roll(4);
        let found = self.cluster.snapshot().find(kind::JOB, "default", name).and_then(|object| object.typed::<Job>());
        let is_elastic = found.is_some_and(|job| {
            let Some(spec) = &job.spec else { return false };
            let is_under_way = job.status.as_ref().is_none_or(|status| status.conditions.is_none());
            let indexed = spec.completion_mode.as_deref() == Some("Indexed");
            indexed && is_under_way && spec.completions == spec.parallelism
        });
        if is_elastic {
            self.patch_batch(false, name, &json!({"completions": number, "parallelism": number}));
        }
    }

    fn job_template(&mut self, app: &str) -> Value {
        let image = self.dice.pick(&["web:1", "web:1", "slow:1", "stubborn:1", "crash:1"]);
        let seconds = self.dice.pick(&["1", "7", "40"]);
        let mut container = json!({"name": "app", "image": image});
        if image != "crash:1" {
            container["command"] = json!(["sleep", seconds]);
        }
        json!({"metadata": {"labels": {"app": app}}, "spec": {
            "restartPolicy": self.dice.pick(&["Never", "OnFailure"]),
            "terminationGracePeriodSeconds": self.dice.pick(&[0, 5]),
            "containers": [container],
        }})
    }

    fn cron_job(&mut self, app: &str) -> Value {
        json!({
            "schedule": self.dice.pick(&SCHEDULES),
            "concurrencyPolicy": self.dice.pick(&POLICIES),
            "startingDeadlineSeconds": self.dice.pick(&[Value::Null, json!(10), json!(100)]),
            "successfulJobsHistoryLimit": self.dice.roll(3),
            "failedJobsHistoryLimit": self.dice.roll(2),
            "jobTemplate": {"spec": {"backoffLimit": self.dice.roll(2), "template": self.job_template(app)}},
        })
    }

    fn patch_batch(&mut self, is_cron: bool, name: &str, spec: &Value) {
        let kind = if is_cron { kind::CRON_JOB } else { kind::JOB };
        self.note(format!("patch {name}: {spec}"));
        let result = self.cluster.patch(kind, name, Patch::Merge(json!({"spec": spec})));
        self.accept(result.map(|_| ()));
    }

    /// After this no CronJob starts anything, and every Job may go on to its end.
    pub(super) fn let_jobs_end(&mut self) {
        for name in CRON_JOBS {
            self.patch_batch(true, name, &json!({"suspend": true}));
        }
        for name in JOBS {
            self.patch_batch(false, name, &json!({"suspend": false, "parallelism": 2}));
        }
    }
}

const SCHEDULES: [&str; 3] = ["* * * * *", "*/2 * * * *", "@hourly"];
const POLICIES: [&str; 3] = ["Allow", "Forbid", "Replace"];

/// A Job that has not ended as it was meant to, or a CronJob that keeps more than it says.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    let snapshot = cluster.snapshot();
    let jobs = || snapshot.list(kind::JOB).find_map(|object| job_missing(cluster, object));
    jobs().or_else(|| snapshot.list(kind::CRON_JOB).find_map(|object| cron_job_missing(cluster, object)))
}

fn job_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let job: &Job = object.typed()?;
    let (spec, status) = (job.spec.clone()?, job.status.clone().unwrap_or_default());
    let path = object.meta.path();
    let Some(end) = end(&status) else { return Some(format!("job {path} has not ended: {status:?}")) };
    if object.meta.is_deleting() {
        return Some(format!("job {path} is on its way out"));
    }
    let uncounted = status.uncounted_terminated_pods.clone().unwrap_or_default();
    let is_counted = uncounted.succeeded.iter().chain(&uncounted.failed).flatten().next().is_none();
    let is_over = status.active.unwrap_or(0) == 0 && status.terminating.unwrap_or(0) == 0 && is_counted;
    let needed = spec.completions.unwrap_or(1);
    let is_enough = spec.success_policy.is_some() || status.succeeded.unwrap_or(0) >= needed;
    let is_right = end != "Complete" || is_enough;
    if !is_over || !is_right {
        return Some(format!("job {path} ended as {end} with {status:?}"));
    }
    let pods = cluster.snapshot().owned_by(object.meta.uid);
    let mut kept = pods.filter(|pod| pod.meta.finalizers.iter().any(|finalizer| finalizer == TRACKING));
    if let Some(pod) = kept.next() {
        return Some(format!("{} is still held for its job", pod.meta.path()));
    }
    let ttl = spec.ttl_seconds_after_finished?;
    Some(format!("job {path} is there beyond its {ttl} s"))
}

fn cron_job_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let cron: &CronJob = object.typed()?;
    let active = cron.status.as_ref().and_then(|status| status.active.clone()).unwrap_or_default();
    let count = |wanted: &str| {
        let jobs = cluster.snapshot().owned_by(object.meta.uid).filter_map(|job| job.typed::<Job>());
        let ends = jobs.filter_map(|job| end(job.status.as_ref()?));
        ends.filter(|end| *end == wanted).count()
    };
    let (complete, failed) = (count("Complete"), count("Failed"));
    let limit = |limit: Option<i32>, default| usize::try_from(limit.unwrap_or(default)).unwrap_or(0);
    let keeps = complete <= limit(cron.spec.successful_jobs_history_limit, 3)
        && failed <= limit(cron.spec.failed_jobs_history_limit, 1);
    (!keeps || !active.is_empty()).then(|| {
        let path = object.meta.path();
        format!("cron job {path} has {complete} complete and {failed} failed jobs, and says that {active:?} are active")
    })
}

fn end(status: &JobStatus) -> Option<String> {
    let conditions = status.conditions.iter().flatten();
    let mut ends = conditions.filter(|found| matches!(&*found.type_, "Complete" | "Failed") && found.status == "True");
    ends.next().map(|found| found.type_.clone())
}
