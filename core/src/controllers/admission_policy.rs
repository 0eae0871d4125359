//! Says in the status of an admission policy that it has been looked at (`validatingadmissionpolicy-status-controller`
//! upstream): it is in force in the commit that writes it.
//!
//! The status also tells which expressions do not fit the kinds of the resources that the policy names; they are evaluated
//! nevertheless.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{TypeChecking, ValidatingAdmissionPolicy};

use crate::control::{Action, Controller, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::admission::type_warnings;
use crate::object::kind::{self, Kinds};
use crate::store::{Object, Snapshot};
use crate::time::Time;

/// A policy, and the kinds that it may name.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    kinds: &'w Kinds,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct AdmissionPolicyStatusController;

impl Controller for AdmissionPolicyStatusController {
    type Observed<'w> = Observed<'w>;
    const NAME: &'static str = "validatingadmissionpolicy-status-controller";
    const WATCHED: &'static [Watched] = &[Watched::itself(kind::VALIDATING_ADMISSION_POLICY)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Self::Observed<'w>> {
        let object = snapshot.get(key).filter(|object| object.meta.kind == kind::VALIDATING_ADMISSION_POLICY)?;
        Some(Observed { object, kinds: snapshot.kinds_known() })
    }

    fn decide(observed: &Self::Observed<'_>, _: Time) -> Plan {
        let Observed { object, kinds } = observed;
        let mut plan = Plan::nothing();
        let Some(policy) = object.typed::<ValidatingAdmissionPolicy>() else { return plan };
        let seen = policy.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
        if object.meta.generation > seen {
            let mut next = policy.clone();
            let warnings = type_warnings(policy, kinds);
            let status = next.status.get_or_insert_default();
            status.observed_generation = Some(object.meta.generation);
            status.type_checking =
                Some(TypeChecking { expression_warnings: (!warnings.is_empty()).then_some(warnings) });
            plan.push(Action::UpdateStatus { target: Target::seen(object), object: Arc::new(next) });
        }
        plan
    }
}
