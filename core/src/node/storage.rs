//! Local storage: a pod that takes up more of its node than it may is evicted.
//!
//! The limits, in the order in which they are looked at, are upstream's (`localStorageEviction`): the `sizeLimit` of each
//! emptyDir, for what is in it; the limits of all containers together, for all that the pod takes up; the limit of each
//! container, for its own layer and its log. Pods that the cluster cannot do without stay.

use std::time::Duration;

use k8s_openapi::api::core::v1::PodSpec;

use crate::object::pod_total;
use crate::object::quantity::Quantity;
use crate::runtime::PodSandboxStats;

/// How often is measured while a pod has a limit (`evictionMonitoringPeriod`).
pub(super) const PERIOD: Duration = Duration::from_secs(10);
/// What an evicted pod's containers get to stop in (`immediateEvictionGracePeriodSeconds`).
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// `status.reason` of a pod that was evicted.
pub(super) const EVICTED: &str = "Evicted";

const NAME: &str = "ephemeral-storage";
/// From this priority on a pod is critical (`SystemCriticalPriority`).
const CRITICAL_PRIORITY: i32 = 2_000_000_000;

/// Whether what the pod takes up is limited.
pub(super) fn is_limited(spec: &PodSpec) -> bool {
    let sizes = || spec.volumes.iter().flatten().filter_map(|volume| volume.empty_dir.as_ref()?.size_limit.as_ref());
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let limits = || containers().filter_map(|container| container.resources.as_ref()?.limits.as_ref());
    !is_critical(spec) && (sizes().next().is_some() || limits().any(|limits| limits.contains_key(NAME)))
}

/// Whether the cluster cannot do without the pod: it stays, and is admitted, whatever its node is short of.
pub(super) fn is_critical(spec: &PodSpec) -> bool {
    spec.priority.is_some_and(|priority| priority >= CRITICAL_PRIORITY)
}

/// Which limit is exceeded, as the pod is told.
pub(super) fn excess(spec: &PodSpec, stats: &PodSandboxStats) -> Option<String> {
    excess_of_volumes(spec, stats).or_else(|| excess_of_pod(spec, stats)).or_else(|| excess_of_containers(spec, stats))
}

fn excess_of_volumes(spec: &PodSpec, stats: &PodSandboxStats) -> Option<String> {
    spec.volumes.iter().flatten().find_map(|volume| {
        let limit = Quantity::from_api(volume.empty_dir.as_ref()?.size_limit.as_ref()?).ok()?;
        let used = stats.volumes.iter().find(|used| *used.name == *volume.name)?.usage.used_bytes;
        let name = &volume.name;
        (!limit.is_zero() && exceeds(used, limit))
            .then(|| format!("Usage of EmptyDir volume {name:?} exceeds the limit \"{limit}\". "))
    })
}

fn excess_of_pod(spec: &PodSpec, stats: &PodSandboxStats) -> Option<String> {
    let limit = *pod_total::limits(spec).get(NAME)?;
    let containers =
        stats.containers.iter().map(|used| used.filesystem.used_bytes.saturating_add(used.logs.used_bytes));
    let volumes = stats.volumes.iter().map(|used| used.usage.used_bytes);
    let used = containers.chain(volumes).fold(0, u64::saturating_add);
    exceeds(used, limit)
        .then(|| format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "))
}

fn excess_of_containers(spec: &PodSpec, stats: &PodSandboxStats) -> Option<String> {
    stats.containers.iter().find_map(|used| {
        let container = spec.containers.iter().find(|container| *container.name == *used.name)?;
        let limit = Quantity::from_api(container.resources.as_ref()?.limits.as_ref()?.get(NAME)?).ok()?;
        let name = &container.name;
        (!limit.is_zero() && exceeds(used.filesystem.used_bytes.saturating_add(used.logs.used_bytes), limit))
            .then(|| format!("Container {name} exceeded its local ephemeral storage limit \"{limit}\". "))
    })
}

fn exceeds(used: u64, limit: Quantity) -> bool {
    Quantity::from_bytes(i64::try_from(used).unwrap_or(i64::MAX)) > limit
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::Uid;
    use crate::runtime::{ContainerStats, FileSystemStats, PodIdentity, VolumeStats};
    use crate::time::Time;

    const MIB: u64 = 1 << 20;

    /// A pod whose two containers and whose volume take up this much, in MiB: layer and log of each, and the volume.
    fn told(spec: Value, [a, a_log, b, b_log, volume]: [u64; 5]) -> Option<String> {
        let spec: PodSpec = serde_json::from_value(spec).expect("a spec");
        let takes = |mib: u64| FileSystemStats { used_bytes: mib * MIB, inodes_used: 1 };
        let container = |name: &str, layer, log| ContainerStats {
            name: name.into(),
            cpu: Duration::ZERO,
            memory_working_set: 0,
            filesystem: takes(layer),
            logs: takes(log),
        };
        let stats = PodSandboxStats {
            pod: PodIdentity { uid: Uid::LOWEST, namespace: "default".into(), name: "p".into() },
            time: Time::EPOCH,
            containers: vec![container("a", a, a_log), container("b", b, b_log)],
            volumes: vec![VolumeStats { name: "v".into(), usage: takes(volume) }],
            network: None,
            pids: 2,
        };
        is_limited(&spec).then(|| excess(&spec, &stats)).flatten()
    }

    #[test]
    fn the_limit_that_is_exceeded_is_named() {
        let limited = |limit: &str| json!({"limits": {"ephemeral-storage": limit}});
        let a = json!({"containers": [{"name": "a", "resources": limited("10Mi")}, {"name": "b"}]});
        let both = json!({"containers": [
            {"name": "a", "resources": limited("10Mi")}, {"name": "b", "resources": limited("20Mi")},
        ]});
        let volume = json!({
            "containers": [{"name": "a"}, {"name": "b"}], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "5Mi"}}],
        });
        let mut critical = volume.clone();
        critical["priority"] = json!(2_000_000_000);
        let pod = |limit: &str| {
            Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "))
        };
        let container = Some("Container a exceeded its local ephemeral storage limit \"10Mi\". ".to_owned());
        let rows = [
            (&a, [10, 0, 0, 0, 0], None),
            (&a, [10, 1, 0, 0, 0], pod("10Mi")),
            // The limit of one container is that of the pod as a whole, whoever takes it up.
            (&a, [0, 0, 6, 0, 5], pod("10Mi")),
            (&both, [9, 1, 19, 1, 0], None),
            (&both, [9, 2, 0, 0, 0], container),
            (&both, [10, 0, 20, 0, 1], pod("30Mi")),
            (&volume, [100, 100, 100, 100, 5], None),
            (&volume, [0, 0, 0, 0, 6], Some("Usage of EmptyDir volume \"v\" exceeds the limit \"5Mi\". ".to_owned())),
            (&critical, [0, 0, 0, 0, 6], None),
        ];
        for (spec, used, expected) in rows {
            assert_eq!(told(spec.clone(), used), expected, "{used:?} of {spec}");
        }
    }
}
