//! From usage to replicas: how many would bring it to its target.
//!
//! Pods that are missing or not ready are counted against the direction that the others point in: as at their target (or at
//! all of their request) when it goes down, as idle when it goes up. Where that would turn the direction round, nothing is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Values by pod: thousandths of a unit.
pub(super) type Values = BTreeMap<Arc<str>, i64>;

/// How far from its target usage may be, as shares of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    /// Above: nothing is added.
    pub(super) up: f64,
    /// Below: nothing is removed.
    pub(super) down: f64,
}

impl Tolerance {
    pub(super) fn allows(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// The pods of a target by what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// How many count as they are.
    pub(super) ready: usize,
    /// Those whose usage says nothing yet.
    pub(super) unready: BTreeSet<Arc<str>>,
    /// Those of which nothing was measured.
    pub(super) missing: BTreeSet<Arc<str>>,
    /// Those that are going or have failed.
    pub(super) ignored: BTreeSet<Arc<str>>,
}

/// Replicas, rounded up, within what a number can say.
pub(super) fn ceil(replicas: f64) -> i32 {
    replicas.ceil() as i32
}

/// How many replicas the pods' usage asks for. `ratio` says how usage stands to its target (1 is just right), `full` what
/// a pod counts for that is missing while usage is low.
pub(super) fn replicas(
    mut values: Values,
    groups: &Groups,
    current: i32,
    tolerance: Tolerance,
    ratio: impl Fn(&Values) -> Result<f64, String>,
    full: impl Fn(&Arc<str>) -> i64,
) -> Result<i32, String> {
    let first = ratio(&values)?;
    let rebalance = !groups.unready.is_empty() && first > 1.0;
    if !rebalance && groups.missing.is_empty() {
        return Ok(if tolerance.allows(first) { current } else { ceil(first * groups.ready as f64) });
    }
    // Where it is just right, what is missing is left out.
    let counted: &dyn Fn(&Arc<str>) -> i64 = if first < 1.0 { &full } else { &|_| 0 };
    if first != 1.0 {
        values.extend(groups.missing.iter().map(|pod| (Arc::clone(pod), counted(pod))));
    }
    if rebalance {
        values.extend(groups.unready.iter().map(|pod| (Arc::clone(pod), 0)));
    }
    let second = ratio(&values)?;
    let turned = (first < 1.0 && second > 1.0) || (first > 1.0 && second < 1.0);
    if tolerance.allows(second) || turned {
        return Ok(current);
    }
    let wanted = ceil(second * values.len() as f64);
    let turned = (second < 1.0 && wanted > current) || (second > 1.0 && wanted < current);
    Ok(if turned { current } else { wanted })
}

/// How many replicas one value asks for that is not about single pods: `ready` pods bring `ratio` of the target.
pub(super) fn of_ratio(ratio: f64, current: i32, ready: usize, tolerance: Tolerance) -> i32 {
    if current == 0 {
        ceil(ratio)
    } else if tolerance.allows(ratio) {
        current
    } else {
        ceil(ratio * ready as f64)
    }
}

/// How many replicas a sum asks for that is shared among them.
pub(super) fn of_sum(sum: i64, target: i64, actual: i32, tolerance: Tolerance) -> i32 {
    let ratio = sum as f64 / (target as f64 * f64::from(actual));
    if tolerance.allows(ratio) { actual } else { ceil(sum as f64 / target as f64) }
}
