//! Server-side apply, and the owners of fields: who wrote what of an object, in `metadata.managedFields`.
//!
//! ```text
//! tracking   the rules around a write: whose entries count, who is capped, what kubectl may take over
//!   updater  the owners after an update; the object and its owners after an apply
//!     configure                               what a policy applies, without owners
//!     elsewhere                               an apply in a version that somebody outside makes
//!     merge  compare  remove  fields  check     walks over one or two objects of a type
//!       shape  views                            what a type is, and in which versions objects are seen
//!         set  path  fields_v1  owners          sets of fields, and how `managedFields` writes them
//! ```
//! All of it works on JSON in the form in which the server prints objects ([`wire`](super::wire)), and is pure: the store asks
//! it for what becomes of the entries, and writes that together with the object. A write without a manager never comes here.

mod check;
mod compare;
mod configure;
mod conflict;
mod declared;
mod elsewhere;
mod fields;
mod fields_v1;
mod last_applied;
mod merge;
mod options;
mod owners;
mod path;
mod reconcile;
mod remove;
mod reset;
pub(crate) mod scale;
mod set;
mod shape;
mod tracking;
mod updater;
mod value;
mod views;
mod walk;

pub(crate) use configure::{configure, configure_beside};
pub use elsewhere::{Applied, Apply, Converted, Wanted};
pub use fields_v1::FieldsError;
pub use options::{patch_options, write_options};
pub use owners::{Operation, Owned, Owner, Owners, OwnersError};
pub use path::{Path, PathElement};
pub use set::FieldSet;
pub(crate) use tracking::{Outcome, Tracker, Writer, empty};

#[cfg(test)]
mod tests;
