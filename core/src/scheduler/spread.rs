//! Topology spread constraints, compiled; and those that a pod has without saying so.

use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{PodSpec, ReplicationController, Service, TopologySpreadConstraint};

use super::profile::Profile;
use crate::object::kind::KindId;
use crate::object::selector::{Operator, Requirement, Selector};
use crate::store::{Meta, Snapshot, StringMap};

/// One constraint.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// `topologyKey`
    pub(crate) key: String,
    /// `maxSkew`
    pub(crate) skew_max: i64,
    /// `whenUnsatisfiable: DoNotSchedule`
    pub(crate) is_hard: bool,
    /// `labelSelector` with `matchLabelKeys`
    pub(crate) selector: Selector,
    /// `minDomains`
    pub(crate) domains_min: usize,
    /// `nodeAffinityPolicy: Honor`
    pub(crate) honors_affinity: bool,
    /// `nodeTaintsPolicy: Honor`
    pub(crate) honors_taints: bool,
    /// It is one of the system's default constraints.
    pub(crate) is_default: bool,
}

/// The constraints of pods that have none of their own: the key and the skew.
const DEFAULTS: [(&str, i64); 2] = [("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5)];

/// The constraints of a pod.
pub(crate) fn spreads_of(profile: &Profile, meta: &Meta, spec: &PodSpec, snapshot: &Snapshot) -> Vec<Spread> {
    let own = spec.topology_spread_constraints.as_deref().unwrap_or_default();
    if !own.is_empty() {
        return own.iter().map(|constraint| compile(constraint, &meta.labels)).collect();
    }
    let selector = default_selector(meta, snapshot);
    if selector.is_everything() || selector.is_nothing() {
        return Vec::new();
    }
    if let Some(constraints) = profile.constraints() {
        let with_selector = |constraint| Spread { selector: selector.clone(), ..compile(constraint, &meta.labels) };
        return constraints.iter().map(with_selector).collect();
    }
    let default = |(key, skew_max): (&str, i64)| Spread {
        key: key.to_owned(),
        skew_max,
        is_hard: false,
        selector: selector.clone(),
        domains_min: 1,
        honors_affinity: true,
        honors_taints: false,
        is_default: true,
    };
    DEFAULTS.into_iter().map(default).collect()
}

fn compile(constraint: &TopologySpreadConstraint, labels: &StringMap) -> Spread {
    let selector = Selector::compile(constraint.label_selector.as_ref()).unwrap_or_else(|_| Selector::nothing());
    let keys = constraint.match_label_keys.iter().flatten();
    let same = keys.filter_map(|key| Requirement::new(key, Operator::In, &[labels.get(key)?]).ok());
    Spread {
        key: constraint.topology_key.clone(),
        skew_max: i64::from(constraint.max_skew),
        is_hard: constraint.when_unsatisfiable == "DoNotSchedule",
        selector: selector.and(Selector::new(same)),
        domains_min: constraint.min_domains.and_then(|least| usize::try_from(least).ok()).unwrap_or(1),
        honors_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        is_default: false,
    }
}

/// What the Services of a pod and its controller select, taken together.
fn default_selector(meta: &Meta, snapshot: &Snapshot) -> Selector {
    let mut labels = StringMap::new();
    for object in snapshot.list_in(KindId::of::<Service>(), &meta.namespace) {
        let service = object.typed::<Service>().and_then(|service| service.spec.as_ref()?.selector.as_ref());
        let selects = |selector: &StringMap| selector.iter().all(|(key, value)| meta.labels.get(key) == Some(value));
        labels.extend(service.filter(|selector| selects(selector)).cloned().unwrap_or_default());
    }
    let mut controller = Selector::everything();
    if let Some(owner) = meta.controller_uid().and_then(|uid| snapshot.get(uid)) {
        let set = owner.typed::<ReplicaSet>().map(|set| &set.spec.selector);
        let stateful = || owner.typed::<StatefulSet>().map(|set| &set.spec.selector);
        if let Some(selector) = set.or_else(stateful) {
            controller = Selector::compile(Some(selector)).unwrap_or_else(|_| Selector::everything());
        }
        let replication = owner.typed::<ReplicationController>();
        labels.extend(replication.and_then(|one| one.spec.as_ref()?.selector.clone()).unwrap_or_default());
    }
    Selector::from_labels(&labels).and(controller)
}
