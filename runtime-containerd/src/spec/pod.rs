//! What a pod as a whole may use: upstream's `ResourceConfigForPod`, for the control group above those of its containers.
//!
//! Shares are what all of it requests together. A limit holds for the whole where the pod has one for itself, or where every
//! container has one.

use inboard::k8s_openapi::api::core::v1::PodSpec;
use inboard::object::pod_total;
use inboard::object::quantity::Quantity;

use super::resources::{QUOTA_US_MIN, cpu_shares};

/// The settings of a pod's control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PodLimits {
    pub(crate) cpu_shares: u64,
    /// In microseconds of each tenth of a second.
    pub(crate) cpu_quota_us: Option<i64>,
    pub(crate) memory_bytes: Option<i64>,
    /// How many processes and threads there may be.
    pub(crate) pids: Option<u32>,
}

impl PodLimits {
    /// What the spec says, and how many processes a pod of the node may have.
    pub(crate) fn of(spec: &PodSpec, pids: Option<u32>) -> Self {
        let (requests, limits) = (pod_total::requests(spec), pod_total::limits(spec));
        let limit = |name: &str| limits.get(name).copied().filter(|_| is_limited(spec, name)).filter(|q| !q.is_zero());
        let request = requests.get("cpu").copied().or(limit("cpu"));
        Self {
            cpu_shares: cpu_shares(request.map_or(0, Quantity::as_milli)),
            cpu_quota_us: limit("cpu").map(|cpu| cpu.as_milli().saturating_mul(100).max(QUOTA_US_MIN)),
            memory_bytes: limit("memory").map(Quantity::value),
            pids,
        }
    }
}

/// Whether the pod as a whole, or each of its containers, has a limit of this name.
fn is_limited(spec: &PodSpec, name: &str) -> bool {
    let whole = spec.resources.as_ref().and_then(|resources| resources.limits.as_ref()?.get(name));
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    whole.is_some()
        || containers.all(|container| {
            let limit = container.resources.as_ref().and_then(|resources| resources.limits.as_ref()?.get(name));
            limit.is_some_and(|limit| Quantity::from_api(limit).is_ok_and(|limit| !limit.is_zero()))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_given_what_its_containers_ask_for_together() {
        let resources = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory});
        let asks = json!({"name": "a", "resources": {"requests": resources("500m", "1Gi")}});
        let limited = json!({"name": "b", "resources": {
            "requests": resources("250m", "1Gi"), "limits": resources("1", "2Gi"),
        }});
        let init = json!({"name": "i", "resources": {
            "requests": resources("2", "1Gi"), "limits": resources("3", "1Gi"),
        }});
        let none = json!({"name": "c"});
        let whole = json!({"requests": resources("1", "1Gi"), "limits": resources("4", "4Gi")});
        let gib = |count: i64| Some(count << 30);
        let rows = [
            (json!({"containers": [none]}), (2, None, None)),
            (json!({"containers": [asks]}), (512, None, None)),
            (json!({"containers": [asks, limited]}), (768, None, None)),
            (json!({"containers": [limited, limited]}), (512, Some(200_000), gib(4))),
            (json!({"containers": [limited], "initContainers": [init]}), (2048, Some(300_000), gib(2))),
            (json!({"containers": [limited], "initContainers": [none]}), (256, None, None)),
            (json!({"containers": [none], "resources": whole}), (1024, Some(400_000), gib(4))),
        ];
        for (spec, (cpu_shares, cpu_quota_us, memory_bytes)) in rows {
            let expected = PodLimits { cpu_shares, cpu_quota_us, memory_bytes, pids: Some(64) };
            let limits = PodLimits::of(&serde_json::from_value(spec.clone()).expect("a spec"), Some(64));
            assert_eq!(limits, expected, "{spec}");
        }
    }
}
