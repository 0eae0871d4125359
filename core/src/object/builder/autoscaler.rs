//! Autoscalers: what they scale, between which numbers, by which metrics, and how fast.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource, HPAScalingPolicy,
    HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
    ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Build, Builder, push};

impl Build for HorizontalPodAutoscaler {}

/// At which value a metric is right.
fn target(type_: &str, set: impl FnOnce(&mut MetricTarget)) -> MetricTarget {
    let mut target = MetricTarget { type_: type_.to_owned(), ..MetricTarget::default() };
    set(&mut target);
    target
}

fn utilization(percent: i32) -> MetricTarget {
    target("Utilization", |target| target.average_utilization = Some(percent))
}

fn average(amount: impl Into<String>) -> MetricTarget {
    target("AverageValue", |target| target.average_value = Some(Quantity(amount.into())))
}

fn identifier(name: impl Into<String>) -> MetricIdentifier {
    MetricIdentifier { name: name.into(), selector: None }
}

/// ```
/// use inboard::prelude::*;
/// use inboard::k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
///
/// let autoscaler = HorizontalPodAutoscaler::builder("web")
///     .target("apps/v1", "Deployment", "web")
///     .replicas_between(1, 10)
///     .cpu_utilization(50)
///     .pods_metric("requests-per-second", "100")
///     .scale_down(|rules| rules.stabilization_window_seconds = Some(60))
///     .build()?;
/// assert_eq!(autoscaler.spec.metrics.map(|metrics| metrics.len()), Some(2));
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
impl Builder<HorizontalPodAutoscaler> {
    fn spec(self, change: impl FnOnce(&mut HorizontalPodAutoscalerSpec)) -> Self {
        self.with(|autoscaler| change(&mut autoscaler.spec))
    }

    /// What is scaled: any kind that has a scale.
    pub fn target(self, api_version: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        let target =
            CrossVersionObjectReference { api_version: Some(api_version.into()), kind: kind.into(), name: name.into() };
        self.spec(|spec| spec.scale_target_ref = target)
    }

    /// The fewest and the most replicas.
    pub fn replicas_between(self, least: i32, most: i32) -> Self {
        self.spec(|spec| (spec.min_replicas, spec.max_replicas) = (Some(least), most))
    }

    /// Adds a metric of any kind.
    pub fn metric(self, metric: MetricSpec) -> Self {
        self.spec(|spec| push(&mut spec.metrics, metric))
    }

    fn resource(self, name: &str, target: MetricTarget) -> Self {
        let resource = Some(ResourceMetricSource { name: name.to_owned(), target });
        self.metric(MetricSpec { type_: "Resource".to_owned(), resource, ..MetricSpec::default() })
    }

    /// So many per cent of the CPU that pods ask for, on average.
    pub fn cpu_utilization(self, percent: i32) -> Self {
        self.resource("cpu", utilization(percent))
    }

    /// So many per cent of the memory that pods ask for, on average.
    pub fn memory_utilization(self, percent: i32) -> Self {
        self.resource("memory", utilization(percent))
    }

    /// So much of `cpu` or `memory` for each pod, on average.
    pub fn average_resource(self, resource: &str, amount: impl Into<String>) -> Self {
        self.resource(resource, average(amount))
    }

    /// So many per cent of what one container of each pod asks for.
    pub fn container_utilization(
        self,
        container: impl Into<String>,
        resource: impl Into<String>,
        percent: i32,
    ) -> Self {
        let (container, name, target) = (container.into(), resource.into(), utilization(percent));
        let container_resource = Some(ContainerResourceMetricSource { container, name, target });
        self.metric(MetricSpec { type_: "ContainerResource".to_owned(), container_resource, ..MetricSpec::default() })
    }

    /// So much of a metric of the pods, for each on average.
    pub fn pods_metric(self, metric: impl Into<String>, amount: impl Into<String>) -> Self {
        let pods = Some(PodsMetricSource { metric: identifier(metric), target: average(amount) });
        self.metric(MetricSpec { type_: "Pods".to_owned(), pods, ..MetricSpec::default() })
    }

    /// So much of a metric of another object, for all pods together.
    pub fn object_metric(
        self,
        object: CrossVersionObjectReference,
        metric: impl Into<String>,
        amount: impl Into<String>,
    ) -> Self {
        let target = target("Value", |target| target.value = Some(Quantity(amount.into())));
        let object = Some(ObjectMetricSource { described_object: object, metric: identifier(metric), target });
        self.metric(MetricSpec { type_: "Object".to_owned(), object, ..MetricSpec::default() })
    }

    /// So much of a metric from outside of the cluster, for each pod.
    pub fn external_metric(self, metric: impl Into<String>, amount: impl Into<String>) -> Self {
        let external = Some(ExternalMetricSource { metric: identifier(metric), target: average(amount) });
        self.metric(MetricSpec { type_: "External".to_owned(), external, ..MetricSpec::default() })
    }

    /// How it adds replicas: `behavior.scaleUp`.
    pub fn scale_up(self, change: impl FnOnce(&mut HPAScalingRules)) -> Self {
        self.spec(|spec| change(spec.behavior.get_or_insert_default().scale_up.get_or_insert_default()))
    }

    /// How it removes replicas: `behavior.scaleDown`.
    pub fn scale_down(self, change: impl FnOnce(&mut HPAScalingRules)) -> Self {
        self.spec(|spec| change(spec.behavior.get_or_insert_default().scale_down.get_or_insert_default()))
    }

    /// Adds no more than so many pods in so many seconds.
    pub fn scale_up_pods(self, pods: i32, period_seconds: i32) -> Self {
        let policy = HPAScalingPolicy { type_: "Pods".to_owned(), value: pods, period_seconds };
        self.scale_up(|rules| push(&mut rules.policies, policy))
    }

    /// Removes no more than so many pods in so many seconds.
    pub fn scale_down_pods(self, pods: i32, period_seconds: i32) -> Self {
        let policy = HPAScalingPolicy { type_: "Pods".to_owned(), value: pods, period_seconds };
        self.scale_down(|rules| push(&mut rules.policies, policy))
    }
}
