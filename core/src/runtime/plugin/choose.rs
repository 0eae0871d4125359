//! Which devices a container is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::PluginDevice;
use crate::runtime::{ContainerConfig, GivenDevice, Inventory};

/// The devices of a resource that containers have which have not ended, and those that earlier instances of this very container
/// had.
pub(super) struct Holders<'i> {
    taken: BTreeSet<&'i str>,
    own: Vec<&'i str>,
}

impl<'i> Holders<'i> {
    pub(super) fn of(resource: &str, inventory: &'i Inventory, config: &ContainerConfig) -> Self {
        let (mut taken, mut own) = (BTreeSet::new(), Vec::new());
        for container in &inventory.containers {
            let is_own = container.pod.uid == config.pod.uid && container.name == config.name;
            let given = container.devices.iter().filter(|device| &*device.resource == resource);
            let given = given.map(|device: &'i GivenDevice| &*device.id);
            match (is_own, container.state.is_exited()) {
                (true, _) => own.extend(given),
                (false, true) => {}
                (false, false) => taken.extend(given),
            }
        }
        Self { taken, own }
    }

    /// This many devices: those that the container had before as far as they are free, then the first that are. An error is how
    /// many there are.
    pub(super) fn choose(&self, devices: &[PluginDevice], count: usize) -> Result<Vec<Arc<str>>, usize> {
        let free = || devices.iter().filter(|device| device.healthy && !self.taken.contains(&*device.id));
        let had = |device: &&PluginDevice| self.own.contains(&&*device.id);
        let chosen = free().filter(had).chain(free().filter(|device| !had(device)));
        let chosen: Vec<Arc<str>> = chosen.take(count).map(|device| Arc::clone(&device.id)).collect();
        if chosen.len() == count { Ok(chosen) } else { Err(free().count()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_somebody_has_or_that_is_ill_is_not_given() {
        let holders = Holders { taken: ["b"].into(), own: vec!["d", "b"] };
        let device = |id: &str, healthy| PluginDevice { healthy, ..PluginDevice::new(id) };
        let devices = [device("a", true), device("b", true), device("c", false), device("d", true), device("e", true)];
        let rows: [(usize, Result<&[&str], usize>); 5] =
            [(0, Ok(&[])), (1, Ok(&["d"])), (2, Ok(&["d", "a"])), (3, Ok(&["d", "a", "e"])), (4, Err(3))];
        for (count, expected) in rows {
            let chosen = holders.choose(&devices, count);
            let chosen = chosen.as_ref().map(|ids| ids.iter().map(|id| &**id).collect::<Vec<_>>());
            assert_eq!(chosen.map_err(|available| *available), expected.map(<[&str]>::to_vec), "{count}");
        }
    }
}
