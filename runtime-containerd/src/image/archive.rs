//! Image archives: a tar file in the OCI layout (`index.json`) or as `docker save` writes it (`manifest.json`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifestBuilder, MediaType};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::manifest::{self, CONFIG, LAYER, MANIFEST};
use crate::error;

/// Where the bytes of a blob are: the archive is read only once more, when they are sent.
#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    InArchive { offset: u64, size: u64 },
    Made(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

/// One image of an archive: its blobs, the manifest last, and the names it is to have.
#[derive(Debug)]
pub(crate) struct ArchivedImage {
    pub(crate) names: Vec<String>,
    pub(crate) manifest: Descriptor,
    pub(crate) blobs: Vec<Blob>,
}

#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    entries: BTreeMap<String, (u64, u64)>,
}

/// One entry of `manifest.json`, as `docker save` names its fields.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The annotations in which tools keep the name of an image, the more exact one first.
pub(super) const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

impl Archive {
    /// Reads the table of contents.
    pub(crate) fn open(path: &Path) -> Result<Self, RuntimeError> {
        let file = File::open(path).map_err(|e| bad(path, e))?;
        let mut archive = tar::Archive::new(file);
        let mut entries = BTreeMap::new();
        for entry in archive.entries_with_seek().map_err(|e| bad(path, e))? {
            let entry = entry.map_err(|e| bad(path, e))?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path().map_err(|e| bad(path, e))?.to_string_lossy().trim_start_matches("./").to_owned();
            entries.insert(name, (entry.raw_file_position(), entry.size()));
        }
        Ok(Self { path: path.to_path_buf(), entries })
    }

    /// The images in it, in the archive's order.
    pub(crate) fn images(&self) -> Result<Vec<ArchivedImage>, RuntimeError> {
        if self.entries.contains_key("index.json") {
            let index = ImageIndex::from_reader(self.read("index.json")?.as_slice()).map_err(|e| bad(&self.path, e))?;
            return index.manifests().iter().map(|descriptor| self.oci_image(descriptor)).collect();
        }
        let text = self.read("manifest.json")?;
        let entries: Vec<DockerEntry> = serde_json::from_slice(&text).map_err(|e| bad(&self.path, e))?;
        entries.into_iter().map(|entry| self.docker_image(entry)).collect()
    }

    fn oci_image(&self, descriptor: &Descriptor) -> Result<ArchivedImage, RuntimeError> {
        let annotations = descriptor.annotations().clone().unwrap_or_default();
        let name = NAME_ANNOTATIONS.iter().find_map(|key| annotations.get(*key)).cloned();
        let chosen = match manifest::is_index(descriptor.media_type().as_ref()) {
            true => manifest::pick_platform(&self.blob_bytes(descriptor)?)?,
            false => descriptor.clone(),
        };
        let document = manifest::parse_manifest(&self.blob_bytes(&chosen)?)?;
        let mut blobs = document.layers().iter().map(|layer| self.blob(layer)).collect::<Result<Vec<_>, _>>()?;
        blobs.push(self.blob(document.config())?);
        blobs.push(self.blob(&chosen)?);
        Ok(ArchivedImage { names: name.into_iter().collect(), manifest: chosen, blobs })
    }

    fn docker_image(&self, entry: DockerEntry) -> Result<ArchivedImage, RuntimeError> {
        let mut blobs = Vec::new();
        let mut layers = Vec::new();
        for layer in &entry.layers {
            let (blob, descriptor) = self.hashed(layer, LAYER)?;
            blobs.push(blob);
            layers.push(descriptor);
        }
        let (blob, config) = self.hashed(&entry.config, CONFIG)?;
        blobs.push(blob);
        let document = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(config)
            .layers(layers)
            .build()
            .and_then(|manifest| manifest.to_string())
            .map_err(|e| bad(&self.path, e))?
            .into_bytes();
        let digest = manifest::digest_of(&document);
        let manifest =
            manifest::descriptor(MANIFEST, &digest, document.len() as u64).map_err(|e| bad(&self.path, e))?;
        blobs.push(Blob { digest, bytes: Bytes::Made(document) });
        Ok(ArchivedImage { names: entry.repo_tags.unwrap_or_default(), manifest, blobs })
    }

    fn hashed(&self, name: &str, media_type: &str) -> Result<(Blob, Descriptor), RuntimeError> {
        let (offset, size) = self.place(name)?;
        let mut hash = Sha256::new();
        let mut file = self.at(offset)?.take(size);
        std::io::copy(&mut file, &mut hash).map_err(|e| bad(&self.path, e))?;
        let digest = format!("sha256:{:x}", hash.finalize());
        let descriptor = manifest::descriptor(media_type, &digest, size).map_err(|e| bad(&self.path, e))?;
        Ok((Blob { digest, bytes: Bytes::InArchive { offset, size } }, descriptor))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, RuntimeError> {
        let digest = descriptor.digest().to_string();
        let (offset, size) = self.place(&blob_path(&digest))?;
        Ok(Blob { digest, bytes: Bytes::InArchive { offset, size } })
    }

    fn blob_bytes(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RuntimeError> {
        self.read(&blob_path(descriptor.digest().as_ref()))
    }

    fn place(&self, name: &str) -> Result<(u64, u64), RuntimeError> {
        self.entries.get(name).copied().ok_or_else(|| bad(&self.path, format!("it has no {name}")))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, RuntimeError> {
        /// Documents are small; what claims to be a larger one is not read into memory.
        const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
        let (offset, size) = self.place(name)?;
        if size > DOCUMENT_BYTES_MAX {
            return Err(bad(&self.path, format!("{name} has {size} bytes")));
        }
        let mut bytes = Vec::new();
        self.at(offset)?.take(size).read_to_end(&mut bytes).map_err(|e| bad(&self.path, e))?;
        Ok(bytes)
    }

    /// The archive's bytes from an offset on.
    pub(crate) fn at(&self, offset: u64) -> Result<File, RuntimeError> {
        let mut file = File::open(&self.path).map_err(|e| bad(&self.path, e))?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| error::io("read", &self.path, &e))?;
        Ok(file)
    }
}

pub(super) fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn bad(path: &Path, error: impl std::fmt::Display) -> RuntimeError {
    let message = format!("image archive {}: {error}", path.display());
    RuntimeError::new(RuntimeErrorKind::InvalidArgument, message)
}
