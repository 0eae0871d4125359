//! Bringing an image in: blobs into the content store under a lease, layers into snapshots, then the image's record,
//! whose labels keep all of it from being collected once the lease is given back.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::services::v1::{
    ApplyRequest, CreateImageRequest, Image, Info, UpdateImageRequest, UpdateRequest, WriteAction, WriteContentRequest,
};
use containerd_client::types::Descriptor as ProtoDescriptor;
use inboard::runtime::RuntimeError;
use oci_spec::image::{Descriptor, ImageManifest};
use tonic::Code;

use super::archive::{Archive, ArchivedImage, Blob, Bytes};
use super::manifest;
use super::store::Images;
use crate::client::{Lease, already, call, call_within, gone, optional};
use crate::error;

/// How much of a blob goes into one message: well under gRPC's usual limit of 4 MB.
const CHUNK_BYTES: usize = 1 << 20;

/// How long a layer may take: some have gigabytes, and some disks are slow.
const UNPACK_TIMEOUT: Duration = Duration::from_secs(3600);

/// The label of images that came from an archive.
pub(super) const IMPORTED_LABEL: &str = "inboard/imported";

/// Where an image has its name from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Archive,
    Registry,
}

pub(super) type Labels = BTreeMap<String, String>;

impl Images {
    /// Brings in every image of an archive and unpacks it; what is there already is not sent again.
    pub(crate) async fn import(&self, archive: Archive, lease_name: &str) -> Result<Vec<String>, RuntimeError> {
        let archive = Arc::new(archive);
        let reader = archive.clone();
        let images = blocking(move || reader.images()).await?;
        let lease = self.daemon.lease(lease_name).await?;
        let result = self.import_leased(&archive, images, &lease).await;
        let released = self.daemon.release(lease).await;
        let names = result?;
        released.map(|()| names)
    }

