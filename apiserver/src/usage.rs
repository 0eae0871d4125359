//! What pods and nodes use: the group `metrics.k8s.io`, whose objects are measured and not kept.

use std::sync::LazyLock;

use http::{Method, Response, StatusCode};
use inboard::ApiError;
use inboard::cluster::Cluster;
use inboard::error::Subject;
use inboard::k8s_openapi::api::core::v1::{Node, Pod};
use inboard::object::kind::{KindInfo, Verbs};
use inboard::object::selector::Selector;
use inboard::text::Text;
use serde_json::{Value, json};

use crate::body::Body;
use crate::place::{no_such_resource, not_allowed};
use crate::respond;
use crate::route::ResourcePath;
use crate::sent::Sent;

/// The group and version.
pub(crate) const GROUP: &str = "metrics.k8s.io";
pub(crate) const VERSION: &str = "v1beta1";

static KINDS: LazyLock<[KindInfo; 2]> = LazyLock::new(|| {
    let named = |info: KindInfo, kind: &'static str, plural: &'static str| KindInfo {
        group: Text::Static(GROUP),
        version: Text::Static(VERSION),
        kind: Text::Static(kind),
        plural: Text::Static(plural),
        singular: Text::Static(""),
        verbs: Verbs::Read,
        ..info
    };
    [named(KindInfo::custom::<Node>(), "NodeMetrics", "nodes"), named(KindInfo::custom::<Pod>(), "PodMetrics", "pods")]
});

/// The kinds, for discovery.
pub(crate) fn kinds() -> &'static [KindInfo] {
    &*KINDS
}

/// Answers a request for what is used.
pub(crate) async fn serve(
    cluster: &Cluster,
    path: &ResourcePath,
    method: &Method,
    sent: &Sent,
) -> Result<Response<Body>, ApiError> {
    let info = kinds().iter().find(|info| info.plural == *path.plural).ok_or_else(no_such_resource)?;
    if path.subresource.is_some() || (path.namespace.is_some() && !info.is_namespaced()) {
        return Err(no_such_resource());
    }
    if method != Method::GET {
        return Err(not_allowed());
    }
    let filter: Selector = match sent.query.text("labelSelector") {
        Some(text) => text.parse().map_err(|error| ApiError::bad_request(format!("{error}")))?,
        None => Selector::everything(),
    };
    let items: Vec<Value> = if info.is_namespaced() {
        let pods = cluster.pod_metrics(path.namespace.as_deref()).await?;
        pods.iter().filter(|pod| filter.matches(&pod.labels)).map(inboard::PodMetrics::to_value).collect()
    } else {
        let nodes = cluster.node_metrics().await?;
        nodes.iter().filter(|node| node.time.is_some()).map(inboard::NodeMetrics::to_value).collect()
    };
    let Some(name) = &path.name else {
        let list = json!({
            "kind": format!("{}List", info.kind),
            "apiVersion": info.api_version(),
            "metadata": {},
            "items": items,
        });
        return Ok(respond::value(StatusCode::OK, &list, sent.wanted.whole()));
    };
    let found = items.into_iter().find(|item| item["metadata"]["name"] == name.as_str());
    let subject = || Subject::new(GROUP, &*info.plural, name);
    let found = found.ok_or_else(|| ApiError::not_found(subject()))?;
    Ok(respond::value(StatusCode::OK, &found, sent.wanted.whole()))
}
