//! Objects told in full, in the words and the layout of `kubectl describe`.
//!
//! **The rule** (`kubectl/pkg/describe`): a kind that kubectl knows has its own words; any other object is told as the tree
//! that it is. Names and values are cells, laid out in columns by `Lines`; events come last.
//!
//! What is told is the JSON of an object and of those that belong to it, which [`Around`] brings.

mod access;
mod autoscaler;
mod batch;
mod certificate;
mod config;
mod container;
mod endpoints;
mod events;
mod ingress;
mod lines;
mod metadata;
mod namespace;
mod network_policy;
mod node;
mod pod;
mod quota;
mod read;
mod service;
mod storage;
mod tree;
mod volume;
mod workload;

use k8s_openapi::api::core::v1::Event;
use serde_json::Value;

use super::kind::KindId;
use crate::time::Time;
use lines::Lines;
use read::text;

/// What else there is: the objects that belong to the one that is told of.
pub trait Around {
    /// The object of this name.
    fn find(&self, kind: KindId, namespace: &str, name: &str) -> Option<Value>;
    /// All objects of a kind in a namespace, by their names; in all namespaces where it is empty.
    fn all(&self, kind: KindId, namespace: &str) -> Vec<Value>;
    /// The objects of a kind that this one owns as their controller.
    fn owned(&self, owner: &Value, kind: KindId) -> Vec<Value>;
    /// The pods that are bound to a node.
    fn pods_on(&self, node: &str) -> Vec<Value>;
    /// The time that ages count from.
    fn now(&self) -> Time;
}

/// An object, as JSON with `apiVersion` and `kind`, in words; `events` are those about it.
pub fn describe(object: &Value, around: &dyn Around, events: &[Event]) -> String {
    let mut lines = Lines::default();
    let group = text(object, "/apiVersion").rsplit_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default();
    let kind = text(object, "/kind");
    let has_events = match (group.as_str(), &*kind) {
        ("", _) => core(&mut lines, &kind, object, around),
        ("apps", _) => workload::tell(&mut lines, &kind, object, around),
        ("batch", _) => batch::tell(&mut lines, &kind, object),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(autoscaler::tell(&mut lines, object)),
        ("policy", "PodDisruptionBudget") => Some(config::disruption_budget(&mut lines, object)),
        ("scheduling.k8s.io", "PriorityClass") => Some(config::priority_class(&mut lines, object)),
        ("discovery.k8s.io", "EndpointSlice") => Some(endpoints::slice(&mut lines, object)),
        ("networking.k8s.io", "NetworkPolicy") => Some(network_policy::tell(&mut lines, object)),
        ("networking.k8s.io", _) => ingress::tell(&mut lines, &kind, object, around),
        ("storage.k8s.io", _) => storage::classes(&mut lines, &kind, object),
        ("rbac.authorization.k8s.io", _) => access::tell(&mut lines, &kind, object),
        ("certificates.k8s.io", "CertificateSigningRequest") => certificate::tell(&mut lines, object),
        _ => None,
    };
    if has_events.unwrap_or_else(|| tree::tell(&mut lines, object)) == Events::Shown {
        events::tell(&mut lines, events, around.now());
    }
    lines.laid_out()
}

/// The kinds of the core group.
fn core(lines: &mut Lines, kind: &str, object: &Value, around: &dyn Around) -> Option<Events> {
    Some(match kind {
        "Pod" => pod::tell(lines, object, around),
        "ReplicationController" => workload::replication_controller(lines, object, around),
        "Node" => node::tell(lines, object, around),
        "Namespace" => namespace::tell(lines, object, around),
        "Secret" => config::secret(lines, object),
        "ConfigMap" => config::config_map(lines, object),
        "ServiceAccount" => access::service_account(lines, object),
        "LimitRange" => quota::limit_range(lines, object),
        "ResourceQuota" => quota::resource_quota(lines, object),
        "Service" => service::tell(lines, object, around),
        "Endpoints" => endpoints::endpoints(lines, object),
        "PersistentVolume" => storage::volume(lines, object, around.now()),
        "PersistentVolumeClaim" => storage::claim(lines, object, around),
        _ => return None,
    })
}

/// Whether kubectl looks for the events of such an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Events {
    Shown,
    NotAskedFor,
}
