//! What pods use, read from their control groups and their network: cheap enough to be asked often.

use std::sync::Arc;

use containerd_client::services::v1::snapshots::UsageRequest;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use inboard::runtime::{ContainerStats, FileSystemStats, NetworkStats, PodSandboxStats, RuntimeError};

use crate::client::{call, optional};
use crate::container::ContainerEntry;
use crate::lock::guard;
use crate::runtime::Inner;
use crate::sandbox::{SandboxPhase, SandboxRecord};
use crate::{cgroup, clock, logs, os};

/// How many pods are asked about at a time: the daemon is to be left room for others.
const AT_ONCE: usize = 8;

impl Inner {
    pub(crate) async fn all_stats(&self) -> Result<Vec<PodSandboxStats>, RuntimeError> {
        let sandboxes: Vec<SandboxRecord> = guard(&self.sandboxes).values().cloned().collect();
        let ready = sandboxes.into_iter().filter(|sandbox| sandbox.phase == SandboxPhase::Ready);
        let pods: Vec<_> = ready.map(|sandbox| self.pod_stats(sandbox)).collect();
        let all: Vec<_> = stream::iter(pods).buffered(AT_ONCE).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// What one pod uses; `None` for a record that is no pod's.
    async fn pod_stats(&self, sandbox: SandboxRecord) -> Result<Option<PodSandboxStats>, RuntimeError> {
        let Some(pod) = sandbox.pod.identity() else { return Ok(None) };
        let (mut containers, mut pids) = (Vec::new(), 0);
        for entry in self.containers_of(&sandbox.id).iter().filter(|entry| entry.is_running()) {
            let Some(usage) = cgroup::usage(&entry.record.cgroup) else { continue };
            pids += usage.pids;
            containers.push(ContainerStats {
                name: entry.record.name.as_str().into(),
                cpu: usage.cpu,
                memory_working_set: usage.working_set,
                filesystem: self.layer_usage(entry).await?,
                logs: logs::usage(&entry.log.path),
            });
        }
        let network = if sandbox.host_network { None } else { self.traffic(&sandbox).await };
        let volumes = self.volume_usage(&sandbox.pod.uid).await?;
        Ok(Some(PodSandboxStats { pod, time: clock::now(), containers, volumes, network, pids }))
    }

    async fn layer_usage(&self, entry: &Arc<ContainerEntry>) -> Result<FileSystemStats, RuntimeError> {
        let (snapshotter, key) = (self.settings.snapshotter.clone(), entry.record.id.clone());
        let request = self.daemon.request(UsageRequest { snapshotter, key });
        let usage = optional(call("measure a layer", self.daemon.services().snapshots().usage(request)).await)?;
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(usage.map_or_else(FileSystemStats::default, |usage| FileSystemStats {
            used_bytes: positive(usage.size),
            inodes_used: positive(usage.inodes),
        }))
    }

    /// What went through the pod's link; `None` when its namespace is gone.
    async fn traffic(&self, sandbox: &SandboxRecord) -> Option<NetworkStats> {
        if let Some(traffic) = self.network.traffic(&sandbox.id) {
            return Some(traffic);
        }
        let pin = self.dirs.live(&sandbox.id).join("net");
        let table = os::in_network(pin, || std::fs::read_to_string("/proc/thread-self/net/dev")).await.ok()?;
        Some(parse_traffic(&table))
    }
}

/// The sums of all links but the loopback, from the text of `/proc/net/dev`.
fn parse_traffic(table: &str) -> NetworkStats {
    let mut sum = NetworkStats::default();
    for line in table.lines() {
        let Some((link, numbers)) = line.split_once(':') else { continue };
        if link.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        sum.rx_bytes += numbers.first().copied().unwrap_or(0);
        sum.tx_bytes += numbers.get(8).copied().unwrap_or(0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_summed_over_all_links_but_the_loopback() {
        let table = "Inter-| Receive | Transmit\n face |bytes packets\n\
            lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n  eth0: 2500 7 0 0 0 0 0 0 31 2 0 0 0 0 0 0\n";
        assert_eq!(parse_traffic(table), NetworkStats { rx_bytes: 2500, tx_bytes: 31 });
    }
}
