//! The lines of autoscalers: each metric as it is, and as it shall be.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use super::{Column, NAME, created, name, narrow};
use crate::time::Time;

pub(super) const AUTOSCALER: &[Column] = &[
    NAME,
    narrow("Reference"),
    narrow("Targets"),
    narrow("MinPods"),
    narrow("MaxPods"),
    narrow("Replicas"),
    narrow("Age"),
];

/// Metrics that are shown; the others are counted.
const SHOWN_MAX: usize = 2;
const UNKNOWN: &str = "<unknown>";

pub(super) fn autoscaler(object: &HorizontalPodAutoscaler, now: Time) -> Vec<Value> {
    let (spec, target) = (&object.spec, &object.spec.scale_target_ref);
    let status = object.status.clone().unwrap_or_default();
    let least = spec.min_replicas.map_or_else(|| "<unset>".to_owned(), |least| least.to_string());
    vec![
        name(&object.metadata),
        format!("{}/{}", target.kind, target.name).into(),
        targets(spec.metrics.as_deref().unwrap_or_default(), status.current_metrics.as_deref().unwrap_or_default())
            .into(),
        least.into(),
        spec.max_replicas.into(),
        status.current_replicas.unwrap_or(0).into(),
        created(&object.metadata, now),
    ]
}

fn targets(specs: &[MetricSpec], statuses: &[MetricStatus]) -> String {
    if specs.is_empty() {
        return "<none>".to_owned();
    }
    let nothing = MetricStatus::default();
    let all = specs.iter().enumerate().map(|(index, spec)| target(spec, statuses.get(index).unwrap_or(&nothing)));
    let shown = all.take(SHOWN_MAX).collect::<Vec<_>>().join(", ");
    match specs.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

fn target(spec: &MetricSpec, status: &MetricStatus) -> String {
    if let Some(source) = &spec.resource {
        let current = status.resource.as_ref().map(|status| &status.current);
        return resource(&source.name, &source.target, current);
    }
    if let Some(source) = &spec.container_resource {
        let current = status.container_resource.as_ref().map(|status| &status.current);
        return resource(&source.name, &source.target, current);
    }
    if let Some(source) = &spec.pods {
        let current = status.pods.as_ref().map(|status| status.current.average_value.as_ref());
        return format!("{}/{}", told(current), amount(source.target.average_value.as_ref()));
    }
    let (wanted, current) = match (&spec.object, &spec.external) {
        (Some(source), _) => (&source.target, status.object.as_ref().map(|status| &status.current)),
        (_, Some(source)) => (&source.target, status.external.as_ref().map(|status| &status.current)),
        _ => return "<unknown type>".to_owned(),
    };
    match &wanted.average_value {
        Some(average) => {
            let current = current.and_then(|current| current.average_value.as_ref());
            format!("{}/{} (avg)", told(current.map(Some)), average.0)
        }
        None => {
            let current = current.map(|current| current.value.as_ref());
            format!("{}/{}", told(current), amount(wanted.value.as_ref()))
        }
    }
}

fn resource(name: &str, wanted: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    if let Some(average) = &wanted.average_value {
        let current = current.map(|current| current.average_value.as_ref());
        return format!("{name}: {}/{}", told(current), average.0);
    }
    let percent = |percent: Option<i32>| percent.map(|percent| format!("{percent}%"));
    let current =
        percent(current.and_then(|current| current.average_utilization)).unwrap_or_else(|| UNKNOWN.to_owned());
    format!("{name}: {current}/{}", percent(wanted.average_utilization).unwrap_or_else(|| "<auto>".to_owned()))
}

/// What a status says of a metric; `None` for no status of it at all.
fn told(current: Option<Option<&Quantity>>) -> &str {
    current.map_or(UNKNOWN, amount)
}

/// One that is not there, as Go prints it.
fn amount(amount: Option<&Quantity>) -> &str {
    amount.map_or("<nil>", |amount| &amount.0)
}
