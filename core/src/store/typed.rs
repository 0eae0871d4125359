//! Objects of built-in kinds on their way in: the stages of [`rules`], and what they leave of the metadata.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, ServiceSpec};

use super::addresses;
use super::commit::Store;
use super::object::{Body, Meta, Object};
use super::part::Part;
use super::pod::{PodBody, PodState};
use super::writing::Stage;
use crate::error::ApiError;
use crate::object::kind::{self, KindId};
use crate::object::mutate::Suffix;
use crate::object::prepare::{PodPart, Request};
use crate::object::strategy::{self as rules, Rejection};
use crate::time::Time;

impl Store {
    /// What is said of a write besides what is written.
    pub(super) fn request(&self, written_as: Option<KindId>, now: Time) -> Request<'static> {
        let scale_to_zero = self.live.autoscaling().scale_to_zero;
        Request { written_as, scale_to_zero, ..Request::internal(now) }
    }

    /// What a new object becomes: its metadata, and the body that is stored.
    pub(super) fn admit_new(
        &mut self,
        meta: &mut Meta,
        body: Body,
        written_as: Option<KindId>,
        now: Time,
    ) -> Result<Body, ApiError> {
        let request = self.request(written_as, now);
        match body {
            Body::Pod(pod) => self.admit_template_pod(meta, pod, &request),
            Body::Typed(typed) if meta.kind == kind::POD => {
                let mut object = typed.clone_arc();
                *exclusive(&mut object).metadata_mut() = meta.to_api();
                self.admit_typed(meta, &mut object, &request)?;
                let pod = object.as_any().downcast_ref::<Pod>().map(PodBody::from_api);
                pod.map(Body::Pod).ok_or_else(|| ApiError::internal("a pod that is not a pod"))
            }
            Body::Typed(mut typed) => {
                *exclusive(&mut typed).metadata_mut() = meta.to_api();
                self.admit_typed(meta, &mut typed, &request)?;
                Ok(Body::Typed(typed))
            }
            Body::Custom(value) => self.admit_custom(meta, &value).map(Body::Custom),
            Body::Event(_) => Err(ApiError::internal("an event record is not created")),
        }
    }

    /// Pods of one template: the first is admitted in full, the others share what became of its spec.
    fn admit_template_pod(
        &mut self,
        meta: &mut Meta,
        mut pod: PodBody,
        request: &Request<'_>,
    ) -> Result<Body, ApiError> {
        if let Some(spec) = self.memo.get(&pod.spec) {
            pod.state = PodState::initial(&spec);
            pod.spec = spec;
            return Ok(Body::Pod(pod));
        }
        let asked = Arc::clone(&pod.spec);
        let (labels, annotations) = (Arc::clone(&meta.labels), Arc::clone(&meta.annotations));
        let mut object: Arc<dyn kind::TypedObject> = Arc::new(pod.to_api(meta));
        self.admit_typed(meta, &mut object, request)?;
        let Some(admitted) = object.as_any().downcast_ref::<Pod>().map(PodBody::from_api) else {
            return Err(ApiError::internal("a pod that is not a pod"));
        };
        // What admission wrote beside the spec is not remembered: the next pod has to come by it in the same way.
        if Arc::ptr_eq(&labels, &meta.labels) && Arc::ptr_eq(&annotations, &meta.annotations) {
            self.memo.put(asked, Arc::clone(&admitted.spec));
        }
        Ok(Body::Pod(admitted))
    }

    fn admit_typed(
        &mut self,
        meta: &mut Meta,
        object: &mut Arc<dyn kind::TypedObject>,
        request: &Request<'_>,
    ) -> Result<(), ApiError> {
        let suffix = if meta.kind == kind::POD { self.ids.name(kind::SERVICE_ACCOUNT, "") } else { String::new() };
        let around = &self.live;
        let mut give_out = |spec: &mut ServiceSpec, old: Option<&ServiceSpec>| addresses::give_out(around, spec, old);
        let admitted = match self.voice.until {
            Stage::Mutated => rules::mutate_new(exclusive(object), around, Suffix(&suffix)),
            Stage::Committed => rules::create(exclusive(object), around, Suffix(&suffix), request, &mut give_out),
        };
        admitted.map_err(|rejection| self.rejected(meta, rejection))?;
        take_meta(meta, &**object);
        meta.generation = object.metadata().generation.unwrap_or(0);
        Ok(())
    }

    /// What an object becomes that replaces `before`, or a part of it.
    pub(super) fn admit_update(
        &self,
        meta: &Meta,
        mut next: Arc<dyn kind::TypedObject>,
        before: &dyn kind::TypedObject,
        part: Part,
        request: &Request<'_>,
    ) -> Result<Arc<dyn kind::TypedObject>, ApiError> {
        let object = exclusive(&mut next);
        // A version that was not given is the current one.
        object.metadata_mut().resource_version.get_or_insert_with(|| meta.revision.to_string());
        if self.voice.until == Stage::Mutated {
            rules::mutate_update(object, before);
            return Ok(next);
        }
        let result = match part {
            Part::Main | Part::Scale => {
                let around = &self.live;
                let mut give_out =
                    |spec: &mut ServiceSpec, old: Option<&ServiceSpec>| addresses::give_out(around, spec, old);
                rules::update(object, before, around, request, &mut give_out)
            }
            Part::Status => rules::update_status(object, before, request),
            Part::EphemeralContainers => {
                rules::update_pod_part(object, before, PodPart::EphemeralContainers, &self.live, request)
            }
            Part::Finalize => rules::update_finalizers(object, before),
            Part::Approval => rules::update_approval(object, before, request),
            Part::Resize => rules::update_pod_part(object, before, PodPart::Resources, &self.live, request),
        };
        result.map_err(|rejection| self.rejected(meta, rejection))?;
        Ok(next)
    }

    pub(super) fn rejected(&self, meta: &Meta, rejection: Rejection) -> ApiError {
        match rejection {
            Rejection::Forbidden(refusal) => ApiError::forbidden(self.subject(meta.kind, &meta.name), refusal),
            Rejection::Invalid(errors) => ApiError::invalid(self.kind_subject(meta.kind, &meta.name), errors),
            Rejection::Failed(problem) => ApiError::failed(problem),
        }
    }
}

impl Object {
    /// The same with a body that says the same of its metadata.
    pub(crate) fn in_accord(mut self) -> Self {
        if let Body::Typed(typed) = &mut self.body {
            *exclusive(typed).metadata_mut() = self.meta.to_api();
        }
        self
    }
}

/// The object alone behind its pointer, copied if somebody else looks at it.
pub(super) fn exclusive(object: &mut Arc<dyn kind::TypedObject>) -> &mut dyn kind::TypedObject {
    if Arc::get_mut(object).is_none() {
        *object = object.clone_arc();
    }
    Arc::get_mut(object).expect("a fresh copy has one owner")
}

/// Takes over what admission made of the metadata that a client may set.
pub(super) fn take_meta(meta: &mut Meta, object: &dyn kind::TypedObject) {
    let next = Meta::from_api(meta.kind, object.metadata());
    let keep = |current: &mut Arc<_>, next: Arc<_>| {
        if *current != next {
            *current = next;
        }
    };
    keep(&mut meta.labels, next.labels);
    keep(&mut meta.annotations, next.annotations);
    if meta.owners != next.owners {
        meta.owners = next.owners;
    }
    if meta.finalizers != next.finalizers {
        meta.finalizers = next.finalizers;
    }
}
