//! A pod goes only to nodes whose labels match `spec.nodeSelector` and the required terms of
//! `spec.affinity.nodeAffinity`, and rather to those that match the preferred terms; the profile may add to both.
//!
//! Terms are ored, what is in a term is anded; a term that says nothing matches nothing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PreferredSchedulingTerm};

use crate::scheduler::happening::Happening;
use crate::scheduler::node_table::{NodeRow, NodeTable, Slot};
use crate::scheduler::plugin::{Candidates, Column, Narrowed, Plugin, Rejected, Scale};
use crate::scheduler::shape::Shape;
use crate::store::StringMap;

#[derive(Debug)]
pub(crate) struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn weight(&self) -> i64 {
        2
    }

    fn scale(&self) -> Scale {
        Scale::HighestIsBest
    }

    fn prepare(&self, shape: &Shape) -> Narrowed {
        if shape.node_selector().next().is_none() && shape.required_nodes().is_none() && enforced(shape).is_none() {
            return Narrowed::NotMyConcern;
        }
        match shape.required_nodes().and_then(named_nodes) {
            None => Narrowed::All,
            Some(names) if names.is_empty() => Narrowed::None("pod affinity terms conflict".into()),
            Some(names) => Narrowed::These(names.into_iter().map(str::to_owned).collect()),
        }
    }

    fn filter(&self, shape: &Shape, _table: &NodeTable, candidates: &mut Candidates<'_>) {
        let enforced = enforced(shape);
        candidates.retain(|row| {
            if enforced.is_some_and(|selector| !matches_selector(selector, row)) {
                let reason = "node(s) didn't match scheduler-enforced node affinity";
                return Err(Rejected::fixed(self, reason));
            }
            match matches_required(shape, row) {
                true => Ok(()),
                false => Err(Rejected::fixed(self, "node(s) didn't match Pod's node affinity/selector")),
            }
        });
    }

    fn scores(&self, shape: &Shape, _table: &NodeTable) -> bool {
        preferred(shape).next().is_some()
    }

    /// The sum of the weights of the preferred terms that match.
    fn score(&self, shape: &Shape, _table: &NodeTable, rows: &[(Slot, &NodeRow)], column: &mut Column) {
        column.extend(rows.iter().map(|(_, row)| {
            let matching = preferred(shape).filter(|term| matches_term(&term.preference, row));
            matching.map(|term| i64::from(term.weight)).sum::<i64>()
        }));
    }

    fn hears(&self, what: &Happening<'_>) -> bool {
        matches!(what, Happening::NodeCame(_) | Happening::NodeChanged { .. })
    }

    fn is_cured_by(&self, what: &Happening<'_>, shape: &Shape, _table: &NodeTable) -> bool {
        let enforced = enforced(shape);
        let is_wanted = |row: &NodeRow| {
            enforced.is_none_or(|selector| matches_selector(selector, row)) && matches_required(shape, row)
        };
        match what {
            Happening::NodeCame(node) => is_wanted(node),
            Happening::NodeChanged { before, after } => !is_wanted(before) && is_wanted(after),
            _ => true,
        }
    }
}

/// What the profile demands.
fn enforced(shape: &Shape) -> Option<&NodeSelector> {
    shape.profile.added()?.required_during_scheduling_ignored_during_execution.as_ref()
}

/// What the profile prefers, and the pod.
fn preferred(shape: &Shape) -> impl Iterator<Item = &PreferredSchedulingTerm> {
    let added = shape.profile.added().and_then(|all| all.preferred_during_scheduling_ignored_during_execution.as_ref());
    added.into_iter().flatten().chain(shape.preferred_nodes())
}

/// Whether a node is one that the pod may go to by its selector and required affinity.
pub(crate) fn matches_required(shape: &Shape, row: &NodeRow) -> bool {
    shape.node_selector().all(|(key, value)| row.labels.get(key) == Some(value))
        && shape.required_nodes().is_none_or(|selector| matches_selector(selector, row))
}

/// Whether one of the terms matches.
pub(crate) fn matches_selector(selector: &NodeSelector, row: &NodeRow) -> bool {
    selector.node_selector_terms.iter().any(|term| matches_term(term, row))
}

fn matches_term(term: &NodeSelectorTerm, row: &NodeRow) -> bool {
    matches_node(term, row.name.as_str(), &row.labels)
}

fn matches_node(term: &NodeSelectorTerm, name: &str, labels: &StringMap) -> bool {
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    if fields.is_empty() && expressions.is_empty() {
        return false;
    }
    let field = |key: &str| (key == "metadata.name").then_some(name);
    expressions.iter().all(|wanted| holds(wanted, labels.get(&wanted.key).map(String::as_str)))
        && fields.iter().all(|wanted| holds(wanted, field(&wanted.key)))
}

fn holds(wanted: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = wanted.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|value| values.iter().any(|wanted| wanted == value));
    let beyond = |compare: fn(&i64, &i64) -> bool| {
        let bound = values.first().and_then(|bound| bound.parse::<i64>().ok());
        let actual = value.and_then(|value| value.parse::<i64>().ok());
        bound.zip(actual).is_some_and(|(bound, actual)| compare(&actual, &bound))
    };
    match wanted.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => beyond(i64::gt),
        "Lt" => beyond(i64::lt),
        _ => false,
    }
}

/// The nodes that the terms name by `metadata.name`; `None` when some term names none.
fn named_nodes(selector: &NodeSelector) -> Option<BTreeSet<&str>> {
    let mut names = BTreeSet::new();
    for term in &selector.node_selector_terms {
        let mut of_term: Option<BTreeSet<&str>> = None;
        for field in term.match_fields.iter().flatten() {
            if field.key == "metadata.name" && field.operator == "In" {
                let listed: BTreeSet<&str> = field.values.iter().flatten().map(String::as_str).collect();
                of_term = Some(match of_term {
                    Some(before) => before.intersection(&listed).copied().collect(),
                    None => listed,
                });
            }
        }
        names.extend(of_term?);
    }
    Some(names)
}
