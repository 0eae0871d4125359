//! What a server answers: its body piece by piece, and what its headers and its errors say.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;

use super::failure::{Failure, chain};

/// How long a server may go silent in the middle of a body.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How much of an answer that tells of an error is read.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A body that is still coming in.
#[derive(Debug)]
pub(crate) struct Body {
    host: String,
    incoming: hyper::body::Incoming,
}

impl Body {
    pub(super) const fn new(host: String, incoming: hyper::body::Incoming) -> Self {
        Self { host, incoming }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match tokio::time::timeout(SILENCE_MAX, self.incoming.frame()).await {
                Ok(frame) => frame.transpose(),
                Err(_) => {
                    let text = format!("{}: silent for {} s", self.host, SILENCE_MAX.as_secs());
                    return Err(Failure::Unavailable(text));
                }
            };
            let frame = frame.map_err(|error| Failure::Unavailable(format!("{}: {}", self.host, chain(&error))))?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// A body that must not be larger than this.
pub(crate) async fn read_whole(mut body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(bytes) = body.next().await? {
        if whole.len() + bytes.len() > bytes_max {
            return Err(Failure::Wrong(format!("{}: the answer is larger than {bytes_max} bytes", body.host)));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

/// Where the part of a blob begins that a server sends; `None` when it sends the whole.
pub(crate) fn content_range(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    if status != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}

/// What a registry says of an error, in the form that the specification gives it.
#[derive(Debug, Default, Deserialize)]
struct Complaints {
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The failure that an answer other than a success stands for; `what` is what was asked for.
pub(super) async fn failure(answer: Response<Body>, what: &str) -> Failure {
    let status = answer.status();
    let later = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let later = later.map(|later| format!(", try again after {later}")).unwrap_or_default();
    let host = answer.body().host.clone();
    // Only for the text: an error whose own body is cut off is the same error.
    let said = read_whole(answer.into_body(), ERROR_BYTES_MAX).await.map(|body| complaint(&body)).unwrap_or_default();
    classify(status, format!("{host}: {what}: {status}{said}{later}"))
}

fn classify(status: StatusCode, text: String) -> Failure {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::NotFound(text),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Denied(text),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Failure::Unavailable(text),
        // What it has of the blob is shorter than what came of it before.
        StatusCode::RANGE_NOT_SATISFIABLE => Failure::Unavailable(text),
        status if status.is_server_error() => Failure::Unavailable(text),
        _ => Failure::Wrong(text),
    }
}

fn complaint(body: &[u8]) -> String {
    let complaints: Complaints = serde_json::from_slice(body).unwrap_or_default();
    let texts = complaints.errors.iter().take(3).map(|one| match one.message.trim() {
        "" => format!(": {}", one.code),
        message => format!(": {message}"),
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_tell_absent_denied_and_unreachable_apart() {
        let rows = [
            (401, Failure::Denied(String::new())),
            (403, Failure::Denied(String::new())),
            (404, Failure::NotFound(String::new())),
            (416, Failure::Unavailable(String::new())),
            (429, Failure::Unavailable(String::new())),
            (500, Failure::Unavailable(String::new())),
            (503, Failure::Unavailable(String::new())),
            (418, Failure::Wrong(String::new())),
        ];
        for (status, expected) in rows {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(classify(status, String::new()), expected, "{status}");
        }
    }

    #[test]
    fn errors_are_told_in_the_registrys_words() {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}},{"code":"X"}]}"#;
        assert_eq!(complaint(body), ": manifest unknown: X");
        assert_eq!(complaint(b"<html>"), "");
    }

    #[test]
    fn a_part_begins_where_the_server_says() {
        let headers = |range: &str| [(header::CONTENT_RANGE, range.parse().expect("a value"))].into_iter().collect();
        let rows = [
            (206, "bytes 100-199/200", Some(100)),
            (206, "bytes */200", None),
            (206, "lines 1-2/3", None),
            (200, "bytes 100-199/200", None),
        ];
        for (status, range, expected) in rows {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(content_range(status, &headers(range)), expected, "{status} {range}");
        }
    }
}
