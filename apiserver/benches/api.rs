//! How fast the API is served: `cargo bench -p inboard-apiserver --bench api [-- NAME]`.
//!
//! The cluster has no controllers and no scheduler, so that what is measured is the API: reading and judging the request,
//! admission, the store, and writing the answer. Where it says "loopback" client and server share the machine's cores. Run by
//! `cargo test` it does the same at a small size, to be kept working.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use inboard::control::ControllerMode;
use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::{Cluster, Shutdown};
use inboard_apiserver::{ApiServer, Server};
use serde_json::json;
use tower_service::Service;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let full = args.iter().any(|arg| arg == "--bench");
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|arg| name.contains(arg.as_str()));
    let size = |large: usize, small: usize| if full { large } else { small };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a tokio runtime");
    println!("| what | figure |\n|---|---|");
    if runs("start") {
        runtime.block_on(start(size(100, 2)));
    }
    if runs("list") {
        runtime.block_on(list(size(10_000, 50)));
    }
    if runs("watch") {
        runtime.block_on(watch(size(1000, 5), size(100, 5)));
    }
    if runs("create") {
        runtime.block_on(create(size(50_000, 50), size(32, 2)));
    }
}

async fn cluster() -> Cluster {
    let builder = Cluster::builder().other_controllers(ControllerMode::Off).scheduler(None);
    builder.start().await.expect("a cluster")
}

async fn send(api: &ApiServer, method: Method, path: &str, body: String) -> http::Response<inboard_apiserver::Body> {
    let request = Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body))).expect("a request");
    let Ok(response) = api.clone().call(request).await;
    response
}

async fn bytes(response: http::Response<inboard_apiserver::Body>) -> Bytes {
    let Ok(body) = response.into_body().collect().await;
    body.to_bytes()
}

/// From nothing to the first answer that a client has.
async fn start(rounds: usize) {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let one = Cluster::builder().start().await.expect("a cluster");
        let client = kube::Client::new(ApiServer::new(&one), "default");
        let pods: kube::Api<Pod> = kube::Api::default_namespaced(client);
        pods.list(&kube::api::ListParams::default()).await.expect("a list");
        times.push(start.elapsed());
        one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
    }
    times.sort();
    println!("| cluster, service and kube::Client to the first answer, median | {:?} |", times[times.len() / 2]);
}

fn pod(name: &str) -> String {
    let labels = json!({ "app": "web", "tier": "front" });
    let container = json!({
        "name": "web",
        "image": "nginx:1.29",
        "ports": [{ "containerPort": 80 }],
        "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
        "env": [{ "name": "MODE", "value": "production" }],
    });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": labels },
        "spec": { "containers": [container] },
    })
    .to_string()
}

async fn list(count: usize) {
    let one = cluster().await;
    let api = ApiServer::new(&one);
    for index in 0..count {
        let made = send(&api, Method::POST, "/api/v1/namespaces/default/pods", pod(&format!("pod-{index:05}"))).await;
        assert_eq!(made.status(), 201);
    }
    for (what, path) in [("", "/api/v1/pods"), (" by a label that all have", "/api/v1/pods?labelSelector=app%3Dweb")] {
        let start = Instant::now();
        let listed = bytes(send(&api, Method::GET, path, String::new()).await).await;
        let (time, size) = (start.elapsed(), listed.len() / 1024);
        println!("| list of {count} pods{what}: {size} KiB of JSON | {time:?} |");
    }
    one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}

/// Many watchers of the same objects.
async fn watch(watchers: usize, changes: usize) {
    let one = cluster().await;
    let api = ApiServer::new(&one);
    let mut tasks = Vec::new();
    for _ in 0..watchers {
        let path = "/api/v1/namespaces/default/pods?watch=true";
        let mut body = send(&api, Method::GET, path, String::new()).await.into_body();
        tasks.push(tokio::spawn(async move {
            let mut lines = 0;
            while lines < changes {
                let Some(Ok(frame)) = body.frame().await else { break };
                let data = frame.into_data().unwrap_or_default();
                lines += data.iter().filter(|byte| **byte == b'\n').count();
            }
            lines
        }));
    }
    let start = Instant::now();
    for index in 0..changes {
        let made = send(&api, Method::POST, "/api/v1/namespaces/default/pods", pod(&format!("pod-{index:05}"))).await;
        assert_eq!(made.status(), 201);
    }
    let mut told = 0;
    for task in tasks {
        told += task.await.expect("a watcher");
    }
    let time = start.elapsed();
    let rate = told as f64 / time.as_secs_f64();
    println!("| {changes} changes told to {watchers} watchers | {time:?}, {rate:.0} events a second |");
    one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}

/// Creations over loopback, by a pool of connections.
async fn create(count: usize, connections: usize) {
    let one = cluster().await;
    let server = Server::insecure(ApiServer::new(&one), SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let address = format!("{}/api/v1/namespaces/default/configmaps", server.address());
    let start = Instant::now();
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let (client, address) = (client.clone(), address.clone());
        tasks.push(tokio::spawn(async move {
            for index in (connection..count).step_by(connections) {
                let map = json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": { "name": format!("map-{index}") },
                    "data": { "key": "value" },
                });
                let request = Request::post(&address)
                    .header("content-type", "application/json")
                    .body(Full::new(Bytes::from(map.to_string())))
                    .expect("a request");
                let response = client.request(request).await.expect("an answer");
                assert_eq!(response.status(), 201);
                response.into_body().collect().await.expect("a body");
            }
        }));
    }
    for task in tasks {
        task.await.expect("a client");
    }
    let time = start.elapsed();
    let rate = count as f64 / time.as_secs_f64();
    println!("| {count} ConfigMaps created over loopback, {connections} connections | {rate:.0} a second |");
    server.stop().await;
    one.shutdown(Shutdown::LeaveRunning).await.expect("stopped");
}
