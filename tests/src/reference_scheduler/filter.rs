//! Why a node is out: the reasons of the first rule that has some.

use std::collections::BTreeSet;

use inboard::k8s_openapi::api::core::v1::{
    Node, PersistentVolumeClaim, Pod, PodAffinityTerm, TopologySpreadConstraint, Volume,
};
use inboard::k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::matching::{asks, node_matches, selects, taints, term_covers, thousandths, tolerated};
use super::{World, label, name_of, namespace, spec};

pub(super) fn reasons(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let rules =
        [unschedulable, untolerated, elsewhere, ports, room, disks, volumes, spread, affinity, devices, features];
    rules.iter().map(|rule| rule(world, pod, node)).find(|reasons| !reasons.is_empty()).unwrap_or_default()
}

fn when(out: bool, reason: &str) -> Vec<String> {
    if out { vec![reason.to_owned()] } else { Vec::new() }
}

fn unschedulable(_: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let is_cordoned = node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true));
    let taint = inboard::k8s_openapi::api::core::v1::Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Default::default()
    };
    when(is_cordoned && !tolerated(pod, &taint), "node(s) were unschedulable")
}

fn untolerated(_: &World, pod: &Pod, node: &Node) -> Vec<String> {
    when(keeps_away(pod, node), "node(s) had untolerated taint(s)")
}

fn keeps_away(pod: &Pod, node: &Node) -> bool {
    taints(node).iter().any(|taint| taint.effect != "PreferNoSchedule" && !tolerated(pod, taint))
}

fn elsewhere(_: &World, pod: &Pod, node: &Node) -> Vec<String> {
    when(!node_matches(pod, node), "node(s) didn't match Pod's node affinity/selector")
}

fn devices(_: &World, pod: &Pod, _: &Node) -> Vec<String> {
    when(spec(pod).resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()), "cannot allocate all claims")
}

fn features(_: &World, pod: &Pod, node: &Node) -> Vec<String> {
    const FEATURE: &str = "RestartAllContainersOnContainerExits";
    let containers = spec(pod).containers.iter().chain(spec(pod).init_containers.iter().flatten());
    let mut rules = containers.flat_map(|container| container.restart_policy_rules.iter().flatten());
    let declared = node.status.as_ref().and_then(|status| status.declared_features.clone()).unwrap_or_default();
    let lacks = rules.any(|rule| rule.action == "RestartAllContainers") && !declared.iter().any(|one| one == FEATURE);
    when(lacks, &format!("node declared features check failed - unsatisfied requirements: {FEATURE}"))
}

