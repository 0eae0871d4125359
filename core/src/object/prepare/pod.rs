//! Pods: the status they start with, and label keys written out into selectors.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, Pod, PodAffinityTerm, PodCondition, PodSpec, PodStatus, ResourceRequirements,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::disabled::drop_from_spec;
use super::metadata::count;
use super::{Prepare, Request};
use crate::object::quantity::Quantity;
use crate::object::wire::same;
use crate::time::Time;

/// Annotations that meant what `initContainers` means now.
const INIT_CONTAINER_ANNOTATIONS: [&str; 4] = [
    "pod.alpha.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.beta.kubernetes.io/init-containers",
];

/// The annotation of a container that meant what `appArmorProfile` means now, before the container's name.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

impl Prepare for Pod {
    fn create(&mut self, request: &Request<'_>) {
        self.metadata.generation = Some(1);
        drop_annotations(self);
        let spec = self.spec.get_or_insert_default();
        // The one thing of a status that upstream believes.
        let told = self.status.take().and_then(|status| status.qos_class).filter(|class| !class.is_empty());
        let qos_class = told.unwrap_or_else(|| qos_class(spec).to_owned());
        drop_from_spec(spec);
        self.status = Some(PodStatus {
            phase: Some("Pending".to_owned()),
            qos_class: Some(qos_class),
            conditions: scheduling_gated(spec, request.now).map(|condition| vec![condition]),
            ..Default::default()
        });
        let labels = self.metadata.labels.clone().unwrap_or_default();
        write_out_label_keys(spec, &labels);
        app_armor(self);
    }

    fn update(&mut self, old: &Self, _: &Request<'_>) {
        drop_annotations(self);
        self.status.clone_from(&old.status);
        if let Some(spec) = &mut self.spec {
            drop_from_spec(spec);
        }
        count(&mut self.metadata, &old.metadata, !same(&self.spec, &old.spec));
    }

    fn update_status(&mut self, old: &Self, _: &Request<'_>) {
        self.spec.clone_from(&old.spec);
        self.metadata.deletion_timestamp.clone_from(&old.metadata.deletion_timestamp);
        self.metadata.owner_references.clone_from(&old.metadata.owner_references);
        let before = old.status.clone().unwrap_or_default();
        let status = self.status.get_or_insert_default();
        if status.qos_class.as_ref().is_none_or(|class| class.is_empty()) {
            status.qos_class.clone_from(&before.qos_class);
        }
        keep_observed_generation(status, &before);
        addresses(status);
    }
}

pub(super) fn drop_annotations(pod: &mut Pod) {
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.retain(|key, _| !INIT_CONTAINER_ANNOTATIONS.contains(&key.as_str()));
    }
}

/// A pod with gates is not to be scheduled yet, and says so from the start.
fn scheduling_gated(spec: &PodSpec, now: Time) -> Option<PodCondition> {
    let gated = spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
    gated.then(|| PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        last_transition_time: Some(now.to_api()),
        reason: Some("SchedulingGated".to_owned()),
        message: Some("Scheduling is blocked due to non-empty scheduling gates".to_owned()),
        ..Default::default()
    })
}

/// Whoever writes a status without saying which generation it saw keeps what was said before.
fn keep_observed_generation(status: &mut PodStatus, before: &PodStatus) {
    if status.observed_generation.unwrap_or_default() == 0 {
        status.observed_generation = before.observed_generation;
    }
    let mut seen: BTreeMap<&str, std::vec::IntoIter<Option<i64>>> = BTreeMap::new();
    for condition in before.conditions.iter().flatten() {
        let same_type = before.conditions.iter().flatten().filter(|other| other.type_ == condition.type_);
        let generations: Vec<_> = same_type.map(|other| other.observed_generation).collect();
        seen.entry(&condition.type_).or_insert_with(|| generations.into_iter());
    }
    for condition in status.conditions.iter_mut().flatten() {
        let before = seen.get_mut(condition.type_.as_str()).and_then(Iterator::next).flatten();
        if condition.observed_generation.unwrap_or_default() == 0 {
            condition.observed_generation = before;
        }
    }
}

/// The single address and the first of the list are the same.
fn addresses(status: &mut PodStatus) {
    match (&status.pod_ip, status.pod_ips.as_deref().unwrap_or_default()) {
        (Some(ip), []) if !ip.is_empty() => {
            status.pod_ips = Some(vec![k8s_openapi::api::core::v1::PodIP { ip: ip.clone() }]);
        }
        (None, [first, ..]) => status.pod_ip = Some(first.ip.clone()),
        _ => {}
    }
}

/// `matchLabelKeys` become requirements on the values that this pod has.
fn write_out_label_keys(spec: &mut PodSpec, labels: &BTreeMap<String, String>) {
    let add = |selector: &mut Option<LabelSelector>, keys: &Option<Vec<String>>, operator: &str| {
        let Some(selector) = selector else { return };
        for key in keys.iter().flatten() {
            let Some(value) = labels.get(key) else { continue };
            selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.to_owned(),
                values: Some(vec![value.clone()]),
            });
        }
    };
    for constraint in spec.topology_spread_constraints.iter_mut().flatten() {
        add(&mut constraint.label_selector, &constraint.match_label_keys, "In");
    }
    let mut on_term = |term: &mut PodAffinityTerm| {
        add(&mut term.label_selector, &term.match_label_keys, "In");
        add(&mut term.label_selector, &term.mismatch_label_keys, "NotIn");
    };
    let mut on_terms = |preferred: &mut Option<Vec<WeightedPodAffinityTerm>>,
                        required: &mut Option<Vec<PodAffinityTerm>>| {
        let preferred = preferred.iter_mut().flatten().map(|weighted| &mut weighted.pod_affinity_term);
        preferred.chain(required.iter_mut().flatten()).for_each(&mut on_term);
    };
    let Some(affinity) = &mut spec.affinity else { return };
    if let Some(pod) = &mut affinity.pod_affinity {
        on_terms(
            &mut pod.preferred_during_scheduling_ignored_during_execution,
            &mut pod.required_during_scheduling_ignored_during_execution,
        );
    }
    if let Some(pod) = &mut affinity.pod_anti_affinity {
        on_terms(
            &mut pod.preferred_during_scheduling_ignored_during_execution,
            &mut pod.required_during_scheduling_ignored_during_execution,
        );
    }
}

