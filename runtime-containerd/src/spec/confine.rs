//! What confines a process beside filters of its calls: an AppArmor profile, an SELinux label. Where the kernel lacks what
//! a pod asks for, the container is refused.

use inboard::k8s_openapi::api::core::v1::{Container, SecurityContext};
use inboard::runtime::RuntimeError;

use super::refuse::unsupported;
use super::{SpecInput, cannot_run};
use crate::apparmor::{AppArmor, DEFAULT_PROFILE};
use crate::selinux::Labels;

/// The profile that confines the process: where nothing is said the default, if the machine has it.
pub(super) fn apparmor(input: &SpecInput<'_>, security: &SecurityContext) -> Result<Option<String>, RuntimeError> {
    if security.privileged == Some(true) {
        return Ok(None);
    }
    let pod = input.config.spec.security_context.as_ref().and_then(|pod| pod.app_armor_profile.as_ref());
    let profile = security.app_armor_profile.as_ref().or(pod);
    let asked = profile.map(|profile| profile.type_.as_str());
    match (asked, &input.host.apparmor) {
        (Some("Unconfined"), _) | (None, AppArmor::Absent | AppArmor::Named(_)) => Ok(None),
        (Some(_), AppArmor::Absent) => Err(cannot_run("Cannot enforce AppArmor: AppArmor is not enabled on the host")),
        (Some("Localhost"), _) => Ok(profile.and_then(|profile| profile.localhost_profile.clone())),
        (_, AppArmor::Ready) => Ok(Some(DEFAULT_PROFILE.to_owned())),
        (Some(_), AppArmor::Named(why)) => {
            Err(cannot_run(format!("Cannot enforce AppArmor: the default profile is not loaded: {why}")))
        }
    }
}

/// The labels of a container that asks for one, by itself or through its pod; the privileged have none.
pub(crate) fn selinux(input: &SpecInput<'_>, container: &Container) -> Result<Option<Labels>, RuntimeError> {
    let own = container.security_context.as_ref();
    let pod = input.config.spec.security_context.as_ref().and_then(|pod| pod.se_linux_options.as_ref());
    let Some(options) = own.and_then(|own| own.se_linux_options.as_ref()).or(pod) else { return Ok(None) };
    if own.is_some_and(|own| own.privileged == Some(true)) {
        return Ok(None);
    }
    match &input.host.selinux {
        Some(policy) => Ok(Some(policy.labels(options, &input.sandbox.cgroup_parent))),
        None => Err(unsupported("securityContext.seLinuxOptions", "SELinux is not enabled on the host")),
    }
}
