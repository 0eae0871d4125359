//! Pulling: the manifest from a registry, then the blobs that are not here, several at a time, into the content store
//! under a lease; then the layers are unpacked and the image gets its name. The blobs are brought by the daemon itself
//! where it has a service for that and can be told all that there is to say ([`super::transfer`]), and otherwise by us.
//!
//! A blob whose transfer broke off is gone on with where it stopped, in the same pull or in the next. For that the
//! lease of a pull that failed on its way is kept (it ends by itself, or with [`Images::remove`]).

use std::time::Duration;

use bytes::BytesMut;
use containerd_client::types::Platform as ProtoPlatform;
use futures_util::{StreamExt, TryStreamExt, stream};
use inboard::runtime::{ImagePull, ImageStatus, RuntimeError, RuntimeErrorKind};
use oci_spec::image::{Descriptor, ImageManifest};

use super::manifest::{self, digest_of};
use super::progress::Tally;
use super::resolve::{self, Document, Found};
use super::store::Images;
use super::transfer::{Order, blobs};
use super::writer::{BlobName, Writer};
use super::{Reference, import};
use crate::client::Lease;
use crate::error;
use crate::registry::{Failure, Registries, Session, content_range};

/// How many blobs of one image are fetched at a time.
const PARALLEL: usize = 3;
/// How often a blob is gone on with, as long as nothing more of it comes.
const TRIES: u32 = 3;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_secs(1);
/// How much of a blob goes into one message.
const CHUNK_BYTES: usize = 1 << 20;

impl Images {
    /// Brings in the image that a name has at its registry now; what is here already is not fetched again. A name that
    /// came with an archive is taken as it is: whoever brought the archive has said what it means.
    pub(crate) async fn pull(&self, registries: &Registries, pull: &ImagePull) -> Result<ImageStatus, RuntimeError> {
        let name = Reference::parse(&pull.image)?;
        let text = name.to_string();
        let _lock = self.locks.hold(&format!("image {text}")).await;
        if !self.is_imported(&name).await? {
            let found = resolve::resolve(registries, &name, pull).await;
            let found = found.map_err(|failure| failure.into_error(&text))?;
            let lease = self.daemon.lease(&lease_name(&text)).await?;
            let result = self.bring_in(&text, &found, &lease).await;
            // What broke off is gone on with under the same lease.
            let kept = result.as_ref().is_err_and(is_break);
            let released = if kept { Ok(()) } else { self.daemon.release(lease).await };
            result.and(released)?;
        }
        let status = self.status(&text).await?;
        status.ok_or_else(|| error::system("pull the image", format!("{text} went away as soon as it was here")))
    }

    async fn is_imported(&self, name: &Reference) -> Result<bool, RuntimeError> {
        let found = self.find(&name.to_string()).await?;
        Ok(found.is_some_and(|(_, image)| image.labels.contains_key(import::IMPORTED_LABEL)))
    }

