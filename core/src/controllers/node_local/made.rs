//! The volume that is made for a claim, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    CSIPersistentVolumeSource, Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PersistentVolume,
    PersistentVolumeSpec, VolumeNodeAffinity,
};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::controllers::provisioning::{self, OpenClaim};
use crate::ids::Uid;
use crate::object::storage;
use crate::store::{Meta, Object};

/// The label that nodes carry their name in.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What a directory on a node cannot be.
pub(super) fn can_make(open: &OpenClaim<'_>) -> Result<(), &'static str> {
    let Some(spec) = &open.claim.spec else { return Ok(()) };
    let has_options = open.class.mount_options.as_ref().is_some_and(|options| !options.is_empty());
    let demands = [
        (spec.volume_mode.as_deref() == Some("Block"), "a directory is no block device"),
        (spec.selector.is_some(), "claim Selector is not supported"),
        (spec.data_source.is_some() || spec.data_source_ref.is_some(), "data sources are not supported"),
        (has_options, "mount options are not supported"),
    ];
    demands.into_iter().find(|(is_asked, _)| *is_asked).map_or(Ok(()), |(_, why)| Err(why))
}

/// The volume for a claim on a node.
pub(super) fn volume(open: &OpenClaim<'_>, node: &Meta) -> PersistentVolume {
    let name = provisioning::name(&open.object.meta);
    let base = open.class.parameters.as_ref().and_then(|parameters| parameters.get(storage::BASE_DIRECTORY));
    let volume_handle = match base {
        Some(base) => format!("{}/{name}", base.trim_end_matches('/')),
        None => name,
    };
    let driver = storage::NODE_LOCAL.to_owned();
    let source = CSIPersistentVolumeSource { driver, volume_handle, ..CSIPersistentVolumeSource::default() };
    let node_affinity = Some(VolumeNodeAffinity { required: Some(on_node(node)) });
    let said = PersistentVolumeSpec { csi: Some(source), node_affinity, ..PersistentVolumeSpec::default() };
    let mut volume = provisioning::volume(open, said);
    let annotations = volume.metadata.annotations.get_or_insert_default();
    annotations.insert(storage::ON_NODE.to_owned(), node.name.to_string());
    volume
}

/// The node by its label, or by its name where it has none.
fn on_node(node: &Meta) -> NodeSelector {
    let require = |key: &str, value: &str| NodeSelectorRequirement {
        key: key.to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![value.to_owned()]),
    };
    let term = match node.labels.get(HOSTNAME) {
        Some(hostname) => {
            let match_expressions = Some(vec![require(HOSTNAME, hostname)]);
            NodeSelectorTerm { match_expressions, ..NodeSelectorTerm::default() }
        }
        None => {
            let match_fields = Some(vec![require("metadata.name", &node.name)]);
            NodeSelectorTerm { match_fields, ..NodeSelectorTerm::default() }
        }
    };
    NodeSelector { node_selector_terms: vec![term] }
}

/// A ready node for a claim that waits for no pod: another one for each claim, and always the same for one.
pub(super) fn some_node<'w>(
    nodes: impl Iterator<Item = &'w Arc<Object>>,
    class: &StorageClass,
    claim: Uid,
) -> Option<&'w Arc<Object>> {
    let fits =
        |object: &&Arc<Object>| object.typed::<Node>().is_some_and(is_ready) && is_allowed(class, &object.meta.labels);
    let nodes: Vec<_> = nodes.filter(fits).collect();
    let count = u128::try_from(nodes.len()).ok().filter(|count| *count > 0)?;
    let place = usize::try_from((claim.as_u128() >> 80) % count).ok()?;
    nodes.get(place).copied()
}

pub(super) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    is_ready && !node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

fn is_allowed(class: &StorageClass, labels: &BTreeMap<String, String>) -> bool {
    let Some(terms) = class.allowed_topologies.as_ref().filter(|terms| !terms.is_empty()) else { return true };
    terms.iter().any(|term| {
        let mut demands = term.match_label_expressions.iter().flatten();
        demands.all(|demand| labels.get(&demand.key).is_some_and(|value| demand.values.contains(value)))
    })
}
