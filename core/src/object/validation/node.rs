//! Nodes: taints that differ, whole amounts of what is counted, and an identity that stays once it is set.
//!
//! Source: `pkg/apis/core/validation`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{ConfigMapNodeConfigSource, Node, NodeConfigSource, NodeSpec, NodeStatus, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use serde_json::Value;

use super::checks::json;
use super::fields::{amount, list, one_of, text};
use super::names::{self, name_is_dns_label, name_is_dns_subdomain};
use super::shared::{self, METADATA, SPEC, STATUS, meta_update};
use super::{go_type, meta, resources};
use crate::object::body;
use crate::object::field::{FieldErrors, GoQuoted, Path};

const TAINTS: &str = "scheduler.alpha.kubernetes.io/taints";
const AVOID: &str = "scheduler.alpha.kubernetes.io/preferAvoidPods";

/// What is wrong with a new Node.
pub fn node(node: &Node) -> FieldErrors {
    let mut errors = shared::cluster_wide(&node.metadata, name_is_dns_subdomain);
    annotations(node, &mut errors);
    let (spec, status) = parts(node);
    // Upstream gives this path for taints.
    taints(list(&spec.taints), &METADATA.field("taints"), &mut errors);
    amounts(&status, &mut errors);
    swap(&status, &mut errors);
    declared_features(&status, &mut errors);
    pod_ranges(&spec, &mut errors);
    errors
}

/// What is wrong with a changed Node.
pub fn node_update(new: &Node, old: &Node) -> FieldErrors {
    let mut errors = node(new);
    errors.append(change(new, old));
    errors
}

/// What is wrong with a changed status of a Node: the same as for a changed Node, without the rules for new ones.
pub fn node_status_update(new: &Node, old: &Node) -> FieldErrors {
    change(new, old)
}

fn parts(node: &Node) -> (NodeSpec, NodeStatus) {
    (node.spec.clone().unwrap_or_default(), node.status.clone().unwrap_or_default())
}

fn change(new: &Node, old: &Node) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    annotations(new, &mut errors);
    let ((spec, status), (old_spec, _)) = (parts(new), parts(old));
    amounts(&status, &mut errors);
    declared_features(&status, &mut errors);
    let addresses = STATUS.field("addresses");
    let given = list(&status.addresses);
    let repeated = shared::repeated(given.iter().map(|address| (&address.type_, &address.address)));
    for (index, address) in given.iter().enumerate() {
        if repeated[index] {
            let shown = format!("{{\"Type\":{},\"Address\":{}}}", json(&address.type_), json(&address.address));
            errors.duplicate_json(&addresses.index(index), shown, "");
        }
    }
    let (ranges, old_ranges) = (list(&spec.pod_cidrs), list(&old_spec.pod_cidrs));
    let changed = match old_ranges {
        [] => 0,
        _ if ranges.len() != old_ranges.len() => 1,
        _ => ranges.iter().zip(old_ranges).filter(|(new, old)| new != old).count(),
    };
    for _ in 0..changed {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&SPEC.field("podCIDRs"), detail);
    }
    let (provider, old_provider) = (text(&spec.provider_id), text(&old_spec.provider_id));
    if !old_provider.is_empty() && provider != old_provider {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden(&SPEC.field("providerID"), detail);
    }
    config(&spec, &status, &mut errors);
    taints(list(&spec.taints), &METADATA.field("taints"), &mut errors);
    if text(&spec.external_id) != text(&old_spec.external_id) {
        errors.forbidden(&SPEC.field("externalID"), "may not be updated");
    }
    errors
}

