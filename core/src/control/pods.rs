//! What controllers ask of pods, and how they make one from a template.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};

use super::claim::controller_reference;
use crate::object::kind;
use crate::store::{Body, Change, Draft, Expect, Meta, Misread, Object, PodBody, PodState, StringMap};
use crate::time::Time;

/// Whether a pod counts: it has not ended and is not being deleted.
pub fn is_active(object: &Object) -> bool {
    !object.meta.is_deleting() && object.pod().is_some_and(|pod| !pod.is_finished())
}

/// Whether a pod is being deleted and has not ended.
pub fn is_terminating(object: &Object) -> bool {
    object.meta.is_deleting() && object.pod().is_some_and(|pod| !pod.is_finished())
}

/// Whether a pod is ready.
pub fn is_ready(object: &Object) -> bool {
    object.pod().is_some_and(PodBody::is_ready)
}

/// From when on a pod counts as available: it has been ready for `min_ready`. `None` while it is not ready.
pub fn available_from(object: &Object, min_ready: Duration) -> Option<Time> {
    let ready_since = object.pod()?.state.ready_since();
    if min_ready.is_zero() {
        return is_ready(object).then(|| ready_since.unwrap_or(Time::EPOCH));
    }
    ready_since.map(|since| since + min_ready)
}

/// Whether a change leaves all of a pod that a set judges it by: who it is, its spec, its phase, and since when it is ready.
/// Where it is placed, and how far it is on its way, is none of that.
pub fn is_immaterial(change: &Change) -> bool {
    let (Some(before), Some(after)) = (change.before.as_ref(), change.after()) else { return false };
    let (Some(old), Some(new)) = (before.pod(), after.pod()) else { return false };
    let state = |pod: &PodBody| (pod.state.phase, pod.is_ready(), pod.state.ready_since());
    before.meta.deletion == after.meta.deletion
        && before.meta.labels == after.meta.labels
        && before.meta.has_owners_of(&after.meta)
        && before.meta.finalizers == after.meta.finalizers
        && Arc::ptr_eq(&old.spec, &new.spec)
        && state(old) == state(new)
}

/// The seconds of `minReadySeconds` and its like.
pub fn seconds(seconds: Option<i32>) -> Duration {
    Duration::from_secs(u64::try_from(seconds.unwrap_or(0)).unwrap_or(0))
}

/// What the pods of one owner and template share.
#[derive(Clone, Debug)]
pub struct PodMold {
    meta: Meta,
    spec: Arc<PodSpec>,
}

impl PodMold {
    /// The mold of a template; its pods are controlled by `owner` and named after it.
    pub fn new(template: &PodTemplateSpec, owner: &Meta) -> Self {
        let template_meta = template.metadata.as_ref();
        let map = |map: Option<&StringMap>| Arc::new(map.cloned().unwrap_or_default());
        let meta = Meta {
            generate_name: Some(format!("{}-", owner.name).into()),
            labels: map(template_meta.and_then(|meta| meta.labels.as_ref())),
            annotations: map(template_meta.and_then(|meta| meta.annotations.as_ref())),
            finalizers: template_meta.and_then(|meta| meta.finalizers.clone()).unwrap_or_default().into(),
            owners: Arc::new([controller_reference(owner)]),
            ..Meta::draft(kind::POD, Arc::clone(&owner.namespace), "")
        };
        Self { meta, spec: Arc::new(template.spec.clone().unwrap_or_default()) }
    }

    /// One pod of it.
    pub fn cast(&self) -> Draft {
        let pod = PodBody { spec: Arc::clone(&self.spec), node: None, hostname: None, state: PodState::default() };
        let (expect, body) = (Expect::default(), Body::Pod(pod));
        Draft { meta: self.meta.clone(), body, expect, misread: Misread::default(), written_as: None }
    }
}
