//! `exec` and `attach`: the streams of a process on one side, those of a client on the other.
//!
//! ```text
//!   client ─► Inputs ─► bounded queue ─► stdin         process ─► output ─► client
//!                     └► latest size  ─► terminal      process ─► exit  ─► status, and the end
//! ```
//! Who sends faster than the other side reads is made to wait; nothing grows. A client that goes away, or whose connection
//! breaks off, disconnects from the process, which goes on; a process that ends has its status told before the connection
//! is closed.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use inboard::cluster::ExecOptions;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::runtime::{ExecSession, RuntimeError, StdStream, TerminalSize};
use inboard::{Api, ApiError, Reason};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::upgrade::{Carrier, Protocols};
use super::{spdy, websocket};
use crate::body::Body;
use crate::place::Place;
use crate::query::Query;
use crate::respond;
use crate::sent::Sent;

/// How many pieces of input wait for a process.
const INPUT_PIECES: usize = 64;
/// How long a client may take to close its side once everything was said.
pub(crate) const LINGER: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Run this command.
    Exec(Vec<String>),
    /// Connect to the container's own process.
    Attach,
}

/// Which streams a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
}

/// A version of the protocol, in what versions differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) encoding: super::channels::Encoding,
    /// Whether a `Status` tells how it ended; otherwise a text tells what went wrong.
    pub(crate) tells_status: bool,
    /// Whether a terminal may change its size.
    pub(crate) resizes: bool,
    /// Whether a single channel of a WebSocket can be closed.
    pub(crate) closes_channels: bool,
}

const BINARY: super::channels::Encoding = super::channels::Encoding::Binary;
const BASE64: super::channels::Encoding = super::channels::Encoding::Base64;
const V1: Version = Version { encoding: BINARY, tells_status: false, resizes: false, closes_channels: false };
const V3: Version = Version { resizes: true, ..V1 };
const V4: Version = Version { tells_status: true, ..V3 };
const V5: Version = Version { closes_channels: true, ..V4 };

const PROTOCOLS: Protocols<Version> = Protocols {
    websocket: &[
        ("v5.channel.k8s.io", V5),
        ("v4.channel.k8s.io", V4),
        ("v4.base64.channel.k8s.io", Version { encoding: BASE64, ..V4 }),
        ("channel.k8s.io", V3),
        ("base64.channel.k8s.io", Version { encoding: BASE64, ..V3 }),
    ],
    websocket_default: Some(V3),
    spdy: &[
        ("v5.channel.k8s.io", V5),
        ("v4.channel.k8s.io", V4),
        ("v3.channel.k8s.io", V3),
        ("v2.channel.k8s.io", V1),
        ("channel.k8s.io", V1),
    ],
    spdy_default: Some(V1),
};

impl Wanted {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let flag = |name| query.flag(name);
        let tty = flag("tty");
        // A terminal has one output.
        let wanted = Self { stdin: flag("stdin"), stdout: flag("stdout"), stderr: flag("stderr") && !tty, tty };
        if wanted.stdin || wanted.stdout || wanted.stderr {
            Ok(wanted)
        } else {
            Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"))
        }
    }
}

/// `pods/exec` and `pods/attach`
pub(crate) async fn serve(place: &Place<'_>, task: Task, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let pods: Api<Pod> = Api::namespaced(place.cluster, place.namespace);
    pods.get(place.name).await?;
    let wanted = Wanted::read(&sent.query)?;
    let upgrade = PROTOCOLS.agree(&sent.method, &sent.headers, &sent.connection)?;
    let options = ExecOptions {
        container: sent.query.text("container").map(str::to_owned),
        stdin: wanted.stdin.then(Bytes::new),
        tty: wanted.tty,
        timeout: None,
    };
    let opened = match &task {
        Task::Exec(command) => pods.exec_session(place.name, command, &options).await,
        Task::Attach => pods.attach(place.name, &options).await,
    };
    let session = match opened {
        // What the runtime has to say comes on the connection, as everything about the process does.
        Err(error) if error.reason() == Reason::InternalError => Err(error.to_string()),
        opened => Ok(opened?),
    };
    let (carrier, version) = (upgrade.carrier, upgrade.protocol);
    Ok(upgrade.serve(move |upgraded| async move {
        let connection = super::wire::split(upgraded);
        match carrier {
            Carrier::WebSocket => websocket::exec(connection, version, wanted, Conversation { session, task }).await,
            Carrier::Spdy => spdy::exec(connection, version, wanted, Conversation { session, task }).await,
        }
    }))
}

/// Where a client's streams are.
pub(crate) trait Client {
    /// Sends what the process wrote.
    fn write(&self, stream: StdStream, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Says how it ended, and that there is no more.
    fn finish(&self, outcome: &Outcome) -> impl Future<Output = io::Result<()>> + Send;
}

/// What comes from a client.
pub(crate) struct Inputs {
    pub(crate) stdin: Input,
    pub(crate) terminal: Terminal,
}

/// The standard input of a process; it ends when this is dropped.
pub(crate) struct Input(Option<mpsc::Sender<Bytes>>);

/// The terminal of a process.
pub(crate) struct Terminal(watch::Sender<Option<TerminalSize>>);

impl Input {
    /// Hands input on, waiting while there is too much of it.
    pub(crate) async fn send(&mut self, bytes: Bytes) {
        if let Some(stdin) = &self.0
            && !bytes.is_empty()
            && stdin.send(bytes).await.is_err()
        {
            // The process has closed its input; a client need not be told.
            self.0 = None;
        }
    }

