//! Sandboxes: made, listed, stopped, removed, shared by containers.

use super::lab::{At as _, Failure, Lab, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ContainerState, RuntimeErrorKind, SandboxState};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a sandbox is ready and listed, and made only once", |lab| Box::pin(made_once(lab))),
    Check::new("two calls at once make one sandbox", |lab| Box::pin(made_at_once(lab))),
    Check::new("a new attempt is a new sandbox", |lab| Box::pin(new_attempt(lab))),
    Check::new("every pod has an address of its own", |lab| Box::pin(addresses(lab))).needs(Feature::PodNetwork),
    Check::new("a stopped sandbox is not ready and takes no containers", |lab| Box::pin(stopped(lab))),
    Check::new("stopping a sandbox kills its containers", |lab| Box::pin(stop_kills(lab))),
    Check::new("a removed sandbox leaves nothing", |lab| Box::pin(removed(lab))),
    Check::new("the containers of a pod share its host name", |lab| Box::pin(shared_hostname(lab))),
    Check::new("the containers of a pod have file systems of their own", |lab| Box::pin(own_files(lab))),
    Check::new("the containers of a pod reach each other on localhost", |lab| Box::pin(localhost(lab)))
        .needs(Feature::Localhost),
];

async fn made_once(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let before = lab.fixture.now();
    let first = lab.sandbox(&pod).await?;
    ensure!(first.state == SandboxState::Ready, "it is {:?}", first.state);
    ensure!(first.pod == pod.identity, "it is of {:?} instead of {:?}", first.pod, pod.identity);
    let late = first.created_at.since(lab.fixture.now());
    ensure!(late.as_secs() < 2, "it was made {late:?} ahead of the time");
    ensure!(before.since(first.created_at).as_secs() < 2, "it was made at {}, asked for at {before}", first.created_at);
    let second = lab.sandbox(&pod).await?;
    ensure!(first == second, "the second time it is {second:?} instead of {first:?}");
    let inventory = lab.runtime.inventory().await.at("listing")?;
    let listed: Vec<_> = inventory.sandboxes.iter().filter(|sandbox| sandbox.pod == pod.identity).collect();
    ensure!(listed == [&first], "listed is {listed:?} instead of {first:?}");
    Ok(())
}

async fn made_at_once(lab: &Lab<'_>) -> Result<(), Failure> {
    let config = lab.sandbox_config(&lab.pod());
    let (first, second) =
        futures_util::future::join(lab.runtime.run_pod_sandbox(&config), lab.runtime.run_pod_sandbox(&config)).await;
    let (first, second) = (first.at("the first call")?, second.at("the second call")?);
    ensure!(first.id == second.id, "there are two: {first:?} and {second:?}");
    Ok(())
}

async fn new_attempt(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let first = lab.sandbox(&pod).await?;
    lab.runtime.stop_pod_sandbox(&first.id).await.at("stopping the first")?;
    let mut config = lab.sandbox_config(&pod);
    config.attempt = 1;
    let second = lab.runtime.run_pod_sandbox(&config).await.at("running the second")?;
    ensure!(first.id != second.id, "both have the id {}", first.id);
    ensure!(second.attempt == 1 && second.state == SandboxState::Ready, "the second is {second:?}");
    let inventory = lab.runtime.inventory().await.at("listing")?;
    let listed: Vec<_> = inventory.sandboxes.iter().filter(|sandbox| sandbox.pod == pod.identity).collect();
    let attempts: Vec<_> = listed.iter().map(|sandbox| (sandbox.attempt, sandbox.state)).collect();
    ensure!(attempts == [(0, SandboxState::NotReady), (1, SandboxState::Ready)], "listed are {listed:?}");
    Ok(())
}

async fn addresses(lab: &Lab<'_>) -> Result<(), Failure> {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let sandbox = lab.sandbox(&lab.pod()).await?;
        ensure!(!sandbox.ips.is_empty(), "a pod has no address");
        for ip in &sandbox.ips {
            ensure!(!seen.contains(ip), "{ip} was given out twice");
            ensure!(!ip.is_loopback() && !ip.is_unspecified(), "{ip} is not an address to be reached at");
        }
        seen.extend(sandbox.ips);
    }
    Ok(())
}

async fn stopped(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    for time in ["the first time", "the second time"] {
        lab.runtime.stop_pod_sandbox(&sandbox).await.at(&format!("stopping {time}"))?;
        let inventory = lab.runtime.inventory().await.at("listing")?;
        let listed = inventory.sandboxes.iter().find(|listed| listed.id == sandbox);
        ensure!(listed.is_some_and(|listed| listed.state == SandboxState::NotReady), "{time} listed is {listed:?}");
    }
    let result = lab.runtime.create_container(&sandbox, &lab.container(&pod, "main", "true")).await;
    must_fail("creating a container in it", result, &[RuntimeErrorKind::FailedPrecondition])
}

async fn stop_kills(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("trap '' TERM; sleep 3600").await?;
    lab.runtime.stop_pod_sandbox(&alone.sandbox).await.at("stopping")?;
    match lab.status(&alone.container).await?.state {
        ContainerState::Exited { exit, .. } => ensure!(exit.code == 137, "the exit code is {}", exit.code),
        state => return Err(Failure::new(format!("the container is {state:?}"))),
    }
    Ok(())
}

async fn removed(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo hello; sleep 3600").await?;
    lab.runtime.remove_pod_sandbox(&alone.sandbox).await.at("removing")?;
    lab.runtime.remove_pod_sandbox(&alone.sandbox).await.at("removing again")?;
    let inventory = lab.runtime.inventory().await.at("listing")?;
    let sandboxes = inventory.sandboxes.iter().any(|sandbox| sandbox.pod == alone.pod.identity);
    let containers = inventory.containers.iter().any(|container| container.pod == alone.pod.identity);
    ensure!(!sandboxes && !containers, "left is {inventory:?}");
    let status = lab.runtime.container_status(&alone.container).await;
    must_fail("asking for its container", status, &[RuntimeErrorKind::NotFound])
}

async fn shared_hostname(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    for name in ["main", "other"] {
        let container = lab.start(&sandbox, &lab.container(&pod, name, "sleep 3600")).await?;
        let hostname = lab.out(&container, "hostname").await?;
        ensure!(hostname == *pod.identity.name, "in {name} it is {hostname:?} instead of {:?}", pod.identity.name);
    }
    Ok(())
}

async fn own_files(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = lab.start(&sandbox, &lab.container(&pod, "main", "sleep 3600")).await?;
    let other = lab.start(&sandbox, &lab.container(&pod, "other", "sleep 3600")).await?;
    lab.out(&main, "echo mine > /tmp/file").await?;
    ensure!(lab.out(&main, "cat /tmp/file").await? == "mine", "the container does not see its own file");
    ensure!(lab.sh(&other, "cat /tmp/file").await?.code != 0, "the other container sees the file too");
    Ok(())
}

async fn localhost(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let server = "while true; do echo pong | nc -l -p 7777; done";
    lab.start(&sandbox, &lab.container(&pod, "main", server)).await?;
    let client = lab.start(&sandbox, &lab.container(&pod, "other", "sleep 3600")).await?;
    let ask = "for i in 1 2 3 4 5 6 7 8 9 10; do nc 127.0.0.1 7777 < /dev/null && exit 0; sleep 1; done; exit 1";
    let answer = lab.out(&client, ask).await?;
    ensure!(answer.contains("pong"), "the answer is {answer:?}");
    Ok(())
}
