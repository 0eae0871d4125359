//! What drivers of volumes say of themselves: what they can do, on which nodes they run, how much room they have.
//!
//! Source: `pkg/apis/storage/validation`.

use std::collections::BTreeSet;

use k8s_openapi::api::storage::v1::{
    CSIDriver, CSIDriverSpec, CSINode, CSINodeDriver, CSIStorageCapacity, TokenRequest,
};

use super::checks::{self, nonnegative_if};
use super::fields::{amount, list, one_of};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use super::warnings::deprecated_label;
use super::{go_type, meta, volume_plugin};
use crate::object::field::{FieldErrors, Path};

/// How many characters a driver's own name of a node may have.
const NODE_ID_CHARACTERS_MAX: usize = 256;
/// The shortest time between two looks at how many volumes fit, in seconds.
const PERIOD_SECONDS_MIN: i64 = 10;
/// The lives of tokens for drivers, in seconds.
const TOKEN_SECONDS_MIN: i64 = 10 * 60;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// What is wrong with a new CSIDriver.
pub fn csi_driver(driver: &CSIDriver) -> FieldErrors {
    let mut errors = shared::cluster_wide(&driver.metadata, name_is_dns_subdomain);
    driver_spec(&driver.spec, &mut errors);
    errors
}

/// What is wrong with a changed CSIDriver.
pub fn csi_driver_update(new: &CSIDriver, old: &CSIDriver) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let (new, old) = (&new.spec, &old.spec);
    driver_spec(new, &mut errors);
    // Upstream spells this path so.
    let attach = SPEC.field("attachedRequired");
    checks::immutable(&new.attach_required, &old.attach_required, &attach, &mut errors);
    let modes = SPEC.field("volumeLifecycleModes");
    checks::immutable(&new.volume_lifecycle_modes, &old.volume_lifecycle_modes, &modes, &mut errors);
    errors
}

fn driver_spec(spec: &CSIDriverSpec, errors: &mut FieldErrors) {
    let needed = |value: Option<bool>, field: &str, errors: &mut FieldErrors| {
        if value.is_none() {
            errors.required(&SPEC.field(field), "");
        }
    };
    needed(spec.attach_required, "attachedRequired", errors);
    needed(spec.pod_info_on_mount, "podInfoOnMount", errors);
    needed(spec.storage_capacity, "storageCapacity", errors);
    if let Some(policy) = spec.fs_group_policy.as_deref() {
        one_of(policy, &["File", "None", "ReadWriteOnceWithFSType"], &SPEC.field("fsGroupPolicy"), errors);
    }
    token_requests(list(&spec.token_requests), &SPEC.field("tokenRequests"), errors);
    for mode in list(&spec.volume_lifecycle_modes) {
        one_of(mode, &["Persistent", "Ephemeral"], &SPEC.field("volumeLifecycleModes"), errors);
    }
    needed(spec.se_linux_mount, "seLinuxMount", errors);
    if let Some(period) = spec.node_allocatable_update_period_seconds.filter(|period| *period < PERIOD_SECONDS_MIN) {
        let detail = "must be greater than or equal to 10 seconds";
        errors.invalid(&SPEC.field("nodeAllocatableUpdatePeriodSeconds"), period, detail);
    }
    if let Some(given) = spec.service_account_token_in_secrets.filter(|_| list(&spec.token_requests).is_empty()) {
        let detail = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&SPEC.field("serviceAccountTokenInSecrets"), given, detail);
    }
}

