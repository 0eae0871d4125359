//! Connections that leave HTTP, as clients see them: kube-rs in the same process, WebSockets and SPDY on a socket, and what
//! bad clients cannot do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use inboard::k8s_openapi::api::core::v1::{Pod, Service};
use inboard::{Api, Cluster, ExecOptions, NodeSpec, PostParams};
use inboard_apiserver::{Address, ApiServer, Server};
use inboard_runtime_mock::{MockRuntime, Script};
use kube::Client;
use kube::api::{AttachParams, AttachedProcess};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A cluster with one pod that runs, and the port 80 of which answers.
async fn cluster() -> Cluster {
    let script = Script::image("busybox").serves(80, RESPONSE);
    let runtime = MockRuntime::builder().script(script).build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(runtime))).start().await.expect("it starts");
    let pod = json!({
        "metadata": { "name": "p", "namespace": "default", "labels": { "app": "p" } },
        "spec": { "containers": [{
            "name": "c",
            "image": "busybox",
            "command": ["sh", "-c", "while true; do echo tick; sleep 1; done"],
            "ports": [{ "containerPort": 80 }],
        }] },
    });
    let pods: Api<Pod> = Api::namespaced(&cluster, "default");
    pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod")).await.expect("created");
    let service = json!({
        "metadata": { "name": "s", "namespace": "default" },
        "spec": { "selector": { "app": "p" }, "ports": [{ "port": 8080, "targetPort": 80 }] },
    });
    let services: Api<Service> = Api::namespaced(&cluster, "default");
    services
        .create(&PostParams::default(), &serde_json::from_value(service).expect("a service"))
        .await
        .expect("created");
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    pods.wait("p", LIMIT, |pod| pod.is_some_and(is_ready)).await.expect("it runs");
    cluster
}

async fn text(mut reader: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).await.expect("text");
    text
}

async fn exit_code(mut process: AttachedProcess) -> Option<String> {
    let status = process.take_status().expect("a status").await?;
    let causes = status.details.into_iter().flat_map(|details| details.causes.into_iter().flatten());
    let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    code.map_or(status.status, |cause| cause.message)
}

#[tokio::test(start_paused = true)]
async fn kube_rs_runs_commands_attaches_and_forwards_ports_in_process() {
    let cluster = cluster().await;
    let client = Client::new(ApiServer::new(&cluster), "default");
    let pods: kube::Api<Pod> = kube::Api::default_namespaced(client);

    let mut process =
        pods.exec("p", ["sh", "-c", "echo out; echo err >&2; exit 3"], &AttachParams::default()).await.expect("exec");
    let (stdout, stderr) = (process.stdout().expect("stdout"), process.stderr().expect("stderr"));
    assert_eq!(tokio::join!(text(stdout), text(stderr)), ("out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(exit_code(process).await.as_deref(), Some("3"));

    let mut process = pods.exec("p", ["cat"], &AttachParams::default().stdin(true)).await.expect("exec");
    let (mut stdin, stdout) = (process.stdin().expect("stdin"), process.stdout().expect("stdout"));
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let send = async {
        stdin.write_all(lines.as_bytes()).await.expect("sent");
        stdin.shutdown().await.expect("ended");
    };
    let ((), echoed) = tokio::join!(send, text(stdout));
    assert!(echoed == lines, "{} bytes came back of {}", echoed.len(), lines.len());
    assert_eq!(exit_code(process).await.as_deref(), Some("Success"));

    let mut process = pods.attach("p", &AttachParams::default()).await.expect("attach");
    let mut ticks = [0; 10];
    process.stdout().expect("stdout").read_exact(&mut ticks).await.expect("ticks");
    assert_eq!(&ticks, b"tick\ntick\n");
    drop(process);

    let mut ports = pods.portforward("p", &[80, 81]).await.expect("port-forward");
    let refused = ports.take_error(81).expect("port 81");
    let mut port = ports.take_stream(80).expect("port 80");
    port.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
    let mut answer = vec![0; RESPONSE.len()];
    port.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&answer), RESPONSE);
    assert!(refused.await.expect("a message").starts_with("error forwarding port 81 to pod p, uid "));

    let missing = pods.exec("nobody", ["ls"], &AttachParams::default()).await.err().expect("there is no such pod");
    assert!(missing.to_string().contains("pods \"nobody\" not found"), "{missing}");
}

