//! The claims for devices of a pod: each is prepared before the sandbox is made, beside the volumes, once it has devices
//! and is reserved for the pod. They are given back when its containers have ended (`plan/stop.rs`).

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{self, Container, PodResourceClaim, PodSpec};
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::plan::View;
use super::work::PodWork;
use crate::object::device::{self, Meant};
use crate::object::kind;
use crate::runtime::ClaimConfig;
use crate::store::PodState;

impl PodWork {
    /// How many volumes and claims it has: the claims come behind the volumes, and at the end the one for extended resources.
    pub(super) fn prepared_count(&self) -> usize {
        let volumes = self.spec.volumes.as_ref().map_or(0, Vec::len);
        volumes + device::claims_of(&self.spec).len() + usize::from(self.has_extended_claim())
    }
}

/// The claims of a pod, in the order in which they are counted.
pub(super) fn of<'v>(view: &'v View<'_>) -> impl Iterator<Item = Cow<'v, PodResourceClaim>> {
    let extended = view.pod().filter(|_| view.work.has_extended_claim()).and_then(|pod| extended(&pod.state));
    device::claims_of(&view.work.spec).iter().map(Cow::Borrowed).chain(extended.map(Cow::Owned))
}

/// The claim that was made for a pod's extended resources, as if the pod named it; it is called what it is.
fn extended(state: &PodState) -> Option<PodResourceClaim> {
    let name = &device::extended_of(state)?.resource_claim_name;
    Some(PodResourceClaim { name: name.clone(), resource_claim_name: Some(name.clone()), ..Default::default() })
}

/// A pod's spec as the runtime is to see it: containers name what they use of the claim for extended resources as they name
/// what they use of any claim.
pub(super) fn shown(spec: &Arc<PodSpec>, state: &PodState) -> Arc<PodSpec> {
    let Some((claim, status)) = extended(state).zip(device::extended_of(state)) else { return Arc::clone(spec) };
    let mut shown = PodSpec::clone(spec);
    for used in &status.request_mappings {
        let named = |container: &&mut Container| container.name == used.container_name;
        let mut all = shown.init_containers.iter_mut().flatten().chain(&mut shown.containers);
        if let Some(container) = all.find(named) {
            let request = Some(used.request_name.clone());
            let claims = &mut container.resources.get_or_insert_default().claims;
            claims.get_or_insert_default().push(v1::ResourceClaim { name: claim.name.clone(), request });
        }
    }
    shown.resource_claims.get_or_insert_default().push(claim);
    Arc::new(shown)
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

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_name_what_they_use_of_the_claim_for_extended_resources() {
        let plain: Arc<PodSpec> =
            Arc::new(serde_json::from_value(json!({"containers": [{"name": "main"}]})).expect("a spec"));
        assert!(Arc::ptr_eq(&plain, &shown(&plain, &PodState::default())));

        let spec = json!({
            "initContainers": [{"name": "init"}],
            "containers": [{"name": "main", "resources": {"claims": [{"name": "own"}]}}, {"name": "idle"}],
            "resourceClaims": [{"name": "own", "resourceClaimName": "c"}],
        });
        let used = |container: &str, request: &str| json!({"containerName": container, "requestName": request, "resourceName": "r"});
        let status = json!({"extendedResourceClaimStatus": {
            "resourceClaimName": "p-extended", "requestMappings": [used("main", "a"), used("init", "b"), used("main", "b")],
        }});
        let status: PodStatus = serde_json::from_value(status).expect("a status");
        let spec = Arc::new(serde_json::from_value(spec).expect("a spec"));
        let shown = serde_json::to_value(&*shown(&spec, &PodState::from_api(&status))).expect("JSON");
        let of = |request: &str| json!({"name": "p-extended", "request": request});
        assert_eq!(shown["initContainers"][0]["resources"]["claims"], json!([of("b")]));
        assert_eq!(shown["containers"][0]["resources"]["claims"], json!([{"name": "own"}, of("a"), of("b")]));
        assert!(shown["containers"][1].get("resources").is_none());
        let named = json!([{"name": "own", "resourceClaimName": "c"}, {"name": "p-extended", "resourceClaimName": "p-extended"}]);
        assert_eq!(shown["resourceClaims"], named);
    }
}
