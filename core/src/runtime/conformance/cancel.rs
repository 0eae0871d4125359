//! Calls that are given up half way: nothing is left that the inventory does not list, and the same call works again.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::Check;
use super::lab::{At as _, Failure, Lab, ensure};
use crate::runtime::{ContainerId, ContainerStatus, SandboxStatus};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a pod can be made after each of its calls was given up once", |lab| Box::pin(start_given_up(lab))),
    Check::new("a stop that was given up can be made again", |lab| Box::pin(stop_given_up(lab))),
    Check::new("a removal that was given up can be made again", |lab| Box::pin(removal_given_up(lab))),
];

/// How far calls are let go before they are given up: not at all, a little, some way.
const HALF_WAYS: [usize; 3] = [1, 2, 8];

/// Lets a call go on for this many steps, and then drops it unless it is done.
async fn give_up<T>(steps: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    for _ in 0..steps {
        let done = std::future::poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(result) = done.await {
            return Some(result);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

async fn start_given_up(lab: &Lab<'_>) -> Result<(), Failure> {
    for steps in HALF_WAYS {
        let pod = lab.pod();
        let sandbox_config = lab.sandbox_config(&pod);
        give_up(steps, lab.runtime.run_pod_sandbox(&sandbox_config)).await;
        let sandbox: SandboxStatus = lab.sandbox(&pod).await?;
        let config = lab.container(&pod, "main", "sleep 3600");
        give_up(steps, lab.runtime.create_container(&sandbox.id, &config)).await;
        let id: ContainerId = lab.runtime.create_container(&sandbox.id, &config).await.at("creating")?;
        give_up(steps, lab.runtime.start_container(&id)).await;
        let status: ContainerStatus = lab.runtime.start_container(&id).await.at("starting")?;
        ensure!(status.state.is_running(), "after {steps} steps it is {:?}", status.state);
        let inventory = lab.runtime.inventory().await.at("listing")?;
        let sandboxes = inventory.sandboxes.iter().filter(|listed| listed.pod == pod.identity).count();
        let containers = inventory.containers.iter().filter(|listed| listed.pod == pod.identity).count();
        ensure!((sandboxes, containers) == (1, 1), "after {steps} steps there are {sandboxes} and {containers}");
    }
    Ok(())
}

async fn stop_given_up(lab: &Lab<'_>) -> Result<(), Failure> {
    for steps in HALF_WAYS {
        let alone = lab.alone("trap '' TERM; sleep 3600").await?;
        give_up(steps, lab.runtime.stop_container(&alone.container, Duration::from_secs(600))).await;
        lab.runtime.stop_container(&alone.container, Duration::ZERO).await.at("stopping")?;
        let state = lab.status(&alone.container).await?.state;
        ensure!(state.is_exited(), "after {steps} steps it is {state:?}");
    }
    Ok(())
}

async fn removal_given_up(lab: &Lab<'_>) -> Result<(), Failure> {
    for steps in HALF_WAYS {
        let alone = lab.alone("sleep 3600").await?;
        give_up(steps, lab.runtime.remove_container(&alone.container)).await;
        lab.runtime.remove_container(&alone.container).await.at("removing the container")?;
        give_up(steps, lab.runtime.stop_pod_sandbox(&alone.sandbox)).await;
        give_up(steps, lab.runtime.remove_pod_sandbox(&alone.sandbox)).await;
        lab.runtime.remove_pod_sandbox(&alone.sandbox).await.at("removing the sandbox")?;
        let inventory = lab.runtime.inventory().await.at("listing")?;
        let left = inventory.sandboxes.iter().any(|listed| listed.pod == alone.pod.identity);
        ensure!(!left, "after {steps} steps the sandbox is still there");
    }
    Ok(())
}
