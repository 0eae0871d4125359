//! The volumes of a pod, and its claims for devices: each is prepared before the sandbox is made, all at once; one that
//! cannot be is said in an event and tried again.

mod files;
mod mode;
mod trouble;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Volume};

pub(super) use self::trouble::Trouble;
use super::claims;
use super::plan::{Action, PodPlan, View, WaitingOn};
use super::work::{Flight, VolumeStep, Volumes};
use crate::object::kind;
use crate::object::quantity::Quantity;
use crate::object::storage;
use crate::runtime::{Call, VolumeConfig, VolumeSource};
use crate::store::EventType;

/// Prepares what is not ready. True when the pod's containers can be started.
pub(super) fn make(view: &View<'_>, plan: &mut PodPlan) -> bool {
    let volumes = view.work.spec.volumes.as_deref().unwrap_or_default();
    if view.work.prepared_count() == 0 || view.work.volumes == Volumes::Ready {
        return true;
    }
    for (place, volume) in (0_u16..).zip(volumes) {
        if !is_due(view, plan, place) {
            continue;
        }
        match source(view, plan, volume) {
            Ok(source) => {
                let config = VolumeConfig {
                    name: volume.name.as_str().into(),
                    source,
                    fs_group: view.work.spec.security_context.as_ref().and_then(|security| security.fs_group),
                };
                let call = Call::PrepareVolume(view.work.identity.clone(), Arc::new(config));
                plan.call(Flight::Volume(place), call);
            }
            Err(wrong) => plan.actions.push(Action::VolumeFailed(place, wrong)),
        }
    }
    for (place, claim) in (0_u16..).skip(volumes.len()).zip(claims::of(view)) {
        if !is_due(view, plan, place) {
            continue;
        }
        match claims::config(view, &claim) {
            Ok(Some(config)) => {
                let call = Call::PrepareClaim(view.work.identity.clone(), Arc::new(config));
                plan.call(Flight::Volume(place), call);
            }
            Ok(None) => plan.actions.push(Action::NoVolume(place)),
            Err(wrong) => plan.actions.push(Action::VolumeFailed(place, Trouble::Unprepared(wrong.into()))),
        }
    }
    // A pod that runs already goes on while the content of a volume is renewed.
    let runs = view.work.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready) && super::plan::mains_begun(view.work);
    if !runs {
        plan.wait(WaitingOn::Volumes);
    }
    runs
}

/// Whether a volume or a claim is to be prepared now.
fn is_due(view: &View<'_>, plan: &mut PodPlan, place: u16) -> bool {
    let steps = view.work.transient.as_ref().map(|transient| transient.volumes.as_slice()).unwrap_or_default();
    match steps.get(usize::from(place)).copied().unwrap_or(VolumeStep::Wanted) {
        VolumeStep::Ready | VolumeStep::Preparing { .. } => false,
        VolumeStep::Failed { retry_at, .. } if retry_at > view.now => {
            plan.wake(retry_at);
            false
        }
        VolumeStep::Wanted | VolumeStep::Failed { .. } => true,
    }
}

/// Whether the content of a volume follows other objects.
pub(super) const fn is_projection(volume: &Volume) -> bool {
    volume.config_map.is_some() || volume.secret.is_some() || volume.projected.is_some()
}

/// Where the content of a volume comes from; an error is the reason why it cannot be made now.
fn source(view: &View<'_>, plan: &mut PodPlan, volume: &Volume) -> Result<VolumeSource, Trouble> {
    if let Some(empty) = &volume.empty_dir {
        let limit = empty.size_limit.as_ref().and_then(|limit| Quantity::from_api(limit).ok()).map(Quantity::value);
        let size_limit = limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0);
        return Ok(VolumeSource::Empty { memory: empty.medium.as_deref() == Some("Memory"), size_limit });
    }
    if let Some(host) = &volume.host_path {
        return Ok(VolumeSource::Host { path: host.path.clone(), check: host.type_.clone().unwrap_or_default() });
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        return claimed(view, &volume.name, &claim.claim_name);
    }
    if volume.ephemeral.is_some() {
        let claim = storage::ephemeral_claim(&view.work.identity.name, &volume.name);
        return claimed(view, &volume.name, &claim);
    }
    if let Some(files) = files::of_volume(view, plan, volume).map_err(Trouble::unmade)? {
        return Ok(VolumeSource::Files(files));
    }
    let names = serde_json::to_value(volume).ok();
    let names = names.as_ref().and_then(serde_json::Value::as_object);
    match names.and_then(|fields| fields.keys().find(|key| *key != "name")) {
        Some(other) => Err(Trouble::unmade(format!("volume type {other:?} is not supported by this node"))),
        // A volume without a source is an empty directory.
        None => Ok(VolumeSource::Empty { memory: false, size_limit: None }),
    }
}

/// The volume behind a claim.
fn claimed(view: &View<'_>, name: &str, claim: &str) -> Result<VolumeSource, Trouble> {
    let (volume_name, volume) = bound(view, claim).map_err(Trouble::unresolved)?;
    let Some(spec) = &volume.spec else {
        return Err(Trouble::unmade(format!("persistentvolume {volume_name:?} has no spec")));
    };
    mode::check(&view.work.spec, name, spec.volume_mode.as_deref()).map_err(Trouble::unresolved)?;
    let is_block = spec.volume_mode.as_deref() == Some(mode::BLOCK);
    if let Some(host) = &spec.host_path {
        return match is_block {
            true => Err(Trouble::unmade("a volume of type \"hostPath\" cannot be a block device".to_owned())),
            false => Ok(VolumeSource::Host { path: host.path.clone(), check: host.type_.clone().unwrap_or_default() }),
        };
    }
    if let Some(local) = &spec.local {
        return Ok(match is_block {
            true => VolumeSource::Block { handle: local.path.as_str().into() },
            false => VolumeSource::Local { path: local.path.clone() },
        });
    }
    match &spec.csi {
        Some(csi) if is_block => Ok(VolumeSource::Block { handle: csi.volume_handle.as_str().into() }),
        Some(csi) => Ok(VolumeSource::Persistent { handle: csi.volume_handle.as_str().into() }),
        None => Err(Trouble::unmade(format!(
            "the volume source of persistentvolume {volume_name:?} is not supported by this node"
        ))),
    }
}

/// The persistent volume that a claim is bound to, by its name.
fn bound<'v>(view: &View<'v>, name: &str) -> Result<(&'v str, &'v PersistentVolume), String> {
    let namespace = &view.work.identity.namespace;
    let claim: &PersistentVolumeClaim = view
        .snapshot
        .find(kind::PERSISTENT_VOLUME_CLAIM, namespace, name)
        .and_then(|object| object.typed())
        .ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
    let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    let volume_name = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).filter(|name| !name.is_empty());
    let (true, Some(volume_name)) = (bound, volume_name) else {
        return Err(format!("error processing PVC {namespace}/{name}: PVC is not bound"));
    };
    let volume = view.snapshot.find(kind::PERSISTENT_VOLUME, "", volume_name).and_then(|object| object.typed());
    let volume = volume.ok_or_else(|| {
        format!("failed to fetch PV {volume_name:?} from API server: persistentvolume {volume_name:?} not found")
    })?;
    Ok((volume_name, volume))
}

/// Says once that a service account token is left out.
fn no_token(plan: &mut PodPlan, volume: &Volume) {
    let text =
        format!("volume {:?} has no service account token: this cluster has no authority that makes them", volume.name);
    plan.note(None, EventType::Warning, "ServiceAccountTokenUnavailable", text);
}
