//! Small images made from files of this machine, where there is no registry: an appliance that carries its own
//! programs, an example, a test. Archives are written as tools write them: in the OCI layout, or as `docker save` does.
//!
//! ```no_run
//! # async fn demo(runtime: inboard_runtime_containerd::ContainerdRuntime) -> Result<(), Box<dyn std::error::Error>> {
//! use inboard_runtime_containerd::archive::{Layer, write_oci};
//!
//! let mut layer = Layer::new();
//! layer.dir("bin", 0o755)?;
//! layer.copy("/bin/busybox")?;
//! let path = std::path::Path::new("/tmp/tool.tar");
//! write_oci(path, "example.com/tool:1", &serde_json::json!({"Cmd": ["/bin/busybox", "date"]}), layer)?;
//! runtime.import_image(path).await?;
//! # Ok(()) }
//! ```

use std::path::Path;
use std::{fmt, io};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The one layer of an image, as a tar file in memory. Everything in it belongs to root.
pub struct Layer {
    tar: tar::Builder<Vec<u8>>,
}

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("bytes", &self.tar.get_ref().len()).finish()
    }
}

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    /// Adds a directory; its parents must have been added before. Paths have no `/` in front.
    ///
    /// # Errors
    /// When the path cannot stand in a tar file.
    pub fn dir(&mut self, path: &str, mode: u32) -> io::Result<()> {
        let mut header = header(tar::EntryType::Directory, 0, mode);
        self.tar.append_data(&mut header, path, io::empty())
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`Layer::dir`].
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = header(tar::EntryType::Regular, content.len() as u64, mode);
        self.tar.append_data(&mut header, path, content)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Layer::dir`].
    pub fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let mut header = header(tar::EntryType::Symlink, 0, 0o777);
        self.tar.append_link(&mut header, path, target)
    }

    /// Adds a program of this machine under the same path, whatever links lead to it there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn copy(&mut self, path: &str) -> io::Result<()> {
        self.file(path.trim_start_matches('/'), 0o755, &std::fs::read(path)?)
    }

    /// The tar file.
    ///
    /// # Errors
    /// When its end cannot be written, which memory never refuses.
    pub fn into_tar(self) -> io::Result<Vec<u8>> {
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

/// Writes an image as an archive in the OCI image layout, under this name. `config` is the image's own configuration:
/// `Cmd`, `Entrypoint`, `Env`, `User`, `WorkingDir`, `StopSignal`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_oci(path: &Path, name: &str, config: &Value, layer: Layer) -> io::Result<()> {
    let layer = layer.into_tar()?;
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
    std::fs::write(path, archive.into_tar()?)
}

/// Writes an image as an archive as `docker save` does, under these names; see [`write_oci`].
///
/// # Errors
/// When the file cannot be written.
pub fn write_docker(path: &Path, names: &[&str], config: &Value, layer: Layer) -> io::Result<()> {
    let layer = layer.into_tar()?;
    let config = configuration(config, &layer);
    let config_name = format!("{}.json", digest(&config));
    let layer_name = format!("{}/layer.tar", digest(&layer));
    let manifest = json!([{"Config": config_name, "RepoTags": names, "Layers": [layer_name]}]);
    let mut archive = Layer::new();
    archive.file(&config_name, 0o644, &config)?;
    archive.file(&layer_name, 0o644, &layer)?;
    archive.file("manifest.json", 0o644, manifest.to_string().as_bytes())?;
    std::fs::write(path, archive.into_tar()?)
}
