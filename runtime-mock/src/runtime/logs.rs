//! A log as a stream, followed when asked for.

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use futures_util::stream;
use inboard::runtime::{ContainerId, LogEntry, LogOptions, LogStream, RuntimeError, RuntimeErrorKind};
use inboard::time::Time;

use super::{MockRuntime, sleep_or_changed};
use crate::state::LogPage;

/// Where the reader of a log is.
struct Reader {
    runtime: MockRuntime,
    container: ContainerId,
    ready: VecDeque<LogEntry>,
    seen: usize,
    next_at: Option<Time>,
    /// Whether it waits for more.
    follow: bool,
    since: Option<Time>,
    /// How many bytes may still be given out.
    left: u64,
}

pub(super) fn stream(runtime: &MockRuntime, container: &ContainerId, options: &LogOptions, page: LogPage) -> LogStream {
    let reader = Reader {
        runtime: runtime.clone(),
        container: container.clone(),
        ready: page.entries.into(),
        seen: page.seen,
        next_at: page.next_at,
        follow: options.follow && !page.ended,
        since: options.since,
        left: options.limit_bytes.unwrap_or(u64::MAX),
    };
    stream::unfold(reader, |mut reader| async move {
        let entry = reader.next().await?;
        Some((Ok(entry), reader))
    })
    .boxed()
}

/// The lines that a container writes from now on until it has exited.
pub(super) fn from_now(runtime: &MockRuntime, container: &ContainerId) -> Result<LogStream, RuntimeError> {
    let page = runtime.step(|state, now| state.logs_after(now, container, 0))?;
    let page = LogPage { entries: Vec::new(), ..page };
    Ok(stream(runtime, container, &LogOptions { follow: true, ..LogOptions::default() }, page))
}

impl Reader {
    async fn next(&mut self) -> Option<LogEntry> {
        loop {
            if self.left == 0 {
                return None;
            }
            if let Some(mut entry) = self.ready.pop_front() {
                let length = entry.line.len() as u64;
                if length > self.left {
                    entry.line.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                }
                // The line feed counts too.
                self.left = self.left.saturating_sub(length + 1);
                return Some(entry);
            }
            if !self.follow {
                return None;
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let runtime = self.runtime.clone();
        let changed = runtime.inner.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        self.look();
        if self.ready.is_empty() && self.follow {
            let due = self.next_at.and_then(|at| runtime.lock().instant(at));
            sleep_or_changed(due, changed).await;
        }
    }

    /// Takes what is new.
    fn look(&mut self) {
        match self.runtime.step(|state, now| state.logs_after(now, &self.container, self.seen)) {
            Ok(page) => {
                let wanted =
                    page.entries.into_iter().filter(|entry| self.since.is_none_or(|since| entry.time >= since));
                self.ready.extend(wanted);
                (self.seen, self.next_at) = (page.seen, page.next_at);
                self.follow = !page.ended;
            }
            // The container was removed: its log ends here.
            Err(error) => self.follow = error.kind() != RuntimeErrorKind::NotFound,
        }
    }
}
