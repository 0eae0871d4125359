//! What is asked of whoever makes volumes, and what is written when it is done: the same for directories on nodes
//! (`node_local`) and for provisioners of the embedding program (`kernel::provisioning`).
//!
//! The data of a volume goes before its object: [`released`] marks a volume for deletion, the data is removed, and
//! [`let_go`] takes the finalizer off.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::control::{Action, MetaEdit, Propagation, Target};
use crate::object::{kind, storage};
use crate::store::{EventDraft, Meta, Object, Snapshot, StringMap};

/// A claim that has no volume yet, and whose provisioner is to make one.
#[derive(Debug)]
pub struct OpenClaim<'w> {
    pub(crate) object: &'w Arc<Object>,
    pub(crate) claim: &'w PersistentVolumeClaim,
    pub(crate) class: &'w StorageClass,
}

/// A claim that asks for more than it has, and its volume.
#[derive(Debug)]
pub struct SmallClaim<'w> {
    pub(crate) object: &'w Arc<Object>,
    pub(crate) claim: &'w PersistentVolumeClaim,
    pub(crate) of_volume: &'w Arc<Object>,
    pub(crate) volume: &'w PersistentVolume,
    pub(crate) size: ApiQuantity,
}

/// The name of the volume that is made for a claim: always the same, so that none is made twice.
pub(crate) fn name(claim: &Meta) -> String {
    format!("pvc-{}", claim.uid)
}

/// Who is to make the volume of a claim, or has made this one.
pub(crate) fn provisioner(object: &Object) -> Option<&str> {
    let key = if object.meta.kind == kind::PERSISTENT_VOLUME {
        storage::PROVISIONED_BY
    } else {
        storage::STORAGE_PROVISIONER[0]
    };
    object.meta.annotations.get(key).map(String::as_str)
}

/// Whether this claim is to get a volume from this provisioner now.
pub(crate) fn open<'w>(snapshot: &'w Snapshot, object: &'w Arc<Object>, by: &str) -> Option<OpenClaim<'w>> {
    let claim: &PersistentVolumeClaim = object.typed()?;
    let annotations = &object.meta.annotations;
    let is_open = storage::volume_name(claim).is_none()
        && provisioner(object) == Some(by)
        && !annotations.contains_key(storage::BIND_COMPLETED)
        && !object.meta.is_deleting();
    let class = snapshot.find(kind::STORAGE_CLASS, "", storage::class_of_claim(claim)).filter(|_| is_open)?;
    let class: &StorageClass = class.typed()?;
    let is_due = class.provisioner == by
        && (annotations.contains_key(storage::SELECTED_NODE) || !storage::waits_for_consumer(class))
        && snapshot.find(kind::PERSISTENT_VOLUME, "", &name(&object.meta)).is_none();
    is_due.then_some(OpenClaim { object, claim, class })
}

/// Whether this claim is bound to a volume of this provisioner that is to grow.
pub(crate) fn small<'w>(snapshot: &'w Snapshot, object: &'w Arc<Object>, by: &str) -> Option<SmallClaim<'w>> {
    let claim: &PersistentVolumeClaim = object.typed()?;
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let of_volume = snapshot.find(kind::PERSISTENT_VOLUME, "", storage::volume_name(claim)?)?;
    let volume: &PersistentVolume = of_volume.typed().filter(|_| provisioner(of_volume) == Some(by))?;
    let size = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?.clone();
    let is_small = phase == Some("Bound")
        && !object.meta.is_deleting()
        && storage::is_reserved_for(volume, &object.meta)
        && storage::given(claim) < storage::requested(claim);
    is_small.then_some(SmallClaim { object, claim, of_volume, volume, size })
}

/// Whether the data of a volume is to be removed now: nobody has it any more, and nobody wants to keep it.
pub(crate) fn is_to_be_emptied(object: &Object) -> bool {
    is_held(object) && object.typed().is_some_and(|volume| policy_of(volume) == "Delete")
}

/// Whether a volume that is going waits for its provisioner only.
fn is_held(object: &Object) -> bool {
    object.meta.is_deleting()
        && object.meta.finalizers.iter().any(|finalizer| finalizer == storage::PROVISIONER_FINALIZER)
        && object.typed().is_some_and(|volume| phase_of(volume) != "Bound")
}

/// The deletion of a volume whose claim is gone, where it goes with it.
pub(crate) fn released(object: &Object) -> Option<Action> {
    let volume: &PersistentVolume = object.typed()?;
    let is_due = !object.meta.is_deleting() && phase_of(volume) == "Released" && policy_of(volume) == "Delete";
    let target = Target::seen(object);
    is_due.then_some(Action::Delete {
        target,
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: None,
    })
}

