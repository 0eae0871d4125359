//! What becomes of a wish: it waits out the stabilization windows, then goes no faster than the policies allow, and no
//! further than the limits. Without a `behavior` the limits are those of upstream's first autoscaler.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

use super::{Observed, Resize, ratio};
use crate::store::ScaleHistory;
use crate::time::Time;

/// Reason and message of a condition.
pub(super) type Words = (&'static str, &'static str);

/// What a wish became.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Normalized {
    pub(super) replicas: i32,
    /// Of `AbleToScale`.
    pub(super) able: Words,
    /// Of `ScalingLimited`, and whether it holds.
    pub(super) limited: (bool, Words),
}

const READY: Words = ("ReadyForNewScale", "recommended size matches current size");
const DOWN_STABILIZED: Words = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
);
const UP_STABILIZED: Words = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
);
const WITHIN: Words = ("DesiredWithinRange", "the desired count is within the acceptable range");
const TOO_FEW: Words = ("TooFewReplicas", "the desired replica count is less than the minimum replica count");
const TOO_MANY: Words = ("TooManyReplicas", "the desired replica count is more than the maximum replica count");
const UP_LIMIT: Words = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate");
const DOWN_LIMIT: Words =
    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate");

/// Without a behaviour, no more than twice as many, or so many.
const UP_LIMIT_LEAST: i32 = 4;

/// Takes a wish through windows and limits, and notes it.
pub(super) fn normalize(
    observed: &Observed<'_>,
    (current, wanted): (i32, i32),
    history: &mut ScaleHistory,
    now: Time,
) -> Normalized {
    let spec = &observed.autoscaler.spec;
    let (least, most) = (observed.min_replicas(), spec.max_replicas);
    let down_window = observed.settings.downscale_stabilization;
    let (stabilized, able, (replicas, words)) = match &spec.behavior {
        None => {
            let stabilized = highest(history, wanted, now.minus(down_window));
            let limit = current.saturating_mul(2).max(UP_LIMIT_LEAST);
            let (limit, too_many) = if most > limit { (limit, UP_LIMIT) } else { (most, TOO_MANY) };
            let limited = match stabilized {
                few if few < least => (least, TOO_FEW),
                many if many > limit => (limit, too_many),
                right => (right, WITHIN),
            };
            (stabilized, DOWN_STABILIZED, limited)
        }
        Some(behavior) => {
            let stabilized = within_windows(behavior, down_window, (current, wanted), history, now);
            let able = if wanted >= current { UP_STABILIZED } else { DOWN_STABILIZED };
            (stabilized, able, at_rate(behavior, (current, stabilized), (least, most), history, now))
        }
    };
    remember(history, wanted, now, spec.behavior.as_ref(), down_window);
    Normalized {
        replicas,
        able: if stabilized == wanted { READY } else { able },
        limited: (replicas != stabilized, words),
    }
}

/// The highest recommendation since then.
fn highest(history: &ScaleHistory, wanted: i32, since: Time) -> i32 {
    let recent = history.recommendations.iter().filter(|(at, _)| *at >= since);
    recent.map(|(_, replicas)| *replicas).fold(wanted, i32::max)
}

/// The current number, as far as all recent recommendations agree to change it.
fn within_windows(
    behavior: &HorizontalPodAutoscalerBehavior,
    down_window: Duration,
    (current, wanted): (i32, i32),
    history: &ScaleHistory,
    now: Time,
) -> i32 {
    let recent = |window: Duration| {
        let since = now.minus(window);
        history.recommendations.iter().filter(move |(at, _)| *at > since).map(|(_, replicas)| *replicas)
    };
    let lowest = recent(window(behavior.scale_up.as_ref(), Duration::ZERO)).fold(wanted, i32::min);
    let highest = recent(window(behavior.scale_down.as_ref(), down_window)).fold(wanted, i32::max);
    current.max(lowest).min(highest)
}

