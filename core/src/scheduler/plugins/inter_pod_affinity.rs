//! Pods that want to be near others, or far from them (`spec.affinity.podAffinity`, `podAntiAffinity`).
//!
//! Near is the same value of a topology key. What a pod requires or prefers of others, and what others require or prefer
//! of it: a pod may not go where a pod that is there requires it to be elsewhere.

use std::collections::BTreeSet;

use crate::scheduler::happening::Happening;
use crate::scheduler::kin::{Kin, Term};
use crate::scheduler::node_table::NodeTable;
use crate::scheduler::plugin::{Column, Group, Plugin, Rejected, SCORE_MAX};
use crate::scheduler::shape::Shape;
use crate::scheduler::topology::{CounterSpec, Role, View};

#[derive(Debug)]
pub(crate) struct InterPodAffinity;

impl Plugin for InterPodAffinity {
    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn counters(&self, shape: &Shape, table: &NodeTable) -> Vec<CounterSpec> {
        let Some(kin) = shape.standing() else { return Vec::new() };
        let near = shape.profile.near;
        let spec = |role| move |term: &Term| CounterSpec { role, key: term.key.clone() };
        let covers = |term: &&Term| term.covers(kin, table.namespaces());
        let required = kin.terms.required_affinity.iter().enumerate();
        let mut specs: BTreeSet<CounterSpec> =
            required.map(|(index, term)| spec(Role::Affinity(index))(term)).collect();
        specs.extend(kin.terms.required_anti.iter().map(spec(Role::Anti)));
        specs.extend(kin.terms.preferred.iter().map(spec(Role::Preference)));
        for terms in table.terms() {
            specs.extend(terms.required_anti.iter().filter(covers).map(spec(Role::AntiOfOthers)));
            let required = terms.required_affinity.iter().filter(|_| near.required_weight > 0);
            let preferred = terms.preferred.iter().filter(|_| near.heeds_preferences);
            specs.extend(required.chain(preferred).filter(covers).map(spec(Role::Preference)));
        }
        specs.into_iter().collect()
    }

    fn effect(&self, shape: &Shape, spec: &CounterSpec, kin: &Kin, table: &NodeTable) -> i64 {
        let Some(mine) = shape.standing() else { return 0 };
        let covers = |term: &Term, kin: &Kin| term.key == spec.key && term.covers(kin, table.namespaces());
        let count = |terms: &[Term], kin: &Kin| terms.iter().filter(|term| covers(term, kin)).count() as i64;
        match spec.role {
            Role::Affinity(_) => i64::from(matches_all(&mine.terms.required_affinity, kin, table)),
            Role::Anti => count(&mine.terms.required_anti, kin),
            Role::AntiOfOthers => count(&kin.terms.required_anti, mine),
            Role::Preference => {
                let near = shape.profile.near;
                let ours = mine.terms.preferred.iter().filter(|term| covers(term, kin));
                let theirs = kin.terms.preferred.iter().filter(|term| near.heeds_preferences && covers(term, mine));
                let required = count(&kin.terms.required_affinity, mine) * near.required_weight;
                required + ours.chain(theirs).map(|term| term.weight).sum::<i64>()
            }
            Role::HardSpread(_) | Role::SoftSpread(_) => 0,
        }
    }

    fn judge_topology(&self, shape: &Shape, table: &NodeTable, view: &View<'_>) -> Result<(), Rejected> {
        let is_there = |role: Role| {
            let counters = view.counters().filter(move |(_, spec)| spec.role == role);
            counters.filter_map(|(counter, _)| view.sum(counter)).any(|sum| sum > 0)
        };
        if !is_near_what_it_wants(shape, table, view) {
            return Err(Rejected::fixed(self, "node(s) didn't match pod affinity rules"));
        }
        if is_there(Role::Anti) {
            return Err(Rejected::evictable(self, "node(s) didn't match pod anti-affinity rules"));
        }
        if is_there(Role::AntiOfOthers) {
            return Err(Rejected::evictable(self, "node(s) didn't satisfy existing pods anti-affinity rules"));
        }
        Ok(())
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        use Happening::{DeviceClassChanged, DevicesChanged, NodeWent, StorageChanged};
        !matches!(what, NodeWent(_) | StorageChanged | DevicesChanged | DeviceClassChanged(_))
    }

    /// Whom it wants near may have come, whom it does not want near may have gone, or a node may be elsewhere.
    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, table: &NodeTable) -> bool {
        let Some(mine) = shape.standing() else { return true };
        let wants = |kin: &Kin| matches_all(&mine.terms.required_affinity, kin, table);
        let covers = |terms: &[Term], kin: &Kin| terms.iter().any(|term| term.covers(kin, table.namespaces()));
        let minds = |kin: &Kin| covers(&mine.terms.required_anti, kin) || covers(&kin.terms.required_anti, mine);
        match what {
            Happening::NodeCame(node) => {
                mine.terms.required_affinity.iter().all(|term| node.labels.contains_key(&term.key))
            }
            Happening::NodeChanged { before, after } => before.labels != after.labels,
            Happening::PodCame(pod) => wants(&pod.kin),
            Happening::PodWent(pod) => minds(&pod.kin),
            Happening::PodChanged { before, after } => {
                !wants(&before.kin) && wants(&after.kin) || minds(&before.kin) && !minds(&after.kin)
            }
            Happening::NodeWent(_)
            | Happening::NamespaceChanged
            | Happening::StorageChanged
            | Happening::DevicesChanged
            | Happening::DeviceClassChanged(_) => true,
        }
    }

    /// The sum of the weights, from the least to the most among the nodes.
    fn rank(&self, _shape: &Shape, groups: &[Group<'_>], column: &mut Column) {
        let raw = |group: &Group<'_>| {
            let wishes = group.view.counters().filter(|(_, spec)| spec.role == Role::Preference);
            let sums: Vec<i64> = wishes.filter_map(|(counter, _)| group.view.sum(counter)).collect();
            sums.into_iter().sum::<i64>()
        };
        let has_wishes = |group: &Group<'_>| group.view.counters().any(|(_, spec)| spec.role == Role::Preference);
        if !groups.iter().any(has_wishes) {
            return;
        }
        let raws: Vec<i64> = groups.iter().map(raw).collect();
        let least = raws.iter().min().copied().unwrap_or(0);
        let most = raws.iter().max().copied().unwrap_or(0);
        column.extend(raws.iter().map(|raw| match most - least {
            0 => 0,
            range => (SCORE_MAX as f64 * ((raw - least) as f64 / range as f64)) as i64,
        }));
    }
}

/// Each required term must find a pod that meets them all; the first of a group of pods that want to be together need
/// not wait for itself.
fn is_near_what_it_wants(shape: &Shape, table: &NodeTable, view: &View<'_>) -> bool {
    let wanted: Vec<usize> = view
        .counters()
        .filter(|(_, spec)| matches!(spec.role, Role::Affinity(_)))
        .map(|(counter, _)| counter)
        .collect();
    let mut sums = Vec::with_capacity(wanted.len());
    for counter in &wanted {
        match view.sum(*counter) {
            Some(sum) => sums.push(sum),
            None => return false,
        }
    }
    let is_first = || {
        let nobody = wanted.iter().all(|counter| view.total(*counter) == 0);
        nobody && shape.standing().is_some_and(|kin| matches_all(&kin.terms.required_affinity, kin, table))
    };
    sums.iter().all(|sum| *sum > 0) || is_first()
}

fn matches_all(terms: &[Term], kin: &Kin, table: &NodeTable) -> bool {
    !terms.is_empty() && terms.iter().all(|term| term.covers(kin, table.namespaces()))
}
