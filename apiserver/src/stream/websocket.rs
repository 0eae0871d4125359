//! `exec` and `attach` over the channels of a WebSocket.

use std::io;

use inboard::runtime::StdStream;

use super::channels::{self, ChannelReader, ChannelWriter};
use super::exec::{Client, Conversation, Inputs, Outcome, Version, Wanted};
use super::wire::{Inlet, Outlet};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// Since version 5: the channel whose number it carries is closed.
const CLOSE: u8 = 255;

/// The most that is read of a terminal's size.
const RESIZE_MAX: usize = 256;

/// Serves a connection until it ends.
pub(crate) async fn exec(connection: (Inlet, Outlet), version: Version, wanted: Wanted, work: Conversation) {
    let (reader, writer) = channels::open(connection, version.encoding);
    // An empty message tells the client that everything is connected.
    let first = if wanted.stdout {
        STDOUT
    } else if wanted.stderr {
        STDERR
    } else {
        ERROR
    };
    if writer.send(first, &[]).await.is_err() {
        return;
    }
    let client = Channels { writer, tells_status: version.tells_status };
    work.run(wanted, client, |inputs| inbound(reader, version, inputs)).await;
}

async fn inbound(mut reader: ChannelReader, version: Version, mut inputs: Inputs) {
    let mut size = Vec::new();
    loop {
        let piece = match reader.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "a client has gone");
                return;
            }
        };
        match piece.channel {
            STDIN => inputs.stdin.send(piece.bytes).await,
            CLOSE if version.closes_channels && piece.bytes.first() == Some(&STDIN) => inputs.stdin.end(),
            RESIZE if version.resizes => {
                if size.len() + piece.bytes.len() <= RESIZE_MAX {
                    size.extend_from_slice(&piece.bytes);
                }
                if piece.ends {
                    inputs.terminal.resize(&size);
                    size.clear();
                }
            }
            // Nobody reads the others.
            _ => {}
        }
    }
}

struct Channels {
    writer: ChannelWriter,
    tells_status: bool,
}

impl Client for Channels {
    async fn write(&self, stream: StdStream, bytes: &[u8]) -> io::Result<()> {
        let channel = match stream {
            StdStream::Stdout => STDOUT,
            StdStream::Stderr => STDERR,
        };
        self.writer.send(channel, bytes).await
    }

    async fn finish(&self, outcome: &Outcome) -> io::Result<()> {
        if self.tells_status {
            self.writer.send(ERROR, outcome.status().to_string().as_bytes()).await?;
        } else if *outcome != Outcome::Success {
            self.writer.send(ERROR, outcome.message().as_bytes()).await?;
        }
        self.writer.close().await
    }
}
