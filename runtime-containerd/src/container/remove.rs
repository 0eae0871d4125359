//! Removing a container without a trace.

use containerd_client::services::v1::DeleteContainerRequest;
use inboard::runtime::RuntimeError;

use super::entry::ContainerEntry;
use crate::client::{call, gone};
use crate::lock::guard;
use crate::runtime::Inner;
use crate::{cgroup, state};

impl Inner {
    pub(crate) async fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        let Ok(entry) = self.entry(id) else { return Ok(()) };
        let _lock = self.locks.hold(&entry.record.sandbox).await;
        self.remove_locked(&entry).await
    }

    /// The same for a caller that holds the sandbox's lock.
    pub(crate) async fn remove_locked(&self, entry: &ContainerEntry) -> Result<(), RuntimeError> {
        self.kill_container(entry).await?;
        entry.log.close();
        if entry.is_undisturbed(&self.daemon) {
            self.delete_task(&entry.record.id).await?;
            self.forget_container(&entry.record.id).await?;
        } else {
            self.discard_container(&entry.record.id).await?;
        }
        state::remove_file(&entry.message_path)?;
        cgroup::remove(&entry.record.cgroup);
        guard(&self.containers).remove(&entry.record.id);
        Ok(())
    }

    /// Takes away everything that stands under an id, whole or half made; the directory goes last.
    pub(crate) async fn discard_container(&self, id: &str) -> Result<(), RuntimeError> {
        self.clear_task(id).await?;
        self.forget_container(id).await
    }

    /// The same for one without a task.
    async fn forget_container(&self, id: &str) -> Result<(), RuntimeError> {
        let request = self.daemon.request(DeleteContainerRequest { id: id.to_owned() });
        let deleted = call("delete container", self.daemon.services().containers().delete(request)).await;
        deleted.map(drop).or_else(gone)?;
        self.images.remove_snapshot(id).await?;
        self.release_mounts(id)?;
        state::remove_dir(&self.dirs.live(id))?;
        state::remove_dir(&self.dirs.container(id))
    }
}
