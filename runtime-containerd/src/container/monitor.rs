//! What waits for one container's exit, writes down how it ended and tells it.

use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::{DeleteTaskRequest, WaitRequest};
use inboard::runtime::{ExitReason, RuntimeError, RuntimeEvent};
use inboard::time::Time;
use tokio::sync::{broadcast, watch};
use tonic::Code;

use super::entry::ContainerEntry;
use super::record::{ExitRecord, RunRecord};
use crate::client::{Daemon, call, gone};
use crate::{cgroup, clock};

/// The exit code of a container about whose end nothing is known (`ContainerStatusUnknown` upstream).
pub(crate) const UNKNOWN_CODE: i32 = 255;
/// How long a log may take to be read to its end after the exit: a process that outlived its parent can hold it open.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before asking again a daemon that is away.
const RETRY_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) daemon: Daemon,
    pub(crate) entry: Arc<ContainerEntry>,
    pub(crate) events: broadcast::Sender<RuntimeEvent>,
}

impl Monitor {
    pub(crate) async fn run(self, mut shutdown: watch::Receiver<()>) {
        tokio::select! {
            () = self.until_exit() => {}
            _ = shutdown.changed() => {}
        }
    }

    async fn until_exit(&self) {
        let mut exit = self.wait().await;
        let started_at = self.entry.run().started_at;
        // The daemon forgets the exit with its task, so it is written down first.
        self.note(&RunRecord { started_at, exit: Some(exit.clone()) });
        while let Err(error) = self.delete_task().await {
            tracing::debug!(container = self.entry.record.id, %error, "an ended task is still to be deleted");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        self.drain_log().await;
        exit.message = self.entry.message(exit.code);
        if let Err(error) = self.entry.set_run(RunRecord { started_at, exit: Some(exit) }) {
            tracing::warn!(container = self.entry.record.id, %error, "a container's exit could not be written down");
        }
        if let Ok(status) = self.entry.status() {
            // Without listeners there is nobody to tell.
            drop(self.events.send(RuntimeEvent::Exited(Box::new(status))));
        }
    }

    /// Asks until the daemon says how the process ended, or that it knows of none.
    async fn wait(&self) -> ExitRecord {
        loop {
            let id = self.entry.record.id.clone();
            let request = self.daemon.request(WaitRequest { container_id: id, exec_id: String::new() });
            match self.daemon.services().tasks().wait(request).await {
                Ok(answer) => {
                    let answer = answer.into_inner();
                    let at = clock::from_proto(answer.exited_at.as_ref()).filter(|at| *at > Time::EPOCH);
                    let code = i32::try_from(answer.exit_status).unwrap_or(UNKNOWN_CODE);
                    // Counted before the task is deleted: its control group goes with it.
                    let killed = cgroup::memory_kills(&self.entry.record.cgroup) > 0;
                    let reason = if killed && code != 0 { ExitReason::OutOfMemory } else { ExitReason::Exited };
                    return ExitRecord::new(at.unwrap_or_else(clock::now), code, reason, "");
                }
                Err(status) if status.code() == Code::NotFound => {
                    return ExitRecord::new(clock::now(), UNKNOWN_CODE, ExitReason::Exited, "the container was lost");
                }
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn delete_task(&self) -> Result<(), RuntimeError> {
        let request = self.daemon.request(DeleteTaskRequest { container_id: self.entry.record.id.clone() });
        call("delete task", self.daemon.services().tasks().delete(request)).await.map(drop).or_else(gone)
    }

    async fn drain_log(&self) {
        let mut progress = self.entry.log.progress();
        // What a process that lives on writes later still comes into the log, but nobody waits for it.
        drop(tokio::time::timeout(DRAIN_TIMEOUT, progress.wait_for(|progress| progress.drained)).await);
    }

    fn note(&self, run: &RunRecord) {
        if let Err(error) = self.entry.write_run(run) {
            tracing::warn!(container = self.entry.record.id, %error, "a container's exit could not be written down");
        }
    }
}
