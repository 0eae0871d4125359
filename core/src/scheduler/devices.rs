//! The devices that there are, who has them, and the classes they are asked for by: kept as the objects change.
//!
//! Drivers say in `ResourceSlice`s which devices they have; all slices of one pool and its latest generation belong
//! together. What has been given to claims stands in their `status.allocation`. What changes for one node is noted in the
//! table, so that only that node is looked at again; what several nodes can use counts a version up, which is part of the
//! shape of the pods that claim devices, and of no others.
//!
//! | file | what is there |
//! |---|---|
//! | [`pool`] | slices that belong together, and what is wrong with them |
//! | [`holders`] | which devices claims have |
//! | [`extended`] | extended resources that classes of devices have: which requests a pod makes by them |
//! | [`needs`] | what a pod demands: where its claims can be used, and what is still to be given to them |
//! | [`search`] | devices for all claims of a pod on one node |
//! | [`made`] | the claim that is made for extended resources |
//! | [`wanted`] | which claims are to get devices on a node, and how well it serves them |
//! | [`limits`] | what several devices share: constraints, counters, capacity |
//! | [`grant`] | what is written down when a pod gets its node |

mod extended;
mod grant;
mod holders;
mod limits;
mod made;
mod needs;
mod pool;
mod search;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceClass, DeviceClassSpec, ResourceClaim, ResourceSlice};

pub use self::grant::Grant;
pub(crate) use self::grant::{GivenDevices, given_on, idle_elsewhere};
pub use self::made::Made;
pub(crate) use self::made::{made_for, unmake};
pub(crate) use self::needs::{Asks, Demand, Needs, name_of, names_of, needs_of};
pub(crate) use self::search::fits;
pub(crate) use self::wanted::preference;

use self::holders::Holders;
use self::pool::{Place, Pool, PoolId, Slice};
use super::node_table::NodeTable;
use crate::ids::{NodeName, Revision};
use crate::object::cel::Program;
use crate::object::device::{self, selector};
use crate::store::Object;
use crate::time::Time;

/// A class of devices, its expressions read.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) name: Arc<str>,
    pub(crate) revision: Revision,
    pub(crate) spec: DeviceClassSpec,
    pub(crate) selectors: Vec<Result<Program, String>>,
    created: Time,
}

impl Class {
    /// The extended resource that its devices stand for, where it says so.
    fn resource(&self) -> Option<&str> {
        self.spec.extended_resource_name.as_deref()
    }

    /// Whether its devices stand for this resource.
    pub(crate) fn has(&self, resource: &str) -> bool {
        self.resource() == Some(resource) || resource.strip_prefix(device::CLASS_PREFIX) == Some(&*self.name)
    }
}

/// All devices, as far as the scheduler looks at them.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    pools: BTreeMap<PoolId, Pool>,
    /// The pools of each node alone.
    local: BTreeMap<Arc<str>, BTreeSet<PoolId>>,
    /// The pools that several nodes can use.
    shared: BTreeSet<PoolId>,
    holders: Holders,
    classes: BTreeMap<Arc<str>, Arc<Class>>,
    /// Changes whenever something changes that several nodes can use.
    version: u64,
}

impl Devices {
    /// The version of what several nodes can use; `None` where there is nothing of the kind.
    fn shared_version(&self) -> Option<u64> {
        (!self.shared.is_empty()).then_some(self.version)
    }

    fn class(&self, name: &str) -> Option<&Arc<Class>> {
        self.classes.get(name)
    }

    /// The class that has an extended resource: of several the one that was created last, of those the first by name.
    fn class_of_resource(&self, resource: &str) -> Option<&Arc<Class>> {
        if let Some(name) = resource.strip_prefix(device::CLASS_PREFIX) {
            return self.class(name);
        }
        let having = self.classes.values().filter(|class| class.resource() == Some(resource));
        having.max_by(|one, other| one.created.cmp(&other.created).then_with(|| other.name.cmp(&one.name)))
    }

