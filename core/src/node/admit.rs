//! Whether a pod that was bound to this node may run here: upstream's kubelet asks the node-level filters again.
//!
//! The order is upstream's: what the node is short of, affinity and node name, then host ports, then room. The first that refuses speaks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, Taint};

use super::eviction::Pressure;
use super::plan::View;
use super::pressure::Pressures;
use super::storage;
use crate::object::quantity::Quantity;
use crate::object::selector::NodeSelector;
use crate::object::taint;
use crate::object::{device, kind};
use crate::store::{Object, PodBody, QosClass};
use crate::text::Text;

/// Why a pod may not run here.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    /// `status.message`
    pub(super) message: Text,
    /// The message of the event.
    pub(super) event: Text,
}

/// Whether the pod may run here.
pub(super) fn judge(view: &View<'_>, pod: &PodBody) -> Result<(), Refusal> {
    if pod.state.start_time.is_some() {
        // It was admitted before this agent came up.
        return Ok(());
    }
    let refuse = |reason: &'static str, why: String| Refusal {
        reason,
        message: format!("Pod was rejected: {why}").into(),
        event: why.into(),
    };
    if is_turned_away(view, &pod.spec) {
        return Err(refuse(storage::EVICTED, format!("The node had condition: {}. ", view.pressures.listed())));
    }
    if !selects(&pod.spec, view) {
        return Err(refuse(
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector".to_owned(),
        ));
    }
    if takes_host_ports(&pod.spec) && others(view).any(|other| ports_conflict(&pod.spec, &other.spec)) {
        return Err(refuse(
            "NodePorts",
            "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports".to_owned(),
        ));
    }
    fits(view, &pod.spec).map_err(|(reason, why)| refuse(reason, why))
}

/// Whether the node is too short of something for one more pod. When it is memory alone, pods that said how much they need
/// may come, and those that tolerate it.
fn is_turned_away(view: &View<'_>, spec: &PodSpec) -> bool {
    let pressures = view.pressures;
    if pressures == Pressures::default() || storage::is_critical(spec) {
        return false;
    }
    if pressures != Pressures::default().and(Pressure::Memory) {
        return true;
    }
    let taint = Taint {
        key: "node.kubernetes.io/memory-pressure".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    let tolerated = taint::tolerates(spec.tolerations.as_deref().unwrap_or_default(), &taint);
    qos_class(spec) == QosClass::BestEffort && !tolerated
}

/// The other pods that hold something of the node.
fn others<'a>(view: &View<'a>) -> impl Iterator<Item = &'a PodBody> {
    let uid = view.work.identity.uid;
    let pods = view.snapshot.pods_on(&view.config.name).filter(move |object| object.meta.uid != uid);
    // Of two that are new, the one that was bound earlier has the claim: it is admitted first.
    pods.filter_map(|object| Object::pod(object)).filter(|pod| !pod.is_finished() && pod.state.start_time.is_some())
}

/// What pods hold of the resources that nearly all of them ask for: counted once, since it is asked for each new pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) pods: u32,
    cpu_milli: i64,
    memory_bytes: i64,
}

impl Held {
    /// What one pod with this spec holds.
    pub(super) fn by(spec: &PodSpec) -> Self {
        if spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .all(|container| container.resources.is_none())
            && spec.overhead.is_none()
        {
            return Self { pods: 1, ..Self::default() };
        }
        let requests = requests(spec);
        let amount = |name, unit| {
            requests.get(name).map_or(0, |nano: &i128| i64::try_from((nano + unit - 1) / unit).unwrap_or(i64::MAX))
        };
        Self { pods: 1, cpu_milli: amount("cpu", MILLI), memory_bytes: amount("memory", ONE) }
    }

    /// Whether it is at least as much of everything.
    pub(super) const fn covers(self, other: Self) -> bool {
        self.pods >= other.pods && self.cpu_milli >= other.cpu_milli && self.memory_bytes >= other.memory_bytes
    }

