//! What happens in the cluster that may let a waiting pod fit, and which plugins keep a pod from it.
//!
//! A pod that fits nowhere waits for those plugins that rejected it, on whatever node. Each of them hears of some of what
//! happens, and says whether that may have cured what it had against a pod of that shape: upstream's queueing hints.

use super::devices::Class;
use super::node_table::{NodeRow, Tenant};
use super::plugin::Plugin;
use super::plugins::PLUGINS;

/// Something that may cure what some plugin has against a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening<'a> {
    /// A node is there that was not.
    NodeCame(&'a NodeRow),
    /// A node says something else of itself.
    NodeChanged {
        /// As it was.
        before: &'a NodeRow,
        /// As it is.
        after: &'a NodeRow,
    },
    /// A node is gone.
    NodeWent(&'a NodeRow),
    /// A pod has got a node.
    PodCame(&'a Tenant),
    /// A pod is another to its node or to others: it takes more or less, or has other labels.
    PodChanged {
        /// As it was.
        before: &'a Tenant,
        /// As it is.
        after: &'a Tenant,
    },
    /// A pod has left its node, or the room that it had been promised there.
    PodWent(&'a Tenant),
    /// A namespace has other labels.
    NamespaceChanged,
    /// Something that volumes depend on has changed.
    StorageChanged,
    /// There may be more devices.
    DevicesChanged,
    /// A class of devices is there, or says something else.
    DeviceClassChanged(&'a Class),
}

/// The plugins that rejected a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rejectors(u32);

impl Rejectors {
    /// There was no node that any could have rejected.
    pub(crate) const NO_NODES: Self = Self(1 << 31);

    /// The plugins for which this holds.
    pub(crate) fn those(which: impl Fn(&dyn Plugin) -> bool) -> Self {
        let bits = PLUGINS.iter().enumerate().filter(|(_, plugin)| which(**plugin)).map(|(number, _)| 1 << number);
        Self(bits.fold(0, |all: u32, bit: u32| all | bit))
    }

    /// The plugin of this name.
    pub(crate) fn named(name: &str) -> Self {
        Self::those(|plugin| plugin.name() == name)
    }

    /// Both.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub(crate) const fn among(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether some are in both.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The least set after this one, in the order of sets.
    pub(crate) const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// Each of them.
    pub(crate) fn plugins(self) -> impl Iterator<Item = &'static dyn Plugin> {
        PLUGINS.iter().enumerate().filter(move |(number, _)| self.0 & 1 << number != 0).map(|(_, plugin)| *plugin)
    }
}
