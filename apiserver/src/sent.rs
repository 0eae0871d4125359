//! What a request brings besides its path, and what its author is to be told on the way.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Uri};
use inboard::object::body::{self, Format};
use inboard::object::manifest::Document;
use inboard::{ApiError, Reason};
use serde_json::Value;

use crate::negotiate::Wanted;
use crate::query::Query;
use crate::stream::Connection;

/// What a request brings besides its path.
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    pub(crate) wanted: Wanted,
    pub(crate) connection: Connection,
    pub(crate) said: Said,
}

impl Sent {
    /// How the body of a write is written.
    pub(crate) fn format(&self) -> Result<Format, ApiError> {
        let media = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match media.split(';').next().unwrap_or_default().trim() {
            "" | "application/json" => Ok(Format::Json),
            "application/yaml" => Ok(Format::Yaml),
            _ => Err(ApiError::new(
                Reason::UnsupportedMediaType,
                "the body of the request was in an unknown format - accepted media types include: application/json, \
                 application/yaml, application/vnd.kubernetes.protobuf",
            )),
        }
    }

    /// What a request brings that is no object of a stored kind: a review, an eviction, options.
    pub(crate) fn value(&self) -> Result<Value, ApiError> {
        match self.format()? {
            Format::Json => serde_json::from_slice(&self.body)
                .map_err(|error| ApiError::bad_request(body::explain(&self.body, &error.to_string()))),
            Format::Yaml => {
                let text = std::str::from_utf8(&self.body).map_err(|error| ApiError::bad_request(error.to_string()))?;
                let documents = Document::from_yaml(text).map_err(|error| ApiError::bad_request(error.message))?;
                Ok(documents.into_iter().next().map(|document| document.value).unwrap_or_default())
            }
        }
    }
}

/// What a request's author is to be told in `Warning` headers, whatever becomes of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub(crate) fn add(&self, warnings: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
    }

    /// All of it, in order.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