    /// Both together.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            pods: self.pods.saturating_add(other.pods),
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    /// The first without the other, which is part of it.
    #[must_use]
    pub(super) const fn without(self, other: Self) -> Self {
        Self {
            pods: self.pods.saturating_sub(other.pods),
            cpu_milli: self.cpu_milli.saturating_sub(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }
}

/// One and a thousandth, in nano-units.
const ONE: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;

fn fits(view: &View<'_>, spec: &PodSpec) -> Result<(), (&'static str, String)> {
    let allocatable = &view.config.allocatable;
    if allocatable.is_empty() {
        return Ok(());
    }
    let has = |name: &str| allocatable.get(name).and_then(|amount| Quantity::from_api(amount).ok()).map(Quantity::nano);
    let (wanted, held) = (view.work.held, view.held);
    // Pods first, then CPU and memory, as upstream checks them.
    let usual = [
        ("pods", i64::from(wanted.pods), i64::from(held.pods), ONE),
        ("cpu", wanted.cpu_milli, held.cpu_milli, MILLI),
        ("memory", wanted.memory_bytes, held.memory_bytes, ONE),
    ];
    for (name, wanted, held, unit) in usual {
        let Some(has) = has(name).or((name != "pods").then_some(0)) else { continue };
        let (wanted, held) = (i128::from(wanted), i128::from(held));
        if wanted > 0 && (held + wanted) * unit > has {
            return Err((out_of(name), shortage(name, wanted, held, has / unit)));
        }
    }
    for (name, wanted) in requests(spec).into_iter().filter(|(name, wanted)| !is_usual(name) && *wanted > 0) {
        // What the node does not know of is somebody else's to give.
        if has(name).is_none() && device::may_be_of_class(name) {
            continue;
        }
        let held: i128 = others(view).filter_map(|other| requests(&other.spec).get(name).copied()).sum();
        let has = has(name).unwrap_or(0);
        if held + wanted > has {
            return Err((out_of(name), shortage(name, wanted / ONE, held / ONE, has / ONE)));
        }
    }
    Ok(())
}

/// Whether a pod of the node may hold this much from now on, or why not: it does not fit the node, or not beside the others.
pub(super) fn agree(view: &View<'_>, wanted: Held) -> Result<(), (&'static str, String)> {
    let has = |name: &str, unit: i128| {
        let amount = view.config.allocatable.get(name)?;
        Quantity::from_api(amount).ok().map(|amount| i64::try_from(amount.nano() / unit).unwrap_or(i64::MAX))
    };
    let amounts = [
        ("cpu", wanted.cpu_milli, view.held.cpu_milli, has("cpu", MILLI)),
        ("memory", wanted.memory_bytes, view.held.memory_bytes, has("memory", ONE)),
    ];
    for (name, wanted, _, has) in amounts.into_iter().rev() {
        if let Some(has) = has.filter(|has| wanted > *has) {
            let message = format!("Node didn't have enough capacity: {name}, requested: {wanted}, capacity: {has}");
            return Err((super::resize::INFEASIBLE, message));
        }
    }
    for (name, wanted, held, has) in amounts {
        if let Some(has) = has.filter(|has| wanted > 0 && held.saturating_add(wanted) > *has) {
            let (wanted, held, has) = (wanted.into(), held.into(), has.into());
            return Err((super::resize::DEFERRED, shortage(name, wanted, held, has)));
        }
    }
    Ok(())
}

fn is_usual(name: &str) -> bool {
    matches!(name, "cpu" | "memory")
}

fn shortage(name: &str, wanted: i128, used: i128, has: i128) -> String {
    format!("Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {has}")
}

fn out_of(name: &str) -> &'static str {
    match name {
        "pods" => "OutOfpods",
        "cpu" => "OutOfcpu",
        "memory" => "OutOfmemory",
        "ephemeral-storage" => "OutOfephemeral-storage",
        _ => "UnexpectedAdmissionError",
    }
}

fn request_of(container: &Container) -> impl Iterator<Item = (&str, i128)> {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests
        .into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.as_str(), Quantity::from_api(amount).ok()?.nano())))
}

