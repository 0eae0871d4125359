//! Volumes made of files: `configMap`, `secret`, `downwardAPI` and `projected`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::{PodPlan, View, no_token};
use crate::authority::{BoundTo, TokenRequest};
use crate::node::{env, fields};
use crate::runtime::FileEntry;

type Files = BTreeMap<String, FileEntry>;

/// `defaultMode` when the spec does not say.
const DEFAULT_MODE: u32 = 0o644;
/// `expirationSeconds` of a token when the spec does not say: an hour.
const TOKEN_SECS: i64 = 3600;

/// The files of a volume; `None` when it is not made of files.
pub(super) fn of_volume(view: &View<'_>, plan: &mut PodPlan, volume: &Volume) -> Result<Option<Files>, String> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        let optional = source.optional == Some(true);
        config_map(view, &source.name, &source.items, mode(source.default_mode), optional, &mut files)?;
    } else if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        secret(view, name, &source.items, mode(source.default_mode), source.optional == Some(true), &mut files)?;
    } else if let Some(source) = &volume.downward_api {
        downward(view, &source.items, mode(source.default_mode), &mut files)?;
    } else if let Some(source) = &volume.projected {
        for part in source.sources.iter().flatten() {
            projection(view, plan, volume, part, mode(source.default_mode), &mut files)?;
        }
    } else {
        return Ok(None);
    }
    Ok(Some(files))
}

fn mode(mode: Option<i32>) -> u32 {
    mode.and_then(|mode| u32::try_from(mode).ok()).unwrap_or(DEFAULT_MODE)
}

fn projection(
    view: &View<'_>,
    plan: &mut PodPlan,
    volume: &Volume,
    part: &VolumeProjection,
    mode: u32,
    files: &mut Files,
) -> Result<(), String> {
    if let Some(source) = &part.config_map {
        config_map(view, &source.name, &source.items, mode, source.optional == Some(true), files)
    } else if let Some(source) = &part.secret {
        secret(view, &source.name, &source.items, mode, source.optional == Some(true), files)
    } else if let Some(source) = &part.downward_api {
        downward(view, &source.items, mode, files)
    } else if let Some(source) = &part.service_account_token {
        match token(view, source)? {
            Some(token) => add(files, &source.path, Bytes::from(token), mode),
            None => no_token(plan, volume),
        }
        Ok(())
    } else if part.cluster_trust_bundle.is_some() {
        Err("projected source \"clusterTrustBundle\" is not supported by this node".to_owned())
    } else if part.pod_certificate.is_some() {
        Err("projected source \"podCertificate\" is not supported by this node".to_owned())
    } else {
        Ok(())
    }
}

fn config_map(
    view: &View<'_>,
    name: &str,
    items: &Option<Vec<KeyToPath>>,
    mode: u32,
    optional: bool,
    files: &mut Files,
) -> Result<(), String> {
    let Some(found) = env::config_map(view, name) else {
        return if optional { Ok(()) } else { Err(format!("configmap {name:?} not found")) };
    };
    let text = found.data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_bytes()));
    let binary = found.binary_data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    select(text.chain(binary).collect(), items, mode, optional, "configmap", files)
}

fn secret(
    view: &View<'_>,
    name: &str,
    items: &Option<Vec<KeyToPath>>,
    mode: u32,
    optional: bool,
    files: &mut Files,
) -> Result<(), String> {
    let Some(found) = env::secret(view, name) else {
        return if optional { Ok(()) } else { Err(format!("secret {name:?} not found")) };
    };
    let data = found.data.iter().flatten().map(|(key, value)| (key.as_str(), value.0.as_slice()));
    select(data.collect(), items, mode, optional, "secret", files)
}

/// All keys as files of their name, or the listed ones at their paths.
fn select(
    data: BTreeMap<&str, &[u8]>,
    items: &Option<Vec<KeyToPath>>,
    default_mode: u32,
    optional: bool,
    kind: &str,
    files: &mut Files,
) -> Result<(), String> {
    let items = items.as_deref().unwrap_or_default();
    if items.is_empty() {
        for (key, content) in data {
            add(files, key, Bytes::copy_from_slice(content), default_mode);
        }
        return Ok(());
    }
    for item in items {
        match data.get(item.key.as_str()) {
            Some(content) => {
                let mode = item.mode.map_or(default_mode, |own| mode(Some(own)));
                add(files, &item.path, Bytes::copy_from_slice(content), mode);
            }
            None if optional => {}
            None => return Err(format!("references non-existent {kind} key: {}", item.key)),
        }
    }
    Ok(())
}

fn downward(
    view: &View<'_>,
    items: &Option<Vec<DownwardAPIVolumeFile>>,
    default_mode: u32,
    files: &mut Files,
) -> Result<(), String> {
    for item in items.iter().flatten() {
        let content = if let Some(selector) = &item.field_ref {
            fields::field(view, selector)?
        } else if let Some(selector) = &item.resource_field_ref {
            fields::resource(view, selector, None)?
        } else {
            continue;
        };
        add(files, &item.path, Bytes::from(content), item.mode.map_or(default_mode, |own| mode(Some(own))));
    }
    Ok(())
}

/// The token; `None` when nobody makes tokens.
fn token(view: &View<'_>, wanted: &ServiceAccountTokenProjection) -> Result<Option<String>, String> {
    let (Some(authority), Some(pod)) = (view.snapshot.authority(), view.pod()) else { return Ok(None) };
    let pod_identity = &view.work.identity;
    let seconds = wanted.expiration_seconds.unwrap_or(TOKEN_SECS);
    let request = TokenRequest {
        namespace: &pod_identity.namespace,
        service_account: fields::service_account(pod),
        bound_to: BoundTo::Pod { name: &pod_identity.name, uid: pod_identity.uid },
        audience: wanted.audience.as_deref().unwrap_or_default(),
        expires_in: Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        now: view.now,
    };
    authority.token(&request).map(Some).map_err(|wrong| format!("failed to fetch token: {wrong}"))
}

fn add(files: &mut Files, path: &str, content: Bytes, mode: u32) {
    files.insert(path.to_owned(), FileEntry { content, mode });
}