fn window(rules: Option<&HPAScalingRules>, unsaid: Duration) -> Duration {
    let seconds = rules.and_then(|rules| rules.stabilization_window_seconds);
    seconds.map_or(unsaid, |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// As many as policies and limits allow, and the words for it.
fn at_rate(
    behavior: &HorizontalPodAutoscalerBehavior,
    (current, wanted): (i32, i32),
    (least, most): (i32, i32),
    history: &ScaleHistory,
    now: Time,
) -> (i32, Words) {
    if wanted > current {
        let limit = limit(behavior.scale_up.as_ref(), Way::Up, current, history, now).max(current);
        let (allowed, words) = if most > limit { (limit, UP_LIMIT) } else { (most, TOO_MANY) };
        if wanted > allowed {
            return (allowed, words);
        }
    } else if wanted < current {
        let limit = limit(behavior.scale_down.as_ref(), Way::Down, current, history, now).min(current);
        let (allowed, words) = if least < limit { (limit, DOWN_LIMIT) } else { (least, TOO_FEW) };
        if wanted < allowed {
            return (allowed, words);
        }
    }
    (wanted, WITHIN)
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Up,
    Down,
}

/// The last number that the policies of one way allow.
fn limit(rules: Option<&HPAScalingRules>, way: Way, current: i32, history: &ScaleHistory, now: Time) -> i32 {
    let Some(rules) = rules else { return if way == Way::Up { i32::MAX } else { 0 } };
    let select = rules.select_policy.as_deref().unwrap_or("Max");
    if select == "Disabled" {
        return current;
    }
    let limits = rules.policies.iter().flatten().map(|policy| {
        let since = now.minus(Duration::from_secs(u64::try_from(policy.period_seconds).unwrap_or(0)));
        let sum = |events: &[(Time, i32)]| events.iter().filter(|(at, _)| *at > since).map(|(_, by)| by).sum::<i32>();
        let start = current - sum(&history.ups) + sum(&history.downs);
        let share = f64::from(policy.value) / 100.0;
        match (way, &*policy.type_) {
            (Way::Up, "Pods") => start.saturating_add(policy.value),
            (Way::Up, _) => ratio::ceil(f64::from(start) * (1.0 + share)),
            (Way::Down, "Pods") => start.saturating_sub(policy.value),
            (Way::Down, _) => (f64::from(start) * (1.0 - share)) as i32,
        }
    });
    // The largest change is the highest limit on the way up, and the lowest on the way down.
    match (way, select == "Min") {
        (Way::Up, true) | (Way::Down, false) => limits.min(),
        (Way::Up, false) | (Way::Down, true) => limits.max(),
    }
    .unwrap_or(current)
}

/// Notes a recommendation, and forgets those that no window reaches any more.
fn remember(
    history: &mut ScaleHistory,
    wanted: i32,
    now: Time,
    behavior: Option<&HorizontalPodAutoscalerBehavior>,
    down_window: Duration,
) {
    let up = behavior.map_or(Duration::ZERO, |behavior| window(behavior.scale_up.as_ref(), Duration::ZERO));
    let down = behavior.map_or(down_window, |behavior| window(behavior.scale_down.as_ref(), down_window));
    let since = now.minus(up.max(down));
    history.recommendations.retain(|(at, _)| *at >= since);
    history.recommendations.push((now, wanted));
}

/// Notes that it scales, where policies will ask for it.
pub(super) fn note(
    behavior: Option<&HorizontalPodAutoscalerBehavior>,
    resize: &Resize,
    history: &mut ScaleHistory,
    now: Time,
) {
    let Some(behavior) = behavior else { return };
    let longest = |rules: Option<&HPAScalingRules>| {
        let policies = rules.and_then(|rules| rules.policies.as_deref()).unwrap_or_default();
        let seconds = policies.iter().map(|policy| policy.period_seconds).max().unwrap_or(0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    };
    let since = now.minus(longest(behavior.scale_up.as_ref()).max(longest(behavior.scale_down.as_ref())));
    for events in [&mut history.ups, &mut history.downs] {
        events.retain(|(at, _)| *at >= since);
    }
    match resize.to.saturating_sub(resize.from) {
        by if by > 0 => history.ups.push((now, by)),
        by => history.downs.push((now, by.saturating_neg())),
    }
}
