//! What handles and watchers share with the driver: the ring of changes, and a bell.

use std::sync::RwLock;

use tokio::sync::watch;

use crate::ids::Revision;
use crate::store::{Change, Expired, Ring};

/// Where watchers are told that there is something new, or that there will be nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bell {
    /// Changes up to here can be read.
    Newest(Revision),
    /// The cluster has stopped.
    Closed,
}

#[derive(Debug)]
pub(super) struct Shared {
    ring: RwLock<Ring>,
    bell: watch::Sender<Bell>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { ring: RwLock::new(Ring::default()), bell: watch::Sender::new(Bell::Newest(Revision::ZERO)) }
    }

    pub(super) fn publish(&self, changes: Vec<Change>) {
        let Some(newest) = changes.last().map(Change::revision) else { return };
        self.ring.write().unwrap_or_else(std::sync::PoisonError::into_inner).extend(changes);
        self.bell.send_replace(Bell::Newest(newest));
    }

    pub(super) fn close(&self) {
        self.bell.send_replace(Bell::Closed);
    }

    pub(super) fn listen(&self) -> watch::Receiver<Bell> {
        self.bell.subscribe()
    }

    /// What `pick` makes of the changes after a revision, and the newest revision there is.
    pub(super) fn read<T>(
        &self,
        seen: Revision,
        mut pick: impl FnMut(&Change) -> Option<T>,
    ) -> Result<(Vec<T>, Revision), Expired> {
        let ring = self.ring.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let picked = ring.after(seen)?.filter_map(&mut pick).collect();
        Ok((picked, ring.newest().max(seen)))
    }
}
