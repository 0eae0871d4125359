//! `create`

use http::{Response, StatusCode};
use inboard::ApiError;
use inboard::kernel::Request;

use super::{Place, Sent, check_namespace, draft, object_of, options};
use crate::body::Body;
use crate::respond;

/// `create`
pub(crate) async fn create(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (mut draft, mut warnings) = draft(place, sent, "CreateOptions")?;
    check_namespace(&mut draft, place)?;
    let options = options(place, sent, "CreateOptions")?;
    let (answer, more) = place.ask(Request::Create(draft, options)).await?;
    warnings.extend(more);
    let response = place.show(&object_of(answer)?, StatusCode::CREATED, sent.wanted);
    Ok(respond::with_warnings(response, &warnings))
}
