//! HorizontalPodAutoscalers: bounds in order, a target that can be named, metrics with one source and one target each.
//!
//! Version 1 is what version 2 is with one metric: what it says of CPU is checked as that metric's target.
//!
//! Source: `pkg/apis/autoscaling/validation`.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
};
use k8s_openapi::api::autoscaling::{v1, v2};

use super::checks::nonnegative_if;
use super::fields::{list, one_of};
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, SPEC, STATUS, meta_update};
use crate::object::field::{FieldErrors, Path};

mod metric;

const PERIOD_SECONDS_MAX: i32 = 1800;
const WINDOW_SECONDS_MAX: i32 = 3600;

/// What is wrong with a new autoscaler, where those may take all replicas away or may not.
pub fn autoscaler(autoscaler: &HorizontalPodAutoscaler, scale_to_zero: bool) -> FieldErrors {
    let mut errors = shared::namespaced(&autoscaler.metadata, name_is_dns_subdomain);
    spec(&autoscaler.spec, if scale_to_zero { 0 } else { 1 }, &mut errors);
    if names_no_group(&autoscaler.spec) {
        no_group(&autoscaler.spec, &mut errors);
    }
    errors
}

/// What is wrong with a changed autoscaler.
pub fn autoscaler_update(
    new: &HorizontalPodAutoscaler,
    old: &HorizontalPodAutoscaler,
    scale_to_zero: bool,
) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    // One that could scale to zero keeps that.
    let to_zero = scale_to_zero || old.spec.min_replicas == Some(0);
    spec(&new.spec, if to_zero { 0 } else { 1 }, &mut errors);
    // One whose target could not be found keeps it.
    if names_no_group(&new.spec) && !names_no_group(&old.spec) {
        no_group(&new.spec, &mut errors);
    }
    errors
}

/// What is wrong with a changed status of an autoscaler.
pub fn autoscaler_status_update(new: &HorizontalPodAutoscaler, old: &HorizontalPodAutoscaler) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let status = new.status.as_ref();
    let current = status.and_then(|status| status.current_replicas);
    nonnegative_if(current, &STATUS.field("currentReplicas"), &mut errors);
    nonnegative_if(status.map(|status| status.desired_replicas), &STATUS.field("desiredReplicas"), &mut errors);
    errors
}

/// What is wrong with a new autoscaler of version 1.
pub fn autoscaler_v1(autoscaler: &v1::HorizontalPodAutoscaler, scale_to_zero: bool) -> FieldErrors {
    self::autoscaler(&from_v1(autoscaler), scale_to_zero)
}

/// What is wrong with a changed autoscaler of version 1.
pub fn autoscaler_v1_update(
    new: &v1::HorizontalPodAutoscaler,
    old: &v1::HorizontalPodAutoscaler,
    scale_to_zero: bool,
) -> FieldErrors {
    autoscaler_update(&from_v1(new), &from_v1(old), scale_to_zero)
}

/// What is wrong with a changed status of an autoscaler of version 1.
pub fn autoscaler_v1_status_update(
    new: &v1::HorizontalPodAutoscaler,
    old: &v1::HorizontalPodAutoscaler,
) -> FieldErrors {
    autoscaler_status_update(&from_v1(new), &from_v1(old))
}

/// What version 1 says, in version 2 (without the metrics and the behavior that its annotations may hold).
fn from_v1(autoscaler: &v1::HorizontalPodAutoscaler) -> HorizontalPodAutoscaler {
    let spec = &autoscaler.spec;
    let target = &spec.scale_target_ref;
    let cpu = |percent| v2::MetricSpec {
        type_: "Resource".to_owned(),
        resource: Some(v2::ResourceMetricSource {
            name: "cpu".to_owned(),
            target: v2::MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(percent),
                ..v2::MetricTarget::default()
            },
        }),
        ..v2::MetricSpec::default()
    };
    HorizontalPodAutoscaler {
        metadata: autoscaler.metadata.clone(),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: v2::CrossVersionObjectReference {
                api_version: target.api_version.clone(),
                kind: target.kind.clone(),
                name: target.name.clone(),
            },
            min_replicas: spec.min_replicas,
            max_replicas: spec.max_replicas,
            metrics: spec.target_cpu_utilization_percentage.map(|percent| vec![cpu(percent)]),
            behavior: None,
        },
        status: autoscaler.status.as_ref().map(|status| v2::HorizontalPodAutoscalerStatus {
            current_replicas: Some(status.current_replicas),
            desired_replicas: status.desired_replicas,
            ..v2::HorizontalPodAutoscalerStatus::default()
        }),
    }
}

