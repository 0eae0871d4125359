//! What is allowed in a pod but surely not meant: the texts of the `Warning` headers.
//!
//! Source: upstream's `pkg/api/pod/warnings.go`, `pkg/api/node/util.go` and the pod's registry strategy.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use k8s_openapi::api::core::v1::{
    ContainerPort, NodeSelectorTerm, Pod, PodAffinityTerm, PodSpec, PodTemplateSpec, Volume, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::super::field::{GoQuoted, Path};
use super::addresses::of_ip;
use super::fields::{Names, amount, list, text};
use super::visit::{self, AnyContainer};
use super::{names, resources, security, volume_paths};

/// Labels of nodes that have another name now, and what to do about them.
const DEPRECATED_LABELS: &[(&str, &str)] = &[
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
];

/// Annotations that do nothing any more, and what to use instead.
const DEPRECATED_ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// The warnings for a pod to create.
pub fn pod_warnings(pod: &Pod) -> Vec<String> {
    let mut warnings = Warnings::default();
    let problems = names::dns1123_label(text(&pod.metadata.name));
    if !problems.is_empty() {
        warnings.0.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; \
             a DNS label is recommended: [{}]",
            problems.join(" ")
        ));
    }
    if let Some(spec) = &pod.spec {
        of_spec(spec, &pod.metadata, None, &mut warnings);
    }
    warnings.0
}

/// The warnings for a template of pods at a path.
pub fn pod_template_warnings(template: &PodTemplateSpec, path: &Path<'_>) -> Vec<String> {
    let mut warnings = Warnings::default();
    let empty = ObjectMeta::default();
    if let Some(spec) = &template.spec {
        of_spec(spec, template.metadata.as_ref().unwrap_or(&empty), Some(path), &mut warnings);
    }
    warnings.0
}

#[derive(Default)]
pub(super) struct Warnings(pub(super) Vec<String>);

impl Warnings {
    pub(super) fn add(&mut self, path: &Path<'_>, text: impl fmt::Display) {
        self.0.push(format!("{path}: {text}"));
    }
}

/// What is said of a label of nodes that has another name now.
pub(super) fn deprecated_label(label: &str) -> Option<&'static str> {
    DEPRECATED_LABELS.iter().find(|(known, _)| *known == label).map(|(_, text)| *text)
}

/// `parent` is the path of a template; a pod's own fields stand at the top.
fn of_spec(spec: &PodSpec, metadata: &ObjectMeta, parent: Option<&Path<'_>>, warnings: &mut Warnings) {
    let path = parent.map_or(Path::new("spec"), |parent| parent.field("spec"));
    let metadata_path = parent.map_or(Path::new("metadata"), |parent| parent.field("metadata"));
    let empty = BTreeMap::new();
    let annotations = metadata.annotations.as_ref().unwrap_or(&empty);
    let annotations_path = metadata_path.field("annotations");
    placement(spec, &path, warnings);
    for (key, what) in DEPRECATED_ANNOTATIONS {
        if annotations.contains_key(*key) {
            warnings.add(&annotations_path.key(key), what);
        }
    }
    volumes(list(&spec.volumes), &path.field("volumes"), warnings);
    volume_paths::overlapping(list(&spec.volumes), warnings);
    duplicates(spec, &path, warnings);
    if let Some(overhead) = &spec.overhead {
        fractions(overhead, &["memory", "ephemeral-storage"], &path.field("overhead"), warnings);
    }
    profiles(spec, annotations, parent.is_some(), &annotations_path, &path, warnings);
    ports(spec, &path, warnings);
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        let what = "must be >= 0; negative values are invalid and will be treated as 1";
        warnings.add(&path.field("terminationGracePeriodSeconds"), what);
    }
    null_selectors(spec, &path, warnings);
    addresses(spec, &path, warnings);
}

