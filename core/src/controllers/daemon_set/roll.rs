//! `RollingUpdate`: pods of earlier templates are replaced, a few nodes at a time.
//!
//! Without surge old pods are deleted, those that are not available anyway and others as long as no more than
//! `maxUnavailable` nodes are without an available pod; [`super::place`] makes the new ones. With surge new pods are made
//! beside the old ones on at most `maxSurge` nodes, and the old ones go once the new ones are available. Old pods on nodes
//! that should have none any more go as far as more pods are available than there shall be.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::nodes::{Settling, Site};
use super::{Observed, Work};
use crate::control::WaitingOn;
use crate::ids::NodeName;
use crate::object::daemon::Fate;
use crate::object::int_or_percent::{self, Rounding};
use crate::store::Standing;

/// What nodes have, as far as a rollout is concerned.
enum Stage<'w> {
    /// Too many pods: [`super::place`] has something to do there first.
    Unsettled,
    /// None, or only those that go.
    Nothing,
    /// Only one of an earlier template.
    Old(&'w Standing),
    /// Only one of the current template.
    New(&'w Standing),
    /// Both.
    Both { old: &'w Standing, new: &'w Standing },
}

/// Takes the next step of the rollout.
pub(super) fn to_current(work: &mut Work<'_, '_>) {
    let observed = work.observed;
    if observed.rolling().is_none() {
        return;
    }
    let settling = Settling::of(&observed.crew, observed.min_ready(), work.now);
    if let Some(next) = settling.next {
        work.plan.wake(next);
    }
    match limits(observed) {
        (0, max_unavailable) => delete_old(work, &settling, max_unavailable),
        (max_surge, _) => surge_by(work, &settling, max_surge),
    }
}

/// `maxSurge` and `maxUnavailable` in nodes. Where both are nothing, one node may be without.
fn limits(observed: &Observed<'_>) -> (usize, usize) {
    let Some(rolling) = observed.rolling() else { return (0, 0) };
    let desired = observed.nodes.desired();
    let total = i32::try_from(desired).unwrap_or(i32::MAX);
    let nodes = |share: Option<IntOrString>, default: i32| {
        let share = share.unwrap_or(IntOrString::Int(default));
        // A text that is no percentage cannot have been admitted.
        let nodes = int_or_percent::scaled(&share, total, Rounding::Up).unwrap_or(default);
        usize::try_from(nodes).unwrap_or(0)
    };
    match (nodes(rolling.max_surge, 0), nodes(rolling.max_unavailable, 1)) {
        (0, 0) if desired > 0 => (0, 1),
        limits => limits,
    }
}

fn stage<'w>(observed: &Observed<'w>, site: &Site<'w>) -> Stage<'w> {
    let (new, old): (Vec<_>, Vec<_>) = site.live().partition(|pod| observed.is_current(pod));
    match (old.as_slice(), new.as_slice()) {
        ([], []) => Stage::Nothing,
        ([old], []) => Stage::Old(old),
        ([], [new]) => Stage::New(new),
        ([old], [new]) => Stage::Both { old, new },
        _ => Stage::Unsettled,
    }
}

/// Nodes with an old pod, sorted by what may be done about it.
#[derive(Default)]
struct Sorted {
    /// It is not available: nothing is lost when it goes.
    needed: BTreeSet<NodeName>,
    /// It is available; not all of them, but as many as may be asked for.
    candidates: BTreeSet<NodeName>,
}

impl Sorted {
    /// Adds the nodes of a site with one old pod, of which at most `most` candidates are asked for. From the last to the first,
    /// as the recorded rollouts go; upstream's order is that of a map.
    fn add(&mut self, site: &Site<'_>, old: &Standing, settling: &Settling<'_>, most: usize) {
        if !old.is_ready {
            self.needed.extend(site.nodes().cloned());
            return;
        }
        let is_settling = |node: &NodeName| settling.is_on(node, |pod| !pod.meta.is_deleting());
        self.needed.extend(settling.nodes(site).filter(|node| is_settling(node)).cloned());
        self.candidates.extend(site.nodes().rev().filter(|node| !is_settling(node)).take(most).cloned());
    }

    fn chosen(self, most: usize) -> impl Iterator<Item = NodeName> {
        self.needed.into_iter().rev().chain(self.candidates.into_iter().rev().take(most))
    }
}

/// On how many nodes of a site the pod that is ready is not available.
fn unavailable(site: &Site<'_>, pod: &Standing, settling: &Settling<'_>) -> usize {
    if !pod.is_ready {
        return site.count();
    }
    let settling = settling.nodes(site).filter(|node| settling.is_on(node, |pod| !pod.meta.is_deleting()));
    settling.count()
}

fn delete_old(work: &mut Work<'_, '_>, settling: &Settling<'_>, max_unavailable: usize) {
    let observed = work.observed;
    let (mut without, mut old_pods) = (0, Sorted::default());
    for site in observed.nodes.sites.iter().filter(|site| site.fate == Fate::Wanted || !site.pods.is_empty()) {
        match stage(observed, site) {
            Stage::Unsettled | Stage::Nothing | Stage::Both { .. } => without += site.count(),
            Stage::New(new) => without += unavailable(site, new, settling),
            Stage::Old(old) => {
                without += unavailable(site, old, settling);
                old_pods.add(site, old, settling, max_unavailable);
            }
        }
    }
    if !old_pods.candidates.is_empty() && without >= max_unavailable {
        let what = format!("{without} nodes to have an available pod; {max_unavailable} may be without");
        work.plan.waiting_on = Some(WaitingOn::new(what));
    }
    for node in old_pods.chosen(max_unavailable.saturating_sub(without)) {
        delete_old_on(work, &node);
    }
}

fn surge_by(work: &mut Work<'_, '_>, settling: &Settling<'_>, max_surge: usize) {
    let observed = work.observed;
    let (mut surging, mut available) = (0, 0);
    let (mut old_pods, mut leaving) = (Sorted::default(), Sorted::default());
    let mut replaced = BTreeSet::new();
    for site in observed.nodes.sites.iter().filter(|site| site.fate != Fate::Gone) {
        match stage(observed, site) {
            Stage::Nothing => {}
            Stage::Unsettled => surging += site.count(),
            Stage::New(new) => available += site.count() - unavailable(site, new, settling),
            Stage::Old(old) => {
                available += site.count() - unavailable(site, old, settling);
                let (sorted, most) =
                    if site.fate == Fate::Wanted { (&mut old_pods, max_surge) } else { (&mut leaving, usize::MAX) };
                sorted.add(site, old, settling, most);
            }
            Stage::Both { old, new } => {
                for node in site.nodes() {
                    let is_settling = |current: bool| settling.is_on(node, |pod| is_of(observed, pod, current));
                    available += usize::from(old.is_ready && !is_settling(false));
                    if new.is_ready && !is_settling(true) {
                        replaced.insert(node.clone());
                    } else {
                        surging += 1;
                    }
                }
            }
        }
    }
    let more_than_wanted = available.saturating_sub(observed.nodes.desired());
    for node in replaced.into_iter().rev().chain(leaving.chosen(more_than_wanted)) {
        delete_old_on(work, &node);
    }
    work.create.extend(old_pods.chosen(max_surge.saturating_sub(surging)));
}

/// Whether a pod that nobody has asked to go is of the current template, or of an earlier one.
fn is_of(observed: &Observed<'_>, pod: &crate::store::Object, current: bool) -> bool {
    !pod.meta.is_deleting() && Standing::of(pod).is_some_and(|pod| observed.is_current(&pod) == current)
}

/// Deletes the pod of an earlier template that is on a node.
fn delete_old_on(work: &mut Work<'_, '_>, node: &NodeName) {
    let observed = work.observed;
    work.delete.extend(observed.nodes.pods_on(node).into_iter().filter(|pod| is_of(observed, pod, false)));
}
