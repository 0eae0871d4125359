//! Jobs and CronJobs.

use serde_json::Value;

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::pod;
use super::read::{NONE, UNSET, at, between, count, filled, items, optional, selector, switch, text, text_or, time};

/// Longer lists of indexes are cut at the next comma.
const INDEXES_MAX: usize = 50;

pub(super) fn tell(lines: &mut Lines, kind: &str, object: &Value) -> Option<Events> {
    match kind {
        "Job" => job(lines, object),
        "CronJob" => cron_job(lines, object),
        _ => return None,
    }
    Some(Events::Shown)
}

fn job(lines: &mut Lines, job: &Value) {
    metadata::names(lines, job);
    lines.put(0, "Selector", selector(job, "/spec/selector"));
    metadata::notes(lines, job);
    metadata::controlled_by(lines, job);
    lines.put_if(0, "Parallelism", optional(job, "/spec/parallelism"));
    lines.put(0, "Completions", text_or(job, "/spec/completions", UNSET));
    for (title, part) in [
        ("Completion Mode", "/spec/completionMode"),
        ("Suspend", "/spec/suspend"),
        ("Backoff Limit", "/spec/backoffLimit"),
        ("TTL Seconds After Finished", "/spec/ttlSecondsAfterFinished"),
    ] {
        lines.put_if(0, title, optional(job, part));
    }
    for (title, part) in [("Start Time", "/status/startTime"), ("Completed At", "/status/completionTime")] {
        if !at(job, part).is_null() {
            lines.put(0, title, time(job, part));
        }
    }
    lines.put_if(0, "Duration", between(job, "/status/startTime", "/status/completionTime"));
    if let Some(seconds) = optional(job, "/spec/activeDeadlineSeconds") {
        lines.put(0, "Active Deadline Seconds", format_args!("{seconds}s"));
    }
    let [active, succeeded, failed] =
        ["active", "succeeded", "failed"].map(|part| count(job, &format!("/status/{part}")));
    let ready = optional(job, "/status/ready").map(|ready| format!(" ({ready} Ready)")).unwrap_or_default();
    lines.put(0, "Pods Statuses", format_args!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"));
    if text(job, "/spec/completionMode") == "Indexed" {
        lines.put(0, "Completed Indexes", cut(&text(job, "/status/completedIndexes")));
    }
    pod::template(lines, at(job, "/spec/template"));
}

fn cut(indexes: &str) -> String {
    if indexes.is_empty() {
        return NONE.to_owned();
    }
    match indexes.get(INDEXES_MAX..).and_then(|rest| rest.find(',')) {
        Some(comma) => format!("{}...", &indexes[..=INDEXES_MAX + comma]),
        None => indexes.to_owned(),
    }
}

fn cron_job(lines: &mut Lines, cron: &Value) {
    metadata::names(lines, cron);
    metadata::notes(lines, cron);
    lines.put(0, "Schedule", text(cron, "/spec/schedule"));
    lines.put(0, "Concurrency Policy", text(cron, "/spec/concurrencyPolicy"));
    lines.put(0, "Suspend", switch(cron, "/spec/suspend"));
    lines.put(0, "Time Zone", text_or(cron, "/spec/timeZone", UNSET));
    lines.put(0, "Successful Job History Limit", text_or(cron, "/spec/successfulJobsHistoryLimit", UNSET));
    lines.put(0, "Failed Job History Limit", text_or(cron, "/spec/failedJobsHistoryLimit", UNSET));
    let deadline = filled(cron, "/spec/startingDeadlineSeconds").map(|seconds| format!("{seconds}s"));
    lines.put(0, "Starting Deadline Seconds", deadline.as_deref().unwrap_or(UNSET));
    job_template(lines, at(cron, "/spec/jobTemplate"));
    let last = Some(time(cron, "/status/lastScheduleTime"));
    let last = last.filter(|_| !at(cron, "/status/lastScheduleTime").is_null());
    lines.put(0, "Last Schedule Time", last.as_deref().unwrap_or(UNSET));
    let active: Vec<_> = items(cron, "/status/active").iter().map(|job| text(job, "/name")).collect();
    lines.put(0, "Active Jobs", if active.is_empty() { NONE.to_owned() } else { active.join(", ") });
}

fn job_template(lines: &mut Lines, template: &Value) {
    let is_chosen = !at(template, "/spec/selector").is_null();
    lines.put(0, "Selector", if is_chosen { selector(template, "/spec/selector") } else { UNSET.to_owned() });
    lines.put(0, "Parallelism", text_or(template, "/spec/parallelism", UNSET));
    lines.put(0, "Completions", text_or(template, "/spec/completions", UNSET));
    if let Some(seconds) = optional(template, "/spec/activeDeadlineSeconds") {
        lines.put(0, "Active Deadline Seconds", format_args!("{seconds}s"));
    }
    pod::template(lines, at(template, "/spec/template"));
}
