//! PodCertificateRequests: which pod a certificate is for, and what came of it, once and for all.
//!
//! Signatures are not checked here: whoever signs a request checks that its sender has the key.
//!
//! Source: `pkg/apis/certificates/validation`.

use k8s_openapi::api::certificates::v1::{
    PodCertificateRequest, PodCertificateRequestSpec, PodCertificateRequestStatus,
};

use super::certificate_request::signer_name;
use super::checks::{immutable, same};
use super::fields::{list, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{conditions, meta};
use crate::object::field::{FieldErrors, Path};
use crate::object::{pem, subject};

const UID_BYTES_MAX: usize = 128;
/// An hour at least; what Kubernetes itself signs is for a day at most, and all else for 91 days.
const LIFE_SECONDS_MIN: i32 = 3_600;
const LIFE_SECONDS_MAX_OF_OURS: i32 = 86_400;
const LIFE_SECONDS_MAX: i32 = 7_862_400;
const REQUEST_BYTES_MAX: usize = 10 * 1024;
const CHAIN_BYTES_MAX: usize = 100 * 1024;
/// How long after its beginning and before its end a certificate may be renewed.
const RENEWAL_MARGIN_SECONDS: i64 = 600;

/// What ends a request.
const ISSUED: &str = "Issued";
const ENDS: [&str; 3] = [ISSUED, "Denied", "Failed"];

/// What is wrong with a new PodCertificateRequest.
pub fn pod_certificate_request(request: &PodCertificateRequest) -> FieldErrors {
    let mut errors = shared::namespaced(&request.metadata, name_is_dns_subdomain);
    spec(&request.spec, &mut errors);
    errors
}

fn spec(spec: &PodCertificateRequestSpec, errors: &mut FieldErrors) {
    signer_name(&spec.signer_name, &SPEC.field("signerName"), errors);
    if let Some(annotations) = &spec.unverified_user_annotations {
        let path = SPEC.field("unverifiedUserAnnotations");
        meta::annotations(annotations, &path, errors);
        for key in annotations.keys().filter(|key| !key.contains('/')) {
            errors.invalid(&path, key.as_str(), "must be a domain-prefixed key (such as \"acme.io/foo\")");
        }
    }
    for (field, name, uid_field, uid) in [
        ("podName", &spec.pod_name, "podUID", &spec.pod_uid),
        ("serviceAccountName", &spec.service_account_name, "serviceAccountUID", &spec.service_account_uid),
        ("nodeName", &spec.node_name, "nodeUID", &spec.node_uid),
    ] {
        errors.invalid_each(&SPEC.field(field), name, names::dns1123_subdomain(name));
        let path = SPEC.field(uid_field);
        if uid.is_empty() {
            errors.invalid(&path, "", "must not be empty");
        }
        if uid.len() > UID_BYTES_MAX {
            errors.too_long(&path, UID_BYTES_MAX);
        }
    }
    let path = SPEC.field("maxExpirationSeconds");
    let Some(seconds) = spec.max_expiration_seconds else { return errors.required(&path, "must be set") };
    let domain = spec.signer_name.split('/').next().unwrap_or_default();
    let is_ours = domain == "kubernetes.io" || domain.ends_with(".kubernetes.io");
    let max = if is_ours { LIFE_SECONDS_MAX_OF_OURS } else { LIFE_SECONDS_MAX };
    if !(LIFE_SECONDS_MIN..=max).contains(&seconds) {
        errors.invalid(&path, seconds, format!("must be in the range [{LIFE_SECONDS_MIN}, {max}]"));
    }
    if spec.stub_pkc_s10_request.0.len() > REQUEST_BYTES_MAX {
        errors.too_long(&SPEC.field("stubPKCS10Request"), REQUEST_BYTES_MAX);
    }
}

/// What is wrong with a changed PodCertificateRequest: it asks for the same.
pub fn pod_certificate_request_update(new: &PodCertificateRequest, old: &PodCertificateRequest) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    immutable(&new.spec, &old.spec, &SPEC, &mut errors);
    errors
}

/// What is wrong with a changed status of a PodCertificateRequest: it changes once.
pub fn pod_certificate_request_status_update(new: &PodCertificateRequest, old: &PodCertificateRequest) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    if !errors.is_empty() {
        return errors;
    }
    let (after, before) = (new.status.clone().unwrap_or_default(), old.status.clone().unwrap_or_default());
    ends(&after, &mut errors);
    conditions::all(list(&after.conditions), &STATUS.field("conditions"), &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    let only_conditions =
        PodCertificateRequestStatus { conditions: after.conditions.clone(), ..PodCertificateRequestStatus::default() };
    let (kept, detail) = match (end_of(&before), end_of(&after)) {
        (Some(_), _) => (&before, "immutable after PodCertificateRequest is issued, denied, or failed"),
        (None, Some(ISSUED)) => {
            issued(&after, &new.spec, &mut errors);
            return errors;
        }
        (None, Some(_)) => (
            &only_conditions,
            "non-condition status fields must be empty when denying or failing the PodCertificateRequest",
        ),
        (None, None) => (&before, "status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\""),
    };
    if !same(&after, kept) {
        errors.invalid_omitted(&STATUS, detail);
    }
    errors
}

