//! Image archives, written as tools write them: one in the OCI layout, one as `docker save` has it.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The one layer of an image, as a tar file in memory.
pub(super) struct Layer {
    tar: tar::Builder<Vec<u8>>,
}

impl Layer {
    pub(super) fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    pub(super) fn dir(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, 0, mode);
        self.tar.append_data(&mut header, path, io::empty())
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = header(tar::EntryType::Regular, content.len() as u64, mode);
        self.tar.append_data(&mut header, path, content)
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let mut header = header(tar::EntryType::Symlink, 0, 0o777);
        self.tar.append_link(&mut header, path, target)
    }

    /// A file of the machine under the same path, whatever links lead to it there.
    pub(super) fn copy(&mut self, path: &str) -> io::Result<()> {
        self.file(path.trim_start_matches('/'), 0o755, &std::fs::read(path)?)
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        self.tar.into_inner()
    }
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn configuration(config: &Value, layer: &[u8]) -> Vec<u8> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let document = json!({
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(layer))]},
    });
    document.to_string().into_bytes()
}

/// Writes an archive in the OCI image layout.
pub(super) fn write_oci(path: &Path, name: &str, config: &Value, layer: Layer) -> io::Result<()> {
    let layer = layer.finish()?;
    let config = configuration(config, &layer);
    let describe = |kind: &str, bytes: &[u8]| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": describe("config.v1+json", &config),
        "layers": [describe("layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut described = describe("manifest.v1+json", &manifest);
    described["annotations"] = json!({"io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [described]}).to_string().into_bytes();
    let mut archive = Layer::new();
    archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.file("index.json", 0o644, &index)?;
    for blob in [&manifest, &config, &layer] {
        archive.file(&format!("blobs/sha256/{}", digest(blob)), 0o644, blob)?;
    }
    std::fs::write(path, archive.finish()?)
}

/// Writes an archive as `docker save` does.
pub(super) fn write_docker(path: &Path, names: &[&str], config: &Value, layer: Layer) -> io::Result<()> {
    let layer = layer.finish()?;
    let config = configuration(config, &layer);
    let config_name = format!("{}.json", digest(&config));
    let layer_name = format!("{}/layer.tar", digest(&layer));
    let manifest = json!([{"Config": config_name, "RepoTags": names, "Layers": [layer_name]}]);
    let mut archive = Layer::new();
    archive.file(&config_name, 0o644, &config)?;
    archive.file(&layer_name, 0o644, &layer)?;
    archive.file("manifest.json", 0o644, manifest.to_string().as_bytes())?;
    std::fs::write(path, archive.finish()?)
}
