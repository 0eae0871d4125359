//! The HorizontalPodAutoscaler controller (`pkg/controller/podautoscaler`).
//!
//! **The rule**: at each sync period the target gets as many replicas as would bring the metric that needs most of them
//! to its target, within `minReplicas` and `maxReplicas`, not sooner than stabilization and not faster than policies allow.
//! Data that is missing never makes it go the other way.
//!
//! Stages: find the target's scale (`target`), work out what each metric wants (`metric`, from `usage` by `ratio`),
//! limit it (`stabilize`), then write the scale, the memory of it and the status (`status`). A target without replicas is
//! left alone, unless it was the autoscaler that took them away (`zero`).
//!
//! What upstream's controller keeps in memory (recommendations, scale events) is in [`ScaleHistory`], beside the objects of
//! the snapshot: it is lost in a crash, as upstream's is.

mod metric;
mod ratio;
mod stabilize;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod usage;
mod zero;

use std::cmp::Ordering;
use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use self::metric::Metrics;
use self::stabilize::Normalized;
use self::status::Report;
use crate::control::{Action, Controller, Plan, Target, Watched};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
use crate::object::scale::Scale;
use crate::store::{AutoscalingSettings, Object, ScaleHistory, Snapshot};
use crate::time::Time;

pub(crate) use self::metric::queries;

/// The component of its events.
const COMPONENT: &str = "horizontal-pod-autoscaler";

/// Keeps targets at the size that their load asks for.
#[derive(Debug)]
pub struct AutoscalerController;

/// An autoscaler, its target, and what was measured of the target's pods.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    autoscaler: &'w HorizontalPodAutoscaler,
    /// The target with its scale, or why there is none.
    target: Result<(&'w Arc<Object>, Scale), String>,
    metrics: Metrics<'w>,
    history: Option<&'w Arc<ScaleHistory>>,
    settings: &'w AutoscalingSettings,
}

impl Observed<'_> {
    fn min_replicas(&self) -> i32 {
        self.autoscaler.spec.min_replicas.unwrap_or(1)
    }
}

impl Controller for AutoscalerController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "horizontal-pod-autoscaler-controller";

    // Changes do not hurry it: each is looked at when its period is over.
    const WATCHED: &'static [Watched] = &[Watched::kind(kind::HORIZONTAL_POD_AUTOSCALER, |change, _, keys| {
        if change.before.is_none() {
            keys.push(change.object.meta.uid);
        }
    })];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let autoscaler: &HorizontalPodAutoscaler = object.typed()?;
        let target = target::find(snapshot, object, autoscaler);
        let metrics = Metrics::observe(snapshot, object, autoscaler, target.as_ref().ok().map(|(_, scale)| scale));
        let (history, settings) = (snapshot.scale_history(key), snapshot.autoscaling());
        Some(Observed { object, autoscaler, target, metrics, history, settings })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        let (uid, next) = (observed.object.meta.uid, now + observed.settings.sync_period);
        let history = match observed.history {
            Some(history) if history.due > now => {
                plan.wake(history.due);
                return plan;
            }
            Some(history) => (**history).clone(),
            None => {
                // The first look comes a period after it was created.
                let history = ScaleHistory { due: next, ..ScaleHistory::default() };
                plan.push(Action::Remember { autoscaler: uid, history: Arc::new(history) });
                plan.wake(next);
                return plan;
            }
        };
        look(observed, history, None, now)
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        match observed.history {
            Some(history) => look(observed, (**history).clone(), Some(error), now),
            None => Plan::nothing(),
        }
    }
}

/// One look: what is decided about the target, what is remembered, and what is said; without the decision itself where the
/// target has refused it.
fn look(observed: &Observed<'_>, mut history: ScaleHistory, refusal: Option<&ApiError>, now: Time) -> Plan {
    let mut plan = Plan::nothing();
    history.due = now + observed.settings.sync_period;
    if observed.metrics.selector.is_some() {
        history.selector.clone_from(&observed.metrics.selector);
    }
    let mut report = Report::of(observed, now);
    match &observed.target {
        Ok((object, scale)) => {
            let resize = sync(observed, scale, &mut history, &mut report);
            match (resize, refusal) {
                (Some(resize), Some(error)) => report.refused(&resize, error),
                (Some(resize), None) => {
                    // First the scale: a plan that is cut short before it remembers nothing of it.
                    plan.push(Action::Scale { target: Target::seen(object), replicas: resize.to });
                    stabilize::note(observed.autoscaler.spec.behavior.as_ref(), &resize, &mut history, now);
                    report.rescaled(&resize);
                    zero::note(observed, &resize, &mut report);
                }
                (None, _) => {}
            }
        }
        Err(why) => report.no_scale(why),
    }
    plan.wake(history.due);
    plan.push(Action::Remember { autoscaler: observed.object.meta.uid, history: Arc::new(history) });
    report.write(&mut plan);
    plan
}

/// Another number of replicas.
#[derive(Debug)]
struct Resize {
    from: i32,
    to: i32,
    reason: String,
}

/// Where a scale was found: how many replicas there shall be, if it is another number.
fn sync(observed: &Observed<'_>, scale: &Scale, history: &mut ScaleHistory, report: &mut Report<'_>) -> Option<Resize> {
    let (spec, now) = (&observed.autoscaler.spec, report.now);
    let (current, least) = (scale.replicas, observed.min_replicas());
    report.found_scale();
    if history.recommendations.is_empty() {
        history.recommendations.push((now, current));
    }
    let (desired, reason) = if current == 0 && !zero::may_wake(observed) {
        report.disabled();
        (current, String::new())
    } else if current > spec.max_replicas {
        (spec.max_replicas, "Current number of replicas above Spec.MaxReplicas".to_owned())
    } else if current != 0 && current < least {
        (least, "Current number of replicas below Spec.MinReplicas".to_owned())
    } else {
        let Some(wanted) = metric::decide(observed, scale, report) else {
            report.without_decision(current);
            return None;
        };
        let reason = match wanted.replicas.cmp(&current) {
            Ordering::Greater => format!("{} above target", wanted.metric),
            Ordering::Less => "All metrics below target".to_owned(),
            Ordering::Equal => String::new(),
        };
        let Normalized { replicas, able, limited } =
            stabilize::normalize(observed, (current, wanted.replicas.max(0)), history, now);
        report.normalized(able, limited);
        (if current == 0 { replicas.max(least) } else { replicas }, reason)
    };
    report.sizes(current, desired);
    (desired != current).then_some(Resize { from: current, to: desired, reason })
}