/// A cluster on a socket.
async fn served() -> (Cluster, Server, SocketAddr) {
    let cluster = cluster().await;
    let server = Server::insecure(ApiServer::new(&cluster), ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
    (cluster, server, address)
}

async fn websocket(address: SocketAddr, path: &str, protocol: &str) -> Result<WebSocketStream<TcpStream>, Error> {
    let mut request = format!("ws://{address}/api/v1/namespaces/default/pods/{path}").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a name"));
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
    Ok(socket)
}

/// What comes on each channel until the end, and how it ends.
async fn channels(mut socket: WebSocketStream<TcpStream>) -> (BTreeMap<u8, Vec<u8>>, Option<CloseFrame>) {
    let mut channels: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut close = None;
    let read = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(bytes) => channels.entry(bytes[0]).or_default().extend(&bytes[1..]),
                Message::Text(text) => channels.entry(text.as_bytes()[0]).or_default().extend(&text.as_bytes()[1..]),
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the server closes the connection");
    (channels, close)
}

#[tokio::test]
async fn each_version_of_the_channels_tells_the_end_in_its_way() {
    let (_cluster, _server, address) = served().await;
    for (protocol, stdout, error) in [
        ("v5.channel.k8s.io", (1, "out\n"), (3, "\"reason\":\"NonZeroExitCode\"")),
        ("v4.channel.k8s.io", (1, "out\n"), (3, "\"reason\":\"NonZeroExitCode\"")),
        ("v4.base64.channel.k8s.io", (b'1', "b3V0Cg=="), (b'3', "")),
        ("channel.k8s.io", (1, "out\n"), (3, "command terminated with non-zero exit code")),
        ("base64.channel.k8s.io", (b'1', "b3V0Cg=="), (b'3', "")),
    ] {
        let path = "p/exec?command=sh&command=-c&command=echo+out;+exit+3&stdout=1&stderr=1";
        let socket = websocket(address, path, protocol).await.expect(protocol);
        let (channels, close) = channels(socket).await;
        assert_eq!(String::from_utf8_lossy(&channels[&stdout.0]), stdout.1, "{protocol}");
        assert!(String::from_utf8_lossy(&channels[&error.0]).contains(error.1), "{protocol}: {channels:?}");
        assert_eq!(close.map(|frame| frame.code), Some(CloseCode::Normal), "{protocol}");
    }
}

#[tokio::test]
async fn input_ends_with_its_channel_and_pings_are_answered_meanwhile() {
    let (_cluster, _server, address) = served().await;
    let path = "p/exec?command=cat&stdin=true&stdout=true";
    let mut socket = websocket(address, path, "v5.channel.k8s.io").await.expect("a socket");
    socket.send(Message::binary(&b"\x00one "[..])).await.expect("sent");
    socket.send(Message::Ping(b"still there?"[..].into())).await.expect("sent");
    let answered = async {
        while socket.next().await.expect("it goes on").expect("a message") != Message::Pong(b"still there?"[..].into())
        {
        }
    };
    tokio::time::timeout(LIMIT, answered).await.expect("an answer");
    socket.send(Message::binary(&b"\x00two"[..])).await.expect("sent");
    socket.send(Message::binary(&b"\x04{\"Width\":80,\"Height\":24}"[..])).await.expect("sent");
    socket.send(Message::binary(&b"\xff\x00"[..])).await.expect("sent");
    let (channels, _) = channels(socket).await;
    let text = String::from_utf8_lossy(&channels[&1]);
    assert!(text.ends_with("two"), "{text}");
    let status: Value = serde_json::from_slice(&channels[&3]).expect("a status");
    assert_eq!(status, json!({ "metadata": {}, "status": "Success" }));
}

/// Sends a request by hand; what comes behind the response's head is left.
async fn by_hand(address: SocketAddr, method: &str, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("{method} /api/v1/namespaces/default/{path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a response"));
    }
    (stream, String::from_utf8_lossy(&head).to_lowercase())
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn what_is_wrong_is_said_before_a_connection_leaves_http() {
    let (_cluster, _server, address) = served().await;
    let spdy = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v9.channel.k8s.io\r\n";
    for (path, headers, code, message) in [
        ("pods/p/exec?command=ls&stdout=1", "", 400, "Upgrade request required"),
        ("pods/x/exec?command=ls&stdout=1", "", 404, "pods \"x\" not found"),
        ("pods/p/exec?stdout=1", UPGRADE, 400, "you must specify at least one command for the container"),
        ("pods/p/exec?command=ls", UPGRADE, 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("pods/p/exec?command=ls&stdout=1&container=x", UPGRADE, 400, "container x is not valid for pod p"),
        ("pods/p/exec?command=ls&stdout=1", "Connection: Upgrade\r\nUpgrade: h3\r\n", 400, "missing upgrade headers"),
        ("pods/p/exec?command=ls&stdout=1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 400, "WebSocket Version"),
        ("pods/p/exec?command=ls&stdout=1", spdy, 403, "client supports [v9.channel.k8s.io], server accepts [v5."),
        ("pods/p/portforward", UPGRADE, 400, "query parameter \\\"port\\\" is required"),
        ("pods/p/portforward?ports=0", UPGRADE, 400, "unable to parse \\\"0\\\" as a port"),
        ("pods/p:81/proxy/", "", 503, "error trying to reach port 81 of pod \\\"p\\\""),
        ("services/s:1/proxy/", "", 503, "no service port 1 found for service \\\"s\\\""),
    ] {
        let headers = format!("{headers}Connection: close\r\n");
        let headers = if headers.contains("Upgrade") { headers.replace("Connection: close\r\n", "") } else { headers };
        let (mut stream, head) = by_hand(address, "GET", path, &headers).await;
        assert!(head.starts_with(&format!("http/1.1 {code} ")), "{path}: {head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        stream.read_exact(&mut body).await.expect("a body");
        let body = String::from_utf8_lossy(&body);
        let plain = message.replace("\\\"", "\"");
        let said =
            serde_json::from_str::<Value>(&body).expect("a status")["message"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(&plain), "{path}: {said}");
    }
}

#[tokio::test]
async fn requests_are_passed_on_to_pods_and_services() {
    let (_cluster, _server, address) = served().await;
    for path in ["pods/p/proxy/", "pods/p:80/proxy/a/b?c=d", "services/s:8080/proxy/", "services/http:s:/proxy/"] {
        let (mut stream, head) = by_hand(address, "GET", path, "").await;
        assert!(head.starts_with("http/1.1 200 ok"), "{path}: {head}");
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.expect("a body");
        assert_eq!(&body, b"hello", "{path}");
    }
    let (_, head) = by_hand(address, "GET", "pods/p/proxy?a=b", "").await;
    assert!(head.contains("location: /api/v1/namespaces/default/pods/p/proxy/?a=b\r\n"), "{head}");
}

/// The frames of a SPDY client; its headers are not compressed, which every inflater reads.
struct Spdy {
    stream: TcpStream,
    has_begun: bool,
}

impl Spdy {
    async fn open(address: SocketAddr, path: &str, version: &str) -> Self {
        let headers =
            format!("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v9, {version}\r\n");
        let (stream, head) = by_hand(address, "POST", path, &headers).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains(&format!("x-stream-protocol-version: {version}\r\n")), "{head}");
        Self { stream, has_begun: false }
    }

    async fn control(&mut self, kind: u8, flags: u8, content: &[u8]) {
        let length = (content.len() as u32).to_be_bytes();
        let frame = [&[0x80, 3, 0, kind, flags], &length[1..], content].concat();
        self.stream.write_all(&frame).await.expect("sent");
    }

    async fn begin(&mut self, id: u32, headers: &[(&str, &str)]) {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend((text.len() as u32).to_be_bytes());
            plain.extend(text.as_bytes());
        }
        let mut content = [&id.to_be_bytes()[..], &[0; 6]].concat();
        if !std::mem::replace(&mut self.has_begun, true) {
            content.extend([0x78, 0x01]);
        }
        let length = plain.len() as u16;
        content.push(0);
        content.extend(length.to_le_bytes());
        content.extend((!length).to_le_bytes());
        content.extend(plain);
        self.control(1, 0, &content).await;
    }

    async fn data(&mut self, id: u32, bytes: &[u8], fin: bool) {
        let length = (bytes.len() as u32).to_be_bytes();
        let frame = [&id.to_be_bytes()[..], &[u8::from(fin)], &length[1..], bytes].concat();
        self.stream.write_all(&frame).await.expect("sent");
    }

    /// The next frame: for data the stream, whether it ends, and the bytes; for others their kind.
    async fn next(&mut self) -> Option<Result<(u32, bool, Vec<u8>), u8>> {
        let mut head = [0; 8];
        let read = tokio::time::timeout(LIMIT, self.stream.read_exact(&mut head)).await.expect("it answers or ends");
        read.ok()?;
        let length = u32::from_be_bytes([0, head[5], head[6], head[7]]);
        let mut content = vec![0; length as usize];
        self.stream.read_exact(&mut content).await.expect("the rest of a frame");
        if head[0] & 0x80 != 0 {
            return Some(Err(head[3]));
        }
        Some(Ok((u32::from_be_bytes([head[0], head[1], head[2], head[3]]), head[4] & 1 != 0, content)))
    }

    /// What comes on each stream until the end, in brackets when the stream ends.
    async fn all(&mut self) -> BTreeMap<u32, String> {
        let mut streams: BTreeMap<u32, String> = BTreeMap::new();
        while let Some(frame) = self.next().await {
            if let Ok((id, fin, bytes)) = frame {
                let text = streams.entry(id).or_default();
                text.push_str(&String::from_utf8_lossy(&bytes));
                if fin {
                    *text = format!("[{text}]");
                }
            }
        }
        streams
    }
}

#[tokio::test]
async fn commands_run_over_spdy() {
    let (_cluster, _server, address) = served().await;
    for (version, status) in
        [("v4.channel.k8s.io", "[{\"metadata\":{},\"status\":\"Success\"}]"), ("v2.channel.k8s.io", "[]")]
    {
        let path = "pods/p/exec?command=cat&stdin=1&stdout=1";
        let mut client = Spdy::open(address, path, version).await;
        client.begin(1, &[("streamtype", "error")]).await;
        client.begin(3, &[("streamtype", "stdin")]).await;
        client.begin(5, &[("streamtype", "stdout")]).await;
        client.control(6, 0, &7_u32.to_be_bytes()).await;
        client.data(3, b"one ", false).await;
        client.data(3, b"two", true).await;
        let expected = BTreeMap::from([(1, status.to_owned()), (5, "[one two]".to_owned())]);
        assert_eq!(client.all().await, expected, "{version}");
    }
}

#[tokio::test]
async fn ports_are_forwarded_over_spdy() {
    let (_cluster, _server, address) = served().await;
    let mut client = Spdy::open(address, "pods/p/portforward", "portforward.k8s.io").await;
    for (id, kind, port, request) in [
        (1, "error", "80", "0"),
        (3, "data", "80", "0"),
        (5, "error", "81", "1"),
        (7, "data", "81", "1"),
        // Neither a port nor a kind of stream.
        (9, "data", "0", "2"),
        (11, "other", "80", "3"),
    ] {
        client.begin(id, &[("streamtype", kind), ("port", port), ("requestid", request)]).await;
    }
    client.data(3, b"GET / HTTP/1.1\r\n\r\n", false).await;
    let (mut ended, mut resets) = (BTreeMap::<u32, String>::new(), 0);
    let mut open = 4;
    while open > 0 {
        match client.next().await.expect("the connection stays") {
            Ok((id, fin, bytes)) => {
                ended.entry(id).or_default().push_str(&String::from_utf8_lossy(&bytes));
                open -= i32::from(fin);
            }
            Err(kind) => resets += i32::from(kind == 3),
        }
    }
    assert_eq!((&*ended[&1], &*ended[&3], &*ended[&7], resets), ("", RESPONSE, "", 2));
    assert!(ended[&5].starts_with("error forwarding port 81 to pod p"), "{ended:?}");
}

#[tokio::test]
async fn whoever_breaks_off_or_the_rules_ends_the_session_and_nothing_else() {
    let (cluster, server, address) = served().await;
    let command = "p/exec?command=sh&command=-c&stdin=1&stdout=1&command=cat;+echo+ended+%3E%3E+/tmp/ended";
    let protocol = "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n";
    let headers = format!("{UPGRADE}{protocol}");
    let path = format!("pods/{command}");

    // Dropped, half-closed, and not to be understood.
    let (stream, head) = by_hand(address, "GET", &path, &headers).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    drop(stream);
    let (mut stream, _) = by_hand(address, "GET", &path, &headers).await;
    stream.shutdown().await.expect("half-closed");
    let (mut garbled, _) = by_hand(address, "GET", &path, &headers).await;
    garbled.write_all(b"this is no frame").await.expect("sent");
    let mut rest = Vec::new();
    tokio::time::timeout(LIMIT, garbled.read_to_end(&mut rest)).await.expect("it is closed").expect("in order");
    assert!(rest.ends_with(&[0x88, 2, 0x03, 0xea]), "{rest:x?}");
    let mut spdy = Spdy::open(address, &path, "v4.channel.k8s.io").await;
    spdy.stream.write_all(&[0x80, 9, 0, 1, 0, 0, 0, 0]).await.expect("sent");
    assert!(spdy.next().await.is_none(), "it is closed");

    let pods: Api<Pod> = Api::namespaced(&cluster, "default");
    let ended = async {
        loop {
            let options = ExecOptions::default();
            let output = pods.exec("p", ["cat", "/tmp/ended"], &options).await.expect("exec");
            if &*output.stdout == b"ended\nended\nended\nended\n" {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the input of each process ends");

    // A session that goes on ends with the server.
    let socket =
        websocket(address, "p/exec?command=cat&stdin=1&stdout=1", "v5.channel.k8s.io").await.expect("a socket");
    server.stop().await;
    channels(socket).await;
}
