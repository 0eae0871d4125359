//! What people do with quotas and limit ranges, and how those must be in the end.

use std::collections::BTreeMap;

use inboard::k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use inboard::object::kind;
use inboard::object::patch::Patch;
use inboard::object::quantity::Quantity;
use inboard::store::{DeleteOptions, Object};
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

const QUOTA: &str = "limit";
const RANGE: &str = "bounds";

impl History {
    pub(super) fn use_quotas(&mut self) {
        match self.dice.roll(6) {
            4 => self.set_bounds(),
            5 => self.lift_bounds(),
            0 | 1 => {
                let hard = self.hard();
                let quota = json!({"metadata": {"name": QUOTA, "namespace": "default"}, "spec": {"hard": hard}});
                self.note(format!("create quota {quota}"));
                let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
                let result = self.cluster.create(quota);
                self.accept(result.map(|_| ()));
            }
            2 => {
                let hard = self.hard();
                self.limit(&hard);
            }
            _ => {
                self.note(format!("delete quota {QUOTA}"));
                let result = self.cluster.delete(kind::RESOURCE_QUOTA, QUOTA, DeleteOptions::default());
                self.accept(result);
            }
        }
    }

    fn hard(&mut self) -> Value {
        let number = self.dice.roll(8).to_string();
        match self.dice.roll(4) {
            0 => json!({"count/pods": number}),
            1 => json!({"pods": number, "services": "1"}),
            2 => json!({"pods": number, "persistentvolumeclaims": "3", "requests.storage": "3Gi"}),
            _ => json!({"pods": number}),
        }
    }

    fn limit(&mut self, hard: &Value) {
        let patch = json!([{"op": "replace", "path": "/spec/hard", "value": hard}]);
        self.note(format!("patch quota {QUOTA}: {patch}"));
        let result = self.cluster.patch(kind::RESOURCE_QUOTA, QUOTA, Patch::Json(patch));
        self.accept(result.map(|_| ()));
    }

    fn set_bounds(&mut self) {
        let (most, usual) = self.dice.pick(&[("400m", "100m"), ("1", "200m"), ("10", "10m")]);
        let bounds = json!({"type": "Container", "max": {"cpu": most}, "defaultRequest": {"cpu": usual}});
        let range = json!({"metadata": {"name": RANGE, "namespace": "default"}, "spec": {"limits": [bounds]}});
        self.note(format!("create limit range {range}"));
        let range: LimitRange = serde_json::from_value(range).expect("a limit range");
        let result = self.cluster.create(range);
        self.accept(result.map(|_| ()));
    }

    fn lift_bounds(&mut self) {
        self.note(format!("delete limit range {RANGE}"));
        let result = self.cluster.delete(kind::LIMIT_RANGE, RANGE, DeleteOptions::default());
        self.accept(result);
    }

    /// After this there is room for everything.
    pub(super) fn lift_quotas(&mut self) {
        self.lift_bounds();
        let hard = json!({"pods": "1k", "services": "1k", "persistentvolumeclaims": "1k", "count/pods": "1k"});
        self.limit(&hard);
    }
}

/// A quota whose status does not say what is there.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    cluster.snapshot().list(kind::RESOURCE_QUOTA).find_map(|quota| quota_missing(cluster, quota))
}

fn quota_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let quota: &ResourceQuota = object.typed()?;
    let status = quota.status.clone().unwrap_or_default();
    let all = |kind| cluster.snapshot().list_in(kind, &object.meta.namespace);
    let running = all(kind::POD).filter(|pod| pod.pod().is_some_and(|pod| !pod.is_finished())).count();
    let counted = BTreeMap::from([
        ("count/pods", all(kind::POD).count()),
        ("pods", running),
        ("services", all(kind::SERVICE).count()),
        ("persistentvolumeclaims", all(kind::PERSISTENT_VOLUME_CLAIM).count()),
    ]);
    let used = status.used.unwrap_or_default();
    let told = |name: &str| Quantity::from_api(used.get(name)?).ok().map(Quantity::value);
    let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
    let wrong = counted.iter().find(|(name, number)| {
        hard.is_some_and(|hard| hard.contains_key(**name)) && told(name) != i64::try_from(**number).ok()
    });
    match wrong {
        Some((name, number)) => Some(format!("quota {} says {used:?}, and {name} is {number}", object.meta.path())),
        None if status.hard.as_ref() != hard => Some(format!("quota {} has another status", object.meta.path())),
        None => None,
    }
}
