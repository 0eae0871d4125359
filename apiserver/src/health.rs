//! Pages about the server itself: its version, whether it is well.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use crate::body::Body;
use crate::negotiate::Wanted;
use crate::query::Query;
use crate::respond;

/// The Kubernetes version whose behaviour is served.
const MAJOR: &str = "1";
const MINOR: &str = "36";
pub(crate) const GIT_VERSION: &str = "v1.36.2";

/// What a page says; nothing when there is no such page.
pub(crate) fn page(path: &str, query: &Query, wanted: Wanted) -> Option<Response<Body>> {
    match path {
        "/version" => {
            let version = json!({
                "major": MAJOR,
                "minor": MINOR,
                "emulationMajor": MAJOR,
                "emulationMinor": MINOR,
                "minCompatibilityMajor": MAJOR,
                "minCompatibilityMinor": "35",
                "gitVersion": GIT_VERSION,
                "gitCommit": "",
                "gitTreeState": "clean",
                "buildDate": "1970-01-01T00:00:00Z",
                "goVersion": "",
                "compiler": "rustc",
                "platform": format!("{}/{}", std::env::consts::OS, architecture()),
            });
            Some(respond::value(StatusCode::OK, &version, wanted.whole()))
        }
        "/healthz" | "/livez" | "/readyz" if query.get("verbose").is_some() => Some(verbose(path, query)),
        "/healthz" | "/livez" | "/readyz" | "/healthz/ping" | "/livez/ping" | "/readyz/ping" => Some(text("ok")),
        _ => None,
    }
}

/// The checks one by one: that an answer comes is all that there is to see, since everything is in one process.
fn verbose(path: &str, query: &Query) -> Response<Body> {
    let shown = if query.all("exclude").any(|name| name == "ping") { "excluded: ok" } else { "ok" };
    text(format!("[+]ping {shown}\n{} check passed\n", path.trim_start_matches('/')))
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    respond::bytes(StatusCode::OK, "text/plain; charset=utf-8", text)
}

/// As Go calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
