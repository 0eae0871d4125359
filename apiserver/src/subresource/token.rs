//! `serviceaccounts/token`: a token that is made when it is asked for, and never kept.

use std::time::Duration;

use http::{Response, StatusCode};
use inboard::authority::{BoundTo, TokenRequest};
use inboard::error::Subject;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindId};
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use crate::body::Body;
use crate::place::Place;
use crate::respond;
use crate::sent::Sent;

/// How long a token is valid when nobody says, at least, and at most.
const TOKEN_LASTS: Duration = Duration::from_secs(3600);
const TOKEN_LASTS_MIN: i64 = 600;
const TOKEN_LASTS_MAX: i64 = 1 << 32;

/// `serviceaccounts/token`
pub(super) fn create(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let account = crate::read::find(place.moment, place.info, place.namespace, place.name)?;
    let mut request = sent.value()?;
    let authority = place.moment.snapshot.authority().ok_or_else(|| {
        ApiError::new(
            Reason::ServiceUnavailable,
            "this cluster has nobody who makes tokens (ClusterBuilder::authority)",
        )
    })?;
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    let problem = match seconds {
        Some(..TOKEN_LASTS_MIN) => Some("may not specify a duration less than 10 minutes"),
        Some(seconds) if seconds > TOKEN_LASTS_MAX => Some("may not specify a duration larger than 2^32 seconds"),
        Some(_) | None => None,
    };
    if let Some(problem) = problem {
        let mut errors = FieldErrors::new();
        errors.invalid(&Path::new("spec").field("expirationSeconds"), seconds.unwrap_or(0), problem);
        return Err(ApiError::invalid(Subject::new("authentication.k8s.io", "TokenRequest", place.name), errors));
    }
    let lasts = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(TOKEN_LASTS, Duration::from_secs);
    let bound = request.pointer("/spec/boundObjectRef").cloned().unwrap_or_default();
    let text = |field: &str| bound[field].as_str().unwrap_or_default().to_owned();
    let (bound_kind, bound_name) = (text("kind"), text("name"));
    let held = |kind: KindId| {
        let found = place.moment.snapshot.find(kind, place.namespace, &bound_name).map(|object| object.meta.uid);
        found.ok_or_else(|| {
            ApiError::not_found(Subject::new("", format!("{}s", bound_kind.to_lowercase()), &bound_name))
        })
    };
    let bound_to = match bound_kind.as_str() {
        "" => BoundTo::ServiceAccount { uid: account.meta.uid },
        "Pod" => BoundTo::Pod { name: &bound_name, uid: held(kind::POD)? },
        "Secret" => BoundTo::Secret { name: &bound_name, uid: held(kind::SECRET)? },
        other => {
            let version = text("apiVersion");
            let slash = if version.contains('/') { "" } else { "/" };
            let message = format!("cannot bind token to object of type {slash}{version}, Kind={other}");
            return Err(ApiError::bad_request(message));
        }
    };
    let audience = request.pointer("/spec/audiences/0").and_then(Value::as_str).unwrap_or_default().to_owned();
    let wanted = TokenRequest {
        namespace: place.namespace,
        service_account: place.name,
        bound_to,
        audience: &audience,
        expires_in: Some(lasts),
        now: place.moment.now,
    };
    let token = authority.token(&wanted).map_err(ApiError::internal)?;
    let ends = (place.moment.now.whole_second() + lasts).to_api();
    request["kind"] = "TokenRequest".into();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["metadata"]["name"] = place.name.into();
    request["metadata"]["namespace"] = place.namespace.into();
    request["spec"]["expirationSeconds"] = lasts.as_secs().into();
    request["status"] = json!({ "token": token, "expirationTimestamp": ends });
    Ok(respond::value(StatusCode::CREATED, &request, sent.wanted.whole()))
}