/// Lets a volume go whose data stays with somebody else.
pub(crate) fn kept(object: &Object) -> Option<Action> {
    (is_held(object) && !is_to_be_emptied(object)).then(|| let_go(object))
}

/// Takes the finalizer off.
pub(crate) fn let_go(object: &Object) -> Action {
    let others = object.meta.finalizers.iter().filter(|finalizer| *finalizer != storage::PROVISIONER_FINALIZER);
    let edit = MetaEdit { finalizers: Some(others.cloned().collect()), ..MetaEdit::default() };
    Action::EditMeta { target: Target::seen(object), edit }
}

/// Lets the scheduler choose another node for the claim.
pub(crate) fn choose_again(open: &OpenClaim<'_>) -> Option<Action> {
    open.object.meta.annotations.get(storage::SELECTED_NODE)?;
    let edit = MetaEdit { annotations: vec![(storage::SELECTED_NODE.to_owned(), None)], ..MetaEdit::default() };
    Some(Action::EditMeta { target: Target::seen(open.object), edit })
}

/// The volume for a claim: what its provisioner said, and what follows from claim and class.
pub(crate) fn volume(open: &OpenClaim<'_>, said: PersistentVolumeSpec) -> PersistentVolume {
    let wanted = open.claim.spec.clone().unwrap_or_default();
    let requests = wanted.resources.and_then(|resources| resources.requests).unwrap_or_default();
    let size = requests.into_iter().filter(|(resource, _)| resource == "storage").collect();
    let by = open.class.provisioner.clone();
    PersistentVolume {
        metadata: ObjectMeta {
            name: Some(name(&open.object.meta)),
            annotations: Some(StringMap::from([(storage::PROVISIONED_BY.to_owned(), by)])),
            finalizers: Some(vec![storage::PROVISIONER_FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: said.access_modes.or(wanted.access_modes),
            capacity: said.capacity.or(Some(size)),
            claim_ref: Some(storage::reference_to(&open.object.meta)),
            persistent_volume_reclaim_policy: open.class.reclaim_policy.clone(),
            storage_class_name: open.class.metadata.name.clone(),
            volume_mode: said.volume_mode.or(wanted.volume_mode),
            mount_options: said.mount_options.or_else(|| open.class.mount_options.clone()),
            ..said
        }),
        status: None,
    }
}

/// Writes that a volume has grown to the size that its claim asks for.
pub(crate) fn grown(small: &SmallClaim<'_>, by: &'static str) -> Vec<Action> {
    let mut actions = Vec::new();
    if storage::capacity(small.volume) < storage::requested(small.claim) {
        let mut next = small.volume.clone();
        let capacity = next.spec.get_or_insert_default().capacity.get_or_insert_default();
        capacity.insert("storage".to_owned(), small.size.clone());
        let target = Target::seen(small.of_volume);
        actions.push(Action::Update { target, object: Arc::new(next), spec_changed: true });
    }
    let mut next = small.claim.clone();
    let status = next.status.get_or_insert_default();
    status.capacity.get_or_insert_default().insert("storage".to_owned(), small.size.clone());
    actions.push(Action::UpdateStatus { target: Target::seen(small.object), object: Arc::new(next) });
    let event = EventDraft::normal(&small.object.meta, by, "VolumeResizeSuccessful", "Resize volume succeeded");
    actions.push(Action::Emit(Box::new(event)));
    actions
}

/// Says that a volume is being made.
pub(crate) fn begun(open: &OpenClaim<'_>, by: &'static str) -> EventDraft {
    let path = open.object.meta.path();
    let text = format!("External provisioner is provisioning volume for claim {path:?}");
    EventDraft::normal(&open.object.meta, by, "Provisioning", text)
}

/// Says that it was made.
pub(crate) fn succeeded(open: &OpenClaim<'_>, by: &'static str) -> EventDraft {
    let text = format!("Successfully provisioned volume {}", name(&open.object.meta));
    EventDraft::normal(&open.object.meta, by, "ProvisioningSucceeded", text)
}

/// Says why it was not.
pub(crate) fn failed(open: &OpenClaim<'_>, by: &'static str, why: &str) -> EventDraft {
    let class = open.class.metadata.name.as_deref().unwrap_or_default();
    let text = format!("failed to provision volume with StorageClass {class:?}: {why}");
    EventDraft::warning(&open.object.meta, by, "ProvisioningFailed", text)
}

fn phase_of(volume: &PersistentVolume) -> &str {
    volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn policy_of(volume: &PersistentVolume) -> &str {
    let spec = volume.spec.as_ref();
    spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain")
}
