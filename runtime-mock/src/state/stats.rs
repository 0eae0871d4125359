//! Usage: what scripts say, summed up over time.

use std::time::Duration;

use inboard::runtime::{ContainerStats, FileSystemStats, NetworkStats, NodeStats, PodSandboxStats};
use inboard::time::Time;

use super::container::Container;
use super::serve::About;
use super::{Answer, MockState};
use crate::calls::Verb;
use crate::script::glob;

/// The memory of a container of which nothing was said, in bytes.
const DEFAULT_MEMORY: u64 = 4 << 20;

/// The CPU time of a container up to a moment, in thousandths of a core times nanoseconds.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    used: u128,
    /// Up to where `used` counts, since the container's start.
    counted: Duration,
    /// What [`MockState::set_cpu`] said, in thousandths of a core.
    millis: Option<u64>,
    /// What [`MockState::set_memory`] said, in bytes.
    memory: Option<u64>,
}

impl Container {
    fn counted_cpu(&self, ran: Duration) -> u128 {
        let meter = self.live.as_ref().map(|live| &live.cpu);
        let (used, counted) = meter.map_or((0, Duration::ZERO), |meter| (meter.used, meter.counted));
        used + match (meter.and_then(|meter| meter.millis), &self.script) {
            (Some(millis), _) => u128::from(millis) * ran.saturating_sub(counted).as_nanos(),
            (None, Some(script)) => script.cpu_millis.between(counted, ran),
            (None, None) => 0,
        }
    }

    fn stats(&self, now: Time) -> Option<ContainerStats> {
        let ran = now.since(self.running_since(now)?);
        let set = self.live.as_ref().and_then(|live| live.cpu.memory);
        let scripted = self.script.as_ref().and_then(|script| script.memory_bytes.as_ref());
        let nanos = u64::try_from(self.counted_cpu(ran) / 1000).unwrap_or(u64::MAX);
        Some(ContainerStats {
            name: self.name.clone(),
            cpu: Duration::from_nanos(nanos),
            memory_working_set: set.or_else(|| scripted.map(|memory| memory.at(ran))).unwrap_or(DEFAULT_MEMORY),
            filesystem: self.live.as_ref().map_or_else(FileSystemStats::default, |live| live.files.usage()),
            logs: self.live.as_ref().map_or_else(FileSystemStats::default, |live| live.log.usage()),
        })
    }

    fn meter(&mut self, now: Time) -> Option<&mut CpuMeter> {
        let ran = now.since(self.running_since(now)?);
        let used = self.counted_cpu(ran);
        let meter = &mut self.live_mut().cpu;
        (meter.used, meter.counted) = (used, ran);
        Some(meter)
    }
}

impl MockState {
    pub(crate) fn stats(&mut self, now: Time) -> Answer<Vec<PodSandboxStats>> {
        self.serve(now, Verb::Stats, About::Node, |state, now| {
            state.settle_costly_meters(now);
            (now, Ok(state.usage())).into()
        })
    }

    pub(crate) fn node_stats(&mut self, now: Time) -> Answer<NodeStats> {
        self.serve(now, Verb::NodeStats, About::Node, |state, now| {
            let mut stats = *state.machine;
            let pods = state.usage();
            let containers = pods.iter().flat_map(|pod| &pod.containers);
            let (memory, pids): (u64, u64) =
                (containers.map(|container| container.memory_working_set).sum(), pods.iter().map(|pod| pod.pids).sum());
            for (room, used) in [(&mut stats.memory, memory), (&mut stats.pids, pids)] {
                if let Some(room) = room {
                    room.available = room.available.saturating_sub(used);
                }
            }
            (now, Ok(stats)).into()
        })
    }

    /// From now on the machine has this much room, of which its containers take the memory and processes that they use.
    /// Until it is said, nothing is known of it.
    pub fn set_machine(&mut self, stats: NodeStats) {
        *self.machine = stats;
    }

    /// Puts down what was used until now, where counting it again each time would take long.
    fn settle_costly_meters(&mut self, now: Time) {
        if !self.scripts.iter().any(|script| script.cpu_millis.is_costly()) {
            return;
        }
        for entry in &mut self.sandboxes {
            for container in &mut entry.sandbox.containers {
                if container.script.as_ref().is_some_and(|script| script.cpu_millis.is_costly()) {
                    container.meter(now);
                }
            }
        }
    }

    /// Usage of every sandbox at the latest moment seen, without a call being made.
    pub fn usage(&self) -> Vec<PodSandboxStats> {
        let now = self.now;
        let ready = self.sandboxes.iter().map(|entry| &entry.sandbox).filter(|sandbox| sandbox.ready);
        let all = ready.map(|sandbox| {
            let containers: Vec<_> = sandbox.containers.iter().filter_map(|one| one.stats(now)).collect();
            PodSandboxStats {
                pod: sandbox.pod.clone(),
                time: now,
                pids: containers.len() as u64,
                containers,
                volumes: self.volumes.usage(sandbox.pod.uid),
                network: sandbox.address.map(|_| NetworkStats::default()),
            }
        });
        all.collect()
    }

    /// From now on the running containers of this name use this much CPU, in thousandths of a core, whatever their
    /// script says; both names may have `*`. Says how many there were.
    pub fn set_cpu(&mut self, now: Time, pod: &str, container: &str, millis: u64) -> usize {
        self.set_usage(now, pod, container, |meter| meter.millis = Some(millis))
    }

    /// From now on the running containers of this name use this much memory, in bytes; both names may have `*`. Says
    /// how many there were.
    pub fn set_memory(&mut self, now: Time, pod: &str, container: &str, bytes: u64) -> usize {
        self.set_usage(now, pod, container, |meter| meter.memory = Some(bytes))
    }

    fn set_usage(&mut self, now: Time, pod: &str, container: &str, set: impl Fn(&mut CpuMeter)) -> usize {
        let now = self.advance(now);
        let keys = self.running(now, |identity, name| glob(pod, &identity.name) && glob(container, name));
        for key in &keys {
            if let Some(meter) = self.container_mut(*key).and_then(|container| container.meter(now)) {
                set(meter);
            }
        }
        keys.len()
    }
}
