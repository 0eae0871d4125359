//! `serviceaccounts/token`: a token that is made when it is asked for, and never kept.

use std::time::Duration;

use http::{Response, StatusCode};
use inboard::authority::{Authority, BoundTo, TokenRequest};
use inboard::error::Subject;
use inboard::ids::Uid;
use inboard::k8s_openapi::api::authentication::v1 as authentication;
use inboard::object::body;
use inboard::object::field::{FieldErrors, Path};
use inboard::object::kind::{self, KindId, KindInfo};
use inboard::store::Object;
use inboard::{ApiError, Reason};
use serde_json::{Value, json};

use crate::body::Body;
use crate::place::Place;
use crate::respond;
use crate::sent::Sent;
use crate::tokens::ISSUER;

/// How long a token is valid when nobody says, at least, and at most.
const TOKEN_SECONDS: i64 = 3600;
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// `serviceaccounts/token`
pub(super) fn create(place: &Place<'_>, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let (kinds, format) = (&place.moment.kinds, sent.format()?);
    let validation = sent.query.field_validation("CreateOptions")?;
    let info = KindInfo::custom::<authentication::TokenRequest>();
    let (mut request, warnings) =
        body::read_part::<authentication::TokenRequest>(&sent.body, format, kinds, &info, validation)?;
    sent.said.add(warnings);
    check_place(place, &request)?;
    let account = crate::read::find(place.moment, place.info, place.namespace, place.name)?;
    check_account(place, &request, account.meta.uid)?;
    let authority = place.moment.snapshot.authority().ok_or_else(|| {
        ApiError::new(
            Reason::ServiceUnavailable,
            "this cluster has nobody who makes tokens (ClusterBuilder::authority)",
        )
    })?;
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(TOKEN_SECONDS);
    let lasts = check_duration(seconds)?;
    let token = make(place, &request, authority, account.meta.uid, lasts)?;
    let now = place.moment.now.whole_second();
    request["metadata"]["name"] = place.name.into();
    request["metadata"]["namespace"] = place.namespace.into();
    request["metadata"]["creationTimestamp"] = json!(now.to_api());
    request["spec"]["expirationSeconds"] = seconds.into();
    if request.pointer("/spec/audiences/0").is_none() {
        request["spec"]["audiences"] = json!([ISSUER]);
    }
    request["status"] = json!({ "token": token, "expirationTimestamp": (now + lasts).to_api() });
    Ok(respond::value(StatusCode::CREATED, &request, sent.wanted.whole()))
}

fn text<'v>(request: &'v Value, pointer: &str) -> &'v str {
    request.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn subject(name: &str) -> Subject {
    Subject::new("authentication.k8s.io", "TokenRequest", name)
}

/// A request that names an account names that of the path.
fn check_place(place: &Place<'_>, request: &Value) -> Result<(), ApiError> {
    for (field, wanted) in [("name", place.name), ("namespace", place.namespace)] {
        let given = request["metadata"][field].as_str().unwrap_or_default();
        if !given.is_empty() && given != wanted {
            let mut errors = FieldErrors::new();
            let detail = format!("must match the service account {field} if specified");
            errors.invalid(&Path::new("metadata").field(field), given, detail);
            return Err(ApiError::invalid(subject(place.name), errors));
        }
    }
    Ok(())
}

fn check_account(place: &Place<'_>, request: &Value, uid: Uid) -> Result<(), ApiError> {
    match text(request, "/metadata/uid") {
        "" => Ok(()),
        given if given == uid.to_string() => Ok(()),
        given => {
            let detail =
                format!("the UID in the token request ({given}) does not match the UID of the service account ({uid})");
            Err(ApiError::conflict(subject(place.name), detail))
        }
    }
}

fn check_duration(seconds: i64) -> Result<Duration, ApiError> {
    let problem = match seconds {
        ..TOKEN_SECONDS_MIN => "may not specify a duration less than 10 minutes",
        TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX => return Ok(Duration::from_secs(seconds.unsigned_abs())),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let mut errors = FieldErrors::new();
    errors.invalid(&Path::new("spec").field("expirationSeconds"), seconds, problem);
    Err(ApiError::invalid(subject(""), errors))
}

/// The token, bound to what the request names.
fn make(
    place: &Place<'_>,
    request: &Value,
    authority: &dyn Authority,
    account: Uid,
    lasts: Duration,
) -> Result<String, ApiError> {
    let (kind, name) = (text(request, "/spec/boundObjectRef/kind"), text(request, "/spec/boundObjectRef/name"));
    let version = text(request, "/spec/boundObjectRef/apiVersion");
    let bound_to = match kind {
        _ if request.pointer("/spec/boundObjectRef").is_none_or(Value::is_null) => {
            BoundTo::ServiceAccount { uid: account }
        }
        "Pod" if !version.contains('/') => BoundTo::Pod { name, uid: held(place, request, kind::POD, of_account)? },
        "Secret" if !version.contains('/') => {
            BoundTo::Secret { name, uid: held(place, request, kind::SECRET, |_, _| Ok(()))? }
        }
        other => {
            let slash = if version.contains('/') { "" } else { "/" };
            let message = format!("cannot bind token to object of type {slash}{version}, Kind={other}");
            return Err(ApiError::bad_request(message));
        }
    };
    let wanted = TokenRequest {
        namespace: place.namespace,
        service_account: place.name,
        bound_to,
        audience: text(request, "/spec/audiences/0"),
        expires_in: Some(lasts),
        now: place.moment.now,
    };
    authority.token(&wanted).map_err(ApiError::internal)
}

/// The identity of the object that a token is to be bound to.
fn held(
    place: &Place<'_>,
    request: &Value,
    of: KindId,
    check: fn(&Place<'_>, &Object) -> Result<(), ApiError>,
) -> Result<Uid, ApiError> {
    let [kind, name, uid] =
        ["kind", "name", "uid"].map(|field| request["spec"]["boundObjectRef"][field].as_str().unwrap_or_default());
    let found = place.moment.snapshot.find(of, place.namespace, name);
    let found =
        found.ok_or_else(|| ApiError::not_found(Subject::new("", format!("{}s", kind.to_lowercase()), name)))?;
    check(place, found)?;
    if !uid.is_empty() && uid != found.meta.uid.to_string() {
        let detail = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been \
             deleted and then recreated"
        );
        return Err(ApiError::conflict(Subject::new("", kind, name), detail));
    }
    Ok(found.meta.uid)
}

/// A pod gets tokens of its own account.
fn of_account(place: &Place<'_>, pod: &Object) -> Result<(), ApiError> {
    let account = pod.pod().and_then(|pod| pod.spec.service_account_name.as_deref()).unwrap_or_default();
    if account == place.name {
        return Ok(());
    }
    let message = format!(
        "cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
        place.name
    );
    Err(ApiError::bad_request(message))
}
