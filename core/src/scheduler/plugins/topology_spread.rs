//! Pods that a selector covers are spread evenly over a topology (`spec.topologySpreadConstraints`).
//!
//! With `DoNotSchedule` no domain may have more than `maxSkew` such pods above the least; with `ScheduleAnyway` domains
//! with fewer are better. A pod without constraints of its own is spread by its Services and its controller: over hosts
//! and zones, as a wish.

use std::collections::BTreeSet;

use crate::scheduler::happening::Happening;
use crate::scheduler::kin::Kin;
use crate::scheduler::node_table::{NodeRow, NodeTable};
use crate::scheduler::plugin::{Column, Group, Plugin, Rejected, SCORE_MAX};
use crate::scheduler::plugins::node_affinity::matches_required;
use crate::scheduler::plugins::taint_toleration::tolerates_all;
use crate::scheduler::shape::Shape;
use crate::scheduler::spread::Spread;
use crate::scheduler::topology::{Cell, CounterSpec, HOSTNAME, Role, View};

#[derive(Debug)]
pub(crate) struct PodTopologySpread;

impl Plugin for PodTopologySpread {
    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn counters(&self, shape: &Shape, _table: &NodeTable) -> Vec<CounterSpec> {
        let spec = |(index, spread): (usize, &Spread)| CounterSpec {
            role: if spread.is_hard { Role::HardSpread(index) } else { Role::SoftSpread(index) },
            key: spread.key.clone(),
        };
        shape.spreads().iter().enumerate().map(spec).collect()
    }

    /// A node counts if it has the keys of all constraints of the kind, and the policies let it.
    fn counts_on(&self, shape: &Shape, spec: &CounterSpec, row: &NodeRow) -> bool {
        let Some(spread) = spread_of(shape, spec) else { return false };
        let has_key = |other: &Spread| row.labels.contains_key(&other.key);
        let alike = || shape.spreads().iter().filter(|other| other.is_hard == spread.is_hard);
        (spread.is_default || alike().all(has_key))
            && (!spread.honors_affinity || matches_required(shape, row))
            && (!spread.honors_taints || tolerates_all(shape.tolerations(), row))
    }

    fn effect(&self, shape: &Shape, spec: &CounterSpec, kin: &Kin, _table: &NodeTable) -> i64 {
        let Some((spread, standing)) = spread_of(shape, spec).zip(shape.standing()) else { return 0 };
        let counts = !kin.ending && kin.namespace == standing.namespace && !spread.selector.is_everything();
        i64::from(counts && spread.selector.matches(&kin.labels))
    }

    fn judge_topology(&self, shape: &Shape, _table: &NodeTable, view: &View<'_>) -> Result<(), Rejected> {
        for (counter, spec) in view.counters().filter(|(_, spec)| matches!(spec.role, Role::HardSpread(_))) {
            let Some((spread, standing)) = spread_of(shape, spec).zip(shape.standing()) else { continue };
            let Some(here) = view.sum(counter) else {
                let reason = "node(s) didn't match pod topology spread constraints (missing required label)";
                return Err(Rejected::fixed(self, reason));
            };
            let (least, domains) = view.least(counter);
            let least = if domains < spread.domains_min { 0 } else { least };
            let myself = i64::from(spread.selector.matches(&standing.labels));
            if here + myself - least > spread.skew_max {
                return Err(Rejected::evictable(self, "node(s) didn't match pod topology spread constraints"));
            }
        }
        Ok(())
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        use Happening::{DeviceClassChanged, DevicesChanged, NamespaceChanged, StorageChanged};
        !matches!(what, NamespaceChanged | StorageChanged | DevicesChanged | DeviceClassChanged(_))
    }