fn spec(spec: &HorizontalPodAutoscalerSpec, lowest: i32, errors: &mut FieldErrors) {
    let max = SPEC.field("maxReplicas");
    if let Some(min) = spec.min_replicas.filter(|min| *min < lowest) {
        errors.invalid(&SPEC.field("minReplicas"), min, format!("must be greater than or equal to {lowest}"));
    }
    if spec.max_replicas < 1 {
        errors.invalid(&max, spec.max_replicas, "must be greater than 0");
    }
    if spec.min_replicas.is_some_and(|min| spec.max_replicas < min) {
        errors.invalid(&max, spec.max_replicas, "must be greater than or equal to `minReplicas`");
    }
    reference(&spec.scale_target_ref, &SPEC.field("scaleTargetRef"), errors);
    metric::all(spec, &SPEC.field("metrics"), errors);
    if let Some(given) = &spec.behavior {
        behavior(given, &SPEC.field("behavior"), errors);
    }
}

/// Whether the target is of a group without a kind that can be scaled: of the core group's, only ReplicationControllers can.
fn names_no_group(spec: &HorizontalPodAutoscalerSpec) -> bool {
    let target = &spec.scale_target_ref;
    !target.api_version.as_deref().unwrap_or_default().contains('/') && target.kind != "ReplicationController"
}

fn no_group(spec: &HorizontalPodAutoscalerSpec, errors: &mut FieldErrors) {
    let version = spec.scale_target_ref.api_version.as_deref().unwrap_or_default();
    let path = SPEC.field("scaleTargetRef");
    errors.invalid(&path.field("apiVersion"), version, "apiVersion must specify API group");
}

/// A reference to an object of some version.
fn reference(reference: &v2::CrossVersionObjectReference, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        if value.is_empty() {
            errors.required(&path.field(field), "");
        } else {
            errors.invalid_each(&path.field(field), value, names::path_segment(value));
        }
    }
    let version = reference.api_version.as_deref().unwrap_or_default();
    if version.matches('/').count() > 1 {
        let detail = format!("unexpected GroupVersion string: {version}");
        errors.invalid(&path.field("apiVersion"), version, detail);
    }
}

fn behavior(behavior: &HorizontalPodAutoscalerBehavior, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
        if let Some(rules) = rules {
            scaling_rules(rules, &path.field(field), errors);
        }
    }
}

fn scaling_rules(rules: &HPAScalingRules, path: &Path<'_>, errors: &mut FieldErrors) {
    let window_path = path.field("stabilizationWindowSeconds");
    match rules.stabilization_window_seconds {
        Some(window @ ..=-1) => errors.invalid(&window_path, window, "must be greater than or equal to zero"),
        Some(window) if window > WINDOW_SECONDS_MAX => {
            errors.invalid(&window_path, window, format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
        }
        _ => {}
    }
    if let Some(select) = &rules.select_policy {
        one_of(select, &["Disabled", "Max", "Min"], &path.field("selectPolicy"), errors);
    }
    let (policies, policies_path) = (list(&rules.policies), path.field("policies"));
    if policies.is_empty() {
        errors.required(&policies_path, "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        scaling_policy(policy, &policies_path.index(index), errors);
    }
    if let Some(tolerance) = rules.tolerance.as_ref().map(super::fields::amount).filter(|value| value.is_negative()) {
        errors.invalid(&path.field("tolerance"), tolerance.to_string(), "must be greater than or equal to 0");
    }
}

fn scaling_policy(policy: &HPAScalingPolicy, path: &Path<'_>, errors: &mut FieldErrors) {
    one_of(&policy.type_, &["Percent", "Pods"], &path.field("type"), errors);
    if policy.value <= 0 {
        errors.invalid(&path.field("value"), policy.value, "must be greater than zero");
    }
    let (period, path) = (policy.period_seconds, path.field("periodSeconds"));
    if period <= 0 {
        errors.invalid(&path, period, "must be greater than zero");
    }
    if period > PERIOD_SECONDS_MAX {
        errors.invalid(&path, period, format!("must be less than or equal to {PERIOD_SECONDS_MAX}"));
    }
}
