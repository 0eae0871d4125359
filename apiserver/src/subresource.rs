//! What objects have besides themselves, each by whoever does it.

pub(crate) mod pod;
mod scale;
mod token;

use http::Response;
use inboard::ApiError;
use inboard::object::admission::Operation;
use inboard::store::Part;
use serde_json::{Value, json};

use crate::admission;
use crate::body::Body;
use crate::place::{Place, no_such_resource, not_allowed};
use crate::sent::Sent;
use crate::write;
use crate::{proxy, read, respond, stream};

/// Hands a request for a subresource to the one who does it.
pub(crate) async fn serve(place: &Place<'_>, name: &str, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let own = name.split('/').next().unwrap_or_default();
    if !place.info.has_subresource(own) {
        return Err(no_such_resource());
    }
    if matches!(own, "exec" | "attach" | "portforward" | "proxy") && sent.query.get("dryRun").is_some() {
        return Err(ApiError::bad_request("dryRun is not supported"));
    }
    let warnings = judged(place, own, sent).await?;
    let response = answer(place, own, sent).await.map_err(|error| error.warn(warnings.clone()))?;
    Ok(respond::with_warnings(response, &warnings))
}

/// Lets policies and webhooks judge what is no write of an object.
async fn judged(place: &Place<'_>, own: &str, sent: &Sent) -> Result<Vec<String>, ApiError> {
    match own {
        "exec" | "attach" | "portforward" | "proxy" => {
            admission::pass(place, Operation::Connect, own, connect_options(own, sent)).await
        }
        "token" => {
            let object = serde_json::from_slice(&sent.body).unwrap_or_default();
            admission::pass(place, Operation::Create, own, object).await
        }
        _ => Ok(Vec::new()),
    }
}

/// The options of a connection, as an object.
fn connect_options(own: &str, sent: &Sent) -> Value {
    let query = &sent.query;
    let kind = match own {
        "exec" => "PodExecOptions",
        "attach" => "PodAttachOptions",
        "portforward" => "PodPortForwardOptions",
        _ => "PodProxyOptions",
    };
    let mut options = json!({ "kind": kind, "apiVersion": "v1" });
    if matches!(own, "exec" | "attach") {
        for flag in ["stdin", "stdout", "stderr", "tty"].into_iter().filter(|flag| query.flag(flag)) {
            options[flag] = true.into();
        }
        if let Some(container) = query.text("container") {
            options["container"] = container.into();
        }
    }
    if own == "exec" {
        options["command"] = json!(query.all("command").collect::<Vec<_>>());
    }
    options
}

/// The answer of whoever does it.
async fn answer(place: &Place<'_>, own: &str, sent: &Sent) -> Result<Response<Body>, ApiError> {
    match (own, sent.method.as_str()) {
        ("status" | "ephemeralcontainers" | "resize" | "approval", "GET") => {
            read::get(place, &sent.query, sent.wanted).await
        }
        ("status" | "ephemeralcontainers" | "resize" | "finalize" | "approval", "PUT") => {
            write::update(place, Part::of_subresource(own).ok_or_else(no_such_resource)?, sent).await
        }
        ("status" | "ephemeralcontainers" | "resize" | "approval", "PATCH") => {
            write::patch(place, Part::of_subresource(own).ok_or_else(no_such_resource)?, sent).await
        }
        ("scale", "GET") => scale::show(place, sent).await,
        ("scale", "PUT") => scale::update(place, sent).await,
        ("scale", "PATCH") => scale::patch(place, sent).await,
        ("eviction", "POST") => pod::evict(place, sent).await,
        ("binding", "POST") => pod::bind(place, sent).await,
        // Older clients post.
        ("exec", "GET" | "POST") => {
            let command = sent.query.all("command").map(str::to_owned).collect();
            stream::exec::serve(place, stream::exec::Task::Exec(command), sent).await
        }
        ("attach", "GET" | "POST") => stream::exec::serve(place, stream::exec::Task::Attach, sent).await,
        ("portforward", "GET" | "POST") => stream::forward::serve(place, sent).await,
        ("proxy", _) => proxy::serve(place, sent).await,
        ("log", "GET") => pod::log(place, sent).await,
        ("token", "POST") => token::create(place, sent),
        _ => Err(not_allowed()),
    }
}