    /// Nodes make a difference where they are in a domain, pods where they are counted.
    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        let hard = || shape.spreads().iter().filter(|spread| spread.is_hard);
        let is_somewhere = |row: &NodeRow| hard().all(|spread| row.labels.contains_key(&spread.key));
        let is_elsewhere = |before: &NodeRow, after: &NodeRow| {
            hard().any(|spread| before.labels.get(&spread.key) != after.labels.get(&spread.key))
        };
        let counts = |spread: &Spread, kin: &Kin| {
            let is_near = shape.standing().is_some_and(|mine| mine.namespace == kin.namespace);
            is_near && !kin.ending && spread.selector.matches(&kin.labels)
        };
        match what {
            Happening::NodeCame(node) | Happening::NodeWent(node) => is_somewhere(node),
            Happening::NodeChanged { before, after } => {
                let honors_taints = hard().any(|spread| spread.honors_taints);
                is_elsewhere(before, after)
                    || before.labels != after.labels && !is_same_to_affinity(shape, before, after)
                    || honors_taints && before.taints != after.taints
            }
            Happening::PodCame(pod) => hard().any(|spread| counts(spread, &pod.kin)),
            // The deletion of one that goes was heard of when it was asked for.
            Happening::PodWent(pod) => hard().any(|spread| counts(spread, &pod.kin)),
            Happening::PodChanged { before, after } => {
                hard().any(|spread| counts(spread, &before.kin) != counts(spread, &after.kin))
            }
            Happening::NamespaceChanged
            | Happening::StorageChanged
            | Happening::DevicesChanged
            | Happening::DeviceClassChanged(_) => true,
        }
    }

    fn rank(&self, shape: &Shape, groups: &[Group<'_>], column: &mut Column) {
        let Some(first) = groups.first() else { return };
        let soft: Vec<(usize, &Spread)> = first
            .view
            .counters()
            .filter(|(_, spec)| matches!(spec.role, Role::SoftSpread(_)))
            .filter_map(|(counter, spec)| Some((counter, spread_of(shape, spec)?)))
            .collect();
        if soft.is_empty() {
            return;
        }
        let missing = |view: &View<'_>, counter: usize| view.cell(counter) == Cell::Missing;
        let is_scored = |group: &Group<'_>| {
            soft.iter().all(|(counter, spread)| spread.is_default || !missing(&group.view, *counter))
        };
        let scored: Vec<&Group<'_>> = groups.iter().filter(|group| is_scored(group)).collect();
        // Few domains must not be drowned by many.
        let weight = |(counter, spread): &(usize, &Spread)| {
            let domains = match &*spread.key {
                HOSTNAME => scored.iter().map(|group| group.nodes).sum(),
                _ => scored.iter().map(|group| group.view.cell(*counter)).collect::<BTreeSet<_>>().len(),
            };
            ((domains + 2) as f64).ln()
        };
        let weights: Vec<f64> = soft.iter().map(weight).collect();
        let raw = |group: &Group<'_>| {
            let each = soft.iter().zip(&weights).filter_map(|((counter, spread), weight)| {
                Some(group.view.sum(*counter)? as f64 * weight + (spread.skew_max - 1) as f64)
            });
            each.sum::<f64>().round() as i64
        };
        let raws: Vec<Option<i64>> = groups.iter().map(|group| is_scored(group).then(|| raw(group))).collect();
        let least = raws.iter().flatten().min().copied().unwrap_or(0);
        let most = raws.iter().flatten().max().copied().unwrap_or(0);
        column.extend(raws.iter().map(|raw| match raw {
            None => 0,
            Some(_) if most == 0 => SCORE_MAX,
            Some(raw) => SCORE_MAX * (most + least - raw) / most,
        }));
    }
}

/// Whether the pod may go to a node if it could before, as far as the labels go.
fn is_same_to_affinity(shape: &Shape, before: &NodeRow, after: &NodeRow) -> bool {
    matches_required(shape, before) == matches_required(shape, after)
}

fn spread_of<'a>(shape: &'a Shape, spec: &CounterSpec) -> Option<&'a Spread> {
    match spec.role {
        Role::HardSpread(index) | Role::SoftSpread(index) => shape.spreads().get(index),
        Role::Affinity(_) | Role::Anti | Role::AntiOfOthers | Role::Preference => None,
    }
}
