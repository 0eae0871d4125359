//! Logs: what processes wrote, and what scripts say that was written by now.
//!
//! Scripted lines are never stored: they follow from the script and the times of the container.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use inboard::runtime::{ContainerId, FileSystemStats, LogEntry, LogOptions, RuntimeError, StdStream};
use inboard::time::Time;

use super::container::{Container, Phase};
use super::serve::About;
use super::{Answer, MockState};
use crate::calls::Verb;
use crate::ids::Key;
use crate::script::{Script, ScriptedLine};

/// How many lines a container keeps of what its process writes, and of each of its scripted repetitions.
const MAX_LINES: usize = 10_000;
/// How long a line may become before it is cut in parts, in bytes; as the CRI's log format has it.
const MAX_LINE: usize = 16 << 10;

/// What a process has written.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<LogEntry>,
    /// How many lines were dropped from the front.
    dropped: usize,
    /// How many bytes the lines have.
    bytes: u64,
    /// What has no line feed yet, of standard output and standard error.
    open: [Vec<u8>; 2],
}

impl Log {
    pub(super) fn write(&mut self, time: Time, stream: StdStream, bytes: &[u8]) {
        for &byte in bytes {
            let open = &mut self.open[usize::from(stream == StdStream::Stderr)];
            if byte == b'\n' {
                let line = std::mem::take(open);
                self.push(time, stream, line, false);
            } else {
                open.push(byte);
                if open.len() >= MAX_LINE {
                    let line = std::mem::take(open);
                    self.push(time, stream, line, true);
                }
            }
        }
    }

    /// The process has ended: what has no line feed is a line too.
    pub(super) fn finish(&mut self, time: Time) {
        for (index, stream) in [StdStream::Stdout, StdStream::Stderr].into_iter().enumerate() {
            if !self.open[index].is_empty() {
                let line = std::mem::take(&mut self.open[index]);
                self.push(time, stream, line, true);
            }
        }
    }

    /// What it takes up; scripted lines are nowhere.
    pub(super) fn usage(&self) -> FileSystemStats {
        FileSystemStats { used_bytes: self.bytes, inodes_used: 1 }
    }

    fn push(&mut self, time: Time, stream: StdStream, line: Vec<u8>, partial: bool) {
        if self.lines.len() >= MAX_LINES
            && let Some(oldest) = self.lines.pop_front()
        {
            self.dropped += 1;
            self.bytes -= oldest.line.len() as u64;
        }
        self.bytes += line.len() as u64;
        self.lines.push_back(LogEntry { time, stream, line: line.into(), partial });
    }
}

/// Lines of a log from some place on.
#[derive(Debug)]
pub(crate) struct LogPage {
    pub(crate) entries: Vec<LogEntry>,
    /// How many lines there were in all: the place from which to go on.
    pub(crate) seen: usize,
    /// When there may be more without anything being done.
    pub(crate) next_at: Option<Time>,
    /// Whether no more will come.
    pub(crate) ended: bool,
}

impl MockState {
    /// The lines that the options ask for, without following.
    pub(crate) fn logs(&mut self, now: Time, id: &ContainerId, options: &LogOptions) -> Answer<LogPage> {
        self.serve(now, Verb::Logs, About::Container(id), |state, now| {
            let result = state.known_container(id).map(|key| {
                let mut page = state.log_page(now, key, 0);
                page.entries.retain(|entry| options.since.is_none_or(|since| entry.time >= since));
                if let Some(tail) = options.tail {
                    page.entries.drain(..first_of_tail(&page.entries, tail));
                }
                page
            });
            (now, result).into()
        })
    }

    /// The lines after the first `seen`.
    pub(crate) fn logs_after(&mut self, now: Time, id: &ContainerId, seen: usize) -> Result<LogPage, RuntimeError> {
        let now = self.advance(now);
        self.known_container(id).map(|key| self.log_page(now, key, seen))
    }

    fn log_page(&self, now: Time, key: Key, seen: usize) -> LogPage {
        let Some((_, container)) = self.container(key) else {
            return LogPage { entries: Vec::new(), seen, next_at: None, ended: true };
        };
        let log = container.live.as_ref().map(|live| &live.log);
        let dropped = log.map_or(0, |log| log.dropped);
        let mut entries: Vec<LogEntry> = log.map(|log| log.lines.iter().cloned().collect()).unwrap_or_default();
        let mut skipped = 0;
        let mut next_at = container.live.as_ref().and_then(|live| live.due);
        if let (Some(script), Some((since, until))) = (&container.script, span(container, now)) {
            skipped = scripted(script, since, until, &mut entries);
            // Stable: at the same moment what the process wrote comes first.
            entries.sort_by_key(|entry| entry.time);
            if !container.is_exited() {
                next_at = next_at.into_iter().chain(next_scripted(script, since, now)).min();
            }
        }
        let total = dropped + skipped + entries.len();
        let first = seen.saturating_sub(dropped + skipped).min(entries.len());
        entries.drain(..first);
        LogPage { entries, seen: total, next_at, ended: container.is_exited() }
    }
}

/// From when to when it has run until now.
fn span(container: &Container, now: Time) -> Option<(Time, Time)> {
    match container.phase {
        Phase::Created => None,
        Phase::Running { since } => (since <= now).then_some((since, now)),
        Phase::Exited { since, until, .. } => Some((since, until)),
    }
}

/// Adds the scripted lines of this span, and says how many old ones were left out.
fn scripted(script: &Script, since: Time, until: Time, entries: &mut Vec<LogEntry>) -> usize {
    let ran = until.since(since);
    let entry = |after: Duration, line: &ScriptedLine| LogEntry {
        time: since + after,
        stream: line.stream,
        line: Bytes::clone(&line.line),
        partial: false,
    };
    entries.extend(script.lines.iter().filter(|line| line.after <= ran).map(|line| entry(line.after, line)));
    let mut skipped = 0;
    for line in &script.every {
        let times = usize::try_from(ran.as_nanos() / line.after.as_nanos().max(1)).unwrap_or(usize::MAX);
        let first = times.saturating_sub(MAX_LINES);
        skipped += first;
        entries.extend((first + 1..=times).map(|time| entry(multiply(line.after, time), line)));
    }
    skipped
}

fn multiply(period: Duration, times: usize) -> Duration {
    u32::try_from(times).ok().and_then(|times| period.checked_mul(times)).unwrap_or_else(|| {
        let nanos = period.as_nanos().saturating_mul(times as u128);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    })
}

fn next_scripted(script: &Script, since: Time, now: Time) -> Option<Time> {
    let ran = now.since(since);
    let once = script.lines.iter().map(|line| line.after).find(|after| *after > ran);
    let again = script.every.iter().map(|line| {
        let times = usize::try_from(ran.as_nanos() / line.after.as_nanos().max(1)).unwrap_or(usize::MAX);
        multiply(line.after, times.saturating_add(1))
    });
    once.into_iter().chain(again).min().map(|after| since + after)
}

/// Where the last `tail` lines begin; parts of a line count as one.
fn first_of_tail(entries: &[LogEntry], tail: usize) -> usize {
    let mut lines = 0;
    for (index, entry) in entries.iter().enumerate().rev() {
        let ends = !entry.partial || index + 1 == entries.len();
        lines += usize::from(ends);
        if lines > tail {
            return index + 1;
        }
    }
    0
}
