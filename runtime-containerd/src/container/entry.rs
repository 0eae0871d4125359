//! A container in this process's memory: its record, its state, its output.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use containerd_client::types::Mount as ProtoMount;
use inboard::runtime::{ContainerId, ContainerState, ContainerStatus, RuntimeError, SandboxId};
use inboard::time::Time;
use tokio::sync::watch;

use super::record::{ContainerRecord, RunRecord};
use crate::client::Daemon;
use crate::lock::guard;
use crate::logs::{LogHub, LogLimits};
use crate::state::StateDir;
use crate::{error, logs, state};

/// The record of a container: a line of what it is, then a line for each change of its state.
pub(crate) const RECORD: &str = "container.json";

/// How much of a termination message is kept (`k8s.io/kubernetes`: `MaxContainerTerminationMessageLength`).
const MESSAGE_BYTES_MAX: usize = 4096;
/// How much of a log becomes the message when the container left none, in lines and bytes.
const LOG_MESSAGE_LINES_MAX: usize = 80;
const LOG_MESSAGE_BYTES_MAX: usize = 2048;

#[derive(Debug)]
pub(crate) struct ContainerEntry {
    pub(crate) record: ContainerRecord,
    pub(crate) dir: PathBuf,
    /// Where its fifos are.
    pub(crate) live: PathBuf,
    /// What it tells of its end.
    pub(crate) message_path: PathBuf,
    pub(crate) log: Arc<LogHub>,
    run: watch::Sender<RunRecord>,
    /// How its root file system is mounted, until it is started.
    layers: Mutex<Option<Vec<ProtoMount>>>,
    /// The daemon's losses when it was made; `None` when an earlier process made it.
    made_at: Option<u64>,
}

impl ContainerEntry {
    /// A container that was made and not started: by this process when the daemon had been lost this often, or by an
    /// earlier one.
    pub(crate) fn new(record: ContainerRecord, dirs: &StateDir, logs: LogLimits, made_at: Option<u64>) -> Self {
        let (dir, live) = (dirs.container(&record.id), dirs.live(&record.id));
        let message_path = dirs.message(&record.sandbox, &record.id);
        let log = Arc::new(LogHub::new(dir.join("log"), logs));
        Self { record, dir, live, message_path, log, run: watch::Sender::default(), layers: Mutex::default(), made_at }
    }

    pub(crate) fn run(&self) -> RunRecord {
        self.run.borrow().clone()
    }

    /// Writes the state down, then lets everybody see it; a log ends with its container.
    pub(crate) fn set_run(&self, run: RunRecord) -> Result<(), RuntimeError> {
        let written = self.write_run(&run);
        let ended = run.exit.is_some();
        self.run.send_replace(run);
        if ended {
            self.log.close();
        }
        written
    }

    /// Writes a state down that nobody is to see yet.
    pub(crate) fn write_run(&self, run: &RunRecord) -> Result<(), RuntimeError> {
        state::add_line(&self.dir.join(RECORD), run)
    }

    /// What the container wrote to its termination message path, or the end of its log where it asked for that.
    pub(crate) fn message(&self, code: i32) -> Option<String> {
        let file = std::fs::read(&self.message_path).unwrap_or_default();
        if !file.is_empty() {
            let end = file.len().min(MESSAGE_BYTES_MAX);
            return Some(String::from_utf8_lossy(file.get(..end).unwrap_or_default()).into_owned());
        }
        if code == 0 || !self.record.message_from_log {
            return None;
        }
        let log = std::fs::read(&self.log.path).unwrap_or_default();
        Some(logs::last_lines(&log, LOG_MESSAGE_LINES_MAX, LOG_MESSAGE_BYTES_MAX)).filter(|text| !text.is_empty())
    }

    /// Keeps what the daemon said of the root file system when it was made.
    pub(crate) fn keep_layers(&self, layers: Vec<ProtoMount>) {
        *guard(&self.layers) = Some(layers);
    }

    /// What was kept, once.
    pub(crate) fn take_layers(&self) -> Option<Vec<ProtoMount>> {
        guard(&self.layers).take()
    }

    /// Whether neither this process nor the daemon was interrupted since it was made, so that what they know of each
    /// other is all there is.
    pub(crate) fn is_undisturbed(&self, daemon: &Daemon) -> bool {
        self.made_at == Some(daemon.losses())
    }

    pub(crate) fn is_running(&self) -> bool {
        let run = self.run.borrow();
        run.started_at.is_some() && run.exit.is_none()
    }

    /// Waits until the process has ended; does not return for one that never starts.
    pub(crate) async fn exited(&self) {
        // The sender lives as long as `self`, so there is no error.
        drop(self.run.subscribe().wait_for(|run| run.exit.is_some()).await);
    }

    pub(crate) fn status(&self) -> Result<ContainerStatus, RuntimeError> {
        let record = &self.record;
        let pod = record.pod.identity();
        let pod = pod.ok_or_else(|| error::system("read a container's record", "its pod has no valid uid"))?;
        let run = self.run();
        let started_at = run.started_at.map(Time::from_nanos);
        let (state, termination_message) = match (run.exit, started_at) {
            (Some(exit), started_at) => {
                let finished_at = Time::from_nanos(exit.finished_at);
                let started_at = started_at.unwrap_or(finished_at);
                let message = exit.message.as_deref().map(Into::into);
                (ContainerState::Exited { started_at, finished_at, exit: exit.status() }, message)
            }
            (None, Some(started_at)) => (ContainerState::Running { started_at }, None),
            (None, None) => (ContainerState::Created, None),
        };
        Ok(ContainerStatus {
            id: ContainerId::new(record.id.as_str()),
            sandbox: SandboxId::new(record.sandbox.as_str()),
            pod,
            name: record.name.as_str().into(),
            kind: record.kind,
            attempt: record.attempt,
            image: record.image.as_str().into(),
            image_id: record.image_id.as_str().into(),
            created_at: Time::from_nanos(record.created_at),
            state,
            termination_message,
            devices: record.devices.clone(),
        })
    }
}
