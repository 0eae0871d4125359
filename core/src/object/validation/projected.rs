//! Projected volumes: several sources in one folder, none over another.

use k8s_openapi::api::core::v1::{
    ClusterTrustBundleProjection, KeyToPath, ProjectedVolumeSource, ServiceAccountTokenProjection, VolumeProjection,
};

use super::super::field::{FieldErrors, Path};
use super::certificate_request::signer_name;
use super::fields::{Names, file_mode, list, unreserved_path};
use super::{names, selector, volume};

/// The shortest life of a token, in seconds: below, the node agent would renew it all the time.
const TOKEN_SECONDS_MIN: i64 = 10 * 60;
/// The longest life of a token, in seconds.
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// Checks a projected volume.
pub(super) fn projected(volume: &ProjectedVolumeSource, path: &Path<'_>, errors: &mut FieldErrors) {
    file_mode(volume.default_mode, &path.field("defaultMode"), errors);
    let mut files = Names::default();
    let sources = path.field("sources");
    for (index, source) in list(&volume.sources).iter().enumerate() {
        let entry = sources.index(index);
        let kinds = one_source(source, &mut files, path, &entry, errors);
        if kinds > 1 {
            errors.forbidden(&entry, "may not specify more than 1 volume type per source");
        }
    }
}

/// Checks one source and says how many kinds it has. Conflicts stand at the volume, as upstream has them.
fn one_source<'a>(
    source: &'a VolumeProjection,
    files: &mut Names<'a>,
    path: &Path<'_>,
    entry: &Path<'_>,
    errors: &mut FieldErrors,
) -> usize {
    let mut kinds = 0;
    if let Some(secret) = &source.secret {
        kinds += 1;
        named(&secret.name, list(&secret.items), files, path, &entry.field("secret"), errors);
    }
    if let Some(config_map) = &source.config_map {
        kinds += 1;
        named(&config_map.name, list(&config_map.items), files, path, &entry.field("configMap"), errors);
    }
    if let Some(downward) = &source.downward_api {
        kinds += 1;
        for file in list(&downward.items) {
            volume::downward_file(file, &entry.field("downwardAPI"), errors);
            if !file.path.is_empty() && !files.insert(&file.path) {
                errors.invalid(path, file.path.as_str(), "conflicting duplicate paths");
            }
        }
    }
    if let Some(token) = &source.service_account_token {
        kinds += 1;
        token_file(token, path, &entry.field("serviceAccountToken"), errors);
    }
    if let Some(bundle) = &source.cluster_trust_bundle {
        kinds += 1;
        trust_bundle(bundle, &entry.field("clusterTrustBundle"), errors);
        if !files.insert(&bundle.path) {
            errors.invalid(path, bundle.path.as_str(), "conflicting duplicate paths");
        }
    }
    kinds
}

fn named<'a>(
    name: &str,
    items: &'a [KeyToPath],
    files: &mut Names<'a>,
    volume_path: &Path<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if name.is_empty() {
        errors.required(&path.field("name"), "");
    }
    let list = path.field("items");
    for (index, item) in items.iter().enumerate() {
        volume::key_to_path(item, &list.index(index), errors);
        if !item.path.is_empty() && !files.insert(&item.path) {
            errors.invalid(volume_path, name, "conflicting duplicate paths");
        }
    }
}

fn token_file(
    token: &ServiceAccountTokenProjection,
    volume_path: &Path<'_>,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let seconds = token.expiration_seconds.unwrap_or_default();
    if seconds < TOKEN_SECONDS_MIN {
        let detail = "may not specify a duration less than 10 minutes";
        errors.invalid(&path.field("expirationSeconds"), seconds, detail);
    }
    if seconds > TOKEN_SECONDS_MAX {
        let detail = "may not specify a duration larger than 2^32 seconds";
        errors.invalid(&path.field("expirationSeconds"), seconds, detail);
    }
    let file = volume_path.field("path");
    if token.path.is_empty() {
        errors.required(&file, "");
    } else {
        unreserved_path(&token.path, &file, errors);
    }
}

fn trust_bundle(bundle: &ClusterTrustBundleProjection, path: &Path<'_>, errors: &mut FieldErrors) {
    match (bundle.name.as_deref(), bundle.signer_name.as_deref()) {
        (Some(_), Some(_)) => {
            let shown = serde_json::to_value(bundle).unwrap_or_default();
            errors.invalid(path, shown, "only one of name and signerName may be used");
        }
        (Some(name), None) => {
            if name.is_empty() {
                errors.required(&path.field("name"), "must be a valid object name");
            }
            // One of a signer has its name in front, so that only the rest can be wrong.
            for problem in names::dns1123_subdomain(name.rsplit(':').next().unwrap_or(name)) {
                let detail = format!("not a valid clustertrustbundlename: {problem}");
                errors.invalid(&path.field("name"), name, detail);
            }
            if let Some(labels) = &bundle.label_selector {
                let shown = serde_json::to_value(labels).unwrap_or_default();
                let detail = "labelSelector must be unset if name is specified";
                errors.invalid(&path.field("labelSelector"), shown, detail);
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                errors.required(&path.field("signerName"), "must be a valid signer name");
            }
            signer_name(signer, &path.field("signerName"), errors);
            if let Some(labels) = &bundle.label_selector {
                selector::label_selector(labels, selector::Values::Checked, &path.field("labelSelector"), errors);
            }
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    if bundle.path.is_empty() {
        errors.required(&path.field("path"), "");
    }
    unreserved_path(&bundle.path, &path.field("path"), errors);
}
