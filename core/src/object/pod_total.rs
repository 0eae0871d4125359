//! What a pod asks for, and may use, as a whole.
//!
//! **The rule** (`component-helpers/resource`): its containers and sidecars together, or an init container and the sidecars
//! before it where that is more. What the pod says for itself as a whole replaces that, and its overhead is added.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::quantity::Quantity;

/// Amounts of resources by their names.
pub type Amounts = BTreeMap<String, Quantity>;

/// Which of the two lists of a container is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `resources.requests`
    Requests,
    /// `resources.limits`
    Limits,
}

impl List {
    fn of(self, resources: Option<&ResourceRequirements>) -> Option<&BTreeMap<String, ApiQuantity>> {
        let resources = resources?;
        match self {
            Self::Requests => resources.requests.as_ref(),
            Self::Limits => resources.limits.as_ref(),
        }
    }
}

/// All that the pod requests: `spec.overhead` included.
pub fn requests(spec: &PodSpec) -> Amounts {
    let mut total = without_overhead(spec, List::Requests);
    add(&mut total, spec.overhead.as_ref());
    total
}

/// All that the pod may use; overhead counts where there is a limit that it adds to.
pub fn limits(spec: &PodSpec) -> Amounts {
    let mut total = without_overhead(spec, List::Limits);
    for (name, amount) in amounts(spec.overhead.as_ref()) {
        if let Some(total) = total.get_mut(name).filter(|total| !total.is_zero()) {
            *total += amount;
        }
    }
    total
}

/// What the pod says for itself as a whole, and what its containers say together of all else.
pub fn without_overhead(spec: &PodSpec, list: List) -> Amounts {
    let mut total = of_containers(spec, list);
    for (name, amount) in amounts(list.of(spec.resources.as_ref())).filter(|(name, _)| is_of_pod(name)) {
        total.insert(name.to_owned(), amount);
    }
    total
}

/// What the containers say together.
pub fn of_containers(spec: &PodSpec, list: List) -> Amounts {
    let of = |container: &'_ Container| owned(list.of(container.resources.as_ref()));
    let mut total = Amounts::new();
    for container in &spec.containers {
        merge(&mut total, of(container), |total, more| *total += more);
    }
    // A sidecar starts in its turn among the init containers, and stays.
    let mut sidecars = Amounts::new();
    let mut peak = Amounts::new();
    for container in spec.init_containers.iter().flatten() {
        let mut moment = sidecars.clone();
        merge(&mut moment, of(container), |total, more| *total += more);
        if container.restart_policy.as_deref() == Some("Always") {
            merge(&mut total, of(container), |total, more| *total += more);
            sidecars.clone_from(&moment);
        }
        merge(&mut peak, moment, |most, moment| *most = (*most).max(moment));
    }
    merge(&mut total, peak, |total, peak| *total = (*total).max(peak));
    total
}

/// Whether the pod says something for itself as a whole.
pub fn speaks_as_a_whole(spec: &PodSpec) -> bool {
    let lists = [List::Requests, List::Limits];
    lists.iter().any(|list| amounts(list.of(spec.resources.as_ref())).any(|(name, _)| is_of_pod(name)))
}

/// What a pod as a whole can ask for.
pub fn is_of_pod(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn add(total: &mut Amounts, list: Option<&BTreeMap<String, ApiQuantity>>) {
    merge(total, owned(list), |total, more| *total += more);
}

fn merge(total: &mut Amounts, more: Amounts, with: impl Fn(&mut Quantity, Quantity)) {
    for (name, amount) in more {
        match total.get_mut(&name) {
            Some(total) => with(total, amount),
            None => {
                total.insert(name, amount);
            }
        }
    }
}

fn owned(list: Option<&BTreeMap<String, ApiQuantity>>) -> Amounts {
    amounts(list).map(|(name, amount)| (name.to_owned(), amount)).collect()
}

/// The amounts that can be read: admission refuses the others.
fn amounts(list: Option<&BTreeMap<String, ApiQuantity>>) -> impl Iterator<Item = (&str, Quantity)> {
    let all = list.into_iter().flatten();
    all.filter_map(|(name, amount)| Some((name.as_str(), Quantity::from_api(amount).ok()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(spec: &Value) -> String {
        let spec: PodSpec = serde_json::from_value(spec.clone()).expect("a pod's spec");
        let text = |amounts: Amounts| {
            let each = amounts.iter().map(|(name, amount)| format!("{name}={amount}"));
            each.collect::<Vec<_>>().join(",")
        };
        format!("{} | {}", text(requests(&spec)), text(limits(&spec)))
    }

    fn container(requests: &Value, limits: &Value) -> Value {
        json!({"name": "c", "resources": {"requests": requests, "limits": limits}})
    }

    #[test]
    fn the_hungriest_moment_counts() {
        let none = json!({});
        let one = container(&json!({"cpu": "1", "memory": "1Gi"}), &json!({"cpu": "2"}));
        let big = container(&json!({"cpu": "2", "x/y": "1"}), &json!({"cpu": "1"}));
        let mut sidecar = container(&json!({"cpu": "500m"}), &json!({"memory": "1Gi"}));
        sidecar["restartPolicy"] = json!("Always");
        for (spec, expected) in [
            (json!({"containers": [{"name": "c"}]}), " | "),
            (json!({"containers": [one, one]}), "cpu=2,memory=2Gi | cpu=4"),
            (json!({"containers": [one], "initContainers": [big]}), "cpu=2,memory=1Gi,x/y=1 | cpu=2"),
            (
                json!({"containers": [one], "initContainers": [big, sidecar]}),
                "cpu=2,memory=1Gi,x/y=1 | cpu=2,memory=1Gi",
            ),
            (
                json!({"containers": [one], "initContainers": [sidecar, big]}),
                "cpu=2500m,memory=1Gi,x/y=1 | cpu=2,memory=1Gi",
            ),
            (
                json!({"containers": [one], "overhead": {"cpu": "100m", "memory": "1Mi"}}),
                "cpu=1100m,memory=1025Mi | cpu=2100m",
            ),
            (
                json!({"containers": [one], "resources": {"requests": {"cpu": "3", "pods": "1"}, "limits": none}}),
                "cpu=3,memory=1Gi | cpu=2",
            ),
        ] {
            assert_eq!(shown(&spec), expected, "{spec}");
        }
    }
}
