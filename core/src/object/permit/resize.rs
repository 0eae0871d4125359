//! A pod that has a node is resized only if the node says that it can follow.

use k8s_openapi::api::core::v1::{Container, Node, Pod, PodSpec};

use super::super::mutate::{Refusal, Surroundings, one};
use crate::object::quantity::Quantity;
use crate::object::wire::same;

/// What a node declares that can give a container more or less CPU while it runs, even one that has processors of its own.
const CPU: &str = "GuaranteedQoSPodCPUResize";
/// What a node declares that can change the resources of a pod as a whole.
const POD_LEVEL: &str = "InPlacePodLevelResourcesVerticalScaling";
/// What a node declares that can change the resources of init containers that end.
const INIT: &str = "InPlacePodVerticalScalingInitContainers";

/// Whether the node of `old`, if it has one, can do what `new` asks of it.
pub(super) fn can_follow(new: &Pod, old: &Pod, around: &(impl Surroundings + ?Sized)) -> Result<(), Refusal> {
    let (Some(after), Some(before)) = (&new.spec, &old.spec) else { return Ok(()) };
    let Some(name) = after.node_name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
    let has_other_cpu =
        after.containers.iter().zip(&before.containers).any(|(after, before)| cpu(after) != cpu(before));
    let is_other_whole = !same(&after.resources, &before.resources);
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    let has_other_init = init(after).iter().zip(&init(before)).any(|(after, before)| {
        before.restart_policy.as_deref() != Some("Always") && !same(&after.resources, &before.resources)
    });
    if !has_other_cpu && !is_other_whole && !has_other_init {
        return Ok(());
    }
    // As upstream: whatever the node would have to declare, it must be there.
    let Some(node) = one::<Node>(around, "", name) else { return Err(Refusal(format!("node \"{name}\" not found"))) };
    let class = old.status.as_ref().and_then(|status| status.qos_class.as_deref());
    let may_be_exclusive = class.is_none_or(|class| class == "Guaranteed");
    let mut needed = Vec::new();
    if has_other_cpu && may_be_exclusive {
        needed.push(CPU);
    }
    if is_other_whole {
        needed.push(POD_LEVEL);
    }
    if has_other_init {
        needed.push(INIT);
    }
    let declared = node.status.as_ref().and_then(|status| status.declared_features.as_deref()).unwrap_or_default();
    needed.retain(|feature| !declared.iter().any(|declared| declared == feature));
    if needed.is_empty() {
        return Ok(());
    }
    let needed = needed.join(", ");
    Err(Refusal(format!("pod update requires features {needed} which are not available on node \"{name}\"")))
}

fn cpu(container: &Container) -> Option<Quantity> {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref())?;
    Quantity::from_api(requests.get("cpu")?).ok()
}