/// What a client is warned of when it writes a Node.
pub(super) fn node_warnings(node: &Node) -> Vec<String> {
    let Some(spec) = &node.spec else { return Vec::new() };
    let mut warnings = Vec::new();
    if spec.config_source.is_some() {
        warnings.push("spec.configSource: the feature is removed".to_owned());
    }
    if !text(&spec.external_id).is_empty() {
        warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    warnings
}

/// What nodes were once told in annotations is still read.
fn annotations(node: &Node, errors: &mut FieldErrors) {
    let given = |key: &str| node.metadata.annotations.as_ref()?.get(key).filter(|text| !text.is_empty());
    let path = METADATA.field("annotations");
    if let Some(text) = given(TAINTS) {
        match serde_json::from_str::<Vec<Taint>>(text) {
            Ok(given) => taints(&given, &path.field(TAINTS), errors),
            Err(problem) => errors.invalid(&path, TAINTS, problem.to_string()),
        }
    }
    if let Some(text) = given(AVOID) {
        match serde_json::from_str::<Value>(text) {
            Ok(given) => avoided(&given, &path.field(AVOID), errors),
            Err(problem) => {
                let problem = body::explain(text.as_bytes(), &problem.to_string());
                errors.invalid(&path.field("AvoidPods"), AVOID, problem);
            }
        }
    }
}

/// Pods that a node had rather not: those of a controller.
fn avoided(avoided: &Value, path: &Path<'_>, errors: &mut FieldErrors) {
    let pods = avoided.get("preferAvoidPods").and_then(Value::as_array);
    for (index, pod) in pods.into_iter().flatten().enumerate() {
        let pod_path = path.index(index);
        let path = pod_path.field("PodSignature");
        match pod.pointer("/podSignature/podController").filter(|controller| !controller.is_null()) {
            None => errors.required(&path, ""),
            Some(controller) if controller.get("controller").and_then(Value::as_bool) != Some(true) => {
                let controller = path.field("PodController");
                errors.invalid(&controller.field("Controller"), false, "must point to a controller");
            }
            Some(_) => {}
        }
    }
}

fn taints(taints: &[Taint], path: &Path<'_>, errors: &mut FieldErrors) {
    let repeated = shared::repeated(taints.iter().map(|taint| (&taint.key, &taint.effect)));
    for (index, taint) in taints.iter().enumerate() {
        let path = path.index(index);
        meta::label_name(&taint.key, &path.field("key"), errors);
        let problems = names::label_value(text(&taint.value));
        if !problems.is_empty() {
            errors.invalid(&path.field("value"), text(&taint.value), problems.join(";"));
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if taint.effect.is_empty() {
            errors.required(&path.field("effect"), "");
        } else {
            one_of(&taint.effect, &effects, &path.field("effect"), errors);
        }
        if repeated[index] {
            let detail = "taints must be unique by key and effect pair";
            errors.duplicate_json(&path, go_type::compact(taint, "Taint"), detail);
        }
    }
}

fn amounts(status: &NodeStatus, errors: &mut FieldErrors) {
    let all = |field: &str, amounts: &Option<BTreeMap<String, Quantity>>, errors: &mut FieldErrors| {
        let path = STATUS.field(field);
        for (name, quantity) in amounts.iter().flatten() {
            resources::quantity_value(name, amount(quantity), &path.field(name), errors);
        }
    };
    all("capacity", &status.capacity, errors);
    all("allocatable", &status.allocatable, errors);
}

fn swap(status: &NodeStatus, errors: &mut FieldErrors) {
    let swap = status.node_info.as_ref().and_then(|info| info.swap.as_ref());
    if let Some(capacity) = swap.and_then(|swap| swap.capacity).filter(|capacity| *capacity <= 0) {
        // Upstream gives this path.
        let path = METADATA.field("nodeSwapStatus");
        errors.invalid(&path.field("capacity"), capacity, "must be greater than zero");
    }
}

/// What the agent of the node can do: names in order, each once.
fn declared_features(status: &NodeStatus, errors: &mut FieldErrors) {
    let (features, path) = (list(&status.declared_features), STATUS.field("declaredFeatures"));
    for (index, feature) in features.iter().enumerate() {
        if let Some(problem) = feature_problem(feature) {
            let detail = format!("invalid feature name {}: {problem}", GoQuoted(feature));
            errors.invalid(&path.index(index), feature.as_str(), detail);
        }
        let Some(next) = features.get(index + 1) else { continue };
        let path = path.index(index + 1);
        match feature.cmp(next) {
            Ordering::Less => {}
            Ordering::Equal => errors.duplicate(&path, next.as_str()),
            Ordering::Greater => errors.invalid(&path, next.as_str(), "list must be sorted alphabetically"),
        }
    }
}

/// `MyFeature` or `MyFeature/mySubFeature`.
fn feature_problem(name: &str) -> Option<String> {
    if name.len() > names::SUBDOMAIN_BYTES_MAX {
        return Some(names::max_characters(names::SUBDOMAIN_BYTES_MAX));
    }
    let segments_fit = name.split('/').all(|segment| {
        let letter_first = segment.starts_with(|first: char| first.is_ascii_alphabetic());
        letter_first && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let fits = segments_fit && name.starts_with(|first: char| first.is_ascii_uppercase());
    (!fits).then(|| {
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or \
         MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
            .to_owned()
    })
}

fn pod_ranges(spec: &NodeSpec, errors: &mut FieldErrors) {
    let (ranges, path) = (list(&spec.pod_cidrs), SPEC.field("podCIDRs"));
    for (index, range) in ranges.iter().enumerate() {
        names::cidr(range, &[], &path.index(index), errors);
    }
    if ranges.len() < 2 {
        return;
    }
    let families: Vec<bool> = ranges
        .iter()
        .filter_map(|range| names::cidr_sloppy(range))
        .map(|(address, _)| matches!(address, IpAddr::V6(_)))
        .collect();
    let bad = ranges.iter().enumerate().find(|(_, range)| names::cidr_sloppy(range).is_none());
    if let Some((index, bad)) = bad {
        let detail = format!(
            "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{index}]: <nil> (invalid CIDR \
             address: {bad})"
        );
        errors.internal(&path, detail);
    }
    let dual = families.len() == ranges.len() && families.contains(&true) && families.contains(&false);
    if !dual || ranges.len() > 2 {
        errors.invalid(&path, json(&ranges), "may specify no more than one CIDR for each IP family");
    }
}

/// Fields of a feature that is gone, still checked for what is stored.
fn config(spec: &NodeSpec, status: &NodeStatus, errors: &mut FieldErrors) {
    if let Some(source) = &spec.config_source {
        source_of(source, false, &SPEC.field("configSource"), errors);
    }
    if let Some(config) = &status.config {
        let path = STATUS.field("config");
        let sources =
            [("assigned", &config.assigned), ("active", &config.active), ("lastKnownGood", &config.last_known_good)];
        for (field, source) in sources {
            if let Some(source) = source {
                source_of(source, true, &path.field(field), errors);
            }
        }
    }
}

fn source_of(source: &NodeConfigSource, in_status: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    match &source.config_map {
        Some(map) => config_map(map, in_status, &path.field("configMap"), errors),
        None => errors.invalid_json(path, "{\"ConfigMap\":null}", "exactly one reference subfield must be non-nil"),
    }
}

fn config_map(source: &ConfigMapNodeConfigSource, in_status: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, value) in [("uid", text(&source.uid)), ("resourceVersion", text(&source.resource_version))] {
        match (in_status, value.is_empty()) {
            (false, false) => errors.forbidden(&path.field(field), format!("{field} must not be set in spec")),
            (true, true) => errors.required(&path.field(field), ""),
            _ => {}
        }
    }
    let key = &source.kubelet_config_key;
    let rules = [
        ("namespace", &source.namespace, name_is_dns_label(&source.namespace, false)),
        ("name", &source.name, name_is_dns_subdomain(&source.name, false)),
        ("kubeletConfigKey", key, names::config_map_key(key)),
    ];
    for (field, value, problems) in rules {
        if value.is_empty() {
            errors.required(&path.field(field), "");
        } else {
            errors.invalid_each(&path.field(field), value, problems);
        }
    }
}
