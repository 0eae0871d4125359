//! From bytes to events.

use bytes::{Buf, Bytes, BytesMut};

use super::headers::Inflater;
use super::{Event, FIN, Headers, VERSION, Violation, kind};

/// The most that a control frame may have behind its head.
const CONTROL_MAX: usize = 16 * 1024;
/// The head of every frame.
const HEAD: usize = 8;

/// Reads the frames of the other side.
pub(crate) struct Decoder {
    inflater: Inflater,
    /// The data frame whose content is being read.
    data: Option<DataFrame>,
}

struct DataFrame {
    stream: u32,
    left: usize,
    fin: bool,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { inflater: Inflater::new(), data: None }
    }

    /// Takes the next event off the front of what has been read; `None` when more is needed.
    pub(crate) fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Event>, Violation> {
        if self.data.is_some() {
            return Ok(self.piece(read));
        }
        if read.len() < HEAD {
            return Ok(None);
        }
        let mut head = &read[..HEAD];
        let (first, second) = (head.get_u32(), head.get_u32());
        let (flags, length) = ((second >> 24) as u8, (second & 0x00ff_ffff) as usize);
        let fin = flags & FIN != 0;
        if first >> 31 == 0 {
            read.advance(HEAD);
            self.data = Some(DataFrame { stream: first, left: length, fin });
            return Ok(self.piece(read));
        }
        let (version, kind) = ((first >> 16) as u16 & 0x7fff, (first & 0xffff) as u16);
        if version != VERSION {
            return Err(Violation::Version(version));
        }
        if length > CONTROL_MAX {
            return Err(Violation::Length);
        }
        if read.len() < HEAD + length {
            return Ok(None);
        }
        read.advance(HEAD);
        let content = read.split_to(length).freeze();
        self.control(kind, fin, content).map(Some)
    }

    /// What there is of a data frame, if there is anything to say.
    fn piece(&mut self, read: &mut BytesMut) -> Option<Event> {
        let frame = self.data.as_mut()?;
        if read.is_empty() && frame.left > 0 {
            return None;
        }
        let length = frame.left.min(read.len());
        frame.left -= length;
        let (stream, fin) = (frame.stream, frame.fin && frame.left == 0);
        if frame.left == 0 {
            self.data = None;
        }
        Some(Event::Data { stream, bytes: read.split_to(length).freeze(), fin })
    }

    fn control(&mut self, kind: u16, fin: bool, mut content: Bytes) -> Result<Event, Violation> {
        let exactly = |content: &Bytes, length| if content.len() == length { Ok(()) } else { Err(Violation::Length) };
        Ok(match kind {
            kind::SYN_STREAM => {
                if content.len() < 10 {
                    return Err(Violation::Length);
                }
                let stream = stream(&mut content);
                // The stream it belongs to, its priority and its slot mean nothing to us.
                content.advance(6);
                Event::Syn { stream, headers: self.headers(&content)?, fin }
            }
            kind::SYN_REPLY | kind::HEADERS => {
                if content.len() < 4 {
                    return Err(Violation::Length);
                }
                let stream = stream(&mut content);
                let headers = self.headers(&content)?;
                match kind {
                    kind::SYN_REPLY => Event::Reply { stream, headers, fin },
                    _ => Event::Headers { stream, headers, fin },
                }
            }
            kind::RST_STREAM => {
                exactly(&content, 8)?;
                Event::Reset { stream: stream(&mut content), status: content.get_u32() }
            }
            kind::SETTINGS => {
                let count = content.try_get_u32().map_err(|_| Violation::Length)? as usize;
                exactly(&content, count.saturating_mul(8))?;
                Event::Settings
            }
            kind::PING => {
                exactly(&content, 4)?;
                Event::Ping(content.get_u32())
            }
            kind::GOAWAY => {
                exactly(&content, 8)?;
                Event::GoAway { last: stream(&mut content) }
            }
            kind::WINDOW_UPDATE => {
                exactly(&content, 8)?;
                Event::Window { stream: stream(&mut content), more: stream(&mut content) }
            }
            other => Event::Unknown(other),
        })
    }

    fn headers(&mut self, block: &[u8]) -> Result<Headers, Violation> {
        self.inflater.headers(block)
    }
}

/// A number of 31 bits; the first bit is reserved.
fn stream(content: &mut Bytes) -> u32 {
    content.get_u32() & 0x7fff_ffff
}
