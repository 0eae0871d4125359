//! Doing without any replica, where autoscalers may: what its autoscaler scaled to none is scaled up again when there is
//! something to do, and what somebody else switched off stays off. The condition `ScaledToZero` tells them apart.
//!
//! Only a metric that needs no pods can say when there is something to do: one of an object, or from outside.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::status::Report;
use super::{Observed, Resize};

/// The condition.
pub(super) const SCALED_TO_ZERO: &str = "ScaledToZero";

/// Whether a target without replicas may get some: its autoscaler took them away, and can tell when it needs some, or is
/// to keep some by now.
pub(super) fn may_wake(observed: &Observed<'_>) -> bool {
    let conditions = observed.autoscaler.status.as_ref().and_then(|status| status.conditions.as_deref());
    let mut conditions = conditions.unwrap_or_default().iter();
    let is_ours = conditions.any(|condition| condition.type_ == SCALED_TO_ZERO && condition.status == "True");
    let can_tell = observed.min_replicas() != 0 || has_metric_without_pods(observed.autoscaler);
    observed.settings.scale_to_zero && is_ours && can_tell
}

/// Notes whether this is what took all replicas away.
pub(super) fn note(observed: &Observed<'_>, resize: &Resize, report: &mut Report<'_>) {
    if observed.settings.scale_to_zero {
        let may = observed.min_replicas() == 0 && has_metric_without_pods(observed.autoscaler);
        report.scaled_to_zero(may && resize.from > 0 && resize.to == 0);
    }
}

fn has_metric_without_pods(autoscaler: &HorizontalPodAutoscaler) -> bool {
    let metrics = autoscaler.spec.metrics.as_deref().unwrap_or_default();
    metrics.iter().any(|metric| metric.object.is_some() || metric.external.is_some())
}