    async fn import_leased(
        &self,
        archive: &Arc<Archive>,
        images: Vec<ArchivedImage>,
        lease: &Lease,
    ) -> Result<Vec<String>, RuntimeError> {
        let mut names = Vec::new();
        for image in images {
            for blob in &image.blobs {
                self.write_blob(archive, blob, lease).await?;
            }
            let document = manifest::parse_manifest(&self.read_content(image.manifest.digest().as_ref()).await?)?;
            self.unpack(&document, lease).await?;
            self.label_manifest(image.manifest.digest().as_ref(), &document).await?;
            for name in &image.names {
                let name = super::Reference::parse(name)?.to_string();
                self.record(&name, &image.manifest, Origin::Archive).await?;
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn write_blob(&self, archive: &Arc<Archive>, blob: &Blob, lease: &Lease) -> Result<(), RuntimeError> {
        let doing = format!("write content {}", blob.digest);
        let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
        let (archive, copy) = (archive.clone(), blob.clone());
        let reader = tokio::task::spawn_blocking(move || send_blob(&archive, &copy, &sender));
        let stream = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let mut client = self.daemon.services().content();
        let written = async {
            let mut answers = client.write(self.daemon.leased(stream, lease)).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok::<_, tonic::Status>(())
        };
        let written = written.await;
        let read = reader.await.map_err(|error| error::system(&doing, error))?;
        match written {
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) => Err(error::daemon(doing, &status)),
            Ok(()) => read,
        }
    }

    /// Makes the snapshot of each layer that is not there yet.
    pub(super) async fn unpack(&self, document: &ImageManifest, lease: &Lease) -> Result<(), RuntimeError> {
        let config = document.config().digest().to_string();
        let configuration = manifest::parse_config(&self.read_content(&config).await?)?;
        let chain = manifest::chain_ids(configuration.rootfs().diff_ids());
        if chain.len() != document.layers().len() {
            let counts = format!("{} layers and {} ids of layers", document.layers().len(), chain.len());
            return Err(error::system("unpack the image", counts));
        }
        let mut parent = String::new();
        for (layer, name) in document.layers().iter().zip(&chain) {
            self.unpack_layer(layer, &parent, name, lease).await?;
            parent.clone_from(name);
        }
        let key = format!("containerd.io/gc.ref.snapshot.{}", self.snapshotter);
        self.label_content(&config, [(key, parent)].into()).await
    }

    async fn unpack_layer(
        &self,
        layer: &Descriptor,
        parent: &str,
        name: &str,
        lease: &Lease,
    ) -> Result<(), RuntimeError> {
        let snapshotter = || self.snapshotter.clone();
        // Another image may have the same layers.
        let _lock = self.locks.hold(name).await;
        let stat = StatSnapshotRequest { snapshotter: snapshotter(), key: name.to_owned() };
        let stat =
            call("look for a snapshot", self.daemon.services().snapshots().stat(self.daemon.request(stat))).await;
        if optional(stat)?.is_some() {
            return Ok(());
        }
        let key = format!("inboard-extract {name}");
        self.remove_snapshot(&key).await?;
        let prepare = PrepareSnapshotRequest {
            snapshotter: snapshotter(),
            key: key.clone(),
            parent: parent.to_owned(),
            labels: Default::default(),
        };
        let prepare = self.daemon.leased(prepare, lease);
        let mounts = call("prepare a snapshot", self.daemon.services().snapshots().prepare(prepare)).await?.mounts;
        let apply = ApplyRequest { diff: Some(proto(layer)), mounts, ..ApplyRequest::default() };
        let apply = self.daemon.leased(apply, lease);
        let mut diff = self.daemon.services().diff();
        if let Err(failed) = call_within(UNPACK_TIMEOUT, "unpack a layer", diff.apply(apply)).await {
            self.remove_snapshot(&key).await?;
            return Err(failed.into());
        }
        let commit = CommitSnapshotRequest {
            snapshotter: snapshotter(),
            name: name.to_owned(),
            key,
            labels: Default::default(),
        };
        let commit = self.daemon.leased(commit, lease);
        call("commit a snapshot", self.daemon.services().snapshots().commit(commit)).await.map(drop).or_else(already)
    }

    pub(crate) async fn remove_snapshot(&self, key: &str) -> Result<(), RuntimeError> {
        let request = RemoveSnapshotRequest { snapshotter: self.snapshotter.clone(), key: key.to_owned() };
        let request = self.daemon.request(request);
        call("remove a snapshot", self.daemon.services().snapshots().remove(request)).await.map(drop).or_else(gone)
    }

    /// Says what the manifest refers to, in the labels that the daemon's collector follows.
    pub(super) async fn label_manifest(&self, digest: &str, document: &ImageManifest) -> Result<(), RuntimeError> {
        let mut labels: Labels = document
            .layers()
            .iter()
            .enumerate()
            .map(|(index, layer)| (format!("containerd.io/gc.ref.content.l.{index}"), layer.digest().to_string()))
            .collect();
        labels.insert("containerd.io/gc.ref.content.config".into(), document.config().digest().to_string());
        self.label_content(digest, labels).await
    }

    /// Of an index only the manifest of this machine's platform is here.
    pub(super) async fn label_index(&self, index: &str, manifest: &str) -> Result<(), RuntimeError> {
        self.label_content(index, [("containerd.io/gc.ref.content.m.0".to_owned(), manifest.to_owned())].into()).await
    }

    async fn label_content(&self, digest: &str, labels: Labels) -> Result<(), RuntimeError> {
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        let labels = labels.into_iter().collect();
        let info = Info { digest: digest.to_owned(), labels, ..Info::default() };
        let update = UpdateRequest { info: Some(info), update_mask: Some(prost_types::FieldMask { paths }) };
        let update = self.daemon.request(update);
        call("label content", self.daemon.services().content().update(update)).await?;
        Ok(())
    }

    /// Gives an image a name; a name that another image had moves to this one.
    pub(super) async fn record(&self, name: &str, target: &Descriptor, origin: Origin) -> Result<(), RuntimeError> {
        let image = Image {
            name: name.to_owned(),
            labels: record_labels(origin).into_iter().collect(),
            target: Some(proto(target)),
            ..Image::default()
        };
        let create = CreateImageRequest { image: Some(image.clone()), source_date_epoch: None };
        let created = call("create image", self.daemon.services().images().create(self.daemon.request(create))).await;
        match created {
            Ok(_) => Ok(()),
            Err(failed) if failed.status.code() == Code::AlreadyExists => {
                let update = UpdateImageRequest { image: Some(image), update_mask: None, source_date_epoch: None };
                call("update image", self.daemon.services().images().update(self.daemon.request(update))).await?;
                Ok(())
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

/// What is noted with the name of an image.
pub(super) fn record_labels(origin: Origin) -> Labels {
    let mut labels = Labels::from([("io.cri-containerd.image".to_owned(), "managed".to_owned())]);
    if origin == Origin::Archive {
        labels.insert(IMPORTED_LABEL.to_owned(), "true".to_owned());
    }
    labels
}

/// Reads a blob and hands it on in messages; ends early, without an error, when nobody takes them any more.
fn send_blob(
    archive: &Archive,
    blob: &Blob,
    sender: &tokio::sync::mpsc::Sender<WriteContentRequest>,
) -> Result<(), RuntimeError> {
    let (mut source, size): (Box<dyn Read>, u64) = match &blob.bytes {
        Bytes::InArchive { offset, size } => (Box::new(archive.at(*offset)?.take(*size)), *size),
        Bytes::Made(bytes) => (Box::new(bytes.as_slice()), bytes.len() as u64),
    };
    let total = i64::try_from(size).map_err(|_| error::system("write content", "the blob is too large"))?;
    let mut offset = 0_i64;
    loop {
        let mut data = Vec::with_capacity(CHUNK_BYTES.min(usize::try_from(size).unwrap_or(CHUNK_BYTES)));
        let read = source.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut data);
        let read = read.map_err(|error| error::system("read the archive", error))? as i64;
        let last = offset + read >= total || read == 0;
        let message = WriteContentRequest {
            action: if last { WriteAction::Commit } else { WriteAction::Write } as i32,
            r#ref: blob.digest.clone(),
            total,
            expected: blob.digest.clone(),
            offset,
            data,
            labels: Default::default(),
        };
        if sender.blocking_send(message).is_err() || last {
            return Ok(());
        }
        offset += read;
    }
}

pub(super) fn proto(descriptor: &Descriptor) -> ProtoDescriptor {
    ProtoDescriptor {
        media_type: descriptor.media_type().to_string(),
        digest: descriptor.digest().to_string(),
        size: i64::try_from(descriptor.size()).unwrap_or(i64::MAX),
        annotations: Default::default(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error::system("read the archive", error))?
}
