//! The last changes, for watchers: a cursor into a shared ring costs nothing while nobody reads.
//!
//! ```text
//!   first kept ─► [c][c][c][c][c] ◄─ newest          cursor: the revision seen last
//!   a cursor before the first kept change is expired: what it missed is gone
//! ```

use std::collections::VecDeque;

use super::change::Change;
use crate::ids::Revision;

/// How many changes are kept (upstream's watch cache keeps between 100 and 102,400 a kind).
const CHANGES_KEPT: usize = 16_384;

/// The revision asked for is older than the oldest change that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// The revision that was asked for.
    pub asked: Revision,
    /// The oldest from which one can go on.
    pub oldest: Revision,
}

/// Changes in the order of their revisions.
#[derive(Debug)]
pub struct Ring {
    changes: VecDeque<Change>,
    capacity: usize,
    /// Everything up to here has been pushed out.
    forgotten: Revision,
    newest: Revision,
}

impl Default for Ring {
    fn default() -> Self {
        Self::new(CHANGES_KEPT)
    }
}

impl Ring {
    /// A ring that keeps this many changes.
    pub fn new(capacity: usize) -> Self {
        Self { changes: VecDeque::new(), capacity: capacity.max(1), forgotten: Revision::ZERO, newest: Revision::ZERO }
    }

    /// The same ring, going on after this revision: nothing before it is kept.
    #[must_use]
    pub fn starting_after(self, revision: Revision) -> Self {
        Self { forgotten: revision, newest: revision, ..self }
    }

    /// Adds the next changes.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if self.changes.len() == self.capacity
                && let Some(oldest) = self.changes.pop_front()
            {
                self.forgotten = oldest.revision();
            }
            self.newest = change.revision();
            self.changes.push_back(change);
        }
    }

    /// The revision of the newest change.
    pub const fn newest(&self) -> Revision {
        self.newest
    }

    /// The changes after this revision.
    ///
    /// # Errors
    /// [`Expired`] when some of them are no longer kept.
    pub fn after(&self, seen: Revision) -> Result<impl Iterator<Item = &Change>, Expired> {
        if seen < self.forgotten {
            return Err(Expired { asked: seen, oldest: self.forgotten });
        }
        let start = self.changes.partition_point(|change| change.revision() <= seen);
        Ok(self.changes.range(start..))
    }
}
