//! ResourceSlices: the devices that a driver has, and on which nodes they can be used.
//!
//! Source: `pkg/apis/resource/validation`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::resource::v1::{
    Counter, Device, DeviceAttribute, DeviceCapacity, DeviceTaint, ResourceSlice, ResourceSliceSpec,
};
use regex::Regex;
use serde_json::Value;

use super::affinity::node_selector;
use super::checks::{immutable, json, same};
use super::device_claim::{EFFECTS, distinct, few};
use super::fields::{amount, list, required_one_of, text};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, meta_update};
use super::volume_plugin::csi_driver_name;
use super::{go_type, meta, request_policy};
use crate::object::field::{FieldErrors, Path};

/// How many devices a slice may have, and how many where they have taints or take from counters.
const DEVICES_MAX: usize = 128;
const DEVICES_WITH_MORE_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const COUNTER_SETS_OF_DEVICE_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const TAINTS_MAX: usize = 16;
const CONDITIONS_MAX: usize = 4;
const NAME_MAX: usize = 32;
const VALUE_MAX: usize = 64;
const POOL_MAX: usize = 253;

static SEMVER: LazyLock<Regex> = LazyLock::new(|| {
    let number = "(0|[1-9][0-9]*)";
    let before = "(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)";
    let build = "[0-9a-zA-Z-]+";
    let text = format!(r"^{number}\.{number}\.{number}(-{before}(\.{before})*)?(\+{build}(\.{build})*)?$");
    Regex::new(&text).expect("a pattern of ours")
});

/// What is wrong with a new ResourceSlice.
pub fn resource_slice(slice: &ResourceSlice) -> FieldErrors {
    let mut errors = shared::cluster_wide(&slice.metadata, name_is_dns_subdomain);
    spec(&slice.spec, None, &mut errors);
    errors
}

/// What is wrong with a changed ResourceSlice: it stays that of its driver, pool and node.
pub fn resource_slice_update(new: &ResourceSlice, old: &ResourceSlice) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    spec(&new.spec, Some(&old.spec), &mut errors);
    errors
}

fn spec(spec: &ResourceSliceSpec, old: Option<&ResourceSliceSpec>, errors: &mut FieldErrors) {
    csi_driver_name(&spec.driver, &SPEC.field("driver"), errors);
    let (pool, pool_path) = (&spec.pool, SPEC.field("pool"));
    pool_name(&pool.name, &pool_path.field("name"), errors);
    if pool.resource_slice_count <= 0 {
        let detail = "must be greater than zero";
        errors.invalid(&pool_path.field("resourceSliceCount"), pool.resource_slice_count, detail);
    }
    if pool.generation < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&pool_path.field("generation"), pool.generation, detail);
    }
    if let Some(old) = old {
        immutable(&pool.name, &old.pool.name, &pool_path.field("name"), errors);
        immutable(&spec.driver, &old.driver, &SPEC.field("driver"), errors);
        immutable(&spec.node_name, &old.node_name, &SPEC.field("nodeName"), errors);
    }
    nodes_of_slice(spec, errors);
    if spec.shared_counters.is_some() && spec.devices.is_some() {
        errors.invalid(&SPEC, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let devices = list(&spec.devices);
    let has_more =
        devices.iter().any(|device| !list(&device.taints).is_empty() || !list(&device.consumes_counters).is_empty());
    let path = SPEC.field("devices");
    if few(devices, if has_more { DEVICES_WITH_MORE_MAX } else { DEVICES_MAX }, &path, errors) {
        for (index, each) in devices.iter().enumerate() {
            let before = old.and_then(|old| list(&old.devices).iter().find(|before| before.name == each.name));
            device(each, before, spec.per_device_node_selection == Some(true), &path.index(index), errors);
        }
        distinct(devices.iter().map(|device| device.name.as_str()), &path, errors);
    }
    let path = SPEC.field("sharedCounters");
    let sets = list(&spec.shared_counters);
    if few(sets, COUNTER_SETS_MAX, &path, errors) {
        for (index, set) in sets.iter().enumerate() {
            counters("name", &set.name, &set.counters, &path.index(index), errors);
        }
        distinct(sets.iter().map(|set| set.name.as_str()), &path, errors);
    }
}

/// Checks the name of a pool: some subdomains with slashes between them.
pub(super) fn pool_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > POOL_MAX {
        errors.too_long(path, POOL_MAX);
    }
    for part in name.split('/') {
        errors.invalid_each(path, part, names::dns1123_subdomain(part));
    }
}

