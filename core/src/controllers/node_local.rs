//! The provisioner of directories on the nodes of this process.
//!
//! **The rule**: a claim whose class names this provisioner gets a volume on the node that the scheduler selected for
//! its pod, or on some ready node when the class binds at once. The volume says in its node affinity where it is, so
//! pods follow their data. What is inside is the runtime's business, under the name in `spec.csi.volumeHandle`.
//!
//! The data goes before the object: a volume that was released and is to be deleted is marked, the agent of its node
//! has the data removed, and takes [`storage::PROVISIONER_FINALIZER`] off. Data that is to be kept, and data on a node
//! that does not exist any more, is let go of here.
//!
//! A claim that grows has its volume grow at once: a directory has no size of its own.

mod made;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::control::{Action, Controller, Keys, MetaEdit, Plan, Propagation, Target, Watched};
use crate::error::ApiError;
use crate::ids::{NodeName, Uid};
use crate::object::{kind, storage};
use crate::store::{Change, Draft, EventDraft, Object, Snapshot};
use crate::time::Time;

/// Makes and removes the volumes of nodes of this process.
#[derive(Debug)]
pub struct NodeLocalProvisioner;

/// A claim that wants such a volume, or such a volume.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A claim that has no volume yet.
    Open(OpenClaim<'w>),
    /// A claim that asks for more than its volume has.
    Small {
        /// The claim.
        claim: (&'w Arc<Object>, &'w PersistentVolumeClaim),
        /// Its volume.
        volume: (&'w Arc<Object>, &'w PersistentVolume),
    },
    /// A volume that was made here.
    Volume {
        /// The volume.
        volume: (&'w Arc<Object>, &'w PersistentVolume),
        /// Whether its node exists.
        has_node: bool,
    },
}

/// A claim that has no volume yet.
#[derive(Debug)]
pub struct OpenClaim<'w> {
    object: &'w Arc<Object>,
    claim: &'w PersistentVolumeClaim,
    class: &'w StorageClass,
    /// The node to make it on, when it exists.
    node: Option<&'w Arc<Object>>,
}

impl Controller for NodeLocalProvisioner {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = storage::NODE_LOCAL;

    const WATCHED: &'static [Watched] = &[
        Watched::itself(kind::PERSISTENT_VOLUME_CLAIM),
        Watched::itself(kind::PERSISTENT_VOLUME),
        Watched::kind(kind::NODE, volumes_of_gone_node),
        Watched::kind(kind::NODE, claims_that_wait_for_a_node),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        if let Some(claim) = object.typed::<PersistentVolumeClaim>() {
            return match storage::volume_name(claim) {
                None => open(snapshot, object, claim).map(Observed::Open),
                Some(name) => small(snapshot, object, claim, name),
            };
        }
        let volume = made_here(object)?;
        let node = object.meta.annotations.get(storage::ON_NODE);
        let has_node = node.is_some_and(|node| snapshot.find(kind::NODE, "", node).is_some());
        Some(Observed::Volume { volume: (object, volume), has_node })
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        match observed {
            Observed::Open(open) => make(open),
            Observed::Small { claim, volume } => grow(*claim, *volume),
            Observed::Volume { volume: (object, volume), has_node } => reclaim(object, volume, *has_node),
        }
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        if let Observed::Open(open) = observed {
            plan.push(failed(open, &error.to_string()));
        }
        plan
    }
}

/// A volume of this provisioner.
pub(crate) fn made_here(object: &Object) -> Option<&PersistentVolume> {
    let by = object.meta.annotations.get(storage::PROVISIONED_BY)?;
    if by == storage::NODE_LOCAL { object.typed() } else { None }
}

/// A volume of this provisioner whose data is to be removed now: nobody has it any more.
pub(crate) fn is_to_be_emptied(object: &Object) -> bool {
    made_here(object).is_some_and(|volume| {
        object.meta.is_deleting()
            && object.meta.finalizers.iter().any(|finalizer| finalizer == storage::PROVISIONER_FINALIZER)
            && phase_of(volume) != "Bound"
            && policy_of(volume) == "Delete"
    })
}

