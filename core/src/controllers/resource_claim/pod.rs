//! A pod that claims devices: each of its claims is there, and its status says which they are.
//!
//! A claim is made first and its name written down next, found again by its owner and an annotation: so a pod gets no
//! second one when the first write is all that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodResourceClaim;
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ResourceClaimController;
use crate::control::claim::controller_reference;
use crate::control::{Action, Controller, Plan, Target};
use crate::error::ApiError;
use crate::object::device::{self, Meant};
use crate::object::kind;
use crate::store::{ClaimRecord, Draft, EventDraft, Object, PodBody, Snapshot};

/// A pod and its claims.
#[derive(Debug)]
pub struct View<'w> {
    object: &'w Arc<Object>,
    pod: &'w PodBody,
    wanted: Vec<Wanted<'w>>,
}

/// One entry of `spec.resourceClaims`.
#[derive(Debug)]
struct Wanted<'w> {
    entry: &'w PodResourceClaim,
    meant: Meant<'w>,
    /// The claim that is meant.
    claim: Option<&'w Arc<Object>>,
    /// One that was made for this entry, whatever the pod's status says.
    made: Option<&'w Arc<Object>>,
    template: Option<&'w ResourceClaimTemplate>,
}

impl<'w> View<'w> {
    pub(super) fn of(object: &'w Arc<Object>, snapshot: &'w Snapshot) -> Option<Self> {
        let pod = object.pod().filter(|pod| !object.meta.is_deleting() && !pod.is_finished())?;
        let wanted = device::claims_of(&pod.spec).iter().map(|entry| {
            let (namespace, meant) = (&object.meta.namespace, device::meant(entry, &pod.state));
            let template = entry.resource_claim_template_name.as_deref();
            Wanted {
                entry,
                meant,
                claim: meant.name().and_then(|name| snapshot.find(kind::RESOURCE_CLAIM, namespace, name)),
                made: template.and_then(|_| made_for(object, entry, snapshot)),
                template: template
                    .and_then(|name| snapshot.find(kind::RESOURCE_CLAIM_TEMPLATE, namespace, name)?.typed()),
            }
        });
        Some(Self { object, pod, wanted: wanted.collect() })
    }
}

/// The claim that was made for this entry of a pod.
fn made_for<'w>(pod: &Object, entry: &PodResourceClaim, snapshot: &'w Snapshot) -> Option<&'w Arc<Object>> {
    let mut owned = snapshot.owned_of_kind(pod.meta.uid, kind::RESOURCE_CLAIM);
    owned.find(|claim| {
        let is_controlled = claim.meta.controller_uid() == Some(pod.meta.uid);
        // Old versions of Kubernetes gave a claim this name and no annotation.
        let is_named = || *claim.meta.name == format!("{}-{}", pod.meta.name, entry.name);
        is_controlled
            && claim.meta.annotations.get(device::POD_CLAIM_NAME).map_or_else(is_named, |name| *name == entry.name)
    })
}

impl Wanted<'_> {
    /// Whether the pod has what it asks for, or somebody else is to make it.
    fn is_there(&self, pod: &Object) -> bool {
        match self.meant {
            Meant::Named(_) | Meant::None => true,
            Meant::Made(_) => self.claim.is_some_and(|claim| device::not_made_for(&pod.meta, &claim.meta).is_none()),
            Meant::NotMade => false,
        }
    }
}

pub(super) fn decide(view: &View<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let mut records = view.pod.state.resource_claims.to_vec();
    for wanted in view.wanted.iter().filter(|wanted| !wanted.is_there(view.object)) {
        match (wanted.made, wanted.template) {
            (Some(claim), _) => {
                let record =
                    ClaimRecord { name: wanted.entry.name.as_str().into(), claim: Some(Arc::clone(&claim.meta.name)) };
                records.retain(|other| other.name != record.name);
                records.push(record);
            }
            (None, Some(template)) => plan.push(Action::Create {
                draft: Box::new(Draft::of(claim_of(view.object, wanted.entry, template))),
                announce: None,
            }),
            (None, None) => {
                let template = wanted.entry.resource_claim_template_name.as_deref().unwrap_or_default();
                let missing = format!("resourceclaimtemplate.resource.k8s.io \"{template}\" not found");
                plan.push(failure(view, wanted, &format!("resource claim template \"{template}\": {missing}")));
                // Those behind it wait.
                break;
            }
        }
    }
    if *records != *view.pod.state.resource_claims {
        let mut state = view.pod.state.clone();
        state.resource_claims = records.into();
        plan.push(Action::UpdatePodState { target: Target::seen(view.object), state: Box::new(state) });
    }
    if view.pod.node.is_some() {
        reserve(view, &mut plan);
    }
    plan
}

/// A pod that was bound past the scheduler uses what has devices already.
fn reserve(view: &View<'_>, plan: &mut Plan) {
    let uid = view.object.meta.uid;
    let mut seen = BTreeSet::new();
    for wanted in view.wanted.iter().filter(|wanted| wanted.is_there(view.object)) {
        let Some(object) = wanted.claim.filter(|claim| !claim.meta.is_deleting() && seen.insert(claim.meta.uid)) else {
            continue;
        };
        let Some(claim) = object.typed::<ResourceClaim>() else { continue };
        if device::is_allocated(claim) && !device::is_reserved_for(claim, uid) && device::can_be_reserved(claim) {
            let mut next = claim.clone();
            device::reserve(next.status.get_or_insert_default(), &view.object.meta);
            plan.push(Action::UpdateStatus { target: Target::seen(object), object: Arc::new(next) });
        }
    }
}

pub(super) fn refused(view: &View<'_>, error: &ApiError) -> Plan {
    let mut plan = Plan::nothing();
    let missing = |wanted: &&Wanted<'_>| !wanted.is_there(view.object) && wanted.made.is_none();
    if let Some(wanted) = view.wanted.iter().find(missing) {
        // A claim has no name before it is made: upstream names it all the same.
        plan.push(failure(view, wanted, &format!("create ResourceClaim : {error}")));
    }
    plan
}

fn failure(view: &View<'_>, wanted: &Wanted<'_>, why: &str) -> Action {
    let text = format!("PodResourceClaim {}: {why}", wanted.entry.name);
    let name = ResourceClaimController::NAME;
    Action::Emit(Box::new(EventDraft::warning(&view.object.meta, name, "FailedResourceClaimCreation", text)))
}

fn claim_of(pod: &Object, entry: &PodResourceClaim, template: &ResourceClaimTemplate) -> ResourceClaim {
    let template = template.spec.clone().unwrap_or_default();
    let given = template.metadata.unwrap_or_default();
    let mut annotations: BTreeMap<_, _> = given.annotations.unwrap_or_default();
    annotations.insert(device::POD_CLAIM_NAME.to_owned(), entry.name.clone());
    let metadata = ObjectMeta {
        generate_name: Some(device::name_base(&pod.meta.name, &entry.name)),
        namespace: Some(pod.meta.namespace.to_string()),
        labels: given.labels,
        annotations: Some(annotations),
        owner_references: Some(vec![controller_reference(&pod.meta)]),
        ..ObjectMeta::default()
    };
    ResourceClaim { metadata, spec: template.spec, status: None }
}
