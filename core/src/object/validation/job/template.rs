//! A Job's template never changes, except for where its pods go and what they may use while the Job is suspended.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, Container, PodSpec, PodTemplateSpec};

use super::super::checks::same;
use super::super::shared::SPEC;
use super::super::{go_type, names};
use super::status::is_true;
use crate::object::field::FieldErrors;

pub(super) fn update(old_job: &Job, new: &JobSpec, old: &JobSpec, errors: &mut FieldErrors) {
    if same(&new.template, &old.template) {
        return;
    }
    if !may_change(old_job, old) {
        let shown = go_type::compact(&new.template, "PodTemplateSpec");
        return errors.invalid_json(&SPEC.field("template"), shown, names::IMMUTABLE);
    }
    let mut before = old.template.clone();
    scheduling(&mut before, &new.template);
    let pod = new.template.spec.clone().unwrap_or_default();
    let mut before = before.spec.unwrap_or_default();
    resources(&mut before, &pod);
    if !same(&pod, &before) {
        errors.invalid_json(&SPEC.field("template.spec"), go_type::compact(&pod, "PodSpec"), names::IMMUTABLE);
    }
}

/// A suspended Job may be changed that has not started, or that is known to be suspended and has no pods.
fn may_change(job: &Job, spec: &JobSpec) -> bool {
    let status = job.status.clone().unwrap_or_default();
    let waits = status.start_time.is_none() || is_true(&status, "Suspended");
    spec.suspend == Some(true) && waits && status.active.unwrap_or(0) == 0
}

fn scheduling(old: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let (Some(old_pod), Some(pod)) = (&mut old.spec, &new.spec) else { return };
    match (&pod.affinity, &mut old_pod.affinity) {
        (None, Some(affinity)) => {
            affinity.node_affinity = None;
            if *affinity == Affinity::default() {
                old_pod.affinity = None;
            }
        }
        (Some(affinity), None) => {
            let node_affinity = affinity.node_affinity.clone();
            old_pod.affinity = Some(Affinity { node_affinity, ..Affinity::default() });
        }
        (Some(affinity), Some(before)) => before.node_affinity.clone_from(&affinity.node_affinity),
        (None, None) => {}
    }
    old_pod.node_selector.clone_from(&pod.node_selector);
    old_pod.tolerations.clone_from(&pod.tolerations);
    old_pod.scheduling_gates.clone_from(&pod.scheduling_gates);
    let meta = new.metadata.clone().unwrap_or_default();
    let before = old.metadata.get_or_insert_default();
    (before.labels, before.annotations) = (meta.labels, meta.annotations);
}

fn resources(old: &mut PodSpec, new: &PodSpec) {
    let copy = |old: &mut [Container], new: &[Container]| {
        if old.len() == new.len() {
            for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old.name == new.name) {
                old.resources.clone_from(&new.resources);
            }
        }
    };
    copy(&mut old.containers, &new.containers);
    if let (Some(old), Some(new)) = (&mut old.init_containers, &new.init_containers) {
        copy(old, new);
    }
}
