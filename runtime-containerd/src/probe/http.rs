//! An HTTP GET that looks at nothing but the status: success is 200 to 399.

use std::time::Duration;

use inboard::runtime::{ProbeOutcome, RuntimeError, RuntimeErrorKind};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::{address, connect, failure};

/// How much of an answer is read before its status must have come.
const STATUS_BYTES_MAX: u64 = 16 << 10;

#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
    pub(super) headers: &'a [(String, String)],
}

pub(super) async fn probe(target: &Target<'_>, timeout: Duration) -> Result<ProbeOutcome, RuntimeError> {
    let scheme = target.scheme.to_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        let message = format!("a probe over {scheme} is not known: only http and https");
        return Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message));
    }
    let path = if target.path.starts_with('/') { target.path.to_owned() } else { format!("/{}", target.path) };
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        let message = format!("probe path {path:?} has characters that a URL cannot have");
        return Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message));
    }
    let url = format!("{scheme}://{}{path}", address(target.host, target.port));
    let outcome = match tokio::time::timeout(timeout, status(target, &path, timeout)).await {
        Ok(Ok(200..=399)) => ProbeOutcome::Success,
        Ok(Ok(status)) => failure(format!("HTTP probe failed with statuscode: {status}")),
        Ok(Err(text)) => failure(format!("Get {url:?}: {text}")),
        Err(_) => {
            let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
            failure(format!("Get {url:?}: {text}"))
        }
    };
    Ok(outcome)
}

async fn status(target: &Target<'_>, path: &str, timeout: Duration) -> Result<u16, String> {
    let stream = connect(target.host, target.port, timeout).await?;
    if target.scheme.eq_ignore_ascii_case("https") {
        ask(super::tls::connect(stream, target.host).await?, target, path).await
    } else {
        ask(stream, target, path).await
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, target: &Target<'_>, path: &str) -> Result<u16, String> {
    let text = |error: std::io::Error| super::go_text(&error);
    stream.write_all(request(target, path).as_bytes()).await.map_err(text)?;
    let mut answer = BufReader::new(stream.take(STATUS_BYTES_MAX));
    loop {
        let status = read_status(&mut answer).await?;
        // What comes before the answer proper: 100 Continue, 103 Early Hints.
        if !(100..200).contains(&status) {
            return Ok(status);
        }
        let mut line = String::new();
        while answer.read_line(&mut line).await.map_err(text)? > 2 {
            line.clear();
        }
    }
}

async fn read_status(answer: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Result<u16, String> {
    let mut line = String::new();
    let read = answer.read_line(&mut line).await.map_err(|error| super::go_text(&error))?;
    if read == 0 {
        return Err("EOF".into());
    }
    let code = line.strip_prefix("HTTP/").and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    code.ok_or_else(|| format!("net/http: malformed HTTP response {:?}", line.trim_end()))
}

/// The probe's own headers replace the ones that are always sent.
fn request(target: &Target<'_>, path: &str) -> String {
    let own = |name: &str| target.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut text = format!("GET {path} HTTP/1.1\r\n");
    let defaults = [
        ("Host", address(target.host, target.port)),
        ("User-Agent", "kube-probe/1.36".into()),
        ("Accept", "*/*".into()),
    ];
    for (name, value) in defaults.into_iter().filter(|(name, _)| !own(name)) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in target.headers {
        // A line feed in a value would begin another header.
        let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("Connection: close\r\n\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(answer: &'static str) -> (ProbeOutcome, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("the probe connects");
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.expect("the probe asks");
            stream.write_all(answer.as_bytes()).await.expect("the probe listens");
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let headers = [("host".to_owned(), "example".to_owned()), ("X-A".to_owned(), "1\r\nX-B: 2".to_owned())];
        let target = Target { scheme: "HTTP", host: "127.0.0.1", port, path: "healthz?x=1", headers: &headers };
        let outcome = probe(&target, Duration::from_secs(5)).await.expect("http is supported");
        (outcome, server.await.expect("the server ran"))
    }

    #[tokio::test]
    async fn the_status_decides() {
        let (outcome, request) = answered("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(outcome, ProbeOutcome::Success);
        let expected = "GET /healthz?x=1 HTTP/1.1\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nhost: example\r\n\
                        X-A: 1X-B: 2\r\nConnection: close\r\n\r\n";
        assert_eq!(request, expected);
        let text = |outcome| match outcome {
            ProbeOutcome::Success => "success".to_owned(),
            ProbeOutcome::Failure(text) => text.to_string(),
        };
        let rows = [
            ("HTTP/1.0 302 Found\r\n\r\n", "success"),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "success"),
            ("HTTP/1.1 500 Oops\r\n\r\n", "HTTP probe failed with statuscode: 500"),
        ];
        for (answer, expected) in rows {
            assert_eq!(text(answered(answer).await.0), expected);
        }
        assert!(text(answered("SSH-2.0\r\n").await.0).contains("malformed HTTP response \"SSH-2.0\""));
    }
}
