//! What the daemon holds of images: found by name or id, listed, removed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use containerd_client::services::v1::{
    DeleteImageRequest, GetImageRequest, Image, ListImagesRequest, ReadContentRequest,
};
use futures_core::stream::BoxStream;
use inboard::runtime::{ImageStatus, RuntimeError, RuntimeErrorKind};

use super::manifest;
use super::progress::{PullProgress, Reports};
use super::transfer::Service;
use super::{Reference, Seen};
use crate::client::{Daemon, call, gone, optional};
use crate::error;
use crate::lock::{KeyedLocks, guard};
use crate::spec::{Accounts, ImageDefaults};

/// An image as a container needs it.
#[derive(Clone, Debug)]
pub(crate) struct ImageInfo {
    /// The digest of its configuration.
    pub(crate) id: String,
    /// The snapshot that all its layers make.
    pub(crate) chain_id: String,
    pub(crate) defaults: ImageDefaults,
    pub(crate) size_bytes: u64,
}

/// The images of one namespace of the daemon.
#[derive(Debug)]
pub(crate) struct Images {
    pub(super) daemon: Daemon,
    pub(super) snapshotter: String,
    /// Where the daemon reads how registries are reached.
    pub(super) hosts_dir: PathBuf,
    /// What the daemon can do itself, and how often it had gone away when it was asked.
    pub(super) service: Mutex<Option<(u64, Service)>>,
    /// What manifests say, by digest: content never changes under its digest.
    known: Mutex<BTreeMap<String, Arc<ImageInfo>>>,
    /// The users and groups that layers name, by the snapshot that they make together.
    accounts: Mutex<BTreeMap<String, Arc<Accounts>>>,
    /// By the digest of a blob, the name of a snapshot, or `image NAME`: what two pulls must not make at once.
    pub(super) locks: KeyedLocks,
    pub(super) reports: Reports,
    /// By id: how long each has been here, and unused.
    pub(super) seen: Mutex<BTreeMap<String, Seen>>,
}

impl Images {
    pub(crate) fn new(daemon: Daemon, snapshotter: String, hosts_dir: PathBuf) -> Self {
        Self {
            daemon,
            snapshotter,
            hosts_dir,
            service: Mutex::default(),
            known: Mutex::default(),
            accounts: Mutex::default(),
            locks: KeyedLocks::default(),
            reports: Reports::default(),
            seen: Mutex::default(),
        }
    }

