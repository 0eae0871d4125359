//! What a quota counts (`pkg/quota/v1`): which objects, in which scopes, under which names, and how much each uses.
//!
//! | name | what it counts |
//! |---|---|
//! | `count/pods`, `count/deployments.apps`, ... | objects of any kind that lives in a namespace |
//! | `pods`, `requests.cpu`, `limits.memory`, `hugepages-2Mi`, `requests.example.com/gpu`, ... | pods that have not ended |
//! | `services`, `services.nodeports`, `services.loadbalancers` | services |
//! | `persistentvolumeclaims`, `requests.storage`, and both for one class | claims |
//! | `NAME.deviceclass.resource.k8s.io/devices` | devices of a class, as many as claims may get |
//! | `configmaps`, `secrets`, `resourcequotas`, `replicationcontrollers` | objects, by an older name |
//!
//! A quota with scopes counts only pods, or only claims, that are in all of them.

mod scope;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Container, PersistentVolumeClaim, PodSpec, ResourceQuotaSpec, ScopedResourceSelectorRequirement as Scope, Service,
};
use k8s_openapi::api::resource::v1::ResourceClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

pub use self::scope::{claim_is_in, pod_is_in};
use super::kind::{self, KindId, KindInfo, Kinds};
use super::pod_total::{self, Amounts};
use super::quantity::{Quantity, QuantityFormat};
use super::storage;

/// What every pod counts for, whatever has become of it.
pub const COUNT_OF_PODS: &str = "count/pods";
/// Comes between the name of a class and what is counted of its claims.
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
/// Comes behind the name of a class of devices.
const OF_DEVICE_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
/// How many devices a claim gets at most: who asks for all that there are counts for so many.
const DEVICES_MAX: i64 = 32;
/// Kinds that are counted by their plural too.
const PLAIN_NAMES: [&str; 4] = ["configmaps", "secrets", "resourcequotas", "replicationcontrollers"];
/// What each container must ask for once a quota limits it. Upstream calls this a mistake that it has to keep.
const MUST_BE_SAID: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// What a quota looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The names that it limits.
    pub names: BTreeSet<String>,
    /// The scopes that an object must be in; all of them.
    pub scopes: Vec<Scope>,
}

impl Terms {
    /// Those of this quota.
    pub fn of(spec: &ResourceQuotaSpec) -> Self {
        let plain = spec.scopes.iter().flatten().map(|name| Scope {
            scope_name: name.clone(),
            operator: "Exists".to_owned(),
            values: None,
        });
        let selected = spec.scope_selector.iter().flat_map(|selector| selector.match_expressions.iter().flatten());
        Self {
            names: spec.hard.iter().flatten().map(|(name, _)| name.clone()).collect(),
            scopes: plain.chain(selected.cloned()).collect(),
        }
    }

    /// The kinds that its names count.
    pub fn kinds(&self, kinds: &Kinds) -> BTreeSet<KindId> {
        self.names.iter().filter_map(|name| counted_kind(name, kinds)).collect()
    }
}

/// The kind that is counted under a name; `None` when nobody knows what the name means.
pub fn counted_kind(name: &str, kinds: &Kinds) -> Option<KindId> {
    if let Some(resource) = name.strip_prefix("count/") {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let info = kinds.by_group_resource(group, plural)?;
        return (info.is_namespaced() && info.is_stored() && info.stored_as != kind::EVENT).then_some(info.stored_as);
    }
    if is_of_pods(name) {
        Some(kind::POD)
    } else if matches!(name, "services" | "services.nodeports" | "services.loadbalancers") {
        Some(kind::SERVICE)
    } else if is_of_claims(name) || name.split_once(OF_CLASS).is_some_and(|(_, counted)| is_of_claims(counted)) {
        Some(kind::PERSISTENT_VOLUME_CLAIM)
    } else if name.ends_with(OF_DEVICE_CLASS) {
        Some(kind::RESOURCE_CLAIM)
    } else if PLAIN_NAMES.contains(&name) {
        kinds.by_group_resource("", name).map(|info| info.stored_as)
    } else {
        None
    }
}

fn is_of_claims(name: &str) -> bool {
    matches!(name, "persistentvolumeclaims" | "requests.storage")
}

fn is_of_pods(name: &str) -> bool {
    let plain = name.strip_prefix("requests.").or_else(|| name.strip_prefix("limits.")).unwrap_or(name);
    matches!(plain, "cpu" | "memory" | "ephemeral-storage")
        || name == "pods"
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
        || (name.starts_with("requests.") && is_extended(name))
}

/// A resource that is not Kubernetes's own.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// What a pod uses. One that has ended is counted as an object, and nothing else.
pub fn of_pod(spec: &PodSpec, has_ended: bool) -> Amounts {
    let mut used = Amounts::from([(COUNT_OF_PODS.to_owned(), one())]);
    if has_ended {
        return used;
    }
    used.insert("pods".to_owned(), one());
    for (name, amount) in pod_total::requests(spec) {
        if matches!(&*name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") {
            used.insert(format!("requests.{name}"), amount);
            used.insert(name, amount);
        } else if is_extended(&name) && !name.starts_with("requests.") {
            used.insert(format!("requests.{name}"), amount);
        }
    }
    for (name, amount) in pod_total::limits(spec) {
        if matches!(&*name, "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), amount);
        }
    }
    used
}

