//! The points of the nodes that fit: the sum of all rules, each from 0 to 100 times its weight.

use std::collections::{BTreeMap, BTreeSet};

use inboard::k8s_openapi::api::core::v1::{Node, Pod, TopologySpreadConstraint, WeightedPodAffinityTerm};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::filter::{required_affinity, spread_count, spread_includes, spread_selector};
use super::matching::{asks, node_term, taints, term_covers, thousandths, tolerates};
use super::{World, label, name_of, namespace, spec};

const HOSTNAME: &str = "kubernetes.io/hostname";

pub(super) fn points(world: &World, pod: &Pod, feasible: &[&Node]) -> BTreeMap<String, i64> {
    let rules: [(i64, Vec<i64>); 6] = [
        (3, taint_points(pod, feasible)),
        (2, node_affinity_points(pod, feasible)),
        (1, feasible.iter().map(|node| room_points(world, pod, node)).collect()),
        (1, feasible.iter().map(|node| balance_points(world, pod, node)).collect()),
        (2, spread_points(world, pod, feasible)),
        (2, affinity_points(world, pod, feasible)),
    ];
    let sum = |index: usize| rules.iter().map(|(weight, points)| weight * points[index]).sum();
    feasible.iter().enumerate().map(|(index, node)| (name_of(node).to_owned(), sum(index))).collect()
}

fn taint_points(pod: &Pod, nodes: &[&Node]) -> Vec<i64> {
    let answers = |effect: Option<&str>| matches!(effect, None | Some("" | "PreferNoSchedule"));
    let open = |node: &&Node| {
        let soft = taints(node).iter().filter(|taint| taint.effect == "PreferNoSchedule");
        let intolerable = soft.filter(|taint| {
            let mut tolerations = spec(pod).tolerations.iter().flatten();
            !tolerations.any(|one| answers(one.effect.as_deref()) && tolerates(one, taint))
        });
        intolerable.count() as i64
    };
    let counts: Vec<i64> = nodes.iter().map(open).collect();
    let most = counts.iter().max().copied().unwrap_or(0);
    counts.into_iter().map(|count| if most == 0 { 100 } else { 100 - 100 * count / most }).collect()
}

fn node_affinity_points(pod: &Pod, nodes: &[&Node]) -> Vec<i64> {
    let affinity = spec(pod).affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let preferred = affinity.and_then(|one| one.preferred_during_scheduling_ignored_during_execution.as_deref());
    let sum = |node: &&Node| {
        let terms = preferred.unwrap_or_default().iter().filter(|term| node_term(&term.preference, node));
        terms.map(|term| i64::from(term.weight)).sum::<i64>()
    };
    let sums: Vec<i64> = nodes.iter().map(sum).collect();
    let most = sums.iter().max().copied().unwrap_or(0);
    sums.into_iter().map(|sum| if most == 0 { 0 } else { 100 * sum / most }).collect()
}

fn has(node: &Node, resource: &str) -> i64 {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    allocatable.and_then(|all| all.get(resource)).map_or(0, thousandths)
}

fn room_points(world: &World, pod: &Pod, node: &Node) -> i64 {
    let of = |resource: &str, unsaid: i64| {
        let others: i64 = world.on(node).map(|other| asks(other, resource, unsaid)).sum();
        let (used, has) = (others + asks(pod, resource, unsaid), has(node, resource));
        if used > has { 0 } else { (i128::from(has - used) * 100 / i128::from(has)) as i64 }
    };
    (of("cpu", 100) + of("memory", 200 * 1024 * 1024 * 1000)) / 2
}

fn balance_points(world: &World, pod: &Pod, node: &Node) -> i64 {
    if asks(pod, "cpu", 0) == 0 && asks(pod, "memory", 0) == 0 {
        return 0;
    }
    let evenness = |pods: &[&Pod]| {
        let part = |resource: &str| {
            let used: i64 = pods.iter().map(|pod| asks(pod, resource, 0)).sum();
            (used as f64 / has(node, resource) as f64).min(1.0)
        };
        ((1.0 - ((part("cpu") - part("memory")) / 2.0).abs()) * 100.0) as i64
    };
    let before: Vec<&Pod> = world.on(node).collect();
    let after: Vec<&Pod> = before.iter().copied().chain([pod]).collect();
    50 + (50 + evenness(&after) - evenness(&before)) / 2
}

