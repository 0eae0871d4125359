//! The CRI log format, written and read.

use bytes::Bytes;
use inboard::runtime::{LogEntry, StdStream};
use inboard::time::Time;

/// How long a line may get before it is written in parts: as containerd's CRI plugin has it.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;

/// Cuts what one stream writes into lines.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    rest: Vec<u8>,
}

impl LineSplitter {
    /// Takes more bytes; hands each line that they complete to `line`, with whether it goes on.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(rest) = self.rest.get(start..) {
            let window = rest.get(..LINE_BYTES_MAX + 1).unwrap_or(rest);
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    line(window.get(..end).unwrap_or_default(), false);
                    start += end + 1;
                }
                None if rest.len() > LINE_BYTES_MAX => {
                    line(rest.get(..LINE_BYTES_MAX).unwrap_or_default(), true);
                    start += LINE_BYTES_MAX;
                }
                None => break,
            }
        }
        self.rest.drain(..start);
    }

    /// The end of the stream: what is left is a line too.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8], bool)) {
        if !self.rest.is_empty() {
            line(&self.rest, false);
            self.rest.clear();
        }
    }
}

/// Appends one line in the CRI format.
pub(super) fn write_line(out: &mut Vec<u8>, time: Time, stream: StdStream, line: &[u8], partial: bool) {
    let stream = match stream {
        StdStream::Stdout => "stdout",
        StdStream::Stderr => "stderr",
    };
    let tag = if partial { "P" } else { "F" };
    out.extend_from_slice(format!("{time} {stream} {tag} ").as_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// Reads one line of a log without its line feed; `None` for what is not in the format (cut off by a crash).
pub(super) fn parse_line(line: &[u8]) -> Option<LogEntry> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(parts.next()?).ok();
    let (time, stream, tag) = (text()?, text()?, text()?);
    Some(LogEntry {
        time: Time::from_timestamp(time.parse().ok()?),
        stream: match stream {
            "stdout" => StdStream::Stdout,
            "stderr" => StdStream::Stderr,
            _ => return None,
        },
        line: Bytes::copy_from_slice(parts.next()?),
        partial: tag.split(':').any(|tag| tag == "P"),
    })
}

/// The end of a log as the process wrote it, at most so many bytes and lines: the termination message of a container
/// that failed without leaving one (`FallbackToLogsOnError`).
pub(crate) fn last_lines(log: &[u8], lines_max: usize, bytes_max: usize) -> String {
    let entries: Vec<LogEntry> = log.split(|byte| *byte == b'\n').filter_map(parse_line).collect();
    let first = entries.iter().rev().filter(|entry| !entry.partial).count().saturating_sub(lines_max);
    let mut text: Vec<u8> = Vec::new();
    let mut whole = 0;
    for entry in &entries {
        if whole >= first {
            text.extend_from_slice(&entry.line);
            if !entry.partial {
                text.push(b'\n');
            }
        }
        whole += usize::from(!entry.partial);
    }
    let from = text.len().saturating_sub(bytes_max);
    String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line, partial| lines.push((line.to_vec(), partial)));
        }
        splitter.finish(|line, partial| lines.push((line.to_vec(), partial)));
        lines
    }

    #[test]
    fn lines_are_cut_at_line_feeds_wherever_the_reads_end() {
        let lines = written(&[b"a\nb", b"", b"c\n\n", b"end"]);
        let expected: Vec<(Vec<u8>, bool)> =
            ["a", "bc", "", "end"].into_iter().map(|line| (line.as_bytes().to_vec(), false)).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_long_line_is_written_in_parts_and_the_last_part_ends_it() {
        let mut long = vec![b'x'; LINE_BYTES_MAX + 3];
        long.push(b'\n');
        let lines = written(&[&long]);
        let shape: Vec<(usize, bool)> = lines.iter().map(|(line, partial)| (line.len(), *partial)).collect();
        assert_eq!(shape, [(LINE_BYTES_MAX, true), (3, false)]);
        let mut exact = vec![b'x'; LINE_BYTES_MAX];
        exact.push(b'\n');
        assert_eq!(written(&[&exact]).len(), 1);
    }

    #[test]
    fn what_is_written_reads_back_and_garbage_does_not() {
        let mut log = Vec::new();
        write_line(&mut log, Time::from_nanos(1_500_000_001), StdStream::Stderr, b"no  such \xff file", true);
        assert_eq!(&log, b"1970-01-01T00:00:01.500000001Z stderr P no  such \xff file\n");
        let entry = parse_line(log.strip_suffix(b"\n").expect("a line ends")).expect("it is in the format");
        assert_eq!(
            (entry.time, entry.stream, entry.partial),
            (Time::from_nanos(1_500_000_001), StdStream::Stderr, true)
        );
        assert_eq!(entry.line.as_ref(), b"no  such \xff file");
        for garbage in ["", "x", "1970-01-01T00:00:01Z stdout", "yesterday stdout F x", "1970-01-01T00:00:01Z disk F x"]
        {
            assert_eq!(parse_line(garbage.as_bytes()), None, "{garbage}");
        }
    }

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        let mut log = Vec::new();
        for line in ["one", "two", "three"] {
            write_line(&mut log, Time::EPOCH, StdStream::Stdout, line.as_bytes(), false);
        }
        assert_eq!(last_lines(&log, 2, 100), "two\nthree\n");
        assert_eq!(last_lines(&log, 80, 4), "ree\n");
        assert_eq!(last_lines(b"", 2, 4), "");
    }
}