/// The devices are on one node, on some, on all, or each says where.
fn nodes_of_slice(spec: &ResourceSliceSpec, errors: &mut FieldErrors) {
    let mut given = Vec::new();
    match spec.node_name.as_deref() {
        Some("") => errors.invalid(&SPEC.field("nodeName"), "", "must be either unset or set to a non-empty string"),
        Some(name) => {
            given.push("`nodeName`");
            errors.invalid_each(&SPEC.field("nodeName"), name, names::dns1123_subdomain(name));
        }
        None => {}
    }
    if let Some(selector) = &spec.node_selector {
        given.push("`nodeSelector`");
        let path = SPEC.field("nodeSelector");
        node_selector(selector, &path, errors);
        if selector.node_selector_terms.len() != 1 {
            let shown = go_type::compact(&selector.node_selector_terms, "NodeSelectorTerm");
            errors.invalid_json(&path.field("nodeSelectorTerms"), shown, "must have exactly one node selector term");
        }
    }
    for (field, quoted, flag) in [
        ("allNodes", "`allNodes`", spec.all_nodes),
        ("perDeviceNodeSelection", "`perDeviceNodeSelection`", spec.per_device_node_selection),
    ] {
        match flag {
            Some(true) => given.push(quoted),
            Some(false) => errors.invalid(&SPEC.field(field), false, "must be either unset or set to true"),
            None => {}
        }
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match given.as_slice() {
        [] => errors.required(&SPEC, one),
        [_] => {}
        _ => errors.invalid(&SPEC, format!("{{{}}}", given.join(", ")), format!("{one}, but multiple fields are set")),
    }
}

fn device(device: &Device, before: Option<&Device>, says_where: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    errors.invalid_each(&path.field("name"), &device.name, names::dns1123_label(&device.name));
    let (no_attributes, no_capacity) = (BTreeMap::new(), BTreeMap::new());
    let attributes = device.attributes.as_ref().unwrap_or(&no_attributes);
    let capacity = device.capacity.as_ref().unwrap_or(&no_capacity);
    // What was allowed once may stay.
    let is_new = |same: fn(&Device, &Device) -> bool| !before.is_some_and(|before| same(device, before));
    let count = attributes.len() + capacity.len();
    if count > ATTRIBUTES_MAX {
        let detail = format!("the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}");
        errors.invalid(path, count, detail);
    }
    for (name, value) in attributes {
        let all = path.field("attributes");
        qualified_name(name, &all, errors);
        attribute(value, &all.key(name), errors);
    }
    if is_new(|device, before| same(&device.capacity, &before.capacity)) {
        for (name, DeviceCapacity { request_policy, value }) in capacity {
            let all = path.field("capacity");
            qualified_name(name, &all, errors);
            let Some(policy) = request_policy else { continue };
            let path = all.key(name);
            let path = path.field("requestPolicy");
            if device.allow_multiple_allocations == Some(true) {
                request_policy::request_policy(policy, amount(value), &path, errors);
            } else {
                errors.forbidden(&path, "allowMultipleAllocations must be true");
            }
        }
    }
    let taints_path = path.field("taints");
    if is_new(|device, before| same(&device.taints, &before.taints))
        && few(list(&device.taints), TAINTS_MAX, &taints_path, errors)
    {
        for (index, each) in list(&device.taints).iter().enumerate() {
            taint(each, &taints_path.index(index), errors);
        }
    }
    let (consumed, consumed_path) = (list(&device.consumes_counters), path.field("consumesCounters"));
    if few(consumed, COUNTER_SETS_OF_DEVICE_MAX, &consumed_path, errors) {
        for (index, each) in consumed.iter().enumerate() {
            counters("counterSet", &each.counter_set, &each.counters, &consumed_path.index(index), errors);
        }
        distinct(consumed.iter().map(|each| each.counter_set.as_str()), &consumed_path, errors);
    }
    nodes_of_device(device, says_where, path, errors);
    binding(list(&device.binding_conditions), list(&device.binding_failure_conditions), path, errors);
}

fn nodes_of_device(device: &Device, says_where: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if !says_where {
        if device.node_name.is_some() || device.node_selector.is_some() || device.all_nodes.is_some() {
            let detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set \
                          to true in the ResourceSlice spec";
            errors.invalid(path, Value::Null, detail);
        }
        return;
    }
    let mut given = Vec::new();
    match device.node_name.as_deref() {
        Some("") => errors.invalid(&path.field("nodeName"), "", "must not be empty"),
        Some(name) => {
            given.push("`nodeName`");
            errors.invalid_each(&path.field("nodeName"), name, names::dns1123_subdomain(name));
        }
        None => {}
    }
    if let Some(selector) = &device.node_selector {
        given.push("`nodeSelector`");
        node_selector(selector, &path.field("nodeSelector"), errors);
    }
    match device.all_nodes {
        Some(true) => given.push("`allNodes`"),
        Some(false) => errors.invalid(&path.field("allNodes"), false, "must be either unset or set to true"),
        None => {}
    }
    let one = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set \
               to true in the ResourceSlice spec";
    match given.as_slice() {
        [] => errors.required(path, one),
        [_] => {}
        _ => errors.invalid(path, format!("{{{}}}", given.join(", ")), one),
    }
}

fn attribute(attribute: &DeviceAttribute, path: &Path<'_>, errors: &mut FieldErrors) {
    if attribute.string.as_ref().is_some_and(|value| value.len() > VALUE_MAX) {
        errors.too_long(&path.field("string"), VALUE_MAX);
    }
    if let Some(version) = &attribute.version {
        let path = path.field("version");
        if !SEMVER.is_match(version) {
            errors.invalid(&path, version.as_str(), "must be a string compatible with semver.org spec 2.0.0");
        }
        if version.len() > VALUE_MAX {
            errors.too_long(&path, VALUE_MAX);
        }
    }
    let given =
        [attribute.bool.is_some(), attribute.int.is_some(), attribute.string.is_some(), attribute.version.is_some()];
    match given.into_iter().filter(|is_given| *is_given).count() {
        0 => errors.invalid(path, "", "exactly one value must be specified"),
        1 => {}
        _ => errors.invalid(path, json(attribute), "exactly one value must be specified"),
    }
}

/// Checks a taint of devices.
pub(super) fn taint(taint: &DeviceTaint, path: &Path<'_>, errors: &mut FieldErrors) {
    meta::label_name(&taint.key, &path.field("key"), errors);
    let value = text(&taint.value);
    errors.invalid_each(&path.field("value"), value, names::label_value(value));
    required_one_of(&taint.effect, &EFFECTS, &path.field("effect"), errors);
}

fn counters(field: &str, name: &str, counters: &BTreeMap<String, Counter>, path: &Path<'_>, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.required(&path.field(field), "");
    } else {
        errors.invalid_each(&path.field(field), name, names::dns1123_label(name));
    }
    let path = path.field("counters");
    if counters.is_empty() {
        errors.required(&path, "");
    } else if counters.len() > COUNTERS_MAX {
        errors.too_many(&path, counters.len(), COUNTERS_MAX);
    } else {
        for name in counters.keys() {
            errors.invalid_each(&path, name, names::dns1123_label(name));
        }
    }
}

