//! The last lines of watches: a change that many watchers are told is written once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use inboard::ids::Revision;
use inboard::object::kind::KindId;

/// How many lines are kept: watchers that keep up read each within moments.
const LINES_MAX: usize = 1024;

/// What a line tells: the change, the version of the kind, and what happened in the eyes of the watcher.
type Key = (Revision, KindId, &'static str);

/// Lines that others may need, too.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: BTreeMap<Key, Bytes>,
    order: VecDeque<Key>,
}

impl Lines {
    /// The line of a change; made when nobody needed it before.
    pub(crate) fn get(&self, key: Key, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        if let Some(line) = self.kept().lines.get(&key) {
            return line.clone();
        }
        // Made without holding the others up: two watchers may make the same line.
        let line = Bytes::from(make());
        let mut kept = self.kept();
        if kept.lines.insert(key, line.clone()).is_none() {
            kept.order.push_back(key);
        }
        if kept.order.len() > LINES_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.lines.remove(&oldest);
        }
        line
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