    async fn bring_in(&self, name: &str, found: &Found, lease: &Lease) -> Result<(), RuntimeError> {
        let top = descriptor(&found.top)?;
        let (chosen, platform) = self.choose(name, found, lease).await?;
        let document = manifest::parse_manifest(&chosen.bytes)?;
        check(name, &document)?;
        self.write_document(&chosen, lease).await?;
        if chosen.digest != found.top.digest {
            self.write_document(&found.top, lease).await?;
        }
        let tally = Tally::new(name, blobs(&document).map(Descriptor::size).sum(), &self.reports);
        let order = Order { name, found, platform, document: &document, lease };
        let by_daemon = self.service().await?.can(found.session.endpoint()) && self.transfer(&order, &tally).await?;
        if !by_daemon {
            let fetches = blobs(&document).map(|blob| self.fetch(&tally, &found.session, blob, lease));
            stream::iter(fetches.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        }
        // What the daemon has done of the rest is left as it is.
        self.unpack(&document, lease).await?;
        self.label_manifest(&chosen.digest, &document).await?;
        if chosen.digest != found.top.digest {
            self.label_index(&found.top.digest, &chosen.digest).await?;
        }
        self.record(name, &top, import::Origin::Registry).await
    }

    /// The manifest for this machine, with the platform that it is for.
    async fn choose(
        &self,
        name: &str,
        found: &Found,
        lease: &Lease,
    ) -> Result<(Document, ProtoPlatform), RuntimeError> {
        if !manifest::is_index(&found.top.media_type) {
            return Ok((found.top.clone(), manifest::platform_of(None)));
        }
        let chosen = manifest::pick_platform(&found.top.bytes)?;
        let (digest, platform) = (chosen.digest().to_string(), manifest::platform_of(Some(&chosen)));
        let blob = BlobName { digest: digest.clone(), size: chosen.size() };
        let _lock = self.locks.hold(&digest).await;
        let Some(writer) = Writer::open(&self.daemon, lease, &blob).await? else {
            let bytes = self.read_content(&digest).await?.into();
            return Ok((Document { media_type: chosen.media_type().to_string(), digest, bytes }, platform));
        };
        let document = resolve::manifest(&found.session, &digest).await;
        let document = document.map_err(|failure| failure.into_error(name))?;
        self.fill(writer, &document).await?;
        Ok((document, platform))
    }

    async fn write_document(&self, document: &Document, lease: &Lease) -> Result<(), RuntimeError> {
        let blob = BlobName { digest: document.digest.clone(), size: document.bytes.len() as u64 };
        let _lock = self.locks.hold(&blob.digest).await;
        match Writer::open(&self.daemon, lease, &blob).await? {
            Some(writer) => self.fill(writer, document).await,
            None => Ok(()),
        }
    }

    async fn fill(&self, mut writer: Writer, document: &Document) -> Result<(), RuntimeError> {
        if writer.offset > 0 {
            writer.restart().await?;
        }
        writer.write(document.bytes.clone()).await?;
        writer.commit(&self.daemon).await
    }

    async fn fetch(
        &self,
        tally: &Tally,
        session: &Session,
        blob: &Descriptor,
        lease: &Lease,
    ) -> Result<(), RuntimeError> {
        let blob = BlobName { digest: blob.digest().to_string(), size: blob.size() };
        // Another image may be bringing in the same layer.
        let _lock = self.locks.hold(&blob.digest).await;
        let (image, mut tries) = (&*tally.image, 0);
        while let Some(mut writer) = Writer::open(&self.daemon, lease, &blob).await? {
            let before = writer.offset;
            let failure = match transfer(session, &blob, &mut writer, tally).await? {
                Ok(()) => {
                    tally.has(&blob.digest, blob.size);
                    return writer.commit(&self.daemon).await.map_err(|error| damaged(image, &blob, error));
                }
                Err(failure) => failure,
            };
            tries = if writer.offset > before { 1 } else { tries + 1 };
            if tries >= TRIES || !matches!(failure, Failure::Unavailable(_)) {
                return Err(failure.into_error(image));
            }
            tracing::debug!(image, blob = blob.digest, offset = writer.offset, ?failure, "a transfer broke off");
            drop(writer);
            tokio::time::sleep(PAUSE).await;
        }
        tally.has(&blob.digest, blob.size);
        Ok(())
    }
}

/// The name of the lease under which an image is pulled.
pub(super) fn lease_name(image: &str) -> String {
    format!("inboard-pull-{}", &digest_of(image.as_bytes())["sha256:".len()..])
}

/// Moves what is missing of a blob from the registry into the store. The outer error is the daemon's.
async fn transfer(
    session: &Session,
    blob: &BlobName,
    writer: &mut Writer,
    tally: &Tally,
) -> Result<Result<(), Failure>, RuntimeError> {
    if writer.offset > blob.size {
        writer.restart().await?;
    }
    if writer.offset == blob.size {
        return Ok(Ok(()));
    }
    let answer = match session.get(&format!("blobs/{}", blob.digest), "*/*", writer.offset).await {
        Ok(answer) => answer,
        Err(failure) => return Ok(Err(failure)),
    };
    if writer.offset > 0 && content_range(answer.status(), answer.headers()) != Some(writer.offset) {
        // A server that knows no parts sends the whole.
        writer.restart().await?;
    }
    let (mut body, mut chunk) = (answer.into_body(), BytesMut::with_capacity(CHUNK_BYTES));
    loop {
        let next = body.next().await;
        if let Ok(Some(bytes)) = &next {
            chunk.extend_from_slice(bytes);
        }
        let has = writer.offset + chunk.len() as u64;
        if has > blob.size {
            return Ok(Err(Failure::Wrong(format!("blob {}: more than its {} bytes came", blob.digest, blob.size))));
        }
        let goes_on = matches!(next, Ok(Some(_)));
        if !chunk.is_empty() && (chunk.len() >= CHUNK_BYTES || !goes_on) {
            writer.write(chunk.split().freeze()).await?;
            tally.has(&blob.digest, writer.offset);
        }
        match next {
            Ok(Some(_)) => {}
            Ok(None) if has == blob.size => return Ok(Ok(())),
            Ok(None) => {
                let text = format!("blob {}: it ended after {has} of {} bytes", blob.digest, blob.size);
                return Ok(Err(Failure::Unavailable(text)));
            }
            Err(failure) => return Ok(Err(failure)),
        }
    }
}

/// Refuses what the daemon could not unpack, before anything large is fetched.
fn check(name: &str, document: &ImageManifest) -> Result<(), RuntimeError> {
    let unknown = document.layers().iter().find(|layer| !manifest::is_layer(layer.media_type().as_ref()));
    let Some(layer) = unknown else { return Ok(()) };
    let media_type = layer.media_type();
    Err(Failure::Wrong(format!("layer {}: media type {media_type} is none of a layer", layer.digest()))
        .into_error(name))
}

fn descriptor(document: &Document) -> Result<Descriptor, RuntimeError> {
    let made = manifest::descriptor(&document.media_type, &document.digest, document.bytes.len() as u64);
    made.map_err(|error| error::system("describe the manifest", error))
}

fn damaged(image: &str, blob: &BlobName, error: RuntimeError) -> RuntimeError {
    if error.kind() != RuntimeErrorKind::InvalidArgument {
        return error;
    }
    Failure::Wrong(format!("blob {} is damaged: {error}", blob.digest)).into_error(image)
}

/// Whether going on later makes sense.
fn is_break(error: &RuntimeError) -> bool {
    use RuntimeErrorKind::{DeadlineExceeded, RegistryUnavailable, Unavailable};
    matches!(error.kind(), DeadlineExceeded | RegistryUnavailable | Unavailable)
}
