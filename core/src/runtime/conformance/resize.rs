//! Resources of running containers: changed without a restart, and found by what runs.

use super::lab::{Alone, At as _, Failure, Lab, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ContainerId, ContainerKind, ContainerResources, RuntimeErrorKind};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a running container gets other resources, and goes on running", |lab| Box::pin(resized(lab)))
        .needs(Feature::Resize),
    Check::new("what does not run gets no other resources", |lab| Box::pin(not_running(lab))).needs(Feature::Resize),
];

/// What a container finds of its own limits, in the unified hierarchy or in the older one.
const MEMORY: &str = "cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
const QUOTA: &str = "cat /sys/fs/cgroup/cpu.max || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us";

fn to(alone: &Alone, cpu: &str, memory: &str) -> ContainerResources {
    ContainerResources { spec: Lab::sized(&alone.pod, cpu, memory).into(), kind: ContainerKind::Regular, index: 0 }
}

async fn resized(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone_sized("sleep 3600", "100m", "64Mi").await?;
    let before = lab.status(&alone.container).await?;
    finds(lab, &alone.container, 10_000, 64 << 20).await?;
    // More, and then less than at first; each asked for twice.
    for (cpu, memory, quota, bytes) in [("200m", "128Mi", 20_000, 128 << 20), ("50m", "48Mi", 5_000, 48 << 20)] {
        let wanted = to(&alone, cpu, memory);
        lab.runtime.update_container_resources(&alone.container, &wanted).await.at("resizing")?;
        lab.runtime.update_container_resources(&alone.container, &wanted).await.at("resizing again")?;
        finds(lab, &alone.container, quota, bytes).await?;
    }
    let after = lab.status(&alone.container).await?;
    ensure!(after == before, "afterwards it is {after:?} instead of {before:?}");
    Ok(())
}

/// Looks from inside which quota of a period of 100 ms the container has, in microseconds, and how many bytes of memory.
async fn finds(lab: &Lab<'_>, container: &ContainerId, quota: u64, bytes: u64) -> Result<(), Failure> {
    let memory = lab.out(container, MEMORY).await?;
    ensure!(memory == bytes.to_string(), "it may use {memory} bytes of memory instead of {bytes}");
    let found = lab.out(container, QUOTA).await?;
    let first = found.split(' ').next().unwrap_or_default();
    ensure!(first == quota.to_string(), "its quota is {found:?} instead of {quota}");
    Ok(())
}

async fn not_running(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone_sized("true", "100m", "64Mi").await?;
    lab.ended(&alone.container).await?;
    let wanted = to(&alone, "200m", "128Mi");
    let ended = lab.runtime.update_container_resources(&alone.container, &wanted).await;
    must_fail("resizing what has ended", ended, &[RuntimeErrorKind::FailedPrecondition])?;
    lab.runtime.remove_container(&alone.container).await.at("removing")?;
    let gone = lab.runtime.update_container_resources(&alone.container, &wanted).await;
    must_fail("resizing what is gone", gone, &[RuntimeErrorKind::NotFound])
}
