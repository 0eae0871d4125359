//! What holds of autoscalers.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::Step;
use crate::store::Object;

/// An autoscaler that has scaled its target says to how many, as its spec has it in that very write. That it took all
/// replicas away it says only where it may, and can tell when some are needed.
pub(super) fn targets_keep_to_limits(step: &Step<'_>) -> Result<(), String> {
    for change in step.changes {
        let Some(autoscaler) = change.object.typed::<HorizontalPodAutoscaler>() else { continue };
        let (spec, path) = (&autoscaler.spec, change.object.meta.path());
        let was = change.before.as_ref().map(|before| told(before)).unwrap_or_default();
        let (scaled, sleeps) = told(&change.object);
        let least = spec.min_replicas.unwrap_or(1);
        let desired = autoscaler.status.as_ref().map_or(0, |status| status.desired_replicas);
        if scaled.is_some() && scaled != was.0 && !(least..=spec.max_replicas).contains(&desired) {
            return Err(format!("{path} scaled to {desired}, and is to keep {least} to {}", spec.max_replicas));
        }
        let mut metrics = spec.metrics.iter().flatten();
        let can_tell = metrics.any(|metric| metric.object.is_some() || metric.external.is_some());
        if sleeps && !was.1 && !(least == 0 && can_tell && desired == 0) {
            return Err(format!("{path} says that it scaled to zero, and desires {desired}: {spec:?}"));
        }
    }
    Ok(())
}

/// When an autoscaler scaled last, and whether it says that it took all replicas away.
fn told(autoscaler: &Object) -> (Option<String>, bool) {
    let status = autoscaler.typed::<HorizontalPodAutoscaler>().and_then(|autoscaler| autoscaler.status.as_ref());
    let Some(status) = status else { return (None, false) };
    let mut conditions = status.conditions.iter().flatten();
    let sleeps = conditions.any(|condition| condition.type_ == "ScaledToZero" && condition.status == "True");
    (status.last_scale_time.as_ref().map(|time| time.0.to_string()), sleeps)
}
