//! Nodes: what they have, what the pods on them ask for.

use std::fmt::Display;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use super::lines::Lines;
use super::metadata;
use super::read::{UNSET, at, filled, is, items, joined, pairs, quantity, since, text, text_or, time};
use super::{Around, Events};
use crate::object::kind;
use crate::object::pod_total::{self, Amounts};
use crate::object::quantity::Quantity;

/// Pools of devices that are told of; of the others only how many there are.
const POOLS_MAX: usize = 10;

pub(super) fn tell(lines: &mut Lines, node: &Value, around: &dyn Around) -> Events {
    metadata::name(lines, node);
    let roles = roles(node);
    lines.put(0, "Roles", if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") });
    metadata::notes(lines, node);
    lines.put(0, "CreationTimestamp", time(node, "/metadata/creationTimestamp"));
    taints(lines, node);
    lines.put(0, "Unschedulable", is(node, "/spec/unschedulable"));
    lease(lines, &text(node, "/metadata/name"), around);
    conditions(lines, node);
    lines.title(0, "Addresses");
    for address in items(node, "/status/addresses") {
        lines.put(1, text(address, "/type"), text(address, "/address"));
    }
    for (title, part) in [("Capacity", "/status/capacity"), ("Allocatable", "/status/allocatable")] {
        let amounts = pairs(node, part);
        if !amounts.is_empty() {
            lines.title(0, title);
        }
        for (name, amount) in amounts {
            lines.put(1, name, amount);
        }
    }
    pools(lines, &text(node, "/metadata/name"), around);
    system(lines, node);
    lines.put_if(0, "PodCIDR", filled(node, "/spec/podCIDR"));
    if !items(node, "/spec/podCIDRs").is_empty() {
        lines.put(0, "PodCIDRs", joined(node, "/spec/podCIDRs", ","));
    }
    lines.put_if(0, "ProviderID", filled(node, "/spec/providerID"));
    Usage::of(node).tell(lines, around, &text(node, "/metadata/name"));
    Events::Shown
}

fn roles(node: &Value) -> Vec<String> {
    let labels = pairs(node, "/metadata/labels");
    let mut roles: Vec<String> = labels
        .iter()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_owned()).filter(|role| !role.is_empty()),
            None => (*key == "kubernetes.io/role" && !value.is_empty()).then(|| value.to_string()),
        })
        .collect();
    roles.sort();
    roles.dedup();
    roles
}

fn taints(lines: &mut Lines, node: &Value) {
    let mut taints: Vec<&Value> = items(node, "/spec/taints").iter().collect();
    taints.sort_by_key(|taint| format!("{},{}", text(taint, "/effect"), text(taint, "/key")));
    let told = taints.into_iter().map(|taint| {
        let value = filled(taint, "/value").map(|value| format!("={value}")).unwrap_or_default();
        format!("{}{value}:{}", text(taint, "/key"), text(taint, "/effect"))
    });
    lines.list(0, "Taints", told);
}

fn lease(lines: &mut Lines, node: &str, around: &dyn Around) {
    let Some(lease) = around.find(kind::LEASE, "kube-node-lease", node) else {
        let error = format!("leases.coordination.k8s.io {node:?} not found");
        lines.put(0, "Lease", format_args!("Failed to get lease: {error}"));
        return;
    };
    lines.title(0, "Lease");
    lines.put(1, "HolderIdentity", text_or(&lease, "/spec/holderIdentity", UNSET));
    for (title, part) in [("AcquireTime", "/spec/acquireTime"), ("RenewTime", "/spec/renewTime")] {
        let told = if at(&lease, part).is_null() { UNSET.to_owned() } else { time(&lease, part) };
        lines.put(1, title, told);
    }
}

