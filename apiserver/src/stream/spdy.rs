//! `exec` and `attach` over the streams of a SPDY connection: `streamType` says which stream is which.

use std::io;
use std::pin::pin;
use std::time::Duration;

use inboard::runtime::StdStream;
use tokio::sync::mpsc;

use super::exec::{Client, Conversation, Inputs, Outcome, Version, Wanted};
use super::multiplex::{self, Reply, Stream, Target};
use super::wire::{Inlet, Outlet};

/// How long a client may take to begin its streams.
const STREAMS_TIMEOUT: Duration = Duration::from_secs(30);
/// The most that is kept of the size of a terminal while it is not whole.
const RESIZE_MAX: usize = 256;

/// The streams of a client.
#[derive(Default)]
struct Streams {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

/// Serves a connection until it ends.
pub(crate) async fn exec(connection: (Inlet, Outlet), version: Version, wanted: Wanted, work: Conversation) {
    let (source, target) = multiplex::own(connection);
    let (accept, mut accepted) = mpsc::channel(8);
    let is_known = |headers: &_| {
        matches!(multiplex::header(headers, "streamtype"), "error" | "stdin" | "stdout" | "stderr" | "resize")
    };
    let mut driver = pin!(multiplex::drive((source, target.clone()), accept, is_known));
    let streams = tokio::select! {
        () = &mut driver => return,
        streams = tokio::time::timeout(STREAMS_TIMEOUT, Streams::collect(&mut accepted, version, wanted)) => streams,
    };
    drop(accepted);
    let Ok(Some(streams)) = streams else {
        tracing::debug!("a client has not begun its streams in time");
        let _ = target.finish(0).await;
        return;
    };
    let Streams { error, stdin, stdout, stderr, resize } = streams;
    let reply = |stream: Option<Stream>| stream.map(|stream| stream.reply);
    let client = Streaming {
        error: reply(error),
        stdout: reply(stdout),
        stderr: reply(stderr),
        target,
        tells_status: version.tells_status,
    };
    work.run(wanted, client, |inputs| async move {
        let Inputs { stdin: mut input, terminal } = inputs;
        let feed = async {
            if let Some(mut stdin) = stdin {
                while let Some(Ok(bytes)) = stdin.pieces.recv().await {
                    input.send(bytes).await;
                }
            }
            drop(input);
        };
        let fit = async {
            if let Some(mut resize) = resize {
                let mut text = Vec::new();
                while let Some(Ok(bytes)) = resize.pieces.recv().await {
                    for byte in bytes {
                        text.push(byte);
                        if byte == b'}' {
                            terminal.resize(&text);
                        }
                        if byte == b'}' || text.len() > RESIZE_MAX {
                            text.clear();
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = driver => {}
            never = async { tokio::join!(feed, fit, std::future::pending::<std::convert::Infallible>()) } => match never.2 {},
        }
    })
    .await;
}

impl Streams {
    /// Waits for all streams that there will be; `None` when the connection is read no more.
    async fn collect(accepted: &mut mpsc::Receiver<Stream>, version: Version, wanted: Wanted) -> Option<Self> {
        let mut streams = Self::default();
        let resizes = wanted.tty && version.resizes;
        loop {
            let has = |stream: &Option<Stream>, wanted: bool| stream.is_some() || !wanted;
            if has(&streams.error, true)
                && has(&streams.stdin, wanted.stdin)
                && has(&streams.stdout, wanted.stdout)
                && has(&streams.stderr, wanted.stderr)
                && has(&streams.resize, resizes)
            {
                return Some(streams);
            }
            let stream = accepted.recv().await?;
            let place = match stream.header("streamtype") {
                "error" => &mut streams.error,
                "stdin" => &mut streams.stdin,
                "stdout" => &mut streams.stdout,
                "stderr" => &mut streams.stderr,
                _ => &mut streams.resize,
            };
            *place = Some(stream);
        }
    }
}

/// The streams that are written to.
struct Streaming {
    error: Option<Reply>,
    stdout: Option<Reply>,
    stderr: Option<Reply>,
    target: Target,
    tells_status: bool,
}

impl Client for Streaming {
    async fn write(&self, stream: StdStream, bytes: &[u8]) -> io::Result<()> {
        let reply = match stream {
            StdStream::Stdout => &self.stdout,
            StdStream::Stderr => &self.stderr,
        };
        match reply {
            Some(reply) => reply.write(bytes).await,
            None => Ok(()),
        }
    }

    async fn finish(&self, outcome: &Outcome) -> io::Result<()> {
        for reply in [&self.stdout, &self.stderr].into_iter().flatten() {
            reply.end().await?;
        }
        let mut last = 0;
        if let Some(error) = &self.error {
            if self.tells_status {
                error.write(outcome.status().to_string().as_bytes()).await?;
            } else {
                error.write(outcome.message().as_bytes()).await?;
            }
            error.end().await?;
            last = error.id;
        }
        self.target.finish(last).await
    }
}
