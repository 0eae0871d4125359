//! Where there is how much room for volumes that are still to be made (`CSIStorageCapacity`), by storage class.
//!
//! Asked for each node that is looked at: so what is said of nodes with a certain value of a label is found by that value.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::storage::v1::CSIStorageCapacity;

use crate::ids::Uid;
use crate::object::quantity::Quantity;
use crate::object::selector::{Operator, Selector};
use crate::store::{Object, StringMap};

/// What one object says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Room {
    /// `nodeTopology`
    nodes: Selector,
    /// The largest volume that can be made: `maximumVolumeSize`, else `capacity`.
    size: Quantity,
}

type Rooms = BTreeMap<Uid, Room>;

/// What is said of one class.
#[derive(Debug, Default)]
struct OfClass {
    /// Another one after each change.
    version: u64,
    /// By a label that the nodes must have, and its value.
    by_label: BTreeMap<Box<str>, BTreeMap<Box<str>, Rooms>>,
    /// Of nodes that are found by no single value.
    others: Rooms,
}

/// All that is said of room.
#[derive(Debug, Default)]
pub(crate) struct Capacities {
    by_class: BTreeMap<Arc<str>, OfClass>,
    changes: u64,
}

impl Capacities {
    /// Takes over one object; says whether there may be more room than before.
    pub(crate) fn put(&mut self, before: Option<&Object>, after: Option<&Object>) -> bool {
        let (old, new) = (before.and_then(room), after.and_then(room));
        if old == new {
            return false;
        }
        self.changes += 1;
        if let Some(((class, room), object)) = old.as_ref().zip(before)
            && let Some(of_class) = self.by_class.get_mut(class)
        {
            of_class.remove(room, object.meta.uid);
            of_class.version = self.changes;
            if of_class.is_empty() {
                self.by_class.remove(class);
            }
        }
        let rises = match (&old, &new) {
            (Some((_, old)), Some((_, new))) => new.size > old.size || new.nodes != old.nodes,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if let Some(((class, room), object)) = new.zip(after) {
            let of_class = self.by_class.entry(class).or_default();
            of_class.insert(room, object.meta.uid);
            of_class.version = self.changes;
        }
        rises
    }

    /// Equal as long as nothing changes in what is said of a class.
    pub(crate) fn version(&self, class: &str) -> u64 {
        self.by_class.get(class).map_or(0, |of_class| of_class.version)
    }

    /// Whether a volume of this size can be made for a node with these labels.
    pub(crate) fn has_room(&self, class: &str, size: Quantity, labels: &StringMap) -> bool {
        self.by_class.get(class).is_some_and(|of_class| of_class.has_room(size, labels))
    }
}

impl OfClass {
    fn is_empty(&self) -> bool {
        self.by_label.is_empty() && self.others.is_empty()
    }

    fn insert(&mut self, room: Room, uid: Uid) {
        let rooms = match anchor(&room.nodes) {
            Some((key, value)) => self.by_label.entry(key.into()).or_default().entry(value.into()).or_default(),
            None => &mut self.others,
        };
        rooms.insert(uid, room);
    }

    fn remove(&mut self, room: &Room, uid: Uid) {
        let Some((key, value)) = anchor(&room.nodes) else { return drop(self.others.remove(&uid)) };
        let Some(by_value) = self.by_label.get_mut(key) else { return };
        if let Some(rooms) = by_value.get_mut(value) {
            rooms.remove(&uid);
            if rooms.is_empty() {
                by_value.remove(value);
            }
        }
        if by_value.is_empty() {
            self.by_label.remove(key);
        }
    }

    fn has_room(&self, size: Quantity, labels: &StringMap) -> bool {
        let by_label = self.by_label.iter().filter_map(|(key, by_value)| by_value.get(labels.get(&**key)?.as_str()));
        let mut rooms = by_label.chain([&self.others]).flat_map(BTreeMap::values);
        rooms.any(|room| room.size >= size && room.nodes.matches(labels))
    }
}

/// The value of a label that a node must have.
fn anchor(nodes: &Selector) -> Option<(&str, &str)> {
    nodes.requirements().iter().find_map(|one| {
        let mut values = one.values();
        let value = values.next().filter(|_| matches!(one.operator(), Operator::In | Operator::Equals))?;
        values.next().is_none().then(|| (one.key(), value))
    })
}

/// What an object says, and of which class; nothing where it names no nodes or no size.
fn room(object: &Object) -> Option<(Arc<str>, Room)> {
    let capacity: &CSIStorageCapacity = object.typed()?;
    let nodes = Selector::compile(Some(capacity.node_topology.as_ref()?)).ok()?;
    let size = capacity.maximum_volume_size.as_ref().or(capacity.capacity.as_ref())?;
    Some((capacity.storage_class_name.as_str().into(), Room { nodes, size: Quantity::from_api(size).ok()? }))
}
