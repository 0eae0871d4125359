//! Which other objects a pod takes files, variables and volumes from.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, PodSpec, Volume};

use crate::object::kind::{self, KindId};

/// Whether a pod with this spec uses the object of this kind and name in its namespace.
pub(super) fn uses(spec: &PodSpec, kind: KindId, name: &str) -> bool {
    if kind == kind::CONFIG_MAP || kind == kind::SECRET {
        let is_map = kind == kind::CONFIG_MAP;
        return spec.volumes.iter().flatten().any(|volume| volume_uses(volume, is_map, name))
            || environments(spec).any(|(env, from)| env_uses(env, from, is_map, name))
            || (!is_map && spec.image_pull_secrets.iter().flatten().any(|secret| secret.name == name));
    }
    kind == kind::PERSISTENT_VOLUME_CLAIM
        && spec.volumes.iter().flatten().any(|volume| match &volume.persistent_volume_claim {
            Some(source) => source.claim_name == name,
            // The claim of an ephemeral volume ends with the name of the volume.
            None => volume.ephemeral.is_some() && name.ends_with(&volume.name),
        })
}

fn environments(spec: &PodSpec) -> impl Iterator<Item = (&[EnvVar], &[EnvFromSource])> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers).map(|container| {
        (container.env.as_deref().unwrap_or_default(), container.env_from.as_deref().unwrap_or_default())
    });
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|container| {
        (container.env.as_deref().unwrap_or_default(), container.env_from.as_deref().unwrap_or_default())
    });
    containers.chain(ephemeral)
}

fn env_uses(env: &[EnvVar], from: &[EnvFromSource], is_map: bool, name: &str) -> bool {
    let variables = env.iter().filter_map(|variable| variable.value_from.as_ref()).any(|source| {
        if is_map {
            source.config_map_key_ref.as_ref().is_some_and(|source| source.name == name)
        } else {
            source.secret_key_ref.as_ref().is_some_and(|source| source.name == name)
        }
    });
    variables
        || from.iter().any(|source| {
            if is_map {
                source.config_map_ref.as_ref().is_some_and(|source| source.name == name)
            } else {
                source.secret_ref.as_ref().is_some_and(|source| source.name == name)
            }
        })
}

fn volume_uses(volume: &Volume, is_map: bool, name: &str) -> bool {
    let parts = || volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    if is_map {
        volume.config_map.as_ref().is_some_and(|source| source.name == name)
            || parts().any(|part| part.config_map.as_ref().is_some_and(|source| source.name == name))
    } else {
        volume.secret.as_ref().is_some_and(|source| source.secret_name.as_deref() == Some(name))
            || parts().any(|part| part.secret.as_ref().is_some_and(|source| source.name == name))
    }
}
