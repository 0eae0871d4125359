//! Devices that pods claim (`resource.k8s.io`): which claim a pod means, who may use one, and what goes with that.
//!
//! A pod names a claim (`resourceClaimName`), or a template of which one is made for it (`resourceClaimTemplateName`);
//! what that one is called stands in the pod's status.

pub(crate) mod selector;

use k8s_openapi::api::core::v1::{PodExtendedResourceClaimStatus, PodResourceClaim, PodSpec};
use k8s_openapi::api::resource::v1::{
    AllocatedDeviceStatus, DeviceRequestAllocationResult, DeviceTaint, DeviceToleration, ResourceClaim,
    ResourceClaimConsumerReference, ResourceClaimStatus,
};

use crate::ids::Uid;
use crate::object::validation::resources::is_extended;
use crate::store::{Meta, PodBody, PodState};

/// The finalizer of a claim that has devices.
pub const FINALIZER: &str = "resource.kubernetes.io/delete-protection";
/// What the pod calls a claim that was made for it.
pub const POD_CLAIM_NAME: &str = "resource.kubernetes.io/pod-claim-name";
/// The annotation of a claim for extended resources, which says `true`.
pub const FOR_EXTENDED: &str = "resource.kubernetes.io/extended-resource-claim";
/// What the name of an extended resource begins with that a class has without saying so; the name of the class follows.
pub const CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";
/// How many may use a claim at once.
pub const CONSUMERS_MAX: usize = 256;
/// How much of a generated name comes before the five random letters.
const BASE_MAX: usize = 57;

/// Which claim a pod means by an entry of `spec.resourceClaims`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant<'p> {
    /// This one, whoever made it.
    Named(&'p str),
    /// This one, which was made for the pod.
    Made(&'p str),
    /// One that is still to be made.
    NotMade,
    /// None: it turned out that it needs none.
    None,
}

impl<'p> Meant<'p> {
    /// The name of the claim, where it has one.
    pub const fn name(self) -> Option<&'p str> {
        match self {
            Self::Named(name) | Self::Made(name) => Some(name),
            Self::NotMade | Self::None => None,
        }
    }
}

/// Which claim a pod with this status means.
pub fn meant<'p>(claim: &'p PodResourceClaim, state: &'p PodState) -> Meant<'p> {
    if let Some(name) = &claim.resource_claim_name {
        return Meant::Named(name);
    }
    let record = state.resource_claims.iter().find(|record| *record.name == *claim.name);
    match record.map(|record| record.claim.as_deref()) {
        Some(Some(name)) => Meant::Made(name),
        Some(None) => Meant::None,
        None => Meant::NotMade,
    }
}

/// What a pod says of claims; most say nothing.
pub fn claims_of(spec: &PodSpec) -> &[PodResourceClaim] {
    spec.resource_claims.as_deref().unwrap_or_default()
}

/// The names of the claims that a pod uses, as far as they are known.
pub fn names_of(pod: &PodBody) -> impl Iterator<Item = &str> {
    let named = claims_of(&pod.spec).iter().filter_map(|claim| meant(claim, &pod.state).name());
    named.chain(extended_of(&pod.state).map(|status| status.resource_claim_name.as_str()))
}

/// Which claim a pod has for its extended resources, where classes of devices have them.
pub fn extended_of(state: &PodState) -> Option<&PodExtendedResourceClaimStatus> {
    state.extended_claim.as_deref()
}

/// Whether a resource may be one that a class of devices has.
pub fn may_be_of_class(resource: &str) -> bool {
    resource.starts_with(CLASS_PREFIX) || is_extended(resource)
}

/// Why a pod cannot use a claim that stands in its status, if it cannot: it must have been made for it.
pub fn not_made_for(pod: &Meta, claim: &Meta) -> Option<String> {
    let is_owner = claim.controller_uid() == Some(pod.uid);
    (!is_owner)
        .then(|| format!("ResourceClaim {} was not created for pod {} (pod is not owner)", claim.path(), pod.path()))
}

/// Whether a claim has devices.
pub fn is_allocated(claim: &ResourceClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| status.allocation.is_some())
}

