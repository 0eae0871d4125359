//! What has to be looked at now and then, because nobody tells of it: how full the disk of the images is.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use containerd_client::services::v1::PluginsRequest;
use inboard::runtime::RuntimeError;
use tokio::sync::watch;

use crate::client::call;
use crate::image::{Disk, ImageCollection};
use crate::lock::guard;
use crate::runtime::Inner;
use crate::{clock, os};

/// How often: as upstream.
const INTERVAL: Duration = Duration::from_secs(300);

/// Makes room on the disk of the images when it gets full; ends with the runtime.
pub(crate) async fn keep_room(runtime: Weak<Inner>, mut shutdown: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = shutdown.changed() => return,
        }
        let Some(inner) = runtime.upgrade() else { return };
        if let Some(rule) = inner.settings.image_collection
            && let Err(error) = inner.make_room(&rule).await
        {
            tracing::warn!(%error, "no room could be made for images");
        }
    }
}

impl Inner {
    async fn make_room(&self, rule: &ImageCollection) -> Result<u64, RuntimeError> {
        let Some(root) = self.image_root().await? else { return Ok(0) };
        let Ok((total_bytes, free_bytes)) = os::disk(&root) else { return Ok(0) };
        let bytes = rule.bytes_to_free(Disk { total_bytes, free_bytes });
        if bytes == 0 && guard(&self.containers).is_empty() {
            return Ok(0);
        }
        // Called also when nothing must go: it takes note of which images are used.
        self.images.make_room(bytes, rule.age_min, &self.images_in_use(), clock::now()).await
    }

    pub(crate) async fn remove_unused_images(&self) -> Result<u64, RuntimeError> {
        self.images.make_room(u64::MAX, Duration::ZERO, &self.images_in_use(), clock::now()).await
    }

    fn images_in_use(&self) -> BTreeSet<String> {
        guard(&self.containers).values().map(|entry| entry.record.image_id.clone()).collect()
    }

    /// Where the daemon keeps its layers; `None` when it is not on this machine's disks.
    pub(crate) async fn image_root(&self) -> Result<Option<PathBuf>, RuntimeError> {
        let filter = format!("type==io.containerd.snapshotter.v1,id=={}", self.settings.snapshotter);
        let request = self.daemon.request(PluginsRequest { filters: vec![filter] });
        let answer = call("ask for the plugins", self.daemon.services().introspection().plugins(request)).await?;
        Ok(answer.plugins.into_iter().find_map(|plugin| plugin.exports.get("root").map(PathBuf::from)))
    }
}
