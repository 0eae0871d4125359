//! Reading a log: the files that were put aside and the one that is written to, as one; for a follower further as the
//! pump writes, without polling.

use std::collections::VecDeque;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream;
use inboard::runtime::{LogEntry, LogOptions, LogStream, RuntimeError};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::watch;

use super::files::{aside, numbered};
use super::format::parse_line;
use super::pump::{LogHub, Progress};
use crate::error;

/// What is still to be told of one log.
struct Reader {
    hub: Arc<LogHub>,
    /// The number of the file that is read.
    number: u64,
    file: Option<BufReader<File>>,
    /// A line whose end is not written yet.
    rest: Vec<u8>,
    progress: watch::Receiver<Progress>,
    options: LogOptions,
    bytes_left: u64,
}

/// The lines that `options` ask for.
pub(crate) async fn read_log(hub: &Arc<LogHub>, options: &LogOptions) -> Result<LogStream, RuntimeError> {
    // The progress is taken before the files are read, so that what is written meanwhile wakes a follower.
    let progress = hub.progress();
    let (number, offset) = start(hub, options).await?;
    let file = open(hub, number, offset).await?;
    let bytes_left = options.limit_bytes.unwrap_or(u64::MAX);
    let (hub, options) = (hub.clone(), options.clone());
    let reader = Reader { hub, number, file, rest: Vec::new(), progress, options, bytes_left };
    Ok(Box::pin(stream::unfold(reader, async |mut reader| {
        let next = reader.next().await.transpose()?;
        Some((next, reader))
    })))
}

impl Reader {
    async fn next(&mut self) -> Result<Option<LogEntry>, RuntimeError> {
        while self.bytes_left > 0 {
            let seen = *self.progress.borrow_and_update();
            if let Some(mut entry) = self.read_line().await? {
                if self.options.since.is_some_and(|since| entry.time < since) {
                    continue;
                }
                let length = u64::try_from(entry.line.len()).unwrap_or(u64::MAX).saturating_add(1);
                if length > self.bytes_left {
                    entry.line.truncate(usize::try_from(self.bytes_left).unwrap_or(usize::MAX));
                }
                self.bytes_left = self.bytes_left.saturating_sub(length);
                return Ok(Some(entry));
            }
            if self.number < seen.number {
                // Nothing is written any more to a file that was put aside. Those that are gone are passed over.
                let oldest = aside(&self.hub.path).first().copied().unwrap_or(seen.number);
                self.number = (self.number + 1).max(oldest);
                (self.file, self.rest) = (open(&self.hub, self.number, 0).await?, Vec::new());
            } else if !self.options.follow || seen.closed || self.progress.changed().await.is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The next whole line in the format; `None` when there is none yet.
    async fn read_line(&mut self) -> Result<Option<LogEntry>, RuntimeError> {
        if self.file.is_none() {
            self.file = open(&self.hub, self.number, 0).await?;
        }
        let Some(file) = self.file.as_mut() else { return Ok(None) };
        loop {
            let read = file.read_until(b'\n', &mut self.rest).await;
            read.map_err(|e| error::io("read", &self.hub.path, &e))?;
            if self.rest.last() != Some(&b'\n') {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.rest);
            if let Some(entry) = parse_line(line.strip_suffix(b"\n").unwrap_or_default()) {
                return Ok(Some(entry));
            }
        }
    }
}

/// The file and the offset at which the last `tail` lines begin; the very beginning without that option.
async fn start(hub: &LogHub, options: &LogOptions) -> Result<(u64, u64), RuntimeError> {
    let current = hub.progress().borrow().number;
    let mut numbers = aside(&hub.path);
    numbers.push(current);
    let Some(mut wanted) = options.tail else { return Ok((numbers[0], 0)) };
    for number in numbers.iter().rev() {
        let (starts, end) = lines(hub, *number, wanted).await?;
        if starts.len() >= wanted {
            return Ok((*number, starts.front().copied().filter(|_| wanted > 0).unwrap_or(end)));
        }
        wanted -= starts.len();
    }
    Ok((numbers[0], 0))
}

/// Where the last so many lines of a file begin, and where the file ends.
async fn lines(hub: &LogHub, number: u64, wanted: usize) -> Result<(VecDeque<u64>, u64), RuntimeError> {
    let mut starts: VecDeque<u64> = VecDeque::new();
    let Some(mut file) = open(hub, number, 0).await? else { return Ok((starts, 0)) };
    let (mut offset, mut line, mut begins) = (0_u64, Vec::new(), true);
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line).await.map_err(|e| error::io("read", &hub.path, &e))?;
        if line.last() != Some(&b'\n') {
            return Ok((starts, offset));
        }
        // The parts of a long line count as one.
        if begins {
            starts.push_back(offset);
            if starts.len() > wanted {
                starts.pop_front();
            }
        }
        begins = parse_line(line.strip_suffix(b"\n").unwrap_or_default()).is_none_or(|entry| !entry.partial);
        offset += u64::try_from(read).unwrap_or(0);
    }
}

/// Opens the file of this number: one that was put aside, or the one that is written to.
async fn open(hub: &LogHub, number: u64, offset: u64) -> Result<Option<BufReader<File>>, RuntimeError> {
    let put_aside = open_at(&numbered(&hub.path, number), offset).await?;
    if put_aside.is_some() || hub.progress().borrow().number > number {
        return Ok(put_aside);
    }
    let current = open_at(&hub.path, offset).await?;
    if hub.progress().borrow().number > number {
        // It was put aside at this very moment.
        return open_at(&numbered(&hub.path, number), offset).await;
    }
    Ok(current)
}

async fn open_at(path: &PathBuf, offset: u64) -> Result<Option<BufReader<File>>, RuntimeError> {
    let failed = |e: std::io::Error| error::io("read", Path::new(path), &e);
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
    Ok(Some(BufReader::new(file)))
}
