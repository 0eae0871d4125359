//! Reading a log: from the file, and for a follower further as the pump writes, without polling.

use std::collections::VecDeque;
use std::io::SeekFrom;
use std::path::Path;

use futures_util::stream;
use inboard::runtime::{LogEntry, LogOptions, LogStream, RuntimeError};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::watch;

use super::format::parse_line;
use super::pump::{LogHub, Progress};
use crate::error;

/// What is still to be told of one log.
struct Reader {
    file: Option<BufReader<File>>,
    /// A line whose end is not written yet.
    rest: Vec<u8>,
    progress: watch::Receiver<Progress>,
    follow: bool,
    options: LogOptions,
    bytes_left: u64,
}

/// The lines that `options` ask for.
pub(crate) async fn read_log(hub: &LogHub, options: &LogOptions) -> Result<LogStream, RuntimeError> {
    // The progress is taken before the file is read, so that what is written meanwhile wakes a follower.
    let progress = hub.progress();
    let start = start(&hub.path, options).await?;
    let file = open(&hub.path, start).await?;
    let (follow, bytes_left) = (options.follow, options.limit_bytes.unwrap_or(u64::MAX));
    let reader = Reader { file, rest: Vec::new(), progress, follow, options: options.clone(), bytes_left };
    let path = hub.path.clone();
    Ok(Box::pin(stream::unfold((reader, path), async |(mut reader, path)| {
        let next = reader.next(&path).await.transpose()?;
        Some((next, (reader, path)))
    })))
}

impl Reader {
    async fn next(&mut self, path: &Path) -> Result<Option<LogEntry>, RuntimeError> {
        while self.bytes_left > 0 {
            let seen = *self.progress.borrow_and_update();
            if let Some(mut entry) = self.read_line(path).await? {
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
            if !self.follow || seen.closed || self.progress.changed().await.is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The next whole line in the format; `None` when there is none yet.
    async fn read_line(&mut self, path: &Path) -> Result<Option<LogEntry>, RuntimeError> {
        if self.file.is_none() {
            self.file = open(path, 0).await?;
        }
        let Some(file) = self.file.as_mut() else { return Ok(None) };
        loop {
            file.read_until(b'\n', &mut self.rest).await.map_err(|e| error::io("read", path, &e))?;
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

/// The offset at which the last `tail` lines begin; 0 without that option.
async fn start(path: &Path, options: &LogOptions) -> Result<u64, RuntimeError> {
    let Some(tail) = options.tail else { return Ok(0) };
    let Some(mut file) = open(path, 0).await? else { return Ok(0) };
    let mut starts: VecDeque<u64> = VecDeque::new();
    let (mut offset, mut line, mut begins) = (0_u64, Vec::new(), true);
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line).await.map_err(|e| error::io("read", path, &e))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        // The parts of a long line count as one.
        if begins {
            starts.push_back(offset);
            if starts.len() > tail {
                starts.pop_front();
            }
        }
        begins = parse_line(line.strip_suffix(b"\n").unwrap_or_default()).is_none_or(|entry| !entry.partial);
        offset += u64::try_from(read).unwrap_or(0);
    }
    Ok(starts.front().copied().filter(|_| tail > 0).unwrap_or(offset))
}

async fn open(path: &Path, offset: u64) -> Result<Option<BufReader<File>>, RuntimeError> {
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error::io("read", path, &error)),
    };
    file.seek(SeekFrom::Start(offset)).await.map_err(|e| error::io("read", path, &e))?;
    Ok(Some(BufReader::new(file)))
}
