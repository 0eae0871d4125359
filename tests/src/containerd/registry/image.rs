//! Images as registries hold them: layers packed in every way, a manifest of either kind, an index if wanted.

use std::io::Write;
use std::process::{Command, Stdio};

use inboard_runtime_containerd::archive::Layer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::containerd::host;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// An image whose parts can be changed before it is published.
#[derive(Clone, Debug)]
pub struct TestImage {
    config: Vec<u8>,
    layers: Vec<(Packing, Vec<u8>)>,
    docker: bool,
    index: bool,
}

/// A digest as registries write it.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

impl TestImage {
    /// A shell, and on top of it one layer for each way of packing with a file `/NUMBER` that holds the text.
    pub fn shell(text: &str, packings: &[Packing]) -> Self {
        let mut base = Layer::new();
        for dir in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
            base.dir(dir, 0o755).expect("a folder");
        }
        let busybox = std::fs::read(host::find("busybox").expect("busybox is installed")).expect("it can be read");
        base.file("bin/busybox", 0o755, &busybox).expect("a file");
        for applet in ["sh", "cat", "sleep"] {
            base.link(&format!("bin/{applet}"), "busybox").expect("a link");
        }
        let file = |number: usize| {
            let mut layer = Layer::new();
            layer.file(&number.to_string(), 0o644, text.as_bytes()).expect("a file");
            layer
        };
        let mut layers = vec![(Packing::Gzip, base)];
        layers.extend(packings.iter().enumerate().map(|(number, packing)| (*packing, file(number))));
        Self::of(layers)
    }

    /// A shell with a file `/large` of this many bytes that no packing makes smaller, in a layer of its own.
    pub fn large(bytes: usize) -> Self {
        let mut image = Self::shell("small", &[Packing::Plain]);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .take(bytes)
        .collect();
        let mut layer = Layer::new();
        layer.file("large", 0o644, &noise).expect("a file");
        let tar = layer.into_tar().expect("a tar file");
        let mut config: Value = serde_json::from_slice(&image.config).expect("a document");
        let ids = config["rootfs"]["diff_ids"].as_array_mut().expect("a list");
        ids.push(json!(digest_of(&tar)));
        image.config = config.to_string().into_bytes();
        image.layers.push((Packing::Plain, tar));
        image
    }

    fn of(layers: Vec<(Packing, Layer)>) -> Self {
        let tars: Vec<(Packing, Vec<u8>)> =
            layers.into_iter().map(|(packing, layer)| (packing, layer.into_tar().expect("a tar file"))).collect();
        let ids: Vec<String> = tars.iter().map(|(_, tar)| digest_of(tar)).collect();
        let config = json!({
            "architecture": ARCHITECTURE, "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": ids},
        });
        let layers = tars.into_iter().map(|(packing, tar)| (packing, packed(packing, tar))).collect();
        Self { config: config.to_string().into_bytes(), layers, docker: false, index: false }
    }

    /// The same image with Docker's media types.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// The same image below an index that has another platform's first.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        self.index = true;
        self
    }

    /// The digest of a layer, counted from below.
    pub fn layer(&self, number: usize) -> String {
        digest_of(&self.layers[number].1)
    }

    pub(super) fn blobs(&self) -> impl Iterator<Item = &[u8]> {
        self.layers.iter().map(|(_, bytes)| bytes.as_slice()).chain([self.config.as_slice()])
    }

    /// The manifest, and the index if there is one.
    pub(super) fn documents(&self) -> Vec<Vec<u8>> {
        let part = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": digest_of(bytes), "size": bytes.len()});
        let kinds = if self.docker { DOCKER } else { OCI };
        let layers = self.layers.iter().map(|(packing, bytes)| {
            let suffix = match (self.docker, packing) {
                (_, Packing::Plain) => "",
                (true, Packing::Gzip) => ".gzip",
                (true, Packing::Zstd) => ".zstd",
                (false, Packing::Gzip) => "+gzip",
                (false, Packing::Zstd) => "+zstd",
            };
            part(&format!("{}{suffix}", kinds[3]), bytes)
        });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kinds[1],
            "config": part(kinds[2], &self.config), "layers": layers.collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        if !self.index {
            return vec![manifest];
        }
        let on = |architecture: &str, bytes: &[u8]| {
            let mut part = part(kinds[1], bytes);
            part["platform"] = json!({"os": "linux", "architecture": architecture});
            part
        };
        let list = json!([on("s390x", b"another"), on(ARCHITECTURE, &manifest)]);
        let index = json!({"schemaVersion": 2, "mediaType": kinds[0], "manifests": list});
        vec![manifest, index.to_string().into_bytes()]
    }
}

const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
/// The media types of index, manifest, configuration and layer.
const OCI: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar",
];
const DOCKER: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar",
];

fn packed(packing: Packing, tar: Vec<u8>) -> Vec<u8> {
    let program: &[&str] = match packing {
        Packing::Plain => return tar,
        Packing::Gzip => &["gzip", "-nc1"],
        Packing::Zstd => &["zstd", "-qc1"],
    };
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the packer starts");
    let mut input = child.stdin.take().expect("an input");
    let writer = std::thread::spawn(move || input.write_all(&tar));
    let output = child.wait_with_output().expect("the packer ends");
    writer.join().expect("the writer ends").expect("the packer reads all");
    assert!(output.status.success());
    output.stdout
}
