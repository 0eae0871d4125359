//! What this runtime cannot do yet: refused with the field's name, never left out.

use inboard::k8s_openapi::api::core::v1::{Container, PodSpec};
use inboard::runtime::{RuntimeError, RuntimeErrorKind};

pub(crate) fn unsupported(field: &str, why: &str) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Unsupported, format!("{field}: not supported by this runtime: {why}"))
}

const HOST_USERS: &str = "the namespaces of the host belong to the users of the host";

/// Checks the fields of a pod that its sandbox would have to honour.
pub(crate) fn check_sandbox(spec: &PodSpec) -> Result<(), RuntimeError> {
    let security = spec.security_context.clone().unwrap_or_default();
    let shares_with_host = [spec.host_network, spec.host_ipc, spec.host_pid].contains(&Some(true));
    let refused: [(bool, &str, &str); 4] = [
        (spec.host_users == Some(false) && shares_with_host, "spec.hostUsers", HOST_USERS),
        (spec.runtime_class_name.is_some(), "spec.runtimeClassName", "there is one handler, runc"),
        (spec.os.as_ref().is_some_and(|os| os.name != "linux"), "spec.os", "only linux"),
        (security.windows_options.is_some(), "spec.securityContext.windowsOptions", "only linux"),
    ];
    if let Some((_, field, why)) = refused.into_iter().find(|(set, ..)| *set) {
        return Err(unsupported(field, why));
    }
    security.sysctls.iter().flatten().try_for_each(|sysctl| check_sysctl(spec, &sysctl.name))
}

/// A kernel parameter may be set only where the pod has the namespace that holds it; any other would change the host.
fn check_sysctl(spec: &PodSpec, name: &str) -> Result<(), RuntimeError> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let own = (starts(&["net."]) && spec.host_network != Some(true))
        || (starts(&["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."]) && spec.host_ipc != Some(true));
    if own && !name.contains('/') {
        return Ok(());
    }
    let message = format!("spec.securityContext.sysctls: {name:?} is not a parameter of the pod's own namespaces");
    Err(RuntimeError::new(RuntimeErrorKind::InvalidArgument, message))
}

/// Checks the fields of a container.
pub(super) fn check_container(container: &Container) -> Result<(), RuntimeError> {
    let security = container.security_context.clone().unwrap_or_default();
    let field = |name: &str| format!("container {}: {name}", container.name);
    if security.windows_options.is_some() {
        return Err(unsupported(&field("securityContext.windowsOptions"), "only linux"));
    }
    Ok(())
}
