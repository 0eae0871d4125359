//! The plugins, one a file, in upstream's default order: a node is rejected by the first that has a reason.

mod balanced_allocation;
pub(super) mod dynamic_resources;
mod image_locality;
mod inter_pod_affinity;
pub(super) mod node_affinity;
mod node_declared_features;
mod node_name;
mod node_ports;
mod node_unschedulable;
mod node_volume_limits;
mod resources_fit;
pub(super) mod taint_toleration;
mod topology_spread;
mod volume_binding;
mod volume_restrictions;
mod volume_zone;

use super::plugin::Plugin;

/// All plugins that filter or score, in the order in which they filter.
pub(crate) static PLUGINS: [&dyn Plugin; 16] = [
    &node_unschedulable::NodeUnschedulable,
    &node_name::NodeName,
    &taint_toleration::TaintToleration,
    &node_affinity::NodeAffinity,
    &node_ports::NodePorts,
    &resources_fit::NodeResourcesFit,
    &volume_restrictions::VolumeRestrictions,
    &node_volume_limits::NodeVolumeLimits,
    &volume_binding::VolumeBinding,
    &volume_zone::VolumeZone,
    &topology_spread::PodTopologySpread,
    &inter_pod_affinity::InterPodAffinity,
    &dynamic_resources::DynamicResources,
    &balanced_allocation::NodeResourcesBalancedAllocation,
    &image_locality::ImageLocality,
    &node_declared_features::NodeDeclaredFeatures,
];
