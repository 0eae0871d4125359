//! One request, stage by stage.
//!
//! ```text
//! head ─► who asks ─► may they ─► is there room ─► body ─► dispatch ─► audit ─► response
//!         401          403         429              413
//! ```
//! Nothing of the body is read before it is known who sends it and that they may.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::upgrade::OnUpgrade;
use inboard::cluster::Moment;
use inboard::{ApiError, Reason};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::access::{self, Access};
use crate::audit::Event;
use crate::authenticate;
use crate::body::Body;
use crate::compress;
use crate::dispatch::{self, page_not_found};
use crate::identity::User;
use crate::negotiate::Wanted;
use crate::place::Notes;
use crate::query::Query;
use crate::route::{self, Target};
use crate::sent::{Said, Sent};
use crate::service::ApiServer;
use crate::stream::{Connection, bridge, is_wanted};
use crate::{protobuf, rbac, respond};

/// The most that a request may bring, in bytes.
const BODY_MAX: usize = 3 * 1024 * 1024;
/// How long its body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// When to ask again when there is no room, in seconds.
const RETRY_SECONDS: i32 = 1;

/// Who asks, of what moment, and for what.
pub(crate) struct Admitted {
    pub(crate) moment: Moment,
    pub(crate) user: User,
    pub(crate) access: Access,
    pub(crate) notes: Notes,
}

impl ApiServer {
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        if is_wanted(&parts.headers)
            && let Some(api) = self.on_connection()
        {
            let done = match collect(body, self.room()).await {
                Ok((body, _room)) => bridge::serve(api, Request::from_parts(parts, Full::new(body))).await,
                Err(error) => Err(error),
            };
            return done.unwrap_or_else(|error| respond::error(&error, Wanted::PLAIN));
        }
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let connection = Connection { upgrade, stop: self.stop(), has_left: self.has_left() };
        let takes_gzip = compress::is_wanted(parts.headers.get(ACCEPT_ENCODING));
        let query = Query::read(parts.uri.query());
        let wanted = Wanted::read(&parts.headers, &query);
        // A refusal is told in JSON when the client wants nothing that there is.
        let form = *wanted.as_ref().unwrap_or(&Wanted::PLAIN);
        let Some(target) = route::read(parts.uri.path()) else { return page_not_found() };
        let said = Said::default();
        let done = match self.admit(&target, &parts, &query).await {
            Err(error) => Err(error),
            Ok(admitted) => {
                let (method, uri) = (parts.method.clone(), parts.uri.clone());
                said.add(dispatch::deprecation(&admitted, &target));
                let mut received = None;
                let done = match self.receive(parts.headers, body).await {
                    Err(error) => Err(error),
                    // The place and the room are given back once there is an answer.
                    Ok(Received { headers, body, room: _room, place: _place }) => {
                        received = self.audit().is_some().then(|| body.clone());
                        let said = said.clone();
                        let sent = Sent { method, uri, headers, query, body, wanted: form, connection, said };
                        dispatch::serve(self, &admitted, &target, sent, wanted).await
                    }
                };
                self.tell_audit(admitted, received, &done);
                done
            }
        };
        let response = done.unwrap_or_else(|error| respond::error(&error, form));
        let response = respond::with_warnings(response, &said.take());
        if takes_gzip { compress::gzip(response) } else { response }
    }

    /// Who asks, and whether they may.
    async fn admit(&self, target: &Target, parts: &Parts, query: &Query) -> Result<Admitted, ApiError> {
        let moment = self.cluster().moment().await?;
        let user = self.credentials().user(self.peer(), &parts.headers, &moment)?;
        let user = authenticate::impersonated(user, &parts.headers, &moment)?;
        let access = access::wanted(target, parts.uri.path(), &parts.method, query);
        for access in std::iter::once(&access).chain(access::also_needed(&access).as_ref()) {
            if !rbac::is_allowed(&moment.snapshot, &user, access) {
                return Err(access.forbidden(&user));
            }
        }
        Ok(Admitted { moment, user, access, notes: Notes::default() })
    }

    /// Tells the audit what became of a request.
    fn tell_audit(&self, admitted: Admitted, request: Option<Bytes>, done: &Result<Response<Body>, ApiError>) {
        let (code, response) = match done {
            Ok(response) => (response.status().as_u16(), response.body().whole_bytes()),
            Err(error) => (error.code(), Some(Bytes::from(respond::status_value(error).to_string()))),
        };
        let Admitted { user, access, notes, .. } = admitted;
        let annotations = notes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Event { user: &user, access: &access, code, annotations, request, response }.tell(self.audit());
    }

    /// The body, and a place among the requests that are answered, if there is room for both. A body that comes slowly
    /// takes room for what has come of it, and no place.
    async fn receive<B>(&self, headers: HeaderMap, body: B) -> Result<Received<'_>, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (body, room) = collect(body, self.room()).await?;
        let place = self.places().try_acquire().map_err(|_| too_many())?;
        let (headers, body) = in_json(headers, body)?;
        Ok(Received { headers, body, room, place })
    }
}

/// A request that has come as a whole.
struct Received<'a> {
    headers: HeaderMap,
    body: Bytes,
    room: Option<SemaphorePermit<'a>>,
    place: SemaphorePermit<'a>,
}

/// That there is no room for one more.
pub(crate) fn too_many() -> ApiError {
    ApiError::new(Reason::TooManyRequests, "Too many requests, please try again later.").retry_after(RETRY_SECONDS)
}

/// All of a body, and the room that it takes, in bytes.
async fn collect<B>(body: B, room: &Semaphore) -> Result<(Bytes, Option<SemaphorePermit<'_>>), ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(Limited::new(body, BODY_MAX));
    let (mut pieces, mut taken): (Vec<Bytes>, Option<SemaphorePermit<'_>>) = (Vec::new(), None);
    let all = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&*error))?;
            let Ok(piece) = frame.into_data() else { continue };
            let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let more = room.try_acquire_many(length).map_err(|_| too_many())?;
            match &mut taken {
                Some(taken) => taken.merge(more),
                None => taken = Some(more),
            }
            pieces.push(piece);
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_TIMEOUT, all).await {
        Ok(all) => all?,
        Err(_) => {
            let message = format!("Timeout: the body of the request did not come within {BODY_TIMEOUT:?}");
            return Err(ApiError::new(Reason::Timeout, message));
        }
    }
    // Most bodies come in one piece.
    let whole = if pieces.len() == 1 { pieces.remove(0) } else { pieces.concat().into() };
    Ok((whole, taken))
}

fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> ApiError {
    if error.is::<LengthLimitError>() {
        let message = format!("Request entity too large: limit is {BODY_MAX}");
        return ApiError::new(Reason::RequestEntityTooLarge, message);
    }
    ApiError::bad_request(format!("the body of the request broke off: {error}"))
}

/// A body in protobuf as JSON, which is what everybody behind here reads.
fn in_json(mut headers: HeaderMap, body: Bytes) -> Result<(HeaderMap, Bytes), ApiError> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.split(';').next().unwrap_or_default().trim() != protobuf::MEDIA_TYPE || body.is_empty() {
        return Ok((headers, body));
    }
    let value = protobuf::decode(&body).map_err(|error| ApiError::bad_request(error.to_string()))?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((headers, value.to_string().into()))
}
