//! ClusterTrustBundles: certificates of authorities, each once, under a name that tells whose signer they are for.
//!
//! Source: `pkg/apis/certificates/validation`.

use std::collections::BTreeMap;

use k8s_openapi::api::certificates::v1::ClusterTrustBundle;

use super::certificate_request::signer_name;
use super::checks;
use super::fields::text;
use super::meta::{self, Scope};
use super::names::{Problems, name_is_dns_subdomain};
use super::shared::{METADATA, SPEC, meta_update};
use crate::object::field::{FieldErrors, Path};
use crate::object::{pem, subject};

const BUNDLE_BYTES_MAX: usize = 1024 * 1024;

/// What is wrong with a new ClusterTrustBundle.
pub fn trust_bundle(bundle: &ClusterTrustBundle) -> FieldErrors {
    let mut errors = named(bundle);
    certificates(&bundle.spec.trust_bundle, &SPEC.field("trustBundle"), &mut errors);
    errors
}

/// What is wrong with a changed ClusterTrustBundle. Certificates that stay are not read again.
pub fn trust_bundle_update(new: &ClusterTrustBundle, old: &ClusterTrustBundle) -> FieldErrors {
    let mut errors = if new.spec.trust_bundle == old.spec.trust_bundle { named(new) } else { trust_bundle(new) };
    errors.append(meta_update(&new.metadata, &old.metadata));
    let signers = [new, old].map(|bundle| text(&bundle.spec.signer_name).to_owned());
    checks::immutable(&signers[0], &signers[1], &SPEC.field("signerName"), &mut errors);
    errors
}

fn named(bundle: &ClusterTrustBundle) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let signer = text(&bundle.spec.signer_name);
    let rule = |name: &str, generated| name_for(signer, name, generated);
    meta::create(&bundle.metadata, Scope::Cluster, rule, &METADATA, &mut errors);
    if !signer.is_empty() {
        signer_name(signer, &SPEC.field("signerName"), &mut errors);
    }
    errors
}

/// A bundle of a signer has the signer's name before its own.
fn name_for(signer: &str, name: &str, generated: bool) -> Problems {
    if signer.is_empty() {
        if name.contains(':') {
            return vec!["ClusterTrustBundle without signer name must not have \":\" in its name".to_owned()];
        }
        return name_is_dns_subdomain(name, generated);
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(own) => name_is_dns_subdomain(own, generated),
        None => vec![format!("ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}")],
    }
}

fn certificates(bundle: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if bundle.len() > BUNDLE_BYTES_MAX {
        return errors.too_long(path, BUNDLE_BYTES_MAX);
    }
    let before = errors.len();
    let mut wrong = |detail: String| errors.invalid(path, "<value omitted>", detail);
    let mut places: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (index, block) in pem::blocks(bundle).enumerate() {
        if block.kind != "CERTIFICATE" {
            wrong(format!("entry {index} has bad block type: {}", block.kind));
        } else if block.has_headers {
            wrong(format!("entry {index} has PEM block headers"));
        } else {
            match subject::is_authority(&block.bytes) {
                None => wrong(format!("entry {index} does not parse as X.509")),
                Some(false) => wrong(format!("entry {index} does not have the CA bit set")),
                Some(true) => places.entry(block.bytes).or_default().push(index),
            }
        }
    }
    if errors.len() > before {
        return;
    }
    if places.is_empty() {
        errors.invalid(path, "<value omitted>", "at least one trust anchor must be provided");
    }
    for places in places.values().filter(|places| places.len() > 1) {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        let detail = format!("duplicate trust anchor (indices [{}])", places.join(" "));
        errors.invalid(path, "<value omitted>", detail);
    }
}
