//! Jobs: generated selectors, indexes and policies that fit each other, and a spec that mostly cannot change.
//!
//! Source: `pkg/apis/batch/validation`, and the job strategy in `pkg/registry/batch/job`.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::checks::{self, immutable, nonnegative_if};
use super::fields::{one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, meta_update};
use crate::object::field::{FieldErrors, Path};

mod indexes;
mod policy;
mod status;
mod template;

pub use status::job_status_update;

/// How many pods of an Indexed job may run at once, and how many indexes may fail.
const INDEXED_MAX: i32 = 100_000;
/// With a backoff limit per index, more completions than this lower the two limits below.
const COMPLETIONS_SOFT_MAX: i32 = 100_000;
const HIGH_COMPLETIONS_MAX: i32 = 10_000;
const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const MANAGED_BY_BYTES_MAX: usize = 63;

/// What is wrong with a new Job, whose selector and labels are already generated.
pub fn job(job: &Job) -> FieldErrors {
    whole(job, true)
}

fn whole(job: &Job, needs_prefixed_labels: bool) -> FieldErrors {
    let mut errors = shared::namespaced(&job.metadata, name_is_dns_subdomain);
    let default = JobSpec::default();
    let spec = job.spec.as_ref().unwrap_or(&default);
    generated_selector(job, spec, needs_prefixed_labels, &mut errors);
    spec_and_selector(spec, &mut errors);
    if let (true, Some(completions @ 1..)) = (is_indexed(spec), spec.completions) {
        // The last index is part of a host name.
        let name = text(&job.metadata.name);
        let host = format!("{name}-{}", completions - 1);
        if !names::dns1123_label(&host).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {host}");
            errors.invalid(&METADATA.field("name"), name, detail);
        }
    }
    errors
}

/// What is wrong with a changed Job.
pub fn job_update(new: &Job, old: &Job) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let default = JobSpec::default();
    let before = old.spec.as_ref().unwrap_or(&default);
    let had = |key: &str| shared::template_labels(&before.template).is_some_and(|labels| labels.contains_key(key));
    let mut errors = whole(new, had(CONTROLLER_UID) && had(JOB_NAME));
    errors.append(meta_update(&new.metadata, &old.metadata));
    let after = new.spec.as_ref().unwrap_or(&default);
    spec_and_selector(after, &mut errors);
    completions_update(after, before, &mut errors);
    checks::immutable_selector(&after.selector, &before.selector, &SPEC.field("selector"), &mut errors);
    template::update(old, after, before, &mut errors);
    immutable(&after.completion_mode, &before.completion_mode, &SPEC.field("completionMode"), &mut errors);
    policy::immutable(after, before, &mut errors);
    errors
}

fn is_indexed(spec: &JobSpec) -> bool {
    text(&spec.completion_mode) == "Indexed"
}

/// A selector that is not the user's must be the one that the cluster generates.
fn generated_selector(job: &Job, spec: &JobSpec, needs_prefixed_labels: bool, errors: &mut FieldErrors) {
    let Some(selector) = spec.selector.as_ref().filter(|_| spec.manual_selector != Some(true)) else { return };
    let (uid, name) = (text(&job.metadata.uid), text(&job.metadata.name));
    if uid.is_empty() {
        errors.required(&METADATA.field("uid"), "");
    }
    let expected = [("controller-uid", uid), ("job-name", name), (CONTROLLER_UID, uid), (JOB_NAME, name)];
    // Jobs that are older than the labels with a prefix do without these.
    let expected = expected.into_iter().take(if needs_prefixed_labels { 4 } else { 2 });
    let (template, labels) = (SPEC.field("template"), shared::template_labels(&spec.template));
    let (metadata, has) = (template.field("metadata"), |key| labels.and_then(|labels| labels.get(key)));
    for (key, value) in expected.clone() {
        let path = metadata.field("labels");
        match has(key) {
            None => errors.required(&path.key(key), format!("must be '{value}'")),
            Some(other) if other != value => {
                let shown = labels.map_or(serde_json::Value::Null, checks::json);
                errors.invalid(&path.key(key), shown, format!("must be '{value}'"));
            }
            Some(_) => {}
        }
    }
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    if shared::matches(selector, Some(&expected)) == Some(false) {
        let shown = checks::selector_text(selector);
        errors.invalid_json(&SPEC.field("selector"), shown, "`selector` not auto-generated");
    }
}

fn spec_and_selector(spec: &JobSpec, errors: &mut FieldErrors) {
    job_spec(spec, &SPEC, errors);
    let path = SPEC.field("selector");
    match &spec.selector {
        Some(selector) => shared::selector(selector, &path, errors),
        None => errors.required(&path, ""),
    }
    let none = LabelSelector::default();
    let matches = match &spec.selector {
        // Unlike a required selector, `{}` is one that was given: it matches everything.
        Some(selector) if shared::selects_all(selector) => Some(true),
        selector => shared::matches(selector.as_ref().unwrap_or(&none), shared::template_labels(&spec.template)),
    };
    if matches == Some(false) {
        shared::mismatch(&spec.template, &SPEC.field("template"), errors);
    }
}

