//! What is made of events before they are written, as recorders of Kubernetes do it (client-go's `EventCorrelator`).
//!
//! **The rule**: an event is written as it was sent, but
//! 1. from the [`ALIKE_MAX`]th different message on that one component has about one object for one reason, all are one
//!    event, which is counted and has the newest message;
//! 2. one component may write [`BURST`] events about one object at once, and then one every [`REFILL`]. What it may not
//!    write is only counted.
//!
//! Schedulers send [series](EventDraft::in_series), which are not subject to it.
//!
//! Like the memory of a recorder this one is small, forgets the objects that were not heard of lately, and is lost with
//! the process.

use std::time::Duration;

use smallvec::SmallVec;

use super::event::EventDraft;
use crate::hashing::{Lookup, hash_of};
use crate::text::shared;
use crate::time::Time;

/// From so many different messages for one reason on, they are one event (`defaultAggregateMaxEvents`).
const ALIKE_MAX: usize = 10;
/// After so long a silence a reason begins anew (`defaultAggregateIntervalInSeconds`).
const ALIKE_FOR: Duration = Duration::from_secs(600);
/// How many events one component may write about one object at once (`defaultSpamBurst`).
const BURST: u32 = 25;
/// When it may write one more (`defaultSpamQPS`).
const REFILL: Duration = Duration::from_secs(300);
/// How many senders are remembered at least; the memory holds up to twice as many (`maxLruCacheEntries` is 4,096).
const SENDERS_KEPT: usize = 2048;

/// What has become of an event.
#[derive(Debug)]
pub(super) struct Correlated {
    pub(super) draft: EventDraft,
    /// A hash of all that makes two events one.
    pub(super) identity: u64,
    /// How many of the same were not written before it.
    pub(super) unwritten: u32,
}

/// One component, speaking of one object.
#[derive(Debug, Default)]
struct Sender {
    /// When it may write [`BURST`] events again: each pushes it off by [`REFILL`].
    rested: Time,
    topics: SmallVec<[Topic; 3]>,
    /// Events that were not written, by identity, and how many.
    unwritten: SmallVec<[(u64, u32); 0]>,
}

/// What it says for one reason.
#[derive(Debug)]
struct Topic {
    id: u64,
    last: Time,
    /// Hashes of different messages, fewer than [`ALIKE_MAX`].
    messages: SmallVec<[u64; 1]>,
}

/// The memory of all recorders.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    /// Those heard of since the last change of generations.
    young: Lookup<u64, Sender>,
    /// Those heard of in the generation before.
    old: Lookup<u64, Sender>,
}

impl Correlator {
    /// What is to be written of an event; nothing when its sender has written too much.
    pub(super) fn hear(&mut self, mut draft: EventDraft, now: Time) -> Option<Correlated> {
        let sender = hash_of((draft.involved.uid, &*draft.component, &draft.host));
        let topic = hash_of((sender, draft.event_type, draft.reason));
        let mut identity = hash_of((topic, &*draft.involved.field_path, &*draft.message));
        if draft.series.is_some() {
            return Some(Correlated { draft, identity, unwritten: 0 });
        }
        let sender = self.sender(sender);
        if sender.is_one_of_many(topic, hash_of(&*draft.message), now) {
            draft.message = shared(format_args!("(combined from similar events): {}", draft.message)).into();
            identity = topic;
        }
        let unwritten = sender.count(identity, now)?;
        Some(Correlated { draft, identity, unwritten })
    }

    fn sender(&mut self, id: u64) -> &mut Sender {
        if self.young.len() >= SENDERS_KEPT && self.young.get(&id).is_none() {
            self.old = std::mem::take(&mut self.young);
        }
        let Self { young, old } = self;
        young.get_or_insert_with(id, || old.remove(&id).unwrap_or_default())
    }
}

impl Sender {
    /// Whether there were so many different messages that this one is not an event of its own.
    fn is_one_of_many(&mut self, id: u64, message: u64, now: Time) -> bool {
        let known = self.topics.iter().position(|topic| topic.id == id);
        let index = known.unwrap_or_else(|| {
            self.topics.push(Topic { id, last: now, messages: SmallVec::new() });
            self.topics.len() - 1
        });
        let topic = &mut self.topics[index];
        if now.since(topic.last) > ALIKE_FOR {
            topic.messages.clear();
        }
        topic.last = now;
        if topic.messages.contains(&message) {
            return false;
        }
        let is_many = topic.messages.len() + 1 >= ALIKE_MAX;
        if !is_many {
            topic.messages.push(message);
        }
        is_many
    }

