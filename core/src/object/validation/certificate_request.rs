//! CertificateSigningRequests: what they ask for is known, and who decides says so once and for all.
//!
//! The request itself is only unwrapped here: what is inside is read by whoever signs it.
//!
//! Source: `pkg/apis/certificates/validation`.

use std::collections::BTreeSet;

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};

use super::checks::json;
use super::fields::{list, one_of};
use super::names::{self, Problems};
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, GoQuoted, Path};
use crate::object::pem;
use crate::object::subject::{is_authority, unwrapped};

/// What a key may be used for, in order.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const LIFE_SECONDS_MIN: i32 = 600;
/// A domain, a slash, and a name that may hold those of a namespace and of an object in it.
const SIGNER_BYTES_MAX: usize = 2 * names::SUBDOMAIN_BYTES_MAX + names::LABEL_BYTES_MAX + 2;
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const DECISIONS: [&str; 3] = ["Approved", "Denied", "Failed"];

/// Which part of a request a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is no status.
    Request,
    /// What the signer says.
    Status,
    /// Whether it is approved.
    Approval,
}

/// What is wrong with a new CertificateSigningRequest.
pub fn certificate_request(request: &CertificateSigningRequest) -> FieldErrors {
    always(request, None)
}

/// What is wrong with a CertificateSigningRequest of which a part was changed.
pub fn update(new: &CertificateSigningRequest, old: &CertificateSigningRequest, part: Part) -> FieldErrors {
    let mut errors = always(new, Some(old));
    let path = STATUS.field("conditions");
    for kind in DECISIONS.into_iter().filter(|kind| of_type(new, kind).len() < of_type(old, kind).len()) {
        let detail = format!("updates may not remove a condition of type {}", GoQuoted(kind));
        errors.forbidden(&path, detail);
    }
    if part != Part::Approval {
        for kind in ["Approved", "Denied"] {
            let (after, before) = (of_type(new, kind), of_type(old, kind));
            let how = if after.len() > before.len() { "add" } else { "modify" };
            if after.len() > before.len() || (after.len() == before.len() && after != before) {
                let detail = format!("updates may not {how} a condition of type {}", GoQuoted(kind));
                errors.forbidden(&path, detail);
            }
        }
    }
    let path = STATUS.field("certificate");
    let (after, before) = (certificate(new), certificate(old));
    if after != before && part != Part::Status {
        errors.forbidden(&path, "updates may not set certificate content");
    } else if after != before && !before.is_empty() {
        errors.forbidden(&path, "updates may not modify existing certificate content");
    }
    errors.append(meta_update(&new.metadata, &old.metadata));
    errors
}

fn certificate(request: &CertificateSigningRequest) -> &[u8] {
    let status = request.status.as_ref();
    status.and_then(|status| status.certificate.as_ref()).map(|bytes| bytes.0.as_slice()).unwrap_or_default()
}

fn conditions(request: &CertificateSigningRequest) -> &[CertificateSigningRequestCondition] {
    request.status.as_ref().map(|status| list(&status.conditions)).unwrap_or_default()
}

fn of_type<'r>(request: &'r CertificateSigningRequest, kind: &str) -> Vec<&'r CertificateSigningRequestCondition> {
    conditions(request).iter().filter(|condition| condition.type_ == kind).collect()
}

/// The rules for every request; what breaks one in `old` may go on breaking it.
fn always(request: &CertificateSigningRequest, old: Option<&CertificateSigningRequest>) -> FieldErrors {
    // Any name will do.
    let mut errors = shared::cluster_wide(&request.metadata, |_, _| Problems::new());
    let spec = &request.spec;
    if unwrapped(&spec.request.0, "CERTIFICATE REQUEST").is_none() {
        let shown = json(&spec.request);
        errors.invalid(&SPEC.field("request"), shown, "PEM block type must be CERTIFICATE REQUEST");
    }
    usages(list(&spec.usages), old.map(|old| list(&old.spec.usages)).unwrap_or_default(), &mut errors);
    let (signer, path) = (spec.signer_name.as_str(), SPEC.field("signerName"));
    if signer == LEGACY_SIGNER && old.is_none_or(|old| old.spec.signer_name != LEGACY_SIGNER) {
        errors.invalid(&path, signer, "the legacy signerName is not allowed via this API version");
    } else {
        signer_name(signer, &path, &mut errors);
    }
    if let Some(seconds) = spec.expiration_seconds.filter(|seconds| *seconds < LIFE_SECONDS_MIN) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&SPEC.field("expirationSeconds"), seconds, detail);
    }
    decided(conditions(request), old.map(conditions).unwrap_or_default(), &mut errors);
    // What was stored may stay, and so may what replaces something that was wrong already.
    let may_be_anything =
        old.is_some_and(|old| certificate(old) == certificate(request) || certificate_problem(old).is_some());
    if let Some(problem) = certificate_problem(request).filter(|_| !may_be_anything) {
        errors.invalid(&STATUS.field("certificate"), "<certificate data>", problem);
    }
    errors
}

