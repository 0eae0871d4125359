//! Metadata: what of it a client can change.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// A new object is not being deleted.
pub fn for_create(metadata: &mut ObjectMeta) {
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
}

/// An update does not touch the identity and the age of an object, its generation, or that it is being deleted.
pub fn for_update(metadata: &mut ObjectMeta, old: &ObjectMeta) {
    metadata.generation = old.generation;
    if metadata.uid.as_ref().is_none_or(|uid| uid.is_empty()) {
        metadata.uid.clone_from(&old.uid);
    }
    metadata.creation_timestamp.clone_from(&old.creation_timestamp);
    metadata.generate_name.clone_from(&old.generate_name);
    if old.deletion_timestamp.is_some() {
        metadata.deletion_timestamp.clone_from(&old.deletion_timestamp);
    }
    if metadata.deletion_grace_period_seconds.is_none() {
        metadata.deletion_grace_period_seconds = old.deletion_grace_period_seconds;
    }
}

/// For kinds whose status subresource writes nothing of the metadata that a user owns.
pub(super) fn keep(metadata: &mut ObjectMeta, old: &ObjectMeta) {
    metadata.deletion_timestamp.clone_from(&old.deletion_timestamp);
    metadata.generation = old.generation;
    metadata.labels.clone_from(&old.labels);
    metadata.annotations.clone_from(&old.annotations);
    metadata.finalizers.clone_from(&old.finalizers);
    metadata.owner_references.clone_from(&old.owner_references);
}

/// One more if there was a change.
pub(super) fn count(metadata: &mut ObjectMeta, old: &ObjectMeta, changed: bool) {
    metadata.generation = if changed { Some(old.generation.unwrap_or_default() + 1) } else { old.generation };
}