/// The spec of a Job or of a CronJob's jobs, without its selector.
pub(super) fn job_spec(spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    nonnegative_if(spec.parallelism, &path.field("parallelism"), errors);
    nonnegative_if(spec.completions, &path.field("completions"), errors);
    nonnegative_if(spec.active_deadline_seconds, &path.field("activeDeadlineSeconds"), errors);
    nonnegative_if(spec.backoff_limit, &path.field("backoffLimit"), errors);
    nonnegative_if(spec.ttl_seconds_after_finished, &path.field("ttlSecondsAfterFinished"), errors);
    let per_index = path.field("backoffLimitPerIndex");
    nonnegative_if(spec.backoff_limit_per_index, &per_index, errors);
    nonnegative_if(spec.max_failed_indexes, &path.field("maxFailedIndexes"), errors);
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errors.required(&per_index, "when maxFailedIndexes is specified");
    }
    if let Some(manager) = &spec.managed_by {
        let path = path.field("managedBy");
        names::domain_prefixed_path(manager, &path, errors);
        if manager.len() > MANAGED_BY_BYTES_MAX {
            errors.too_long(&path, MANAGED_BY_BYTES_MAX);
        }
    }
    completion_mode(spec, path, errors);
    policy::all(spec, path, errors);
    shared::pod_template(&spec.template, &path.field("template"), errors);
    restart_policy(spec, path, errors);
}

fn completion_mode(spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(mode) = &spec.completion_mode {
        one_of(mode, &["NonIndexed", "Indexed"], &path.field("completionMode"), errors);
    }
    if is_indexed(spec) {
        indexed(spec, path, errors);
    }
    if matches!(spec.completion_mode.as_deref(), None | Some("NonIndexed")) {
        let detail = "requires indexed completion mode";
        if let Some(limit) = spec.backoff_limit_per_index {
            errors.invalid(&path.field("backoffLimitPerIndex"), limit, detail);
        }
        if let Some(max) = spec.max_failed_indexes {
            errors.invalid(&path.field("maxFailedIndexes"), max, detail);
        }
    }
}

fn indexed(spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let (parallelism_path, max_failed_path) = (path.field("parallelism"), path.field("maxFailedIndexes"));
    if spec.completions.is_none() {
        errors.required(&path.field("completions"), "when completion mode is Indexed");
    }
    if let Some(parallelism) = spec.parallelism.filter(|parallelism| *parallelism > INDEXED_MAX) {
        let detail = format!("must be less than or equal to {INDEXED_MAX} when completion mode is Indexed");
        errors.invalid(&parallelism_path, parallelism, detail);
    }
    if let Some(max_failed) = spec.max_failed_indexes {
        if spec.completions.is_some_and(|completions| max_failed > completions) {
            errors.invalid(&max_failed_path, max_failed, "must be less than or equal to completions");
        }
        if max_failed > INDEXED_MAX {
            errors.invalid(&max_failed_path, max_failed, format!("must be less than or equal to {INDEXED_MAX}"));
        }
    }
    if spec.completions.is_none_or(|completions| completions <= COMPLETIONS_SOFT_MAX)
        || spec.backoff_limit_per_index.is_none()
    {
        return;
    }
    let detail = format!(
        "must be less than or equal to {HIGH_COMPLETIONS_MAX} when completions are above {COMPLETIONS_SOFT_MAX} and \
         used with backoff limit per index"
    );
    if spec.max_failed_indexes.is_none() {
        let detail = format!("must be specified when completions is above {COMPLETIONS_SOFT_MAX}");
        errors.required(&max_failed_path, detail);
    }
    if let Some(parallelism) = spec.parallelism.filter(|parallelism| *parallelism > HIGH_COMPLETIONS_MAX) {
        errors.invalid(&parallelism_path, parallelism, &detail);
    }
    if let Some(max_failed) = spec.max_failed_indexes.filter(|max_failed| *max_failed > HIGH_COMPLETIONS_MAX) {
        errors.invalid(&max_failed_path, max_failed, &detail);
    }
}

fn restart_policy(spec: &JobSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let (template, pod) = (path.field("template"), spec.template.spec.as_ref());
    let template_spec = template.field("spec");
    let path = template_spec.field("restartPolicy");
    match pod.and_then(|pod| pod.restart_policy.as_deref()).unwrap_or_default() {
        "" | "Always" => errors.required(&path, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(&path, "OnFailure", detail);
        }
        "OnFailure" | "Never" => {}
        other => errors.not_supported(&path, other, &["OnFailure", "Never"]),
    }
}

/// The completions of an Indexed job may change together with its parallelism.
fn completions_update(new: &JobSpec, old: &JobSpec, errors: &mut FieldErrors) {
    let path = SPEC.field("completions");
    if !is_indexed(new) {
        return immutable(&new.completions, &old.completions, &path, errors);
    }
    if new.completions == old.completions {
        return;
    }
    if let Some(completions) = new.completions.filter(|completions| Some(*completions) != new.parallelism) {
        errors.invalid(&path, completions, "can only be modified in tandem with spec.parallelism");
    }
}
