//! A pod that fails is replaced at once; the next one that fails on the same node only after a while, and each further one
//! after twice that: what a node refuses again and again must not keep everybody busy.

use std::sync::Arc;
use std::time::Duration;

use super::{Observed, Work};
use crate::control::Action;
use crate::ids::NodeName;
use crate::store::FailureTimes;
use crate::time::Time;

/// For how long a node is left alone after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest such time (upstream's backoff manager has both numbers).
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What is remembered as of this decision. Another generation of the set is tried at once.
pub(super) fn remembered(observed: &Observed<'_>) -> FailureTimes {
    let generation = observed.set.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
    match observed.failures {
        Some(failures) if failures.generation == generation => (**failures).clone(),
        _ => FailureTimes { generation, ..FailureTimes::default() },
    }
}

/// From when on a failed pod on this node may be replaced.
pub(super) fn due(failures: &FailureTimes, node: &NodeName, now: Time) -> Option<Time> {
    let (last, wait) = failures.nodes.get(node)?;
    (!is_over(*last, now)).then(|| *last + *wait)
}

/// Writes down that a failed pod on this node is replaced now.
pub(super) fn note(failures: &mut FailureTimes, node: &NodeName, now: Time) {
    let known = failures.nodes.get(node).filter(|(last, _)| !is_over(*last, now));
    let wait = known.map_or(FIRST, |(_, wait)| (*wait * 2).min(LONGEST));
    failures.nodes.insert(node.clone(), (now, wait));
}

/// Whether nothing has failed for so long that it counts as the first failure again.
fn is_over(last: Time, now: Time) -> bool {
    now - last > LONGEST * 2
}

/// Keeps in mind what this decision adds.
pub(super) fn remember(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    if work.failures != remembered(observed) {
        work.failures.nodes.retain(|_, (last, _)| !is_over(*last, work.now));
        let (set, failures) = (observed.object.meta.uid, Arc::new(work.failures.clone()));
        work.plan.push(Action::BackOff { set, failures });
    }
}
