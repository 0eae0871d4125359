//! Devices that pods claim (`resource.k8s.io`): which claim a pod means, who may use one, and what goes with that.
//!
//! A pod names a claim (`resourceClaimName`), or a template of which one is made for it (`resourceClaimTemplateName`);
//! what that one is called stands in the pod's status.

pub(crate) mod selector;

use k8s_openapi::api::core::v1::{PodResourceClaim, PodSpec};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimConsumerReference, ResourceClaimStatus};

use crate::ids::Uid;
use crate::store::{Meta, PodBody, PodState};

/// The finalizer of a claim that has devices.
pub const FINALIZER: &str = "resource.kubernetes.io/delete-protection";
/// What the pod calls a claim that was made for it.
pub const POD_CLAIM_NAME: &str = "resource.kubernetes.io/pod-claim-name";
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
    claims_of(&pod.spec).iter().filter_map(|claim| meant(claim, &pod.state).name())
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