/// Conditions that say that a device is ready to be used, and others that say that it will not be.
pub(super) fn binding(conditions: &[String], failures: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    let (ready_path, failed_path) = (path.field("bindingConditions"), path.field("bindingFailureConditions"));
    for (all, path) in [(conditions, &ready_path), (failures, &failed_path)] {
        if few(all, CONDITIONS_MAX, path, errors) {
            for (index, name) in all.iter().enumerate() {
                meta::label_name(name, &path.index(index), errors);
            }
        }
    }
    distinct(conditions.iter().map(String::as_str), &ready_path, errors);
    let repeated = shared::repeated(failures.iter());
    for (index, name) in failures.iter().enumerate() {
        let path = failed_path.index(index);
        if repeated[index] {
            errors.duplicate(&path, name.as_str());
        }
        if conditions.contains(name) {
            let detail = "bindingFailureConditions must not overlap with bindingConditions";
            errors.invalid(&path, name.as_str(), detail);
        }
    }
    if conditions.is_empty() && !failures.is_empty() {
        let detail = "bindingConditions are required to use bindingFailureConditions";
        errors.invalid(&ready_path, Value::Null, detail);
    }
    if failures.is_empty() && !conditions.is_empty() {
        let detail = "bindingFailureConditions are required to use bindingConditions";
        errors.invalid(&failed_path, Value::Null, detail);
    }
}

/// Checks the name of an attribute or a capacity: an identifier, perhaps in the domain of a driver.
pub(super) fn qualified_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let identifier = |name: &str, errors: &mut FieldErrors| {
        if name.len() > NAME_MAX {
            errors.too_long(path, NAME_MAX);
        }
        errors.invalid_each(path, name, names::c_identifier(name));
    };
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [name] => identifier(name, errors),
        [domain, name] => {
            match *domain {
                "" => errors.invalid(path, "", "the domain must not be empty"),
                domain => csi_driver_name(domain, path, errors),
            }
            match *name {
                "" => errors.invalid(path, "", "the name must not be empty"),
                name => identifier(name, errors),
            }
        }
        _ => {}
    }
}
