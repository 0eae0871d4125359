//! Commands inside containers, and probes.

use std::time::Duration;

use super::Check;
use super::lab::{Alone, At as _, Failure, Lab, ensure, must_fail};
use crate::runtime::{ProbeAction, ProbeOutcome, ProbePurpose, ProbeRequest, RuntimeErrorKind};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a command gives its outputs and its exit code", |lab| Box::pin(outputs(lab))),
    Check::new("a command that takes too long is given up", |lab| Box::pin(timeout(lab))),
    Check::new("a command that is not there cannot run", |lab| Box::pin(missing(lab))),
    Check::new("no command runs in a container that does not run", |lab| Box::pin(not_running(lab))),
    Check::new("an exec probe succeeds and fails with its command", |lab| Box::pin(probe(lab))),
    Check::new("a probe that takes too long fails", |lab| Box::pin(slow_probe(lab))),
];

async fn outputs(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    for time in 0..2 {
        let output = lab.sh(&alone.container, "echo good; echo bad >&2; exit 3").await?;
        let got = (&*output.stdout, &*output.stderr, output.code);
        ensure!(got == (b"good\n", b"bad\n", 3), "time {time} it gave {output:?}");
    }
    ensure!(lab.status(&alone.container).await?.state.is_running(), "the container did not survive it");
    Ok(())
}

async fn timeout(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let command = ["sleep", "600"].map(str::to_owned);
    let before = lab.fixture.now();
    let result = lab.runtime.exec_sync(&alone.container, &command, Duration::from_secs(1)).await;
    must_fail("a command of ten minutes", result, &[RuntimeErrorKind::DeadlineExceeded])?;
    let took = lab.fixture.now().since(before);
    ensure!(took < lab.fixture.patience(), "it took {took:?}");
    Ok(())
}

async fn missing(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let result = lab.runtime.exec_sync(&alone.container, &lab.fixture.missing_command(), lab.fixture.patience()).await;
    must_fail("running it", result, &[RuntimeErrorKind::CannotRun])
}

async fn not_running(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("exit 0").await?;
    lab.ended(&alone.container).await?;
    let result = lab.runtime.exec_sync(&alone.container, &["true".to_owned()], lab.fixture.patience()).await;
    must_fail("in one that has ended", result, &[RuntimeErrorKind::FailedPrecondition])
}

fn request(alone: &Alone, command: &[&str]) -> ProbeRequest {
    ProbeRequest {
        container: alone.container.clone(),
        sandbox: alone.sandbox.clone(),
        ip: None,
        action: ProbeAction::Exec { command: command.iter().map(|word| (*word).to_owned()).collect() },
        timeout: Duration::from_secs(1),
        purpose: ProbePurpose::Readiness,
    }
}

async fn probe(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let is_there = request(&alone, &["cat", "/tmp/ready"]);
    let before = lab.runtime.probe(&is_there).await.at("probing before")?;
    ensure!(matches!(before, ProbeOutcome::Failure(_)), "before the file is there it is {before:?}");
    lab.out(&alone.container, "echo yes > /tmp/ready").await?;
    let after = lab.runtime.probe(&is_there).await.at("probing after")?;
    ensure!(after == ProbeOutcome::Success, "when the file is there it is {after:?}");
    let says = request(&alone, &["/bin/sh", "-c", "echo not today; exit 1"]);
    match lab.runtime.probe(&says).await.at("probing what speaks")? {
        ProbeOutcome::Failure(text) => ensure!(text.contains("not today"), "the failure says {text:?}"),
        ProbeOutcome::Success => return Err(Failure::new("a failing command is a success")),
    }
    Ok(())
}

async fn slow_probe(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let outcome = lab.runtime.probe(&request(&alone, &["sleep", "600"])).await.at("probing")?;
    ensure!(matches!(outcome, ProbeOutcome::Failure(_)), "it is {outcome:?}");
    Ok(())
}
