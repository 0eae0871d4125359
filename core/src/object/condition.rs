//! Conditions: what an object's status says of it, as `Ready: True`.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::Value;

use crate::time::Time;

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell.
    Unknown,
}

impl Truth {
    /// As in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition as any kind's status has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported<'v> {
    /// Its status; a text that is neither `True` nor `False` counts as unknown.
    pub status: Truth,
    /// Why, in a word for machines.
    pub reason: &'v str,
    /// Why, in a sentence for people.
    pub message: &'v str,
}

/// The condition of this type in the status of an object given as JSON; types are compared without case, as
/// `kubectl wait` does.
///
/// ```
/// use inboard::object::condition::{Truth, find};
/// use serde_json::json;
///
/// let pod = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}});
/// let ready = find(&pod, "ready").expect("the pod reports it");
/// assert_eq!((ready.status, ready.reason), (Truth::False, "ContainersNotReady"));
/// assert_eq!(find(&pod, "PodScheduled"), None);
/// ```
pub fn find<'v>(object: &'v Value, condition_type: &str) -> Option<Reported<'v>> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let text = |condition: &'v Value, field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
    let condition = conditions.iter().find(|one| text(one, "type").eq_ignore_ascii_case(condition_type))?;
    let status = match text(condition, "status") {
        "True" => Truth::True,
        "False" => Truth::False,
        _ => Truth::Unknown,
    };
    Some(Reported { status, reason: text(condition, "reason"), message: text(condition, "message") })
}

/// What changed when a condition was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none of its type.
    New,
    /// Its status is another than before.
    Turned,
    /// Only its reason, message or observed generation is another.
    Reworded,
    /// Nothing.
    Same,
}

/// Sets a condition in a list; the time of its last transition moves only when its status does.
pub fn set(conditions: &mut Vec<Condition>, mut next: Condition, now: Time) -> Change {
    next.last_transition_time = now.to_api();
    let Some(before) = conditions.iter_mut().find(|before| before.type_ == next.type_) else {
        conditions.push(next);
        return Change::New;
    };
    if before.status != next.status {
        *before = next;
        return Change::Turned;
    }
    next.last_transition_time = before.last_transition_time.clone();
    if *before == next {
        return Change::Same;
    }
    *before = next;
    Change::Reworded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_with_the_status_alone() {
        let condition = |status: Truth, reason: &str| Condition {
            type_: "Ready".to_owned(),
            status: status.to_string(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time::EPOCH.to_api(),
            observed_generation: None,
        };
        let at = |seconds: u64| Time::EPOCH + std::time::Duration::from_secs(seconds);
        let mut conditions = Vec::new();
        for (status, reason, seconds, change, since) in [
            (Truth::False, "A", 1, Change::New, 1),
            (Truth::False, "A", 2, Change::Same, 1),
            (Truth::False, "B", 3, Change::Reworded, 1),
            (Truth::True, "B", 4, Change::Turned, 4),
        ] {
            assert_eq!(set(&mut conditions, condition(status, reason), at(seconds)), change);
            assert_eq!((conditions[0].last_transition_time.clone(), conditions.len()), (at(since).to_api(), 1));
        }
    }
}
