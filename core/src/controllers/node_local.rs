//! The provisioner of directories on the nodes of this process.
//!
//! **The rule**: a claim whose class names this provisioner gets a volume on the node that the scheduler selected for
//! its pod, or on some ready node when the class binds at once. The volume says in its node affinity where it is, so
//! pods follow their data. What is inside is the runtime's business, under the name in `spec.csi.volumeHandle`.
//!
//! A volume that goes has its data removed by the agent of its node. Data that is to be kept, and data on a node that
//! does not exist any more, is let go of here. A claim that grows has its volume grow at once: a directory has no size
//! of its own.

mod made;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use k8s_openapi::api::storage::v1::StorageClass;

use super::provisioning::{self, OpenClaim, SmallClaim};
use crate::control::{Action, Controller, Keys, Plan, WaitingOn, Watched};
use crate::error::ApiError;
use crate::ids::{NodeName, Uid};
use crate::object::{kind, storage};
use crate::store::{Change, Draft, Object, Snapshot};
use crate::time::Time;

/// Makes and removes the volumes of nodes of this process.
#[derive(Debug)]
pub struct NodeLocalProvisioner;

/// A claim that wants such a volume, or such a volume.
#[derive(Debug)]
pub enum Observed<'w> {
    /// A claim that has no volume yet, and the node to make it on, when it exists.
    Open(OpenClaim<'w>, Option<&'w Arc<Object>>),
    /// A claim that asks for more than its volume has.
    Small(SmallClaim<'w>),
    /// A volume that was made here, and whether its node exists.
    Volume(&'w Arc<Object>, bool),
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
        if let Some(open) = provisioning::open(snapshot, object, Self::NAME) {
            let node = match object.meta.annotations.get(storage::SELECTED_NODE) {
                Some(name) => snapshot.find(kind::NODE, "", name),
                None => made::some_node(snapshot.list(kind::NODE), open.class, object.meta.uid),
            };
            return Some(Observed::Open(open, node));
        }
        if let Some(small) = provisioning::small(snapshot, object, Self::NAME) {
            return Some(Observed::Small(small));
        }
        made_here(object)?;
        let node = object.meta.annotations.get(storage::ON_NODE);
        let has_node = node.is_some_and(|node| snapshot.find(kind::NODE, "", node).is_some());
        Some(Observed::Volume(object, has_node))
    }

    fn decide(observed: &Observed<'_>, _: Time) -> Plan {
        match observed {
            Observed::Open(open, node) => make(open, *node),
            Observed::Small(small) => Plan { actions: provisioning::grown(small, Self::NAME), ..Plan::default() },
            Observed::Volume(object, has_node) => reclaim(object, *has_node),
        }
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, _: Time) -> Plan {
        let mut plan = Plan::nothing();
        if let Observed::Open(open, _) = observed {
            plan.push(Action::Emit(Box::new(provisioning::failed(open, Self::NAME, &error.to_string()))));
        }
        plan
    }
}

/// A volume of this provisioner.
fn made_here(object: &Object) -> Option<&PersistentVolume> {
    object.typed().filter(|_| provisioning::provisioner(object) == Some(storage::NODE_LOCAL))
}

/// The name under which the node keeps the data of a volume of ours that is to be emptied.
pub(crate) fn to_be_emptied(object: &Object) -> Option<&str> {
    made_here(object).filter(|_| provisioning::is_to_be_emptied(object)).and_then(handle_of)
}

/// The name under which the runtime of the node keeps a volume's data: only names that this provisioner gives, because
/// what is found under it is removed.
fn handle_of(volume: &PersistentVolume) -> Option<&str> {
    let handle = volume.spec.as_ref()?.csi.as_ref()?.volume_handle.as_str();
    let name = handle.rsplit('/').next()?;
    let is_ours = name.strip_prefix("pvc-").is_some_and(|uid| uid.parse::<Uid>().is_ok());
    let is_plain = !handle.split('/').any(|part| part == "..");
    (is_ours && is_plain).then_some(handle)
}

fn make(open: &OpenClaim<'_>, node: Option<&Arc<Object>>) -> Plan {
    let mut plan = Plan::nothing();
    let by = NodeLocalProvisioner::NAME;
    let say = |event| Action::Emit(Box::new(event));
    if let Err(why) = made::can_make(open) {
        plan.push(say(provisioning::failed(open, by, why)));
        plan.waiting_on = Some(WaitingOn::new("a claim that can be served"));
        return plan;
    }
    let Some(node) = node else {
        let choice = provisioning::choose_again(open);
        let why = if choice.is_some() { "the selected node does not exist" } else { "no node is ready" };
        plan.push(say(provisioning::failed(open, by, why)));
        plan.actions.extend(choice);
        plan.waiting_on = Some(WaitingOn::new("a node"));
        return plan;
    };
    plan.push(say(provisioning::begun(open, by)));
    plan.push(Action::Create { draft: Box::new(Draft::of(made::volume(open, &node.meta))), announce: None });
    plan.push(say(provisioning::succeeded(open, by)));
    plan
}

fn reclaim(object: &Arc<Object>, has_node: bool) -> Plan {
    let next = provisioning::released(object).or_else(|| provisioning::kept(object));
    let next = next.or_else(|| {
        let is_lost = provisioning::is_to_be_emptied(object) && !(has_node && to_be_emptied(object).is_some());
        is_lost.then(|| provisioning::let_go(object))
    });
    match next {
        Some(action) => Plan { actions: vec![action], ..Plan::default() },
        None if provisioning::is_to_be_emptied(object) => Plan::wait_on("its node, which removes its data"),
        None => Plan::nothing(),
    }
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
