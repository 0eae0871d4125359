//! Autoscalers.

use k8s_openapi::api::autoscaling::{v1, v2};

/// Per cent of the requested CPU that an autoscaler aims at when it is not told what to aim at.
const CPU_UTILIZATION: i32 = 80;
/// Seconds over which a policy counts.
const PERIOD_SECONDS: i32 = 15;
/// Version 1 keeps metrics other than CPU in this annotation.
const METRICS_ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/metrics";

/// Defaults of an autoscaler in version 1.
pub fn horizontal_pod_autoscaler_v1(scaler: &mut v1::HorizontalPodAutoscaler) {
    let spec = &mut scaler.spec;
    spec.min_replicas.get_or_insert(1);
    let others = scaler.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(METRICS_ANNOTATION));
    if !others {
        spec.target_cpu_utilization_percentage.get_or_insert(CPU_UTILIZATION);
    }
}

/// Defaults of an autoscaler in version 2.
pub fn horizontal_pod_autoscaler(scaler: &mut v2::HorizontalPodAutoscaler) {
    let spec = &mut scaler.spec;
    spec.min_replicas.get_or_insert(1);
    if spec.metrics.as_ref().is_none_or(|metrics| metrics.is_empty()) {
        spec.metrics = Some(vec![cpu_utilization()]);
    }
    if let Some(behavior) = &mut spec.behavior {
        let up = behavior.scale_up.get_or_insert_default();
        // Scaling up does not wait; how long scaling down does is for the controller to say.
        up.stabilization_window_seconds.get_or_insert(0);
        rules(up, &[("Pods", 4), ("Percent", 100)]);
        rules(behavior.scale_down.get_or_insert_default(), &[("Percent", 100)]);
    }
}

fn rules(rules: &mut v2::HPAScalingRules, policies: &[(&str, i32)]) {
    rules.select_policy.get_or_insert_with(|| "Max".to_owned());
    if rules.policies.is_none() {
        let policy = |&(type_, value): &(&str, i32)| v2::HPAScalingPolicy {
            type_: type_.to_owned(),
            value,
            period_seconds: PERIOD_SECONDS,
        };
        rules.policies = Some(policies.iter().map(policy).collect());
    }
}

fn cpu_utilization() -> v2::MetricSpec {
    v2::MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(v2::ResourceMetricSource {
            name: "cpu".to_owned(),
            target: v2::MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(CPU_UTILIZATION),
                ..Default::default()
            },
        }),
        ..Default::default()
    }
}
