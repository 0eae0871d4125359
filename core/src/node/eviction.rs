//! What a node does for its own sake: the thresholds below which it is under pressure and gives up pods (the kubelet's
//! `evictionHard`, `evictionSoft` and what goes with them).

use std::time::Duration;

use crate::object::quantity::{Quantity, QuantityFormat};

/// Something that a node can run out of (`k8s.io/kubernetes/pkg/kubelet/eviction/api`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `memory.available`
    MemoryAvailable,
    /// `nodefs.available`: bytes for volumes and logs.
    NodeFsAvailable,
    /// `nodefs.inodesFree`
    NodeFsInodesFree,
    /// `imagefs.available`: bytes for images and the layers of containers.
    ImageFsAvailable,
    /// `imagefs.inodesFree`
    ImageFsInodesFree,
    /// `pid.available`
    PidAvailable,
}

/// A condition of a node that has too little of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// `MemoryPressure`
    Memory,
    /// `DiskPressure`
    Disk,
    /// `PIDPressure`
    Pid,
}

impl Pressure {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Disk, Self::Pid];

    /// The type of the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "MemoryPressure",
            Self::Disk => "DiskPressure",
            Self::Pid => "PIDPressure",
        }
    }
}

impl Signal {
    pub(super) const fn pressure(self) -> Pressure {
        match self {
            Self::MemoryAvailable => Pressure::Memory,
            Self::NodeFsAvailable | Self::NodeFsInodesFree | Self::ImageFsAvailable | Self::ImageFsInodesFree => {
                Pressure::Disk
            }
            Self::PidAvailable => Pressure::Pid,
        }
    }

    /// What is to be won back, as messages call it.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::MemoryAvailable => "memory",
            Self::NodeFsAvailable | Self::ImageFsAvailable => "ephemeral-storage",
            Self::NodeFsInodesFree | Self::ImageFsInodesFree => "inodes",
            Self::PidAvailable => "pids",
        }
    }

    pub(super) const fn format(self) -> QuantityFormat {
        match self {
            Self::MemoryAvailable | Self::NodeFsAvailable | Self::ImageFsAvailable => QuantityFormat::BinarySi,
            Self::NodeFsInodesFree | Self::ImageFsInodesFree | Self::PidAvailable => QuantityFormat::DecimalSi,
        }
    }
}

/// A part of what a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes, inodes or processes.
    Units(u64),
    /// So many hundredths of all there is.
    Percent(u8),
}

impl Amount {
    /// How much it is where there is so much in all.
    pub(super) fn of(self, signal: Signal, capacity: u64) -> Quantity {
        let whole = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        match self {
            Self::Units(units) => Quantity::new(whole(units), signal.format()),
            // Upstream prints parts in binary form, whatever they are parts of.
            Self::Percent(percent) => {
                let part = u128::from(capacity) * u128::from(percent) / 100;
                Quantity::from_bytes(whole(u64::try_from(part).unwrap_or(u64::MAX)))
            }
        }
    }
}

/// One threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    pub(super) signal: Signal,
    /// It is met while less than this is free.
    pub(super) below: Amount,
    /// How long it must be met before a pod is given up; a hard one has no such time.
    pub(super) grace: Duration,
}

impl Threshold {
    pub(super) const fn is_hard(&self) -> bool {
        self.grace.is_zero()
    }
}

/// When a node gives up pods. The default is upstream's on Linux: hard thresholds at 100 MiB of memory, 10 % of the disk
/// and 5 % of its inodes, 15 % and 5 % where images are kept.
///
/// ```
/// use std::time::Duration;
/// use inboard::node::{Amount, EvictionRules, Signal};
///
/// let rules = EvictionRules::default()
///     .hard(Signal::MemoryAvailable, Amount::Units(256 << 20))
///     .soft(Signal::MemoryAvailable, Amount::Percent(10), Duration::from_secs(90))
///     .pod_grace_max(Duration::from_secs(20));
/// # drop(rules);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvictionRules {
    pub(super) thresholds: Vec<Threshold>,
    reclaims: Vec<(Signal, Amount)>,
    pub(super) transition: Duration,
    pub(super) pod_grace_max: Duration,
}

impl Default for EvictionRules {
    fn default() -> Self {
        Self::none()
            .hard(Signal::MemoryAvailable, Amount::Units(100 << 20))
            .hard(Signal::NodeFsAvailable, Amount::Percent(10))
            .hard(Signal::NodeFsInodesFree, Amount::Percent(5))
            .hard(Signal::ImageFsAvailable, Amount::Percent(15))
            .hard(Signal::ImageFsInodesFree, Amount::Percent(5))
    }
}

impl EvictionRules {
    /// No threshold yet.
    pub const fn none() -> Self {
        Self {
            thresholds: Vec::new(),
            reclaims: Vec::new(),
            transition: Duration::from_secs(300),
            pod_grace_max: Duration::ZERO,
        }
    }

    /// A pod is given up as soon as less than this is free (`evictionHard`). It replaces the hard threshold that there is for
    /// this signal.
    #[must_use]
    pub fn hard(self, signal: Signal, below: Amount) -> Self {
        self.with(Threshold { signal, below, grace: Duration::ZERO })
    }

    /// A pod is given up once less than this has been free for so long (`evictionSoft`, `evictionSoftGracePeriod`); a time of
    /// zero makes it a hard threshold.
    #[must_use]
    pub fn soft(self, signal: Signal, below: Amount, grace: Duration) -> Self {
        self.with(Threshold { signal, below, grace })
    }

    fn with(mut self, threshold: Threshold) -> Self {
        self.thresholds.retain(|old| old.signal != threshold.signal || old.is_hard() != threshold.is_hard());
        self.thresholds.push(threshold);
        self
    }

    /// How much more than the threshold must be free before it is over (`evictionMinimumReclaim`). Default: nothing.
    #[must_use]
    pub fn min_reclaim(mut self, signal: Signal, amount: Amount) -> Self {
        self.reclaims.retain(|(old, _)| *old != signal);
        self.reclaims.push((signal, amount));
        self
    }

    /// How long a condition stays after it was last seen (`evictionPressureTransitionPeriod`). Default: five minutes.
    #[must_use]
    pub const fn pressure_transition(mut self, period: Duration) -> Self {
        self.transition = period;
        self
    }

    /// The longest time that the containers of a pod get to stop in when it is given up for a soft threshold
    /// (`evictionMaxPodGracePeriod`), if its own is not shorter. Default: none.
    #[must_use]
    pub const fn pod_grace_max(mut self, grace: Duration) -> Self {
        self.pod_grace_max = grace;
        self
    }

    pub(super) fn reclaim_of(&self, signal: Signal) -> Option<Amount> {
        self.reclaims.iter().find(|(of, _)| *of == signal).map(|(_, amount)| *amount)
    }
}
