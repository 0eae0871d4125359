//! A Job's status: counts and indexes that fit the spec, and conditions that only move forward.
//!
//! Source: `pkg/apis/batch/validation`, and which rules hold for an update in `pkg/registry/batch/job`.

use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};

use super::super::checks::{json, nonnegative_if, same};
use super::super::fields::{list, text};
use super::super::names;
use super::super::shared::{STATUS, meta_update};
use super::{indexes, is_indexed};
use crate::object::field::{FieldErrors, Path};

/// What is wrong with a changed status of a Job.
///
/// Most rules hold only for what the update changes, so that what was stored before they existed can still be updated.
pub fn job_status_update(new: &Job, old: &Job) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (no_spec, no_status) = (JobSpec::default(), JobStatus::default());
    let change = Change {
        spec: new.spec.as_ref().unwrap_or(&no_spec),
        new: new.status.as_ref().unwrap_or(&no_status),
        old: old.status.as_ref().unwrap_or(&no_status),
    };
    counts(change.new, &mut errors);
    change.conditions(&mut errors);
    change.finished(&mut errors);
    change.indexes(&mut errors);
    change.success(&mut errors);
    change.progress(&mut errors);
    errors
}

fn counts(status: &JobStatus, errors: &mut FieldErrors) {
    nonnegative_if(status.active, &STATUS.field("active"), errors);
    nonnegative_if(status.succeeded, &STATUS.field("succeeded"), errors);
    nonnegative_if(status.failed, &STATUS.field("failed"), errors);
    nonnegative_if(status.ready, &STATUS.field("ready"), errors);
    nonnegative_if(status.terminating, &STATUS.field("terminating"), errors);
    let Some(uncounted) = &status.uncounted_terminated_pods else { return };
    let path = STATUS.field("uncountedTerminatedPods");
    let mut seen: Vec<&str> = Vec::new();
    for (field, uids) in [("succeeded", list(&uncounted.succeeded)), ("failed", list(&uncounted.failed))] {
        let path = path.field(field);
        for (index, uid) in uids.iter().enumerate() {
            let path = path.index(index);
            if uid.is_empty() {
                errors.invalid(&path, "", "must not be empty");
            } else if seen.contains(&uid.as_str()) {
                errors.duplicate(&path, uid.as_str());
            } else {
                seen.push(uid);
            }
        }
    }
}

struct Change<'a> {
    spec: &'a JobSpec,
    new: &'a JobStatus,
    old: &'a JobStatus,
}

pub(super) fn is_true(status: &JobStatus, condition: &str) -> bool {
    list(&status.conditions).iter().any(|found| found.type_ == condition && found.status == "True")
}

fn is_finished(status: &JobStatus) -> bool {
    is_true(status, "Complete") || is_true(status, "Failed")
}