fn end_of(status: &PodCertificateRequestStatus) -> Option<&'static str> {
    let is = |end: &&str| list(&status.conditions).iter().any(|known| known.type_ == **end && known.status == "True");
    ENDS.into_iter().find(is)
}

/// There are no other conditions than those that end a request, and one of them at most. The paths are those of upstream.
fn ends(status: &PodCertificateRequestStatus, errors: &mut FieldErrors) {
    let path = STATUS.field("conditions");
    for (index, condition) in list(&status.conditions).iter().enumerate() {
        let place = format!("[{index}]");
        let path = path.field(&place);
        let kind = condition.type_.as_str();
        if !ENDS.contains(&kind) {
            errors.not_supported(&path.field("type"), kind, &ENDS);
            continue;
        }
        if list(&status.conditions)[..index].iter().any(|earlier| ENDS.contains(&earlier.type_.as_str())) {
            let detail = "There may be at most one condition with type \"Issued\", \"Denied\", or \"Failed\"";
            errors.invalid(&path.field("type"), kind, detail);
        }
        if condition.status != "True" {
            errors.not_supported(&path.field("status"), condition.status.as_str(), &["True"]);
        }
    }
}

fn issued(status: &PodCertificateRequestStatus, spec: &PodCertificateRequestSpec, errors: &mut FieldErrors) {
    let (chain, path) = (text(&status.certificate_chain), STATUS.field("certificateChain"));
    if chain.len() > CHAIN_BYTES_MAX {
        return errors.too_long(&path, CHAIN_BYTES_MAX);
    }
    let blocks: Vec<_> = pem::blocks(chain).collect();
    let wrong = match blocks.as_slice() {
        [] => Some("issued certificate chain must contain at least one certificate"),
        all if all.iter().any(|block| block.kind != "CERTIFICATE") => {
            Some("issued certificate chain must consist entirely of CERTIFICATE PEM blocks")
        }
        [leaf, ..] if subject::is_authority(&leaf.bytes).is_none() => {
            Some("leaf certificate does not parse as valid X.509")
        }
        [_, others @ ..] if others.iter().any(|block| subject::is_authority(&block.bytes).is_none()) => {
            Some("intermediate certificate does not parse as valid X.509")
        }
        _ => None,
    };
    if let Some(detail) = wrong {
        return errors.invalid(&path, chain, detail);
    }
    times(status, spec, &path, errors);
}

fn times(
    status: &PodCertificateRequestStatus,
    spec: &PodCertificateRequestSpec,
    chain: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let consistent = "must be present and consistent with the issued certificate";
    let renewal = "must be present and in the range [notbefore+10min, notafter-10min]";
    for (field, time, detail) in [
        ("notBefore", &status.not_before, consistent),
        ("notAfter", &status.not_after, consistent),
        ("beginRefreshAt", &status.begin_refresh_at, renewal),
    ] {
        if time.is_none() {
            errors.required(&STATUS.field(field), detail);
        }
    }
    let (Some(begin), Some(end), Some(renew)) = (&status.not_before, &status.not_after, &status.begin_refresh_at)
    else {
        return;
    };
    let [begin, end, renewal] = [begin, end, renew].map(|time| time.0.as_second());
    let (seconds, max) = (end - begin, spec.max_expiration_seconds.unwrap_or_default());
    // Upstream shows a duration as its nanoseconds.
    let life = seconds.saturating_mul(1_000_000_000);
    let path = STATUS.field("beginRefreshAt");
    if seconds < i64::from(LIFE_SECONDS_MIN) {
        errors.invalid(chain, life, "leaf certificate lifetime must be >= 1 hour");
    } else if seconds > i64::from(max) {
        let detail = format!("leaf certificate lifetime must be <= spec.maxExpirationSeconds ({max})");
        errors.invalid(chain, life, detail);
    } else if renewal < begin + RENEWAL_MARGIN_SECONDS {
        errors.invalid(&path, renew.0.to_string(), "must be at least 10 minutes after status.notBefore");
    } else if renewal > end - RENEWAL_MARGIN_SECONDS {
        errors.invalid(&path, renew.0.to_string(), "must be at least 10 minutes before status.notAfter");
    }
}
