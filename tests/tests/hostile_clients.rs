//! Clients on real sockets that are slow, silent, greedy or mad: each is held to a bound, and everybody else is served.
//!
//! Time is paused where a bound is one of time: it moves on once nobody has anything to do. So no test waits, and each ends
//! with a state: a connection that is closed, a figure that is back at nothing, an answer to somebody else.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full};
use inboard::prelude::*;
use inboard::{Api, Cluster, PostParams};
use inboard_apiserver::{Address, ApiServer, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

/// Longer than any bound of time.
const LIMIT: Duration = Duration::from_secs(600);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

struct World {
    cluster: Cluster,
    api: ApiServer,
    _server: Server,
    address: SocketAddr,
}

impl World {
    async fn start() -> Self {
        let cluster = Cluster::builder().start().await.expect("it starts");
        let api = ApiServer::new(&cluster);
        let server = Server::insecure(api.clone(), ([127, 0, 0, 1], 0).into()).await.expect("it listens");
        let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
        Self { cluster, api, _server: server, address }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// A connection on which this was sent.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.expect("sent");
        stream
    }

    /// An honest client on a connection of its own is answered.
    async fn serves(&self, why: &str) {
        let request = format!("GET {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = end(self.send(request).await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("ConfigMapList"), "{why}: {answer}");
    }

    async fn create(&self, name: &str, letters: usize) {
        let map = ConfigMap::builder(name).data("k", "v".repeat(letters)).build().expect("a map");
        let maps: Api<ConfigMap> = Api::default_namespaced(&self.cluster);
        maps.create(&PostParams::default(), &map).await.expect("created");
    }

    /// How many watches the server says that there are.
    async fn watches(&self) -> u64 {
        let request = Request::builder().uri("/metrics").body(Full::new(bytes::Bytes::new())).expect("a request");
        let Ok(response) = self.api.clone().call(request).await;
        let Ok(body) = response.into_body().collect().await;
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix("apiserver_longrunning_requests{verb=\"WATCH\"} "));
        line.and_then(|number| number.parse().ok()).expect("a figure")
    }

    async fn watches_are(&self, count: u64) {
        let wait = async {
            while self.watches().await != count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("there never are {count} watches"));
    }
}

/// All that comes until the server closes, which it must.
async fn end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    // A connection that is cut off is closed, too.
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(start_paused = true)]
async fn who_does_not_begin_or_does_not_go_on_is_cut_off() {
    let world = World::start().await;
    for (bytes, what) in [
        ("", "nothing"),
        ("P", "the first letter of two protocols"),
        ("PRI * HTTP/2.0\r\n\r\n", "the beginning of HTTP/2 without its end"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2, and then nothing"),
        ("GET /api HTTP/1.1\r\nHos", "half a head"),
        ("GET /api HTTP/1.1\r\nHost: x\r\n", "a head without its end"),
    ] {
        let stream = world.send(bytes).await;
        world.serves(what).await;
        let answer = end(stream).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
    }
    // Of a body that does not come, what has come is told to be too little.
    let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{\"metadata\":");
    let slow = world.send(head).await;
    world.serves("a slow body").await;
    let answer = end(slow).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("did not come within"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_take_no_place_from_others() {
    let world = World::start().await;
    let mut slow = Vec::new();
    // More than there may be requests in flight.
    for _ in 0..1_500 {
        let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{");
        slow.push(world.send(head).await);
    }
    world.serves("1,500 slow bodies").await;
    world.create("by-another", 1).await;
    for stream in slow {
        assert!(end(stream).await.starts_with("HTTP/1.1 504"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused() {
    let world = World::start().await;
    let length = 4 * 1024 * 1024;
    let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let announced = end(world.send(head + &"x".repeat(3 * 1024 * 1024 + 1)).await).await;
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("Request entity too large"), "{announced}");

    let mut stream = world.send(format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = async {
        // Until the server has had enough: it does not read on.
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, endless).await.expect("an endless body is not taken");

    for head in [
        format!("GET {MAPS} HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1024 * 1024)),
        format!("GET {MAPS} HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: x\r\n".repeat(10_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)),
    ] {
        let mut stream = world.connect().await;
        // The server may close before it has read all.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = end(stream).await;
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414");
        assert!(is_refused, "{answer}");
    }
    world.serves("what is too large").await;
}

#[tokio::test(start_paused = true)]
async fn madness_ends_a_connection_and_nothing_else() {
    let world = World::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this would be TLS"[..],
        b"\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff",
        b"GET / HTTP/9.9\r\n\r\n and more of it",
        b"GET /api/v1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/pods HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let answer = end(world.send(bytes).await).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        world.serves("madness").await;
    }
    // Who sends no more is still answered, or is cut off.
    let mut half = world.send(format!("GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    world.watches_are(1).await;
    half.shutdown().await.expect("half of it is closed");
    let _ = end(half).await;
    world.watches_are(0).await;
}

#[tokio::test]
async fn thousands_of_idle_watches_leave_others_alone() {
    let world = World::start().await;
    let mut sockets = Vec::new();
    for _ in 0..300 {
        sockets.push(world.send(format!("GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")).await);
    }
    let mut bodies = Vec::new();
    for _ in 0..10_000 {
        let request = Request::builder().uri(format!("{MAPS}?watch=true&resourceVersion=1"));
        let request = request.body(Full::new(bytes::Bytes::new())).expect("a request");
        let Ok(response) = world.api.clone().call(request).await;
        assert_eq!(response.status(), 200);
        bodies.push(response.into_body());
    }
    world.watches_are(10_300).await;
    for number in 0..20 {
        world.create(&format!("m{number}"), 1).await;
        world.serves("thousands of watches").await;
    }
    // Each of them sees what happens.
    for stream in sockets.iter_mut().step_by(299) {
        let mut seen = String::new();
        while !seen.contains("\"m19\"") {
            let mut buffer = [0; 4096];
            let read =
                tokio::time::timeout(LIMIT, stream.read(&mut buffer)).await.expect("in time").expect("it goes on");
            assert_ne!(read, 0, "it goes on");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
    let last = bodies.last_mut().expect("a watch");
    let frame = tokio::time::timeout(LIMIT, last.frame()).await.expect("in time").expect("it goes on");
    assert!(frame.is_ok_and(|frame| frame.is_data()));
    drop((sockets, bodies));
    world.watches_are(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_never_reads_is_cut_off_and_costs_nobody_else() {
    let world = World::start().await;
    // More than the buffers of a socket take.
    for number in 0..120 {
        world.create(&format!("there-{number}"), 100_000).await;
    }
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(world.send(format!("GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\n\r\n")).await);
    }
    // Neither does one that does not read a list.
    for _ in 0..4 {
        silent.push(world.send(format!("GET {MAPS} HTTP/1.1\r\nHost: x\r\n\r\n")).await);
    }
    world.watches_are(8).await;
    // The server gives up on them while nobody reads; the sockets stay open on this side.
    world.watches_are(0).await;
    world.create("after", 1).await;
    world.serves("watchers that never read").await;
    for stream in silent {
        let _ = end(stream).await;
    }
}

#[tokio::test]
async fn a_flood_of_connections_passes() {
    let world = World::start().await;
    for _ in 0..5 {
        let mut flood = Vec::new();
        for number in 0..1_000 {
            let bytes = if number % 2 == 0 { "" } else { "GET /api HTTP/1.1\r\nHost: x\r\n\r\n" };
            flood.push(world.send(bytes).await);
        }
        world.serves("a flood").await;
    }
    world.serves("after the flood").await;
}
