//! What containers do, written down in advance.
//!
//! A [`Script`] says which images, containers, pods or commands it is for, and how they behave. The first script that
//! matches a container is taken as a whole; what it does not mention is as without any script.

mod matcher;
mod usage;

use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inboard::runtime::{RuntimeError, StdStream};

pub(crate) use self::matcher::{Matcher, Subject, glob};
pub use self::usage::Usage;
use crate::calls::Verb;
use crate::fault::Fault;

/// The behaviour of some containers.
///
/// Texts that name images, pods, containers or commands may have `*` for any run of characters. An image pattern is
/// compared with the short name (`nginx`), with the tag (`nginx:latest`) and with the full name
/// (`docker.io/library/nginx:latest`).
///
/// What is said about pulling is taken from the first script that matches the image and asks for no container, command
/// or attempt.
///
/// ```
/// use std::time::Duration;
///
/// use inboard_runtime_mock::{ExecAnswer, Script, Usage};
///
/// // A server that takes its time, then works, and uses a fifth of a core.
/// let server = Script::image("server:*")
///     .pull_takes(Duration::from_secs(4))
///     .logs("starting")
///     .logs_after(Duration::from_secs(2), "listening on 8080")
///     .ready_after(Duration::from_secs(2))
///     .cpu(Usage::constant(200))
///     .answers("server --version", ExecAnswer::output("1.2.3\n"));
/// // The same server crashes twice in pods of this name before it works.
/// let crashing = Script::image("server:*").of_pod("unlucky-*").on_attempts(..2).exits_after(Duration::from_secs(1), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(crate) matcher: Matcher,
    pub(crate) pull_takes: Duration,
    pub(crate) pull_size: Option<u64>,
    pub(crate) image_user: Option<Arc<str>>,
    pub(crate) create_takes: Duration,
    pub(crate) start_takes: Duration,
    pub(crate) run: Option<Run>,
    pub(crate) lines: Vec<ScriptedLine>,
    pub(crate) every: Vec<ScriptedLine>,
    pub(crate) health: Health,
    pub(crate) cpu_millis: Usage,
    pub(crate) memory_bytes: Option<Usage>,
    pub(crate) answers: Vec<(String, ExecAnswer)>,
    pub(crate) termination_message: Option<Arc<str>>,
    pub(crate) stop: Stop,
    pub(crate) serves: Vec<(u16, Bytes)>,
    pub(crate) faults: Vec<Fault>,
}

/// How long a container runs and how it ends.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    /// Until it is stopped.
    Forever,
    /// For a while, then it ends with this code (128 plus the signal for a signal).
    Exits { after: Duration, code: i32 },
    /// For a while, then the kernel kills it for its memory.
    OutOfMemory { after: Duration },
    /// As this text for `sh -c` says.
    Shell(Arc<str>),
    /// Not at all: the start fails with this text.
    CannotStart(String),
}

/// A line that is logged this long after the start, or again and again.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedLine {
    pub(crate) after: Duration,
    pub(crate) stream: StdStream,
    pub(crate) line: Bytes,
}

/// What probes find, counted from the start; `None` leaves the answer to the probe itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(crate) ready_after: Option<Duration>,
    pub(crate) unready_after: Option<Duration>,
    pub(crate) unhealthy_after: Option<Duration>,
    pub(crate) started_after: Option<Duration>,
}

/// How a container answers SIGTERM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    pub(crate) takes: Duration,
    pub(crate) code: Option<i32>,
    pub(crate) ignored: bool,
}

/// What a command answers that is run inside a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecAnswer {
    pub(crate) stdout: Bytes,
    pub(crate) stderr: Bytes,
    pub(crate) code: i32,
    pub(crate) takes: Duration,
}

impl ExecAnswer {
    /// It writes this to its standard output and exits with 0.
    pub fn output(text: impl Into<Bytes>) -> Self {
        Self { stdout: text.into(), ..Self::default() }
    }

    /// It writes this to its standard error and exits with `code`.
    pub fn failure(code: i32, text: impl Into<Bytes>) -> Self {
        Self { stderr: text.into(), code, ..Self::default() }
    }

    /// It takes this long; no time when not said.
    #[must_use]
    pub fn takes(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }
}