/// What is wrong with what was signed: certificates it is, one or more, and nothing beside them.
fn certificate_problem(request: &CertificateSigningRequest) -> Option<String> {
    let given = certificate(request);
    if given.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(given);
    let mut blocks = pem::blocks(&text).peekable();
    if blocks.peek().is_none() {
        return Some("must contain at least one CERTIFICATE PEM block".to_owned());
    }
    blocks.find_map(|block| {
        if block.kind != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {}", GoQuoted(block.kind)));
        }
        if block.has_headers {
            return Some("no PEM block headers are permitted".to_owned());
        }
        is_authority(&block.bytes).is_none().then(|| "x509: malformed certificate".to_owned())
    })
}

fn usages(usages: &[String], old: &[String], errors: &mut FieldErrors) {
    let path = SPEC.field("usages");
    if usages.is_empty() {
        errors.required(&path, "");
    }
    let known = |usage: &String| USAGES.contains(&usage.as_str());
    if old.iter().all(known) {
        for (index, usage) in usages.iter().enumerate() {
            one_of(usage, &USAGES, &path.index(index), errors);
        }
    }
    if !shared::repeated(old.iter()).contains(&true) {
        let repeated = shared::repeated(usages.iter());
        for (index, usage) in usages.iter().enumerate().filter(|(index, _)| repeated[*index]) {
            errors.duplicate(&path.index(index), usage.as_str());
        }
    }
}

fn decided(
    conditions: &[CertificateSigningRequestCondition],
    old: &[CertificateSigningRequestCondition],
    errors: &mut FieldErrors,
) {
    let all = STATUS.field("conditions");
    let had: BTreeSet<&str> = old.iter().map(|condition| condition.type_.as_str()).collect();
    let had_both = had.contains("Approved") && had.contains("Denied");
    let had_twice = had.len() < old.len();
    let mut earlier = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = all.index(index);
        let kind = condition.type_.as_str();
        if kind.is_empty() && !had.contains("") {
            errors.required(&path.field("type"), "");
        }
        let statuses: &[&str] = if DECISIONS.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        if condition.status.is_empty() {
            errors.required(&path.field("status"), "");
        } else {
            one_of(&condition.status, statuses, &path.field("status"), errors);
        }
        let contrary = match kind {
            "Approved" => earlier.contains("Denied"),
            "Denied" => earlier.contains("Approved"),
            _ => false,
        };
        if contrary && !had_both {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&all, kind, detail);
        }
        if !earlier.insert(kind) && !had_twice {
            errors.duplicate(&path.field("type"), kind);
        }
    }
}

/// Who signs: a domain of at least two labels, and a name below it.
pub(super) fn signer_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let Some((domain, own)) = name.split_once('/').filter(|(_, own)| !own.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid(path, name, detail);
    };
    if domain.len() > names::SUBDOMAIN_BYTES_MAX {
        errors.too_long(path, names::SUBDOMAIN_BYTES_MAX);
    }
    first_bad_label(domain, names::dns1123_label, path, errors);
    if !domain.contains('.') {
        errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
    }
    first_bad_label(own, names::dns1123_subdomain, path, errors);
    if name.len() > SIGNER_BYTES_MAX {
        errors.too_long(path, SIGNER_BYTES_MAX);
    }
}

fn first_bad_label(value: &str, rule: fn(&str) -> Problems, path: &Path<'_>, errors: &mut FieldErrors) {
    let bad = value.split('.').map(|label| (label, rule(label))).find(|(_, problems)| !problems.is_empty());
    for (label, problem) in bad.into_iter().flat_map(|(label, problems)| problems.into_iter().map(move |p| (label, p)))
    {
        errors.invalid(path, value, format!("validating label {}: {problem}", GoQuoted(label)));
    }
}
