//! What handles and watchers share with the driver: the ring of changes, and a bell.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::sync::watch;

use super::admission::Admission;
use crate::ids::Revision;
use crate::store::{Change, Expired, Ring, Snapshot};

/// Where watchers are told that there is something new, or that there will be nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bell {
    /// Changes up to here can be read.
    Newest(Revision),
    /// The cluster has stopped.
    Closed,
}

/// How many lists can be read page by page at one time; one more, and the oldest expires.
const PAGES_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Shared {
    ring: RwLock<Ring>,
    /// The moments of lists that are being read page by page, the newest at the end.
    pages: Mutex<VecDeque<Snapshot>>,
    bell: watch::Sender<Bell>,
    /// Who asks webhooks.
    admission: Mutex<Option<Weak<dyn Admission>>>,
}

impl Shared {
    /// Watchers are shown what comes after this revision.
    pub(super) fn starting_after(revision: Revision) -> Self {
        Self {
            ring: RwLock::new(Ring::default().starting_after(revision)),
            pages: Mutex::default(),
            bell: watch::Sender::new(Bell::Newest(revision)),
            admission: Mutex::default(),
        }
    }

    pub(super) fn set_admission(&self, admission: Weak<dyn Admission>, replacement: bool) {
        let mut place = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = place.as_ref().is_none_or(|there| there.strong_count() == 0);
        if replacement || is_free {
            *place = Some(admission);
        }
    }

    /// Who asks webhooks, if it is still there.
    pub(super) fn admission(&self) -> Option<Arc<dyn Admission>> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade)
    }

    pub(super) fn publish(&self, changes: Vec<Change>) {
        let Some(newest) = changes.last().map(Change::revision) else { return };
        self.ring.write().unwrap_or_else(PoisonError::into_inner).extend(changes);
        self.bell.send_replace(Bell::Newest(newest));
    }

    /// Keeps a moment for the next page; the oldest goes when there are too many.
    pub(super) fn keep_page(&self, snapshot: &Snapshot) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.iter().any(|page| page.revision() == snapshot.revision()) {
            return;
        }
        if pages.len() == PAGES_MAX {
            pages.pop_front();
        }
        pages.push_back(snapshot.clone());
    }

    pub(super) fn page(&self, revision: Revision) -> Option<Snapshot> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().find(|page| page.revision() == revision).cloned()
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
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let picked = ring.after(seen)?.filter_map(&mut pick).collect();
        Ok((picked, ring.newest().max(seen)))
    }
}
