//! Leases: a duration above zero and a count of transitions.
//!
//! Source: `pkg/apis/coordination/validation`.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use super::checks::nonnegative_if;
use super::fields::{one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use crate::object::field::FieldErrors;

/// What is wrong with a new Lease.
pub fn lease(lease: &Lease) -> FieldErrors {
    let mut errors = shared::namespaced(&lease.metadata, name_is_dns_subdomain);
    spec(lease.spec.as_ref().unwrap_or(&LeaseSpec::default()), &mut errors);
    errors
}

/// What is wrong with a changed Lease.
pub fn lease_update(new: &Lease, old: &Lease) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    spec(new.spec.as_ref().unwrap_or(&LeaseSpec::default()), &mut errors);
    errors
}

fn spec(spec: &LeaseSpec, errors: &mut FieldErrors) {
    if let Some(seconds) = spec.lease_duration_seconds.filter(|seconds| *seconds <= 0) {
        errors.invalid(&SPEC.field("leaseDurationSeconds"), seconds, "must be greater than 0");
    }
    nonnegative_if(spec.lease_transitions, &SPEC.field("leaseTransitions"), errors);
    let (strategy, path) = (text(&spec.strategy), SPEC.field("strategy"));
    if spec.strategy.is_some() {
        if strategy.contains('/') {
            errors.invalid_each(&path.field("strategy"), strategy, names::qualified_name(strategy));
        } else {
            one_of(strategy, &["OldestEmulationVersion"], &path.field("strategy"), errors);
        }
    }
    if !text(&spec.preferred_holder).is_empty() && strategy.is_empty() {
        errors.forbidden(&SPEC.field("preferredHolder"), "may only be specified if `strategy` is defined");
    }
}