    /// The image of this name or id; `None` when it is not here.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<(Arc<ImageInfo>, Image)>, RuntimeError> {
        let tag = match Named::parse(name)? {
            Named::Tag(tag) => tag,
            named => return Ok(self.all().await?.into_iter().find(|(info, image)| named.is(info, image))),
        };
        let request = self.daemon.request(GetImageRequest { name: tag });
        let answer = optional(call("get image", self.daemon.services().images().get(request)).await)?;
        let Some(image) = answer.and_then(|answer| answer.image) else { return Ok(None) };
        let info = self.info(&image).await?;
        Ok(Some((info, image)))
    }

    /// How far pulls have got, from now on.
    pub(crate) fn progress(&self) -> BoxStream<'static, PullProgress> {
        self.reports.listen()
    }

    /// An image that was looked at before, by its id.
    pub(crate) fn known(&self, id: &str) -> Option<Arc<ImageInfo>> {
        guard(&self.known).values().find(|info| info.id == id).cloned()
    }

    /// The users and groups of an image, if they were read before: layers never change under their name.
    pub(crate) fn accounts(&self, chain_id: &str) -> Option<Arc<Accounts>> {
        guard(&self.accounts).get(chain_id).cloned()
    }

    pub(crate) fn keep_accounts(&self, chain_id: &str, accounts: Accounts) -> Arc<Accounts> {
        let accounts = Arc::new(accounts);
        guard(&self.accounts).insert(chain_id.to_owned(), accounts.clone());
        accounts
    }

    /// The image's state, with all the names it has here.
    pub(crate) async fn status(&self, name: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        let (named, all) = (Named::parse(name)?, self.all().await?);
        let Some(id) = all.iter().find(|(info, image)| named.is(info, image)).map(|(info, _)| info.id.clone()) else {
            return Ok(None);
        };
        Ok(by_id(all).remove(&id))
    }

    /// All images, each once, by id.
    pub(crate) async fn list(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        Ok(by_id(self.all().await?).into_values().collect())
    }

    /// Takes away what a pull has left that broke off, and one name, or with an id all names of the image; what nothing refers to any more is collected.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), RuntimeError> {
        if let Ok(reference) = Reference::parse(name) {
            self.daemon.release_named(super::pull::lease_name(&reference.to_string())).await?;
        }
        let names: Vec<String> = if super::reference::is_digest(name) {
            let all = self.all().await?;
            all.into_iter().filter(|(info, _)| info.id == name).map(|(_, image)| image.name).collect()
        } else {
            self.find(name).await?.map(|(_, image)| image.name).into_iter().collect()
        };
        for name in names {
            let request = self.daemon.request(DeleteImageRequest { name, sync: true, target: None });
            let removed = call("remove image", self.daemon.services().images().delete(request)).await.map(drop);
            removed.or_else(gone)?;
        }
        Ok(())
    }

    pub(super) async fn all(&self) -> Result<Vec<(Arc<ImageInfo>, Image)>, RuntimeError> {
        let request = self.daemon.request(ListImagesRequest::default());
        let images = call("list images", self.daemon.services().images().list(request)).await?.images;
        let mut all = Vec::with_capacity(images.len());
        for image in images {
            match self.info(&image).await {
                Ok(info) => all.push((info, image)),
                // Another platform's, or half pulled by somebody else: not an image that could be run here.
                Err(error) => tracing::debug!(image = image.name, %error, "an image is left out of the list"),
            }
        }
        Ok(all)
    }

    async fn info(&self, image: &Image) -> Result<Arc<ImageInfo>, RuntimeError> {
        let target = image.target.clone().unwrap_or_default();
        if let Some(info) = guard(&self.known).get(&target.digest) {
            return Ok(info.clone());
        }
        let mut document = self.read_content(&target.digest).await?;
        if manifest::is_index(&target.media_type) {
            let chosen = manifest::pick_platform(&document)?.digest().to_string();
            document = self.read_content(&chosen).await?;
        }
        let document = manifest::parse_manifest(&document)?;
        let id = document.config().digest().to_string();
        let configuration = manifest::parse_config(&self.read_content(&id).await?)?;
        let chain_id = manifest::chain_ids(configuration.rootfs().diff_ids()).pop().unwrap_or_default();
        let size_bytes = document.config().size() + document.layers().iter().map(|layer| layer.size()).sum::<u64>();
        let info = Arc::new(ImageInfo { id, chain_id, defaults: manifest::defaults(&configuration), size_bytes });
        guard(&self.known).insert(target.digest, info.clone());
        Ok(info)
    }

    pub(super) async fn read_content(&self, digest: &str) -> Result<Vec<u8>, RuntimeError> {
        /// Manifests and configurations are small; what claims to be a larger one is not read into memory.
        const DOCUMENT_BYTES_MAX: usize = 16 << 20;
        let request = ReadContentRequest { digest: digest.to_owned(), offset: 0, size: 0 };
        let doing = format!("read content {digest}");
        let mut stream = call(&doing, self.daemon.services().content().read(self.daemon.request(request))).await?;
        let mut bytes = Vec::new();
        while let Some(part) = stream.message().await.map_err(|status| error::daemon(&doing, &status))? {
            bytes.extend_from_slice(&part.data);
            if bytes.len() > DOCUMENT_BYTES_MAX {
                return Err(RuntimeError::new(
                    RuntimeErrorKind::Internal,
                    format!("{doing}: the document is too large"),
                ));
            }
        }
        Ok(bytes)
    }
}

/// What an image is asked for by.
enum Named {
    /// The digest of its configuration.
    Id(String),
    /// The digest of its manifest.
    Digest(String),
    /// A complete name.
    Tag(String),
}

impl Named {
    fn parse(name: &str) -> Result<Self, RuntimeError> {
        if super::reference::is_digest(name) {
            return Ok(Self::Id(name.to_owned()));
        }
        let reference = Reference::parse(name)?;
        let tag = reference.to_string();
        Ok(reference.digest.map_or(Self::Tag(tag), Self::Digest))
    }

    fn is(&self, info: &ImageInfo, image: &Image) -> bool {
        match self {
            Self::Id(id) => info.id == *id,
            Self::Digest(digest) => image.target.as_ref().is_some_and(|target| target.digest == *digest),
            Self::Tag(name) => image.name == *name,
        }
    }
}

/// The daemon's records, of which each stands for a name, by the image that they are names of.
fn by_id(all: Vec<(Arc<ImageInfo>, Image)>) -> BTreeMap<String, ImageStatus> {
    let mut by_id: BTreeMap<String, ImageStatus> = BTreeMap::new();
    for (info, image) in all {
        let status = by_id.entry(info.id.clone()).or_insert_with(|| ImageStatus {
            id: info.id.as_str().into(),
            names: Vec::new(),
            size_bytes: info.size_bytes,
            user: Some(info.defaults.user.as_str()).filter(|user| !user.is_empty()).map(Into::into),
        });
        let repository = Reference::parse(&image.name).map(|name| name.repository).unwrap_or_default();
        status.names.push(image.name.as_str().into());
        if let Some(target) = &image.target {
            status.names.push(format!("{repository}@{}", target.digest).into());
        }
    }
    for status in by_id.values_mut() {
        status.names.sort();
        status.names.dedup();
    }
    by_id
}