    /// The pools with devices that may be used on a node.
    fn pools_for(&self, node: &str) -> impl Iterator<Item = (&PoolId, &Pool)> {
        let local = self.local.get(node).into_iter().flatten();
        let mut ids: Vec<&PoolId> = local.chain(&self.shared).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| Some((id, self.pools.get(id)?)))
    }

    fn put_slice(&mut self, object: &Object, slice: Option<(&Arc<Object>, &ResourceSlice)>) -> Option<(Place, Place)> {
        let spec = &object.typed::<ResourceSlice>()?.spec;
        let id = PoolId { driver: spec.driver.as_str().into(), pool: spec.pool.name.as_str().into() };
        let pool = self.pools.entry(id.clone()).or_default();
        let before = pool.place.clone();
        match slice {
            Some((object, slice)) => pool.put(Slice::of(&id, object, slice)),
            None => pool.remove(&object.meta.name),
        }
        let after = pool.place.clone();
        if pool.is_empty() {
            self.pools.remove(&id);
        }
        if before != after {
            self.leave(&id, &before);
            match &after {
                Place::Nowhere => {}
                Place::Node(node) => drop(self.local.entry(Arc::clone(node)).or_default().insert(id)),
                Place::Several => drop(self.shared.insert(id)),
            }
        }
        Some((before, after))
    }

    fn leave(&mut self, id: &PoolId, place: &Place) {
        match place {
            Place::Nowhere => {}
            Place::Several => drop(self.shared.remove(id)),
            Place::Node(node) => {
                if let Some(pools) = self.local.get_mut(node) {
                    pools.remove(id);
                    if pools.is_empty() {
                        self.local.remove(node);
                    }
                }
            }
        }
    }
}

impl NodeTable {
    /// Takes over a slice before and after a change.
    pub(crate) fn put_slice(&mut self, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>) {
        let Some(object) = after.or(before) else { return };
        let slice = after.and_then(|object| Some((object, object.typed::<ResourceSlice>()?)));
        if let Some((before, after)) = self.devices_mut().put_slice(object, slice) {
            self.note_place(&before);
            self.note_place(&after);
        }
    }

    /// Takes over what a claim has; says whether it gave something back.
    pub(crate) fn put_device_claim(&mut self, before: Option<&Object>, after: Option<&Object>) -> bool {
        let allocation = |object: Option<&Object>| {
            let status = object?.typed::<ResourceClaim>()?.status.as_ref()?;
            status.allocation.clone()
        };
        let (before, after) = (allocation(before), allocation(after));
        if before == after {
            return false;
        }
        let devices = self.devices_mut();
        let mut pools: BTreeSet<PoolId> = BTreeSet::new();
        for (allocation, adds) in [(&before, false), (&after, true)] {
            for result in
                allocation.iter().filter_map(|one| one.devices.as_ref()).flat_map(|one| one.results.iter().flatten())
            {
                devices.holders.note(result, adds);
                pools.insert(PoolId { driver: result.driver.as_str().into(), pool: result.pool.as_str().into() });
            }
        }
        let places = pools.iter().filter_map(|id| Some(devices.pools.get(id)?.place.clone()));
        let places: Vec<Place> = places.collect();
        places.iter().for_each(|place| self.note_place(place));
        before.is_some() && after.is_none()
    }

    /// Takes over a class.
    pub(crate) fn put_device_class(&mut self, name: &Arc<str>, after: Option<&Object>) {
        let class = after.and_then(|object| Some((object, object.typed::<DeviceClass>()?)));
        let classes = &mut self.devices_mut().classes;
        let Some((object, class)) = class else {
            classes.remove(name);
            return;
        };
        let spec = class.spec.clone().unwrap_or_default();
        let sources = spec.selectors.iter().flatten();
        let selectors = sources.map(|one| selector::compile(one.cel.as_ref().map_or("", |cel| &cel.expression)));
        let selectors = selectors.collect();
        let (revision, created) = (object.meta.revision, object.meta.created);
        let class = Class { name: Arc::clone(name), revision, spec, selectors, created };
        classes.insert(Arc::clone(name), Arc::new(class));
    }

    /// The class of this name, as far as the scheduler knows.
    pub(crate) fn device_class(&self, name: &str) -> Option<&Arc<Class>> {
        self.devices().class(name)
    }

    fn note_place(&mut self, place: &Place) {
        match place {
            Place::Nowhere => {}
            Place::Several => self.devices_mut().version += 1,
            Place::Node(node) => self.note_named(&NodeName::new(Arc::clone(node))),
        }
    }
}
