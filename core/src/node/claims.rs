//! The claims for devices of a pod: each is prepared before the sandbox is made, beside the volumes, once it has devices
//! and is reserved for the pod. They are given back when its containers have ended (`plan/stop.rs`).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodResourceClaim, PodSpec};
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::plan::View;
use crate::object::device::{self, Meant};
use crate::object::kind;
use crate::runtime::ClaimConfig;

/// How many volumes and claims a pod with this spec has: the claims come behind the volumes.
pub(super) fn prepared(spec: &PodSpec) -> usize {
    spec.volumes.as_ref().map_or(0, Vec::len) + device::claims_of(spec).len()
}

/// The claim that is meant; nothing where the pod turned out to need none, an error where the pod may not use it.
pub(super) fn config(view: &View<'_>, entry: &PodResourceClaim) -> Result<Option<ClaimConfig>, String> {
    let Some((object, pod)) = view.object.zip(view.pod()) else { return Ok(None) };
    let (meta, meant) = (&object.meta, device::meant(entry, &pod.state));
    let name = match meant {
        Meant::None => return Ok(None),
        Meant::NotMade => return Err(format!("pod {:?}: ResourceClaim not created yet", meta.path())),
        Meant::Named(name) | Meant::Made(name) => name,
    };
    let found = view.snapshot.find(kind::RESOURCE_CLAIM, &meta.namespace, name);
    let Some((claim, typed)) = found.and_then(|claim| Some((claim, claim.typed::<ResourceClaim>()?))) else {
        let missing = format!("resourceclaims.resource.k8s.io {name:?} not found");
        return Err(format!("fetch ResourceClaim {name}: {missing}"));
    };
    if let (Meant::Made(_), Some(why)) = (meant, device::not_made_for(meta, &claim.meta)) {
        return Err(why);
    }
    if !device::is_reserved_for(typed, meta.uid) {
        let (pod, claim) = (format!("{} ({})", meta.name, meta.uid), format!("{name} ({})", claim.meta.uid));
        return Err(format!("pod {pod} is not allowed to use ResourceClaim {claim}"));
    }
    if !device::is_allocated(typed) {
        return Err(format!("ResourceClaim {name}: not allocated"));
    }
    let (name, claim) = (entry.name.as_str().into(), Arc::new(typed.clone()));
    Ok(Some(ClaimConfig { name, claim, shares: Vec::new() }))
}
