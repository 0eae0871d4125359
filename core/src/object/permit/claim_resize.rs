//! Whether a claim may ask for more (`PersistentVolumeClaimResize`).

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;

use crate::object::mutate::{Refusal, Surroundings, one};
use crate::object::storage;

/// A claim that is bound may grow when its class allows it.
///
/// # Errors
/// Why it may not, in upstream's words.
pub(super) fn may_grow(
    before: &PersistentVolumeClaim,
    after: &PersistentVolumeClaim,
    around: &(impl Surroundings + ?Sized),
) -> Result<(), Refusal> {
    if storage::requested(after) <= storage::requested(before) {
        return Ok(());
    }
    if before.status.as_ref().and_then(|status| status.phase.as_deref()) != Some("Bound") {
        return Err(Refusal("Only bound persistent volume claims can be expanded".to_owned()));
    }
    let class = storage::class_of_claim(after);
    let class = Some(class).filter(|class| !class.is_empty() && *class == storage::class_of_claim(before));
    let class = class.and_then(|class| one::<StorageClass>(around, "", class));
    match class.and_then(|class| class.allow_volume_expansion) {
        Some(true) => Ok(()),
        _ => Err(Refusal(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
             resize"
                .to_owned(),
        )),
    }
}
