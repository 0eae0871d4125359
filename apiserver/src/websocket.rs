//! The frames of the WebSocket protocol (RFC 6455) as a server sees them, without any input or output.
//!
//! ```text
//! bytes ─► Decoder ─► Event            Frame ─► bytes
//! ```
//! A message is handed on piece by piece as its bytes come in, however long it is and however many frames it has: what
//! the decoder holds has a bound, and messages need none.

mod handshake;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) use self::handshake::{accept_key, offered_protocols};

/// The most that a control frame may carry.
const CONTROL_MAX: usize = 125;

/// What comes from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A piece of a message; it may be empty.
    Piece { bytes: Bytes, begins: bool, ends: bool },
    /// To be answered with a [`Frame::Pong`] of the same bytes.
    Ping(Bytes),
    /// The answer to a ping, or a sign of life.
    Pong,
    /// The client sends nothing more; 1005 stands for no code.
    Close(u16),
}

/// What a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text,
    Binary,
    Close,
    Pong,
}

/// What a client must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Frames of a client are masked.
    NotMasked,
    /// Bits or codes that mean nothing here.
    Reserved,
    /// A control frame in pieces, or too long.
    Control,
    /// A message within a message, or the rest of none.
    Continuation,
    /// A length that no frame has.
    Length,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMasked => "a frame without a mask",
            Self::Reserved => "reserved bits or an unknown kind of frame",
            Self::Control => "a control frame that is too long or in pieces",
            Self::Continuation => "a message that does not begin, or begins twice",
            Self::Length => "an impossible length",
        })
    }
}

impl std::error::Error for Violation {}

/// Reads the frames of a client.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The data frame whose content is being read.
    frame: Option<DataFrame>,
    /// Whether a message has begun and goes on in the next data frame.
    is_in_message: bool,
}

#[derive(Debug)]
struct DataFrame {
    mask: [u8; 4],
    /// How much is still to come.
    left: u64,
    /// Whether its next piece is the first of a message.
    begins: bool,
    /// Whether it is the last frame of its message.
    is_last: bool,
}

/// The head of a frame.
struct Head {
    code: u8,
    is_last: bool,
    mask: [u8; 4],
    length: u64,
    /// How many bytes the head itself has.
    size: usize,
}

impl Decoder {
    /// Takes the next event off the front of what has been read; `None` when more is needed.
    pub(crate) fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Event>, Violation> {
        if self.frame.is_some() {
            return Ok(self.piece(read));
        }
        let Some(head) = Head::read(read)? else { return Ok(None) };
        if head.code < 8 {
            let begins = head.code != 0;
            if begins == self.is_in_message {
                return Err(Violation::Continuation);
            }
            read.advance(head.size);
            self.is_in_message = !head.is_last;
            self.frame = Some(DataFrame { mask: head.mask, left: head.length, begins, is_last: head.is_last });
            return Ok(self.piece(read));
        }
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if !head.is_last || length > CONTROL_MAX {
            return Err(Violation::Control);
        }
        if read.len() < head.size + length {
            return Ok(None);
        }
        read.advance(head.size);
        let mut content = read.split_to(length);
        unmask(&mut content, head.mask);
        match head.code {
            8 => match content.len() {
                0 => Ok(Some(Event::Close(1005))),
                1 => Err(Violation::Control),
                _ => Ok(Some(Event::Close(content.get_u16()))),
            },
            9 => Ok(Some(Event::Ping(content.freeze()))),
            10 => Ok(Some(Event::Pong)),
            _ => Err(Violation::Reserved),
        }
    }

    /// What there is of a data frame, if there is anything to say.
    fn piece(&mut self, read: &mut BytesMut) -> Option<Event> {
        let frame = self.frame.as_mut()?;
        if read.is_empty() && frame.left > 0 {
            return None;
        }
        let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(read.len());
        let mut bytes = read.split_to(length);
        unmask(&mut bytes, frame.mask);
        frame.mask.rotate_left(length % 4);
        frame.left -= length as u64;
        let begins = std::mem::take(&mut frame.begins);
        let ends = frame.left == 0 && frame.is_last;
        if frame.left == 0 {
            self.frame = None;
        }
        Some(Event::Piece { bytes: bytes.freeze(), begins, ends })
    }
}

impl Head {
    /// Looks at the head of a frame; `None` when it is not there yet.
    fn read(mut from: &[u8]) -> Result<Option<Self>, Violation> {
        let all = from.len();
        let [first, second, ..] = *from else { return Ok(None) };
        if first & 0x70 != 0 || !matches!(first & 0x0f, 0..=2 | 8..=10) {
            return Err(Violation::Reserved);
        }
        if second & 0x80 == 0 {
            return Err(Violation::NotMasked);
        }
        from.advance(2);
        let length = match second & 0x7f {
            126 if from.len() >= 2 => u64::from(from.get_u16()),
            127 if from.len() >= 8 => from.get_u64(),
            126 | 127 => return Ok(None),
            short => u64::from(short),
        };
        if length > i64::MAX as u64 {
            return Err(Violation::Length);
        }
        let Some(mask) = from.first_chunk::<4>() else { return Ok(None) };
        let size = all - from.len() + mask.len();
        Ok(Some(Self { code: first & 0x0f, is_last: first & 0x80 != 0, mask: *mask, length, size }))
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    for four in bytes.chunks_mut(4) {
        for (byte, mask) in four.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

impl Frame {
    /// The head of a whole message with this much content, which follows it as it is.
    pub(crate) fn head(self, length: usize) -> Bytes {
        let code = match self {
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Pong => 10,
        };
        let mut head = BytesMut::with_capacity(10);
        head.put_u8(0x80 | code);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..126), _) => head.put_u8(length),
            (_, Ok(length)) => {
                head.put_u8(126);
                head.put_u16(length);
            }
            _ => {
                head.put_u8(127);
                head.put_u64(length as u64);
            }
        }
        head.freeze()
    }
}
