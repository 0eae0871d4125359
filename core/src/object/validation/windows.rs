//! The operating system of a pod: what only Windows has, and what a Windows pod may not have.

use k8s_openapi::api::core::v1::{PodSpec, SecurityContext, WindowsSecurityContextOptions};

use super::super::field::{FieldErrors, Path};
use super::fields::{list, text};
use super::names;
use super::visit::{self, AnyContainer};

/// How many bytes the contents of a credential spec may have.
const CREDENTIAL_SPEC_BYTES_MAX: usize = 64 * 1024;
/// How many bytes a Windows user name may have before its domain's separator: fewer than this.
const USER_DOMAIN_BYTES_MAX: usize = 256;
/// How many bytes a Windows user name may have without its domain.
const USER_BYTES_MAX: usize = 104;

/// Checks what a pod says of its operating system, and that the rest fits it.
pub(super) fn operating_system(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let Some(os) = &spec.os else { return };
    match os.name.as_str() {
        "" => errors.required(&path.field("os").field("name"), ""),
        "linux" => linux(spec, path, errors),
        "windows" => windows(spec, path, errors),
        other => errors.not_supported(&path.field("os"), other, &["linux", "windows"]),
    }
}

fn linux(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
        errors.forbidden(&path.field("securityContext").field("windowsOptions"), detail);
    }
    visit::containers(spec, path, |container, path| {
        if container.security().is_some_and(|context| context.windows_options.is_some()) {
            errors.forbidden(&path.field("securityContext").field("windowsOptions"), detail);
        }
    });
}

fn windows(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let detail = "cannot be set for a windows pod";
    let context = spec.security_context.clone().unwrap_or_default();
    // In upstream's order: some of these are fields of the pod, though upstream holds them in the context.
    for (in_context, field, is_set) in [
        (true, "appArmorProfile", context.app_armor_profile.is_some()),
        (true, "seLinuxOptions", context.se_linux_options.is_some()),
        (false, "hostUsers", spec.host_users.is_some()),
        (false, "hostPID", spec.host_pid == Some(true)),
        (false, "hostIPC", spec.host_ipc == Some(true)),
        (true, "seccompProfile", context.seccomp_profile.is_some()),
        (true, "fsGroup", context.fs_group.is_some()),
        (true, "fsGroupChangePolicy", context.fs_group_change_policy.is_some()),
        (true, "sysctls", !list(&context.sysctls).is_empty()),
        (false, "shareProcessNamespace", spec.share_process_namespace.is_some()),
        (true, "runAsUser", context.run_as_user.is_some()),
        (true, "runAsGroup", context.run_as_group.is_some()),
        (true, "supplementalGroups", context.supplemental_groups.is_some()),
        (true, "supplementalGroupsPolicy", context.supplemental_groups_policy.is_some()),
        (true, "seLinuxChangePolicy", context.se_linux_change_policy.is_some()),
    ] {
        if !is_set {
            continue;
        }
        let security = path.field("securityContext");
        errors.forbidden(&if in_context { security.field(field) } else { path.field(field) }, detail);
    }
    visit::containers(spec, path, |container, path| {
        if let Some(context) = container.security() {
            windows_container(context, &path.field("securityContext"), errors);
        }
    });
}

fn windows_container(context: &SecurityContext, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, is_set) in [
        ("appArmorProfile", context.app_armor_profile.is_some()),
        ("seLinuxOptions", context.se_linux_options.is_some()),
        ("seccompProfile", context.seccomp_profile.is_some()),
        ("capabilities", context.capabilities.is_some()),
        ("readOnlyRootFilesystem", context.read_only_root_filesystem.is_some()),
        ("privileged", context.privileged.is_some()),
        ("allowPrivilegeEscalation", context.allow_privilege_escalation.is_some()),
        ("procMount", context.proc_mount.is_some()),
        ("runAsUser", context.run_as_user.is_some()),
        ("runAsGroup", context.run_as_group.is_some()),
    ] {
        if is_set {
            errors.forbidden(&path.field(field), "cannot be set for a windows pod");
        }
    }
}

/// Checks that either all containers are processes of the host, on its network, or none is.
pub(super) fn host_process(spec: &PodSpec, path: &Path<'_>, errors: &mut FieldErrors) {
    let of_pod = spec
        .security_context
        .as_ref()
        .and_then(|context| context.windows_options.as_ref())
        .and_then(|options| options.host_process);
    let (mut all, mut on_host) = (0_usize, 0_usize);
    visit::containers(spec, path, |container: AnyContainer<'_>, path: &Path<'_>| {
        all += 1;
        let windows = container.security().and_then(|context| context.windows_options.as_ref());
        let of_container = windows.and_then(|options| options.host_process);
        if let (Some(pod), Some(own)) = (of_pod, of_container)
            && pod != own
        {
            let security = path.field("securityContext");
            let options = security.field("windowsOptions");
            let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&options.field("hostProcess"), own, detail);
        }
        on_host += usize::from(of_container.or(of_pod) == Some(true));
    });
    if on_host == 0 {
        return;
    }
    if on_host != all {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", detail);
    }
    if spec.host_network != Some(true) {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.field("hostNetwork"), false, detail);
    }
}

/// Checks the Windows options of a pod or container.
pub(super) fn options(options: &WindowsSecurityContextOptions, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(name) = options.gmsa_credential_spec_name.as_deref() {
        errors.invalid_each(&path.field("gmsaCredentialSpecName"), name, names::dns1123_subdomain(name));
    }
    if let Some(spec) = options.gmsa_credential_spec.as_deref() {
        let path = path.field("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid(&path, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > CREDENTIAL_SPEC_BYTES_MAX {
            errors.invalid(&path, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if options.run_as_user_name.is_some() {
        user_name(text(&options.run_as_user_name), &path.field("runAsUserName"), errors);
    }
}

fn user_name(name: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let mut refuse = |detail: &str| errors.invalid(path, name, format!("runAsUserName{detail}"));
    if name.is_empty() {
        return refuse(" cannot be an empty string");
    }
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return refuse(" cannot contain control characters");
    }
    let (domain, user) = match name.split_once('\\') {
        None => (None, name),
        Some((_, user)) if user.contains('\\') => return refuse(" cannot contain more than one backslash"),
        Some((domain, user)) => (Some(domain), user),
    };
    if domain.is_some_and(|domain| domain.len() >= USER_DOMAIN_BYTES_MAX) {
        refuse("'s Domain length must be under 256 characters");
    }
    if domain.is_some_and(|domain| !is_net_bios(domain) && !is_dns_name(domain)) {
        refuse("'s Domain doesn't match the NetBios nor the DNS format");
    }
    if user.is_empty() {
        refuse("'s User cannot be empty");
    } else if user.len() > USER_BYTES_MAX {
        refuse("'s User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|one| matches!(one, '.' | ' ')) {
        refuse("'s User cannot contain only periods or spaces");
    }
    if user.contains(|one: char| "\"/\\:;|=,+*?<>@[]".contains(one)) {
        refuse("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
}

fn is_net_bios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(|one: char| "\\/:*?\"<>|".contains(one))
}

fn is_dns_name(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let edge = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
        label.len() <= names::LABEL_BYTES_MAX
            && edge(label.chars().next())
            && edge(label.chars().last())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}
