//! Says in the status of an admission policy that it has been looked at (`validatingadmissionpolicy-status-controller`
//! upstream): it is in force in the commit that writes it.
//!
//! Upstream also checks there whether the expressions fit the schemas of the resources that a policy names, and warns of
//! what does not (`status.typeChecking`). Here that shows when they are evaluated.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;

use crate::control::{Action, Controller, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Object, Snapshot};
use crate::time::Time;

/// See the module's documentation.
#[derive(Debug)]
pub struct AdmissionPolicyStatusController;

impl Controller for AdmissionPolicyStatusController {
    type Observed<'w> = &'w Arc<Object>;
    const NAME: &'static str = "validatingadmissionpolicy-status-controller";
    const WATCHED: &'static [Watched] = &[Watched::itself(kind::VALIDATING_ADMISSION_POLICY)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Self::Observed<'w>> {
        snapshot.get(key).filter(|object| object.meta.kind == kind::VALIDATING_ADMISSION_POLICY)
    }

    fn decide(object: &Self::Observed<'_>, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        let Some(policy) = object.typed::<ValidatingAdmissionPolicy>() else { return plan };
        let seen = policy.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
        if object.meta.generation > seen {
            let mut next = policy.clone();
            next.status.get_or_insert_default().observed_generation = Some(object.meta.generation);
            plan.push(Action::UpdateStatus { target: Target::seen(object), object: Arc::new(next) });
        }
        plan
    }
}