fn ports(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let taken = |pod: &Pod| -> Vec<(i32, String, String)> {
        let ports = spec(pod).containers.iter().flat_map(|container| container.ports.iter().flatten());
        let of_host = ports.filter_map(|port| Some((port.host_port.filter(|port| *port > 0)?, port)));
        of_host
            .map(|(number, port)| {
                let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
                (number, protocol, port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0".to_owned()))
            })
            .collect()
    };
    let any = |ip: &str| ip == "0.0.0.0";
    let clash = |a: &(i32, String, String), b: &(i32, String, String)| {
        a.0 == b.0 && a.1 == b.1 && (any(&a.2) || any(&b.2) || a.2 == b.2)
    };
    let wanted = taken(pod);
    let clashes = world.on(node).flat_map(taken).any(|used| wanted.iter().any(|one| clash(one, &used)));
    when(clashes, "node(s) didn't have free ports for the requested pod ports")
}

fn room(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let has = |resource: &str| allocatable.and_then(|all| all.get(resource)).map_or(0, thousandths);
    let mut reasons = when((world.on(node).count() as i64 + 1) * 1000 > has("pods"), "Too many pods");
    for resource in ["cpu", "memory", "ephemeral-storage", "example.com/gpu"] {
        let wanted = asks(pod, resource, 0);
        let used: i64 = world.on(node).map(|other| asks(other, resource, 0)).sum();
        if wanted > 0 && used + wanted > has(resource) {
            reasons.push(format!("Insufficient {resource}"));
        }
    }
    reasons
}

fn disks(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let of = |pod: &Pod| spec(pod).volumes.clone().unwrap_or_default();
    let used: Vec<Volume> = world.on(node).flat_map(of).collect();
    let clashes = of(pod).iter().any(|one| used.iter().any(|other| cannot_share(one, other)));
    when(clashes, "node(s) had no available disk")
}

fn volumes(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let handle = |volume: &str| {
        let volume = world.volumes.iter().find(|one| one.metadata.name.as_deref() == Some(volume))?;
        let csi = volume.spec.as_ref()?.csi.as_ref()?;
        Some((csi.driver.clone(), csi.volume_handle.clone()))
    };
    let of_claim = |namespace: &str, name: &str| {
        let is_it = |claim: &&PersistentVolumeClaim| {
            claim.metadata.namespace.as_deref() == Some(namespace) && claim.metadata.name.as_deref() == Some(name)
        };
        handle(world.claims.iter().find(is_it)?.spec.as_ref()?.volume_name.as_deref()?)
    };
    let of_pod = |pod: &Pod| -> Vec<(String, String)> {
        let claims = spec(pod).volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
        claims.filter_map(|claim| of_claim(namespace(pod), &claim.claim_name)).collect()
    };
    let attached = world.attachments.iter().filter(|one| one.spec.node_name == name_of(node));
    let attached = attached.filter_map(|one| {
        let (_, volume) = handle(one.spec.source.persistent_volume_name.as_deref()?)?;
        Some((one.spec.attacher.clone(), volume))
    });
    let there: BTreeSet<(String, String)> = world.on(node).flat_map(of_pod).chain(attached).collect();
    let new: BTreeSet<(String, String)> = of_pod(pod).into_iter().filter(|volume| !there.contains(volume)).collect();
    let drivers = world.drivers.iter().filter(|drivers| drivers.metadata.name.as_deref() == Some(name_of(node)));
    let exceeds = drivers.flat_map(|node| &node.spec.drivers).any(|driver| {
        let Some(limit) = driver.allocatable.as_ref().and_then(|room| room.count) else { return false };
        let of_driver = |all: &BTreeSet<(String, String)>| all.iter().filter(|(name, _)| *name == driver.name).count();
        of_driver(&new) > 0 && of_driver(&new) + of_driver(&there) > limit as usize
    });
    when(exceeds, "node(s) exceed max volume count")
}

/// Whether two pods of one node cannot have these volumes: the same disk, and not both only read it.
fn cannot_share(one: &Volume, other: &Volume) -> bool {
    let both_read = |one: Option<bool>, other: Option<bool>| one == Some(true) && other == Some(true);
    if let (Some(one), Some(other)) = (&one.gce_persistent_disk, &other.gce_persistent_disk) {
        return one.pd_name == other.pd_name && !both_read(one.read_only, other.read_only);
    }
    if let (Some(one), Some(other)) = (&one.aws_elastic_block_store, &other.aws_elastic_block_store) {
        return one.volume_id == other.volume_id;
    }
    if let (Some(one), Some(other)) = (&one.iscsi, &other.iscsi) {
        return one.iqn == other.iqn && !both_read(one.read_only, other.read_only);
    }
    if let (Some(one), Some(other)) = (&one.rbd, &other.rbd) {
        let is_same = one.pool == other.pool && one.image == other.image;
        let meet = one.monitors.iter().any(|monitor| other.monitors.contains(monitor));
        return is_same && meet && !both_read(one.read_only, other.read_only);
    }
    false
}

/// The selector of a constraint, the keys whose values must be the pod's own included.
pub(super) fn spread_selector(constraint: &TopologySpreadConstraint, pod: &Pod) -> Option<LabelSelector> {
    let mut selector = constraint.label_selector.clone()?;
    for key in constraint.match_label_keys.iter().flatten() {
        if let Some(value) = pod.metadata.labels.as_ref().and_then(|labels| labels.get(key)) {
            selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
                key: key.clone(),
                operator: "In".to_owned(),
                values: Some(vec![value.clone()]),
            });
        }
    }
    Some(selector)
}

/// How many pods on a node a constraint counts.
pub(super) fn spread_count(world: &World, pod: &Pod, selector: Option<&LabelSelector>, node: &Node) -> i64 {
    let says_nothing = selector.is_some_and(|one| {
        one.match_labels.iter().flatten().next().is_none() && one.match_expressions.iter().flatten().next().is_none()
    });
    if says_nothing {
        return 0;
    }
    let counts = |other: &&Pod| {
        namespace(other) == namespace(pod)
            && other.metadata.deletion_timestamp.is_none()
            && selects(selector, other.metadata.labels.as_ref())
    };
    world.on(node).filter(counts).count() as i64
}

