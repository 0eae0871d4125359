//! The documents that an image consists of, and the names that its layers have as snapshots.

use containerd_client::types::Platform as ProtoPlatform;
use inboard::runtime::RuntimeError;
use oci_spec::image::{
    Arch, Descriptor, DescriptorBuilder, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os,
};
use sha2::{Digest, Sha256};

use crate::error;
use crate::spec::ImageDefaults;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What a registry is asked for.
pub(crate) const ACCEPTED: [&str; 4] = [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// Whether the daemon can unpack it: plain, or packed with gzip or zstd.
pub(crate) fn is_layer(media_type: &str) -> bool {
    let oci = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar"];
    let oci = oci.iter().filter_map(|plain| media_type.strip_prefix(plain));
    let docker =
        ["application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"];
    let docker = docker.iter().filter_map(|plain| media_type.strip_prefix(plain));
    oci.chain(docker).any(|packed| matches!(packed, "" | ".gzip" | ".zstd" | "+gzip" | "+zstd"))
}

pub(crate) fn is_index(media_type: &str) -> bool {
    media_type == INDEX || media_type == DOCKER_INDEX
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

pub(crate) fn descriptor(media_type: &str, digest: &str, size: u64) -> Result<Descriptor, String> {
    let digest: oci_spec::image::Digest = digest.parse().map_err(|error| format!("digest {digest}: {error}"))?;
    let builder = DescriptorBuilder::default().media_type(MediaType::from(media_type)).digest(digest).size(size);
    builder.build().map_err(|error| error.to_string())
}

pub(crate) fn parse_manifest(bytes: &[u8]) -> Result<ImageManifest, RuntimeError> {
    ImageManifest::from_reader(bytes).map_err(|error| error::system("read the image's manifest", error))
}

pub(crate) fn parse_config(bytes: &[u8]) -> Result<ImageConfiguration, RuntimeError> {
    ImageConfiguration::from_reader(bytes).map_err(|error| error::system("read the image's configuration", error))
}

/// The manifest of an index that fits this machine; a manifest that names no platform fits any.
pub(crate) fn pick_platform(bytes: &[u8]) -> Result<Descriptor, RuntimeError> {
    let index = ImageIndex::from_reader(bytes).map_err(|error| error::system("read the image's index", error))?;
    let here = architecture();
    let fits = |descriptor: &&Descriptor| {
        descriptor.platform().as_ref().is_none_or(|p| *p.os() == Os::Linux && *p.architecture() == here)
    };
    let found = index.manifests().iter().find(fits).cloned();
    found.ok_or_else(|| error::system("choose a manifest", format!("the image has none for linux/{here}")))
}

/// The platform of a manifest that was picked; one that says nothing is for this machine.
pub(crate) fn platform_of(chosen: Option<&Descriptor>) -> ProtoPlatform {
    match chosen.and_then(|chosen| chosen.platform().as_ref()) {
        Some(platform) => ProtoPlatform {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone().unwrap_or_default(),
            ..ProtoPlatform::default()
        },
        None => {
            let (os, architecture) = (Os::Linux.to_string(), architecture().to_string());
            ProtoPlatform { os, architecture, ..ProtoPlatform::default() }
        }
    }
}

fn architecture() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::ARM64,
        "arm" => Arch::ARM,
        other => Arch::Other(other.to_owned()),
    }
}

/// The name of the snapshot that all layers up to one make: as every OCI tool computes it.
pub(crate) fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(parent) => digest_of(format!("{parent} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

/// What the image says about its processes.
pub(crate) fn defaults(config: &ImageConfiguration) -> ImageDefaults {
    let Some(config) = config.config() else { return ImageDefaults::default() };
    ImageDefaults {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        working_dir: config.working_dir().clone().unwrap_or_default(),
        user: config.user().clone().unwrap_or_default(),
        stop_signal: config.stop_signal().clone().filter(|signal| !signal.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_is_named_by_all_below_it() {
        let ids = ["sha256:aa".to_owned(), "sha256:bb".to_owned()];
        assert_eq!(chain_ids(&ids), ["sha256:aa".to_owned(), digest_of(b"sha256:aa sha256:bb")]);
        assert_eq!(chain_ids(&[]), Vec::<String>::new());
    }
}
