//! `ServiceAccount`: whose name a pod acts in, and the token with which it does.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, Pod,
    PodSpec, ProjectedVolumeSource, ServiceAccount, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};

use super::{Refusal, Suffix, Surroundings, one};

/// Where containers find the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The name of the volume with it, before the random letters.
const VOLUME_PREFIX: &str = "kube-api-access-";
/// Seconds that a token is good for: an hour, and some time to replace it in.
const TOKEN_SECONDS: i64 = 3607;
/// Pods that a kubelet made and only shows carry this annotation.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Gives the pod its service account, the account's pull secrets and, unless either of them does not want it, the token.
///
/// # Errors
/// When there is no such service account.
pub fn service_account(
    pod: &mut Pod,
    around: &(impl Surroundings + ?Sized),
    suffix: Suffix<'_>,
) -> Result<(), Refusal> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let is_mirror = pod.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR_ANNOTATION));
    let spec = pod.spec.get_or_insert_default();
    if is_mirror {
        return mirror(spec);
    }
    let name = spec.service_account_name.clone().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "default".to_owned());
    let account = one::<ServiceAccount>(around, &namespace, &name).ok_or_else(|| {
        Refusal(format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"))
    })?;
    spec.service_account_name = Some(name.clone());
    spec.service_account = Some(name);

    let wanted = spec.automount_service_account_token.or(account.automount_service_account_token);
    if wanted.unwrap_or(true) {
        mount_token(spec, suffix);
    }
    if spec.image_pull_secrets.as_ref().is_none_or(|secrets| secrets.is_empty()) {
        spec.image_pull_secrets = account.image_pull_secrets.clone().filter(|secrets| !secrets.is_empty());
    }
    Ok(())
}

/// A pod that is only shown must not refer to anything of the cluster.
fn mirror(spec: &PodSpec) -> Result<(), Refusal> {
    let refuse = |text: &str| Err(Refusal(text.to_owned()));
    if spec.service_account_name.as_ref().is_some_and(|name| !name.is_empty()) {
        return refuse("a mirror pod may not reference service accounts");
    }
    let mut volumes = spec.volumes.iter().flatten();
    if volumes.any(|volume| volume.secret.is_some()) {
        return refuse("a mirror pod may not reference secrets");
    }
    Ok(())
}

/// Mounts the token in every container that has nothing at its place yet.
fn mount_token(spec: &mut PodSpec, Suffix(suffix): Suffix<'_>) {
    let is_token = |volume: &&Volume| {
        let tokens = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        volume.name.starts_with(VOLUME_PREFIX)
            && tokens.into_iter().any(|source| source.service_account_token.is_some())
    };
    let existing = spec.volumes.iter().flatten().find(is_token).map(|volume| volume.name.clone());
    let name = existing.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{suffix}"));
    let mut mounted = false;
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        mounted |= mount(container, &name);
    }
    if mounted && existing.is_none() {
        spec.volumes.get_or_insert_default().push(token_volume(name));
    }
}

fn mount(container: &mut Container, name: &str) -> bool {
    let mounts = container.volume_mounts.get_or_insert_default();
    if mounts.iter().any(|mount| mount.mount_path == MOUNT_PATH) {
        return false;
    }
    mounts.push(VolumeMount {
        name: name.to_owned(),
        mount_path: MOUNT_PATH.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    true
}

/// The token, the certificate of the API server, and the name of the namespace.
fn token_volume(name: String) -> Volume {
    let token = ServiceAccountTokenProjection {
        path: "token".to_owned(),
        expiration_seconds: Some(TOKEN_SECONDS),
        ..Default::default()
    };
    let certificate = ConfigMapProjection {
        name: "kube-root-ca.crt".to_owned(),
        items: Some(vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), ..Default::default() }]),
        optional: None,
    };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: "metadata.namespace".to_owned(),
        }),
        ..Default::default()
    };
    let sources = vec![
        VolumeProjection { service_account_token: Some(token), ..Default::default() },
        VolumeProjection { config_map: Some(certificate), ..Default::default() },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection { items: Some(vec![namespace]) }),
            ..Default::default()
        },
    ];
    let projected = ProjectedVolumeSource { default_mode: Some(0o644), sources: Some(sources), ..Default::default() };
    Volume { name, projected: Some(projected), ..Default::default() }
}
