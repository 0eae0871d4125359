//! Other resources for a container that runs, without a restart.
//!
//! The group of the whole pod gets the larger of what it has and what it shall have first, so that it is never in the way;
//! then the container its own; then the pod what it shall have.

use containerd_client::services::v1::UpdateTaskRequest;
use inboard::runtime::{ContainerResources, RuntimeError, RuntimeErrorKind};

use crate::client::call;
use crate::runtime::Inner;
use crate::spec::{self, PodLimits};
use crate::{cgroup, error};

/// How containerd finds the JSON of resources among its types.
const RESOURCES_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

impl Inner {
    pub(crate) async fn resize(&self, id: &str, wanted: &ContainerResources) -> Result<(), RuntimeError> {
        let entry = self.running(id)?;
        let _lock = self.locks.hold(&entry.record.sandbox).await;
        let container = wanted.container();
        let container = container.ok_or_else(|| spec::invalid("an ephemeral container has no resources of its own"))?;
        let resized = spec::resized(container, &self.host)?;
        if let Some(limit) = resized.memory.limit().and_then(|limit| u64::try_from(limit).ok()) {
            let used = cgroup::usage(&entry.record.cgroup).map_or(0, |usage| usage.working_set);
            if used > limit {
                // Half of a kernel's versions would end the container then, the others refuse with less to say.
                let message = format!("memory limit {limit} of container {id} is below the {used} bytes that it uses");
                return Err(RuntimeError::new(RuntimeErrorKind::FailedPrecondition, message));
            }
        }
        let limits = PodLimits::of(&wanted.spec, self.settings.pod_pids_limit);
        let pod = self.sandbox_record(&entry.record.sandbox).map(|sandbox| sandbox.cgroup);
        let of_pod = |e| error::system("limit what the pod may use", e);
        if let Some(pod) = &pod {
            cgroup::raise(pod, &limits).map_err(of_pod)?;
        }
        let value = serde_json::to_vec(&resized).map_err(spec::invalid)?;
        let resources = Some(prost_types::Any { type_url: RESOURCES_TYPE.into(), value });
        let request = UpdateTaskRequest { container_id: id.to_owned(), resources, ..UpdateTaskRequest::default() };
        let request = self.daemon.request(request);
        call("give the container other resources", self.daemon.services().tasks().update(request)).await?;
        if let Some(pod) = &pod {
            let used = cgroup::usage(pod).map_or(0, |usage| usage.working_set);
            let most = limits.memory_bytes.and_then(|most| u64::try_from(most).ok());
            // While its other containers have not been given less: half of a kernel's versions would end one of them. The
            // last of them that is given less comes by here again.
            let limited = if most.is_some_and(|most| used > most) { Ok(()) } else { cgroup::limit(pod, &limits) };
            if let Err(error) = limited {
                tracing::debug!(pod, %error, "the limits of a pod as a whole stay above those of its containers");
            }
        }
        Ok(())
    }
}