/// A profile in the old annotation becomes the field, unless the pod or the container already says so.
fn app_armor(pod: &mut Pod) {
    let Some(annotations) = &pod.metadata.annotations else { return };
    let Some(spec) = &mut pod.spec else { return };
    if is_windows(spec) {
        return;
    }
    let of_pod = spec.security_context.as_ref().and_then(|context| context.app_armor_profile.clone());
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        if let Some(profile) = annotated_profile(annotations, of_pod.as_ref(), container) {
            container.security_context.get_or_insert_default().app_armor_profile = Some(profile);
        }
    }
}

/// What a client is told whose annotation becomes a field.
pub(crate) fn app_armor_notes(pod: &Pod) -> Vec<String> {
    let (Some(annotations), Some(spec)) = (&pod.metadata.annotations, &pod.spec) else { return Vec::new() };
    if is_windows(spec) {
        return Vec::new();
    }
    let of_pod = spec.security_context.as_ref().and_then(|context| context.app_armor_profile.as_ref());
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let annotated = containers.filter(|container| annotated_profile(annotations, of_pod, container).is_some());
    let note = |container: &Container| {
        let key = format!("{APP_ARMOR_ANNOTATION}{}", container.name);
        format!("metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field instead")
    };
    annotated.map(note).collect()
}

fn is_windows(spec: &PodSpec) -> bool {
    spec.os.as_ref().is_some_and(|os| os.name == "windows")
}

/// The profile that a container has by its annotation alone.
fn annotated_profile(
    annotations: &BTreeMap<String, String>,
    of_pod: Option<&AppArmorProfile>,
    container: &Container,
) -> Option<AppArmorProfile> {
    if container.security_context.as_ref().is_some_and(|context| context.app_armor_profile.is_some()) {
        return None;
    }
    let annotation = annotations.get(&format!("{APP_ARMOR_ANNOTATION}{}", container.name))?;
    app_armor_profile(annotation).filter(|profile| Some(profile) != of_pod)
}

fn app_armor_profile(annotation: &str) -> Option<AppArmorProfile> {
    let profile = |type_: &str, localhost: Option<&str>| AppArmorProfile {
        type_: type_.to_owned(),
        localhost_profile: localhost.map(str::to_owned),
    };
    match annotation {
        "unconfined" => Some(profile("Unconfined", None)),
        "runtime/default" => Some(profile("RuntimeDefault", None)),
        other => {
            let local = other.strip_prefix("localhost/").filter(|name| !name.is_empty() && name.trim() == *name)?;
            Some(profile("Localhost", Some(local)))
        }
    }
}

/// The quality of service that a pod gets: `Guaranteed` when all its limits are its requests, `BestEffort` when it has
/// neither, `Burstable` otherwise.
///
/// Only CPU and memory count, amounts of zero do not, and resources of the pod as a whole go before its containers'.
#[must_use]
pub fn qos_class(spec: &PodSpec) -> &'static str {
    let mut all = Amounts { every_limit: true, ..Amounts::default() };
    match spec.resources.as_ref().filter(|resources| is_pod_level(resources)) {
        Some(resources) => all.add(Some(resources)),
        None => {
            let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            containers.for_each(|container| all.add(container.resources.as_ref()));
        }
    }
    if all.requests.is_empty() && all.limits.is_empty() {
        "BestEffort"
    } else if all.every_limit && all.requests == all.limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

fn is_pod_level(resources: &ResourceRequirements) -> bool {
    let names = resources.requests.iter().chain(&resources.limits).flat_map(BTreeMap::keys);
    names.into_iter().any(|name| matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-"))
}

/// CPU and memory of some containers together.
#[derive(Default)]
struct Amounts<'s> {
    requests: BTreeMap<&'s str, Quantity>,
    limits: BTreeMap<&'s str, Quantity>,
    /// Has every one of them a limit of both?
    every_limit: bool,
}

impl<'s> Amounts<'s> {
    fn add(&mut self, resources: Option<&'s ResourceRequirements>) {
        sum(&mut self.requests, resources.and_then(|resources| resources.requests.as_ref()));
        self.every_limit &= sum(&mut self.limits, resources.and_then(|resources| resources.limits.as_ref())) == 2;
    }
}

/// Adds up what counts, and says how many resources did.
fn sum<'s>(total: &mut BTreeMap<&'s str, Quantity>, list: Option<&'s BTreeMap<String, ApiQuantity>>) -> usize {
    let counted = list.into_iter().flatten().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
    let amounts = counted.filter_map(|(name, amount)| Some((name, Quantity::from_api(amount).ok()?)));
    let mut found = 0;
    for (name, amount) in amounts.filter(|(_, amount)| amount.as_milli() > 0) {
        total.entry(name).and_modify(|total| *total += amount).or_insert(amount);
        found += 1;
    }
    found
}