/// The name under which the runtime of the node keeps a volume's data: only names that this provisioner gives, because
/// what is found under it is removed.
pub(crate) fn handle_of(volume: &PersistentVolume) -> Option<&str> {
    let handle = volume.spec.as_ref()?.csi.as_ref()?.volume_handle.as_str();
    let name = handle.rsplit('/').next()?;
    let is_ours = name.strip_prefix("pvc-").is_some_and(|uid| uid.parse::<Uid>().is_ok());
    let is_plain = !handle.split('/').any(|part| part == "..");
    (is_ours && is_plain).then_some(handle)
}

fn open<'w>(
    snapshot: &'w Snapshot,
    object: &'w Arc<Object>,
    claim: &'w PersistentVolumeClaim,
) -> Option<OpenClaim<'w>> {
    let annotations = &object.meta.annotations;
    let is_wanted = annotations.get(storage::STORAGE_PROVISIONER[0]).is_some_and(|by| by == storage::NODE_LOCAL)
        && !annotations.contains_key(storage::BIND_COMPLETED)
        && !object.meta.is_deleting();
    let class: &StorageClass =
        snapshot.find(kind::STORAGE_CLASS, "", storage::class_of_claim(claim)).filter(|_| is_wanted)?.typed()?;
    let selected = annotations.get(storage::SELECTED_NODE);
    let is_ready = class.provisioner == storage::NODE_LOCAL
        && (selected.is_some() || !storage::waits_for_consumer(class))
        && snapshot.find(kind::PERSISTENT_VOLUME, "", &made::name(&object.meta)).is_none();
    if !is_ready {
        return None;
    }
    let node = match selected {
        Some(name) => snapshot.find(kind::NODE, "", name),
        None => made::some_node(snapshot.list(kind::NODE), class, object.meta.uid),
    };
    Some(OpenClaim { object, claim, class, node })
}

fn small<'w>(
    snapshot: &'w Snapshot,
    object: &'w Arc<Object>,
    claim: &'w PersistentVolumeClaim,
    name: &str,
) -> Option<Observed<'w>> {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let volume = snapshot.find(kind::PERSISTENT_VOLUME, "", name)?;
    let typed = made_here(volume)?;
    let is_small = phase == Some("Bound")
        && !object.meta.is_deleting()
        && storage::is_reserved_for(typed, &object.meta)
        && storage::given(claim) < storage::requested(claim);
    is_small.then_some(Observed::Small { claim: (object, claim), volume: (volume, typed) })
}

fn make(open: &OpenClaim<'_>) -> Plan {
    let OpenClaim { object, claim, class, node } = open;
    let mut plan = Plan::nothing();
    let say = |reason, text: String| {
        let event = EventDraft::normal(&object.meta, NodeLocalProvisioner::NAME, reason, text);
        Action::Emit(Box::new(event))
    };
    if let Err(why) = made::can_make(claim, class) {
        plan.push(failed(open, why));
        plan.waiting_on = Some(crate::control::WaitingOn::new("a claim that can be served"));
        return plan;
    }
    let Some(node) = node else {
        let selected = object.meta.annotations.get(storage::SELECTED_NODE);
        plan.push(failed(
            open,
            if selected.is_some() { "the selected node does not exist" } else { "no node is ready" },
        ));
        if selected.is_some() {
            // The scheduler chooses another one.
            let annotations = vec![(storage::SELECTED_NODE.to_owned(), None)];
            let edit = MetaEdit { annotations, ..MetaEdit::default() };
            plan.push(Action::EditMeta { target: Target::seen(object), edit });
        }
        plan.waiting_on = Some(crate::control::WaitingOn::new("a node"));
        return plan;
    };
    let path = object.meta.path();
    let text = format!("External provisioner is provisioning volume for claim {path:?}");
    plan.push(say("Provisioning", text));
    let volume = made::volume(&object.meta, claim, class, &node.meta);
    plan.push(Action::Create { draft: Box::new(Draft::of(volume)), announce: None });
    let text = format!("Successfully provisioned volume {}", made::name(&object.meta));
    plan.push(say("ProvisioningSucceeded", text));
    plan
}

