//! The claim that is made for the extended resources of a pod, where classes of devices have them: with the binding of the pod,
//! its devices in it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerExtendedResourceRequest, PodExtendedResourceClaimStatus};
use k8s_openapi::api::resource::v1::{
    AllocationResult, DeviceClaim, DeviceRequest, ResourceClaim, ResourceClaimSpec, ResourceClaimStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::extended;
use super::grant::result;
use super::needs::{Demand, Request};
use super::search::Pick;
use super::wanted::requests_on;
use crate::control::plan::{Action, MetaEdit, Propagation, Target};
use crate::hashing::hash_of;
use crate::object::{device, kind};
use crate::scheduler::node_row::NodeRow;
use crate::store::{Object, PodState, Snapshot, StringMap, suffixed};
use crate::time::Time;

/// Such a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What is requested of it.
    pub requests: Vec<DeviceRequest>,
    /// Its devices.
    pub allocation: AllocationResult,
    /// Which containers use which of the requests.
    pub mappings: Vec<ContainerExtendedResourceRequest>,
}

/// What it is on a node, with these devices.
pub(super) fn made_on(demand: &Demand, row: &NodeRow, picks: &[Pick<'_>]) -> Made {
    let requests: Vec<&Request> = requests_on(demand, row).collect();
    let mappings = demand.extended.iter().flat_map(|extended| &extended.mappings);
    let is_made = |mapping: &&ContainerExtendedResourceRequest| {
        requests.iter().any(|request| request.name == mapping.request_name)
    };
    Made {
        requests: requests.iter().copied().map(extended::to_api).collect(),
        allocation: result((&demand.unmade, row), &requests, &[], picks),
        mappings: mappings.filter(is_made).cloned().collect(),
    }
}

impl Made {
    /// The writes that make it so: the claim, and what the pod says of it.
    pub(crate) fn into_actions(self, object: &Object, at: Target, now: Time) -> Vec<Action> {
        let (meta, Some(pod)) = (&object.meta, object.pod()) else { return Vec::new() };
        let base = format!("{}-extended-resources-", meta.name);
        // Another name with each version of the pod: one that is taken is not tried again.
        let name = suffixed(&base, hash_of((meta.uid, meta.revision)));
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            generate_name: Some(base),
            namespace: Some(meta.namespace.to_string()),
            annotations: Some(StringMap::from([(device::FOR_EXTENDED.to_owned(), "true".to_owned())])),
            finalizers: Some(vec![device::FINALIZER.to_owned()]),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: meta.name.to_string(),
                uid: meta.uid.to_string(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        };
        let allocation = AllocationResult { allocation_timestamp: Some(now.to_api()), ..self.allocation };
        let mut status = ResourceClaimStatus { allocation: Some(allocation), ..ResourceClaimStatus::default() };
        device::reserve(&mut status, meta);
        let devices = DeviceClaim { requests: Some(self.requests), ..DeviceClaim::default() };
        let spec = ResourceClaimSpec { devices: Some(devices) };
        let claim = ResourceClaim { metadata, spec: Some(spec), status: Some(status) };
        let said = PodExtendedResourceClaimStatus { request_mappings: self.mappings, resource_claim_name: name };
        let state = PodState { extended_claim: Some(Box::new(said)), ..pod.state.clone() };
        vec![
            Action::CreateWithStatus { object: Arc::new(claim) },
            Action::UpdatePodState { target: at, state: Box::new(state) },
        ]
    }
}

/// The claim that was made for the extended resources of a pod.
pub(crate) fn made_for<'s>(pod: &Object, snapshot: &'s Snapshot) -> Option<&'s Arc<Object>> {
    let name = &device::extended_of(&pod.pod()?.state)?.resource_claim_name;
    let claim = snapshot.find(kind::RESOURCE_CLAIM, &pod.meta.namespace, name)?;
    device::not_made_for(&pod.meta, &claim.meta).is_none().then_some(claim)
}

/// The writes that take such a claim away again.
pub(crate) fn unmake(claim: &Arc<Object>) -> [Action; 2] {
    let target = Target::seen(claim);
    let others = claim.meta.finalizers.iter().filter(|name| *name != device::FINALIZER).cloned().collect();
    let edit = MetaEdit { finalizers: Some(others), ..MetaEdit::default() };
    let propagation = Propagation::Background;
    [Action::EditMeta { target, edit }, Action::Delete { target, grace_seconds: None, propagation, announce: None }]
}
