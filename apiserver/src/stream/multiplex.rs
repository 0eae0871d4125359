//! The streams of a SPDY connection: those that the client begins, each with what it sends and a way to answer.
//!
//! The connection may be one of its own, or the messages of a WebSocket.
//! Clients do not say how much they can take (they never enlarge their windows), so that what is sent waits for the
//! connection alone. What comes in waits in a short queue of its stream; when that is full, the connection waits.

use std::collections::BTreeMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::channels::{self, ChannelReader, Encoding};
use super::wire::{Inlet, Outlet};
use crate::spdy::{Decoder, Encoder, Event, Headers};
use crate::websocket::Frame;

/// How many streams a connection may have at one time.
const STREAMS_MAX: usize = 1000;
/// How many pieces wait in a stream.
const PIECES: usize = 64;
/// The most that is sent in one frame.
const FRAME_MAX: usize = 32 * 1024;
/// After how many bytes the client is told that it may send as many again: half the window that it begins with.
const WINDOW: usize = 32 * 1024;

/// Why streams are broken off.
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 3;

/// Where frames come from.
pub(crate) enum Source {
    Own(Inlet),
    Tunnel(ChannelReader),
}

/// Where frames go to.
#[derive(Clone)]
pub(crate) struct Target {
    outlet: Outlet,
    is_tunnel: bool,
}

/// Frames on a connection of their own.
pub(crate) fn own((inlet, outlet): (Inlet, Outlet)) -> (Source, Target) {
    (Source::Own(inlet), Target { outlet, is_tunnel: false })
}

/// Frames in the messages of a WebSocket.
pub(crate) fn tunnel((inlet, outlet): (Inlet, Outlet)) -> (Source, Target) {
    let target = Target { outlet: outlet.clone(), is_tunnel: true };
    (Source::Tunnel(channels::open((inlet, outlet), Encoding::Binary).0), target)
}

impl Source {
    async fn fill(&mut self, read: &mut BytesMut) -> io::Result<bool> {
        match self {
            Self::Own(inlet) => {
                let more = inlet.fill().await?;
                read.unsplit(inlet.read.split());
                Ok(more)
            }
            Self::Tunnel(reader) => match reader.message().await? {
                Some((bytes, _, _)) => {
                    read.extend_from_slice(&bytes);
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }
}

impl Target {
    async fn send(&self, head: &[u8], content: &[u8]) -> io::Result<()> {
        if self.is_tunnel {
            let message = Frame::Binary.head(head.len() + content.len());
            self.outlet.send(&[&message, head, content]).await
        } else {
            self.outlet.send(&[head, content]).await
        }
    }

    /// Says that no more streams are taken, and that nothing more is sent.
    pub(crate) async fn finish(&self, last: u32) -> io::Result<()> {
        self.send(&Encoder::go_away(last), &[]).await?;
        if self.is_tunnel { channels::close(&self.outlet).await } else { self.outlet.end().await }
    }
}

/// A stream that a client has begun.
pub(crate) struct Stream {
    pub(crate) headers: Headers,
    /// What the client sends; an end without [`Broken`] is the end of its side.
    pub(crate) pieces: mpsc::Receiver<Result<Bytes, Broken>>,
    pub(crate) reply: Reply,
}

/// The client has broken the stream off.
#[derive(Debug)]
pub(crate) struct Broken;

/// Our side of a stream.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) id: u32,
    target: Target,
}

impl Stream {
    /// A header; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }
}

/// A header; empty when it is not there.
pub(crate) fn header<'h>(headers: &'h Headers, name: &str) -> &'h str {
    headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

impl Reply {
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(FRAME_MAX) {
            self.target.send(&Encoder::data(self.id, part.len(), false), part).await?;
        }
        Ok(())
    }

    /// Breaks the stream off.
    pub(crate) async fn reset(&self) -> io::Result<()> {
        self.target.send(&Encoder::reset(self.id, REFUSED_STREAM), &[]).await
    }

    /// Our side ends.
    pub(crate) async fn end(&self) -> io::Result<()> {
        self.target.send(&Encoder::data(self.id, 0, true), &[]).await
    }
}