    /// How many of the same were not written before this one; `None` when it is not written either.
    fn count(&mut self, identity: u64, now: Time) -> Option<u32> {
        let rested = self.rested.max(now);
        let known = self.unwritten.iter().position(|(known, _)| *known == identity);
        if rested > now + REFILL * (BURST - 1) {
            match known {
                Some(index) => self.unwritten[index].1 = self.unwritten[index].1.saturating_add(1),
                None => self.unwritten.push((identity, 1)),
            }
            return None;
        }
        self.rested = rested + REFILL;
        Some(known.map_or(0, |index| self.unwritten.swap_remove(index).1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Uid;
    use crate::object::kind;
    use crate::store::Meta;

    /// Sends events about one object, one a second, and says which were written, with what count beside the first.
    fn written(messages: impl IntoIterator<Item = String>) -> Vec<(String, u32)> {
        let mut correlator = Correlator::default();
        let mut written = Vec::new();
        for (second, message) in (0..).zip(messages) {
            let event = EventDraft::normal(&about(1), "replicaset-controller", "SuccessfulCreate", message);
            let heard = correlator.hear(event, Time::from_secs(second));
            written.extend(heard.map(|heard| (heard.draft.message.to_string(), heard.unwritten)));
        }
        written
    }

    fn about(uid: u128) -> Meta {
        Meta { uid: Uid::from_random(uid), ..Meta::draft(kind::REPLICA_SET, "default", "web") }
    }

    #[test]
    fn many_different_messages_are_put_together_and_the_twenty_sixth_is_not_written() {
        let all = written((1..=40).map(|pod| format!("Created pod: web-{pod}")));
        assert_eq!(all.len(), 25);
        assert_eq!(all[8].0, "Created pod: web-9");
        assert_eq!(all[9].0, "(combined from similar events): Created pod: web-10");
        assert_eq!(all[24].0, "(combined from similar events): Created pod: web-25");
    }

    #[test]
    fn what_is_not_written_is_counted_by_the_next_that_is() {
        let all = written((0..=601).map(|_| "Back-off".to_owned()));
        let unwritten: Vec<u32> = all.iter().map(|(_, unwritten)| *unwritten).collect();
        // One more may be written each 300 seconds from the first on.
        assert_eq!(unwritten, [[0; 25].as_slice(), &[275, 299]].concat());
    }

    #[test]
    fn after_ten_quiet_minutes_a_reason_begins_anew_and_other_objects_and_series_are_not_concerned() {
        let mut correlator = Correlator::default();
        let mut message_at = |second, uid, event: fn(EventDraft) -> EventDraft, message: &str| {
            let draft = event(EventDraft::normal(&about(uid), "kubelet", "Pulled", message.to_owned()));
            correlator.hear(draft, Time::from_secs(second)).map(|heard| heard.draft.message.to_string())
        };
        for message in 0..30 {
            message_at(0, 1, |event| event, &message.to_string());
        }
        assert_eq!(message_at(0, 1, |event| event, "31"), None);
        assert_eq!(message_at(0, 1, |draft| draft.in_series("Testing"), "31").as_deref(), Some("31"));
        assert_eq!(message_at(0, 2, |event| event, "31").as_deref(), Some("31"));
        assert_eq!(message_at(600, 1, |event| event, "31").as_deref(), Some("(combined from similar events): 31"));
        assert_eq!(message_at(1201, 1, |event| event, "31").as_deref(), Some("31"));
    }

    #[test]
    fn a_crowd_of_objects_is_forgotten_and_those_that_are_heard_of_are_not() {
        let mut correlator = Correlator::default();
        let mut hear = |uid| {
            let event = EventDraft::normal(&about(uid), "kubelet", "Pulled", "image");
            correlator.hear(event, Time::from_secs(0)).is_some()
        };
        for _ in 0..25 {
            hear(1);
        }
        for other in 2..100_000 {
            assert!(hear(other));
            assert!(!other.is_multiple_of(1000) || !hear(1), "the first is still known after {other}");
        }
        assert!(correlator.young.len() + correlator.old.len() <= 2 * SENDERS_KEPT);
    }
}
