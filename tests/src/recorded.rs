//! A cluster without controllers behind the HTTP service, to send it what was sent to a real API server, and what a recorded
//! answer means: `<uid>` stands for any uid, `<time>` for any time.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use inboard::Cluster;
use inboard::control::ControllerMode;
use inboard::time::Time;
use inboard_apiserver::{ApiServer, Tokens, User};
use serde_json::{Value, json};
use tower_service::Service;

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its HTTP code.
    pub code: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// What it says: JSON, or text.
    pub body: Value,
}

impl Response {
    /// The `Warning` headers in order.
    pub fn warnings(&self) -> Vec<&str> {
        self.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// A cluster with nothing in it but the namespace `test`, in which nothing moves by itself.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    api: ApiServer,
}

impl Server {
    /// Starts one, with a namespace of this name.
    pub async fn start(namespace: &str) -> Self {
        let tokens = Tokens::generate().expect("the machine gives random numbers");
        let builder =
            Cluster::builder().other_controllers(ControllerMode::Off).scheduler(None).authority(tokens.clone());
        let cluster = builder.start().await.expect("a cluster without nodes starts");
        let api = ApiServer::builder(&cluster)
            .tokens(tokens)
            .closed()
            .bearer("admin", User::admin())
            .bearer("alice", User::new("alice", ["devs"]))
            .build();
        api.create_defaults().await.expect("an empty cluster takes them");
        let server = Self { api, cluster };
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let made = server.send(Method::POST, "/api/v1/namespaces", &[], namespace.to_string()).await;
        assert_eq!(made.code, 201, "{made:?}");
        server
    }

    /// A server around a cluster in which things move.
    pub fn around(cluster: Cluster) -> Self {
        let api = ApiServer::builder(&cluster).closed().bearer("admin", User::admin()).build();
        Self { cluster, api }
    }

    /// The cluster.
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The time inside.
    pub fn now(&self) -> Time {
        self.cluster.now()
    }

    /// The path of the collection that an object belongs to.
    ///
    /// # Errors
    /// When the cluster does not know its kind.
    pub async fn collection(&self, namespace: &str, object: &Value) -> Result<String, String> {
        let kinds = self.cluster.moment().await.map_err(|error| error.to_string())?.kinds;
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let info = kinds.by_api_version(api_version, kind).ok_or_else(|| format!("no kind {kind} in {api_version}"))?;
        let root = if api_version.contains('/') { "apis" } else { "api" };
        Ok(if info.is_namespaced() {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
            format!("/{root}/{api_version}/namespaces/{namespace}/{}", info.plural)
        } else {
            format!("/{root}/{api_version}/{}", info.plural)
        })
    }

    /// Sends one request, as the admin.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        self.send_as(Some("admin"), method, path, headers, body).await
    }

