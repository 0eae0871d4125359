//! On which nodes a DaemonSet shall have pods, judged as the scheduler judges.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodTemplateSpec, Taint, Toleration};

use super::selector::NodeSelector;
use super::taint::tolerates;

/// The taints that the pods of every set tolerate.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// And this one, when they use the network of their node.
const NO_NETWORK: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What becomes of a set's pods on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// There should be one.
    Wanted,
    /// One that is there may stay: a taint keeps others away.
    Tolerated,
    /// There must be none.
    Barred,
    /// There is no such node.
    Gone,
}

/// All of a template that says where its pods go.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    node_name: String,
    labels: BTreeMap<String, String>,
    required: Option<NodeSelector>,
    tolerations: Vec<Toleration>,
}

impl Placement {
    /// Where the pods of a set with this template go.
    pub fn of(template: &PodTemplateSpec) -> Self {
        let pod = template.spec.as_ref();
        let affinity = pod.and_then(|pod| pod.affinity.as_ref()).and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|nodes| nodes.required_during_scheduling_ignored_during_execution.as_ref());
        Self {
            node_name: pod.and_then(|pod| pod.node_name.clone()).unwrap_or_default(),
            labels: pod.and_then(|pod| pod.node_selector.clone()).unwrap_or_default(),
            required: required.map(NodeSelector::compile),
            tolerations: tolerations(template),
        }
    }

    /// What becomes of pods on a node. That it is unschedulable does not matter: that taint is tolerated.
    pub fn fate(&self, name: &str, labels: &BTreeMap<String, String>, taints: &[Taint]) -> Fate {
        let is_named = self.node_name.is_empty() || self.node_name == name;
        let has_labels = || self.labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        let is_selected = || self.required.as_ref().is_none_or(|required| required.matches(labels, name));
        if !is_named || !has_labels() || !is_selected() {
            return Fate::Barred;
        }
        let keeps_away = |effect: &str| {
            let mut matter = taints.iter().filter(|taint| taint.effect == effect);
            matter.any(|taint| !tolerates(&self.tolerations, taint))
        };
        if keeps_away("NoExecute") {
            Fate::Barred
        } else if keeps_away("NoSchedule") {
            Fate::Tolerated
        } else {
            Fate::Wanted
        }
    }
}

/// The tolerations of the pods of a set with this template: its own, and those of what befalls nodes.
pub fn tolerations(template: &PodTemplateSpec) -> Vec<Toleration> {
    let pod = template.spec.as_ref();
    let mut all = pod.and_then(|pod| pod.tolerations.clone()).unwrap_or_default();
    let on_host = pod.is_some_and(|pod| pod.host_network == Some(true));
    for (key, effect) in TOLERATED.into_iter().chain(on_host.then_some(NO_NETWORK)) {
        let toleration = Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        };
        let same = |other: &Toleration| {
            (&other.key, &other.operator, &other.effect, &other.value)
                == (&toleration.key, &toleration.operator, &toleration.effect, &toleration.value)
        };
        match all.iter_mut().find(|other| same(other)) {
            Some(other) => *other = toleration,
            None => all.push(toleration),
        }
    }
    all
}
