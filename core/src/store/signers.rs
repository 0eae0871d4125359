//! Requests for certificates: who approves, denies or signs those to a signer must be allowed to for that signer, or for all
//! of its domain (`CertificateApproval`, `CertificateSigning`).

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use super::commit::Store;
use super::object::{Body, Object};
use super::part::Part;
use super::permission;
use crate::access::{Access, User, What};
use crate::error::ApiError;

impl Store {
    /// Judges what a client writes of a request for a certificate.
    pub(super) fn permit_signing(&self, current: &Object, next: &Body, part: Part) -> Result<(), ApiError> {
        let Some(before) = current.typed::<CertificateSigningRequest>() else { return Ok(()) };
        let Some(user) = self.voice.client() else { return Ok(()) };
        let verb = match part {
            Part::Approval => "approve",
            Part::Status if is_signed_anew(before, next) => "sign",
            Part::Main | Part::Status | Part::EphemeralContainers | Part::Resize | Part::Finalize | Part::Scale => {
                return Ok(());
            }
        };
        let signer = &before.spec.signer_name;
        if self.may(user, verb, signer) {
            return Ok(());
        }
        let detail = format!("user not permitted to {verb} requests with signerName {signer:?}");
        Err(ApiError::forbidden(self.subject(current.meta.kind, &current.meta.name), detail))
    }

    fn may(&self, user: &User, verb: &str, signer: &str) -> bool {
        let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
        [signer.to_owned(), format!("{domain}/*")].into_iter().any(|name| {
            let what = What::Resource {
                group: "certificates.k8s.io".to_owned(),
                version: "*".to_owned(),
                plural: "signers".to_owned(),
                subresource: String::new(),
                namespace: String::new(),
                name,
            };
            permission::is_allowed(&self.live, user, &Access { verb: verb.to_owned(), what })
        })
    }
}

/// Whether a write changes what a signer says.
fn is_signed_anew(before: &CertificateSigningRequest, next: &Body) -> bool {
    let Body::Typed(next) = next else { return false };
    let Some(next) = next.as_any().downcast_ref::<CertificateSigningRequest>() else { return false };
    let said = |request: &CertificateSigningRequest| {
        let status = request.status.clone().unwrap_or_default();
        (status.certificate.unwrap_or_default(), status.conditions.unwrap_or_default())
    };
    said(before) != said(next)
}
