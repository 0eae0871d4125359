//! `portforward`: connections to ports inside a pod.
//!
//! | carried by | a connection is |
//! |---|---|
//! | SPDY, on its own or in a WebSocket | two streams with the same `requestID`: `data`, and `error` for what goes wrong |
//! | channels of a WebSocket | two channels for each port of the query; both begin with the port's number |
//!
//! A port that has said everything ends its connection; a client that sends no more leaves the other direction open.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::runtime::PortForward;
use inboard::{Api, ApiError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::channels::{self, Encoding};
use super::exec::LINGER;
use super::multiplex::{self, Broken, Stream};
use super::upgrade::{Carrier, Protocols};
use super::wire::{Inlet, Outlet};
use crate::body::Body;
use crate::place::Place;
use crate::query::Query;
use crate::sent::Sent;

/// How many connections a client may have at one time.
const CONNECTIONS_MAX: usize = 500;
/// How many ports a client may name: a channel has a number of one byte.
const PORTS_MAX: usize = 120;
/// How many pieces wait for a port.
const PIECES: usize = 64;
/// The channel that says which channel is closed.
const CLOSE: u8 = 255;

#[derive(Clone, Copy)]
enum Way {
    Streams,
    Channels { encoding: Encoding, closes: bool },
}

const PROTOCOLS: Protocols<Way> = Protocols {
    websocket: &[
        ("SPDY/3.1+portforward.k8s.io", Way::Streams),
        ("v4.channel.k8s.io", Way::Channels { encoding: Encoding::Binary, closes: false }),
        ("v4.base64.channel.k8s.io", Way::Channels { encoding: Encoding::Base64, closes: false }),
        ("v5.channel.k8s.io", Way::Channels { encoding: Encoding::Binary, closes: true }),
    ],
    websocket_default: Some(Way::Channels { encoding: Encoding::Binary, closes: false }),
    spdy: &[("portforward.k8s.io", Way::Streams)],
    spdy_default: Some(Way::Streams),
};

/// The pod whose ports are meant.
#[derive(Clone)]
struct Target {
    pods: Api<Pod>,
    name: String,
    uid: String,
}

/// `pods/portforward`
pub(crate) async fn serve(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(place.cluster, place.namespace);
    let pod = pods.get(place.name).await?;
    if pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default().is_empty() {
        return Err(ApiError::bad_request(format!("pod {} does not have a host assigned", place.name)));
    }
    let upgrade = PROTOCOLS.agree(&sent.method, &sent.headers, &sent.connection)?;
    let target =
        Target { pods, name: place.name.to_owned(), uid: pod.metadata.uid.as_deref().unwrap_or_default().to_owned() };
    let ports = match upgrade.protocol {
        Way::Streams => Vec::new(),
        Way::Channels { .. } => ports(&sent.query)?,
    };
    let (carrier, way) = (upgrade.carrier, upgrade.protocol);
    Ok(upgrade.serve(move |upgraded| async move {
        let connection = super::wire::split(upgraded);
        match (way, carrier) {
            (Way::Streams, Carrier::Spdy) => over_streams(multiplex::own(connection), target).await,
            (Way::Streams, Carrier::WebSocket) => over_streams(multiplex::tunnel(connection), target).await,
            (Way::Channels { encoding, closes }, _) => {
                over_channels(connection, encoding, closes, &ports, &target).await;
            }
        }
    }))
}

/// The ports that a query names, several of them with commas between them or one by one.
fn ports(query: &Query) -> Result<Vec<u16>, ApiError> {
    let texts = query.all("ports").chain(query.all("port")).flat_map(|value| value.split(','));
    let ports = texts.map(|text| {
        port(text.trim()).ok_or_else(|| ApiError::bad_request(format!("unable to parse \"{text}\" as a port")))
    });
    let ports = ports.collect::<Result<Vec<u16>, ApiError>>()?;
    match ports.len() {
        0 => Err(ApiError::bad_request("query parameter \"port\" is required")),
        1..=PORTS_MAX => Ok(ports),
        more => Err(ApiError::bad_request(format!("{more} ports are more than {PORTS_MAX}"))),
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

impl Target {
    async fn open(&self, port: u16) -> Result<PortForward, String> {
        self.pods.port_forward(&self.name, port).await.map_err(|error| self.failed(port, &error))
    }

    fn failed(&self, port: u16, error: &dyn std::fmt::Display) -> String {
        let Self { name, uid, .. } = self;
        format!("error forwarding port {port} to pod {name}, uid {uid}: {error}")
    }

    /// Carries bytes both ways until the port has said everything, or the client has broken off.
    async fn relay<W>(
        &self,
        port: u16,
        pieces: &mut mpsc::Receiver<Result<Bytes, Broken>>,
        write: impl Fn(Bytes) -> W,
    ) -> Result<(), String>
    where
        W: Future<Output = io::Result<()>>,
    {
        let PortForward { write: mut to_port, read: mut from_port } = self.open(port).await?;
        let forth = async {
            while let Some(piece) = pieces.recv().await {
                let Ok(bytes) = piece else { return };
                if to_port.send(bytes).await.is_err() {
                    break;
                }
            }
            let _ = to_port.close().await;
            // Whatever else comes is for nobody, but a break is still one.
            while let Some(piece) = pieces.recv().await {
                if piece.is_err() {
                    return;
                }
            }
            std::future::pending().await
        };
        let back = async {
            while let Some(bytes) = from_port.next().await {
                let bytes = bytes.map_err(|error| self.failed(port, &error))?;
                if write(bytes).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        tokio::select! {
            () = forth => Ok(()),
            done = back => done,
        }
    }
}

/// The two streams of a connection, as far as they have come.
#[derive(Default)]
struct Pair {
    error: Option<Stream>,
    data: Option<Stream>,
}

async fn over_streams(connection: (multiplex::Source, multiplex::Target), target: Target) {
    let (accept, mut accepted) = mpsc::channel(8);
    let acceptable = |headers: &_| {
        port(multiplex::header(headers, "port")).is_some()
            && matches!(multiplex::header(headers, "streamtype"), "error" | "data")
    };
    let mut driver = pin!(multiplex::drive(connection, accept, acceptable));
    let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
    // What is in it ends with it.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = &mut driver => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            stream = accepted.recv() => stream,
        };
        let Some(stream) = stream else { return };
        if pairs.len() + connections.len() >= CONNECTIONS_MAX {
            let _ = stream.reply.reset().await;
            continue;
        }
        let number = number(&stream);
        let pair = pairs.entry(number.clone()).or_default();
        match stream.header("streamtype") {
            "error" => pair.error = Some(stream),
            _ => pair.data = Some(stream),
        }
        if let Some(Pair { error: Some(_), data: Some(_) }) = pairs.get(&number)
            && let Some(Pair { error: Some(error), data: Some(data) }) = pairs.remove(&number)
        {
            let target = target.clone();
            connections.spawn(async move { connect(&target, error, data).await });
        }
    }
}

/// What the two streams of a connection have in common. Old clients do not say: with them the data stream comes right
/// after the error stream.
fn number(stream: &Stream) -> String {
    match (stream.header("requestid"), stream.header("streamtype")) {
        ("", "error") => format!("stream {}", stream.reply.id),
        ("", _) => format!("stream {}", stream.reply.id.saturating_sub(2)),
        (number, _) => number.to_owned(),
    }
}

async fn connect(target: &Target, error: Stream, data: Stream) {
    let Some(port) = port(data.header("port")) else { return };
    let Stream { mut pieces, reply, .. } = data;
    let done = target.relay(port, &mut pieces, async |bytes| reply.write(&bytes).await).await;
    if let Err(message) = done {
        let _ = error.reply.write(message.as_bytes()).await;
    }
    let _ = error.reply.end().await;
    let _ = reply.end().await;
}

async fn over_channels(connection: (Inlet, Outlet), encoding: Encoding, closes: bool, ports: &[u16], target: &Target) {
    let (mut reader, writer) = channels::open(connection, encoding);
    let (mut senders, receivers): (Vec<_>, Vec<_>) = ports
        .iter()
        .map(|_| {
            let (sender, pieces) = mpsc::channel(PIECES);
            (Some(sender), pieces)
        })
        .unzip();
    let mut inbound = pin!(async move {
        while let Ok(Some(piece)) = reader.next().await {
            let closed = (piece.channel == CLOSE && closes).then(|| piece.bytes.first().copied()).flatten();
            let Some(place) = senders.get_mut(usize::from(closed.unwrap_or(piece.channel) / 2)) else { continue };
            let is_data = closed.unwrap_or(piece.channel) % 2 == 0;
            if closed.is_some() && is_data {
                *place = None;
            } else if let Some(sender) = place
                && is_data
                && !piece.bytes.is_empty()
                && sender.send(Ok(piece.bytes)).await.is_err()
            {
                *place = None;
            }
        }
    });
    let work = async {
        let channels = (0_u8..).step_by(2);
        let connections = channels.zip(ports.iter().zip(receivers)).map(|(channel, (port, mut pieces))| {
            let writer = writer.clone();
            async move {
                let (data, error) = (channel, channel + 1);
                for channel in [data, error] {
                    writer.send(channel, &port.to_le_bytes()).await?;
                }
                let done = target.relay(*port, &mut pieces, async |bytes| writer.send(data, &bytes).await).await;
                if let Err(message) = done {
                    writer.send(error, message.as_bytes()).await?;
                }
                io::Result::Ok(())
            }
        });
        join_all(connections).await;
        let _ = writer.close().await;
    };
    tokio::select! {
        () = &mut inbound => return,
        () = work => {}
    }
    let _ = tokio::time::timeout(LINGER, inbound).await;
}
