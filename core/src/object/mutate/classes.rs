//! Default classes, and finalizers of what may be in use.

use std::cmp::Reverse;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Surroundings, all};
use crate::object::storage;

/// Keeps a claim that a pod uses.
pub(crate) const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume that a claim is bound to.
pub(crate) const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

/// The class of a claim or a volume, as it was said before there was a field for it.
pub(crate) const STORAGE_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const INGRESS_CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const DEFAULT_INGRESS_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// Either of them marks a default storage class.
pub(crate) const DEFAULT_STORAGE_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// A claim that names no class gets the default one: the newest, and of equally new ones the first by name.
pub fn default_storage_class(claim: &mut PersistentVolumeClaim, around: &(impl Surroundings + ?Sized)) {
    if !storage::has_no_say_in_class(claim) {
        return;
    }
    let classes = all::<StorageClass>(around, "");
    if let Some(class) = best_default(classes.iter().map(|class| &**class)) {
        claim.spec.get_or_insert_default().storage_class_name.clone_from(&class.metadata.name);
    }
}

/// The class for claims that name none: the newest that is marked, and of equally new ones the first by name.
pub fn best_default<'c>(classes: impl Iterator<Item = &'c StorageClass>) -> Option<&'c StorageClass> {
    let defaults = classes.filter(|class| DEFAULT_STORAGE_CLASS.iter().any(|key| is_set(&class.metadata, key)));
    defaults.min_by_key(|class| (Reverse(class.metadata.creation_timestamp.clone()), class.metadata.name.clone()))
}

/// An ingress that names no class gets the default one, chosen in the same way.
pub fn default_ingress_class(ingress: &mut Ingress, around: &(impl Surroundings + ?Sized)) {
    let named = has_annotation(&ingress.metadata, INGRESS_CLASS_ANNOTATION)
        || ingress.spec.as_ref().is_some_and(|spec| spec.ingress_class_name.is_some());
    if named {
        return;
    }
    let classes = all::<IngressClass>(around, "");
    let defaults = classes.iter().filter(|class| is_set(&class.metadata, DEFAULT_INGRESS_CLASS));
    let best =
        defaults.min_by_key(|class| (Reverse(class.metadata.creation_timestamp.clone()), class.metadata.name.clone()));
    if let Some(class) = best {
        ingress.spec.get_or_insert_default().ingress_class_name.clone_from(&class.metadata.name);
    }
}

/// Adds the finalizer unless it is there.
pub fn in_use_protection(metadata: &mut ObjectMeta, finalizer: &str) {
    let finalizers = metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|other| other == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
}

fn has_annotation(metadata: &ObjectMeta, key: &str) -> bool {
    metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(key))
}

fn is_set(metadata: &ObjectMeta, key: &str) -> bool {
    metadata.annotations.as_ref().and_then(|annotations| annotations.get(key)).is_some_and(|value| value == "true")
}
