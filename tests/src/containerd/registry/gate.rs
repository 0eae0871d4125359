//! A gate in front of a registry: it writes down what is asked, can ask for tokens as large registries do, send blobs
//! from another host, and break off an answer in the middle.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::ACCOUNT;

/// The token that opens the gate.
pub const TOKEN: &str = "let.me.in";
const CLOSE: &str = "Connection: close\r\n";

/// One gate; it closes with the test's runtime.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    upstream: u16,
    token_of: Option<String>,
    log: Mutex<Vec<String>>,
    /// How many bytes of blobs still come through.
    allowance: Mutex<Option<u64>>,
    redirect_to: Mutex<Option<u16>>,
}

impl Gate {
    /// Opens a gate to a registry's port. With `tokens` it wants a token, which the [`ACCOUNT`] gets.
    pub async fn open(upstream: u16, tokens: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let token_of = tokens.then(|| format!("http://127.0.0.1:{port}/token"));
        let shared = Arc::new(Shared { upstream, token_of, ..Shared::default() });
        let gate = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gate = gate.clone();
                tokio::spawn(async move { drop(gate.serve(stream).await) });
            }
        });
        Self { port, shared }
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Lets this many bytes of blobs through, then breaks off every answer.
    pub fn allow(&self, bytes: u64) {
        *lock(&self.shared.allowance) = Some(bytes);
    }

    /// Lets everything through again.
    pub fn allow_all(&self) {
        *lock(&self.shared.allowance) = None;
    }

    /// Sends whoever wants a blob to another port.
    pub fn redirect_blobs(&self, port: u16) {
        *lock(&self.shared.redirect_to) = Some(port);
    }

    /// What was asked since the last time, a line each: method, path, the scheme of the credentials, range.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.log))
    }
}

impl Shared {
    /// One request a connection.
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
        };
        let authorization = header("authorization").unwrap_or_default();
        let scheme = authorization.split(' ').next().unwrap_or_default();
        let range = header("range").unwrap_or_default();
        lock(&self.log).push(format!("{line} {scheme} {range}").trim_end().to_owned());
        if line.contains(" /token") {
            return client.write_all(answer_token(&authorization).as_bytes()).await;
        }
        if let Some(realm) = self.token_of.as_ref().filter(|_| authorization != format!("Bearer {TOKEN}")) {
            let challenge = format!("Www-Authenticate: Bearer realm=\"{realm}\",service=\"tests\"");
            let answer = format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\n{CLOSE}Content-Length: 0\r\n\r\n");
            return client.write_all(answer.as_bytes()).await;
        }
        let path = line.split(' ').nth(1).unwrap_or_default();
        let blob = path.contains("/blobs/");
        let elsewhere = *lock(&self.redirect_to);
        if let Some(port) = elsewhere.filter(|_| blob) {
            // By another name: to some clients, all ports of one are the same place.
            let location = format!("http://localhost:{port}{path}");
            let answer =
                format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n{CLOSE}Content-Length: 0\r\n\r\n");
            return client.write_all(answer.as_bytes()).await;
        }
        self.pass(&head, blob, client).await
    }

    async fn pass(&self, head: &str, blob: bool, mut client: TcpStream) -> std::io::Result<()> {
        let mut registry = TcpStream::connect(("127.0.0.1", self.upstream)).await?;
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("authorization:"));
        let head: String = lines.take_while(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
        registry.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = registry.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            let passed = if blob { self.take(read) } else { read };
            client.write_all(&buffer[..passed]).await?;
            if passed < read {
                return Ok(());
            }
        }
    }

    fn take(&self, wanted: usize) -> usize {
        let mut allowance = lock(&self.allowance);
        let Some(left) = allowance.as_mut() else { return wanted };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(wanted);
        *left -= taken as u64;
        taken
    }
}

/// Base64 of the account, as a browser would send it.
fn answer_token(authorization: &str) -> String {
    let wanted = inboard::k8s_openapi::ByteString(format!("{}:{}", ACCOUNT.0, ACCOUNT.1).into_bytes());
    let wanted = serde_json::to_value(wanted).ok().and_then(|value| Some(format!("Basic {}", value.as_str()?)));
    if wanted.as_deref() != Some(authorization) {
        return format!("HTTP/1.1 401 Unauthorized\r\n{CLOSE}Content-Length: 0\r\n\r\n");
    }
    let body = format!("{{\"token\":\"{TOKEN}\",\"expires_in\":300}}");
    format!("HTTP/1.1 200 OK\r\n{CLOSE}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
