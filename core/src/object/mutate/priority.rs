//! `Priority`: the number that a pod's priority class stands for.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::{Refusal, Surroundings, all, one};

/// The two classes that a cluster cannot do without.
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// What a class gives to its pods.
struct Given {
    name: Option<String>,
    value: i32,
    policy: Option<String>,
}

/// Writes the priority and the preemption policy of the pod's class into the pod.
///
/// # Errors
/// When there is no such class, or the pod says something else than its class.
pub fn priority(pod: &mut Pod, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let spec = pod.spec.get_or_insert_default();
    let given = match spec.priority_class_name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => named(name, around)?,
        None => default(around),
    };
    if let Some(asked) = spec.priority.filter(|asked| *asked != given.value) {
        return Err(Refusal(format!(
            "the integer value of priority ({asked}) must not be provided in pod spec; priority admission controller \
             computed {} from the given PriorityClass name",
            given.value
        )));
    }
    spec.priority_class_name = given.name;
    spec.priority = Some(given.value);
    if let Some(policy) = given.policy {
        if let Some(asked) = spec.preemption_policy.as_ref().filter(|asked| **asked != policy) {
            return Err(Refusal(format!(
                "the string value of PreemptionPolicy ({asked}) must not be provided in pod spec; priority admission \
                 controller computed {policy} from the given PriorityClass name"
            )));
        }
        spec.preemption_policy = Some(policy);
    }
    Ok(())
}

/// A client that does not know of these two fields cannot take them away.
pub fn keep_priority(pod: &mut Pod, old: &Pod) {
    let (Some(spec), Some(old)) = (&mut pod.spec, &old.spec) else { return };
    spec.priority = spec.priority.or(old.priority);
    if spec.preemption_policy.is_none() {
        spec.preemption_policy.clone_from(&old.preemption_policy);
    }
}

fn named(name: &str, around: &(impl Surroundings + ?Sized)) -> Result<Given, Refusal> {
    let class = one::<PriorityClass>(around, "", name);
    if let Some(class) = class {
        return Ok(of(&class));
    }
    let system = SYSTEM_CLASSES.iter().find(|(system, _)| *system == name);
    let (_, value) = system.ok_or_else(|| Refusal(format!("no PriorityClass with name {name} was found")))?;
    Ok(Given { name: Some(name.to_owned()), value: *value, policy: Some("PreemptLowerPriority".to_owned()) })
}

/// Of several default classes the lowest one; without any a pod has priority 0 and may preempt.
fn default(around: &(impl Surroundings + ?Sized)) -> Given {
    let classes = all::<PriorityClass>(around, "");
    let default = classes
        .iter()
        .filter(|class| class.global_default == Some(true))
        .min_by_key(|class| class.value.unwrap_or_default());
    let none = || Given { name: None, value: 0, policy: Some("PreemptLowerPriority".to_owned()) };
    default.map_or_else(none, |class| of(class))
}

fn of(class: &PriorityClass) -> Given {
    Given {
        name: class.metadata.name.clone(),
        value: class.value.unwrap_or_default(),
        policy: class.preemption_policy.clone().or_else(|| Some("PreemptLowerPriority".to_owned())),
    }
}
