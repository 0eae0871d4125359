//! What the runtime says of itself, and of what it does not know.

use std::time::Duration;

use super::Check;
use super::lab::{At as _, Failure, Lab, ensure, must_fail};
use crate::runtime::{ContainerId, ExecRequest, LogOptions, RuntimeErrorKind, SandboxId};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a runtime has a name and a version", |lab| Box::pin(name_and_version(lab))),
    Check::new("asking for what is not there is NotFound", |lab| Box::pin(unknown_is_not_found(lab))),
    Check::new("stopping and removing what is not there succeeds", |lab| Box::pin(unknown_is_removed(lab))),
];

async fn name_and_version(lab: &Lab<'_>) -> Result<(), Failure> {
    let info = lab.runtime.info().await.at("asking for the info")?;
    let scheme = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    ensure!(scheme(&info.name), "the name {:?} cannot be the scheme of a container id", info.name);
    ensure!(!info.version.is_empty(), "the version is empty");
    Ok(())
}

fn unknown() -> (SandboxId, ContainerId) {
    let id = "0123456789abcdef".repeat(4);
    (SandboxId::new(id.clone()), ContainerId::new(id))
}

async fn unknown_is_not_found(lab: &Lab<'_>) -> Result<(), Failure> {
    const NOT_FOUND: &[RuntimeErrorKind] = &[RuntimeErrorKind::NotFound];
    let (sandbox, container) = unknown();
    let pod = lab.pod();
    let config = lab.container(&pod, "main", "true");
    let command = ["true".to_owned()];
    let request = ExecRequest { command: command.to_vec(), stdout: true, ..ExecRequest::default() };
    must_fail("create_container", lab.runtime.create_container(&sandbox, &config).await, NOT_FOUND)?;
    must_fail("start_container", lab.runtime.start_container(&container).await, NOT_FOUND)?;
    must_fail("container_status", lab.runtime.container_status(&container).await, NOT_FOUND)?;
    must_fail("exec_sync", lab.runtime.exec_sync(&container, &command, Duration::from_secs(1)).await, NOT_FOUND)?;
    must_fail("exec", lab.runtime.exec(&container, &request).await, NOT_FOUND)?;
    must_fail("logs", lab.runtime.logs(&container, &LogOptions::default()).await, NOT_FOUND)?;
    // An id that is no id must do no harm either.
    let nonsense = ContainerId::new("../ä\n");
    must_fail("container_status of nonsense", lab.runtime.container_status(&nonsense).await, NOT_FOUND)
}

async fn unknown_is_removed(lab: &Lab<'_>) -> Result<(), Failure> {
    let (sandbox, container) = unknown();
    lab.runtime.stop_container(&container, Duration::from_secs(1)).await.at("stop_container")?;
    lab.runtime.remove_container(&container).await.at("remove_container")?;
    lab.runtime.stop_pod_sandbox(&sandbox).await.at("stop_pod_sandbox")?;
    lab.runtime.remove_pod_sandbox(&sandbox).await.at("remove_pod_sandbox")?;
    lab.runtime.remove_volumes(&lab.pod().identity).await.at("remove_volumes")?;
    lab.runtime.remove_image(lab.fixture.missing_image()).await.at("remove_image")
}
