//! Starting a container: its fifos, its task, its process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::{
    CreateTaskRequest, DeleteTaskRequest, GetRequest, KillRequest, StartRequest, WaitRequest,
};
use inboard::runtime::{ContainerStatus, ExitReason, RuntimeError, RuntimeErrorKind};
use inboard::time::Time;
use tokio::net::unix::pipe;
use tonic::{Code, Status};

use super::entry::ContainerEntry;
use super::monitor::Monitor;
use super::record::{ExitRecord, RunRecord};
use super::shim;
use crate::client::{call, gone, is_away, optional};
use crate::logs::{Outputs, pump};
use crate::runtime::Inner;
use crate::sandbox::SandboxPhase;
use crate::{clock, error, os};

/// The exit code of a container whose process could not be started: the kubelet shows `StartError` with it.
const START_ERROR_CODE: i32 = 128;

/// How often, and for how long each, to wait until nothing of an earlier try is in the way.
const IN_THE_WAY_TRIES: u32 = 100;
const IN_THE_WAY_PAUSE: Duration = Duration::from_millis(100);

impl Inner {
    pub(crate) async fn start(&self, id: &str) -> Result<ContainerStatus, RuntimeError> {
        let entry = self.entry(id)?;
        let _lock = self.locks.hold(&entry.record.sandbox).await;
        let run = entry.run();
        if run.started_at.is_some() || run.exit.is_some() {
            return entry.status();
        }
        let ready = self.sandbox_record(&entry.record.sandbox).is_some_and(|s| s.phase == SandboxPhase::Ready);
        if !ready {
            let message = format!("sandbox {} is not ready", entry.record.sandbox);
            return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
        }
        if !entry.is_undisturbed(&self.daemon) {
            self.clear_task(id).await?;
            shim::outlast_clean_up(self.daemon.namespace(), id).await;
        }
        match self.start_task(&entry).await {
            Ok(started_at) => {
                entry.set_run(RunRecord { started_at: Some(started_at.as_nanos()), exit: None })?;
                self.watch(&entry);
                entry.status()
            }
            Err(error) => {
                self.clear_task(id).await?;
                if is_away(&error) {
                    return Err(error);
                }
                let exit = ExitRecord::new(clock::now(), START_ERROR_CODE, ExitReason::CannotRun, error.message());
                entry.set_run(RunRecord { started_at: None, exit: Some(exit) })?;
                Err(RuntimeError::new(RuntimeErrorKind::CannotRun, error.message()))
            }
        }
    }

    async fn start_task(&self, entry: &Arc<ContainerEntry>) -> Result<Time, RuntimeError> {
        let record = &entry.record;
        let rootfs = match entry.take_layers() {
            Some(layers) => layers,
            None => self.layers(&record.id).await?,
        };
        let rootfs = match self.sandbox_record(&record.sandbox) {
            Some(sandbox) => self.root_as_seen_by(&sandbox, &record.id, rootfs)?,
            None => rootfs,
        };
        let fifos = Fifos::make(&entry.live, record.stdin, record.tty)?;
        // The writing ends are held until the shim has its own, so that the pump does not see an end too early.
        let (outputs, held) = fifos.open()?;
        let request = CreateTaskRequest {
            container_id: record.id.clone(),
            rootfs,
            stdin: fifos.stdin.clone().unwrap_or_default(),
            stdout: fifos.stdout.clone(),
            stderr: fifos.stderr.clone().unwrap_or_default(),
            terminal: record.tty,
            ..CreateTaskRequest::default()
        };
        self.create_task(request).await?;
        check_interfaces(&record.interfaces)?;
        drop(held);
        self.spawn(pump(entry.log.clone(), outputs, self.shutdown()));
        let request = self.daemon.request(StartRequest { container_id: record.id.clone(), exec_id: String::new() });
        // Taken before: a short process can have ended by the time the daemon answers.
        let started_at = clock::now();
        call("start container", self.daemon.services().tasks().start(request)).await?;
        Ok(started_at)
    }

    pub(crate) async fn create_task(&self, request: CreateTaskRequest) -> Result<(), RuntimeError> {
        let create = || {
            call("create task", async {
                self.daemon.services().tasks().create(self.daemon.request(request.clone())).await
            })
        };
        let mut tries = 0;
        loop {
            match create().await {
                Err(failed) if is_in_the_way(&failed.status) && tries < IN_THE_WAY_TRIES => {
                    // An earlier try was cut off before the start, and the daemon may still be at it: the process that
                    // asked for it was killed a moment ago.
                    self.clear_task(&request.container_id).await?;
                    tries += 1;
                    tokio::time::sleep(IN_THE_WAY_PAUSE).await;
                }
                created => return Ok(created.map(drop)?),
            }
        }
    }

    /// Waits for the exit of a started container in the background.
    pub(crate) fn watch(&self, entry: &Arc<ContainerEntry>) {
        let monitor = Monitor { daemon: self.daemon.clone(), entry: entry.clone(), events: self.events.clone() };
        self.spawn(monitor.run(self.shutdown()));
    }

