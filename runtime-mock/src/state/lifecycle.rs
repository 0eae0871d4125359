//! What happens in a container over time: it starts, its process goes on and pauses, it is asked to stop, it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use inboard::object::quantity::Quantity;
use inboard::runtime::{ExitReason, ExitStatus, RuntimeError, RuntimeErrorKind, RuntimeEvent, StdStream};
use inboard::time::Time;

use super::container::Phase;
use super::{MockState, error, not_found};
use crate::files::{Files, Limits};
use crate::ids::Key;
use crate::script::Run;
use crate::shell::{Input, Pause, Process, Program, Unknown, World};

/// The exit code of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;
/// The exit code of a process that SIGTERM ended.
const TERMINATED: i32 = 128 + 15;
/// The exit code that containerd gives a container whose start failed.
const CANNOT_START: i32 = 128;

/// What came out of running a process for a while.
pub(super) struct Ran {
    pub(super) pause: Pause,
    pub(super) output: Vec<(StdStream, Bytes)>,
}

impl MockState {
    /// Starts a created container, and says from when on it runs; one that runs or has ended is left as it is.
    pub(super) fn start(&mut self, now: Time, key: Key) -> Result<Time, RuntimeError> {
        let Some((sandbox, container)) = self.container(key) else { return Err(not_found("container", "")) };
        match container.phase {
            Phase::Created if sandbox.ready => {}
            Phase::Created => {
                let message = format!("sandbox {:?} is not ready", sandbox.id);
                return Err(error(RuntimeErrorKind::FailedPrecondition, message));
            }
            Phase::Running { since } => return Ok(since.max(now)),
            Phase::Exited { .. } => return Ok(now),
        }
        let script = container.script.clone();
        let since = now + script.as_ref().map_or(Duration::ZERO, |script| script.start_takes);
        let run = script.as_ref().and_then(|script| script.run.as_ref());
        if let Some(Run::CannotStart(text)) = run {
            return self.fail_start(now, key, text);
        }
        let process = match run {
            Some(Run::Shell(text)) => Program::text(text),
            Some(_) => None,
            None => Program::read(container.command()),
        };
        let unscripted_init = run.is_none() && process.is_none() && container.must_end();
        let unknown = if container.must_end() { Unknown::Succeeds } else { Unknown::Serves };
        let end = match run {
            Some(Run::Exits { after, code }) => Some((since + *after, ExitStatus::exited(*code))),
            Some(Run::OutOfMemory { after }) => Some((since + *after, out_of_memory())),
            None if unscripted_init => Some((since, ExitStatus::exited(0))),
            Some(Run::Forever | Run::Shell(_) | Run::CannotStart(_)) | None => None,
        };
        let Some(container) = self.container_mut(key) else { return Err(not_found("container", "")) };
        container.phase = Phase::Running { since };
        if end.is_some() || process.is_some() {
            let live = container.live_mut();
            live.end = end;
            live.resume_at = process.is_some().then_some(since);
            live.process = process.map(|program| Process::new(program, unknown));
            self.plan(key);
            // What happens at once has happened when the answer is given.
            self.advance(now);
        }
        Ok(since)
    }

    fn fail_start(&mut self, now: Time, key: Key, text: &str) -> Result<Time, RuntimeError> {
        if let Some(container) = self.container_mut(key) {
            container.live_mut().exit_message = Some(text.into());
            let reason = ExitReason::CannotRun;
            container.phase = Phase::Exited { since: now, until: now, code: CANNOT_START, reason };
        }
        Err(error(RuntimeErrorKind::CannotRun, text))
    }

    /// Sets the next moment of a container from what is ahead of it.
    fn plan(&mut self, key: Key) {
        let Some((_, container)) = self.container(key) else { return };
        let Some(live) = &container.live else { return };
        let ends = live.end.as_ref().map(|end| end.0);
        let due = [ends, live.kill_at, live.resume_at].into_iter().flatten().min();
        self.set_due(key, due.filter(|_| !container.is_exited()));
    }

    /// Something is due in a container at this moment.
    pub(super) fn happen(&mut self, at: Time, key: Key) {
        let Some(live) = self.container_mut(key).and_then(|container| container.live.as_mut()) else {
            self.set_due(key, None);
            return;
        };
        if let Some((_, exit)) = live.end.take_if(|end| end.0 <= at) {
            self.end(at, key, exit);
        } else if live.kill_at.is_some_and(|kill_at| kill_at <= at) {
            self.end(at, key, ExitStatus::exited(KILLED));
        } else {
            self.resume(at, key);
        }
    }

    /// Lets the process of a container go on.
    fn resume(&mut self, at: Time, key: Key) {
        let process = self.container_mut(key).and_then(|container| {
            let live = container.live.as_mut()?;
            live.resume_at = None;
            live.process.take()
        });
        let Some(mut process) = process else {
            self.plan(key);
            return;
        };
        let Some(ran) = self.run_process(at, key, &mut process, &mut Input::default()) else { return };
        let Some(container) = self.container_mut(key) else { return };
        let ended = container.is_exited();
        let live = container.live_mut();
        for (stream, bytes) in ran.output {
            live.log.write(at, stream, &bytes);
        }
        if ended {
            // It has killed itself.
            return;
        }
        live.process = Some(process);
        match ran.pause {
            Pause::Sleep(time) => {
                live.resume_at = Some(at + time);
                self.plan(key);
            }
            // The first process of a container has no input, so waiting for it is for good.
            Pause::Input | Pause::Forever => self.plan(key),
            Pause::Exit(code) => self.end(at, key, ExitStatus::exited(code)),
        }
    }

