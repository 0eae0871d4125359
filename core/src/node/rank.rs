//! Which pod goes first when a node has too little of something, and what it is told.
//!
//! **The order** (upstream's): pods of which no usage is known; those that use more than they asked for; those of lower
//! priority; those that use most beyond what they asked for. Processes are not asked for: there it is priority, then how
//! many. Pods that the cluster cannot do without stay.

use std::cmp::Reverse;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::PodSpec;

use super::eviction::{Signal, Threshold};
use super::pressure::{available, room};
use super::storage;
use crate::object::pod_total;
use crate::object::quantity::Quantity;
use crate::runtime::{ContainerStats, NodeStats, PodSandboxStats};

/// A pod that may have to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a PodSpec,
    /// What it uses; absent where that is not known.
    pub(super) stats: Option<&'a PodSandboxStats>,
}

/// The place of the pod that goes first; of pods that are alike, the first.
pub(super) fn first(signal: Signal, node: &NodeStats, pods: &[Candidate<'_>]) -> Option<usize> {
    let may_go = |(_, pod): &(usize, &Candidate<'_>)| !storage::is_critical(pod.spec);
    let candidates = pods.iter().enumerate().filter(may_go);
    candidates.min_by_key(|(_, pod)| rank(signal, node, pod)).map(|(place, _)| place)
}

/// What pods are compared by; the smallest goes.
fn rank(signal: Signal, node: &NodeStats, pod: &Candidate<'_>) -> (bool, bool, i32, Reverse<i128>) {
    let priority = pod.spec.priority.unwrap_or(0);
    if signal == Signal::PidAvailable {
        // Whose processes nobody has counted goes first among its equals only.
        let processes = pod.stats.map_or(i128::MAX, |stats| i128::from(stats.pids));
        return (true, false, priority, Reverse(processes));
    }
    let Some(stats) = pod.stats else { return (false, false, priority, Reverse(0)) };
    let requests = pod_total::requests(pod.spec);
    let requested = |name: &str| requests.get(name).copied().unwrap_or(Quantity::ZERO).nano();
    let used = usage(signal, node, stats) * 1_000_000_000;
    let exceeds = used > requested(signal.resource());
    let beyond = match signal {
        Signal::MemoryAvailable => used - requested("memory"),
        // Upstream holds the request for bytes against inodes too.
        _ => used - requested("ephemeral-storage"),
    };
    (true, !exceeds, priority, Reverse(beyond))
}

/// What a pod uses of what a signal is about.
fn usage(signal: Signal, node: &NodeStats, stats: &PodSandboxStats) -> i128 {
    let containers = |of: fn(&ContainerStats) -> u64| stats.containers.iter().map(of).map(i128::from).sum::<i128>();
    let volumes = |of: fn(&crate::runtime::FileSystemStats) -> u64| {
        stats.volumes.iter().map(|volume| i128::from(of(&volume.usage))).sum::<i128>()
    };
    // Layers lie with the images: on a disk of their own they do not count for the other.
    let own_disk = node.image_fs.is_some();
    let of_images = matches!(signal, Signal::ImageFsAvailable | Signal::ImageFsInodesFree);
    let (layers, rest) = (!own_disk || of_images, !own_disk || !of_images);
    let counted = |counts: bool, amount: i128| if counts { amount } else { 0 };
    match signal {
        Signal::MemoryAvailable => containers(|container| container.memory_working_set),
        Signal::PidAvailable => i128::from(stats.pids),
        Signal::NodeFsAvailable | Signal::ImageFsAvailable => {
            counted(layers, containers(|container| container.filesystem.used_bytes))
                + counted(rest, containers(|container| container.logs.used_bytes) + volumes(|fs| fs.used_bytes))
        }
        Signal::NodeFsInodesFree | Signal::ImageFsInodesFree => {
            counted(layers, containers(|container| container.filesystem.inodes_used))
                + counted(rest, containers(|container| container.logs.inodes_used) + volumes(|fs| fs.inodes_used))
        }
    }
}

/// What a pod is told that goes for the sake of the first of these thresholds.
pub(super) fn message(starving: &[Threshold], node: &NodeStats, pod: &Candidate<'_>) -> String {
    let Some(resource) = starving.first().map(|threshold| threshold.signal.resource()) else { return String::new() };
    let mut text = format!("The node was low on resource: {resource}. ");
    let mut say = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing to a text cannot fail");
    let same = starving.iter().find(|threshold| threshold.signal.resource() == resource);
    if let Some((threshold, room)) = same.and_then(|threshold| Some((threshold, room(threshold.signal, node)?))) {
        let quantity = threshold.below.of(threshold.signal, room.capacity);
        let free = available(threshold.signal, room);
        say(format_args!("Threshold quantity: {quantity}, available: {free}. "));
    }
    let Some(stats) = pod.stats else { return text };
    let bytes = |bytes: u64| Quantity::from_bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let asked = |requests: Option<&std::collections::BTreeMap<_, _>>| {
        requests.and_then(|requests| requests.get(resource)).and_then(|request| Quantity::from_api(request).ok())
    };
    let whole = pod.spec.resources.as_ref().filter(|_| resource == "memory" && pod_total::speaks_as_a_whole(pod.spec));
    if let Some(request) = whole.and_then(|whole| asked(whole.requests.as_ref())) {
        let used = bytes(stats.containers.iter().map(|container| container.memory_working_set).sum());
        let name = pod.name;
        say(format_args!("Pod {name} was using {used}, request is {request}, has larger consumption of {resource}. "));
    }
    for container in &stats.containers {
        let mut all = pod.spec.containers.iter().chain(pod.spec.init_containers.iter().flatten());
        let Some(spec) = all.find(|spec| *spec.name == *container.name) else { continue };
        let used = match resource {
            "memory" => container.memory_working_set,
            "ephemeral-storage" => container.filesystem.used_bytes.saturating_add(container.logs.used_bytes),
            _ => continue,
        };
        let request = asked(spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()));
        let (used, request, name) = (bytes(used), request.unwrap_or(Quantity::ZERO), &spec.name);
        if used > request {
            say(format_args!(
                "Container {name} was using {used}, request is {request}, has larger consumption of {resource}. "
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::ids::Uid;
    use crate::node::eviction::Amount;
    use crate::runtime::{FileSystemRoom, FileSystemStats, PodIdentity, Room, VolumeStats};
    use crate::time::Time;

    const MIB: u64 = 1 << 20;

    fn spec(request: &str, priority: i32) -> PodSpec {
        let container =
            json!({"name": "a", "resources": {"requests": {"memory": request, "ephemeral-storage": request}}});
        spec_of(json!({"containers": [container], "priority": priority}))
    }

    fn spec_of(spec: Value) -> PodSpec {
        serde_json::from_value(spec).expect("a spec")
    }

    /// Uses so many MiB of memory, and has so many MiB in its layer, its log and its volume.
    fn uses(memory: u64, layer: u64, log: u64, volume: u64, pids: u64) -> PodSandboxStats {
        let takes = |mib: u64| FileSystemStats { used_bytes: mib * MIB, inodes_used: mib };
        PodSandboxStats {
            pod: PodIdentity { uid: Uid::LOWEST, namespace: "default".into(), name: "p".into() },
            time: Time::EPOCH,
            containers: vec![ContainerStats {
                name: "a".into(),
                cpu: Duration::ZERO,
                memory_working_set: memory * MIB,
                filesystem: takes(layer),
                logs: takes(log),
            }],
            volumes: vec![VolumeStats { name: "v".into(), usage: takes(volume) }],
            network: None,
            pids,
        }
    }

    /// The order in which pods go, by their places.
    fn order(signal: Signal, node: &NodeStats, pods: &[(PodSpec, Option<PodSandboxStats>)]) -> Vec<usize> {
        let mut left: Vec<usize> = (0..pods.len()).collect();
        let mut order = Vec::new();
        loop {
            let candidate =
                |place: &usize| Candidate { name: "p", spec: &pods[*place].0, stats: pods[*place].1.as_ref() };
            let candidates: Vec<_> = left.iter().map(candidate).collect();
            match first(signal, node, &candidates) {
                Some(place) => order.push(left.remove(place)),
                None => return order,
            }
        }
    }

    #[test]
    fn pods_go_in_upstreams_order() {
        let node = NodeStats::default();
        let memory = |mib| Some(uses(mib, 0, 0, 0, 1));
        let pods = [
            (spec("100Mi", 0), memory(50)),
            (spec("10Mi", 5), memory(90)),
            (spec("10Mi", 0), memory(40)),
            (spec("10Mi", 0), memory(60)),
            (spec("10Mi", 2_000_000_000), memory(900)),
            (spec("10Mi", 9), None),
        ];
        assert_eq!(order(Signal::MemoryAvailable, &node, &pods), [5, 3, 2, 1, 0], "the critical one stays");
        let pids = |pids| Some(uses(0, 0, 0, 0, pids));
        let pods = [(spec("1Mi", 1), pids(90)), (spec("1Mi", 0), pids(2)), (spec("1Mi", 0), pids(7))];
        assert_eq!(order(Signal::PidAvailable, &node, &pods), [2, 1, 0]);
    }

    #[test]
    fn a_disk_of_their_own_separates_layers_from_the_rest() {
        let fs = FileSystemRoom::default();
        let (one, two) = (NodeStats::default(), NodeStats { image_fs: Some(fs), ..NodeStats::default() });
        let pods = [
            (spec("0", 0), Some(uses(0, 50, 0, 0, 1))),
            (spec("0", 0), Some(uses(0, 0, 20, 20, 1))),
            (spec("0", 0), Some(uses(0, 10, 10, 10, 1))),
        ];
        assert_eq!(order(Signal::NodeFsAvailable, &one, &pods), [0, 1, 2]);
        assert_eq!(order(Signal::NodeFsAvailable, &two, &pods), [1, 2, 0]);
        assert_eq!(order(Signal::ImageFsInodesFree, &two, &pods), [0, 2, 1]);
    }

    #[test]
    fn a_pod_is_told_what_there_was_and_what_it_used() {
        let node = NodeStats {
            memory: Some(Room { available: 90 * MIB, capacity: 1000 * MIB }),
            pids: Some(Room { available: 7, capacity: 1000 }),
            ..NodeStats::default()
        };
        let threshold = |signal, below| [Threshold { signal, below, grace: Duration::ZERO }];
        let (spec, stats) = (spec("20Mi", 0), uses(30, 0, 0, 0, 3));
        let pod = Candidate { name: "p", spec: &spec, stats: Some(&stats) };
        assert_eq!(
            message(&threshold(Signal::MemoryAvailable, Amount::Units(100 * MIB)), &node, &pod),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. \
             Container a was using 30Mi, request is 20Mi, has larger consumption of memory. "
        );
        assert_eq!(
            message(&threshold(Signal::PidAvailable, Amount::Percent(1)), &node, &pod),
            "The node was low on resource: pids. Threshold quantity: 10, available: 7. "
        );
        let whole = spec_of(json!({
            "containers": [{"name": "a"}], "resources": {"requests": {"memory": "25Mi"}, "limits": {"memory": "1Gi"}},
        }));
        let pod = Candidate { name: "p", spec: &whole, stats: Some(&stats) };
        assert_eq!(
            message(&threshold(Signal::MemoryAvailable, Amount::Percent(10)), &node, &pod),
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. \
             Pod p was using 30Mi, request is 25Mi, has larger consumption of memory. \
             Container a was using 30Mi, request is 0, has larger consumption of memory. "
        );
    }
}
