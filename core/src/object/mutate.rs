//! Mutation: what the admission plugins that Kubernetes has on by default change in a new object.
//!
//! They need to look at other objects ([`Surroundings`]) and sometimes refuse ([`Refusal`]). They run in upstream's
//! order: `LimitRanger`, `ServiceAccount`, `TaintNodesByCondition`, `Priority`, `DefaultTolerationSeconds`,
//! `DefaultStorageClass`, `StorageObjectInUseProtection`, `RuntimeClass`, `DefaultIngressClass`, `PodTopologyLabels`.
//! All act on creation; `Priority` and `DefaultTolerationSeconds` also when a pod is replaced ([`on_update`]), and
//! `PodTopologyLabels` when it is created with a node ([`topology_labels`]; bindings see to the rest). Plugins that only
//! judge are in [`permit`](super::permit).

mod classes;
mod limits;
mod node;
mod priority;
mod runtime_class;
mod service_account;
mod tolerations;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::Ingress;

use super::kind::{self, BuiltInKind, KindId, TypedObject};

pub(crate) use classes::{CLAIM_PROTECTION, DEFAULT_STORAGE_CLASS, STORAGE_CLASS_ANNOTATION, VOLUME_PROTECTION};
pub use classes::{best_default, default_ingress_class, default_storage_class, in_use_protection};
pub use limits::default_limits;
pub use node::{TOPOLOGY_LABELS, not_ready_taint, topology_labels};
pub use priority::{keep_priority, priority};
pub use runtime_class::runtime_class;
pub use service_account::service_account;
pub use tolerations::default_tolerations;

/// The other objects of the cluster, as far as mutation looks at them.
pub trait Surroundings {
    /// The object of this kind and name; the namespace of a cluster-wide kind is empty.
    fn get(&self, kind: KindId, namespace: &str, name: &str) -> Option<Arc<dyn TypedObject>>;

    /// All objects of a kind in a namespace, by name; the namespace of a cluster-wide kind is empty.
    fn list(&self, kind: KindId, namespace: &str) -> Vec<Arc<dyn TypedObject>>;
}

/// Some objects, for tests and tools.
impl Surroundings for [Arc<dyn TypedObject>] {
    fn get(&self, kind: KindId, namespace: &str, name: &str) -> Option<Arc<dyn TypedObject>> {
        self.list(kind, namespace).into_iter().find(|object| object.metadata().name.as_deref() == Some(name))
    }

    fn list(&self, kind: KindId, namespace: &str) -> Vec<Arc<dyn TypedObject>> {
        let here = |object: &&Arc<dyn TypedObject>| {
            object.kind_id() == kind && object.metadata().namespace.as_deref().unwrap_or_default() == namespace
        };
        self.iter().filter(here).cloned().collect()
    }
}

/// A plugin does not let the object in: the reason that follows `pods "x" is forbidden: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What a plugin cannot work out for itself.
#[derive(Clone, Copy, Debug)]
pub struct Suffix<'s>(
    /// Five random letters and digits, for the name of the volume with the service account's token.
    pub &'s str,
);

/// Applies all plugins to an object that is about to be created. Its namespace must be set.
///
/// # Errors
/// The first refusal. A missing service account, priority class or runtime class is one.
pub fn on_create(
    object: &mut dyn TypedObject,
    around: &(impl Surroundings + ?Sized),
    suffix: Suffix<'_>,
) -> Result<(), Refusal> {
    let object = object.as_any_mut();
    if let Some(pod) = object.downcast_mut::<Pod>() {
        on_create_pod(pod, around, suffix)
    } else if let Some(node) = object.downcast_mut::<Node>() {
        not_ready_taint(node);
        Ok(())
    } else if let Some(claim) = object.downcast_mut::<PersistentVolumeClaim>() {
        default_storage_class(claim, around);
        in_use_protection(&mut claim.metadata, CLAIM_PROTECTION);
        Ok(())
    } else if let Some(volume) = object.downcast_mut::<PersistentVolume>() {
        in_use_protection(&mut volume.metadata, VOLUME_PROTECTION);
        Ok(())
    } else if let Some(ingress) = object.downcast_mut::<Ingress>() {
        default_ingress_class(ingress, around);
        Ok(())
    } else {
        Ok(())
    }
}

fn on_create_pod(pod: &mut Pod, around: &(impl Surroundings + ?Sized), suffix: Suffix<'_>) -> Result<(), Refusal> {
    default_limits(pod, around);
    service_account(pod, around, suffix)?;
    priority(pod, around)?;
    default_tolerations(pod);
    runtime_class(pod, around)?;
    let bound_to = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    if let Some(node) = bound_to.filter(|name| !name.is_empty()).and_then(|name| one::<Node>(around, "", &name)) {
        topology_labels(&mut pod.metadata, &node);
    }
    Ok(())
}

/// Applies to an object that is about to replace `old` what the plugins see to again.
pub fn on_update(object: &mut dyn TypedObject, old: &dyn TypedObject) {
    let (Some(pod), Some(old)) = (object.as_any_mut().downcast_mut::<Pod>(), old.as_any().downcast_ref::<Pod>()) else {
        return;
    };
    keep_priority(pod, old);
    default_tolerations(pod);
}

/// An object as its type.
pub(super) fn one<K: BuiltInKind>(
    around: &(impl Surroundings + ?Sized),
    namespace: &str,
    name: &str,
) -> Option<Arc<K>> {
    typed(around.get(K::ID, namespace, name)?)
}

/// Objects as their type.
pub(super) fn all<K: BuiltInKind>(around: &(impl Surroundings + ?Sized), namespace: &str) -> Vec<Arc<K>> {
    around.list(K::ID, namespace).into_iter().filter_map(typed).collect()
}

fn typed<K: BuiltInKind>(object: Arc<dyn TypedObject>) -> Option<Arc<K>> {
    object.into_any().downcast().ok()
}

/// Does the kind have a plugin that looks at it when it is created?
pub fn concerns(kind: KindId) -> bool {
    [kind::POD, kind::NODE, kind::PERSISTENT_VOLUME_CLAIM, kind::PERSISTENT_VOLUME, kind::INGRESS].contains(&kind)
}