/// For whom a script is.
impl Script {
    /// For every container.
    pub fn any() -> Self {
        Self::default()
    }

    /// For containers of an image: `nginx`, `nginx:1.*`, `docker.io/library/*`.
    pub fn image(pattern: impl Into<String>) -> Self {
        Self { matcher: Matcher { image: Some(pattern.into()), ..Matcher::default() }, ..Self::default() }
    }

    /// For containers of this name.
    pub fn container(pattern: impl Into<String>) -> Self {
        Self::any().of_container(pattern)
    }

    /// For the containers of pods of this name: `web-*`.
    pub fn pod(pattern: impl Into<String>) -> Self {
        Self::any().of_pod(pattern)
    }

    /// For containers with this command and arguments, joined by spaces: `/bin/sleep *`.
    pub fn command(pattern: impl Into<String>) -> Self {
        Self { matcher: Matcher { command: Some(pattern.into()), ..Matcher::default() }, ..Self::default() }
    }

    /// Only in pods of this name.
    #[must_use]
    pub fn of_pod(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.pod = Some(pattern.into());
        self
    }

    /// Only in this namespace.
    #[must_use]
    pub fn in_namespace(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.namespace = Some(pattern.into());
        self
    }

    /// Only for containers of this name.
    #[must_use]
    pub fn of_container(mut self, pattern: impl Into<String>) -> Self {
        self.matcher.container = Some(pattern.into());
        self
    }

    /// Only when the container has restarted this often: `..2` is the first two runs.
    #[must_use]
    pub fn on_attempts(mut self, attempts: impl RangeBounds<u32>) -> Self {
        self.matcher.attempts = Some((attempts.start_bound().cloned(), attempts.end_bound().cloned()));
        self
    }
}

/// How the image arrives and the container comes up.
impl Script {
    /// How long a pull takes; no time when not said.
    #[must_use]
    pub fn pull_takes(mut self, takes: Duration) -> Self {
        self.pull_takes = takes;
        self
    }

    /// The size of the image in bytes; 10 MiB when not said.
    #[must_use]
    pub fn pull_size(mut self, bytes: u64) -> Self {
        self.pull_size = Some(bytes);
        self
    }

    /// The user that the image names; none when not said.
    #[must_use]
    pub fn image_user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.image_user = Some(user.into());
        self
    }

    /// How long creating a container takes; no time when not said.
    #[must_use]
    pub fn create_takes(mut self, takes: Duration) -> Self {
        self.create_takes = takes;
        self
    }

    /// How long starting a container takes; its process runs from then on.
    #[must_use]
    pub fn start_takes(mut self, takes: Duration) -> Self {
        self.start_takes = takes;
        self
    }

    /// Every pull of the image fails with this error.
    #[must_use]
    pub fn pull_fails(self, error: RuntimeError) -> Self {
        self.fault(Fault::on(Verb::PullImage).fails(error))
    }

    /// Adds a fault; it also has to match what this script is for, as far as that was said before.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault.within(&self.matcher));
        self
    }
}

/// How the container runs and ends.
impl Script {
    /// It runs until it is stopped, whatever its command says.
    #[must_use]
    pub fn runs_forever(mut self) -> Self {
        self.run = Some(Run::Forever);
        self
    }

    /// It does what this text for the built-in shell says, whatever its command says.
    #[must_use]
    pub fn runs(mut self, text: impl Into<Arc<str>>) -> Self {
        self.run = Some(Run::Shell(text.into()));
        self
    }

    /// It exits this long after its start.
    #[must_use]
    pub fn exits_after(mut self, after: Duration, code: i32) -> Self {
        self.run = Some(Run::Exits { after, code });
        self
    }

    /// A signal ends it this long after its start: the exit code is 128 plus the signal's number.
    #[must_use]
    pub fn killed_after(self, after: Duration, signal: i32) -> Self {
        self.exits_after(after, 128_i32.saturating_add(signal))
    }

    /// The kernel kills it for its memory this long after its start (`OOMKilled`, 137).
    #[must_use]
    pub fn out_of_memory_after(mut self, after: Duration) -> Self {
        self.run = Some(Run::OutOfMemory { after });
        self
    }