fn placement(spec: &PodSpec, path: &Path<'_>, warnings: &mut Warnings) {
    for label in spec.node_selector.iter().flat_map(|labels| labels.keys()) {
        if let Some(what) = deprecated_label(label) {
            warnings.add(&path.field("nodeSelector").key(label), what);
        }
    }
    if let Some(node) = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref()) {
        let affinity = path.field("affinity");
        let path = affinity.field("nodeAffinity");
        let required = path.field("requiredDuringSchedulingIgnoredDuringExecution");
        let terms = required.field("nodeSelectorTerms");
        let selector = node.required_during_scheduling_ignored_during_execution.as_ref();
        for (index, term) in selector.iter().flat_map(|selector| &selector.node_selector_terms).enumerate() {
            node_term(term, false, &terms.index(index), warnings);
        }
        let preferred = path.field("preferredDuringSchedulingIgnoredDuringExecution");
        let terms = list(&node.preferred_during_scheduling_ignored_during_execution);
        for (index, term) in terms.iter().enumerate() {
            node_term(&term.preference, true, &preferred.index(index).field("preference"), warnings);
        }
    }
    let constraints = path.field("topologySpreadConstraints");
    for (index, constraint) in list(&spec.topology_spread_constraints).iter().enumerate() {
        let path = constraints.index(index);
        let key = &constraint.topology_key;
        if let Some(what) = deprecated_label(key) {
            warnings.add(&path.field("topologyKey"), format_args!("{key} is {what}"));
        }
        if constraint.label_selector.is_none() {
            warnings.add(&path.field("labelSelector"), "a null labelSelector results in matching no pod");
        }
    }
}

/// The warnings for a term that selects nodes.
pub(super) fn node_term(term: &NodeSelectorTerm, check_values: bool, path: &Path<'_>, warnings: &mut Warnings) {
    let expressions = path.field("matchExpressions");
    for (index, expression) in list(&term.match_expressions).iter().enumerate() {
        let path = expressions.index(index);
        let key = &expression.key;
        if let Some(what) = deprecated_label(key) {
            warnings.add(&path.field("key"), format_args!("{key} is {what}"));
        }
        let values = path.field("values");
        for (index, value) in list(&expression.values).iter().enumerate().filter(|_| check_values) {
            for problem in names::label_value(value) {
                warnings.add(&values.index(index), format_args!("{value} is invalid, {problem}"));
            }
        }
    }
}

