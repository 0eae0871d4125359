//! Events: every exit is told, once, to everybody who listens.

use futures_util::StreamExt as _;

use super::Check;
use super::lab::{At as _, Failure, Lab, ensure};
use crate::runtime::{ContainerId, ContainerState, ContainerStatus, RuntimeEvent};
use futures_core::stream::BoxStream;

pub(super) const CHECKS: &[Check] = &[
    Check::new("a container that exits by itself is told of", |lab| Box::pin(exit_is_told(lab))),
    Check::new("a container that is stopped is told of", |lab| Box::pin(stop_is_told(lab))),
    Check::new("every listener is told, and each exit once", |lab| Box::pin(each_once(lab))),
];

/// The next exit of this container.
async fn next_exit(
    lab: &Lab<'_>,
    events: &mut BoxStream<'static, RuntimeEvent>,
    id: &ContainerId,
) -> Result<Box<ContainerStatus>, Failure> {
    let wait = async {
        while let Some(event) = events.next().await {
            match event {
                RuntimeEvent::Exited(status) if status.id == *id => return Ok(status),
                _ => {}
            }
        }
        Err(Failure::new("the stream of events has ended"))
    };
    lab.in_time("the exit to be told", wait).await
}

async fn exit_is_told(lab: &Lab<'_>) -> Result<(), Failure> {
    let mut events = lab.runtime.events();
    let alone = lab.alone("sleep 1; exit 9").await?;
    let told = next_exit(lab, &mut events, &alone.container).await?;
    let ContainerState::Exited { exit, .. } = &told.state else {
        return Err(Failure::new(format!("told as exited, it is {:?}", told.state)));
    };
    ensure!(exit.code == 9, "it ended with {}", exit.code);
    ensure!(told.pod == alone.pod.identity && *told.name == *"main", "it is {:?} of {:?}", told.name, told.pod);
    let status = lab.status(&alone.container).await?;
    ensure!(*told == status, "told was {told:?}, asked for it is {status:?}");
    Ok(())
}

async fn stop_is_told(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let mut events = lab.runtime.events();
    lab.runtime.stop_container(&alone.container, std::time::Duration::ZERO).await.at("stopping")?;
    next_exit(lab, &mut events, &alone.container).await.map(|_| ())
}

async fn each_once(lab: &Lab<'_>) -> Result<(), Failure> {
    let (mut first, mut second) = (lab.runtime.events(), lab.runtime.events());
    let alone = lab.alone("exit 0").await?;
    next_exit(lab, &mut first, &alone.container).await?;
    next_exit(lab, &mut second, &alone.container).await?;
    // A second container shows that nothing of the first is still to come.
    let last = lab.alone("exit 0").await?;
    while let Some(event) = first.next().await {
        if let RuntimeEvent::Exited(status) = event {
            ensure!(status.id != alone.container, "the exit was told twice");
            if status.id == last.container {
                break;
            }
        }
    }
    Ok(())
}
