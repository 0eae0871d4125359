//! Asking one endpoint for the parts of one repository, with one set of credentials.
//!
//! A request goes out with the authorization that the last one ended with. When it is refused, the challenge is met
//! once; when it is redirected, the authorization stays behind, because storage services refuse or must not see it.

use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use inboard::runtime::ImageCredentials;

use super::answer::{Body, failure};
use super::challenge;
use super::config::Endpoint;
use super::failure::Failure;
use super::token;
use crate::lock::guard;

pub(super) const USER_AGENT: &str = concat!("inboard/", env!("CARGO_PKG_VERSION"));
const REDIRECTS_MAX: usize = 10;

#[derive(Debug)]
pub(crate) struct Session {
    endpoint: Endpoint,
    /// Without the registry: `library/busybox`.
    repository: String,
    credentials: Option<ImageCredentials>,
    authorization: Mutex<Option<HeaderValue>>,
}

impl Session {
    pub(crate) fn new(endpoint: Endpoint, repository: String, credentials: Option<ImageCredentials>) -> Self {
        Self { endpoint, repository, credentials, authorization: Mutex::default() }
    }

    /// Where it asks.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// With what it asks.
    pub(crate) const fn credentials(&self) -> Option<&ImageCredentials> {
        self.credentials.as_ref()
    }

    /// Asks for `manifests/REFERENCE` or `blobs/DIGEST`, from an offset on.
    pub(crate) async fn get(&self, part: &str, accept: &str, offset: u64) -> Result<Response<Body>, Failure> {
        // A mirror of many registries is told which one is meant.
        let meant = self.endpoint.mirror_of.as_ref().map(|registry| format!("?ns={registry}")).unwrap_or_default();
        let uri = format!("{}/{}/{part}{meant}", self.endpoint.base, self.repository);
        let uri: Uri = uri.parse().map_err(|error| Failure::Wrong(format!("{uri}: {error}")))?;
        let used = guard(&self.authorization).clone();
        let answer = self.follow(&uri, accept, offset, used.clone()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return success(answer, part).await;
        }
        let authorization = self.authenticate(&answer, used).await?;
        success(self.follow(&uri, accept, offset, Some(authorization)).await?, part).await
    }

    /// Meets the challenge of an answer, unless another request has done so meanwhile.
    async fn authenticate(&self, answer: &Response<Body>, used: Option<HeaderValue>) -> Result<HeaderValue, Failure> {
        let newer = guard(&self.authorization).clone().filter(|newer| Some(newer) != used.as_ref());
        if let Some(newer) = newer {
            return Ok(newer);
        }
        let headers = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<_> = headers.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        let Endpoint { http, host, .. } = &self.endpoint;
        let found = token::authorization(http, host, &challenges, &self.repository, self.credentials.as_ref()).await?;
        guard(&self.authorization).replace(found.clone());
        Ok(found)
    }

    async fn follow(
        &self,
        uri: &Uri,
        accept: &str,
        offset: u64,
        authorization: Option<HeaderValue>,
    ) -> Result<Response<Body>, Failure> {
        let (mut uri, mut authorization) = (uri.clone(), authorization);
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.endpoint.http.send(request(&uri, accept, offset, authorization.as_ref())?).await?;
            let moved = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(location) = answer.headers().get(header::LOCATION).filter(|_| moved) else { return Ok(answer) };
            let next = location.to_str().ok().and_then(|location| redirected(&uri, location));
            let host = &self.endpoint.host;
            let next = next.ok_or_else(|| Failure::Wrong(format!("{host}: it redirects to {location:?}, no URL")))?;
            if (next.scheme(), next.authority()) != (uri.scheme(), uri.authority()) {
                authorization = None;
            }
            uri = next;
        }
        Err(Failure::Wrong(format!("{}: it redirects more than {REDIRECTS_MAX} times", self.endpoint.host)))
    }
}

async fn success(answer: Response<Body>, part: &str) -> Result<Response<Body>, Failure> {
    if answer.status().is_success() { Ok(answer) } else { Err(failure(answer, part).await) }
}

fn request(
    uri: &Uri,
    accept: &str,
    offset: u64,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut builder =
        Request::builder().uri(uri.clone()).header(header::USER_AGENT, USER_AGENT).header(header::ACCEPT, accept);
    if offset > 0 {
        builder = builder.header(header::RANGE, format!("bytes={offset}-"));
    }
    if let Some(authorization) = authorization {
        builder = builder.header(header::AUTHORIZATION, authorization.clone());
    }
    builder.body(Full::default()).map_err(|error| Failure::Wrong(format!("{uri}: {error}")))
}

/// Where a `Location` leads, seen from a URL.
fn redirected(from: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?.as_str());
    let whole = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let uri: Uri = whole.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri).filter(|uri| uri.authority().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_read_from_where_they_come() {
        let from: Uri = "https://r.test:5000/v2/a/blobs/x?q=1".parse().expect("a URL");
        let rows = [
            ("https://s.test/y?sig=%2F", Some("https://s.test/y?sig=%2F")),
            ("//s.test/y", Some("https://s.test/y")),
            ("/y", Some("https://r.test:5000/y")),
            ("y?z", Some("https://r.test:5000/v2/a/blobs/y?z")),
            ("ftp://s.test/y", None),
            ("https://", None),
        ];
        for (location, expected) in rows {
            let found = redirected(&from, location).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }
}
