//! What a container may use: shares and quota of the processors, memory, huge pages, and who dies first.

use std::collections::BTreeMap;

use inboard::k8s_openapi::api::core::v1::{Container, PodSpec};
use inboard::k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use inboard::object::quantity::Quantity;
use inboard::runtime::RuntimeError;
use oci_spec::runtime::{
    LinuxCpu, LinuxCpuBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxHugepageLimit,
    LinuxHugepageLimitBuilder, LinuxMemory, LinuxMemoryBuilder, LinuxResources, LinuxResourcesBuilder,
};
use serde::Serialize;

use super::{HostFacts, SpecInput, invalid};
use crate::devices::DeviceNode;

/// The period of the processor quota in microseconds: the kubelet's `--cpu-cfs-quota-period` default.
const QUOTA_PERIOD_US: u64 = 100_000;
/// The smallest quota that the kernel takes, in microseconds.
pub(super) const QUOTA_US_MIN: i64 = 1_000;
/// The kernel's bounds for shares.
const SHARES_MIN: u64 = 2;
const SHARES_MAX: u64 = 262_144;

type List = BTreeMap<String, ApiQuantity>;

pub(super) fn resources(input: &SpecInput<'_>, container: &Container) -> Result<LinuxResources, RuntimeError> {
    let limits = container.resources.as_ref().and_then(|r| r.limits.clone()).unwrap_or_default();
    let requests = container.resources.as_ref().and_then(|r| r.requests.clone()).unwrap_or_default();
    let privileged = container.security_context.as_ref().and_then(|sc| sc.privileged) == Some(true);
    let resources = LinuxResourcesBuilder::default()
        .devices(device_rules(input, privileged)?)
        .cpu(cpu(&requests, &limits)?)
        .memory(memory(&limits, input.host.swap_accounting)?)
        .hugepage_limits(huge_pages(&limits, &input.host.huge_pages)?)
        .build();
    let mut resources = resources.map_err(invalid)?;
    if input.host.cgroup_v2 {
        resources.set_unified(Some(unified(input.host).into_iter().collect()));
    }
    Ok(resources)
}

/// What only the unified hierarchy has: a container that runs out of memory ends as a whole, and a pod has no swap, with a
/// limit of memory or without.
fn unified(host: &HostFacts) -> BTreeMap<String, String> {
    let swap = host.swap_accounting.then_some(("memory.swap.max", "0"));
    let settings = [("memory.oom.group", "1")].into_iter().chain(swap);
    settings.map(|(file, value)| (file.to_owned(), value.to_owned())).collect()
}

/// What a container that runs is to have from now on; what is not limited any more is said to be so.
#[derive(Debug, Serialize)]
pub(crate) struct Resized {
    cpu: LinuxCpu,
    pub(crate) memory: LinuxMemory,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unified: BTreeMap<String, String>,
}

pub(crate) fn resized(container: &Container, host: &HostFacts) -> Result<Resized, RuntimeError> {
    let limits = container.resources.as_ref().and_then(|r| r.limits.clone()).unwrap_or_default();
    let requests = container.resources.as_ref().and_then(|r| r.requests.clone()).unwrap_or_default();
    let (mut cpu, mut memory) = (cpu(&requests, &limits)?, memory(&limits, host.swap_accounting)?);
    if cpu.quota().is_none() {
        cpu.set_quota(Some(-1)).set_period(Some(QUOTA_PERIOD_US));
    }
    if memory.limit().is_none() {
        memory.set_limit(Some(-1)).set_swap(host.swap_accounting.then_some(-1));
    }
    // runc takes memory without a limit to mean swap without a limit.
    Ok(Resized { cpu, memory, unified: if host.cgroup_v2 { unified(host) } else { BTreeMap::new() } })
}

/// Everything for a privileged container; otherwise nothing but its own devices, and the few that runc itself allows.
fn device_rules(input: &SpecInput<'_>, privileged: bool) -> Result<Vec<LinuxDeviceCgroup>, RuntimeError> {
    let mut rules = vec![LinuxDeviceCgroupBuilder::default().allow(privileged).access("rwm").build().map_err(invalid)?];
    for DeviceNode { node, access } in input.devices {
        let rule = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .typ(node.typ())
            .major(node.major())
            .minor(node.minor())
            .access(access.to_string());
        rules.push(rule.build().map_err(invalid)?);
    }
    Ok(rules)
}

