//! Finding again what runs after this process was started anew: nothing is restarted, what ended meanwhile is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use containerd_client::services::v1::{ListContainersRequest, ListTasksRequest};
use containerd_client::types::v1::Status as TaskStatus;
use inboard::runtime::{ExitReason, RuntimeError};

use super::create::STATE_DIR_LABEL;
use super::entry::{ContainerEntry, RECORD};
use super::monitor::UNKNOWN_CODE;
use super::record::{ContainerRecord, ExitRecord, RunRecord};
use super::start::Fifos;
use crate::client::call;
use crate::lock::guard;
use crate::logs::pump;
use crate::runtime::Inner;
use crate::sandbox::{SandboxPhase, SandboxRecord};
use crate::{clock, os, state};

impl Inner {
    /// Takes over everything that the records and the daemon know; called once, before the first call.
    pub(crate) async fn adopt(&self) -> Result<(), RuntimeError> {
        self.adopt_sandboxes().await;
        let registered = self.registered().await?;
        let tasks = self.tasks().await?;
        for id in state::entries(&self.dirs.containers()) {
            let mut lines = state::lines(&self.dirs.container(&id).join(RECORD)).into_iter();
            let record = lines.next().and_then(|line| serde_json::from_value::<ContainerRecord>(line).ok());
            let run = lines.rev().find_map(|line| serde_json::from_value::<RunRecord>(line).ok()).unwrap_or_default();
            let task = tasks.get(&id).copied();
            match record.filter(|_| registered.contains(&id)) {
                Some(record) if task.is_some() || run.is_begun() || self.has_layers(&id).await? => {
                    self.adopt_container(record, run, task).await?;
                }
                // Its making was cut short, or its removal.
                _ => self.discard_container(&id).await?,
            }
        }
        let known = |id: &str| guard(&self.containers).contains_key(id);
        for id in registered.iter().filter(|id| !known(id)) {
            self.discard_container(id).await?;
        }
        Ok(())
    }

    async fn adopt_sandboxes(&self) {
        let mut found = Vec::new();
        for name in state::entries(&self.dirs.sandboxes()) {
            let path = self.dirs.sandboxes().join(&name);
            match state::last_line::<SandboxRecord>(&path) {
                Some(record) => found.push(record),
                // Nothing is made before the record is written, and nothing is left when it is removed.
                None => {
                    if let Err(error) = state::remove_file(&path) {
                        tracing::warn!(record = name, %error, "a record without a line cannot be removed");
                    }
                }
            }
        }
        // In the order in which they took their addresses.
        found.sort_by_key(|record| record.created_at);
        for mut record in found {
            let id = record.id.clone();
            if record.phase != SandboxPhase::Stopped {
                self.network.hold(&id, &record.network).await;
            }
            if record.phase == SandboxPhase::Ready
                && !record.pins().all(|pin| os::is_pinned(&self.dirs.live(&id).join(pin)))
            {
                // The machine was started anew: the namespaces are gone, the record is not.
                record.phase = SandboxPhase::Making;
            }
            guard(&self.sandboxes).insert(id, record);
        }
    }

    async fn adopt_container(
        &self,
        record: ContainerRecord,
        mut run: RunRecord,
        task: Option<TaskStatus>,
    ) -> Result<(), RuntimeError> {
        let id = record.id.clone();
        let lives = !matches!(task, None | Some(TaskStatus::Created | TaskStatus::Unknown));
        if run.exit.is_none() && !lives && run.started_at.is_some() {
            let exit = ExitRecord::new(clock::now(), UNKNOWN_CODE, ExitReason::Exited, "the container was lost");
            run.exit = Some(exit);
        }
        if task.is_some() && (run.exit.is_some() || !lives) {
            self.delete_task(&id).await?;
        }
        if lives && run.exit.is_none() && run.started_at.is_none() {
            run.started_at = Some(clock::now().as_nanos());
        }
        let running = run.started_at.is_some() && run.exit.is_none();
        let entry = Arc::new(ContainerEntry::new(record, &self.dirs, self.settings.logs, None));
        if let Some(exit) = run.exit.as_mut().filter(|exit| exit.message.is_none()) {
            // The last process may have ended between writing the exit down and reading the message.
            exit.message = entry.message(exit.code);
        }
        entry.set_run(run)?;
        guard(&self.containers).insert(id, entry.clone());
        if running {
            let fifos = Fifos::named(&entry.live, "", entry.record.stdin, entry.record.tty);
            match fifos.reopen() {
                Ok(outputs) => self.spawn(pump(entry.log.clone(), outputs, self.shutdown())),
                Err(error) => {
                    tracing::warn!(container = entry.record.id, %error, "the output of an adopted container is lost");
                }
            }
            self.watch(&entry);
        }
        Ok(())
    }

    /// The ids of the daemon's containers that are ours.
    async fn registered(&self) -> Result<BTreeSet<String>, RuntimeError> {
        let request = self.daemon.request(ListContainersRequest { filters: Vec::new() });
        let containers = call("list containers", self.daemon.services().containers().list(request)).await?.containers;
        let own = self.settings.state_dir.display().to_string();
        let ours = containers.into_iter().filter(|container| container.labels.get(STATE_DIR_LABEL) == Some(&own));
        Ok(ours.map(|container| container.id).collect())
    }

    async fn tasks(&self) -> Result<BTreeMap<String, TaskStatus>, RuntimeError> {
        let request = self.daemon.request(ListTasksRequest { filter: String::new() });
        let tasks = call("list tasks", self.daemon.services().tasks().list(request)).await?.tasks;
        Ok(tasks.into_iter().map(|task| (task.id.clone(), task.status())).collect())
    }
}
