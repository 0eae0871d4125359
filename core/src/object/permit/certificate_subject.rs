//! `CertificateSubjectRestriction`: nobody asks for a certificate by which a client would be a master.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use crate::access::MASTERS;
use crate::object::mutate::Refusal;
use crate::object::subject::Subject;

/// The signer of certificates by which clients are known.
const SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Judges a request for a certificate. What cannot be read is refused when it is to be signed.
pub(super) fn request(request: &CertificateSigningRequest) -> Result<(), Refusal> {
    let asked = (request.spec.signer_name == SIGNER).then(|| Subject::of_request(&request.spec.request.0)).flatten();
    match asked.is_some_and(|subject| subject.groups.iter().any(|group| group == MASTERS)) {
        true => Err(Refusal(format!("use of {SIGNER} signer with {MASTERS} group is not allowed"))),
        false => Ok(()),
    }
}
