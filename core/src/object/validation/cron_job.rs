//! CronJobs: a schedule that can be read, in a zone that exists, for jobs whose selector is generated.
//!
//! Source: `pkg/apis/batch/validation`.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};

use super::checks::{self, nonnegative_if};
use super::fields::{required_one_of, text};
use super::job;
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, meta_update};
use crate::object::cron::{self, Schedule};
use crate::object::field::{FieldErrors, Path};

/// A job's name is the CronJob's and eleven characters for its time, and may have 63.
const NAME_BYTES_MAX: usize = 52;

/// What is wrong with a new CronJob.
pub fn cron_job(cron_job: &CronJob) -> FieldErrors {
    let mut errors = shared::namespaced(&cron_job.metadata, name_is_dns_subdomain);
    spec(&cron_job.spec, None, &mut errors);
    let name = text(&cron_job.metadata.name);
    if name.len() > NAME_BYTES_MAX {
        errors.invalid(&METADATA.field("name"), name, names::max_characters(NAME_BYTES_MAX));
    }
    errors
}

/// What is wrong with a changed CronJob.
pub fn cron_job_update(new: &CronJob, old: &CronJob) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    spec(&new.spec, Some(&old.spec), &mut errors);
    errors
}

/// What is wrong with a changed status of a CronJob: upstream has no rule beyond those for metadata.
pub fn cron_job_status_update(new: &CronJob, old: &CronJob) -> FieldErrors {
    meta_update(&new.metadata, &old.metadata)
}

fn spec(spec: &CronJobSpec, old: Option<&CronJobSpec>, errors: &mut FieldErrors) {
    let path = SPEC.field("schedule");
    if spec.schedule.is_empty() {
        errors.required(&path, "");
    } else {
        schedule(spec, old.is_some_and(|old| old.schedule.contains("TZ")), &path, errors);
    }
    nonnegative_if(spec.starting_deadline_seconds, &SPEC.field("startingDeadlineSeconds"), errors);
    if old.is_none_or(|old| old.time_zone != spec.time_zone)
        && let Some(zone) = &spec.time_zone
    {
        time_zone(zone, &SPEC.field("timeZone"), errors);
    }
    let path = SPEC.field("concurrencyPolicy");
    required_one_of(text(&spec.concurrency_policy), &["Allow", "Forbid", "Replace"], &path, errors);
    job_template(&spec.job_template, &SPEC.field("jobTemplate"), errors);
    nonnegative_if(spec.successful_jobs_history_limit, &SPEC.field("successfulJobsHistoryLimit"), errors);
    nonnegative_if(spec.failed_jobs_history_limit, &SPEC.field("failedJobsHistoryLimit"), errors);
}

fn schedule(spec: &CronJobSpec, had_zone: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    let text = spec.schedule.as_str();
    if let Err(problem) = Schedule::parse(text) {
        errors.invalid(path, text, problem.to_string());
    }
    match (text.contains("TZ"), had_zone) {
        (true, true) if spec.time_zone.is_some() => {
            errors.invalid(path, text, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
        (true, false) => {
            errors.invalid(path, text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
        _ => {}
    }
}

fn time_zone(zone: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if zone.is_empty() {
        return errors.invalid(path, "", "timeZone must be nil or non-empty string");
    }
    let well_formed = |part: &str| {
        (1..=14).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
            && !part.starts_with('-')
            && !matches!(part, "." | "..")
    };
    let unknown = || format!("unknown time zone {zone}");
    if !zone.split('/').all(well_formed) {
        return errors.invalid(path, zone, unknown());
    }
    if zone.eq_ignore_ascii_case("Local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(path, zone, detail);
    }
    if zone != "Local" && !cron::is_zone(zone) {
        errors.invalid(path, zone, unknown());
    }
}

fn job_template(template: &JobTemplateSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("spec");
    let default = JobSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&default);
    job::job_spec(spec, &path, errors);
    if let Some(selector) = &spec.selector {
        let shown = checks::selector_text(selector);
        errors.invalid_json(&path.field("selector"), shown, "`selector` will be auto-generated");
    }
    if spec.manual_selector == Some(true) {
        errors.not_supported(&path.field("manualSelector"), true, &["nil", "false"]);
    }
}