fn volumes(volumes: &[Volume], path: &Path<'_>, warnings: &mut Warnings) {
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        for (field, is_set, what) in [
            (
                "photonPersistentDisk",
                volume.photon_persistent_disk.is_some(),
                "deprecated in v1.11, non-functional in v1.16+",
            ),
            ("gitRepo", volume.git_repo.is_some(), "deprecated in v1.11, and disabled by default in v1.33+"),
            ("scaleIO", volume.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
            ("flocker", volume.flocker.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("storageOS", volume.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("quobyte", volume.quobyte.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
            ("glusterfs", volume.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
        ] {
            if is_set {
                warnings.add(&path.field(field), what);
            }
        }
        if let Some(template) = volume.ephemeral.as_ref().and_then(|source| source.volume_claim_template.as_ref()) {
            let source = path.field("ephemeral");
            let path = source.field("volumeClaimTemplate");
            warnings.0.extend(claim_spec_warnings(&template.spec, &path.field("spec")));
        }
        for (field, is_set) in [("cephfs", volume.cephfs.is_some()), ("rbd", volume.rbd.is_some())] {
            if is_set {
                warnings.add(&path.field(field), "deprecated in v1.28, non-functional in v1.31+");
            }
        }
    }
}

/// The warnings for the spec of a claim.
pub(super) fn claim_spec_warnings(spec: &PersistentVolumeClaimSpec, path: &Path<'_>) -> Vec<String> {
    let mut warnings = Warnings::default();
    let path = path.field("resources");
    let Some(asked) = &spec.resources else { return Vec::new() };
    for (field, amounts) in [("requests", &asked.requests), ("limits", &asked.limits)] {
        if let Some(amounts) = amounts {
            fractions(amounts, &["storage"], &path.field(field), &mut warnings);
        }
    }
    warnings.0
}

/// Bytes come whole.
fn fractions(amounts: &BTreeMap<String, ApiQuantity>, of: &[&str], path: &Path<'_>, warnings: &mut Warnings) {
    for name in of {
        let Some(quantity) = amounts.get(*name).map(amount) else { continue };
        if !resources::is_whole(quantity) {
            let what = format_args!("fractional byte value \"{quantity}\" is invalid, must be an integer");
            warnings.add(&path.key(name), what);
        }
    }
}

fn duplicates(spec: &PodSpec, path: &Path<'_>, warnings: &mut Warnings) {
    let aliases = path.field("hostAliases");
    let mut known = Names::default();
    for (index, alias) in list(&spec.host_aliases).iter().enumerate() {
        if !known.insert(&alias.ip) {
            let what = format_args!("duplicate ip {}", GoQuoted(&alias.ip));
            warnings.add(&aliases.index(index).field("ip"), what);
        }
    }
    let secrets = path.field("imagePullSecrets");
    let mut known = Names::default();
    let named = list(&spec.image_pull_secrets);
    for (index, secret) in named.iter().enumerate() {
        if !known.insert(&secret.name) {
            let what = format_args!("duplicate name {}", GoQuoted(&secret.name));
            warnings.add(&secrets.index(index).field("name"), what);
        }
    }
    for (index, _) in named.iter().enumerate().filter(|(_, secret)| secret.name.is_empty()) {
        warnings.add(&secrets.index(index).field("name"), "invalid empty name \"\"");
    }
}

fn profiles(
    spec: &PodSpec,
    annotations: &BTreeMap<String, String>,
    is_template: bool,
    annotations_path: &Path<'_>,
    path: &Path<'_>,
    warnings: &mut Warnings,
) {
    let context = spec.security_context.as_ref();
    let seccomp = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
    if context.is_none_or(|context| context.seccomp_profile.is_none())
        && annotations.contains_key(security::SECCOMP_OF_POD)
    {
        warnings.add(&annotations_path.key(security::SECCOMP_OF_POD), seccomp);
    }
    let pod_has_apparmor = context.is_some_and(|context| context.app_armor_profile.is_some());
    visit::containers(spec, path, |container, path| {
        let context = container.security();
        let key = format!("{}{}", security::SECCOMP_OF_CONTAINER, container.name());
        if context.is_none_or(|context| context.seccomp_profile.is_none()) && annotations.contains_key(&key) {
            warnings.add(&annotations_path.key(&key), seccomp);
        }
        let has_apparmor = pod_has_apparmor || context.is_some_and(|context| context.app_armor_profile.is_some());
        let key = format!("{}{}", security::APPARMOR_OF_CONTAINER, container.name());
        if is_template && !has_apparmor && annotations.contains_key(&key) {
            let what = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
            warnings.add(&annotations_path.key(&key), what);
        }
        container_amounts(container, path, warnings);
        variables(container, path, warnings);
    });
}

fn container_amounts(container: AnyContainer<'_>, path: &Path<'_>, warnings: &mut Warnings) {
    let Some(asked) = container.resources() else { return };
    let path = path.field("resources");
    for name in ["memory", "ephemeral-storage"] {
        for (field, amounts) in [("limits", &asked.limits), ("requests", &asked.requests)] {
            if let Some(amounts) = amounts {
                fractions(amounts, &[name], &path.field(field), warnings);
            }
        }
    }
}

/// A variable given twice counts once, except where the second builds on the first.
fn variables(container: AnyContainer<'_>, path: &Path<'_>, warnings: &mut Warnings) {
    let path = path.field("env");
    let mut known = Names::default();
    for (index, variable) in container.env().iter().enumerate() {
        if known.insert(&variable.name) {
            continue;
        }
        let reference = format!("$({})", variable.name);
        let value = text(&variable.value);
        if variable.value_from.is_some() || value == reference || !value.contains(&reference) {
            let name = GoQuoted(&variable.name);
            let what = format_args!("hides previous definition of {name}, which may be dropped when using apply");
            warnings.add(&path.index(index), what);
        }
    }
}

fn ports(spec: &PodSpec, path: &Path<'_>, warnings: &mut Warnings) {
    let mut known: BTreeMap<(i32, &str), Vec<(String, &ContainerPort)>> = BTreeMap::new();
    visit::containers(spec, path, |container, path| {
        let path = path.field("ports");
        for (index, port) in container.ports().iter().enumerate() {
            let path = path.index(index);
            let host_port = |port: &ContainerPort| port.host_port.unwrap_or_default();
            if !text(&port.host_ip).is_empty() && host_port(port) == 0 {
                let shown = format_args!(
                    "hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{} HostIP:{}}}",
                    text(&port.name),
                    port.container_port,
                    text(&port.protocol),
                    text(&port.host_ip)
                );
                warnings.add(&path, shown);
            }
            let others = known.entry((port.container_port, text(&port.protocol))).or_default();
            for (place, other) in others.iter() {
                let (own, theirs) = (text(&port.host_ip), text(&other.host_ip));
                let conflict = if own == theirs && host_port(port) == host_port(other) {
                    "duplicate port definition"
                } else if host_port(port) == 0 || host_port(other) == 0 {
                    "overlapping port definition"
                } else if host_port(port) == host_port(other) && own.is_empty() != theirs.is_empty() {
                    "dangerously ambiguous port definition"
                } else {
                    continue;
                };
                warnings.add(&path, format_args!("{conflict} with {place}"));
            }
            others.push((path.to_string(), port));
        }
    });
}

fn null_selectors(spec: &PodSpec, path: &Path<'_>, warnings: &mut Warnings) {
    let Some(affinity) = &spec.affinity else { return };
    let path = path.field("affinity");
    if let Some(pod) = &affinity.pod_affinity {
        terms(
            list(&pod.required_during_scheduling_ignored_during_execution),
            list(&pod.preferred_during_scheduling_ignored_during_execution),
            &path.field("podAffinity"),
            warnings,
        );
    }
    if let Some(pod) = &affinity.pod_anti_affinity {
        terms(
            list(&pod.required_during_scheduling_ignored_during_execution),
            list(&pod.preferred_during_scheduling_ignored_during_execution),
            &path.field("podAntiAffinity"),
            warnings,
        );
    }
}

fn terms(
    required: &[PodAffinityTerm],
    preferred: &[WeightedPodAffinityTerm],
    path: &Path<'_>,
    warnings: &mut Warnings,
) {
    let what = "a null labelSelector results in matching no pod";
    let required_path = path.field("requiredDuringSchedulingIgnoredDuringExecution");
    for (index, _) in required.iter().enumerate().filter(|(_, term)| term.label_selector.is_none()) {
        warnings.add(&required_path.index(index).field("labelSelector"), what);
    }
    let preferred_path = path.field("preferredDuringSchedulingIgnoredDuringExecution");
    for (index, _) in preferred.iter().enumerate().filter(|(_, term)| term.pod_affinity_term.label_selector.is_none()) {
        let entry = preferred_path.index(index);
        warnings.add(&entry.field("podAffinityTerm").field("labelSelector"), what);
    }
}

/// Addresses that are right but not written in the usual way.
fn addresses(spec: &PodSpec, path: &Path<'_>, warnings: &mut Warnings) {
    if let Some(dns) = &spec.dns_config {
        let config = path.field("dnsConfig");
        let servers = config.field("nameservers");
        for (index, server) in list(&dns.nameservers).iter().enumerate() {
            warnings.0.extend(of_ip(servers.index(index), server));
        }
    }
    let aliases = path.field("hostAliases");
    for (index, alias) in list(&spec.host_aliases).iter().enumerate() {
        warnings.0.extend(of_ip(aliases.index(index).field("ip"), &alias.ip));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::validation::testing::pod_of;
    use serde_json::json;

    #[test]
    fn what_is_surely_not_meant_is_said_with_its_place() {
        let pod = pod_of(json!({
            "containers": [{
                "name": "c", "image": "a",
                "ports": [{"containerPort": 80}, {"containerPort": 80}],
                "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "3"}],
                "resources": {"limits": {"memory": "100m"}},
            }],
            "nodeSelector": {"beta.kubernetes.io/os": "linux"},
            "volumes": [{"name": "v", "configMap": {"name": "m", "items": [
                {"key": "a", "path": "x"}, {"key": "b", "path": "x/y"},
            ]}}],
        }));
        assert_eq!(
            pod_warnings(&pod),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "volume \"v\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\"",
                "spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].resources.requests[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
                "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            ]
        );
    }
}
