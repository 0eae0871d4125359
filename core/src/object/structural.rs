//! Structural schemas: what a CustomResourceDefinition says of the objects of its kind.
//!
//! A schema is a tree that is laid over a value. What its nodes say falls into three parts:
//! 1. **structure**: which fields there are ([`prune`](Schema::prune) removes all others), what they are when they are
//!    absent ([`complete`](Schema::complete));
//! 2. **value validation**: what a value must be ([`check`](Schema::check)), in upstream's words
//!    (`k8s.io/kube-openapi/pkg/validation`), and which elements of a list may not be alike;
//! 3. **rules**: expressions over the value, and over the one that it replaces (`rules`).
//!
//! A schema is read once ([`Schema::read`]), when its definition is written. Its depth is that of the JSON it came in, which
//! is bounded where JSON is read; so are the walks along it.

mod complete;
mod embedded;
mod format;
mod lists;
mod node;
mod number;
mod pattern;
mod prune;
mod read;
pub(crate) mod rules;
mod show;
pub(crate) mod sizes;
mod values;

pub(crate) use format::holds as is_of_format;
pub use node::{Additional, Bounds, ListType, Schema, ValueType};
pub use pattern::Pattern;
pub(crate) use pattern::compile as compile_pattern;
pub(crate) use show::go_number;
pub(crate) use values::{NO_FIELD, accessor_error};

#[cfg(test)]
mod tests;
