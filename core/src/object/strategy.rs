//! One write, as the server takes it: the stages in their order, for every kind.
//!
//! ```text
//! create: default -> mutate -> prepare -> validate        (then the store gives out what `allocations` asks for)
//! update: default -> prepare -> validate
//! status: default -> prepare -> validate
//! ```
//! All of it is pure: what a stage needs of the rest of the cluster comes in through
//! [`Surroundings`](super::mutate::Surroundings), what is random and the time come in as arguments.

use k8s_openapi::api::core::v1::{Pod, Service};

use super::field::FieldErrors;
use super::kind::TypedObject;
use super::mutate::{self, Refusal, Suffix, Surroundings};
use super::prepare::{self, Allocation, Request};
use super::{defaults, validation};

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
}

/// Makes of what a client sent the object that is stored, and says what the store has yet to give out for it.
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
) -> Result<Vec<Allocation>, Rejection> {
    defaults::apply(object.as_any_mut());
    mutate::on_create(object, around, suffix)?;
    prepare::for_create(object, request);
    validate(object)?;
    Ok(allocations(object))
}

/// Makes of what a client sent the object that replaces `old`, and says what the store has yet to give out for it.
///
/// # Errors
/// [`Rejection::Invalid`] with all that is wrong.
pub fn update(
    object: &mut dyn TypedObject,
    old: &dyn TypedObject,
    request: &Request<'_>,
) -> Result<Vec<Allocation>, Rejection> {
    defaults::apply(object.as_any_mut());
    prepare::for_update(object, old, request);
    validate(object)?;
    Ok(allocations(object))
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
    Ok(())
}

/// Of the kinds whose rules are there; what may change in an update is not among them.
fn validate(object: &dyn TypedObject) -> Result<(), Rejection> {
    let errors = object.as_any().downcast_ref::<Pod>().map(validation::pod).unwrap_or_default();
    if errors.is_empty() { Ok(()) } else { Err(Rejection::Invalid(errors)) }
}

fn allocations(object: &dyn TypedObject) -> Vec<Allocation> {
    let spec = object.as_any().downcast_ref::<Service>().and_then(|service| service.spec.as_ref());
    spec.map(prepare::allocations).unwrap_or_default()
}
