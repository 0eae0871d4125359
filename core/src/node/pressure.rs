//! Whether a node is under pressure: which thresholds are met, for how long, and which conditions follow. Pure but for what
//! is remembered from one look to the next.
//!
//! **The rule** (upstream's eviction manager): a condition begins with the first threshold that is met, also a soft one in
//! its time of grace, and ends a while after the last look that found one. Pods are given up for thresholds that are past
//! their grace; such a one counts as met until what is free exceeds it by the amount that is to be won back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::eviction::{EvictionRules, Pressure, Signal, Threshold};
use crate::object::quantity::Quantity;
use crate::runtime::{NodeStats, Room};
use crate::time::Time;

/// How often is looked (the kubelet's `evictionMonitoringPeriod`).
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// The conditions that hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressures([bool; 3]);

impl Pressures {
    /// Whether this one holds.
    pub const fn has(self, pressure: Pressure) -> bool {
        self.0[pressure as usize]
    }

    /// With this one besides.
    #[must_use]
    pub const fn and(mut self, pressure: Pressure) -> Self {
        self.0[pressure as usize] = true;
        self
    }

    /// Those that hold, as Go prints the list.
    pub(super) fn listed(self) -> String {
        let names = Pressure::ALL.into_iter().filter(|pressure| self.has(*pressure)).map(Pressure::as_str);
        format!("[{}]", names.collect::<Vec<_>>().join(" "))
    }
}

/// What is remembered of earlier looks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Since when each threshold, by its place, is met.
    since: BTreeMap<usize, Time>,
    /// Those that were past their grace at the last look.
    starving: Vec<usize>,
    /// When each condition was last seen.
    seen: [Option<Time>; 3],
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) pressures: Pressures,
    /// The thresholds for which pods may be given up, the one that comes first first.
    pub(super) starving: Vec<Threshold>,
}

impl Memory {
    /// Looks at what is free now.
    pub(super) fn look(&mut self, rules: &EvictionRules, stats: &NodeStats, now: Time) -> Finding {
        let met = |place: &usize| is_met(rules, &rules.thresholds[*place], stats, self.starving.contains(place));
        let met: Vec<usize> = (0..rules.thresholds.len()).filter(met).collect();
        self.since = met.iter().map(|place| (*place, self.since.get(place).copied().unwrap_or(now))).collect();
        for place in met {
            self.seen[rules.thresholds[place].signal.pressure() as usize] = Some(now);
        }
        let lasts =
            |pressure: &Pressure| self.seen[*pressure as usize].is_some_and(|at| now.since(at) < rules.transition);
        let pressures = Pressure::ALL.into_iter().filter(lasts).fold(Pressures::default(), Pressures::and);
        let past_grace =
            |(place, since): (&usize, &Time)| (now.since(*since) >= rules.thresholds[*place].grace).then_some(*place);
        self.starving = self.since.iter().filter_map(past_grace).collect();
        let mut starving: Vec<Threshold> = self.starving.iter().map(|place| rules.thresholds[*place]).collect();
        starving.sort_by_key(|threshold| threshold.signal != Signal::MemoryAvailable);
        Finding { pressures, starving }
    }
}

/// Whether enough is free again to let pods be: nothing is below a threshold and what is to be won back besides.
pub(super) fn is_relieved(rules: &EvictionRules, stats: &NodeStats) -> bool {
    !rules.thresholds.iter().any(|threshold| is_met(rules, threshold, stats, true))
}

fn is_met(rules: &EvictionRules, threshold: &Threshold, stats: &NodeStats, until_won_back: bool) -> bool {
    let Some(room) = room(threshold.signal, stats) else { return false };
    let mut wanted = threshold.below.of(threshold.signal, room.capacity);
    if until_won_back && let Some(more) = rules.reclaim_of(threshold.signal) {
        wanted += more.of(threshold.signal, room.capacity);
    }
    available(threshold.signal, room) < wanted
}

