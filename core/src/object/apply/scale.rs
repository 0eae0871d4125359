//! Owners of `spec.replicas` seen through the subresource `scale`, and back.
//!
//! Whoever owns the field of the object that says how many replicas there shall be owns `spec.replicas` of its scale. Once
//! the scale has been written, those who lost it there lose it in the object, and those who got it there get it in the object.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

use super::owners::{Owned, Owner, Owners};
use super::path::{self, Path};
use super::set::FieldSet;

/// The version in which scales are seen.
pub(crate) const SCALE_VERSION: &str = "autoscaling/v1";

/// Where the versions of a kind keep the number of replicas; nothing for one that has no scale.
pub(crate) type ReplicasPaths = BTreeMap<String, Option<String>>;

/// The entries of an object as its scale has them.
pub(crate) fn to_scale(entries: &[ManagedFieldsEntry], paths: &ReplicasPaths) -> Vec<ManagedFieldsEntry> {
    let owners = Owners::read(entries).unwrap_or_default();
    let owning = owners
        .0
        .into_iter()
        .filter(|(_, owned)| replicas(paths, &owned.api_version).flatten().is_some_and(|path| owned.fields.has(&path)));
    let scaled = owning.map(|(owner, owned)| {
        let fields = FieldSet::from_iter([path::fields("spec.replicas")]);
        (owner, Owned { fields, api_version: SCALE_VERSION.to_owned(), time: owned.time })
    });
    Owners(scaled.collect()).write()
}

/// The entries of an object once its scale, in the words of this version, has these.
pub(crate) fn to_object(
    entries: &[ManagedFieldsEntry],
    scaled: &[ManagedFieldsEntry],
    api_version: &str,
    paths: &ReplicasPaths,
) -> Vec<ManagedFieldsEntry> {
    let before = Owners::read(entries).unwrap_or_default().0;
    let mut scaled = Owners::read(scaled).unwrap_or_default().0;
    let mut after: BTreeMap<Owner, Owned> = BTreeMap::new();
    for (owner, mut owned) in before {
        let Some(path) = replicas(paths, &owned.api_version) else { continue };
        if let Some(path) = path.filter(|path| owned.fields.has(path))
            && scaled.remove(&owner).is_none()
        {
            owned.fields = owned.fields.difference(&FieldSet::from_iter([path]));
        }
        if !owned.fields.is_empty() {
            after.insert(owner, owned);
        }
    }
    let Some(path) = replicas(paths, api_version).flatten() else { return Owners(after).write() };
    let owns = FieldSet::from_iter([path::fields("spec.replicas")]);
    for (owner, _) in scaled.into_iter().filter(|(_, owned)| !owned.fields.intersection(&owns).is_empty()) {
        // As upstream: who comes by a field in this way has no time.
        let fields = FieldSet::from_iter([path.clone()]);
        after.insert(owner, Owned { fields, api_version: api_version.to_owned(), time: None });
    }
    Owners(after).write()
}

/// The outer option says whether the version is known, the inner one whether it has a scale.
fn replicas(paths: &ReplicasPaths, api_version: &str) -> Option<Option<Path>> {
    paths.get(api_version).map(|path| path.as_deref().map(path::fields))
}
