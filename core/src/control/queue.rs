//! The work queue of one controller: keys to look at now, and keys to look at later.
//!
//! A key is in it once, however often it was added; of several later times the earliest wins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::Uid;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Uid>,
    queued: BTreeSet<Uid>,
    timers: BTreeSet<(Time, Uid)>,
    due: BTreeMap<Uid, Time>,
    failures: BTreeMap<Uid, u32>,
}

impl Queue {
    /// Look at this key now.
    pub(super) fn add(&mut self, key: Uid) {
        if self.queued.insert(key) {
            self.ready.push_back(key);
        }
    }

    /// Look at this key then, unless it is looked at earlier.
    pub(super) fn add_at(&mut self, key: Uid, at: Time) {
        match self.due.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(*later, key));
            }
            None => {}
        }
        self.due.insert(key, at);
        self.timers.insert((at, key));
    }

    /// Look at this key again after a delay that grows from the first to the longest with each failure in a row.
    pub(super) fn add_after_failure(&mut self, key: Uid, now: Time, (first, longest): (Duration, Duration)) {
        let failures = self.failures.entry(key).or_insert(0);
        let delay = first.saturating_mul(1 << (*failures).min(20)).min(longest);
        *failures = failures.saturating_add(1);
        self.add_at(key, now + delay);
    }

    /// It went well: the next failure starts from the first delay again.
    pub(super) fn forget_failures(&mut self, key: Uid) {
        self.failures.remove(&key);
    }

    /// The next key to look at.
    pub(super) fn pop(&mut self, now: Time) -> Option<Uid> {
        while let Some((at, key)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.due.remove(&key);
            self.add(key);
        }
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        Some(key)
    }

    pub(super) fn has_work(&self, now: Time) -> bool {
        !self.ready.is_empty() || self.timers.first().is_some_and(|(at, _)| *at <= now)
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether this key will be looked at, now or later, without anything happening.
    pub(super) fn holds(&self, key: Uid) -> bool {
        self.queued.contains(&key) || self.due.contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1000));

    fn key(number: u128) -> Uid {
        Uid::from_random(number)
    }

    #[test]
    fn a_key_is_queued_once_and_its_earliest_time_wins() {
        let mut queue = Queue::default();
        queue.add(key(1));
        queue.add(key(1));
        queue.add_at(key(2), Time::from_secs(9));
        queue.add_at(key(2), Time::from_secs(5));
        queue.add_at(key(2), Time::from_secs(7));
        assert_eq!(queue.pop(Time::EPOCH), Some(key(1)));
        assert_eq!(queue.pop(Time::EPOCH), None);
        assert_eq!(queue.next_wake(), Some(Time::from_secs(5)));
        assert_eq!(queue.pop(Time::from_secs(5)), Some(key(2)));
        assert_eq!(queue.pop(Time::from_secs(99)), None);
    }

    #[test]
    fn failures_in_a_row_double_the_delay_up_to_the_longest() {
        let mut queue = Queue::default();
        let mut delays = Vec::new();
        for _ in 0..30 {
            queue.add_after_failure(key(1), Time::EPOCH, RETRY);
            let at = queue.next_wake().expect("a timer");
            delays.push(at - Time::EPOCH);
            queue.pop(at);
        }
        assert_eq!(delays[..3], [5, 10, 20].map(Duration::from_millis));
        assert_eq!(delays[29], RETRY.1);
        queue.forget_failures(key(1));
        queue.add_after_failure(key(1), Time::EPOCH, RETRY);
        assert_eq!(queue.next_wake(), Some(Time::EPOCH + RETRY.0));
    }
}