/// What there is of what a signal is about; images lie with all else unless they have a file system of their own.
pub(super) fn room(signal: Signal, stats: &NodeStats) -> Option<Room> {
    let images = || stats.image_fs.or(stats.node_fs);
    // A file system without inodes does not count them, so it cannot run out of them.
    let counted = |room: Room| (room.capacity > 0).then_some(room);
    match signal {
        Signal::MemoryAvailable => stats.memory,
        Signal::NodeFsAvailable => stats.node_fs.map(|fs| fs.bytes),
        Signal::NodeFsInodesFree => stats.node_fs.and_then(|fs| counted(fs.inodes)),
        Signal::ImageFsAvailable => images().map(|fs| fs.bytes),
        Signal::ImageFsInodesFree => images().and_then(|fs| counted(fs.inodes)),
        Signal::PidAvailable => stats.pids,
    }
}

/// What is free, as it is printed.
pub(super) fn available(signal: Signal, room: Room) -> Quantity {
    Quantity::new(i64::try_from(room.available).unwrap_or(i64::MAX), signal.format())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::eviction::Amount;

    fn free(memory: u64) -> NodeStats {
        NodeStats { memory: Some(Room { available: memory, capacity: 1000 }), ..NodeStats::default() }
    }

    fn at(seconds: u64) -> Time {
        Time::EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn pods_go_past_the_grace_and_conditions_outlast_what_was_seen() {
        let rules = EvictionRules::none()
            .hard(Signal::MemoryAvailable, Amount::Units(100))
            .soft(Signal::MemoryAvailable, Amount::Percent(30), Duration::from_secs(60))
            .min_reclaim(Signal::MemoryAvailable, Amount::Units(50))
            .pressure_transition(Duration::from_secs(120));
        let mut memory = Memory::default();
        let mut look = |seconds, free_bytes| {
            let finding = memory.look(&rules, &free(free_bytes), at(seconds));
            let graces: Vec<u64> = finding.starving.iter().map(|threshold| threshold.grace.as_secs()).collect();
            (finding.pressures.has(Pressure::Memory), graces)
        };
        assert_eq!(look(0, 300), (false, vec![]), "what is free is not below");
        assert_eq!(look(10, 299), (true, vec![]), "a soft threshold makes the condition at once");
        assert_eq!(look(20, 400), (true, vec![]), "the condition stays");
        assert_eq!(look(30, 299), (true, vec![]), "and its grace begins anew");
        assert_eq!(look(90, 299), (true, vec![60]));
        assert_eq!(look(100, 99), (true, vec![0, 60]));
        assert_eq!(look(110, 149), (true, vec![0, 60]), "not enough was won back");
        assert_eq!(look(120, 150), (true, vec![60]));
        assert_eq!(look(130, 350), (true, vec![]));
        assert_eq!(look(239, 350), (true, vec![]));
        assert_eq!(look(240, 350), (false, vec![]), "two minutes after it was last seen");
    }

    #[test]
    fn memory_comes_first_and_what_is_not_known_is_not_met() {
        let rules = EvictionRules::default().hard(Signal::PidAvailable, Amount::Units(10));
        let tight = Room { available: 1, capacity: 1000 };
        let fs = crate::runtime::FileSystemRoom { bytes: tight, inodes: Room::default() };
        let mut stats = NodeStats { node_fs: Some(fs), pids: Some(tight), ..NodeStats::default() };
        let signals = |stats: &NodeStats| {
            let finding = Memory::default().look(&rules, stats, at(0));
            finding.starving.iter().map(|threshold| threshold.signal).collect::<Vec<_>>()
        };
        let disk = [Signal::NodeFsAvailable, Signal::ImageFsAvailable, Signal::PidAvailable];
        assert_eq!(signals(&stats), disk, "images lie on the same disk, and nobody counts inodes");
        stats.memory = Some(tight);
        assert_eq!(signals(&stats)[0], Signal::MemoryAvailable);
        stats.image_fs = Some(crate::runtime::FileSystemRoom {
            bytes: Room { available: 900, capacity: 1000 },
            inodes: Room { available: 900, capacity: 1000 },
        });
        assert!(!signals(&stats).contains(&Signal::ImageFsAvailable));
        assert!(is_relieved(&rules, &NodeStats::default()) && !is_relieved(&rules, &stats));
    }
}
