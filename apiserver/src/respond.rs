//! From values to responses: bytes, headers, codes.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use inboard::ApiError;
use inboard::object::manifest::to_yaml;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::body::Body;
use crate::negotiate::{Encoding, Wanted};
use crate::protobuf;

/// The header of warnings.
const WARNING: HeaderName = HeaderName::from_static("warning");

/// A response with a value.
pub(crate) fn value(code: StatusCode, value: &Value, wanted: Wanted) -> Response<Body> {
    shown(code, &KindFirst(value), wanted)
}

/// A response with something that begins with its kind by itself.
pub(crate) fn shown(code: StatusCode, shown: &impl Serialize, wanted: Wanted) -> Response<Body> {
    // What has no protobuf, such as a user's own kind, is told in JSON.
    if wanted.encoding == Encoding::Protobuf {
        let value = serde_json::to_value(shown).unwrap_or_default();
        return match protobuf::encode(&value) {
            Ok(made) => bytes(code, protobuf::MEDIA_TYPE, made),
            Err(_) => bytes(code, Encoding::Json.media_type(), encode(shown, wanted)),
        };
    }
    bytes(code, wanted.encoding.media_type(), encode(shown, wanted))
}

/// A response with bytes.
pub(crate) fn bytes(code: StatusCode, media_type: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    whole(code, media_type, Body::whole(bytes))
}

/// A response with a body.
pub(crate) fn whole(code: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A refusal, as a `Status`.
pub(crate) fn error(error: &ApiError, wanted: Wanted) -> Response<Body> {
    let code = StatusCode::from_u16(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let status = error.to_status();
    let retry = status.details.as_ref().and_then(|details| details.retry_after_seconds);
    let mut response = value(code, &status_value(error), wanted.whole());
    if let Some(seconds) = retry {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    with_warnings(response, error.warnings())
}

/// A refusal as the JSON of a `Status`.
pub(crate) fn status_value(error: &ApiError) -> Value {
    let mut value = serde_json::to_value(error.to_status()).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".to_owned(), "Status".into());
        fields.insert("apiVersion".to_owned(), "v1".into());
        fields.insert("metadata".to_owned(), json!({}));
    }
    value
}

/// The same response with warnings, each once.
pub(crate) fn with_warnings(mut response: Response<Body>, warnings: &[String]) -> Response<Body> {
    let mut told: Vec<&str> = Vec::new();
    for warning in warnings {
        if told.contains(&warning.as_str()) {
            continue;
        }
        told.push(warning);
        // What cannot stand in a header (line breaks) is not told, as upstream.
        if warning.contains(char::is_control) {
            continue;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(WARNING, header);
        }
    }
    response
}

/// What is shown, as bytes.
pub(crate) fn encode(shown: &impl Serialize, wanted: Wanted) -> Vec<u8> {
    match wanted.encoding {
        Encoding::Yaml => to_yaml(&serde_json::to_value(shown).unwrap_or_default()).into_bytes(),
        Encoding::Json | Encoding::Protobuf => {
            if wanted.is_pretty {
                return serde_json::to_vec_pretty(shown).unwrap_or_default();
            }
            let mut bytes = serde_json::to_vec(shown).unwrap_or_default();
            bytes.push(b'\n');
            bytes
        }
    }
}

/// An object whose text begins with its kind and version: clients look for them there.
pub(crate) struct KindFirst<'v>(pub(crate) &'v Value);

impl Serialize for KindFirst<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for first in ["kind", "apiVersion"] {
            if let Some(value) = fields.get(first) {
                map.serialize_entry(first, value)?;
            }
        }
        for (name, value) in fields.iter().filter(|(name, _)| *name != "kind" && *name != "apiVersion") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
