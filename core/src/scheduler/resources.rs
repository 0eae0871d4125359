//! Amounts of resources as integers, and what a pod asks for.
//!
//! A pod asks for the sum of its containers and sidecars, or for what its init containers need at their most hungry
//! moment, whichever is more; what it says for itself as a whole replaces that, and its overhead is added
//! (`spec.containers[].resources.requests`, `spec.resources.requests`, `spec.overhead`).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use smallvec::SmallVec;

use crate::object::quantity::Quantity;

/// What a container without a CPU request counts for in scores, in thousandths of a core.
const CPU_UNSAID_MILLI: i64 = 100;
/// What a container without a memory request counts for in scores, in bytes (200 MiB).
const MEMORY_UNSAID_BYTES: i64 = 200 * 1024 * 1024;

/// Amounts of resources: CPU in thousandths of a core, memory and storage in bytes, others in their own units.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resources {
    pub(crate) cpu_milli: i64,
    pub(crate) memory: i64,
    pub(crate) ephemeral_storage: i64,
    /// `pods` of a node's allocatable; always 0 in a request.
    pub(crate) pods: i64,
    /// Huge pages, extended resources and attachable volumes, by name.
    pub(crate) scalars: SmallVec<[(Arc<str>, i64); 1]>,
}

impl Resources {
    /// Reads a resource list; what is no quantity counts for nothing (admission refuses it).
    pub(crate) fn from_api(list: Option<&BTreeMap<String, ApiQuantity>>) -> Self {
        let mut resources = Self::default();
        for (name, quantity) in list.into_iter().flatten() {
            let quantity = Quantity::from_api(quantity).unwrap_or(Quantity::ZERO);
            match name.as_str() {
                "cpu" => resources.cpu_milli = quantity.as_milli(),
                "memory" => resources.memory = quantity.value(),
                "ephemeral-storage" => resources.ephemeral_storage = quantity.value(),
                "pods" => resources.pods = quantity.value(),
                other => *resources.scalar_mut(other) = quantity.value(),
            }
        }
        resources
    }

    /// The amount of a resource that has no field of its own.
    pub(crate) fn scalar(&self, name: &str) -> i64 {
        self.scalars.iter().find(|(known, _)| **known == *name).map_or(0, |(_, amount)| *amount)
    }

    fn scalar_mut(&mut self, name: &str) -> &mut i64 {
        let index = match self.scalars.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(index) => index,
            Err(index) => {
                self.scalars.insert(index, (name.into(), 0));
                index
            }
        };
        &mut self.scalars[index].1
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_zero(&self) -> bool {
        self.cpu_milli == 0
            && self.memory == 0
            && self.ephemeral_storage == 0
            && self.scalars.iter().all(|(_, amount)| *amount == 0)
    }

    /// Whether there is more of something that is wanted in the second than in the first.
    pub(crate) fn is_less_short(&self, first: &Self, second: &Self) -> bool {
        let of_scalar = |(name, wanted): &(Arc<str>, i64)| *wanted > 0 && second.scalar(name) > first.scalar(name);
        (self.cpu_milli > 0 && second.cpu_milli > first.cpu_milli)
            || (self.memory > 0 && second.memory > first.memory)
            || (self.ephemeral_storage > 0 && second.ephemeral_storage > first.ephemeral_storage)
            || self.scalars.iter().any(of_scalar)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.combine(other, i64::saturating_add);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.combine(other, i64::saturating_sub);
    }

    fn raise_to(&mut self, other: &Self) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Self, with: impl Fn(i64, i64) -> i64) {
        self.cpu_milli = with(self.cpu_milli, other.cpu_milli);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalars {
            let mine = self.scalar_mut(name);
            *mine = with(*mine, *amount);
        }
    }
}

/// CPU and memory as the scores see them: a container that asks for nothing counts for a little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Weight {
    pub(crate) cpu_milli: i64,
    pub(crate) memory: i64,
}

/// What a pod asks for: the amounts that must fit, and the amounts that scores are made from.
pub(crate) fn requests_of(spec: &PodSpec) -> (Resources, Weight) {
    let requests = total(spec, container_requests);
    let whole = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let cpu_unsaid = whole.is_none() || requests.cpu_milli == 0;
    let memory_unsaid = whole.is_none() || requests.memory == 0;
    let weighed = total(spec, |container| {
        let said = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        let says = |name: &str| said.is_some_and(|list| list.contains_key(name));
        let mut requests = container_requests(container);
        if cpu_unsaid && !says("cpu") {
            requests.cpu_milli = CPU_UNSAID_MILLI;
        }
        if memory_unsaid && !says("memory") {
            requests.memory = MEMORY_UNSAID_BYTES;
        }
        requests
    });
    (requests, Weight { cpu_milli: weighed.cpu_milli, memory: weighed.memory })
}

fn container_requests(container: &Container) -> Resources {
    Resources::from_api(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
}

fn total(spec: &PodSpec, of: impl Fn(&Container) -> Resources) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&of(container));
    }
    // A sidecar starts in its turn among the init containers and stays.
    let mut sidecars = Resources::default();
    let mut peak = Resources::default();
    for container in spec.init_containers.iter().flatten() {
        let mut moment = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&moment);
            peak.raise_to(&sidecars);
        } else {
            moment.add(&sidecars);
            peak.raise_to(&moment);
        }
    }
    running.add(&sidecars);
    running.raise_to(&peak);
    replace_by_whole(&mut running, spec);
    running.add(&Resources::from_api(spec.overhead.as_ref()));
    running.pods = 0;
    running
}

/// What the pod requests for itself as a whole stands instead of what its containers add up to.
fn replace_by_whole(sum: &mut Resources, spec: &PodSpec) {
    let Some(list) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) else { return };
    let whole = Resources::from_api(Some(list));
    if list.contains_key("cpu") {
        sum.cpu_milli = whole.cpu_milli;
    }
    if list.contains_key("memory") {
        sum.memory = whole.memory;
    }
    for (name, amount) in &whole.scalars {
        *sum.scalar_mut(name) = *amount;
    }
}
