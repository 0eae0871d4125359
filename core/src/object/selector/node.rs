//! Node selectors: the node affinity of a pod or a volume.
//!
//! A node is selected when one term matches, and a term matches when all that it demands of the node's labels and name
//! holds. A term that demands nothing matches no node.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    NodeSelector as ApiNodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PreferredSchedulingTerm,
};

use super::{Operator, Requirement};

/// A node selector, ready to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSelector {
    terms: Vec<NodeTerm>,
}

/// One term of a node selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    labels: Vec<Requirement>,
    /// Demands on `metadata.name`, the one field that nodes are selected by.
    name: Vec<Requirement>,
    /// It demands nothing, or something that no node can meet.
    never: bool,
}

/// Preferred terms, each with a weight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    terms: Vec<(i64, NodeTerm)>,
}

impl NodeSelector {
    /// Compiles a node selector. What validation would have refused matches no node.
    pub fn compile(selector: &ApiNodeSelector) -> Self {
        Self { terms: selector.node_selector_terms.iter().map(NodeTerm::compile).collect() }
    }

    /// Whether it selects a node.
    pub fn matches(&self, labels: &BTreeMap<String, String>, name: &str) -> bool {
        self.terms.iter().any(|term| term.matches(labels, name))
    }

    /// The only nodes it can select, where each of its terms names nodes: a scheduler need look at no other.
    pub fn names(&self) -> Option<BTreeSet<&str>> {
        let mut names = BTreeSet::new();
        for term in &self.terms {
            let mut listed = term.name.iter().filter(|one| one.operator == Operator::In);
            names.extend(listed.next()?.values());
        }
        Some(names)
    }

    /// Its terms.
    pub fn terms(&self) -> &[NodeTerm] {
        &self.terms
    }
}

impl NodeTerm {
    /// Compiles one term.
    pub fn compile(term: &NodeSelectorTerm) -> Self {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        let labels: Vec<_> = expressions.iter().map(requirement).collect();
        let name: Vec<_> = fields.iter().map(|field| requirement(field).filter(is_name_requirement)).collect();
        Self {
            never: expressions.is_empty() && fields.is_empty() || labels.iter().chain(&name).any(Option::is_none),
            labels: labels.into_iter().flatten().collect(),
            name: name.into_iter().flatten().collect(),
        }
    }

    /// Whether it matches a node.
    pub fn matches(&self, labels: &BTreeMap<String, String>, name: &str) -> bool {
        !self.never
            && self.labels.iter().all(|one| one.matches(labels.get(&*one.key).map(String::as_str)))
            && self.name.iter().all(|one| one.matches(Some(name)))
    }
}

impl Preferences {
    /// Compiles preferred terms. Unlike a required one, a preferred term that demands nothing counts for no node.
    pub fn compile(terms: &[PreferredSchedulingTerm]) -> Self {
        let terms = terms.iter().filter(|term| term.weight != 0);
        Self { terms: terms.map(|term| (i64::from(term.weight), NodeTerm::compile(&term.preference))).collect() }
    }

    /// The sum of the weights of the terms that a node matches.
    pub fn score(&self, labels: &BTreeMap<String, String>, name: &str) -> i64 {
        self.terms.iter().filter(|(_, term)| term.matches(labels, name)).map(|(weight, _)| weight).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

fn requirement(expression: &NodeSelectorRequirement) -> Option<Requirement> {
    let operator = match expression.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    // A node's name may have more characters than a label's value, so values are not checked here.
    let values: Vec<&str> = expression.values.iter().flatten().map(String::as_str).collect();
    let compares = matches!(operator, Operator::GreaterThan | Operator::LessThan);
    let sound = match operator {
        Operator::In | Operator::NotIn => !values.is_empty(),
        Operator::Exists | Operator::DoesNotExist => values.is_empty(),
        _ => compares && matches!(values.as_slice(), [bound] if bound.parse::<i64>().is_ok()),
    };
    sound.then(|| Requirement::unchecked(&expression.key, operator, &values))
}

fn is_name_requirement(requirement: &Requirement) -> bool {
    &*requirement.key == "metadata.name"
        && matches!(requirement.operator, Operator::In | Operator::NotIn)
        && requirement.values.len() == 1
}
