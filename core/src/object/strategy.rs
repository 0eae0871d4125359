//! One write, as the server takes it: the stages in their order, for every kind.
//!
//! ```text
//! create: default -> mutate -> prepare -> give out -> validate -> permit
//! update: default -> mutate -> prepare -> give out -> validate -> permit
//! status: default ->           prepare ->             validate
//! part:   default ->           prepare ->             validate -> permit
//! ```
//! All of it is pure: what a stage needs of the rest of the cluster comes in through
//! [`Surroundings`], what is random and the time come in as arguments.

use std::any::Any;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::defaults;
use super::field::FieldErrors;
use super::kind::TypedObject;
use super::mutate::{self, Refusal, Suffix, Surroundings};
use super::permit;
use super::prepare::{self, PodPart, Request};
use super::validation;

/// An object is not let in.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A plugin refuses it (`Forbidden`); the text follows `pods "x" is forbidden: `.
    #[error("forbidden: {0}")]
    Forbidden(#[from] Refusal),
    /// Fields have values that they must not have (`Invalid`): all of them.
    #[error("invalid: {0}")]
    Invalid(FieldErrors),
    /// The cluster cannot give out what is needed (`InternalError`).
    #[error("{0}")]
    Failed(String),
}

/// Gives a service, which may replace another one, the addresses and ports that it asks for and those that are missing
/// from it, or refuses.
pub type GiveOut<'g> = &'g mut dyn FnMut(&mut ServiceSpec, Option<&ServiceSpec>) -> Result<(), Rejection>;

/// The first two stages of a creation: what mutating webhooks are shown.
///
/// # Errors
/// [`Rejection::Forbidden`] from the first plugin that refuses.
pub fn mutate_new(
    object: &mut dyn TypedObject,
    around: &(impl Surroundings + ?Sized),
    suffix: Suffix<'_>,
) -> Result<(), Rejection> {
    defaults::apply(object.as_any_mut());
    Ok(mutate::on_create(object, around, suffix)?)
}

/// The same for an object that is to replace `old`.
pub fn mutate_update(object: &mut dyn TypedObject, old: &dyn TypedObject) {
    defaults::apply(object.as_any_mut());
    mutate::on_update(object, old);
}

/// Makes of what a client sent the object that is stored.
///
/// The name, the namespace, the uid and the creation time must be set already.
///
/// # Errors
/// [`Rejection::Forbidden`] from the first plugin that refuses, [`Rejection::Invalid`] with all that is wrong.
pub fn create(
    object: &mut dyn TypedObject,
    around: &(impl Surroundings + ?Sized),
    suffix: Suffix<'_>,
    request: &Request<'_>,
    give_out: GiveOut<'_>,
) -> Result<(), Rejection> {
    mutate_new(object, around, suffix)?;
    prepare::for_create(object, request);
    complete(object, None, give_out)?;
    let mut errors = permit::admin_access::new(object, around);
    errors.append(validation::create_as(object, request));
    judged(errors)?;
    Ok(permit::on_create(object, around)?)
}

/// Makes of what a client sent the object that replaces `old`.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong, [`Rejection::Forbidden`] when the change is not permitted,
/// [`Rejection::Failed`] when nothing is left to give out.
pub fn update(
    object: &mut dyn TypedObject,
    old: &dyn TypedObject,
    around: &(impl Surroundings + ?Sized),
    request: &Request<'_>,
    give_out: GiveOut<'_>,
) -> Result<(), Rejection> {
    mutate_update(object, old);
    prepare::for_update(object, old, request);
    complete(object, Some(old.as_any()), give_out)?;
    judged(validation::update_as(object, old, request))?;
    Ok(permit::on_update(object, old, around)?)
}

/// Makes of what a client sent `old` with another status.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong.
pub fn update_status(
    object: &mut dyn TypedObject,
    old: &dyn TypedObject,
    request: &Request<'_>,
) -> Result<(), Rejection> {
    defaults::apply(object.as_any_mut());
    prepare::for_status_update(object, old, request);
    judged(validation::status_update(object, old))
}

/// Makes of what a client sent `old`, a pod, with other ephemeral containers or other resources.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong, [`Rejection::Forbidden`] when the change is not permitted.
pub fn update_pod_part(
    object: &mut dyn TypedObject,
    old: &dyn TypedObject,
    part: PodPart,
    around: &(impl Surroundings + ?Sized),
    request: &Request<'_>,
) -> Result<(), Rejection> {
    defaults::apply(object.as_any_mut());
    prepare::for_pod_part_update(object, old, part, request);
    judged(validation::pod_part_update(object, old, part))?;
    Ok(permit::on_pod_part_update(object, old, part, around)?)
}

/// Makes of what a client sent `old`, a namespace, with other finalizers in its spec.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong.
pub fn update_finalizers(object: &mut dyn TypedObject, old: &dyn TypedObject) -> Result<(), Rejection> {
    defaults::apply(object.as_any_mut());
    prepare::for_finalizers_update(object, old);
    judged(validation::finalizers_update(object, old))
}

/// Makes of what a client sent `old`, a certificate request, with other conditions.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong.
pub fn update_approval(
    object: &mut dyn TypedObject,
    old: &dyn TypedObject,
    request: &Request<'_>,
) -> Result<(), Rejection> {
    defaults::apply(object.as_any_mut());
    prepare::for_approval_update(object, old, request);
    judged(validation::approval_update(object, old))
}

fn judged(errors: FieldErrors) -> Result<(), Rejection> {
    if errors.is_empty() { Ok(()) } else { Err(Rejection::Invalid(errors)) }
}

/// Validation looks at what was given out too; what cannot be given out is the only thing that is told.
fn complete(object: &mut dyn TypedObject, old: Option<&dyn Any>, give_out: GiveOut<'_>) -> Result<(), Rejection> {
    let service = object.as_any_mut().downcast_mut::<Service>();
    let Some(spec) = service.and_then(|service| service.spec.as_mut()) else { return Ok(()) };
    let old = old.and_then(|old| old.downcast_ref::<Service>()).and_then(|old| old.spec.as_ref());
    judged(prepare::service_families(spec, old))?;
    give_out(spec, old)
}