/// The constraints that are wishes: the pod's own, or those that its services bring.
fn wishes(world: &World, pod: &Pod) -> (Vec<(TopologySpreadConstraint, Option<LabelSelector>)>, bool) {
    let own = spec(pod).topology_spread_constraints.as_deref().unwrap_or_default();
    if !own.is_empty() {
        let soft = own.iter().filter(|one| one.when_unsatisfiable == "ScheduleAnyway");
        return (soft.map(|one| (one.clone(), spread_selector(one, pod))).collect(), false);
    }
    let mut labels = BTreeMap::new();
    for service in world.services.iter().filter(|one| one.metadata.namespace.as_deref() == Some(namespace(pod))) {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let has = |key: &String| pod.metadata.labels.as_ref().and_then(|labels| labels.get(key));
        if selector.iter().all(|(key, value)| has(key) == Some(value)) {
            labels.extend(selector);
        }
    }
    if labels.is_empty() {
        return (Vec::new(), true);
    }
    let selector = LabelSelector { match_labels: Some(labels), match_expressions: None };
    let constraint = |key: &str, skew: i32| TopologySpreadConstraint {
        topology_key: key.to_owned(),
        max_skew: skew,
        ..TopologySpreadConstraint::default()
    };
    let both = [constraint(HOSTNAME, 3), constraint("topology.kubernetes.io/zone", 5)];
    (both.into_iter().map(|one| (one, Some(selector.clone()))).collect(), true)
}

fn spread_points(world: &World, pod: &Pod, nodes: &[&Node]) -> Vec<i64> {
    let (constraints, by_default) = wishes(world, pod);
    if constraints.is_empty() {
        return vec![0; nodes.len()];
    }
    let has_all = |node: &Node| constraints.iter().all(|(one, _)| label(node, &one.topology_key).is_some());
    let scored: Vec<&Node> = nodes.iter().copied().filter(|node| by_default || has_all(node)).collect();
    let raw = |node: &Node| {
        let mut sum = 0.0;
        for (constraint, selector) in &constraints {
            let key = constraint.topology_key.as_str();
            let Some(here) = label(node, key) else { continue };
            let count = |other: &Node| spread_count(world, pod, selector.as_ref(), other);
            let (pods, domains) = if key == HOSTNAME {
                (count(node), scored.len())
            } else {
                let included = world.nodes.iter().filter(|other| {
                    (by_default || has_all(other))
                        && spread_includes(pod, constraint, other)
                        && label(other, key) == Some(here)
                });
                let values: BTreeSet<Option<&str>> = scored.iter().map(|other| label(other, key)).collect();
                (included.map(count).sum(), values.len())
            };
            sum += pods as f64 * ((domains + 2) as f64).ln() + f64::from(constraint.max_skew - 1);
        }
        sum.round() as i64
    };
    let raws: Vec<Option<i64>> = nodes.iter().map(|node| (by_default || has_all(node)).then(|| raw(node))).collect();
    let most = raws.iter().flatten().max().copied().unwrap_or(0);
    let least = raws.iter().flatten().min().copied().unwrap_or(0);
    let scaled = |raw: Option<i64>| match raw {
        None => 0,
        Some(_) if most == 0 => 100,
        Some(raw) => 100 * (most + least - raw) / most,
    };
    raws.into_iter().map(scaled).collect()
}

/// The preferred terms of a pod with their weights, those of anti-affinity negative.
fn preferred(pod: &Pod) -> Vec<(i64, WeightedPodAffinityTerm)> {
    let affinity = spec(pod).affinity.clone().unwrap_or_default();
    let near = affinity.pod_affinity.unwrap_or_default().preferred_during_scheduling_ignored_during_execution;
    let far = affinity.pod_anti_affinity.unwrap_or_default().preferred_during_scheduling_ignored_during_execution;
    let signed = |sign: i64| move |term: WeightedPodAffinityTerm| (sign * i64::from(term.weight), term);
    let near = near.unwrap_or_default().into_iter().map(signed(1));
    near.chain(far.unwrap_or_default().into_iter().map(signed(-1))).collect()
}

fn affinity_points(world: &World, pod: &Pod, nodes: &[&Node]) -> Vec<i64> {
    let wish = |node: &&Node| {
        let mut sum = 0;
        for other in &world.nodes {
            let same = |key: &str| label(node, key).is_some() && label(node, key) == label(other, key);
            for neighbour in world.on(other) {
                for (weight, term) in preferred(pod) {
                    let term = &term.pod_affinity_term;
                    sum +=
                        if same(&term.topology_key) && term_covers(world, pod, term, neighbour) { weight } else { 0 };
                }
                for (weight, term) in preferred(neighbour) {
                    let term = &term.pod_affinity_term;
                    sum +=
                        if same(&term.topology_key) && term_covers(world, neighbour, term, pod) { weight } else { 0 };
                }
                for term in required_affinity(neighbour) {
                    sum += i64::from(same(&term.topology_key) && term_covers(world, neighbour, term, pod));
                }
            }
        }
        sum
    };
    let wishes: Vec<i64> = nodes.iter().map(wish).collect();
    let most = wishes.iter().max().copied().unwrap_or(0);
    let least = wishes.iter().min().copied().unwrap_or(0);
    let range = (most - least) as f64;
    wishes
        .into_iter()
        .map(|wish| if most == least { 0 } else { (100.0 * ((wish - least) as f64 / range)) as i64 })
        .collect()
}
