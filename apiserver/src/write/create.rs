//! `create`

use http::{Response, StatusCode};
use std::sync::Arc;

use inboard::ApiError;
use inboard::k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use inboard::kernel::Request;
use inboard::store::{Body as Content, Draft, Part};

use super::{check_namespace, draft};
use crate::body::Body;
use crate::conversion;
use crate::identity::User;
use crate::place::{Place, object_of};
use crate::rbac::escalation;
use crate::sent::Sent;

/// `create`
pub(crate) async fn create(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let mut draft = draft(place, sent, "CreateOptions")?;
    check_namespace(&mut draft, place)?;
    let mut draft = conversion::stored(place, draft, Part::Main).await?;
    sign(&mut draft, place.user);
    let options = place.options(sent, "CreateOptions")?;
    let request = |options| Request::Create(draft.clone(), options);
    let answer = escalation::guarded(place, sent, options, request).await?;
    place.show(object_of(answer)?, StatusCode::CREATED, sent.wanted).await
}

/// A certificate request says who asks for the certificate, whatever its author says.
fn sign(draft: &mut Draft, user: &User) {
    let Content::Typed(object) = &mut draft.body else { return };
    let object = Arc::get_mut(object).and_then(|object| object.as_any_mut().downcast_mut());
    let Some(CertificateSigningRequest { spec, .. }) = object else { return };
    let extra = user.extra.clone();
    spec.username = Some(user.name.clone());
    spec.uid = Some(user.uid.clone()).filter(|uid| !uid.is_empty());
    spec.groups = Some(user.groups.clone()).filter(|groups| !groups.is_empty());
    spec.extra = (!extra.is_empty()).then_some(extra);
}