    /// Runs a process inside a container until it pauses.
    pub(super) fn run_process(&mut self, now: Time, key: Key, process: &mut Process, input: &mut Input) -> Option<Ran> {
        let (sandbox, container) = self.container(key)?;
        let hostname: Arc<str> = match &self.node {
            // With the host's network there is no host name of its own.
            Some(node) if sandbox.hostname.is_empty() => node.as_str().into(),
            _ => sandbox.hostname.clone(),
        };
        let (pod, ip) = (sandbox.pod.uid, sandbox.address.and_then(|address| self.addresses.ip(address)));
        let read_only_root = container.has_read_only_root();
        let limits = Limits {
            cpu_milli: container.limit("cpu").map(Quantity::as_milli),
            memory: container.limit("memory").map(Quantity::value),
        };
        // The container's own layer is taken out while the process works on it and on the node's volumes.
        let container = self.container_mut(key)?;
        let mut own = std::mem::take(&mut container.live_mut().files);
        let given = container.given.take();
        let mut files = Files {
            own: &mut own,
            volumes: &mut self.volumes,
            mounts: given.as_ref().map_or(&[], |given| &given.mounts),
            devices: given.as_ref().map_or(&[], |given| &given.devices),
            pod,
            hostname: &hostname,
            ip,
            read_only_root,
            limits,
        };
        let mut world = World {
            files: &mut files,
            environment: given.as_ref().map_or("", |given| &given.environment),
            hostname: &hostname,
            now,
            input,
            output: Vec::new(),
            container_output: Vec::new(),
            written: 0,
            signal: None,
        };
        let pause = process.run(&mut world);
        let World { output, container_output, signal, .. } = world;
        let container = self.container_mut(key)?;
        container.given = given;
        let live = container.live_mut();
        live.files = own;
        for (stream, bytes) in container_output {
            live.log.write(now, stream, &bytes);
        }
        if let Some(signal) = signal {
            self.signal(now, key, signal);
        }
        Some(Ran { pause, output })
    }

    /// A process inside the container has sent its first process a signal.
    fn signal(&mut self, now: Time, key: Key, signal: i32) {
        match signal {
            9 => self.end(now, key, ExitStatus::exited(KILLED)),
            15 => {
                self.ask_to_end(now, key);
            }
            // Servers reload at SIGHUP and the like; 0 only asks whether the process is there.
            _ => {}
        }
    }

    /// Asks a running container to end, and kills it when `grace` is over. Says when it will have ended.
    pub(super) fn terminate(&mut self, now: Time, key: Key, grace: Duration) -> Time {
        let Some((_, container)) = self.container(key) else { return now };
        let Phase::Running { .. } = container.phase else { return now };
        let kill_at = now + grace;
        if grace.is_zero() {
            self.end(now, key, ExitStatus::exited(KILLED));
            return now;
        }
        self.ask_to_end(now, key);
        let Some(container) = self.container_mut(key) else { return now };
        if let Phase::Exited { until, .. } = container.phase {
            return until;
        }
        let live = container.live_mut();
        let kill_at = live.kill_at.map_or(kill_at, |before| before.min(kill_at));
        live.kill_at = Some(kill_at);
        let ends = live.end.as_ref().map_or(kill_at, |end| end.0.min(kill_at));
        self.plan(key);
        // A process that answers the signal itself may end sooner than that; its exit tells.
        ends
    }

    /// Sends SIGTERM.
    fn ask_to_end(&mut self, now: Time, key: Key) {
        let Some(container) = self.container_mut(key) else { return };
        if container.is_exited() {
            return;
        }
        let stop = container.script.as_ref().map(|script| script.stop.clone()).unwrap_or_default();
        if stop.ignored {
            return;
        }
        let mut code = stop.code.unwrap_or(TERMINATED);
        if let Some(process) = container.live.as_mut().and_then(|live| live.process.as_mut()) {
            match process.terminate() {
                None => return,
                Some(true) => {
                    self.resume(now, key);
                    return;
                }
                Some(false) => code = stop.code.unwrap_or(TERMINATED),
            }
        }
        if stop.takes.is_zero() {
            self.end(now, key, ExitStatus::exited(code));
            return;
        }
        let live = container.live_mut();
        let at = now + stop.takes;
        if live.end.as_ref().is_none_or(|end| end.0 > at) {
            live.end = Some((at, ExitStatus::exited(code)));
        }
        live.process = None;
        live.resume_at = None;
        self.plan(key);
    }

    /// Kills a container's process, if it has one.
    pub(super) fn kill(&mut self, now: Time, key: Key) {
        self.end(now, key, ExitStatus::exited(KILLED));
    }

    /// Ends a running container and tells of it.
    pub(super) fn end(&mut self, at: Time, key: Key, exit: ExitStatus) {
        let Some(container) = self.container_mut(key) else { return };
        let Phase::Running { since } = container.phase else { return };
        container.phase = Phase::Exited { since: since.min(at), until: at, code: exit.code, reason: exit.reason };
        if let Some(live) = &mut container.live {
            live.process = None;
            live.resume_at = None;
            live.end = None;
            live.kill_at = None;
            live.log.finish(at);
        }
        if !exit.message.is_empty() {
            container.live_mut().exit_message = Some(exit.message);
        }
        self.set_due(key, None);
        let told = self.container(key).map(|(sandbox, container)| container.status(sandbox, at));
        if let Some(status) = told {
            self.push_event(RuntimeEvent::Exited(Box::new(status)));
        }
    }
}

pub(super) fn out_of_memory() -> ExitStatus {
    ExitStatus { code: KILLED, reason: ExitReason::OutOfMemory, message: "".into() }
}
