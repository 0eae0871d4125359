//! Continue tokens: where the next page of a list begins, and of which moment it is. In upstream's form, which is JSON in
//! base64.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde::Deserialize;
use serde_json::json;

use crate::error::{ApiError, Reason};
use crate::ids::Revision;
use crate::object::body::explain;
use crate::store::{NameKey, Object};

const VERSION: &str = "meta.k8s.io/v1";
/// The revision of a token that goes on at whatever moment it is used.
const ANY_MOMENT: i64 = -1;
const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD);

/// Where the next page of a list begins.
#[derive(Debug)]
pub(super) struct PageToken {
    /// The moment of the list; `None` for the present.
    pub(super) revision: Option<Revision>,
    /// The last object of the page before.
    pub(super) last: NameKey,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

impl PageToken {
    pub(super) fn after(revision: Revision, object: &Object) -> Self {
        let last = NameKey::new(Arc::clone(&object.meta.namespace), Arc::clone(&object.meta.name));
        Self { revision: Some(revision), last }
    }

    /// As a client gets it, for a list of one namespace or of all.
    pub(super) fn write(&self, namespace: Option<&str>) -> String {
        let revision = self.revision.map_or_else(|| json!(ANY_MOMENT), |revision| json!(revision.get()));
        let name = &self.last.name;
        let start = match (namespace, &*self.last.namespace) {
            (Some(_), _) | (None, "") => format!("{name}\0"),
            (None, namespace) => format!("{namespace}/{name}\0"),
        };
        // By hand, for the order of the fields.
        let start = json!(start);
        BASE64.encode(format!("{{\"v\":\"{VERSION}\",\"rv\":{revision},\"start\":{start}}}"))
    }

    /// From what a client sends.
    pub(super) fn parse(text: &str, namespace: Option<&str>) -> Result<Self, ApiError> {
        let invalid = |problem: &str| {
            ApiError::bad_request(format!("invalid continue token: continue key is not valid: {problem}"))
        };
        let bytes = BASE64.decode(text).map_err(|error| invalid(&illegal(&error)))?;
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|error| invalid(&explain(&bytes, &error.to_string())))?;
        let Written { v, rv, start } = written;
        if v != VERSION {
            return Err(invalid(&format!("server does not recognize this encoded version {v}")));
        }
        let revision = match u64::try_from(rv) {
            Ok(0) => return Err(invalid(&format!("incorrect encoded start resourceVersion (version {VERSION})"))),
            Ok(revision) => Some(Revision::new(revision)),
            Err(_) => None,
        };
        if start.is_empty() {
            return Err(invalid(&format!("encoded start key empty (version {VERSION})")));
        }
        let path = start.strip_prefix('/').unwrap_or(&start);
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(invalid(&start));
        }
        let (namespace, name) = match (namespace, parts.as_slice()) {
            (Some(namespace), [name]) => (namespace, *name),
            (None, [name]) => ("", *name),
            (None, [namespace, name]) => (*namespace, *name),
            _ => return Err(invalid(&start)),
        };
        Ok(Self { revision, last: NameKey::new(namespace, name.trim_end_matches('\0')) })
    }
}

fn illegal(error: &base64::DecodeError) -> String {
    use base64::DecodeError::{InvalidByte, InvalidLastSymbol, InvalidLength, InvalidPadding};
    let at = match *error {
        InvalidByte(at, _) | InvalidLastSymbol(at, _) | InvalidLength(at) => at,
        InvalidPadding => 0,
    };
    format!("illegal base64 data at input byte {at}")
}

/// That the moment of a token is no longer kept; with a token that goes on at the present one.
pub(super) fn expired(last: &NameKey, namespace: Option<&str>) -> ApiError {
    let present = PageToken { revision: None, last: last.clone() };
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter, or use the continue token in this response to retrieve the \
                   remainder of the results. Continuing with the provided token results in an inconsistent list - \
                   objects that were created, modified, or deleted between the time the first chunk was returned and \
                   now may show up in the list.";
    ApiError::new(Reason::Expired, message).resume_with(present.write(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_where_it_was_made() {
        let token = PageToken { revision: Some(Revision::new(7)), last: NameKey::new("ns", "p") };
        assert_eq!(token.write(Some("ns")), "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6Nywic3RhcnQiOiJwXHUwMDAwIn0");
        for namespace in [Some("ns"), None] {
            let again = PageToken::parse(&token.write(namespace), namespace).expect("a token");
            assert_eq!((again.revision, again.last), (token.revision, token.last.clone()));
        }
        let present = PageToken { revision: None, ..token };
        assert_eq!(PageToken::parse(&present.write(None), None).expect("a token").revision, None);
    }

    #[test]
    fn what_no_list_gave_is_refused_in_upstream_s_words() {
        let problem = |token: &str| {
            let error = PageToken::parse(token, None).expect_err("no token").to_string();
            error.strip_prefix("invalid continue token: continue key is not valid: ").unwrap_or(&error).to_owned()
        };
        assert_eq!(problem("abc"), "invalid character 'i' looking for beginning of value");
        assert_eq!(problem("a!c"), "illegal base64 data at input byte 1");
        let encoded = |json: &str| problem(&BASE64.encode(json));
        assert_eq!(encoded(r#"{"v":"v2"}"#), "server does not recognize this encoded version v2");
        let version = r#""v":"meta.k8s.io/v1""#;
        let wrong = encoded(&format!("{{{version}}}"));
        assert_eq!(wrong, "incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
        assert_eq!(encoded(&format!("{{{version},\"rv\":1}}")), "encoded start key empty (version meta.k8s.io/v1)");
        assert_eq!(encoded(&format!("{{{version},\"rv\":1,\"start\":\"../x\"}}")), "../x");
    }
}
