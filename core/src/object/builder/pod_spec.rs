//! Pods, and whatever has a template of pods.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    Container, Pod, PodSpec, PodTemplateSpec, ReplicationController, Toleration, TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{Build, Builder, insert, push};

/// Kinds that are a pod, or make pods from a template.
pub trait HasPodSpec: Build {
    /// The metadata and the spec of the pod or template.
    fn pod_mut(&mut self) -> (&mut ObjectMeta, &mut PodSpec);
}

fn of_template(template: &mut PodTemplateSpec) -> (&mut ObjectMeta, &mut PodSpec) {
    (template.metadata.get_or_insert_default(), template.spec.get_or_insert_default())
}

macro_rules! has_pod_spec {
    ($($kind:ty: |$object:ident| $template:expr;)*) => {
        $(impl HasPodSpec for $kind {
            fn pod_mut(&mut self) -> (&mut ObjectMeta, &mut PodSpec) {
                let $object = self;
                of_template($template)
            }
        })*
    };
}

has_pod_spec! {
    Deployment: |object| &mut object.spec.template;
    ReplicaSet: |object| object.spec.template.get_or_insert_default();
    ReplicationController: |object| object.spec.get_or_insert_default().template.get_or_insert_default();
    StatefulSet: |object| &mut object.spec.template;
    DaemonSet: |object| &mut object.spec.template;
    Job: |object| &mut object.spec.get_or_insert_default().template;
    CronJob: |object| &mut object.spec.job_template.spec.get_or_insert_default().template;
}

impl Build for Pod {}

impl HasPodSpec for Pod {
    fn pod_mut(&mut self) -> (&mut ObjectMeta, &mut PodSpec) {
        (&mut self.metadata, self.spec.get_or_insert_default())
    }
}

impl<K: HasPodSpec> Builder<K> {
    /// Changes the spec of the pod or of the template wherever there is no method here.
    pub fn pod_spec(self, change: impl FnOnce(&mut PodSpec)) -> Self {
        self.with(|object| change(object.pod_mut().1))
    }

    /// Adds a label to the pod or to the template.
    pub fn pod_label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|object| insert(&mut object.pod_mut().0.labels, key, value))
    }

    /// Adds an annotation to the pod or to the template.
    pub fn pod_annotation(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|object| insert(&mut object.pod_mut().0.annotations, key, value))
    }

    /// Adds a container.
    pub fn container(self, container: Container) -> Self {
        self.pod_spec(|spec| spec.containers.push(container))
    }

    /// Adds a container that must succeed before the others start.
    pub fn init_container(self, container: Container) -> Self {
        self.pod_spec(|spec| push(&mut spec.init_containers, container))
    }

    /// Adds a container that starts before the others and runs beside them.
    pub fn sidecar(self, mut container: Container) -> Self {
        container.restart_policy = Some("Always".to_owned());
        self.init_container(container)
    }

    /// Adds a volume.
    pub fn volume(self, volume: Volume) -> Self {
        self.pod_spec(|spec| push(&mut spec.volumes, volume))
    }

    /// Wants only nodes with this label.
    pub fn node_selector(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.pod_spec(|spec| insert(&mut spec.node_selector, key, value))
    }

    /// Places the pod on a node without the scheduler.
    pub fn node(self, name: impl Into<String>) -> Self {
        self.pod_spec(|spec| spec.node_name = Some(name.into()))
    }

    /// Tolerates nodes with this taint, whatever its value; an empty effect stands for all effects.
    pub fn tolerate(self, key: impl Into<String>, effect: impl Into<String>) -> Self {
        let toleration = Toleration {
            key: Some(key.into()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.into()).filter(|effect| !effect.is_empty()),
            ..Default::default()
        };
        self.pod_spec(|spec| push(&mut spec.tolerations, toleration))
    }

    /// Spreads the pods with these labels over the values of a node label, with at most one pod of difference.
    pub fn spread<T: Into<String>, U: Into<String>>(
        self,
        topology_key: impl Into<String>,
        labels: impl IntoIterator<Item = (T, U)>,
    ) -> Self {
        let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let constraint = TopologySpreadConstraint {
            topology_key: topology_key.into(),
            max_skew: 1,
            when_unsatisfiable: "DoNotSchedule".to_owned(),
            label_selector: Some(LabelSelector { match_labels: Some(labels), ..Default::default() }),
            ..Default::default()
        };
        self.pod_spec(|spec| push(&mut spec.topology_spread_constraints, constraint))
    }

    /// Sets when containers are restarted: `Always`, `OnFailure` or `Never`.
    pub fn restart_policy(self, policy: impl Into<String>) -> Self {
        self.pod_spec(|spec| spec.restart_policy = Some(policy.into()))
    }

    /// Sets how long the containers have to stop when asked to (default: 30 seconds).
    pub fn termination_grace_seconds(self, seconds: i64) -> Self {
        self.pod_spec(|spec| spec.termination_grace_period_seconds = Some(seconds))
    }

    /// Sets the service account that the pod runs as.
    pub fn service_account(self, name: impl Into<String>) -> Self {
        self.pod_spec(|spec| spec.service_account_name = Some(name.into()))
    }

    /// Sets the PriorityClass of the pod.
    pub fn priority_class(self, name: impl Into<String>) -> Self {
        self.pod_spec(|spec| spec.priority_class_name = Some(name.into()))
    }

    /// Uses the network of the node.
    pub fn host_network(self) -> Self {
        self.pod_spec(|spec| spec.host_network = Some(true))
    }
}
