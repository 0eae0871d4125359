//! Taking an image out: an archive in the OCI layout with the manifest for this machine, its configuration and its layers,
//! as the content store has them. The file is in its place when it is whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use containerd_client::services::v1::ReadContentRequest;
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;
use tokio::sync::mpsc;

use super::archive::{NAME_ANNOTATIONS, blob_path};
use super::manifest;
use super::store::Images;
use crate::client::call;
use crate::error;

type Tar = tar::Builder<File>;

impl Images {
    /// Writes the image of this name, or id, to an archive, under the names that are given.
    pub(crate) async fn export(&self, name: &str, path: &Path) -> Result<(), RuntimeError> {
        let Some((_, image)) = self.find(name).await? else {
            return Err(RuntimeError::new(RuntimeErrorKind::NotFound, format!("image {name:?} is not on the node")));
        };
        let target = image.target.unwrap_or_default();
        let mut document = self.read_content(&target.digest).await?;
        let mut chosen = manifest::descriptor(&target.media_type, &target.digest, document.len() as u64)
            .map_err(|e| error::system("export the image", e))?;
        if manifest::is_index(&target.media_type) {
            chosen = manifest::pick_platform(&document)?;
            document = self.read_content(chosen.digest().as_ref()).await?;
        }
        let parsed = manifest::parse_manifest(&document)?;
        let blobs: Vec<Descriptor> = parsed.layers().iter().chain([parsed.config(), &chosen]).cloned().collect();
        let beside = beside(path);
        let written = self.write_archive(&beside, &image.name, &chosen, blobs).await;
        let placed = written.and_then(|()| std::fs::rename(&beside, path).map_err(|e| error::io("write", path, &e)));
        if placed.is_err() {
            crate::state::remove_file(&beside)?;
        }
        placed
    }

    async fn write_archive(
        &self,
        path: &Path,
        name: &str,
        manifest: &Descriptor,
        mut blobs: Vec<Descriptor>,
    ) -> Result<(), RuntimeError> {
        let wrong = |e: io::Error| error::io("write", path, &e);
        let mut tar = tar::Builder::new(File::create(path).map_err(wrong)?);
        let tag = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
        let [full_name, short_name] = NAME_ANNOTATIONS;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageIndex,
            "manifests": [{
                "mediaType": manifest.media_type(), "digest": manifest.digest(), "size": manifest.size(),
                "annotations": {full_name: name, short_name: tag},
            }],
        });
        let documents = [("oci-layout", json!({"imageLayoutVersion": "1.0.0"})), ("index.json", index)];
        for (name, document) in documents {
            let text = document.to_string();
            tar.append_data(&mut header(text.len() as u64), name, text.as_bytes()).map_err(wrong)?;
        }
        // Two layers may be the same, but a name stands once in an archive.
        let mut seen = std::collections::BTreeSet::new();
        blobs.retain(|blob| seen.insert(blob.digest().to_string()));
        for blob in &blobs {
            tar = self.write_blob_to(tar, path, blob).await?;
        }
        let end = tokio::task::spawn_blocking(move || tar.into_inner().and_then(|file| file.sync_all())).await;
        end.map_err(|e| error::system("export the image", e))?.map_err(wrong)
    }

    /// One blob, as it comes from the daemon.
    async fn write_blob_to(&self, mut tar: Tar, path: &Path, blob: &Descriptor) -> Result<Tar, RuntimeError> {
        let (digest, size) = (blob.digest().to_string(), blob.size());
        let doing = format!("read content {digest}");
        let request = ReadContentRequest { digest: digest.clone(), offset: 0, size: 0 };
        let mut parts = call(&doing, self.daemon.services().content().read(self.daemon.request(request))).await?;
        let (sender, receiver) = mpsc::channel(4);
        let writer = tokio::task::spawn_blocking(move || {
            let content = Content { parts: receiver, rest: Bytes::new() }.take(size);
            tar.append_data(&mut header(size), blob_path(&digest), content).map(|()| tar)
        });
        let mut came = 0;
        while let Some(part) = parts.message().await.map_err(|status| error::daemon(&doing, &status))? {
            came += part.data.len() as u64;
            if sender.send(Bytes::from(part.data)).await.is_err() {
                // The writer has ended, and says below why.
                break;
            }
        }
        drop(sender);
        let tar = writer.await.map_err(|e| error::system("export the image", e))?;
        let tar = tar.map_err(|e| error::io("write", path, &e))?;
        if came == size { Ok(tar) } else { Err(error::system(&doing, format!("{came} bytes came, of {size}"))) }
    }
}

/// What the daemon sends, to be read by a thread that may wait.
struct Content {
    parts: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.rest = part,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}
