//! Which devices claims have: an index over `status.allocation` of all claims.
//!
//! A device that may be used by several at a time is held in parts: how much of each capacity is taken counts. Access for
//! administrators holds nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::DeviceRequestAllocationResult as Given;

use super::pool::{DeviceId, PoolId};
use crate::object::quantity::Quantity;

/// What is taken of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// By how many claims the whole of it is held: one, if all is well.
    whole: usize,
    /// By how many a part of it.
    parts: usize,
    consumed: BTreeMap<String, Quantity>,
}

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Holders(BTreeMap<DeviceId, Held>);

impl Holders {
    /// A claim got this, or gives it back.
    pub(super) fn note(&mut self, given: &Given, adds: bool) {
        if given.admin_access == Some(true) {
            return;
        }
        let pool = PoolId { driver: given.driver.as_str().into(), pool: given.pool.as_str().into() };
        let id = DeviceId { pool, device: given.device.as_str().into() };
        let held = self.0.entry(id.clone()).or_default();
        let number = if given.share_id.is_some() { &mut held.parts } else { &mut held.whole };
        *number = if adds { *number + 1 } else { number.saturating_sub(1) };
        for (name, amount) in given.consumed_capacity.iter().flatten() {
            let amount = Quantity::from_api(amount).unwrap_or_default();
            let sum = held.consumed.entry(name.clone()).or_default();
            *sum = if adds { *sum + amount } else { *sum - amount };
        }
        if held.whole == 0 && held.parts == 0 {
            self.0.remove(&id);
        }
    }

    /// Whether the whole of a device is held.
    pub(super) fn has(&self, id: &DeviceId) -> bool {
        self.0.get(id).is_some_and(|held| held.whole > 0)
    }

    /// Whether any of a device is held.
    pub(super) fn has_any(&self, id: &DeviceId) -> bool {
        self.0.contains_key(id)
    }

    /// How much of a capacity is taken.
    pub(super) fn consumed(&self, id: &DeviceId, capacity: &str) -> Quantity {
        self.0.get(id).and_then(|held| held.consumed.get(capacity).copied()).unwrap_or_default()
    }
}
