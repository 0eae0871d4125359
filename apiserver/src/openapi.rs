//! OpenAPI documents, made from the table of types when somebody asks: which fields there are, and which paths.
//!
//! | page | what it is |
//! |---|---|
//! | `/openapi/v3` | which versions of groups have a document, each with a hash that changes when the document does |
//! | `/openapi/v3/apis/apps/v1` | the document of one |
//! | `/openapi/v2` | everything in one document of the older kind, as JSON or as protobuf |
//!
//! The documents have no descriptions. `schemas.rs` makes the types, `custom.rs` those of users' kinds, `paths.rs` the
//! operations, `gnostic.rs` the protobuf.

mod custom;
mod gnostic;
mod paths;
mod schemas;

use std::collections::BTreeSet;

use std::sync::OnceLock;

use http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use inboard::object::kind::{KindInfo, Kinds};
use inboard::object::schema::Schema;
use serde_json::{Map, Value, json};

use crate::body::Body;
use crate::discovery::served;
use crate::query::Query;
use crate::{health, respond};
use schemas::Schemas;

/// Which of the two kinds of documents is made: they differ in where schemas are, and in what these may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edition {
    V2,
    V3,
}

/// A version of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GroupVersion<'k> {
    group: &'k str,
    version: &'k str,
}

impl<'k> GroupVersion<'k> {
    fn of(info: &'k KindInfo) -> Self {
        Self { group: &info.group, version: &info.version }
    }

    /// As URLs have it: `api/v1`, `apis/apps/v1`.
    fn path(self) -> String {
        if self.group.is_empty() {
            format!("api/{}", self.version)
        } else {
            format!("apis/{}/{}", self.group, self.version)
        }
    }

    fn kinds(self, kinds: &'k Kinds) -> impl Iterator<Item = &'k KindInfo> {
        served(kinds).filter(move |info| Self::of(info) == self)
    }

    /// A number that is another one when the document is.
    fn hash(self, kinds: &'k Kinds) -> String {
        let mut hash = Hash(of_table());
        for info in self.kinds(kinds) {
            hash.add(&format!("{info:?}"));
        }
        format!("{:016X}", hash.0)
    }
}

/// FNV-1a.
struct Hash(u64);

/// A number that is another one when the table of types, or the program, is.
fn of_table() -> u64 {
    static HASH: OnceLock<u64> = OnceLock::new();
    *HASH.get_or_init(|| {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.add(env!("CARGO_PKG_VERSION"));
        for (_, of) in Schema::built_in().types() {
            hash.add(&format!("{of:?}"));
        }
        hash.0
    })
}

impl Hash {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The page of this path behind `/openapi/`; nothing when there is none.
pub(crate) fn page(path: &str, kinds: &Kinds, headers: &HeaderMap, query: &Query) -> Option<Response<Body>> {
    let parts: Vec<&str> = path.split('/').collect();
    let (group, version) = match parts.as_slice() {
        ["v2"] => return Some(swagger_page(kinds, headers)),
        ["v3"] => return Some(json_page(&index(kinds))),
        ["v3", "api", version] => ("", *version),
        ["v3", "apis", group, version] => (*group, *version),
        _ => return None,
    };
    let hash = GroupVersion { group, version }.hash(kinds);
    let tag = HeaderValue::try_from(format!("\"{hash}\"")).ok()?;
    let mut response = match headers.get(IF_NONE_MATCH) {
        Some(known) if *known == tag => respond::bytes(StatusCode::NOT_MODIFIED, JSON, ""),
        _ => json_page(&document(kinds, group, version)?),
    };
    response.headers_mut().insert(ETAG, tag);
    // What is asked for by its hash never changes.
    if query.get("hash") == Some(&hash) {
        let forever = HeaderValue::from_static("public, immutable, max-age=31536000");
        response.headers_mut().insert(CACHE_CONTROL, forever);
    }
    Some(response)
}

const JSON: &str = "application/json";

fn json_page(document: &Value) -> Response<Body> {
    respond::bytes(StatusCode::OK, JSON, document.to_string())
}

fn swagger_page(kinds: &Kinds, headers: &HeaderMap) -> Response<Body> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wants = |media: &str| accept.split(',').any(|clause| clause.trim().starts_with(media));
    let document = swagger(kinds);
    // The answer has the first name whatever the client called it: the other has letters that media types cannot have.
    if gnostic::MEDIA_TYPES.into_iter().any(wants) {
        respond::bytes(StatusCode::OK, gnostic::MEDIA_TYPES[0], gnostic::to_protobuf(&document))
    } else {
        json_page(&document)
    }
}

/// `/openapi/v3`
fn index(kinds: &Kinds) -> Value {
    let versions: BTreeSet<GroupVersion<'_>> = served(kinds).map(GroupVersion::of).collect();
    let entry = |version: GroupVersion<'_>| {
        let path = version.path();
        let url = format!("/openapi/v3/{path}?hash={}", version.hash(kinds));
        (path, json!({ "serverRelativeURL": url }))
    };
    json!({ "paths": versions.into_iter().map(entry).collect::<Map<String, Value>>() })
}

/// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`; nothing when there are no kinds in it.
fn document(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let group_version = GroupVersion { group, version };
    let all: Vec<&KindInfo> = group_version.kinds(kinds).collect();
    if all.is_empty() {
        return None;
    }
    let mut schemas = Schemas::new(Edition::V3);
    let mut paths = Map::new();
    for info in all {
        paths.extend(paths::of_kind(info, &mut schemas));
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "securitySchemes": { "BearerToken": bearer_token() },
        },
    }))
}

/// `/openapi/v2`
fn swagger(kinds: &Kinds) -> Value {
    let mut schemas = Schemas::new(Edition::V2);
    let mut paths = Map::new();
    for info in served(kinds) {
        paths.extend(paths::of_kind(info, &mut schemas));
    }
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": paths,
        "definitions": schemas.finish(),
        "securityDefinitions": { "BearerToken": bearer_token() },
        "security": [{ "BearerToken": [] }],
    })
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": health::GIT_VERSION })
}

fn bearer_token() -> Value {
    json!({ "type": "apiKey", "name": "authorization", "in": "header", "description": "Bearer Token authentication" })
}

#[cfg(test)]
mod tests;
