//! The metrics of an autoscaler: each names its type, and has that source and no other.

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricSource, ExternalMetricSource, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec,
    MetricTarget, ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::super::fields::{amount, list, one_of};
use super::super::{names, resources};
use super::reference;
use crate::object::field::{FieldErrors, Path};

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub(super) fn all(spec: &HorizontalPodAutoscalerSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let metrics = list(&spec.metrics);
    for (index, metric) in metrics.iter().enumerate() {
        one(metric, &path.index(index), errors);
    }
    let outside = |metric: &MetricSpec| matches!(metric.type_.as_str(), "Object" | "External");
    if spec.min_replicas == Some(0) && !metrics.iter().any(outside) {
        errors
            .forbidden(path, "must specify at least one Object or External metric to support scaling to zero replicas");
    }
}

fn one(metric: &MetricSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let type_path = path.field("type");
    if metric.type_.is_empty() {
        errors.required(&type_path, "must specify a metric source type");
    }
    one_of(&metric.type_, &TYPES, &type_path, errors);
    let present = [
        ("object", metric.object.is_some()),
        ("external", metric.external.is_some()),
        ("pods", metric.pods.is_some()),
        ("resource", metric.resource.is_some()),
        ("containerResource", metric.container_resource.is_some()),
    ];
    first_source(metric, path, errors);
    let expected = match metric.type_.as_str() {
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        "External" => "external",
        "ContainerResource" => "containerResource",
        other => {
            errors.not_supported(&type_path, other, &TYPES);
            ""
        }
    };
    let given: Vec<&str> = present.iter().filter(|(_, given)| *given).map(|(field, _)| *field).collect();
    if !expected.is_empty() && !given.contains(&expected) {
        errors.required(&path.field(expected), "must populate information for the given metric source");
    }
    if given.len() != 1 {
        for field in given.into_iter().filter(|field| *field != expected) {
            errors.forbidden(&path.field(field), "must populate the given metric source only");
        }
    }
}

/// Upstream looks into one source only.
fn first_source(metric: &MetricSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(source) = &metric.object {
        object(source, &path.field("object"), errors);
    } else if let Some(source) = &metric.external {
        external(source, &path.field("external"), errors);
    } else if let Some(source) = &metric.pods {
        pods(source, &path.field("pods"), errors);
    } else if let Some(source) = &metric.resource {
        resource(source, &path.field("resource"), errors);
    } else if let Some(source) = &metric.container_resource {
        container_resource(source, &path.field("containerResource"), errors);
    }
}

fn object(source: &ObjectMetricSource, path: &Path<'_>, errors: &mut FieldErrors) {
    reference(&source.described_object, &path.field("describedObject"), errors);
    identifier(&source.metric, &path.field("metric"), errors);
    let path = path.field("target");
    target(&source.target, &path, errors);
    if source.target.value.is_none() && source.target.average_value.is_none() {
        errors.required(&path.field("averageValue"), "must set either a target value or averageValue");
    }
}

fn external(source: &ExternalMetricSource, path: &Path<'_>, errors: &mut FieldErrors) {
    identifier(&source.metric, &path.field("metric"), errors);
    let path = path.field("target");
    target(&source.target, &path, errors);
    match (&source.target.value, &source.target.average_value) {
        (None, None) => errors
            .required(&path.field("averageValue"), "must set either a target value for metric or a per-pod target"),
        (Some(_), Some(_)) => {
            errors.forbidden(&path.field("value"), "may not set both a target value for metric and a per-pod target")
        }
        _ => {}
    }
}

fn pods(source: &PodsMetricSource, path: &Path<'_>, errors: &mut FieldErrors) {
    identifier(&source.metric, &path.field("metric"), errors);
    let path = path.field("target");
    target(&source.target, &path, errors);
    if source.target.average_value.is_none() {
        errors.required(&path.field("averageValue"), "must specify a positive target averageValue");
    }
}

fn container_resource(source: &ContainerResourceMetricSource, path: &Path<'_>, errors: &mut FieldErrors) {
    let name = path.field("name");
    if source.name.is_empty() {
        errors.required(&name, "must specify a resource name");
    } else {
        resources::any_resource_name(&source.name, &name, errors);
        resources::container_resource_name(&source.name, &name, errors);
    }
    let container = path.field("container");
    if source.container.is_empty() {
        errors.required(&container, "must specify a container");
    } else {
        errors.invalid_each(&container, &source.container, names::dns1123_label(&source.container));
    }
    resource_target(&source.target, &path.field("target"), errors);
}

fn resource(source: &ResourceMetricSource, path: &Path<'_>, errors: &mut FieldErrors) {
    if source.name.is_empty() {
        errors.required(&path.field("name"), "must specify a resource name");
    }
    resource_target(&source.target, &path.field("target"), errors);
}

fn resource_target(given: &MetricTarget, path: &Path<'_>, errors: &mut FieldErrors) {
    target(given, path, errors);
    match (given.average_utilization, &given.average_value) {
        (None, None) => errors
            .required(&path.field("averageUtilization"), "must set either a target raw value or a target utilization"),
        (Some(_), Some(_)) => errors
            .forbidden(&path.field("averageValue"), "may not set both a target raw value and a target utilization"),
        _ => {}
    }
}

fn target(target: &MetricTarget, path: &Path<'_>, errors: &mut FieldErrors) {
    let type_path = path.field("type");
    if target.type_.is_empty() {
        errors.required(&type_path, "must specify a metric target type");
    }
    if !matches!(target.type_.as_str(), "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&type_path, target.type_.as_str(), "must be either Utilization, Value, or AverageValue");
    }
    positive(&target.value, &path.field("value"), errors);
    positive(&target.average_value, &path.field("averageValue"), errors);
    if let Some(utilization) = target.average_utilization.filter(|utilization| *utilization < 1) {
        errors.invalid(&path.field("averageUtilization"), utilization, "must be greater than 0");
    }
}

fn positive(value: &Option<Quantity>, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(value) = value.as_ref().map(amount).filter(|value| value.is_negative() || value.is_zero()) {
        errors.invalid(path, value.to_string(), "must be positive");
    }
}

fn identifier(metric: &MetricIdentifier, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("name");
    if metric.name.is_empty() {
        errors.required(&path, "must specify a metric name");
    } else {
        errors.invalid_each(&path, &metric.name, names::path_segment(&metric.name));
    }
}
