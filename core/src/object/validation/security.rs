//! Security contexts of pods and containers: users, kernel settings, seccomp and AppArmor profiles.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl,
};

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, descending_path, list, one_of};
use super::{go_type, names, windows};

/// How many bytes the path of an AppArmor profile may have: the kernel's limit on paths, without the closing zero.
const APPARMOR_PATH_BYTES_MAX: usize = 4095;

/// How many bytes the name of a kernel setting may have.
const SYSCTL_BYTES_MAX: usize = 253;

/// Checks the security context of a pod.
pub(super) fn pod(context: &PodSecurityContext, spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, id) in
        [("fsGroup", context.fs_group), ("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)]
    {
        user_or_group(id, &path.field(field), errors);
    }
    let groups = path.field("supplementalGroups");
    for (index, group) in list(&context.supplemental_groups).iter().enumerate() {
        user_or_group(Some(*group), &groups.index(index), errors);
    }
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.field("shareProcessNamespace"), true, detail);
    }
    sysctls(list(&context.sysctls), spec, &path.field("sysctls"), errors);
    if let Some(policy) = context.fs_group_change_policy.as_deref() {
        one_of(policy, &["Always", "OnRootMismatch"], &path.field("fsGroupChangePolicy"), errors);
    }
    if let Some(profile) = &context.seccomp_profile {
        seccomp(profile, &path.field("seccompProfile"), errors);
    }
    if let Some(options) = &context.windows_options {
        windows::options(options, &path.field("windowsOptions"), errors);
    }
    if let Some(profile) = &context.app_armor_profile {
        apparmor(profile, &path.field("appArmorProfile"), errors);
    }
    if let Some(policy) = context.supplemental_groups_policy.as_deref() {
        one_of(policy, &["Merge", "Strict"], &path.field("supplementalGroupsPolicy"), errors);
    }
    if let Some(policy) = context.se_linux_change_policy.as_deref() {
        one_of(policy, &["MountOption", "Recursive"], &path.field("seLinuxChangePolicy"), errors);
    }
}

