//! What keeps pods: Deployments and their kin.

use std::collections::BTreeMap;

use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, DeploymentStrategy, ReplicaSet, RollingUpdateDeployment, RollingUpdateStatefulSetStrategy,
    StatefulSet, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ReplicationController};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Build, Builder, HasPodSpec, insert, push};

/// Kinds that find their pods with a selector.
pub trait Workload: HasPodSpec {
    /// The labels of its pods.
    fn selected_mut(&mut self) -> &mut Option<BTreeMap<String, String>>;
    /// Whether it asks for more than labels.
    fn has_expressions(&self) -> bool;
}

/// Kinds that keep a number of pods.
pub trait Replicated: Workload {
    /// The number of pods.
    fn replicas_mut(&mut self) -> &mut Option<i32>;
    /// How long a pod must be ready to count as available, in seconds.
    fn min_ready_seconds_mut(&mut self) -> &mut Option<i32>;
}

macro_rules! workloads {
    ($($kind:ty),*) => {
        $(
            impl Workload for $kind {
                fn selected_mut(&mut self) -> &mut Option<BTreeMap<String, String>> {
                    &mut self.spec.selector.match_labels
                }

                fn has_expressions(&self) -> bool {
                    self.spec.selector.match_expressions.is_some()
                }
            }

            impl Build for $kind {
                fn complete(&mut self) {
                    agree(self);
                }
            }
        )*
    };
}

macro_rules! replicated {
    ($($kind:ty),*) => {
        $(impl Replicated for $kind {
            fn replicas_mut(&mut self) -> &mut Option<i32> {
                &mut self.spec.replicas
            }

            fn min_ready_seconds_mut(&mut self) -> &mut Option<i32> {
                &mut self.spec.min_ready_seconds
            }
        })*
    };
}

workloads!(Deployment, ReplicaSet, StatefulSet, DaemonSet);
replicated!(Deployment, ReplicaSet, StatefulSet);

impl Workload for ReplicationController {
    fn selected_mut(&mut self) -> &mut Option<BTreeMap<String, String>> {
        &mut self.spec.get_or_insert_default().selector
    }

    fn has_expressions(&self) -> bool {
        false
    }
}

impl Build for ReplicationController {
    fn complete(&mut self) {
        agree(self);
    }
}

impl Replicated for ReplicationController {
    fn replicas_mut(&mut self) -> &mut Option<i32> {
        &mut self.spec.get_or_insert_default().replicas
    }

    fn min_ready_seconds_mut(&mut self) -> &mut Option<i32> {
        &mut self.spec.get_or_insert_default().min_ready_seconds
    }
}

/// Makes selector and template agree: what one of them lacks follows from the other, or both from the name.
fn agree<K: Workload>(object: &mut K) {
    let unlabelled = |labels: &Option<BTreeMap<String, String>>| labels.as_ref().is_none_or(BTreeMap::is_empty);
    if unlabelled(&object.pod_mut().0.labels) {
        let mut labels = object.selected_mut().clone();
        if unlabelled(&labels) {
            insert(&mut labels, "app", app_of(object));
        }
        object.pod_mut().0.labels = labels;
    }
    if unlabelled(object.selected_mut()) && !object.has_expressions() {
        let labels = object.pod_mut().0.labels.clone();
        *object.selected_mut() = labels;
    }
}

/// The label `app` of an object that says nothing else of itself: its name.
pub(super) fn app_of<K: Build>(object: &K) -> String {
    let meta = Metadata::metadata(object);
    let name = meta.name.as_ref().or(meta.generate_name.as_ref());
    name.map(|name| name.trim_end_matches('-').to_owned()).unwrap_or_default()
}

impl<K: Workload> Builder<K> {
    /// Selects pods by this label, which its own pods get as well.
    ///
    /// Without it the selector is the labels of the template, and without those `app` and the name.
    pub fn selector(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.with(|object| insert(object.selected_mut(), key.clone(), value.clone())).pod_label(key, value)
    }
}

impl<K: Replicated> Builder<K> {
    /// Sets the number of pods (default: 1).
    pub fn replicas(self, replicas: i32) -> Self {
        self.with(|object| *object.replicas_mut() = Some(replicas))
    }

    /// Sets how long a pod must be ready to count as available (default: 0).
    pub fn min_ready_seconds(self, seconds: i32) -> Self {
        self.with(|object| *object.min_ready_seconds_mut() = Some(seconds))
    }
}