/// What a service uses. Node ports count by what is asked for: they are given out later.
pub fn of_service(service: &Service) -> Amounts {
    let spec = service.spec.as_ref();
    let ports = || spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let on_request = spec.is_some_and(|spec| spec.allocate_load_balancer_node_ports == Some(false));
    let (balancers, node_ports) = match spec.and_then(|spec| spec.type_.as_deref()) {
        Some("NodePort") => (0, ports().count()),
        Some("LoadBalancer") if on_request => (1, ports().filter(|port| port.node_port.unwrap_or(0) != 0).count()),
        Some("LoadBalancer") => (1, ports().count()),
        _ => (0, 0),
    };
    let whole = |number: usize| Quantity::new(i64::try_from(number).unwrap_or(i64::MAX), QuantityFormat::DecimalSi);
    let all = [
        ("count/services", 1),
        ("services", 1),
        ("services.loadbalancers", balancers),
        ("services.nodeports", node_ports),
    ];
    all.into_iter().map(|(name, number)| (name.to_owned(), whole(number))).collect()
}

/// What a claim uses, of all storage and of that of its class.
pub fn of_claim(claim: &PersistentVolumeClaim) -> Amounts {
    let mut used = Amounts::from([
        ("count/persistentvolumeclaims".to_owned(), one()),
        ("persistentvolumeclaims".to_owned(), one()),
    ]);
    let resources = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref());
    let asked = storage_of(resources.and_then(|resources| resources.requests.as_ref()));
    // One that is being made larger counts as what it may have become.
    let given = storage_of(claim.status.as_ref().and_then(|status| status.allocated_resources.as_ref()));
    let storage = asked.map(|asked| given.map_or(asked, |given| given.max(asked)));
    if let Some(amount) = storage {
        used.insert("requests.storage".to_owned(), amount);
    }
    let class = storage::class_of_claim(claim);
    if !class.is_empty() {
        used.insert(format!("{class}{OF_CLASS}persistentvolumeclaims"), one());
        used.extend(storage.map(|amount| (format!("{class}{OF_CLASS}requests.storage"), amount)));
    }
    used
}

/// What a claim for devices uses, by class. Of several choices each class counts with the one that takes the most of it.
pub fn of_device_claim(claim: &ResourceClaim) -> Amounts {
    let mut used = Amounts::from([("count/resourceclaims.resource.k8s.io".to_owned(), one())]);
    let count = |mode: Option<&str>, count: Option<i64>| {
        let count = if mode == Some("All") { DEVICES_MAX } else { count.unwrap_or(0) };
        Quantity::new(count, QuantityFormat::DecimalSi)
    };
    let devices = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    for request in devices.and_then(|devices| devices.requests.as_ref()).into_iter().flatten() {
        let mut most = Amounts::new();
        for one in request.first_available.iter().flatten() {
            let asked = count(one.allocation_mode.as_deref(), one.count);
            let known = most.entry(format!("{}{OF_DEVICE_CLASS}", one.device_class_name)).or_default();
            *known = asked.max(*known);
        }
        if let Some(one) = &request.exactly {
            let asked = count(one.allocation_mode.as_deref(), one.count);
            most.insert(format!("{}{OF_DEVICE_CLASS}", one.device_class_name), asked);
        }
        for (name, amount) in most {
            *used.entry(name).or_default() += amount;
        }
    }
    used
}

/// The amount of storage in whole bytes.
fn storage_of(list: Option<&std::collections::BTreeMap<String, ApiQuantity>>) -> Option<Quantity> {
    let amount = Quantity::from_api(list?.get("storage")?).ok()?;
    Some(if amount.nano() % 1_000_000_000 == 0 { amount } else { Quantity::new(amount.value(), amount.format()) })
}

/// What an object of any other kind uses.
pub fn of_other(info: &KindInfo) -> Amounts {
    let resource = info.group_resource();
    let plain = PLAIN_NAMES.contains(&&*resource).then(|| (resource.clone(), one()));
    plain.into_iter().chain([(format!("count/{resource}"), one())]).collect()
}

fn one() -> Quantity {
    Quantity::new(1, QuantityFormat::DecimalSi)
}

/// What the containers of a pod do not say and must, because a quota limits it.
pub fn unsaid<'t>(spec: &PodSpec, limited: impl Iterator<Item = &'t str>) -> Option<String> {
    if pod_total::speaks_as_a_whole(spec) {
        return None;
    }
    let missing = limited.filter(|name| MUST_BE_SAID.contains(name)).filter_map(|name| {
        let silent = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let names: BTreeSet<&str> =
            silent.filter(|container| !says(container, name)).map(|container| container.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        (!names.is_empty()).then(|| format!("{name} for: {}", names.join(",")))
    });
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| format!("must specify {}", missing.join("; ")))
}

fn says(container: &Container, name: &str) -> bool {
    let Some(resources) = &container.resources else { return false };
    let (list, name) = match name.strip_prefix("limits.") {
        Some(name) => (&resources.limits, name),
        None => (&resources.requests, name.strip_prefix("requests.").unwrap_or(name)),
    };
    list.as_ref().is_some_and(|list| list.contains_key(name))
}

/// Amounts as messages name them: `pods=1,requests.cpu=500m`.
pub fn shown<'a>(amounts: impl Iterator<Item = (&'a str, Quantity)>) -> String {
    amounts.map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
