//! What objects have besides themselves, each by whoever does it.

mod pod;
mod scale;
mod token;

use http::Response;
use inboard::ApiError;
use inboard::store::Part;

use crate::body::Body;
use crate::write::{self, Place, Sent, no_such_resource, not_allowed};
use crate::{proxy, read, stream};

/// Hands a request for a subresource to the one who does it.
pub(crate) async fn serve(place: &Place<'_>, name: &str, sent: &Sent) -> Result<Response<Body>, ApiError> {
    let own = name.split('/').next().unwrap_or_default();
    if !place.info.has_subresource(own) {
        return Err(no_such_resource());
    }
    match (own, sent.method.as_str()) {
        ("status" | "ephemeralcontainers" | "resize", "GET") => {
            read::get(place.moment, place.info, (place.namespace, place.name), &sent.query, sent.wanted)
        }
        ("status" | "ephemeralcontainers" | "resize" | "finalize", "PUT") => {
            write::update(place, Part::of_subresource(own).ok_or_else(no_such_resource)?, sent).await
        }
        ("status" | "ephemeralcontainers" | "resize", "PATCH") => {
            write::patch(place, Part::of_subresource(own).ok_or_else(no_such_resource)?, sent).await
        }
        ("scale", "GET") => scale::show(place, sent),
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
        // Whoever approves may set the conditions, and they are all that an approval is.
        ("approval", "PUT") => write::update(place, Part::Status, sent).await,
        ("approval", "PATCH") => write::patch(place, Part::Status, sent).await,
        ("approval", "GET") => {
            read::get(place.moment, place.info, (place.namespace, place.name), &sent.query, sent.wanted)
        }
        _ => Err(not_allowed()),
    }
}
