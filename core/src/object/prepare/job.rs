//! Jobs: a selector that matches the pods of this job and of no other, unless the user brings one.

use k8s_openapi::api::batch::v1::Job;

use super::disabled::drop_from_spec;
use super::metadata::count;
use super::{Prepare, Request};
use crate::object::wire::same;

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// The labels' names before they had a prefix; pods carry both.
const OLD_CONTROLLER_UID: &str = "controller-uid";
const OLD_JOB_NAME: &str = "job-name";

impl Prepare for Job {
    fn create(&mut self, _: &Request<'_>) {
        self.status = Some(Default::default());
        self.metadata.generation = Some(1);
        let manual = self.spec.as_ref().is_some_and(|spec| spec.manual_selector == Some(true));
        if !manual {
            generate_selector(self);
        }
        prepare_template(self);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        self.status.clone_from(&old.status);
        prepare_template(self);
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
    }
}

fn prepare_template(job: &mut Job) {
    if let Some(spec) = job.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) {
        drop_from_spec(spec);
    }
}

/// The uid selects; the name is there for people. What the user has set already stays, for validation to judge.
fn generate_selector(job: &mut Job) {
    let uid = job.metadata.uid.clone().unwrap_or_default();
    let name = job.metadata.name.clone().unwrap_or_default();
    let spec = job.spec.get_or_insert_default();
    let labels = spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
    let new = [(OLD_JOB_NAME, &name), (JOB_NAME, &name), (OLD_CONTROLLER_UID, &uid), (CONTROLLER_UID, &uid)];
    for (label, value) in new {
        labels.entry(label.to_owned()).or_insert_with(|| value.clone());
    }
    // A job without labels of its own takes those of its pods.
    if job.metadata.labels.as_ref().is_none_or(|labels| labels.is_empty()) {
        job.metadata.labels = Some(labels.clone());
    }
    let selector = spec.selector.get_or_insert_default().match_labels.get_or_insert_default();
    selector.entry(CONTROLLER_UID.to_owned()).or_insert(uid);
}