fn failed(open: &OpenClaim<'_>, why: &str) -> Action {
    let class = open.class.metadata.name.as_deref().unwrap_or_default();
    let text = format!("failed to provision volume with StorageClass {class:?}: {why}");
    let event = EventDraft::warning(&open.object.meta, NodeLocalProvisioner::NAME, "ProvisioningFailed", text);
    Action::Emit(Box::new(event))
}

fn grow(
    (object, claim): (&Arc<Object>, &PersistentVolumeClaim),
    (of_volume, volume): (&Arc<Object>, &PersistentVolume),
) -> Plan {
    let mut plan = Plan::nothing();
    let size = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
    let Some(size) = size.cloned() else { return plan };
    if storage::capacity(volume) < storage::requested(claim) {
        let mut next = volume.clone();
        let capacity = next.spec.get_or_insert_default().capacity.get_or_insert_default();
        capacity.insert("storage".to_owned(), size.clone());
        plan.push(Action::Update { target: Target::seen(of_volume), object: Arc::new(next), spec_changed: true });
    }
    let mut next = claim.clone();
    let status = next.status.get_or_insert_default();
    status.capacity.get_or_insert_default().insert("storage".to_owned(), size);
    plan.push(Action::UpdateStatus { target: Target::seen(object), object: Arc::new(next) });
    let text = "Resize volume succeeded";
    let event = EventDraft::normal(&object.meta, NodeLocalProvisioner::NAME, "VolumeResizeSuccessful", text);
    plan.push(Action::Emit(Box::new(event)));
    plan
}

fn reclaim(object: &Arc<Object>, volume: &PersistentVolume, has_node: bool) -> Plan {
    let mut plan = Plan::nothing();
    let target = Target::seen(object);
    let is_ours = |finalizer: &String| finalizer == storage::PROVISIONER_FINALIZER;
    if !object.meta.is_deleting() {
        if phase_of(volume) == "Released" && policy_of(volume) == "Delete" {
            let propagation = Propagation::Background;
            plan.push(Action::Delete { target, grace_seconds: None, propagation, announce: None });
        }
    } else if object.meta.finalizers.iter().any(is_ours) && phase_of(volume) != "Bound" {
        if has_node && policy_of(volume) == "Delete" && handle_of(volume).is_some() {
            return Plan::wait_on("its node, which removes its data");
        }
        let finalizers = object.meta.finalizers.iter().filter(|one| !is_ours(one)).cloned().collect();
        let edit = MetaEdit { finalizers: Some(finalizers), ..MetaEdit::default() };
        plan.push(Action::EditMeta { target, edit });
    }
    plan
}

fn phase_of(volume: &PersistentVolume) -> &str {
    volume.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn policy_of(volume: &PersistentVolume) -> &str {
    let spec = volume.spec.as_ref();
    spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref()).unwrap_or("Retain")
}

fn volumes_of_gone_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    if change.after().is_none() {
        let node = NodeName::new(Arc::clone(&change.object.meta.name));
        keys.extend(snapshot.volumes_on(&node).map(|volume| volume.meta.uid));
    }
}

/// A node that becomes ready, or goes, concerns the open claims of the classes of this provisioner.
fn claims_that_wait_for_a_node(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let is_ready = |object: &Arc<Object>| object.typed::<Node>().is_some_and(made::is_ready);
    if change.before.as_ref().is_some_and(is_ready) == change.after().is_some_and(is_ready) {
        return;
    }
    for class in snapshot.list(kind::STORAGE_CLASS) {
        if class.typed::<StorageClass>().is_some_and(|class| class.provisioner == storage::NODE_LOCAL) {
            keys.extend(snapshot.open_claims(&class.meta.name).map(|claim| claim.meta.uid));
        }
    }
}
