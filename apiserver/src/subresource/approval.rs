//! `certificatesigningrequests/approval`: whoever approves or denies requests to a signer must be allowed to `approve` for
//! that signer, or for all of its domain.

use inboard::ApiError;
use inboard::k8s_openapi::api::certificates::v1::CertificateSigningRequest;

use crate::access::{Access, What};
use crate::rbac;
use crate::read;
use crate::write::Place;

/// Refuses who may not judge requests to the signer of this one.
pub(super) fn is_theirs(place: &Place<'_>) -> Result<(), ApiError> {
    let object = read::find(place.moment, place.info, place.namespace, place.name)?;
    let Some(request) = object.typed::<CertificateSigningRequest>() else { return Ok(()) };
    let signer = &request.spec.signer_name;
    let domain = signer.split_once('/').map_or(signer.as_str(), |(domain, _)| domain);
    let may = |name: String| {
        let what = What::Resource {
            group: place.info.group.to_string(),
            version: "*".to_owned(),
            plural: "signers".to_owned(),
            subresource: String::new(),
            namespace: String::new(),
            name,
        };
        rbac::is_allowed(&place.moment.snapshot, place.user, &Access { verb: "approve".to_owned(), what })
    };
    if may(signer.clone()) || may(format!("{domain}/*")) {
        return Ok(());
    }
    let detail = format!("user not permitted to approve requests with signerName {signer:?}");
    Err(ApiError::forbidden(read::subject(place.info, place.name), detail))
}