    /// The input ends.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

impl Terminal {
    /// The terminal has another size, in the JSON that clients send; what is not understood changes nothing.
    pub(crate) fn resize(&self, text: &[u8]) {
        let Ok(size) = serde_json::from_slice::<Value>(text) else { return };
        let number = |name: &str| size[name].as_u64().and_then(|number| u16::try_from(number).ok());
        if let (Some(width), Some(height)) = (number("Width"), number("Height")) {
            self.0.send_replace(Some(TerminalSize { width, height }));
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Well.
    Success,
    /// The command has failed.
    Exited { command: Vec<String>, code: i32 },
    /// It did not come to that.
    Failed(String),
}

impl Outcome {
    /// As clients since version 4 are told.
    pub(crate) fn status(&self) -> Value {
        match self {
            Self::Success => json!({ "metadata": {}, "status": "Success" }),
            Self::Exited { code, .. } => json!({
                "metadata": {},
                "status": "Failure",
                "message": self.message(),
                "reason": "NonZeroExitCode",
                "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
            }),
            Self::Failed(message) => respond::status_value(&ApiError::internal(message)),
        }
    }

    /// As older clients are told what went wrong; empty when nothing did.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Success => String::new(),
            Self::Exited { command, code } => format!(
                "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
                command.join(" ")
            ),
            Self::Failed(message) => ApiError::internal(message).to_string(),
        }
    }
}

/// A process, or why there is none.
pub(crate) struct Conversation {
    session: Result<ExecSession, String>,
    task: Task,
}

impl Conversation {
    /// Connects both sides until one has ended. `inbound` reads the client until it is gone.
    pub(crate) async fn run<F>(self, wanted: Wanted, client: impl Client, inbound: impl FnOnce(Inputs) -> F)
    where
        F: Future<Output = ()>,
    {
        let (stdin, mut pieces) = mpsc::channel(INPUT_PIECES);
        let (resize, mut sizes) = watch::channel(None);
        let mut inbound =
            pin!(inbound(Inputs { stdin: Input(wanted.stdin.then_some(stdin)), terminal: Terminal(resize) }));
        let work = async {
            let outcome = match self.session {
                Err(message) => Outcome::Failed(self.task.failed(&message)),
                Ok(session) => {
                    let ExecSession { stdin, mut output, exit, resize } = session;
                    let feed = async {
                        if let Some(mut stdin) = stdin {
                            while let Some(bytes) = pieces.recv().await {
                                if stdin.send(bytes).await.is_err() {
                                    break;
                                }
                            }
                            // A command need not read its input.
                            let _ = stdin.close().await;
                        }
                        drop(pieces);
                    };
                    let fit = async {
                        let Some(mut resize) = resize else { return };
                        while sizes.changed().await.is_ok() {
                            let size = *sizes.borrow_and_update();
                            if let Some(size) = size {
                                let _ = resize.send(size).await;
                            }
                        }
                    };
                    let show = async {
                        while let Some(piece) = output.next().await {
                            let (stream, bytes) = piece?;
                            let is_wanted = match stream {
                                StdStream::Stdout => wanted.stdout,
                                StdStream::Stderr => wanted.stderr,
                            };
                            // Whoever does not take it any more is found out by the one who reads.
                            if is_wanted && client.write(stream, &bytes).await.is_err() {
                                std::future::pending::<()>().await;
                            }
                        }
                        Ok(())
                    };
                    let end = async { tokio::join!(show, exit) };
                    tokio::select! {
                        (shown, exited) = end => self.task.outcome(shown.and(exited.map(|status| status.code))),
                        never = async { tokio::join!(feed, fit, std::future::pending::<std::convert::Infallible>()) } => match never.2 {},
                    }
                }
            };
            let _ = client.finish(&outcome).await;
        };
        tokio::select! {
            () = &mut inbound => return,
            () = work => {}
        }
        let _ = tokio::time::timeout(LINGER, inbound).await;
    }
}

impl Task {
    fn outcome(&self, ended: Result<i32, RuntimeError>) -> Outcome {
        match (self, ended) {
            (Self::Attach, Ok(_)) | (Self::Exec(_), Ok(0)) => Outcome::Success,
            (Self::Exec(command), Ok(code)) => Outcome::Exited { command: command.clone(), code },
            (_, Err(error)) => Outcome::Failed(self.failed(&error.to_string())),
        }
    }

    fn failed(&self, message: &str) -> String {
        match self {
            Self::Exec(_) => format!("error executing command in container: {message}"),
            Self::Attach => format!("error attaching to container: {message}"),
        }
    }
}