impl Builder<Deployment> {
    /// Replaces pods step by step, with at most so many above and below the wanted number: numbers or percentages.
    pub fn rolling_update(self, max_surge: impl Into<Share>, max_unavailable: impl Into<Share>) -> Self {
        let rolling = RollingUpdateDeployment {
            max_surge: Some(max_surge.into().0),
            max_unavailable: Some(max_unavailable.into().0),
        };
        let strategy = DeploymentStrategy { type_: Some("RollingUpdate".to_owned()), rolling_update: Some(rolling) };
        self.with(|deployment| deployment.spec.strategy = Some(strategy))
    }

    /// Stops all old pods before new ones start.
    pub fn recreate(self) -> Self {
        let strategy = DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None };
        self.with(|deployment| deployment.spec.strategy = Some(strategy))
    }

    /// Sets how long a rollout may make no progress (default: 600 seconds).
    pub fn progress_deadline_seconds(self, seconds: i32) -> Self {
        self.with(|deployment| deployment.spec.progress_deadline_seconds = Some(seconds))
    }

    /// Sets how many old ReplicaSets are kept (default: 10).
    pub fn revision_history_limit(self, count: i32) -> Self {
        self.with(|deployment| deployment.spec.revision_history_limit = Some(count))
    }
}

/// A number of pods, or a percentage of them.
#[derive(Clone, Debug)]
pub struct Share(pub(super) IntOrString);

impl From<i32> for Share {
    fn from(number: i32) -> Self {
        Self(IntOrString::Int(number))
    }
}

impl From<&str> for Share {
    fn from(percentage: &str) -> Self {
        Self(IntOrString::String(percentage.to_owned()))
    }
}

impl Builder<StatefulSet> {
    /// Sets the headless Service that gives the pods their names.
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.with(|set| set.spec.service_name = Some(name.into()))
    }

    /// Gives each pod a claim made from this one.
    pub fn claim_template(self, claim: PersistentVolumeClaim) -> Self {
        self.with(|set| push(&mut set.spec.volume_claim_templates, claim))
    }

    /// Starts and stops pods all at once instead of one after the other.
    pub fn parallel(self) -> Self {
        self.with(|set| set.spec.pod_management_policy = Some("Parallel".to_owned()))
    }

    /// Sets the number in the name of the first pod (default: 0).
    pub fn first_ordinal(self, start: i32) -> Self {
        self.with(|set| set.spec.ordinals.get_or_insert_default().start = Some(start))
    }

    /// Rolls a new template out only to pods with this number and above (default: 0).
    pub fn partition(self, ordinal: i32) -> Self {
        self.rolling(|rolling| rolling.partition = Some(ordinal))
    }

    /// Sets how many pods may be down while a new template is rolled out: a number or a percentage (default: 1).
    pub fn max_unavailable(self, share: impl Into<Share>) -> Self {
        self.rolling(|rolling| rolling.max_unavailable = Some(share.into().0))
    }

    fn rolling(self, change: impl FnOnce(&mut RollingUpdateStatefulSetStrategy)) -> Self {
        self.with(|set| {
            let strategy = set.spec.update_strategy.get_or_insert_default();
            strategy.type_ = Some("RollingUpdate".to_owned());
            change(strategy.rolling_update.get_or_insert_default());
        })
    }

    /// Gives pods a new template only when somebody deletes them.
    pub fn on_delete(self) -> Self {
        let strategy = StatefulSetUpdateStrategy { type_: Some("OnDelete".to_owned()), rolling_update: None };
        self.with(|set| set.spec.update_strategy = Some(strategy))
    }

    /// Deletes the claims of pods with the set (default: they stay).
    pub fn delete_claims_with_set(self) -> Self {
        self.with(|set| {
            let policy = set.spec.persistent_volume_claim_retention_policy.get_or_insert_default();
            policy.when_deleted = Some("Delete".to_owned());
        })
    }

    /// Deletes the claims of pods that are scaled away (default: they stay).
    pub fn delete_claims_when_scaled(self) -> Self {
        self.with(|set| {
            let policy = set.spec.persistent_volume_claim_retention_policy.get_or_insert_default();
            policy.when_scaled = Some("Delete".to_owned());
        })
    }
}
