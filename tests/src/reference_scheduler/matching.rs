//! What matches what: selectors, terms, taints; and how much a pod asks for.

use std::collections::BTreeMap;

use inboard::k8s_openapi::api::core::v1::{Container, Node, NodeSelectorTerm, Pod, PodAffinityTerm, Taint, Toleration};
use inboard::k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{World, label, name_of, namespace, spec};

/// Quantities of the forms that the random clusters use, in thousandths.
pub(super) fn thousandths(quantity: &Quantity) -> i64 {
    let text = quantity.0.as_str();
    let units = [("m", 1), ("Ki", 1000 << 10), ("Mi", 1000 << 20), ("Gi", 1000 << 30)];
    for (suffix, factor) in units {
        if let Some(number) = text.strip_suffix(suffix) {
            return number.parse::<i64>().expect("a whole number") * factor;
        }
    }
    text.parse::<i64>().expect("a whole number") * 1000
}

/// What a pod asks for of a resource, in thousandths; `unsaid` for each container that does not say.
pub(super) fn asks(pod: &Pod, resource: &str, unsaid: i64) -> i64 {
    let of = |container: &Container| {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.and_then(|requests| requests.get(resource)).map_or(unsaid, thousandths)
    };
    let is_sidecar = |container: &Container| container.restart_policy.as_deref() == Some("Always");
    let spec = spec(pod);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let sidecars: i64 = init.iter().filter(|one| is_sidecar(one)).map(of).sum();
    let running: i64 = spec.containers.iter().map(of).sum::<i64>() + sidecars;
    let at_start = init.iter().enumerate().map(|(index, container)| {
        let before: i64 = init[..index].iter().filter(|one| is_sidecar(one)).map(of).sum();
        before + of(container)
    });
    let containers = at_start.fold(running, i64::max);
    let overhead = spec.overhead.as_ref().and_then(|overhead| overhead.get(resource)).map_or(0, thousandths);
    let whole = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()?.get(resource));
    whole.map_or(containers, thousandths) + overhead
}

pub(super) fn selects(selector: Option<&LabelSelector>, labels: Option<&BTreeMap<String, String>>) -> bool {
    let Some(selector) = selector else { return false };
    let value = |key: &str| labels.and_then(|labels| labels.get(key));
    let all_labels = selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted));
    let all_expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let listed =
            value(&expression.key).is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value(&expression.key).is_some(),
            "DoesNotExist" => value(&expression.key).is_none(),
            other => panic!("unknown operator {other}"),
        }
    });
    all_labels && all_expressions
}

/// Whether a term of `owner` speaks of `other`.
pub(super) fn term_covers(world: &World, owner: &Pod, term: &PodAffinityTerm, other: &Pod) -> bool {
    let names = term.namespaces.as_deref().unwrap_or_default();
    let by_default = names.is_empty() && term.namespace_selector.is_none() && namespace(owner) == namespace(other);
    let by_name = names.iter().any(|name| name == namespace(other));
    let by_label = world.namespaces.iter().any(|one| {
        one.metadata.name.as_deref() == Some(namespace(other))
            && selects(term.namespace_selector.as_ref(), one.metadata.labels.as_ref())
    });
    (by_default || by_name || by_label) && selects(term.label_selector.as_ref(), other.metadata.labels.as_ref())
}

pub(super) fn node_matches(pod: &Pod, node: &Node) -> bool {
    let selector = spec(pod).node_selector.iter().flatten();
    let affinity = spec(pod).affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|one| one.required_during_scheduling_ignored_during_execution.as_ref());
    selector.into_iter().all(|(key, value)| label(node, key) == Some(value))
        && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| node_term(term, node)))
}

pub(super) fn node_term(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = term.match_expressions.iter().flatten().map(|one| (one, label(node, &one.key)));
    let fields = term.match_fields.iter().flatten().map(|one| (one, Some(name_of(node))));
    let mut all = labels.chain(fields).peekable();
    all.peek().is_some()
        && all.all(|(wanted, value)| {
            let values = wanted.values.as_deref().unwrap_or_default();
            let is_in = value.is_some_and(|value| values.iter().any(|one| one == value));
            let number = value.and_then(|value| value.parse::<i64>().ok());
            let bound = values.first().and_then(|bound| bound.parse::<i64>().ok());
            match wanted.operator.as_str() {
                "In" => is_in,
                "NotIn" => !is_in,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                "Gt" => number.zip(bound).is_some_and(|(number, bound)| number > bound),
                "Lt" => number.zip(bound).is_some_and(|(number, bound)| number < bound),
                other => panic!("unknown operator {other}"),
            }
        })
}

pub(super) fn taints(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default()
}

pub(super) fn tolerated(pod: &Pod, taint: &Taint) -> bool {
    spec(pod).tolerations.iter().flatten().any(|toleration| tolerates(toleration, taint))
}

pub(super) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
    let key = empty(&toleration.key) || toleration.key.as_ref() == Some(&taint.key);
    let effect = empty(&toleration.effect) || toleration.effect.as_ref() == Some(&taint.effect);
    let value = toleration.operator.as_deref() == Some("Exists")
        || toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
    key && effect && value
}
