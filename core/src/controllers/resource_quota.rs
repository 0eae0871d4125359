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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{Draft, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000_000);

    /// A namespace with a pod that asks for something and one that does not, and a quota that says this of itself.
    fn world(spec: &Value, told: &Value) -> (Store, Uid) {
        let mut store = Store::new(1);
        store.found(NOW);
        for (name, resources) in [
            ("asks", json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "200m", "memory": "2Gi"}})),
            ("modest", json!({})),
        ] {
            let spec = json!({"containers": [{"name": "c", "image": "i", "resources": resources}]});
            let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a pod");
            store.create_with(Draft::of(pod), WriteOptions::default(), NOW).expect("room for it");
        }
        let quota = json!({"metadata": {"name": "q"}, "spec": spec});
        let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
        let made = store.create_with(Draft::of(quota), WriteOptions::default(), NOW).expect("room for it");
        let mut next = made.typed::<ResourceQuota>().expect("a quota").clone();
        next.status = Some(serde_json::from_value(told.clone()).expect("a status"));
        let write = Action::UpdateStatus { target: Target::seen(&made), object: Arc::new(next) };
        store.commit(vec![write], NOW).expect("nobody else writes");
        (store, made.meta.uid)
    }

    fn look(store: &Store, key: Uid) -> Plan {
        let observed = ResourceQuotaController::observe(store.snapshot(), key).expect("a quota");
        ResourceQuotaController::decide(&observed, NOW)
    }

    #[test]
    fn the_status_says_what_the_spec_limits_and_how_much_of_it_is_used() {
        let all = json!({"pods": "5", "requests.cpu": "3", "limits.memory": "4Gi"});
        let used = json!({"pods": "2", "requests.cpu": "100m", "limits.memory": "2Gi"});
        for (case, hard, scopes, told, expected) in [
            ("nothing was said", &all, json!([]), json!({}), Some(&used)),
            ("only the limits", &all, json!([]), json!({"hard": all}), Some(&used)),
            ("all of it", &all, json!([]), json!({"hard": all, "used": used}), None),
            (
                "in other words",
                &all,
                json!([]),
                json!({"hard": all, "used": {
                "pods": "2", "requests.cpu": "0.1", "limits.memory": "2048Mi"}}),
                None,
            ),
            ("another limit", &all, json!([]), json!({"hard": {"pods": "9"}, "used": {"pods": "2"}}), Some(&used)),
            (
                "what is no longer limited goes",
                &json!({"pods": "5"}),
                json!([]),
                json!({"hard": all, "used": used}),
                Some(&json!({"pods": "2"})),
            ),
            (
                "pods that ask for nothing",
                &json!({"pods": "1"}),
                json!(["BestEffort"]),
                json!({}),
                Some(&json!({"pods": "1"})),
            ),
            (
                "pods that do",
                &json!({"pods": "1", "cpu": "2"}),
                json!(["NotBestEffort"]),
                json!({}),
                Some(&json!({"pods": "1", "cpu": "100m"})),
            ),
            ("no such pods", &json!({"pods": "1"}), json!(["Terminating"]), json!({}), Some(&json!({"pods": "0"}))),
            (
                "objects of other kinds",
                &json!({"secrets": "3", "count/deployments.apps": "1", "services.nodeports": "2"}),
                json!([]),
                json!({}),
                Some(&json!({"secrets": "0", "count/deployments.apps": "0", "services.nodeports": "0"})),
            ),
        ] {
            let (mut store, key) = world(&json!({"hard": hard, "scopes": scopes}), &told);
            let plan = look(&store, key);
            assert_eq!(plan.changes_something(), expected.is_some(), "{case}");
            store.commit(plan.actions, NOW).expect("nobody else writes");
            let quota: &ResourceQuota = store.snapshot().get(key).and_then(|object| object.typed()).expect("a quota");
            let said = serde_json::to_value(&quota.status).expect("it is data");
            if let Some(expected) = expected {
                assert_eq!(said, json!({"hard": hard, "used": expected}), "{case}");
            }
            assert!(!look(&store, key).changes_something(), "{case}: once");
        }
    }
}
