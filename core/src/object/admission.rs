//! Admission as policies and webhooks see it: what is asked, whom it concerns, and what their expressions say of it.
//!
//! ```text
//! Asked ─ matching ─► whom it concerns ─ conditions ─► expressions of a policy ─► decisions
//! ```
//! All of it is pure: the namespace, the parameters and what users may do come in as arguments. The store gathers them and
//! judges each write by its policies; webhooks are asked outside, by the same rules of whom a write concerns.

mod asked;
mod authorizer;
mod conditions;
mod environment;
mod frame;
mod matching;
mod mutation;
mod policy;
mod type_checking;

pub use asked::{Asked, Objects, Operation};
pub use authorizer::Authorizer;
pub use conditions::Conditions;
pub(crate) use environment::{Scope, compile};
pub(crate) use frame::Frame;
pub use matching::{Concern, is_exempt};
pub(crate) use mutation::{MutatingPolicy, ObjectKind, object_type, patch_type};
pub(crate) use policy::{Annotation, Case, Denial, Evaluated, Policy};
pub(crate) use type_checking::warnings as type_warnings;