    /// Its start fails with this text ([`CannotRun`](inboard::runtime::RuntimeErrorKind::CannotRun)), as for a command
    /// that is not in the image.
    #[must_use]
    pub fn cannot_start(mut self, text: impl Into<String>) -> Self {
        self.run = Some(Run::CannotStart(text.into()));
        self
    }

    /// It writes this to its termination message path before it ends.
    #[must_use]
    pub fn termination_message(mut self, text: impl Into<Arc<str>>) -> Self {
        self.termination_message = Some(text.into());
        self
    }

    /// It needs this long to end after SIGTERM; no time when not said.
    #[must_use]
    pub fn stops_after(mut self, takes: Duration) -> Self {
        self.stop.takes = takes;
        self
    }

    /// The exit code after SIGTERM; 143 when not said.
    #[must_use]
    pub fn stops_with(mut self, code: i32) -> Self {
        self.stop.code = Some(code);
        self
    }

    /// It does not answer SIGTERM, so that it is killed when the grace period is over.
    #[must_use]
    pub fn ignores_sigterm(mut self) -> Self {
        self.stop.ignored = true;
        self
    }
}

/// What is seen of the container from outside.
impl Script {
    /// It writes a line to its standard output when it starts.
    #[must_use]
    pub fn logs(self, line: impl Into<Bytes>) -> Self {
        self.logs_after(Duration::ZERO, line)
    }

    /// It writes a line to its standard output this long after its start.
    #[must_use]
    pub fn logs_after(self, after: Duration, line: impl Into<Bytes>) -> Self {
        self.line(after, StdStream::Stdout, line.into())
    }

    /// It writes a line to its standard error this long after its start.
    #[must_use]
    pub fn logs_error_after(self, after: Duration, line: impl Into<Bytes>) -> Self {
        self.line(after, StdStream::Stderr, line.into())
    }

    /// It writes a line to its standard output again and again; a period of zero is taken as a second. Of these, the
    /// last 10,000 are kept.
    #[must_use]
    pub fn logs_every(mut self, period: Duration, line: impl Into<Bytes>) -> Self {
        let after = if period.is_zero() { Duration::from_secs(1) } else { period };
        self.every.push(ScriptedLine { after, stream: StdStream::Stdout, line: line.into() });
        self
    }

    fn line(mut self, after: Duration, stream: StdStream, line: Bytes) -> Self {
        let place = self.lines.partition_point(|before| before.after <= after);
        self.lines.insert(place, ScriptedLine { after, stream, line });
        self
    }

    /// Readiness probes fail until this long after the start.
    #[must_use]
    pub fn ready_after(mut self, after: Duration) -> Self {
        self.health.ready_after = Some(after);
        self
    }

    /// Readiness probes always fail.
    #[must_use]
    pub fn never_ready(self) -> Self {
        self.ready_after(Duration::MAX)
    }

    /// Readiness probes fail from this long after the start.
    #[must_use]
    pub fn unready_after(mut self, after: Duration) -> Self {
        self.health.unready_after = Some(after);
        self
    }

    /// Liveness probes fail from this long after the start.
    #[must_use]
    pub fn unhealthy_after(mut self, after: Duration) -> Self {
        self.health.unhealthy_after = Some(after);
        self
    }

    /// Startup probes fail until this long after the start.
    #[must_use]
    pub fn started_after(mut self, after: Duration) -> Self {
        self.health.started_after = Some(after);
        self
    }

    /// The CPU it uses over time, in thousandths of a core; nothing when not said.
    #[must_use]
    pub fn cpu(mut self, millis: Usage) -> Self {
        self.cpu_millis = millis;
        self
    }

    /// The memory it uses over time, in bytes; 4 MiB when not said.
    #[must_use]
    pub fn memory(mut self, bytes: Usage) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// What a command answers that is run in it; the command and its arguments are joined by spaces.
    #[must_use]
    pub fn answers(mut self, command: impl Into<String>, answer: ExecAnswer) -> Self {
        self.answers.push((command.into(), answer));
        self
    }

    /// What a connection to one of its ports reads after it has written something; other ports refuse connections.
    #[must_use]
    pub fn serves(mut self, port: u16, response: impl Into<Bytes>) -> Self {
        self.serves.push((port, response.into()));
        self
    }
}
