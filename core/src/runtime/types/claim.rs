//! Claims for devices, as a runtime is asked to prepare them.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};

/// A claim whose devices the containers of a pod are to get.
#[derive(Clone, Debug)]
pub struct ClaimConfig {
    /// What the pod calls it: `spec.resourceClaims[].name`. Containers name it in `resources.claims`.
    pub name: Arc<str>,
    /// The claim: which devices it has stands in `status.allocation`, and what their drivers are told.
    pub claim: Arc<ResourceClaim>,
}

impl ClaimConfig {
    /// The devices of the claim.
    pub fn devices(&self) -> &[DeviceRequestAllocationResult] {
        let allocation = self.claim.status.as_ref().and_then(|status| status.allocation.as_ref());
        let devices = allocation.and_then(|allocation| allocation.devices.as_ref());
        devices.and_then(|devices| devices.results.as_deref()).unwrap_or_default()
    }
}
