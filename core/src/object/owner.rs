//! Owner references: who an object belongs to, and who of them controls it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use super::kind::Kind;

/// What changed when an owner was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The reference is new.
    New,
    /// A reference with this uid was there and has been replaced.
    Replaced,
    /// It was there as it is.
    Same,
}

/// An object cannot have a second controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object is already controlled by {kind} {name:?}")]
pub struct AlreadyControlled {
    /// The kind of its controller.
    pub kind: String,
    /// The name of its controller.
    pub name: String,
}

/// The owner that controls an object.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the object with this uid controls another.
pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller_of(meta).is_some_and(|owner| owner.uid == uid)
}

/// Whether the object with this uid is an owner of another.
pub fn is_owned_by(meta: &ObjectMeta, uid: &str) -> bool {
    meta.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

/// A reference to an owner that has been created: none without a name and a uid.
///
/// ```
/// use inboard::prelude::*;
/// use inboard::object::owner;
///
/// let mut owner_map = ConfigMap::builder("owner").build()?;
/// owner_map.metadata.uid = Some("11111111-1111-4111-8111-111111111111".to_owned());
/// let reference = owner::reference(&owner_map).expect("it has a name and a uid");
/// let owned = ConfigMap::builder("owned").owner(reference).build()?;
/// assert!(owner::is_owned_by(&owned.metadata, "11111111-1111-4111-8111-111111111111"));
/// # Ok::<(), inboard::object::builder::BuildError>(())
/// ```
pub fn reference<K: Kind>(owner: &K) -> Option<OwnerReference> {
    let meta = owner.meta();
    Some(OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        controller: None,
        block_owner_deletion: None,
    })
}

/// As [`reference()`], for an owner that controls the object and whose deletion in the foreground waits for it.
pub fn controller_reference<K: Kind>(owner: &K) -> Option<OwnerReference> {
    let reference = reference(owner)?;
    Some(OwnerReference { controller: Some(true), block_owner_deletion: Some(true), ..reference })
}

/// Adds an owner, or replaces the reference with its uid.
///
/// # Errors
/// When it is to be the controller and another one is.
pub fn add(meta: &mut ObjectMeta, owner: OwnerReference) -> Result<Added, AlreadyControlled> {
    if let Some(other) = controller_of(meta)
        && owner.controller == Some(true)
        && other.uid != owner.uid
    {
        return Err(AlreadyControlled { kind: other.kind.clone(), name: other.name.clone() });
    }
    let owners = meta.owner_references.get_or_insert_default();
    match owners.iter_mut().find(|other| other.uid == owner.uid) {
        Some(other) if *other == owner => Ok(Added::Same),
        Some(other) => {
            *other = owner;
            Ok(Added::Replaced)
        }
        None => {
            owners.push(owner);
            Ok(Added::New)
        }
    }
}

/// Removes the owner with this uid and hands it back.
pub fn remove(meta: &mut ObjectMeta, uid: &str) -> Option<OwnerReference> {
    let owners = meta.owner_references.as_mut()?;
    let index = owners.iter().position(|owner| owner.uid == uid)?;
    let removed = owners.remove(index);
    if owners.is_empty() {
        meta.owner_references = None;
    }
    Some(removed)
}

/// Leaves each owner in the JSON of an object once, and says of which uids one stood there twice.
///
/// Owners of one uid that differ in anything else are left for validation to judge.
pub fn drop_twins(object: &mut Value) -> Vec<String> {
    let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) else {
        return Vec::new();
    };
    let mut twins = Vec::new();
    let mut kept: Vec<Value> = Vec::with_capacity(owners.len());
    for owner in std::mem::take(owners) {
        if kept.contains(&owner) {
            twins.push(owner["uid"].as_str().unwrap_or_default().to_owned());
        } else {
            kept.push(owner);
        }
    }
    *owners = kept;
    twins
}

/// What a client is told whose object named owners twice: at once, or after it was changed.
pub fn twins_note(twins: &[String], is_changed: bool) -> Option<String> {
    let when = if is_changed { " after mutating admission happens" } else { "" };
    (!twins.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may \
             reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            twins.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str, controller: bool) -> OwnerReference {
        OwnerReference {
            uid: uid.to_owned(),
            kind: "ReplicaSet".to_owned(),
            name: "rs".to_owned(),
            controller: controller.then_some(true),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn an_object_has_many_owners_and_one_controller() {
        let mut meta = ObjectMeta::default();
        assert_eq!(add(&mut meta, owner("a", false)), Ok(Added::New));
        assert_eq!(add(&mut meta, owner("a", false)), Ok(Added::Same));
        assert_eq!(add(&mut meta, owner("a", true)), Ok(Added::Replaced));
        assert!(is_controlled_by(&meta, "a") && is_owned_by(&meta, "a") && !is_owned_by(&meta, "b"));
        let refused = add(&mut meta, owner("b", true)).expect_err("controlled by another");
        assert_eq!(refused.to_string(), "the object is already controlled by ReplicaSet \"rs\"");
        assert_eq!(remove(&mut meta, "a"), Some(owner("a", true)));
        assert_eq!((remove(&mut meta, "a"), meta), (None, ObjectMeta::default()));
    }
}
