//! Large answers are sent with gzip to clients that take it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderValue, Response};

use crate::body::Body;

/// What is worth it: smaller answers are sent as they are, as upstream does.
const BYTES_MIN: usize = 128 * 1024;

/// Whether a client takes gzip.
pub(crate) fn is_wanted(accepts: Option<&HeaderValue>) -> bool {
    let text = accepts.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').map(|part| part.split(';').next().unwrap_or_default().trim()).any(|name| name == "gzip")
}

/// The same response, smaller if it is large.
pub(crate) fn gzip(response: Response<Body>) -> Response<Body> {
    if response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = match body.into_whole() {
        Ok(bytes) if bytes.len() >= BYTES_MIN => bytes,
        Ok(bytes) => return Response::from_parts(parts, Body::whole(bytes)),
        Err(body) => return Response::from_parts(parts, body),
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    let made = encoder.write_all(&body).and_then(|()| encoder.finish());
    let Ok(made) = made else { return Response::from_parts(parts, Body::whole(body)) };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    Response::from_parts(parts, Body::whole(made))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn only_what_is_large_is_made_smaller() {
        let small = gzip(Response::new(Body::whole("short")));
        assert!(!small.headers().contains_key(CONTENT_ENCODING));
        let long = "a pod ".repeat(BYTES_MIN);
        let large = gzip(Response::new(Body::whole(long.clone())));
        assert_eq!(large.headers()[CONTENT_ENCODING], "gzip");
        let bytes: Bytes = large.into_body().into_whole().expect("it is whole");
        let mut read = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut read).expect("gzip");
        assert_eq!(read, long);
        for (accepts, expected) in [("gzip", true), ("br, gzip;q=0.5", true), ("identity", false)] {
            assert_eq!(is_wanted(Some(&HeaderValue::from_static(accepts))), expected, "{accepts}");
        }
    }
}
