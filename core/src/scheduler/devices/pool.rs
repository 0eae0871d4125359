//! The slices of one pool. Those of its latest generation count, and only when all of them are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::NodeSelector;
use k8s_openapi::api::resource::v1::{CounterSet, Device, ResourceSlice, ResourceSliceSpec};

use crate::object::cel::Value;
use crate::object::device::selector;
use crate::scheduler::node_table::NodeRow;
use crate::scheduler::plugins::node_affinity::matches_selector;
use crate::store::Object;

/// A pool, by its driver and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PoolId {
    pub(super) driver: Arc<str>,
    pub(super) pool: Arc<str>,
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.driver, self.pool)
    }
}

/// A device, by its pool and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeviceId {
    pub(super) pool: PoolId,
    pub(super) device: Arc<str>,
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.device)
    }
}

/// One slice, with what expressions see of each of its devices.
#[derive(Debug)]
pub(super) struct Slice {
    object: Arc<Object>,
    pub(super) devices: Vec<Known>,
}

/// A device beside its place in the slice.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: DeviceId,
    pub(super) value: Result<Value, String>,
}

impl Slice {
    pub(super) fn of(pool: &PoolId, object: &Arc<Object>, slice: &ResourceSlice) -> Self {
        let known = |device: &Device| Known {
            id: DeviceId { pool: pool.clone(), device: device.name.as_str().into() },
            value: selector::value_of(&pool.driver, device),
        };
        let devices = slice.spec.devices.iter().flatten().map(known).collect();
        Self { object: Arc::clone(object), devices }
    }

    pub(super) fn spec(&self) -> Option<&ResourceSliceSpec> {
        self.object.typed::<ResourceSlice>().map(|slice| &slice.spec)
    }

    /// The device in this place.
    pub(super) fn device(&self, index: usize) -> Option<&Device> {
        self.spec()?.devices.as_ref()?.get(index)
    }

    /// Whether some of its devices can be used on a node.
    pub(super) fn is_for(&self, row: &NodeRow) -> bool {
        let Some(spec) = self.spec() else { return false };
        match spec.per_device_node_selection {
            Some(true) => spec.devices.iter().flatten().any(|device| is_device_for(spec, device, row)),
            _ => reaches(spec.node_name.as_deref(), spec.all_nodes, spec.node_selector.as_ref(), row),
        }
    }
}

/// Whether one device of a slice that is for a node can be used there.
pub(super) fn is_device_for(spec: &ResourceSliceSpec, device: &Device, row: &NodeRow) -> bool {
    spec.per_device_node_selection != Some(true)
        || reaches(device.node_name.as_deref(), device.all_nodes, device.node_selector.as_ref(), row)
}

fn reaches(node: Option<&str>, all: Option<bool>, selector: Option<&NodeSelector>, row: &NodeRow) -> bool {
    match (node.filter(|name| !name.is_empty()), selector) {
        (Some(name), _) => row.name.as_str() == name,
        (None, _) if all == Some(true) => true,
        (None, selector) => selector.is_some_and(|selector| matches_selector(selector, row)),
    }
}

/// For whom the devices of a pool are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// There are none.
    #[default]
    Nowhere,
    /// One node alone.
    Node(Arc<str>),
    /// More than one node, or nobody knows which.
    Several,
}

/// Why nothing can be taken from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Some of its slices are not there yet.
    Incomplete,
    /// Its slices do not agree.
    Invalid(String),
}

/// All slices of one pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    slices: BTreeMap<Arc<str>, Arc<Slice>>,
    /// Those of the latest generation, by name.
    pub(super) current: Vec<Arc<Slice>>,
    pub(super) flaw: Option<Flaw>,
    pub(super) place: Place,
}

impl Pool {
    pub(super) fn put(&mut self, slice: Slice) {
        self.slices.insert(Arc::clone(&slice.object.meta.name), Arc::new(slice));
        self.sort();
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.slices.remove(name);
        self.sort();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// The counters that devices of the pool take from.
    pub(super) fn counter_sets(&self) -> impl Iterator<Item = &CounterSet> {
        let specs = self.current.iter().filter_map(|slice| slice.spec());
        specs.flat_map(|spec| spec.shared_counters.iter().flatten())
    }

    fn sort(&mut self) {
        let generation = |slice: &Slice| slice.spec().map_or(0, |spec| spec.pool.generation);
        let latest = self.slices.values().map(|slice| generation(slice)).max();
        let current = self.slices.values().filter(|slice| Some(generation(slice)) == latest);
        self.current = current.cloned().collect();
        let count =
            self.current.first().and_then(|slice| slice.spec()).map_or(0, |spec| spec.pool.resource_slice_count);
        self.flaw = match usize::try_from(count) == Ok(self.current.len()) {
            false => Some(Flaw::Incomplete),
            true => self.disagreement().map(Flaw::Invalid),
        };
        self.place = self.reach();
    }

    /// What is wrong with the slices together.
    fn disagreement(&self) -> Option<String> {
        let mut names = BTreeSet::new();
        let mut all = self.current.iter().flat_map(|slice| &slice.devices);
        if let Some(twice) = all.find(|known| !names.insert(&known.id.device)) {
            return Some(format!("duplicate device name {}", twice.id.device));
        }
        let mut sets: BTreeMap<&str, &CounterSet> = BTreeMap::new();
        for set in self.counter_sets() {
            if sets.insert(&set.name, set).is_some() {
                return Some(format!("duplicate counter set name {}", set.name));
            }
        }
        let specs = self.current.iter().filter_map(|slice| slice.spec());
        let devices = specs.flat_map(|spec| spec.devices.iter().flatten());
        devices.flat_map(|device| device.consumes_counters.iter().flatten()).find_map(|taken| {
            let Some(set) = sets.get(taken.counter_set.as_str()) else {
                return Some(format!("counter set {} not found", taken.counter_set));
            };
            let missing = taken.counters.keys().find(|name| !set.counters.contains_key(*name))?;
            Some(format!("counter {missing} not found in counter set {}", set.name))
        })
    }

    fn reach(&self) -> Place {
        let mut place = Place::Nowhere;
        for spec in self.slices.values().filter_map(|slice| slice.spec()) {
            let node = spec.node_name.as_deref().filter(|name| !name.is_empty());
            place = match (place, node) {
                (Place::Nowhere, Some(node)) => Place::Node(node.into()),
                (Place::Node(known), Some(node)) if *known == *node => Place::Node(known),
                _ => return Place::Several,
            };
        }
        place
    }
}
