//! Byte channels in a WebSocket: the first byte of a message says which channel the others are for.
//!
//! In the base64 form a message is text: a digit and the bytes in base64.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::wire::{Inlet, Outlet};
use crate::websocket::{Decoder, Event, Frame};

/// The code with which a connection ends that did what it was for.
const NORMAL: u16 = 1000;
/// The code with which a client is sent away that does not keep to the protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// How the bytes of a channel stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Binary,
    Base64,
}

/// A piece of what a client sends on a channel.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) channel: u8,
    pub(crate) bytes: Bytes,
    /// Whether the message ends with it.
    pub(crate) ends: bool,
}

/// Reads the channels.
pub(crate) struct ChannelReader {
    inlet: Inlet,
    outlet: Outlet,
    decoder: Decoder,
    encoding: Encoding,
    /// The channel of the message that is being read, once it is known.
    channel: Option<u8>,
    /// Base64 letters that wait for others.
    letters: BytesMut,
}

/// Writes to the channels.
#[derive(Clone)]
pub(crate) struct ChannelWriter {
    outlet: Outlet,
    encoding: Encoding,
}

/// Opens the channels of a connection.
pub(crate) fn open((inlet, outlet): (Inlet, Outlet), encoding: Encoding) -> (ChannelReader, ChannelWriter) {
    let writer = ChannelWriter { outlet: outlet.clone(), encoding };
    let (decoder, channel, letters) = (Decoder::default(), None, BytesMut::new());
    (ChannelReader { inlet, outlet, decoder, encoding, channel, letters }, writer)
}

impl ChannelReader {
    /// The next piece; `None` when there are no more. Pings are answered on the way.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Piece>> {
        while let Some((bytes, begins, ends)) = self.message().await? {
            if begins {
                self.channel = None;
                self.letters.clear();
            }
            if let Some(piece) = self.piece(bytes, ends)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The next piece of a message, whatever it says.
    pub(crate) async fn message(&mut self) -> io::Result<Option<(Bytes, bool, bool)>> {
        loop {
            match self.decoder.decode(&mut self.inlet.read) {
                Ok(None) => {
                    if !self.inlet.fill().await? {
                        return Ok(None);
                    }
                }
                Ok(Some(Event::Piece { bytes, begins, ends })) => return Ok(Some((bytes, begins, ends))),
                Ok(Some(Event::Ping(bytes))) => {
                    self.outlet.send(&[&Frame::Pong.head(bytes.len()), &bytes]).await?;
                }
                Ok(Some(Event::Pong)) => {}
                Ok(Some(Event::Close(_))) => {
                    // Both sides say so; it does not matter who was first.
                    let _ = close(&self.outlet).await;
                    return Ok(None);
                }
                Err(violation) => {
                    let _ = close_with(&self.outlet, PROTOCOL_ERROR).await;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, violation));
                }
            }
        }
    }

    /// What a piece of a message says, if anything.
    fn piece(&mut self, mut bytes: Bytes, ends: bool) -> io::Result<Option<Piece>> {
        let channel = match self.channel {
            Some(channel) => channel,
            None if bytes.is_empty() => return Ok(None),
            None => {
                let first = bytes.split_to(1)[0];
                let channel = match self.encoding {
                    Encoding::Binary => first,
                    Encoding::Base64 => first.wrapping_sub(b'0'),
                };
                *self.channel.insert(channel)
            }
        };
        let bytes = match self.encoding {
            Encoding::Binary => bytes,
            Encoding::Base64 => {
                self.letters.extend_from_slice(&bytes);
                let whole = if ends { self.letters.len() } else { self.letters.len() / 4 * 4 };
                let letters = self.letters.split_to(whole);
                let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
                STANDARD.decode(&letters).map_err(invalid)?.into()
            }
        };
        Ok((ends || !bytes.is_empty()).then_some(Piece { channel, bytes, ends }))
    }
}

impl ChannelWriter {
    /// Sends bytes on a channel.
    pub(crate) async fn send(&self, channel: u8, bytes: &[u8]) -> io::Result<()> {
        match self.encoding {
            Encoding::Binary => self.outlet.send(&[&Frame::Binary.head(bytes.len() + 1), &[channel], bytes]).await,
            Encoding::Base64 => {
                let letters = STANDARD.encode(bytes);
                let head = Frame::Text.head(letters.len() + 1);
                self.outlet.send(&[&head, &[channel.wrapping_add(b'0')], letters.as_bytes()]).await
            }
        }
    }

    /// Says that nothing more is sent.
    pub(crate) async fn close(&self) -> io::Result<()> {
        close(&self.outlet).await
    }
}

/// Ends a WebSocket in order.
pub(crate) async fn close(outlet: &Outlet) -> io::Result<()> {
    close_with(outlet, NORMAL).await
}

async fn close_with(outlet: &Outlet, code: u16) -> io::Result<()> {
    outlet.send(&[&Frame::Close.head(2), &code.to_be_bytes()]).await
}
