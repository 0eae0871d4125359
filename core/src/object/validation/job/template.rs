//! A Job's template never changes, except for where its pods go and what they may use while the Job is suspended.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, Container, PodSpec, PodTemplateSpec};

use super::super::checks::same;
use super::super::shared::SPEC;
use super::super::{go_type, names};
use crate::object::field::FieldErrors;

pub(super) fn update(new_job: &Job, old_job: &Job, new: &JobSpec, old: &JobSpec, errors: &mut FieldErrors) {
    if same(&new.template, &old.template) {
        return;
    }
    let suspended = old.suspend == Some(true);
    let mut before = old.template.clone();
    if suspended && has_no_pods(new_job, old_job, new) {
        scheduling(&mut before, &new.template);
    }
    let template = SPEC.field("template");
    if !suspended {
        if !same(&new.template, &before) {
            errors.invalid_json(&template, go_type::compact(&new.template, "PodTemplateSpec"), names::IMMUTABLE);
        }
        return;
    }
    let pod = new.template.spec.clone().unwrap_or_default();
    let mut before = before.spec.unwrap_or_default();
    resources(&mut before, &pod);
    if !same(&pod, &before) {
        errors.invalid_json(&SPEC.field("template.spec"), go_type::compact(&pod, "PodSpec"), names::IMMUTABLE);
    }
}

/// Where pods go may change for a suspended Job that has not started, or whose pods are all gone.
fn has_no_pods(new: &Job, old: &Job, spec: &JobSpec) -> bool {
    let status = old.status.clone().unwrap_or_default();
    let not_started = status.start_time.is_none();
    let _ = new;
    let suspended = spec.suspend == Some(true) || old.spec.as_ref().is_some_and(|spec| spec.suspend == Some(true));
    not_started || (suspended && status.active.unwrap_or(0) == 0)
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
