//! What a container is made of: the spec with everything resolved that it refers to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::View;
use super::work::{LaunchImage, Slot, SpecRef};
use super::{claims, env, restart};
use crate::runtime::{ContainerConfig, Device, DeviceAccess, DeviceSource, EnvVar, Mount, MountPropagation};

/// Why a container cannot be configured, in upstream's words (`CreateContainerConfigError`).
#[derive(Debug)]
pub(super) struct ConfigError(pub(super) String);

/// The configuration of the next instance of a container.
pub(super) fn config(
    view: &View<'_>,
    place: u16,
    slot: &Slot,
    image: &LaunchImage,
) -> Result<ContainerConfig, ConfigError> {
    let spec =
        slot.spec(&view.work.spec).ok_or_else(|| ConfigError(format!("container {place} is not in the spec")))?;
    check_user(view, spec, image)?;
    let env = env::resolve(view, spec).map_err(ConfigError)?;
    let expand = |text: &String| expand_with(text, &env);
    Ok(ContainerConfig {
        pod: view.work.identity.clone(),
        spec: match view.pod() {
            Some(pod) => claims::shown(&view.work.spec, &pod.state),
            None => Arc::clone(&view.work.spec),
        },
        kind: slot.kind,
        index: usize::from(slot.index),
        name: spec.name().into(),
        attempt: slot.next_attempt,
        image: spec.image().into(),
        image_id: Arc::clone(&image.id),
        command: spec.command().iter().map(expand).collect(),
        args: spec.args().iter().map(expand).collect(),
        mounts: mounts(view, spec, &env)?,
        devices: devices(view, spec)?,
        given: Vec::new(),
        host_mounts: Vec::new(),
        cdi_devices: Vec::new(),
        annotations: BTreeMap::new(),
        env,
    })
}

fn expand_with(text: &str, env: &[EnvVar]) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    env::expand(text, |name| env.iter().find(|variable| variable.name == name).map(|variable| variable.value.as_str()))
}

fn mounts(view: &View<'_>, spec: SpecRef<'_>, env: &[EnvVar]) -> Result<Vec<Mount>, ConfigError> {
    let mount = |mount: &k8s_openapi::api::core::v1::VolumeMount| {
        let sub_path = match (mount.sub_path.as_deref(), mount.sub_path_expr.as_deref()) {
            (_, Some(expr)) if !expr.is_empty() => {
                let path = expand_with(expr, env);
                if path.contains("$(") {
                    return Err(ConfigError(format!(
                        "failed to expand subPath for volumeMount {:?}: missing value",
                        mount.name
                    )));
                }
                path
            }
            (Some(path), _) => path.to_owned(),
            (None, _) => String::new(),
        };
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            return Err(ConfigError(format!(
                "error SubPath `{sub_path}` must not be an absolute path or contain '..'"
            )));
        }
        Ok(Mount {
            volume: mount.name.as_str().into(),
            container_path: mount.mount_path.clone(),
            sub_path,
            read_only: mount.read_only == Some(true) || is_read_only(view, &mount.name),
            recursive_read_only: matches!(mount.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible")),
            propagation: match mount.mount_propagation.as_deref() {
                Some("HostToContainer") => MountPropagation::HostToContainer,
                Some("Bidirectional") => MountPropagation::Bidirectional,
                _ => MountPropagation::Private,
            },
        })
    };
    spec.mounts().iter().map(mount).collect()
}

/// The volumes that the container gets as what they are: block devices.
fn devices(view: &View<'_>, spec: SpecRef<'_>) -> Result<Vec<Device>, ConfigError> {
    let device = |device: &k8s_openapi::api::core::v1::VolumeDevice| {
        if !device.device_path.starts_with('/') {
            return Err(ConfigError(format!("error DevicePath `{}` must be an absolute path", device.device_path)));
        }
        Ok(Device {
            source: DeviceSource::Volume(device.name.as_str().into()),
            container_path: device.device_path.clone(),
            access: match is_read_only(view, &device.name) {
                true => DeviceAccess::READ_ONLY,
                false => DeviceAccess::FULL,
            },
        })
    };
    spec.devices().iter().map(device).collect()
}

/// Whether the pod has the claim behind this volume for reading only.
fn is_read_only(view: &View<'_>, volume: &str) -> bool {
    let mut volumes = view.work.spec.volumes.iter().flatten();
    let claim = volumes.find(|one| one.name == volume).and_then(|one| one.persistent_volume_claim.as_ref());
    claim.is_some_and(|claim| claim.read_only == Some(true))
}

/// A container that must not run as root is refused when it would, or when nobody can tell.
fn check_user(view: &View<'_>, spec: SpecRef<'_>, image: &LaunchImage) -> Result<(), ConfigError> {
    let own = spec.security();
    let of_pod = view.work.spec.security_context.as_ref();
    let must_not_be_root =
        own.and_then(|own| own.run_as_non_root).or_else(|| of_pod.and_then(|pod| pod.run_as_non_root));
    if must_not_be_root != Some(true) {
        return Ok(());
    }
    let whose = format!("(pod: {:?}, container: {})", restart::pod_title(&view.work.identity), spec.name());
    let refused = |why: String| Err(ConfigError(format!("{why} {whose}")));
    let user = own.and_then(|own| own.run_as_user).or_else(|| of_pod.and_then(|pod| pod.run_as_user));
    match user {
        Some(0) => return refused("container's runAsUser breaks non-root policy".to_owned()),
        Some(_) => return Ok(()),
        None => {}
    }
    let user = image.user.as_deref().unwrap_or_default();
    let name = user.split(':').next().unwrap_or_default();
    match name.parse::<i64>() {
        Ok(uid) if uid != 0 => Ok(()),
        Err(_) if !name.is_empty() => refused(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        )),
        Ok(_) | Err(_) => refused("container has runAsNonRoot and image will run as root".to_owned()),
    }
}
