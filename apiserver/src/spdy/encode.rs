//! From frames to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::headers::Deflater;
use super::{FIN, VERSION, kind};

/// Writes the frames of one side.
#[derive(Default)]
pub(crate) struct Encoder {
    deflater: Deflater,
}

impl Encoder {
    /// Accepts a stream.
    pub(crate) fn reply(&mut self, stream: u32, headers: &[(&str, &str)]) -> Bytes {
        let block = self.deflater.block(headers);
        let mut content = BytesMut::with_capacity(4 + block.len());
        content.put_u32(stream);
        content.put_slice(&block);
        control(kind::SYN_REPLY, 0, &content)
    }

    /// Begins a stream.
    #[cfg(test)]
    pub(crate) fn syn(&mut self, stream: u32, headers: &[(&str, &str)], fin: bool) -> Bytes {
        let block = self.deflater.block(headers);
        let mut content = BytesMut::with_capacity(10 + block.len());
        content.put_u32(stream);
        content.put_bytes(0, 6);
        content.put_slice(&block);
        control(kind::SYN_STREAM, u8::from(fin), &content)
    }

    /// The head of a data frame, which so many bytes follow as they are.
    pub(crate) fn data(stream: u32, length: usize, fin: bool) -> [u8; 8] {
        let second = (u32::from(if fin { FIN } else { 0 }) << 24) | (length as u32 & 0x00ff_ffff);
        let mut head = [0; 8];
        head[..4].copy_from_slice(&(stream & 0x7fff_ffff).to_be_bytes());
        head[4..].copy_from_slice(&second.to_be_bytes());
        head
    }

    /// Breaks a stream off.
    pub(crate) fn reset(stream: u32, status: u32) -> Bytes {
        control(kind::RST_STREAM, 0, &pair(stream, status))
    }

    /// Answers a ping.
    pub(crate) fn ping(number: u32) -> Bytes {
        control(kind::PING, 0, &number.to_be_bytes())
    }

    /// Says that nothing more is begun; the last stream is the last that was taken.
    pub(crate) fn go_away(last: u32) -> Bytes {
        control(kind::GOAWAY, 0, &pair(last, 0))
    }

    /// Allows more to be sent on a stream; stream 0 is the whole connection.
    pub(crate) fn window(stream: u32, more: u32) -> Bytes {
        control(kind::WINDOW_UPDATE, 0, &pair(stream, more))
    }
}

fn pair(first: u32, second: u32) -> [u8; 8] {
    let mut pair = [0; 8];
    pair[..4].copy_from_slice(&first.to_be_bytes());
    pair[4..].copy_from_slice(&second.to_be_bytes());
    pair
}

fn control(kind: u16, flags: u8, content: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + content.len());
    frame.put_u16(0x8000 | VERSION);
    frame.put_u16(kind);
    frame.put_u32((u32::from(flags) << 24) | (content.len() as u32 & 0x00ff_ffff));
    frame.put_slice(content);
    frame.freeze()
}
