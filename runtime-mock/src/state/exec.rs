//! Commands run inside containers: at once with a result ([`MockState::exec_sync`]), or step by step with connected
//! streams ([`Started`]).

use std::time::Duration;

use bytes::Bytes;
use inboard::runtime::{ContainerId, ExecOutput, RuntimeError, RuntimeErrorKind, StdStream};
use inboard::time::Time;

use super::lifecycle::Ran;
use super::serve::About;
use super::{Answer, MockState, error, not_found};
use crate::calls::Verb;
use crate::ids::Key;
use crate::script::{ExecAnswer, glob};
use crate::shell::{Input, Pause, Process, Program, Unknown, is_shell};

/// After how many pauses a command that never ends counts as one.
const MAX_PAUSES: usize = 10_000;

/// A command that was started with connected streams.
#[derive(Debug)]
pub(crate) enum Started {
    /// Its script says it all.
    Scripted(ExecAnswer),
    /// It is run step by step.
    Process(Box<Process>),
}

/// How a command came out, and how long it takes; `None` for ever.
pub(super) struct Finished {
    pub(super) takes: Option<Duration>,
    pub(super) output: ExecOutput,
}

impl MockState {
    pub(crate) fn exec_sync(
        &mut self,
        now: Time,
        id: &ContainerId,
        command: &[String],
        timeout: Duration,
    ) -> Answer<ExecOutput> {
        self.serve(now, Verb::ExecSync, About::Container(id), |state, now| {
            let started = state.running_container(now, id).and_then(|key| {
                let started = state.start_command(key, command, Unknown::NotFound)?;
                Ok((key, started))
            });
            let (key, started) = match started {
                Ok(started) => started,
                Err(error) => return (now, Err(error)).into(),
            };
            // No limit is what zero means in the CRI.
            let limit = if timeout.is_zero() { Duration::MAX } else { timeout };
            let finished = state.finish(now, key, started, limit);
            match finished.takes.filter(|takes| *takes <= limit) {
                Some(takes) => Answer::after(now, takes, Ok(finished.output)),
                None => Answer::after(now, limit, Err(timed_out(command, timeout))),
            }
        })
    }

    /// Starts a command whose streams are connected; it goes on in [`MockState::step`].
    pub(crate) fn exec(&mut self, now: Time, id: &ContainerId, command: &[String]) -> Answer<(Key, Started)> {
        self.serve(now, Verb::Exec, About::Container(id), |state, now| {
            let key = state.running_container(now, id);
            let started = key.and_then(|key| Ok((key, state.start_command(key, command, Unknown::NotFound)?)));
            (now, started).into()
        })
    }

    /// Checks that there is a process to attach to.
    pub(crate) fn attach(&mut self, now: Time, id: &ContainerId) -> Answer<()> {
        self.serve(now, Verb::Attach, About::Container(id), |state, now| {
            (now, state.running_container(now, id).map(|_| ())).into()
        })
    }

    /// What the port of a sandbox answers, once it was written to.
    pub(crate) fn port_forward(&mut self, now: Time, id: &inboard::runtime::SandboxId, port: u16) -> Answer<Bytes> {
        self.serve(now, Verb::PortForward, About::Sandbox(id), |state, now| {
            let result = match state.find_sandbox(id) {
                None => Err(not_found("sandbox", id)),
                Some(sandbox) => {
                    let running = sandbox.containers.iter().filter(|container| container.running_since(now).is_some());
                    let scripts = running.filter_map(|container| container.script.as_ref());
                    let served = scripts.flat_map(|script| &script.serves).find(|served| served.0 == port);
                    let refused =
                        || error(RuntimeErrorKind::FailedPrecondition, format!("connection to port {port} refused"));
                    served.map(|served| served.1.clone()).ok_or_else(refused)
                }
            };
            (now, result).into()
        })
    }

    /// Lets a connected command go on.
    pub(crate) fn step(
        &mut self,
        now: Time,
        key: Key,
        process: &mut Process,
        input: &mut Input,
    ) -> Option<(Pause, Vec<(StdStream, Bytes)>)> {
        let now = self.advance(now);
        self.container(key).filter(|(_, container)| container.running_since(now).is_some())?;
        let Ran { pause, output } = self.run_process(now, key, process, input)?;
        Some((pause, output))
    }

    pub(super) fn running_container(&self, now: Time, id: &ContainerId) -> Result<Key, RuntimeError> {
        let key = self.known_container(id)?;
        match self.container(key).and_then(|(_, container)| container.running_since(now)) {
            Some(_) => Ok(key),
            None => Err(error(RuntimeErrorKind::FailedPrecondition, format!("container {id:?} is not running"))),
        }
    }

    /// Finds out what a command does in a container.
    pub(super) fn start_command(
        &self,
        key: Key,
        command: &[String],
        unknown: Unknown,
    ) -> Result<Started, RuntimeError> {
        let Some(first) = command.first() else {
            return Err(error(RuntimeErrorKind::InvalidArgument, "the command is empty"));
        };
        let script = self.container(key).and_then(|(_, container)| container.script.as_ref());
        let line = command.join(" ");
        let answers = script.map_or(&[][..], |script| &script.answers);
        if let Some((_, answer)) = answers.iter().find(|(pattern, _)| glob(pattern, &line)) {
            return Ok(Started::Scripted(answer.clone()));
        }
        match Program::read(command) {
            Some(program) => Ok(Started::Process(Box::new(Process::new(program, unknown)))),
            None if is_shell(first) && unknown == Unknown::NotFound => {
                let text = format!("sh: the mock's shell does not understand: {line}\n");
                Ok(Started::Scripted(ExecAnswer::failure(2, text)))
            }
            None => {
                let message = format!("exec: {first:?}: executable file not found in $PATH");
                Err(error(RuntimeErrorKind::CannotRun, message))
            }
        }
    }

    /// Runs a command to its end, or until it is clear that it takes longer than `limit`. What it does to files is done
    /// at once.
    pub(super) fn finish(&mut self, now: Time, key: Key, started: Started, limit: Duration) -> Finished {
        let mut process = match started {
            Started::Process(process) => process,
            Started::Scripted(answer) => {
                let ExecAnswer { stdout, stderr, code, takes } = answer;
                return Finished { takes: Some(takes), output: ExecOutput { stdout, stderr, code } };
            }
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut takes = Duration::ZERO;
        let mut code = None;
        for _ in 0..MAX_PAUSES {
            let Some(ran) = self.run_process(now + takes, key, &mut process, &mut Input::default()) else { break };
            for (stream, bytes) in ran.output {
                match stream {
                    StdStream::Stdout => stdout.extend_from_slice(&bytes),
                    StdStream::Stderr => stderr.extend_from_slice(&bytes),
                }
            }
            match ran.pause {
                Pause::Exit(exit) => {
                    code = Some(exit);
                    break;
                }
                Pause::Sleep(time) => takes = takes.saturating_add(time),
                Pause::Input | Pause::Forever => break,
            }
            if takes > limit {
                break;
            }
        }
        let output = ExecOutput { stdout: stdout.into(), stderr: stderr.into(), code: code.unwrap_or(137) };
        Finished { takes: code.map(|_| takes), output }
    }
}

fn timed_out(command: &[String], timeout: Duration) -> RuntimeError {
    let message = format!("command {:?} timed out after {timeout:?}", command.join(" "));
    error(RuntimeErrorKind::DeadlineExceeded, message)
}
