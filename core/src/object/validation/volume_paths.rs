//! Files of one volume that would lie over each other: the same path twice, or a file where another needs a folder.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};

use super::super::field::GoQuoted;
use super::fields::{list, text};
use super::warnings::Warnings;

/// Warns of paths that overlap in ConfigMap, Secret, downward API and projected volumes.
pub(super) fn overlapping(volumes: &[Volume], warnings: &mut Warnings) {
    for volume in volumes {
        let name = GoQuoted(&volume.name);
        if let Some(source) = &volume.config_map {
            let what = format!("volume {name} (ConfigMap {}): overlapping paths", GoQuoted(&source.name));
            check(&keys(&source.items), &what, warnings);
        }
        if let Some(source) = &volume.secret {
            let secret = GoQuoted(text(&source.secret_name));
            check(&keys(&source.items), &format!("volume {name} (Secret {secret}): overlapping paths"), warnings);
        }
        if let Some(source) = &volume.downward_api {
            check(&files(&source.items), &format!("volume {name} (DownwardAPI): overlapping paths"), warnings);
        }
        if let Some(source) = &volume.projected {
            projected(&volume.name, list(&source.sources), warnings);
        }
    }
}

fn projected(volume: &str, sources: &[VolumeProjection], warnings: &mut Warnings) {
    let volume = GoQuoted(volume);
    let mut all: BTreeSet<&str> = BTreeSet::new();
    for source in sources {
        if *source == VolumeProjection::default() {
            warnings.0.push(format!("volume {volume} (Projected) has no sources provided"));
            continue;
        }
        let Some((paths, kind)) = paths_of(source) else { continue };
        if paths.is_empty() {
            continue;
        }
        let what = format!("volume {volume} (Projected {kind}): overlapping paths");
        check(&paths, &what, warnings);
        let unique: BTreeSet<&str> = paths.into_iter().collect();
        let mut sorted: Vec<&str> = unique.iter().chain(&all).copied().collect();
        sorted.sort_unstable();
        check(&sorted, &what, warnings);
        all.extend(unique);
    }
}

fn paths_of(source: &VolumeProjection) -> Option<(Vec<&str>, String)> {
    if let Some(config_map) = source.config_map.as_ref().filter(|source| source.items.is_some()) {
        Some((keys(&config_map.items), format!("ConfigMap {}", GoQuoted(&config_map.name))))
    } else if let Some(secret) = source.secret.as_ref().filter(|source| source.items.is_some()) {
        Some((keys(&secret.items), format!("Secret {}", GoQuoted(&secret.name))))
    } else if let Some(downward) = source.downward_api.as_ref().filter(|source| source.items.is_some()) {
        Some((files(&downward.items), "DownwardAPI".to_owned()))
    } else if let Some(token) = &source.service_account_token {
        Some((vec![token.path.as_str()], "ServiceAccountToken".to_owned()))
    } else {
        let bundle = source.cluster_trust_bundle.as_ref()?;
        let name = bundle.name.as_deref().or(bundle.signer_name.as_deref()).unwrap_or_default();
        Some((vec![bundle.path.as_str()], format!("ClusterTrustBundle {}", GoQuoted(name))))
    }
}

fn keys(items: &Option<Vec<KeyToPath>>) -> Vec<&str> {
    list(items).iter().map(|item| item.path.as_str()).collect()
}

fn files(items: &Option<Vec<DownwardAPIVolumeFile>>) -> Vec<&str> {
    list(items).iter().map(|item| item.path.as_str()).collect()
}

fn check(paths: &[&str], what: &str, warnings: &mut Warnings) {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let path = path.trim_end_matches('/');
        if let Some(other) = overlap(&known, path) {
            warnings.0.push(format!("{what}: {} with {}", GoQuoted(path), GoQuoted(other)));
        }
        known.insert(path);
    }
}

/// A known path that is the same, or whose text one begins the other's.
fn overlap<'a>(known: &BTreeSet<&'a str>, path: &str) -> Option<&'a str> {
    if path.is_empty() || known.contains("") {
        return None;
    }
    known.iter().copied().find(|other| format!("{other}/").starts_with(path) || format!("{path}/").starts_with(*other))
}
