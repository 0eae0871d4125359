//! What is sent and told in other forms than JSON: protobuf, and the documents that say which fields there are.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use inboard::Cluster;
use inboard_apiserver::{ApiServer, protobuf};
use serde_json::{Value, json};
use tower_service::Service;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

struct Answer {
    code: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, which must be of this media type.
    fn protobuf(&self) -> Value {
        assert_eq!(self.header("content-type"), protobuf::MEDIA_TYPE);
        protobuf::decode(&self.body).expect("an object in protobuf")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

async fn cluster() -> (Cluster, ApiServer) {
    let cluster = Cluster::builder().start().await.expect("a cluster without nodes starts");
    let api = ApiServer::builder(&cluster).build();
    (cluster, api)
}

async fn send(api: &ApiServer, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let response = api.clone().call(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer { code: parts.status.as_u16(), headers: parts.headers, body }
}

/// As helm keeps its releases: without saying in which namespace.
#[tokio::test(start_paused = true)]
async fn objects_are_written_and_told_in_protobuf() {
    let (_cluster, api) = cluster().await;
    let both =
        [("content-type", protobuf::MEDIA_TYPE), ("accept", "application/vnd.kubernetes.protobuf,application/json")];
    let secret = |value: &str| {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"x": value}});
        protobuf::encode(&secret).expect("a built-in kind")
    };
    let made = send(&api, Method::POST, SECRETS, &both, secret("AAEC")).await;
    assert_eq!((made.code, &made.protobuf()["data"]), (201, &json!({"x": "AAEC"})));
    let path = format!("{SECRETS}/a");
    let put = send(&api, Method::PUT, &path, &both, secret("BAUG")).await;
    assert_eq!((put.code, &put.protobuf()["metadata"]["namespace"]), (200, &json!("default")));
    let got = send(&api, Method::GET, &path, &[], Vec::new()).await;
    assert_eq!((got.header("content-type"), &got.json()["data"]), ("application/json", &json!({"x": "BAUG"})));
    let listed = send(&api, Method::GET, SECRETS, &both, Vec::new()).await.protobuf();
    assert_eq!((&listed["kind"], &listed["items"][0]["data"]), (&json!("SecretList"), &json!({"x": "BAUG"})));
    let missing = send(&api, Method::GET, &format!("{SECRETS}/b"), &both, Vec::new()).await;
    assert_eq!((missing.code, &missing.protobuf()["reason"]), (404, &json!("NotFound")));
    let bad = send(&api, Method::POST, SECRETS, &both, b"k8s\0\xff".to_vec()).await;
    assert_eq!((bad.code, &bad.protobuf()["reason"]), (400, &json!("BadRequest")));
    let table = [("accept", "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let told = send(&api, Method::GET, SECRETS, &table, Vec::new()).await;
    assert_eq!(told.header("content-type"), "application/json");
}

#[tokio::test(start_paused = true)]
async fn a_watch_in_protobuf_is_frames() {
    let (_cluster, api) = cluster().await;
    let path = "/api/v1/namespaces?watch=true&timeoutSeconds=1";
    let told = send(&api, Method::GET, path, &[("accept", protobuf::MEDIA_TYPE)], Vec::new()).await;
    assert_eq!(told.header("content-type"), "application/vnd.kubernetes.protobuf;stream=watch");
    let mut frames = 0;
    let mut rest = &told.body[..];
    while let Some((length, more)) = rest.split_first_chunk() {
        let (frame, more) = more.split_at(u32::from_be_bytes(*length) as usize);
        let begins = frame.strip_prefix(b"\n\x05ADDED").expect("an event of the start");
        assert!(begins.windows(4).any(|four| four == b"k8s\0"), "{frame:?}");
        frames += 1;
        rest = more;
    }
    assert!(frames >= 3 && rest.is_empty(), "{frames}");
}

#[tokio::test(start_paused = true)]
async fn a_document_is_kept_by_its_hash() {
    let (_cluster, api) = cluster().await;
    let get = async |path: &str, headers: &[(&str, &str)]| send(&api, Method::GET, path, headers, Vec::new()).await;
    let index = get("/openapi/v3", &[]).await.json();
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("a path").to_owned();
    let document = get(&url, &[("accept", "application/json")]).await;
    assert!(document.header("cache-control").contains("immutable"));
    assert!(document.json()["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
    let tag = document.header("etag").to_owned();
    assert_eq!(get(&url, &[("if-none-match", &tag)]).await.code, 304);
    assert!(!get("/openapi/v3/apis/apps/v1?hash=1", &[]).await.header("cache-control").contains("immutable"));
    assert_eq!(get("/openapi/v3/apis/nobody/v1", &[]).await.code, 404);
    let older = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let swagger = get("/openapi/v2", &[("accept", older)]).await;
    assert_eq!(swagger.header("content-type"), "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert_eq!(get("/openapi/v2", &[]).await.json()["swagger"], "2.0");
}