/// Reads a connection until it ends, and hands the streams on that are `acceptable`.
pub(crate) async fn drive(
    (mut source, target): (Source, Target),
    accepted: mpsc::Sender<Stream>,
    acceptable: impl Fn(&Headers) -> bool,
) {
    let mut connection = Incoming { target, streams: BTreeMap::new(), last: 0, encoder: Encoder::default(), taken: 0 };
    let (mut decoder, mut read) = (Decoder::new(), BytesMut::new());
    loop {
        let done = match decoder.decode(&mut read) {
            Ok(Some(Event::GoAway { .. })) if connection.streams.is_empty() => return,
            Ok(Some(event)) => connection.take(event, &accepted, &acceptable).await,
            Ok(None) => match source.fill(&mut read).await {
                Ok(true) => Ok(()),
                Ok(false) => return,
                Err(error) => Err(error),
            },
            Err(violation) => Err(io::Error::new(io::ErrorKind::InvalidData, violation)),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a client has gone");
            return;
        }
    }
}

struct Incoming {
    target: Target,
    /// Where the pieces of streams go whose client may still send.
    streams: BTreeMap<u32, Receiving>,
    /// The last stream that the client began.
    last: u32,
    encoder: Encoder,
    /// How much has come in since the client was last told that it may send more.
    taken: usize,
}

struct Receiving {
    pieces: mpsc::Sender<Result<Bytes, Broken>>,
    taken: usize,
}

impl Incoming {
    async fn take(
        &mut self,
        event: Event,
        accepted: &mpsc::Sender<Stream>,
        acceptable: &impl Fn(&Headers) -> bool,
    ) -> io::Result<()> {
        match event {
            Event::Syn { stream, headers, fin } => {
                if stream % 2 == 0 || stream <= self.last {
                    return self.reset(stream, PROTOCOL_ERROR).await;
                }
                self.last = stream;
                self.streams.retain(|_, receiving| !receiving.pieces.is_closed());
                if self.streams.len() >= STREAMS_MAX || accepted.is_closed() || !acceptable(&headers) {
                    return self.reset(stream, REFUSED_STREAM).await;
                }
                let reply = self.encoder.reply(stream, &[]);
                self.target.send(&reply, &[]).await?;
                let (sender, pieces) = mpsc::channel(PIECES);
                if !fin {
                    self.streams.insert(stream, Receiving { pieces: sender, taken: 0 });
                }
                let reply = Reply { id: stream, target: self.target.clone() };
                if accepted.send(Stream { headers, pieces, reply }).await.is_err() {
                    self.streams.remove(&stream);
                    return self.reset(stream, REFUSED_STREAM).await;
                }
                Ok(())
            }
            Event::Data { stream, bytes, fin } => {
                let length = bytes.len();
                if let Some(receiving) = self.streams.get(&stream)
                    && length > 0
                    && receiving.pieces.send(Ok(bytes)).await.is_err()
                {
                    // Nobody reads it any more; the client is told by the end of our side.
                    self.streams.remove(&stream);
                }
                if fin {
                    self.streams.remove(&stream);
                }
                self.enlarge(stream, length).await
            }
            Event::Reset { stream, .. } => {
                if let Some(receiving) = self.streams.remove(&stream) {
                    // Whoever does not read it any more does not need to know.
                    let _ = receiving.pieces.send(Err(Broken)).await;
                }
                Ok(())
            }
            Event::Ping(number) if number % 2 == 1 => self.target.send(&Encoder::ping(number), &[]).await,
            Event::Ping(_)
            | Event::Reply { .. }
            | Event::Headers { .. }
            | Event::GoAway { .. }
            | Event::Settings
            | Event::Window { .. }
            | Event::Unknown(_) => Ok(()),
        }
    }

    /// Lets a client that counts send more.
    async fn enlarge(&mut self, stream: u32, by: usize) -> io::Result<()> {
        if let Some(receiving) = self.streams.get_mut(&stream) {
            receiving.taken += by;
            if receiving.taken >= WINDOW {
                let more = std::mem::take(&mut receiving.taken);
                self.target.send(&Encoder::window(stream, more as u32), &[]).await?;
            }
        }
        self.taken += by;
        if self.taken >= WINDOW {
            let more = std::mem::take(&mut self.taken);
            self.target.send(&Encoder::window(0, more as u32), &[]).await?;
        }
        Ok(())
    }

    async fn reset(&self, stream: u32, status: u32) -> io::Result<()> {
        self.target.send(&Encoder::reset(stream, status), &[]).await
    }
}