/// Who may use a claim.
pub fn consumers(claim: &ResourceClaim) -> &[ResourceClaimConsumerReference] {
    claim.status.as_ref().and_then(|status| status.reserved_for.as_deref()).unwrap_or_default()
}

/// Whether this pod may use a claim.
pub fn is_reserved_for(claim: &ResourceClaim, pod: Uid) -> bool {
    let uid = pod.to_string();
    consumers(claim).iter().any(|consumer| consumer.uid == uid)
}

/// Whether one more may use it.
pub fn can_be_reserved(claim: &ResourceClaim) -> bool {
    consumers(claim).len() < CONSUMERS_MAX
}

/// How far the devices of a claim are that their drivers make ready once they are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All of them, or there are none of the kind.
    Ready,
    /// Some are not ready yet.
    Waiting,
    /// One cannot be made ready: why, in upstream's words.
    Failed(String),
}

/// How far the devices of a claim are, by what their drivers say in `status.devices`.
pub fn readiness(claim: &ResourceClaim) -> Readiness {
    let Some(status) = &claim.status else { return Readiness::Waiting };
    let results = status.allocation.as_ref().and_then(|allocation| allocation.devices.as_ref()?.results.as_ref());
    for given in results.into_iter().flatten().filter(|given| waits_for_binding(given)) {
        let is_it = |one: &&AllocatedDeviceStatus| {
            one.device == given.device && one.driver == given.driver && one.pool == given.pool
        };
        let Some(said) = status.devices.iter().flatten().find(is_it) else { return Readiness::Waiting };
        let holds = |name: &String| {
            let mut conditions = said.conditions.iter().flatten();
            conditions.find(|condition| condition.type_ == *name && condition.status == "True")
        };
        if let Some(failed) = given.binding_failure_conditions.iter().flatten().find_map(holds) {
            let (name, reason) = (claim.metadata.name.as_deref().unwrap_or_default(), &failed.reason);
            let why = format!("claim {name} binding failed: reason={reason}, message={:?}", failed.message);
            return Readiness::Failed(why);
        }
        if !given.binding_conditions.iter().flatten().all(|name| holds(name).is_some()) {
            return Readiness::Waiting;
        }
    }
    Readiness::Ready
}

/// Whether a device that was given is to be made ready before its pod is bound.
pub fn waits_for_binding(given: &DeviceRequestAllocationResult) -> bool {
    given.binding_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty())
}

/// Lets a pod use a claim.
pub fn reserve(status: &mut ResourceClaimStatus, pod: &Meta) {
    status.reserved_for.get_or_insert_default().push(ResourceClaimConsumerReference {
        api_group: None,
        name: pod.name.to_string(),
        resource: "pods".to_owned(),
        uid: pod.uid.to_string(),
    });
}

/// Gives the devices of a claim back; what was said of them goes too.
pub fn deallocate(status: &mut ResourceClaimStatus) {
    *status = ResourceClaimStatus::default();
}

/// Whether a toleration is for this taint.
pub fn tolerates(toleration: &DeviceToleration, taint: &DeviceTaint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (effect, key) = (text(&toleration.effect), text(&toleration.key));
    (effect.is_empty() || effect == taint.effect)
        && (key.is_empty() || key == taint.key)
        && match toleration.operator.as_deref() {
            Some("Exists") => true,
            None | Some("" | "Equal") => text(&toleration.value) == text(&taint.value),
            Some(_) => false,
        }
}

/// What the name of a claim that is made for a pod begins with: of long names both parts are cut short alike.
pub fn name_base(pod: &str, claim: &str) -> String {
    let whole = format!("{pod}-{claim}-");
    let long = whole.len();
    if long <= BASE_MAX {
        return whole;
    }
    let cut = |name: &str| name.chars().take(name.len() * BASE_MAX / long).collect::<String>();
    format!("{}-{}", cut(pod), cut(claim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_generated_claims_keep_a_part_of_both_names() {
        assert_eq!(name_base("web-0", "gpu"), "web-0-gpu-");
        let long = name_base(&"p".repeat(80), &"c".repeat(20));
        assert_eq!(long, format!("{}-{}", "p".repeat(80 * 57 / 102), "c".repeat(20 * 57 / 102)));
        assert!(long.len() <= 57);
    }
}
