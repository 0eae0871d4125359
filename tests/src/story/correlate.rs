//! What clients make of events before they send them, as recorded clusters did: many alike are combined, and one that
//! says too much about one object is not heard (client-go's `EventCorrelator`).

use std::collections::{BTreeMap, BTreeSet};

use inboard::store::EventDraft;
use inboard::text::Text;
use inboard::time::Time;

/// From so many different messages for one reason on, they are one event.
const ALIKE_MAX: usize = 10;
/// How long messages are remembered, in seconds.
const ALIKE_SECONDS: u64 = 600;
/// How many events one component may send about one object at once; one more every [`REFILL_SECONDS`].
const BURST: f64 = 25.0;
/// See [`BURST`].
const REFILL_SECONDS: f64 = 300.0;

/// Who says what about which object, without the message.
type Topic = (Text, String, &'static str, &'static str);

/// The memory of all recorders.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    alike: BTreeMap<Topic, (BTreeSet<String>, Time)>,
    tokens: BTreeMap<(Text, String), (f64, Time)>,
    /// What was sent since this was last taken: by identity, with its message.
    sent: BTreeMap<(Topic, String), (EventDraft, String)>,
}

impl Correlator {
    /// Hears of an event.
    pub(super) fn hear(&mut self, draft: &EventDraft, now: Time) {
        let object = draft.involved.uid.to_string();
        let topic = (draft.component.clone(), object.clone(), draft.event_type.as_str(), draft.reason);
        let (messages, last) = self.alike.entry(topic.clone()).or_insert_with(|| (BTreeSet::new(), now));
        if (now - *last).as_secs() > ALIKE_SECONDS {
            messages.clear();
        }
        *last = now;
        messages.insert(draft.message.to_string());
        let combined = messages.len() >= ALIKE_MAX;
        if combined {
            messages.pop_first();
        }
        if !self.may_send((draft.component.clone(), object), now) {
            return;
        }
        let (identity, message) = if combined {
            (String::new(), format!("(combined from similar events): {}", draft.message))
        } else {
            (draft.message.to_string(), draft.message.to_string())
        };
        self.sent.insert((topic, identity), (draft.clone(), message));
    }

    fn may_send(&mut self, key: (Text, String), now: Time) -> bool {
        let (tokens, last) = self.tokens.entry(key).or_insert((BURST, now));
        *tokens = (*tokens + (now - *last).as_secs_f64() / REFILL_SECONDS).min(BURST);
        *last = now;
        let may = *tokens >= 1.0;
        if may {
            *tokens -= 1.0;
        }
        may
    }

    /// The events that are new or were repeated since the last time, with their messages.
    pub(super) fn take(&mut self) -> Vec<(EventDraft, String)> {
        std::mem::take(&mut self.sent).into_values().collect()
    }
}