    /// Sends one request with a token, or with none.
    pub async fn send_as(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        // As the client of the recordings sent it: what is no part of a path or query is escaped.
        let mut request = Request::builder().method(method).uri(path.replace(' ', "%20"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("user-agent", "vector").body(Full::new(body.into())).expect("a request");
        let Ok(response) = self.api.clone().call(request).await;
        let (parts, body) = response.into_parts();
        let Ok(body) = body.collect().await;
        let bytes = body.to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
        Response { code: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Reads a page as the admin; the code and the text, as they come.
    pub async fn raw(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = Request::builder().uri(path).header("authorization", "Bearer admin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        let Ok(response) = self.api.clone().call(request).await;
        let code = response.status().as_u16();
        let Ok(body) = response.into_body().collect().await;
        (code, String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// Sends a request as a recording has it: `method`, `path`, `contentType`, `accept`, and `body` or, for an update,
    /// `editsToLiveObject`.
    ///
    /// # Errors
    /// When the request cannot be made.
    pub async fn replay(&self, request: &Value) -> Result<Response, String> {
        let text = |field: &str| request[field].as_str();
        let path = text("path").ok_or("no path")?;
        let method: Method = text("method").and_then(|method| method.parse().ok()).ok_or("no method")?;
        let mut headers = Vec::new();
        let body = match &request["editsToLiveObject"] {
            Value::Array(edits) => {
                let live = path.split('?').next().unwrap_or_default();
                let live = live.trim_end_matches("/status");
                let mut live = self.send(Method::GET, live, &[], "").await.body;
                for edit in edits {
                    crate::oracle::edit(&mut live, &self.with_times(edit)).ok_or("an edit that does not fit")?;
                }
                live.to_string()
            }
            _ => match &request["body"] {
                Value::Null => String::new(),
                Value::String(text) => self.text_with_times(text),
                value => self.with_times(value).to_string(),
            },
        };
        if !body.is_empty() || text("contentType").is_some() {
            headers.push(("content-type", text("contentType").unwrap_or("application/json")));
        }
        headers.extend(text("accept").map(|accept| ("accept", accept)));
        let token = match text("user") {
            None => Some("admin"),
            Some(user) if user.starts_with("none") => None,
            Some(user) if user.starts_with("alice") => Some("alice"),
            Some(_) => Some("unknown"),
        };
        Ok(self.send_as(token, method, path, &headers, body).await)
    }

    /// Replaces `<now-300s>` by a time, and `<repeat:x:N>` by that many letters.
    pub fn with_times(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().map(|(key, value)| (self.text_with_times(key), self.with_times(value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.with_times(item)).collect(),
            Value::String(text) => self.text_with_times(text).into(),
            other => other.clone(),
        }
    }

    fn text_with_times(&self, text: &str) -> String {
        let mut made = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let (before, from) = rest.split_at(start);
            made.push_str(before);
            let end = from.find('>').map_or(from.len(), |end| end + 1);
            let (placeholder, after) = from.split_at(end);
            match self.placed(placeholder) {
                Some(text) => made.push_str(&text),
                None => made.push_str(placeholder),
            }
            rest = after;
        }
        made.push_str(rest);
        made
    }

    fn placed(&self, placeholder: &str) -> Option<String> {
        let inner = placeholder.strip_prefix('<')?.strip_suffix('>')?;
        if let Some(repeat) = inner.strip_prefix("repeat:") {
            let (letters, count) = repeat.rsplit_once(':')?;
            return Some(letters.repeat(count.parse().ok()?));
        }
        let ago = inner.strip_prefix("now-")?;
        let micro = ago.ends_with('u');
        let seconds = ago.trim_end_matches('u').trim_end_matches('s').parse().ok()?;
        let time = self.now().minus(std::time::Duration::from_secs(seconds));
        let text = if micro { json!(time.to_api_micro()) } else { json!(time.to_api()) };
        text.as_str().map(str::to_owned)
    }
}

/// Where an answer differs from a recorded one, one line a place.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    crate::oracle::differences_by(expected, found, |expected, found| match (expected, found) {
        (Value::String(expected), Value::String(found)) => fits(&comparable(expected), &comparable(found)),
        // Numbers that are given out stand as texts in the recordings.
        (Value::String(expected), Value::Number(_)) => is_placeholder(expected),
        _ => expected == found,
    })
}

/// What cannot be compared letter by letter. Where a difference of two objects begins (`@@ -116,7 +116,13 @@`) depends on
/// a volume that the recorded server had and that is not in the recordings; and a body that is recorded as JSON has lost
/// the order in which its fields were sent, in which the server tells what it does not know.
fn comparable(text: &str) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for line in &mut lines {
        if line.starts_with("@@ -") && line.ends_with(" @@") {
            "@@".clone_into(line);
        }
    }
    let text = lines.join("\n");
    match text.split_once("strict decoding error: ") {
        Some((before, problems)) if !problems.contains('\n') => {
            let mut problems: Vec<&str> = problems.split(", ").collect();
            problems.sort_unstable();
            format!("{before}strict decoding error: {}", problems.join(", "))
        }
        _ => text,
    }
}

/// Whether a text is one that a text with placeholders stands for.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(start) = pattern.find('<') else { return pattern == text };
    let (before, from) = pattern.split_at(start);
    let Some(rest) = text.strip_prefix(before) else { return false };
    let Some(end) = from.find('>') else { return from == rest };
    let (placeholder, after) = from.split_at(end + 1);
    if !is_placeholder(placeholder) {
        return rest.strip_prefix('<').is_some_and(|rest| fits(&from[1..], rest));
    }
    // The shortest text that lets the rest fit: there are few places to try.
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.filter(|at| *at > 0).any(|at| fits(after, &rest[at..]))
}

fn is_placeholder(text: &str) -> bool {
    let known = [
        "<uid>",
        "<resourceVersion>",
        "<time>",
        "<microtime>",
        "<suffix>",
        "<age>",
        "<continue>",
        "<clusterIP>",
        "<nodePort>",
        "<healthCheckNodePort>",
    ];
    known.contains(&text) || text.starts_with("<hash:")
}

/// Takes out who manages which fields: only the folder `apply` is about that.
pub fn without_managed_fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("managedFields");
            map.values_mut().for_each(without_managed_fields);
        }
        Value::Array(items) => items.iter_mut().for_each(without_managed_fields),
        _ => {}
    }
}
