//! The controller of quotas (`pkg/controller/resourcequota`).
//!
//! **The rule**: the status of a quota says what its spec limits, and how much of that is used. Writes keep it so
//! themselves; this one fills it in first, after a change of the spec, and where time has set something free.
//!
//! How much is used is an index: nothing is counted here.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::kind::{self, Kinds};
use crate::object::pod_total::Amounts;
use crate::object::quantity::Quantity;
use crate::object::quota::counted_kind;
use crate::store::{Account, Change, Object, Snapshot};
use crate::time::Time;

/// Keeps the status of quotas.
#[derive(Debug)]
pub struct ResourceQuotaController;

/// A quota and what its objects use.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    quota: &'w ResourceQuota,
    account: &'w Account,
    kinds: &'w Kinds,
}

impl Controller for ResourceQuotaController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "resourcequota-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::RESOURCE_QUOTA), Watched::kind(kind::POD, quotas_of_leaving_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let account = snapshot.account(key)?;
        Some(Observed { object, quota: object.typed()?, account, kinds: snapshot.kinds_known() })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        plan.wake_at = observed.account.next_change(now);
        let hard = observed.quota.spec.as_ref().and_then(|spec| spec.hard.clone()).unwrap_or_default();
        let mut used = observed.account.used(now);
        used.retain(|name, _| counted_kind(name, observed.kinds).is_some());
        let told = observed.quota.status.clone().unwrap_or_default();
        if told.hard.unwrap_or_default() != hard || amounts(told.used.unwrap_or_default()) != used {
            let used = used.into_iter().map(|(name, amount)| (name, amount.to_api())).collect();
            let status = ResourceQuotaStatus { hard: Some(hard), used: Some(used) };
            let next = ResourceQuota { status: Some(status), ..observed.quota.clone() };
            plan.push(Action::UpdateStatus { target: Target::seen(observed.object), object: Arc::new(next) });
        }
        plan
    }
}

fn amounts(list: std::collections::BTreeMap<String, ApiQuantity>) -> Amounts {
    list.into_iter().filter_map(|(name, amount)| Some((name, Quantity::from_api(&amount).ok()?))).collect()
}

/// From when on a pod that is being deleted is not charged for, only its quotas' controller can know in time.
fn quotas_of_leaving_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let before = change.before.as_ref().map(|before| before.meta.deletion);
    if before != Some(change.object.meta.deletion) && change.object.meta.is_deleting() {
        keys.extend(snapshot.list_in(kind::RESOURCE_QUOTA, &change.object.meta.namespace).map(|quota| quota.meta.uid));
    }
}
