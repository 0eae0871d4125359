//! One mutex for each name, made when it is asked for: calls for one pod wait for each other, others do not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

#[derive(Debug, Default)]
pub(crate) struct KeyedLocks {
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl KeyedLocks {
    /// Waits until nobody else holds this name.
    pub(crate) async fn hold(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = guard(&self.locks);
            // Locks that nobody holds or waits for are dropped here, so that names do not pile up.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry(name.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// Locks a mutex whose data is whole between any two statements, so that a panic elsewhere does not matter.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
