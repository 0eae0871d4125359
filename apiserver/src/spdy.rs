//! The frames of SPDY/3.1 as a server sees them, without any input or output.
//!
//! ```text
//! bytes ─► Decoder ─► Event           Encoder ─► bytes
//! ```
//! Data is handed on piece by piece as its bytes come in; control frames are short, or refused. Header blocks share one
//! compressed stream in each direction: a decoder or an encoder is for one connection.

mod decode;
mod dictionary;
mod encode;
mod headers;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub(crate) use self::decode::Decoder;
pub(crate) use self::encode::Encoder;

/// Names and values, the names in small letters; values of the same name are kept apart.
pub(crate) type Headers = Vec<(String, String)>;

/// The version of the protocol in every control frame.
const VERSION: u16 = 3;
/// The flag of a frame that is the last of its side of a stream.
const FIN: u8 = 1;

/// The kinds of control frames.
mod kind {
    pub(super) const SYN_STREAM: u16 = 1;
    pub(super) const SYN_REPLY: u16 = 2;
    pub(super) const RST_STREAM: u16 = 3;
    pub(super) const SETTINGS: u16 = 4;
    pub(super) const PING: u16 = 6;
    pub(super) const GOAWAY: u16 = 7;
    pub(super) const HEADERS: u16 = 8;
    pub(super) const WINDOW_UPDATE: u16 = 9;
}

/// What comes from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A stream begins.
    Syn { stream: u32, headers: Headers, fin: bool },
    /// A stream that we began is accepted.
    Reply { stream: u32, headers: Headers, fin: bool },
    /// More headers of a stream.
    Headers { stream: u32, headers: Headers, fin: bool },
    /// A piece of a stream's data; it may be empty.
    Data { stream: u32, bytes: Bytes, fin: bool },
    /// A stream is broken off.
    Reset { stream: u32, status: u32 },
    /// To be answered with the same number, when it is odd.
    Ping(u32),
    /// No more streams are begun.
    GoAway { last: u32 },
    /// What the other side would like; nothing here depends on it.
    Settings,
    /// How much more may be sent on a stream.
    Window { stream: u32, more: u32 },
    /// A kind of frame that later versions may have: passed over, as the standard says.
    Unknown(u16),
}

/// What the other side must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Not version 3.
    Version(u16),
    /// A control frame whose length does not fit its kind, or that is too long.
    Length,
    /// A header block that is not what it says.
    Headers,
    /// A header block that grows too large.
    TooLarge,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "a frame of SPDY version {version}"),
            Self::Length => f.write_str("a frame of an impossible length"),
            Self::Headers => f.write_str("headers that cannot be read"),
            Self::TooLarge => f.write_str("headers that are too large"),
        }
    }
}

impl std::error::Error for Violation {}