fn cpu(requests: &List, limits: &List) -> Result<LinuxCpu, RuntimeError> {
    let milli = |list: &List| list.get("cpu").map(quantity).transpose();
    let limit = milli(limits)?;
    let request = milli(requests)?.or(limit);
    let builder = LinuxCpuBuilder::default().shares(cpu_shares(request.map_or(0, Quantity::as_milli)));
    let builder = match limit.map(Quantity::as_milli).filter(|milli| *milli > 0) {
        Some(milli) => {
            let quota = milli.saturating_mul(100).max(QUOTA_US_MIN);
            builder.quota(quota).period(QUOTA_PERIOD_US)
        }
        None => builder,
    };
    builder.build().map_err(invalid)
}

/// Thousandths of a processor as shares, of which a whole one has 1024.
pub(super) fn cpu_shares(milli: i64) -> u64 {
    let shares = u64::try_from(milli).unwrap_or(0).saturating_mul(1024) / 1000;
    shares.clamp(SHARES_MIN, SHARES_MAX)
}

/// Swap counts into the limit, where the kernel can count it: a pod has none of its own.
fn memory(limits: &List, swap_accounting: bool) -> Result<LinuxMemory, RuntimeError> {
    let builder = LinuxMemoryBuilder::default();
    let builder = match limits.get("memory").map(quantity).transpose()?.map(Quantity::value).filter(|bytes| *bytes > 0)
    {
        Some(bytes) if swap_accounting => builder.limit(bytes).swap(bytes),
        Some(bytes) => builder.limit(bytes),
        None => builder,
    };
    builder.build().map_err(invalid)
}

/// Of the sizes that the machine can limit nothing, where the container asks for none.
fn huge_pages(limits: &List, of_machine: &[String]) -> Result<Vec<LinuxHugepageLimit>, RuntimeError> {
    let mut all: BTreeMap<String, i64> = of_machine.iter().map(|size| (size.clone(), 0)).collect();
    for (name, limit) in limits {
        if let Some(size) = name.strip_prefix("hugepages-") {
            // The kernel's files say `2MB` where the resource says `2Mi`.
            all.insert(format!("{}B", size.trim_end_matches('i')), quantity(limit)?.value());
        }
    }
    all.into_iter()
        .map(|(size, limit)| LinuxHugepageLimitBuilder::default().page_size(size).limit(limit).build().map_err(invalid))
        .collect()
}

fn quantity(text: &ApiQuantity) -> Result<Quantity, RuntimeError> {
    Quantity::from_api(text).map_err(|error| invalid(format!("quantity {:?}: {error}", text.0)))
}

/// Who the kernel kills first when memory runs out (`oom_score_adj`): pods without requests (1000), then those that
/// asked for little (3 to 999), at last those whose limits are guaranteed or that the node needs (-997), as far as the
/// machine allows it.
pub(crate) fn oom_score(spec: &PodSpec, container: &Container, host: &HostFacts) -> i32 {
    wanted_oom_score(spec, container, host.memory_bytes).max(host.oom_score_min)
}

fn wanted_oom_score(spec: &PodSpec, container: &Container, memory_bytes: u64) -> i32 {
    const GUARANTEED: i32 = -997;
    const BEST_EFFORT: i32 = 1000;
    const NODE_CRITICAL_PRIORITY: i32 = 2_000_001_000;
    if spec.priority.is_some_and(|priority| priority >= NODE_CRITICAL_PRIORITY) {
        return GUARANTEED;
    }
    match qos(spec) {
        Qos::Guaranteed => GUARANTEED,
        Qos::BestEffort => BEST_EFFORT,
        Qos::Burstable => {
            let asked = container.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get("memory"));
            let asked = asked.and_then(|q| Quantity::from_api(q).ok()).map_or(0, |q| i128::from(q.value()));
            let score = 1000 - 1000 * asked / i128::from(memory_bytes.max(1));
            i32::try_from(score.clamp(3, 999)).unwrap_or(999)
        }
    }
}

enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

/// The class of a pod by the processor and memory figures of all its containers (`status.qosClass`).
fn qos(spec: &PodSpec) -> Qos {
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let figure = |list: Option<&List>, name: &str| {
        list.and_then(|list| list.get(name)).and_then(|q| Quantity::from_api(q).ok()).filter(|q| !q.is_zero())
    };
    let mut any = false;
    let mut guaranteed = true;
    for container in containers() {
        let (requests, limits) =
            container.resources.as_ref().map_or((None, None), |r| (r.requests.as_ref(), r.limits.as_ref()));
        for name in ["cpu", "memory"] {
            let (request, limit) = (figure(requests, name), figure(limits, name));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    }
}