/// Checks the security context of a container; `host_users` says whether its users are those of the node.
pub(super) fn container(context: &SecurityContext, host_users: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    user_or_group(context.run_as_user, &path.field("runAsUser"), errors);
    user_or_group(context.run_as_group, &path.field("runAsGroup"), errors);
    if let Some(mount) = context.proc_mount.as_deref() {
        let path = path.field("procMount");
        one_of(mount, &["Default", "Unmasked"], &path, errors);
        if host_users && mount == "Unmasked" {
            errors.invalid(&path, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    if let Some(profile) = &context.seccomp_profile {
        seccomp(profile, &path.field("seccompProfile"), errors);
    }
    if context.allow_privilege_escalation == Some(false) {
        without_escalation(context, path, errors);
    }
    if let Some(options) = &context.windows_options {
        windows::options(options, &path.field("windowsOptions"), errors);
    }
    if let Some(profile) = &context.app_armor_profile {
        apparmor(profile, &path.field("appArmorProfile"), errors);
    }
}

/// What gives a process all rights anyway cannot go with the promise that it gains none.
fn without_escalation(context: &SecurityContext, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut refuse = |detail: &str| {
        errors.invalid_json(path, go_type::compact(context, "SecurityContext"), detail);
    };
    if context.privileged == Some(true) {
        refuse("cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    let added = context.capabilities.as_ref().map(|capabilities| list(&capabilities.add)).unwrap_or_default();
    for _ in added.iter().filter(|capability| *capability == "CAP_SYS_ADMIN") {
        refuse("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
}

fn user_or_group(id: Option<i64>, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(id) = id else { return };
    for problem in names::user_or_group_id(id) {
        errors.invalid(path, id, problem);
    }
}

fn seccomp(profile: &SeccompProfile, path: &Path<'_>, errors: &mut FieldErrors) {
    match profile.type_.as_str() {
        "" => errors.required(&path.field("type"), "type is required when seccompProfile is set"),
        kind => one_of(kind, &["Localhost", "RuntimeDefault", "Unconfined"], &path.field("type"), errors),
    }
    let path = path.field("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None) => errors.required(&path, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(local)) => descending_path(local, &path, errors),
        (_, Some(_)) => {
            let shown = go_type::compact(profile, "SeccompProfile");
            errors.invalid_json(&path, shown, "can only be set when seccomp type is Localhost");
        }
        (_, None) => {}
    }
}

fn apparmor(profile: &AppArmorProfile, path: &Path<'_>, errors: &mut FieldErrors) {
    let local_path = path.field("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None) => errors.required(&local_path, "must be set when AppArmor type is Localhost"),
        ("Localhost", Some(local)) => {
            if local.trim().len() != local.len() {
                errors.invalid(&local_path, local, "must not be padded with whitespace");
            } else if local.is_empty() {
                errors.required(&local_path, "must be set when AppArmor type is Localhost");
            }
            if local.len() > APPARMOR_PATH_BYTES_MAX {
                errors.too_long(&local_path, APPARMOR_PATH_BYTES_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(local)) => {
            errors.invalid(&local_path, local, "can only be set when AppArmor type is Localhost");
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.required(&path.field("type"), "type is required when appArmorProfile is set"),
        (other, _) => {
            errors.not_supported(&path.field("type"), other, &["Localhost", "RuntimeDefault", "Unconfined"]);
        }
    }
}

fn sysctls(sysctls: &[Sysctl], spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut known = Names::default();
    for (index, sysctl) in sysctls.iter().enumerate() {
        let entry = path.index(index);
        let path = entry.field("name");
        let name = sysctl.name.as_str();
        if name.is_empty() {
            errors.required(&path, "");
        } else if !is_sysctl_name(name) {
            let segment = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
            let detail = format!(
                "must have at most {SYSCTL_BYTES_MAX} characters and match regex ^({segment}[\\./])*{segment}$"
            );
            errors.invalid(&path, name, detail);
        } else if known.contains(name) {
            errors.duplicate(&path, name);
        }
        match namespace_of(name) {
            Some("net") if spec.host_network == Some(true) => {
                errors.invalid(&path, name, "may not be specified when 'hostNetwork' is true");
            }
            Some("ipc") if spec.host_ipc == Some(true) => {
                errors.invalid(&path, name, "may not be specified when 'hostIPC' is true");
            }
            _ => {}
        }
        known.insert(name);
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= SYSCTL_BYTES_MAX
        && name.as_bytes().split(|byte| matches!(byte, b'.' | b'/')).all(|segment| match segment {
            [] => false,
            [only] => edge(only),
            [first, middle @ .., last] => {
                edge(first) && edge(last) && middle.iter().all(|byte| edge(byte) || matches!(byte, b'-' | b'_'))
            }
        })
}

/// The kernel namespace that a setting belongs to, when it belongs to one that pods have for themselves.
fn namespace_of(name: &str) -> Option<&'static str> {
    // The first separator tells which of the two writings a name is in.
    let dots = match name.find(['.', '/']) {
        Some(at) if name.as_bytes().get(at) == Some(&b'/') => name.replace(['.', '/'], "."),
        _ => name.to_owned(),
    };
    if dots.starts_with("net.") {
        Some("net")
    } else if dots == "kernel.sem"
        || ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|prefix| dots.starts_with(prefix))
    {
        Some("ipc")
    } else {
        None
    }
}

/// Annotation that names the seccomp profile of a whole pod; the field has replaced it.
pub(super) const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// What precedes a container's name in the annotation with its seccomp profile.
pub(super) const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// What precedes a container's name in the annotation with its AppArmor profile.
pub(super) const APPARMOR_OF_CONTAINER: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Checks the profiles that annotations name.
pub(super) fn annotations(
    annotations: &BTreeMap<String, String>,
    has_container: impl Fn(&str) -> bool,
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    if let Some(profile) = annotations.get(SECCOMP_OF_POD) {
        seccomp_annotation(profile, &path.field(SECCOMP_OF_POD), errors);
    }
    for (key, profile) in annotations.iter().filter(|(key, _)| key.starts_with(SECCOMP_OF_CONTAINER)) {
        seccomp_annotation(profile, &path.field(key), errors);
    }
    for (key, profile) in annotations {
        let Some(container) = key.strip_prefix(APPARMOR_OF_CONTAINER) else { continue };
        if !has_container(container) {
            errors.invalid(&path.key(key), container, "container not found");
        }
        let is_known = matches!(profile.as_str(), "" | "runtime/default" | "unconfined");
        if !is_known && !profile.starts_with("localhost/") {
            let detail = format!("invalid AppArmor profile name: {}", super::super::field::GoQuoted(profile));
            errors.invalid(&path.key(key), profile.as_str(), detail);
        }
    }
}

fn seccomp_annotation(profile: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match profile.strip_prefix("localhost/") {
        _ if matches!(profile, "runtime/default" | "docker/default" | "unconfined") => {}
        Some(local) => descending_path(local, path, errors),
        None => errors.invalid(path, profile, "must be a valid seccomp profile"),
    }
}

/// A seccomp profile that both an annotation and a field name must be the same one.
pub(super) fn seccomp_matches(annotation: &str, profile: &SeccompProfile, path: &Path<'_>, errors: &mut FieldErrors) {
    let local = annotation.strip_prefix("localhost/");
    let type_matches = match profile.type_.as_str() {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => matches!(annotation, "runtime/default" | "docker/default"),
        "Localhost" => local.is_some(),
        _ => true,
    };
    if !type_matches {
        errors.forbidden(&path.field("type"), "seccomp type in annotation and field must match");
    } else if profile.type_ == "Localhost" && local != profile.localhost_profile.as_deref() {
        errors.forbidden(&path.field("localhostProfile"), "seccomp profile in annotation and field must match");
    }
}

/// An AppArmor profile that both an annotation and a field name must be the same one.
pub(super) fn apparmor_matches(annotation: &str, profile: &AppArmorProfile, path: &Path<'_>, errors: &mut FieldErrors) {
    let local = annotation.strip_prefix("localhost/");
    let type_matches = match profile.type_.as_str() {
        "Unconfined" => annotation == "unconfined",
        "RuntimeDefault" => annotation == "runtime/default",
        "Localhost" => local.is_some(),
        _ => true,
    };
    if !type_matches {
        errors.forbidden(&path.field("type"), "apparmor type in annotation and field must match");
    } else if profile.type_ == "Localhost" && local != profile.localhost_profile.as_deref() {
        errors.forbidden(&path.field("localhostProfile"), "apparmor profile in annotation and field must match");
    }
}
