//! Who may do what ([`permission`](inboard::store::permission)): what every cluster has of it from the start, and that nobody
//! can give away more than is allowed to themselves.

pub(crate) mod defaults;
pub(crate) mod escalation;

pub(crate) use inboard::store::permission::{is_allowed, role, rules};