fn conditions(lines: &mut Lines, node: &Value) {
    let conditions = items(node, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    lines.title(0, "Conditions");
    lines.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
    lines.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for condition in conditions {
        let [kind, status, reason] = ["/type", "/status", "/reason"].map(|part| format!("{} ", text(condition, part)));
        let [heartbeat, changed] =
            ["/lastHeartbeatTime", "/lastTransitionTime"].map(|part| format!("{} ", time(condition, part)));
        lines.row(1, &[&kind, &status, &heartbeat, &changed, &reason, &text(condition, "/message")]);
    }
}

/// The devices that this node alone has, by pools.
fn pools(lines: &mut Lines, node: &str, around: &dyn Around) {
    let mut pools: Vec<([String; 2], usize, usize)> = Vec::new();
    let slices = around.all(kind::RESOURCE_SLICE, "");
    for slice in slices.iter().filter(|slice| text(slice, "/spec/nodeName") == node) {
        let name = ["/spec/driver", "/spec/pool/name"].map(|part| text(slice, part).into_owned());
        let devices = items(slice, "/spec/devices").len();
        match pools.iter_mut().find(|(known, ..)| *known == name) {
            Some((_, slices, all)) => (*slices, *all) = (*slices + 1, *all + devices),
            None => pools.push((name, 1, devices)),
        }
    }
    if pools.is_empty() {
        return;
    }
    pools.sort();
    lines.title(0, "Node-Local ResourceSlices");
    lines.titles(1, &["Driver", "Pool", "Slices", "Devices"]);
    for ([driver, pool], slices, devices) in pools.iter().take(POOLS_MAX) {
        lines.row(1, &[driver, pool, slices, devices]);
    }
    if pools.len() > POOLS_MAX {
        lines.line(1, format_args!("...and {} more pools", pools.len() - POOLS_MAX));
    }
}

fn system(lines: &mut Lines, node: &Value) {
    lines.title(0, "System Info");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        lines.put(1, title, text(node, &format!("/status/nodeInfo/{field}")));
    }
}

/// What the pods of a node ask for, in shares of what it can give.
struct Usage<'n> {
    allocatable: Vec<(&'n str, Quantity)>,
}

impl<'n> Usage<'n> {
    fn of(node: &'n Value) -> Self {
        let given = ["/status/allocatable", "/status/capacity"].map(|part| at(node, part).as_object());
        let given = given.into_iter().flatten().find(|amounts| !amounts.is_empty());
        let amounts = given.into_iter().flatten().map(|(name, amount)| (name.as_str(), quantity(amount)));
        let mut allocatable: Vec<(&str, Quantity)> = amounts.collect();
        allocatable.sort_by_key(|(name, _)| *name);
        Self { allocatable }
    }

    fn tell(&self, lines: &mut Lines, around: &dyn Around, node: &str) {
        let mut pods = around.pods_on(node);
        pods.retain(|pod| !matches!(&*text(pod, "/status/phase"), "Succeeded" | "Failed"));
        pods.sort_by_key(|pod| ["/metadata/namespace", "/metadata/name"].map(|part| text(pod, part).into_owned()));
        lines.put(0, "Non-terminated Pods", format_args!("({} in total)", pods.len()));
        let titles = "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge";
        lines.line(1, titles);
        lines.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
        let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
        for pod in &pods {
            let spec: PodSpec = serde_json::from_value(pod["spec"].clone()).unwrap_or_default();
            let (asked, may) = (pod_total::requests(&spec), pod_total::limits(&spec));
            let share = |name: &str, of: &Amounts| self.share(name, of);
            let cells: [&dyn Display; 8] = [
                &text(pod, "/metadata/namespace"),
                &text(pod, "/metadata/name"),
                &"",
                &share("cpu", &asked),
                &share("cpu", &may),
                &share("memory", &asked),
                &share("memory", &may),
                &since(pod, "/metadata/creationTimestamp", around.now()),
            ];
            lines.row(1, &cells);
            for (total, more) in [(&mut requests, asked), (&mut limits, may)] {
                for (name, amount) in more {
                    total.entry(name).and_modify(|total| *total += amount).or_insert(amount);
                }
            }
        }
        self.totals(lines, &requests, &limits);
    }

    fn totals(&self, lines: &mut Lines, requests: &Amounts, limits: &Amounts) {
        lines.title(0, "Allocated resources");
        lines.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
        lines.titles(1, &["Resource", "Requests", "Limits"]);
        let names = self.allocatable.iter().map(|(name, _)| *name);
        let pages: Vec<&str> = names.clone().filter(|name| name.starts_with("hugepages-")).collect();
        for name in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(pages) {
            lines.row(1, &[&name, &self.share(name, requests), &self.share(name, limits)]);
        }
        let amount = |of: &Amounts, name: &str| of.get(name).copied().unwrap_or_default();
        let is_known = |name: &&str| {
            matches!(*name, "cpu" | "memory" | "ephemeral-storage" | "pods") || name.starts_with("hugepages-")
        };
        for name in names.filter(|name| !is_known(name)) {
            lines.row(1, &[&name, &amount(requests, name), &amount(limits, name)]);
        }
    }

    /// An amount, and how many hundredths of what there is.
    fn share(&self, name: &str, of: &Amounts) -> String {
        let amount = of.get(name).copied().unwrap_or_default();
        let all = self.allocatable.iter().find(|(known, _)| *known == name).map(|(_, all)| all.nano()).unwrap_or(0);
        let share = if all == 0 { 0 } else { amount.nano() * 100 / all };
        format!("{amount} ({share}%)")
    }
}