/// What a pod requests: its containers and sidecars together, or its largest init container with the sidecars before
/// it, and the overhead.
fn requests(spec: &PodSpec) -> BTreeMap<&str, i128> {
    let mut total: BTreeMap<&str, i128> = BTreeMap::new();
    let add = |to: &mut BTreeMap<_, i128>, container| {
        for (name, amount) in request_of(container) {
            *to.entry(name).or_default() += amount;
        }
    };
    spec.containers.iter().for_each(|container| add(&mut total, container));
    let (mut sidecars, mut peak) = (BTreeMap::new(), BTreeMap::<&str, i128>::new());
    for init in spec.init_containers.iter().flatten() {
        let mut now = sidecars.clone();
        add(&mut now, init);
        if init.restart_policy.as_deref() == Some("Always") {
            add(&mut total, init);
            sidecars = now.clone();
        }
        for (name, amount) in now {
            let peak = peak.entry(name).or_default();
            *peak = (*peak).max(amount);
        }
    }
    for (name, amount) in peak {
        let total = total.entry(name).or_default();
        *total = (*total).max(amount);
    }
    for (name, amount) in spec.overhead.iter().flatten() {
        *total.entry(name).or_default() += Quantity::from_api(amount).map_or(0, Quantity::nano);
    }
    total
}

/// Whether the node's labels and its name are what the pod asks for (`nodeSelector` and required node affinity). People label
/// nodes too: what the object says counts, and what it will be made from while there is none.
fn selects(spec: &PodSpec, view: &View<'_>) -> bool {
    if spec.node_selector.is_none() && spec.affinity.is_none() {
        return true;
    }
    let name = view.config.name.as_str();
    let object = view.snapshot.find(kind::NODE, "", name);
    let labels = object.map_or(&*view.config.labels, |object| &*object.meta.labels);
    let wanted = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    wanted && required.is_none_or(|required| NodeSelector::compile(required).matches(labels, name))
}

fn host_ports(spec: &PodSpec) -> impl Iterator<Item = (i32, &str, &str)> {
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    all.flat_map(|container| container.ports.iter().flatten()).filter_map(|port| {
        let number = port.host_port.filter(|port| *port > 0)?;
        let ip = port.host_ip.as_deref().filter(|ip| !ip.is_empty()).unwrap_or("0.0.0.0");
        Some((number, port.protocol.as_deref().unwrap_or("TCP"), ip))
    })
}

fn takes_host_ports(spec: &PodSpec) -> bool {
    host_ports(spec).next().is_some()
}

fn ports_conflict(one: &PodSpec, other: &PodSpec) -> bool {
    const ALL: &str = "0.0.0.0";
    host_ports(one).any(|(port, protocol, ip)| {
        host_ports(other).any(|(other_port, other_protocol, other_ip)| {
            port == other_port && protocol == other_protocol && (ip == other_ip || ip == ALL || other_ip == ALL)
        })
    })
}

/// The quality-of-service class of a pod, from what its containers request and are limited to.
pub(super) fn qos_class(spec: &PodSpec) -> QosClass {
    let (mut any, mut all_equal) = (false, true);
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let resources = container.resources.as_ref();
        let amount = |map: Option<&BTreeMap<String, _>>, name: &str| {
            map.and_then(|map| map.get(name))
                .and_then(|amount| Quantity::from_api(amount).ok())
                .filter(|amount| !amount.is_zero())
        };
        for name in ["cpu", "memory"] {
            let limit = amount(resources.and_then(|resources| resources.limits.as_ref()), name);
            let request = amount(resources.and_then(|resources| resources.requests.as_ref()), name).or(limit);
            any |= limit.is_some() || request.is_some();
            all_equal &= limit.is_some() && limit.map(Quantity::nano) == request.map(Quantity::nano);
        }
    }
    match (any, all_equal) {
        (false, _) => QosClass::BestEffort,
        (true, true) => QosClass::Guaranteed,
        (true, false) => QosClass::Burstable,
    }
}
