//! The set of the current template: found among those that exist, or made.
//!
//! It carries the highest revision number; one that is rolled back to gets the next number and remembers its old ones.

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::work::{DESIRED_REPLICAS, MAX_REPLICAS, REVISION, REVISION_HISTORY, Work};
use super::{progress, rolling};
use crate::control::claim::controller_reference;
use crate::object::template_hash::{self, POD_TEMPLATE_HASH_LABEL};
use crate::store::StringMap;

/// Annotations of the Deployment that are its own business and not copied to its sets.
pub(super) const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    ROLLBACK_TO,
];
/// The annotation by which a Deployment is asked to roll back.
pub(super) const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";

/// Longest list of old revision numbers, in bytes.
const REVISION_HISTORY_BYTES_MAX: usize = 2000;

/// Finds the set of the current template and brings its revision and annotations up to date.
pub(super) fn find(work: &mut Work<'_, '_>) {
    work.current =
        work.rows.iter().position(|row| same_template(&row.set.spec.template, &work.deployment.spec.template));
    let Some(index) = work.current else { return };
    let revision = next_revision(work);
    let min_ready = work.deployment.spec.min_ready_seconds;
    let annotations = copied_annotations(work);
    let row = &mut work.rows[index];
    for (key, value) in annotations {
        row.annotate(&key, value);
    }
    let current = row.number(REVISION);
    // What somebody wrote there that is no number stays.
    let is_foreign = current.is_none() && row.annotation(REVISION).is_some_and(|text| !text.is_empty());
    if !is_foreign && current.is_none_or(|current| current < revision) {
        if let Some(old) = current {
            let history = with_revision(row.annotation(REVISION_HISTORY), old);
            row.annotate(REVISION_HISTORY, history);
        }
        row.annotate(REVISION, revision.to_string());
    }
    row.set_min_ready_seconds(min_ready);
    let revision = row.annotation(REVISION).unwrap_or_default().to_owned();
    work.annotate(REVISION, &revision);
    progress::found(work);
}

/// Finds the set of the current template, or makes it with as many pods as the rollout allows at once.
pub(super) fn find_or_create(work: &mut Work<'_, '_>) {
    find(work);
    if work.current.is_some() {
        return;
    }
    let revision = next_revision(work);
    let set = blank_set(work, revision);
    let name = set.metadata.name.clone().unwrap_or_default();
    work.create(set);
    work.annotate(REVISION, &revision.to_string());
    progress::created(work, &name);
    if let Some(index) = work.current {
        let replicas = rolling::allowed_replicas(work, index);
        work.remember_size(index);
        work.scale(index, replicas);
    }
}

/// What the set of the current template is called when it is made.
pub(super) fn name(work: &Work<'_, '_>) -> String {
    format!("{}-{}", work.observed.object.meta.name, hash(work))
}

fn hash(work: &Work<'_, '_>) -> String {
    let collisions = work.deployment.status.as_ref().and_then(|status| status.collision_count);
    template_hash::of(&work.deployment.spec.template, collisions).to_string()
}

fn blank_set(work: &Work<'_, '_>, revision: i64) -> ReplicaSet {
    let owner = &work.observed.object.meta;
    let spec = &work.deployment.spec;
    let hash = hash(work);
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash);
    let mut annotations = copied_annotations(work);
    annotations.insert(REVISION.to_owned(), revision.to_string());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(name(work)),
            namespace: Some(owner.namespace.to_string()),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: Some(0),
            selector,
            template: Some(template),
        },
        status: None,
    }
}

/// One more than the highest number of the other sets.
fn next_revision(work: &Work<'_, '_>) -> i64 {
    work.old().filter_map(|index| work.rows[index].number(REVISION)).max().unwrap_or(0) + 1
}

fn copied_annotations(work: &Work<'_, '_>) -> StringMap {
    let all = work.observed.deployment.metadata.annotations.iter().flatten();
    all.filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The history with one more number at its end; the oldest go when it grows too long.
fn with_revision(history: Option<&str>, revision: i64) -> String {
    let mut numbers: Vec<String> = history
        .into_iter()
        .flat_map(|history| history.split(','))
        .filter(|number| !number.is_empty())
        .map(str::to_owned)
        .collect();
    numbers.push(revision.to_string());
    // A comma after each but the last.
    let length = |numbers: &[String]| numbers.iter().map(|number| number.len() + 1).sum::<usize>() - 1;
    while numbers.len() > 1 && length(&numbers) > REVISION_HISTORY_BYTES_MAX {
        numbers.remove(0);
    }
    numbers.join(",")
}

/// Templates are the same when they differ in nothing but the hash label.
pub(super) fn same_template(of_set: &Option<PodTemplateSpec>, of_deployment: &PodTemplateSpec) -> bool {
    let Some(of_set) = of_set else { return false };
    of_set.spec == of_deployment.spec && bare_meta(of_set) == bare_meta(of_deployment)
}

fn bare_meta(template: &PodTemplateSpec) -> ObjectMeta {
    let mut meta = template.metadata.clone().unwrap_or_default();
    if let Some(labels) = &mut meta.labels {
        labels.remove(POD_TEMPLATE_HASH_LABEL);
    }
    meta.labels = meta.labels.filter(|labels| !labels.is_empty());
    meta.annotations = meta.annotations.filter(|annotations| !annotations.is_empty());
    meta.creation_timestamp = None;
    meta
}
