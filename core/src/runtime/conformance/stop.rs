//! Stopping: asked first, killed when the grace period is over.

use std::time::Duration;

use super::Check;
use super::lab::{At as _, Failure, Lab, ensure};
use crate::runtime::ContainerState;

pub(super) const CHECKS: &[Check] = &[
    Check::new("a container that answers SIGTERM ends in its own way", |lab| Box::pin(answers(lab))),
    Check::new("a container that does not is killed when the grace is over", |lab| Box::pin(killed(lab))),
    Check::new("without grace a container is killed at once", |lab| Box::pin(no_grace(lab))),
    Check::new("a shorter grace shortens a stop that is under way", |lab| Box::pin(shortened(lab))),
    Check::new("stopping what has ended, or never ran, changes nothing", |lab| Box::pin(nothing_to_stop(lab))),
];

/// Longer than any check waits.
const LONG: Duration = Duration::from_secs(600);

async fn answers(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("trap 'exit 7' TERM; while true; do sleep 1; done").await?;
    settle(lab, &alone.container).await?;
    let before = lab.fixture.now();
    lab.runtime.stop_container(&alone.container, LONG).await.at("stopping")?;
    let took = lab.fixture.now().since(before);
    let ContainerState::Exited { exit, .. } = lab.status(&alone.container).await?.state else {
        return Err(Failure::new("it still runs after the call"));
    };
    ensure!(exit.code == 7, "it ended with {}", exit.code);
    ensure!(took < lab.fixture.patience(), "it took {took:?}");
    Ok(())
}

/// A trap is set only once the shell has come to it.
async fn settle(lab: &Lab<'_>, container: &crate::runtime::ContainerId) -> Result<(), Failure> {
    lab.out(container, "sleep 1").await.map(|_| ())
}

async fn killed(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("trap '' TERM; sleep 3600").await?;
    settle(lab, &alone.container).await?;
    let grace = Duration::from_secs(2);
    let before = lab.fixture.now();
    lab.runtime.stop_container(&alone.container, grace).await.at("stopping")?;
    let took = lab.fixture.now().since(before);
    let ContainerState::Exited { exit, .. } = lab.status(&alone.container).await?.state else {
        return Err(Failure::new("it still runs after the call"));
    };
    ensure!(exit.code == 137, "it ended with {}", exit.code);
    ensure!(took + Duration::from_millis(100) >= grace, "it was killed after {took:?} instead of {grace:?}");
    Ok(())
}

async fn no_grace(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    lab.runtime.stop_container(&alone.container, Duration::ZERO).await.at("stopping")?;
    let ContainerState::Exited { exit, .. } = lab.status(&alone.container).await?.state else {
        return Err(Failure::new("it still runs after the call"));
    };
    ensure!(exit.code == 137, "it ended with {}", exit.code);
    Ok(())
}

async fn shortened(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("trap '' TERM; sleep 3600").await?;
    settle(lab, &alone.container).await?;
    let long = lab.runtime.stop_container(&alone.container, LONG);
    let short = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        lab.runtime.stop_container(&alone.container, Duration::from_secs(1)).await
    };
    let both = async {
        let (long, short) = futures_util::future::join(long, short).await;
        long.at("the long stop")?;
        short.at("the short stop")
    };
    lab.in_time("both stops to end", both).await?;
    lab.ended(&alone.container).await.map(|_| ())
}

async fn nothing_to_stop(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("exit 5").await?;
    let ended = lab.ended(&alone.container).await?;
    lab.runtime.stop_container(&alone.container, LONG).await.at("stopping what has ended")?;
    let again = lab.ended(&alone.container).await?;
    ensure!(
        again.exit.code == 5 && again.finished_at == ended.finished_at,
        "it has ended again: {:?} at {}",
        again.exit,
        again.finished_at
    );
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let never = lab.runtime.create_container(&sandbox, &lab.container(&pod, "main", "true")).await.at("creating")?;
    lab.runtime.stop_container(&never, LONG).await.at("stopping what never ran")?;
    ensure!(!lab.status(&never).await?.state.is_running(), "it runs");
    Ok(())
}
