//! The readers of frames, each fed with bytes as they come from anybody: what a fuzzer enters.

use bytes::BytesMut;

use crate::{spdy, websocket};

/// Feeds the reader of SPDY in pieces of this size; how many events came of it before it refused, or asked for more.
pub fn spdy(bytes: &[u8], piece: usize) -> usize {
    let mut decoder = spdy::Decoder::new();
    feed(bytes, piece, |read| decoder.decode(read).ok().flatten().is_some())
}

/// The same for WebSocket.
pub fn websocket(bytes: &[u8], piece: usize) -> usize {
    let mut decoder = websocket::Decoder::default();
    feed(bytes, piece, |read| decoder.decode(read).ok().flatten().is_some())
}

fn feed(bytes: &[u8], piece: usize, mut next: impl FnMut(&mut BytesMut) -> bool) -> usize {
    let mut read = BytesMut::new();
    let mut events = 0;
    for piece in bytes.chunks(piece.max(1)) {
        read.extend_from_slice(piece);
        while next(&mut read) {
            events += 1;
        }
    }
    events
}
