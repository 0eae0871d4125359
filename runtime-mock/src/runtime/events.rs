//! Streams of events: each has a queue of its own from the moment it is made.

use std::collections::VecDeque;

use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use futures_util::stream;
use inboard::runtime::{RuntimeEvent, SimulatedRuntime};
use tokio::time::Instant;

use super::{MockRuntime, sleep_or_changed};

/// How many events wait for a slow reader before they are replaced by one [`RuntimeEvent::Relist`].
const MAX_WAITING: usize = 10_000;

/// Gives an event to everybody who listens.
pub(super) fn hand_out(listeners: &mut [(u32, VecDeque<RuntimeEvent>)], event: RuntimeEvent) {
    for (_, waiting) in listeners {
        if waiting.len() >= MAX_WAITING {
            waiting.clear();
            waiting.push_back(RuntimeEvent::Relist);
        }
        waiting.push_back(event.clone());
    }
}

/// Somebody who listens, for as long as the stream is held.
struct Listener {
    runtime: MockRuntime,
    number: u32,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.runtime.lock().listeners.retain(|listener| listener.0 != self.number);
    }
}

pub(super) fn stream(runtime: &MockRuntime) -> BoxStream<'static, RuntimeEvent> {
    let number = {
        let mut shared = runtime.lock();
        let number = shared.next_listener;
        shared.next_listener = number.wrapping_add(1);
        shared.listeners.push((number, VecDeque::new()));
        number
    };
    let listener = Listener { runtime: runtime.clone(), number };
    stream::unfold(listener, |listener| async move {
        let event = listener.next().await;
        Some((event, listener))
    })
    .boxed()
}

impl Listener {
    async fn next(&self) -> RuntimeEvent {
        loop {
            let changed = self.runtime.inner.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.take() {
                Ok(event) => return event,
                Err(due) => {
                    sleep_or_changed(due, changed).await;
                }
            }
        }
    }

    /// The next event, or when something will happen by itself.
    fn take(&self) -> Result<RuntimeEvent, Option<Instant>> {
        self.runtime.step(|_, _| ());
        let mut shared = self.runtime.lock();
        let mine = shared.listeners.iter_mut().find(|listener| listener.0 == self.number);
        if let Some(event) = mine.and_then(|listener| listener.1.pop_front()) {
            return Ok(event);
        }
        Err(shared.state.next_event_at().and_then(|at| shared.instant(at)))
    }
}