    /// Kills and deletes a task; one that is not there is no error.
    pub(crate) async fn delete_task(&self, id: &str) -> Result<(), RuntimeError> {
        let kill =
            KillRequest { container_id: id.to_owned(), signal: libc_signal::KILL, all: true, ..Default::default() };
        let killed = call("kill task", self.daemon.services().tasks().kill(self.daemon.request(kill))).await;
        // A shim that was started and never told what to run has no process, but is to be deleted all the same.
        if !killed.is_err_and(|failed| failed.is_not_found()) {
            let wait = WaitRequest { container_id: id.to_owned(), exec_id: String::new() };
            let waited = call("wait for task", self.daemon.services().tasks().wait(self.daemon.request(wait))).await;
            waited.map(drop).or_else(gone)?;
        }
        let delete = self.daemon.request(DeleteTaskRequest { container_id: id.to_owned() });
        call("delete task", self.daemon.services().tasks().delete(delete)).await.map(drop).or_else(gone)
    }

    /// Deletes a task, and whatever of it the daemon does not know.
    pub(crate) async fn clear_task(&self, id: &str) -> Result<(), RuntimeError> {
        self.delete_task(id).await?;
        shim::end_forgotten(&self.settings.socket, self.daemon.namespace(), id).await;
        Ok(())
    }

    /// The process id of a container's first process; `None` without a task.
    pub(crate) async fn task_pid(&self, id: &str) -> Result<Option<u32>, RuntimeError> {
        let request = self.daemon.request(GetRequest { container_id: id.to_owned(), exec_id: String::new() });
        let answer = optional(call("get task", self.daemon.services().tasks().get(request)).await)?;
        Ok(answer.and_then(|answer| answer.process).map(|process| process.pid))
    }
}

/// Whether the interfaces of the host went into the container: a runc that does not know of them (before 1.4) leaves them out.
fn check_interfaces(names: &[String]) -> Result<(), RuntimeError> {
    match names.iter().find(|name| Path::new("/sys/class/net").join(name).exists()) {
        None => Ok(()),
        Some(name) => {
            let message = format!("network interface {name:?} did not move into the container: this needs runc 1.4");
            Err(RuntimeError::new(RuntimeErrorKind::Unsupported, message))
        }
    }
}

/// Whether a task, or the directory of one, is there already, or goes away at this moment.
fn is_in_the_way(status: &Status) -> bool {
    status.code() == Code::AlreadyExists
        // What runc says through the daemon.
        || status.message().contains("container with given ID already exists")
        // What containerd 2 says of the directory of such a task.
        || (status.message().starts_with("mkdir ") && status.message().ends_with(": file exists"))
        || error::is_shim_failure(status)
}

/// Signals by their numbers on Linux.
pub(crate) mod libc_signal {
    pub(crate) const KILL: u32 = 9;
}

/// The named pipes between a container's shim and us.
#[derive(Debug)]
pub(crate) struct Fifos {
    pub(crate) stdin: Option<String>,
    pub(crate) stdout: String,
    /// Absent with a terminal.
    pub(crate) stderr: Option<String>,
}

impl Fifos {
    /// The names that a container's fifos have in a directory.
    pub(crate) fn named(dir: &Path, prefix: &str, stdin: bool, tty: bool) -> Self {
        let path = |name: &str| dir.join(format!("{prefix}{name}")).display().to_string();
        let stdin = stdin.then(|| path("stdin"));
        Self { stdin, stdout: path("stdout"), stderr: (!tty).then(|| path("stderr")) }
    }

    fn make(dir: &Path, stdin: bool, tty: bool) -> Result<Self, RuntimeError> {
        std::fs::create_dir_all(dir).map_err(|e| error::io("create directory", dir, &e))?;
        let fifos = Self::named(dir, "", stdin, tty);
        fifos.make_all()?;
        Ok(fifos)
    }

    pub(crate) fn make_all(&self) -> Result<(), RuntimeError> {
        for path in self.paths() {
            os::make_fifo(Path::new(path)).map_err(|e| error::io("make fifo", Path::new(path), &e))?;
        }
        Ok(())
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.stdin.as_deref().into_iter().chain([self.stdout.as_str()]).chain(self.stderr.as_deref())
    }

    /// The reading ends, and writing ends that keep them from ending.
    pub(crate) fn open(&self) -> Result<(Outputs, Vec<pipe::Sender>), RuntimeError> {
        let read = |path: &str| {
            pipe::OpenOptions::new().open_receiver(path).map_err(|e| error::io("open fifo", Path::new(path), &e))
        };
        let write = |path: &str| {
            pipe::OpenOptions::new().open_sender(path).map_err(|e| error::io("open fifo", Path::new(path), &e))
        };
        let outputs = Outputs { stdout: read(&self.stdout)?, stderr: self.stderr.as_deref().map(read).transpose()? };
        let mut held = vec![write(&self.stdout)?];
        held.extend(self.stderr.as_deref().map(write).transpose()?);
        Ok((outputs, held))
    }

    /// The reading ends of fifos that a shim already writes to.
    pub(crate) fn reopen(&self) -> Result<Outputs, RuntimeError> {
        self.open().map(|(outputs, _)| outputs)
    }
}