pub(super) fn spread_includes(pod: &Pod, constraint: &TopologySpreadConstraint, node: &Node) -> bool {
    (constraint.node_affinity_policy.as_deref() == Some("Ignore") || node_matches(pod, node))
        && (constraint.node_taints_policy.as_deref() != Some("Honor") || !keeps_away(pod, node))
}

fn spread(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let constraints: Vec<_> = spec(pod)
        .topology_spread_constraints
        .iter()
        .flatten()
        .filter(|constraint| constraint.when_unsatisfiable == "DoNotSchedule")
        .collect();
    for constraint in &constraints {
        let key = &constraint.topology_key;
        let Some(here) = label(node, key) else {
            return when(true, "node(s) didn't match pod topology spread constraints (missing required label)");
        };
        let selector = spread_selector(constraint, pod);
        let mut domains = std::collections::BTreeMap::new();
        for other in &world.nodes {
            let has_all = constraints.iter().all(|one| label(other, &one.topology_key).is_some());
            if has_all && spread_includes(pod, constraint, other) {
                *domains.entry(label(other, key).unwrap_or_default()).or_insert(0) +=
                    spread_count(world, pod, selector.as_ref(), other);
            }
        }
        let too_few = (domains.len() as i64) < i64::from(constraint.min_domains.unwrap_or(1));
        let least = if too_few { 0 } else { domains.values().min().copied().unwrap_or(0) };
        let myself = i64::from(selects(selector.as_ref(), pod.metadata.labels.as_ref()));
        if domains.get(here).copied().unwrap_or(0) + myself - least > i64::from(constraint.max_skew) {
            return when(true, "node(s) didn't match pod topology spread constraints");
        }
    }
    Vec::new()
}

pub(super) fn required_affinity(pod: &Pod) -> &[PodAffinityTerm] {
    let near = spec(pod).affinity.as_ref().and_then(|all| all.pod_affinity.as_ref());
    near.and_then(|near| near.required_during_scheduling_ignored_during_execution.as_deref()).unwrap_or_default()
}

fn required_anti(pod: &Pod) -> &[PodAffinityTerm] {
    let far = spec(pod).affinity.as_ref().and_then(|all| all.pod_anti_affinity.as_ref());
    far.and_then(|far| far.required_during_scheduling_ignored_during_execution.as_deref()).unwrap_or_default()
}

fn affinity(world: &World, pod: &Pod, node: &Node) -> Vec<String> {
    let same = |key: &str, other: &Node| label(node, key).is_some() && label(node, key) == label(other, key);
    let everywhere = || world.nodes.iter().flat_map(|other| world.on(other).map(move |pod| (other, pod)));
    let terms = required_affinity(pod);
    let meets_all = |other: &Pod| terms.iter().all(|term| term_covers(world, pod, term, other));
    let has_keys = terms.iter().all(|term| label(node, &term.topology_key).is_some());
    let each_near = terms
        .iter()
        .all(|term| everywhere().any(|(other, neighbour)| same(&term.topology_key, other) && meets_all(neighbour)));
    let nobody = !everywhere().any(|(other, neighbour)| {
        meets_all(neighbour) && terms.iter().any(|term| label(other, &term.topology_key).is_some())
    });
    if !terms.is_empty() && !(has_keys && (each_near || nobody && meets_all(pod))) {
        return when(true, "node(s) didn't match pod affinity rules");
    }
    let unwanted = required_anti(pod).iter().any(|term| {
        everywhere()
            .any(|(other, neighbour)| same(&term.topology_key, other) && term_covers(world, pod, term, neighbour))
    });
    if unwanted {
        return when(true, "node(s) didn't match pod anti-affinity rules");
    }
    let unwelcome = everywhere().any(|(other, neighbour)| {
        let mut terms = required_anti(neighbour).iter();
        terms.any(|term| same(&term.topology_key, other) && term_covers(world, neighbour, term, pod))
    });
    when(unwelcome, "node(s) didn't satisfy existing pods anti-affinity rules")
}