impl Change<'_> {
    fn is(&self, condition: &str) -> bool {
        is_true(self.new, condition)
    }

    /// Whether a condition is true now and was not before.
    fn becomes(&self, condition: &str) -> bool {
        self.is(condition) && !is_true(self.old, condition)
    }

    fn becomes_finished(&self) -> bool {
        is_finished(self.new) && !is_finished(self.old)
    }

    fn conditions(&self, errors: &mut FieldErrors) {
        let path = STATUS.field("conditions");
        let completion = STATUS.field("completionTime");
        let (complete, failed) = (self.is("Complete"), self.is("Failed"));
        let completion_changes = self.new.completion_time != self.old.completion_time;
        if complete && failed && (self.becomes("Complete") || self.becomes("Failed")) {
            errors.invalid_omitted(&path, "cannot set Complete=True and Failed=true conditions");
        }
        if complete && self.is("FailureTarget") && (self.becomes("Complete") || self.becomes("FailureTarget")) {
            errors.invalid_omitted(&path, "cannot set Complete=True and FailureTarget=true conditions");
        }
        let no_longer = is_true(self.old, "Complete") && !complete;
        if let Some(time) = self.new.completion_time.as_ref().filter(|_| completion_changes || no_longer)
            && !complete
        {
            let detail = "cannot set completionTime when there is no Complete=True condition";
            errors.invalid(&completion, json(time), detail);
        }
        if self.new.completion_time.is_none() && complete && (self.becomes("Complete") || completion_changes) {
            errors.required(&completion, "completionTime is required for Complete jobs");
        }
        let start_changes = self.new.start_time != self.old.start_time;
        if let (Some(start), Some(end), true) =
            (&self.new.start_time, &self.new.completion_time, start_changes || completion_changes)
            && end.0 < start.0
        {
            errors.invalid(&completion, json(end), "must be equal to or after `startTime`");
        }
        let failed_indexes_change = self.new.failed_indexes != self.old.failed_indexes;
        if failed && (self.becomes("Failed") || failed_indexes_change) && !self.is("FailureTarget") {
            let detail = "cannot set Failed=True condition without the FailureTarget=true condition";
            errors.invalid_omitted(&path, detail);
        }
        let was_met = is_true(self.old, "SuccessCriteriaMet");
        if complete && (self.becomes("Complete") || was_met) && !self.is("SuccessCriteriaMet") {
            let detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            errors.invalid_omitted(&path, detail);
        }
    }

    fn finished(&self, errors: &mut FieldErrors) {
        let (finished, finishes) = (is_finished(self.new), self.becomes_finished());
        let active = self.new.active.unwrap_or(0);
        if finished && active > 0 && (finishes || self.new.active != self.old.active) {
            errors.invalid(&STATUS.field("active"), active, "active>0 is invalid for finished job");
        }
        let never_starts = self.spec.suspend == Some(true) && self.spec.completions == Some(0);
        let lost_start = finishes || self.old.start_time.is_some();
        if finished && self.new.start_time.is_none() && lost_start && !never_starts {
            errors.required(&STATUS.field("startTime"), "startTime is required for finished job");
        }
        let uncounted_changes = !same(&self.new.uncounted_terminated_pods, &self.old.uncounted_terminated_pods);
        if let Some(uncounted) = &self.new.uncounted_terminated_pods {
            let some = list(&uncounted.failed).len() + list(&uncounted.succeeded).len() > 0;
            if some && finished && (finishes || uncounted_changes) {
                let path = STATUS.field("uncountedTerminatedPods");
                let shown =
                    format!("{{\"Succeeded\":{},\"Failed\":{}}}", json(&uncounted.succeeded), json(&uncounted.failed));
                errors.invalid_json(&path, shown, "must be empty for finished job");
            }
        }
    }

    fn indexes(&self, errors: &mut FieldErrors) {
        let (completed, failed) = (text(&self.new.completed_indexes), self.new.failed_indexes.as_deref());
        let completed_changes = self.new.completed_indexes != self.old.completed_indexes;
        let failed_changes = self.new.failed_indexes != self.old.failed_indexes;
        let (completed_path, failed_path) = (STATUS.field("completedIndexes"), STATUS.field("failedIndexes"));
        let list = |field: &str, list: &str, path: &Path<'_>, errors: &mut FieldErrors| {
            let Some(completions) = self.spec.completions else { return };
            if let Err(problem) = indexes::count(list, completions) {
                errors.invalid(path, list, format!("error parsing {field}: {problem}"));
            }
        };
        if completed_changes {
            list("completedIndexes", completed, &completed_path, errors);
        }
        if let (true, Some(failed), Some(_)) = (failed_changes, failed, self.spec.backoff_limit_per_index) {
            list("failedIndexes", failed, &failed_path, errors);
        }
        if completed_changes && !completed.is_empty() && !is_indexed(self.spec) {
            let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.invalid(&completed_path, completed, detail);
        }
        let Some(failed) = failed else { return };
        if failed_changes && self.spec.backoff_limit_per_index.is_none() {
            let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            errors.invalid(&failed_path, failed, detail);
        }
        if let (Some(completions), true) = (self.spec.completions, completed_changes || failed_changes)
            && let Some(index) = indexes::overlap(completed, failed, completions)
        {
            let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
            errors.invalid(&failed_path, failed, detail);
        }
    }

    fn success(&self, errors: &mut FieldErrors) {
        let path = STATUS.field("conditions");
        if let Some(terminating @ 1..) = self.new.terminating
            && is_finished(self.new)
            && (self.becomes_finished() || self.new.terminating != self.old.terminating)
        {
            let detail = "terminating>0 is invalid for finished job";
            errors.invalid(&STATUS.field("terminating"), terminating, detail);
        }
        let counts_change = self.new.ready != self.old.ready || self.new.active != self.old.active;
        if let Some(ready) = self.new.ready.filter(|ready| counts_change && *ready > self.new.active.unwrap_or(0)) {
            errors.invalid(&STATUS.field("ready"), ready, "cannot set more ready pods than active");
        }
        let met = self.is("SuccessCriteriaMet");
        if met && self.is("Failed") {
            errors.invalid_omitted(&path, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
        }
        if met && self.is("FailureTarget") {
            errors.invalid_omitted(&path, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
        }
        if self.spec.success_policy.is_some() && !met && self.is("Complete") {
            let detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
            errors.invalid_omitted(&path, detail);
        }
    }

    fn progress(&self, errors: &mut FieldErrors) {
        let path = STATUS.field("conditions");
        for condition in ["Failed", "Complete", "FailureTarget"] {
            if is_true(self.old, condition) && !self.is(condition) {
                errors.invalid_omitted(&path, format!("cannot disable the terminal {condition}=True condition"));
            }
        }
        let counters = [
            ("failed", self.new.failed.unwrap_or(0), self.old.failed.unwrap_or(0)),
            ("succeeded", self.new.succeeded.unwrap_or(0), self.old.succeeded.unwrap_or(0)),
        ];
        // Scaling down an Indexed job may take away some that succeeded.
        let scales = is_indexed(self.spec) && self.spec.completions == self.spec.parallelism;
        for (field, new, old) in counters {
            if new < old && !(field == "succeeded" && scales) {
                errors.invalid(&STATUS.field(field), new, format!("cannot decrease the {field} counter"));
            }
        }
        if let (Some(new), Some(old)) = (&self.new.completion_time, &self.old.completion_time)
            && new != old
        {
            errors.invalid(&STATUS.field("completionTime"), json(new), names::IMMUTABLE);
        }
        let resumes = is_true(self.old, "Suspended")
            && list(&self.new.conditions).iter().any(|one| one.type_ == "Suspended" && one.status == "False");
        if self.old.start_time.is_some()
            && self.new.start_time != self.old.start_time
            && self.spec.suspend != Some(true)
            && !resumes
        {
            let detail = "field is immutable for unsuspended job once set";
            errors.invalid(&STATUS.field("startTime"), json(&self.new.start_time), detail);
        }
        let (was_met, is_met) = (is_true(self.old, "SuccessCriteriaMet"), self.is("SuccessCriteriaMet"));
        if was_met && !is_met {
            errors.invalid_omitted(&path, "cannot disable the SuccessCriteriaMet=True condition");
        }
        if is_true(self.old, "Complete") && !was_met && is_met {
            let detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
            errors.invalid_omitted(&path, detail);
        }
    }
}
