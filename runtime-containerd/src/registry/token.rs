//! Tokens: what a registry's token service gives for credentials, or for none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use inboard::runtime::ImageCredentials;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::answer::{failure, read_whole};
use super::challenge::Challenge;
use super::failure::Failure;
use super::http::Http;

const ANSWER_BYTES_MAX: usize = 1 << 20;
/// What need not be encoded in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// The value of `Authorization` that meets the first of these challenges that these credentials can meet.
pub(super) async fn authorization(
    http: &Http,
    host: &str,
    challenges: &[Challenge],
    repository: &str,
    credentials: Option<&ImageCredentials>,
) -> Result<HeaderValue, Failure> {
    for challenge in challenges {
        match (challenge.scheme.as_str(), credentials) {
            ("bearer", Some(ImageCredentials::Bearer(token))) => return secret(format!("Bearer {token}")),
            ("bearer", credentials) => return fetch(http, host, challenge, repository, credentials).await,
            ("basic", Some(ImageCredentials::Basic { username, password })) => return basic(username, password),
            _ => {}
        }
    }
    let wanted: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
    let given = if credentials.is_some() { "credentials of another kind were given" } else { "none were given" };
    let wanted = if wanted.is_empty() { "other".to_owned() } else { wanted.join(" or ") };
    Err(Failure::Denied(format!("{host}: it wants {wanted} credentials, and {given}")))
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, Failure> {
    secret(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
}

/// A header that is never shown.
pub(super) fn secret(text: String) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::try_from(text);
    let mut value =
        value.map_err(|_| Failure::Denied("the credentials have characters that a header cannot have".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn fetch(
    http: &Http,
    host: &str,
    challenge: &Challenge,
    repository: &str,
    credentials: Option<&ImageCredentials>,
) -> Result<HeaderValue, Failure> {
    let request = request(host, challenge, repository, credentials)?;
    let asked = format!("asking {} for a token", request.uri().host().unwrap_or_default());
    let answer = http.send(request).await?;
    if !answer.status().is_success() {
        return Err(match failure(answer, &asked).await {
            // A service that knows no such account says so in many ways; none of them says that the image is absent.
            Failure::NotFound(text) | Failure::Wrong(text) => Failure::Denied(text),
            failed @ (Failure::Denied(_) | Failure::Unavailable(_)) => failed,
        });
    }
    let body = read_whole(answer.into_body(), ANSWER_BYTES_MAX).await?;
    let token: Token = serde_json::from_slice(&body)
        .map_err(|error| Failure::Wrong(format!("{host}: {asked}: the answer cannot be read: {error}")))?;
    let token = if token.token.is_empty() { token.access_token } else { token.token };
    if token.is_empty() {
        return Err(Failure::Wrong(format!("{host}: {asked}: the answer has no token")));
    }
    secret(format!("Bearer {token}"))
}

/// An identity token is exchanged with a POST, as OAuth has it; everything else asks with a GET.
fn request(
    host: &str,
    challenge: &Challenge,
    repository: &str,
    credentials: Option<&ImageCredentials>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let wrong = |what: &str| Failure::Wrong(format!("{host}: its challenge for a token {what}"));
    let realm = challenge.parameters.get("realm").ok_or_else(|| wrong("has no realm"))?;
    let scope = challenge.parameters.get("scope").cloned().unwrap_or_else(|| format!("repository:{repository}:pull"));
    let mut query = vec![("scope", scope)];
    query.extend(challenge.parameters.get("service").map(|service| ("service", service.clone())));
    let builder = Request::builder().header(header::USER_AGENT, super::session::USER_AGENT);
    let request = if let Some(ImageCredentials::IdentityToken(token)) = credentials {
        query.push(("grant_type", "refresh_token".to_owned()));
        query.push(("client_id", "inboard".to_owned()));
        query.push(("refresh_token", token.clone()));
        let form = "application/x-www-form-urlencoded";
        let builder = builder.method(Method::POST).uri(realm.as_str()).header(header::CONTENT_TYPE, form);
        builder.body(Full::new(encode(&query).into()))
    } else {
        let joint = if realm.contains('?') { '&' } else { '?' };
        let mut builder = builder.uri(format!("{realm}{joint}{}", encode(&query)));
        if let Some(ImageCredentials::Basic { username, password }) = credentials {
            builder = builder.header(header::AUTHORIZATION, basic(username, password)?);
        }
        builder.body(Full::default())
    };
    let request = request.map_err(|_| wrong(&format!("has a realm that is no URL: {realm:?}")))?;
    match request.uri().scheme_str() {
        Some("http" | "https") => Ok(request),
        _ => Err(wrong(&format!("has a realm that is no URL: {realm:?}"))),
    }
}

fn encode(pairs: &[(&str, String)]) -> String {
    let pair = |(key, value): &(&str, String)| format!("{key}={}", utf8_percent_encode(value, ENCODED));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::super::challenge::parse;
    use super::*;

    #[test]
    fn a_token_is_asked_for_as_the_challenge_says() {
        let basic = ImageCredentials::Basic { username: "me".into(), password: "p:w".into() };
        let rows = [
            (
                r#"Bearer realm="https://auth.test/token",service="a registry",scope="repository:x/y:pull""#,
                None,
                "GET https://auth.test/token?scope=repository%3Ax%2Fy%3Apull&service=a%20registry",
            ),
            (
                r#"Bearer realm="https://auth.test/token?a=b""#,
                Some(basic),
                "GET https://auth.test/token?a=b&scope=repository%3Ax%2Fy%3Apull Basic bWU6cDp3",
            ),
            (
                r#"Bearer realm="https://auth.test/token""#,
                Some(ImageCredentials::IdentityToken("t".into())),
                "POST https://auth.test/token",
            ),
        ];
        for (header, credentials, expected) in rows {
            let request = request("host", &parse(header)[0], "x/y", credentials.as_ref()).expect("a request");
            let authorization = request.headers().get(header::AUTHORIZATION);
            let authorization = authorization.map(|value| format!(" {}", value.to_str().expect("text")));
            let shown = format!("{} {}{}", request.method(), request.uri(), authorization.unwrap_or_default());
            assert_eq!(shown, expected);
        }
        for header in ["Bearer service=x", r#"Bearer realm="/token""#, r#"Bearer realm="ftp://x/""#] {
            assert!(matches!(request("host", &parse(header)[0], "x/y", None), Err(Failure::Wrong(_))), "{header}");
        }
    }
}