fn token_requests(requests: &[TokenRequest], path: &Path<'_>, errors: &mut FieldErrors) {
    let repeated = shared::repeated(requests.iter().map(|request| &request.audience));
    for (index, request) in requests.iter().enumerate() {
        let path = path.index(index);
        if repeated[index] {
            errors.duplicate(&path.field("audience"), request.audience.as_str());
            continue;
        }
        let Some(seconds) = request.expiration_seconds else { continue };
        let path = path.field("expirationSeconds");
        if seconds < TOKEN_SECONDS_MIN {
            errors.invalid(&path, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > TOKEN_SECONDS_MAX {
            errors.invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

/// What is wrong with a new CSINode.
pub fn csi_node(node: &CSINode) -> FieldErrors {
    let mut errors = shared::cluster_wide(&node.metadata, name_is_dns_subdomain);
    let path = SPEC.field("drivers");
    let repeated = shared::repeated(node.spec.drivers.iter().map(|driver| &driver.name));
    for (index, driver) in node.spec.drivers.iter().enumerate() {
        node_driver(driver, repeated[index], &path.index(index), &mut errors);
    }
    errors
}

/// What is wrong with a changed CSINode: a driver that stays says the same of the node, but for how many volumes fit.
pub fn csi_node_update(new: &CSINode, old: &CSINode) -> FieldErrors {
    // Upstream checks the new one by itself first, and once more as a change.
    let mut errors = csi_node(new);
    errors.append(csi_node(new));
    let without_count = |driver: &CSINodeDriver| CSINodeDriver { allocatable: None, ..driver.clone() };
    for before in &old.spec.drivers {
        for after in new.spec.drivers.iter().filter(|driver| driver.name == before.name) {
            let (before, after) = (without_count(before), without_count(after));
            if !go_type::same(&after, &before, "CSINodeDriver") {
                let shown = go_type::compact(&after, "CSINodeDriver");
                errors.invalid_json(&SPEC.field("drivers"), shown, names::IMMUTABLE);
            }
        }
    }
    errors
}

fn node_driver(driver: &CSINodeDriver, known: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    volume_plugin::csi_driver_name(&driver.name, &path.field("name"), errors);
    let id = driver.node_id.as_str();
    volume_plugin::given(id, &path.field("nodeID"), errors);
    if id.len() > NODE_ID_CHARACTERS_MAX {
        errors.invalid(&path.field("nodeID"), id, format!("must be {NODE_ID_CHARACTERS_MAX} characters or less"));
    }
    let count = driver.allocatable.as_ref().and_then(|allocatable| allocatable.count);
    nonnegative_if(count, &path.field("allocatable").field("count"), errors);
    if known {
        errors.duplicate(&path.field("name"), driver.name.as_str());
    }
    let mut keys = BTreeSet::new();
    for key in list(&driver.topology_keys) {
        volume_plugin::given(key, path, errors);
        if !keys.insert(key) {
            errors.duplicate(path, key.as_str());
        }
        meta::label_name(key, path, errors);
    }
}

/// What is wrong with a new CSIStorageCapacity.
pub fn storage_capacity(capacity: &CSIStorageCapacity) -> FieldErrors {
    let mut errors = shared::namespaced(&capacity.metadata, name_is_dns_subdomain);
    shared::selector_if(&capacity.node_topology, &Path::new("nodeTopology"), &mut errors);
    let class = capacity.storage_class_name.as_str();
    errors.invalid_each(&Path::new("storageClassName"), class, names::dns1123_subdomain(class));
    if let Some(room) = capacity.capacity.as_ref().map(amount).filter(|room| room.is_negative()) {
        errors.invalid(&Path::new("capacity"), room.to_string(), names::NEGATIVE);
    }
    errors
}

/// What is wrong with a changed CSIStorageCapacity: what was asked of the driver stays.
pub fn storage_capacity_update(new: &CSIStorageCapacity, old: &CSIStorageCapacity) -> FieldErrors {
    let mut errors = storage_capacity(new);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let path = Path::new("nodeTopology");
    checks::immutable_selector(&new.node_topology, &old.node_topology, &path, &mut errors);
    let path = Path::new("storageClassName");
    checks::immutable(&new.storage_class_name, &old.storage_class_name, &path, &mut errors);
    errors
}

/// What a client is warned of when it writes a CSIStorageCapacity: labels of nodes that have another name now.
pub(super) fn storage_capacity_warnings(capacity: &CSIStorageCapacity) -> Vec<String> {
    let Some(topology) = &capacity.node_topology else { return Vec::new() };
    let mut warnings = Vec::new();
    for (index, expression) in list(&topology.match_expressions).iter().enumerate() {
        let key = &expression.key;
        if let Some(what) = deprecated_label(key) {
            warnings.push(format!("nodeTopology.matchExpressions[{index}].key: {key} is {what}"));
        }
    }
    for label in topology.match_labels.iter().flat_map(|labels| labels.keys()) {
        if let Some(what) = deprecated_label(label) {
            warnings.push(format!("nodeTopology.matchLabels.{label}: {what}"));
        }
    }
    warnings
}
