//! Containers: created once, started once, ended with a code, started anew beside what is left of them.

use super::lab::{At as _, Failure, Lab, ensure, must_fail};
use super::{Check, Feature};
use crate::runtime::{ContainerState, EnvVar, ExitReason, RuntimeErrorKind};

pub(super) const CHECKS: &[Check] = &[
    Check::new("a container is created once, and listed", |lab| Box::pin(created_once(lab))),
    Check::new("a started container runs, and is started only once", |lab| Box::pin(started_once(lab))),
    Check::new("a container ends with its exit code, and stays ended", |lab| Box::pin(exit_codes(lab))),
    Check::new("a signal from inside reaches a container's own process", |lab| Box::pin(signalled_from_inside(lab))),
    Check::new("a container whose command is not there cannot run", |lab| Box::pin(missing_command(lab))),
    Check::new("a container without a command runs what its image says", |lab| Box::pin(image_command(lab)))
        .needs(Feature::LongRunningImage),
    Check::new("a container has its arguments and its environment", |lab| Box::pin(environment(lab))),
    Check::new("a restarted container is a new one beside the old one", |lab| Box::pin(restarted(lab))),
    Check::new("what a container writes as its last words is in its status", |lab| Box::pin(last_words(lab))),
    Check::new("a removed container is gone, and the others stay", |lab| Box::pin(removed(lab))),
    Check::new("usage is measured for each container", |lab| Box::pin(usage(lab))).needs(Feature::Stats),
];

async fn created_once(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let config = lab.container(&pod, "main", "sleep 3600");
    let first = lab.runtime.create_container(&sandbox, &config).await.at("creating")?;
    let second = lab.runtime.create_container(&sandbox, &config).await.at("creating again")?;
    ensure!(first == second, "there are two: {first} and {second}");
    let status = lab.status(&first).await?;
    ensure!(status.state == ContainerState::Created, "it is {:?}", status.state);
    let said = (&status.pod, &*status.name, status.attempt, &status.sandbox, &*status.image);
    let asked = (&pod.identity, "main", 0, &sandbox, lab.fixture.image());
    ensure!(said == asked, "it is {said:?} instead of {asked:?}");
    let inventory = lab.runtime.inventory().await.at("listing")?;
    let listed: Vec<_> = inventory.containers.iter().filter(|container| container.pod == pod.identity).collect();
    ensure!(listed == [&status], "listed is {listed:?} instead of {status:?}");
    Ok(())
}

async fn started_once(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let first = lab.status(&alone.container).await?;
    ensure!(first.state.is_running(), "it is {:?}", first.state);
    let again = lab.runtime.start_container(&alone.container).await.at("starting again")?;
    ensure!(again == first, "started again it is {again:?} instead of {first:?}");
    let inventory = lab.runtime.inventory().await.at("listing")?;
    ensure!(inventory.containers.contains(&first), "{first:?} is not in {:?}", inventory.containers);
    Ok(())
}

async fn exit_codes(lab: &Lab<'_>) -> Result<(), Failure> {
    for (script, code) in [("true", 0), ("false", 1), ("exit 42", 42), ("exit 255", 255)] {
        let before = lab.fixture.now();
        let alone = lab.alone(script).await?;
        let ended = lab.ended(&alone.container).await?;
        let exit = (ended.exit.code, ended.exit.reason);
        ensure!(exit == (code, ExitReason::Exited), "{script:?} ended with {exit:?}");
        let times = (ended.started_at, ended.finished_at);
        ensure!(times.0 <= times.1, "{script:?} ended before it started: {times:?}");
        ensure!(before.since(times.0).as_secs() < 2, "{script:?} started at {}, asked for at {before}", times.0);
        let status = lab.status(&alone.container).await?;
        let again = lab.runtime.start_container(&alone.container).await.at("starting what has ended")?;
        ensure!(again == status, "started again {script:?} is {again:?} instead of {status:?}");
    }
    Ok(())
}

async fn signalled_from_inside(lab: &Lab<'_>) -> Result<(), Failure> {
    // The first process of a namespace is only hurt by signals that it has a handler for. The trap is set only once the
    // shell has come to it.
    let alone = lab.alone("trap 'exit 11' TERM; while true; do sleep 1; done").await?;
    lab.out(&alone.container, "sleep 1").await?;
    lab.sh(&alone.container, "kill -TERM 1").await?;
    let ended = lab.ended(&alone.container).await?;
    ensure!(ended.exit.code == 11, "it ended with {}", ended.exit.code);
    Ok(())
}

async fn missing_command(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let command = lab.fixture.missing_command();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let config = lab.command(&pod, "main", &command);
    let cannot_run = [RuntimeErrorKind::CannotRun];
    match lab.runtime.create_container(&sandbox, &config).await {
        Err(error) => must_fail::<()>("creating", Err(error), &cannot_run),
        Ok(id) => {
            must_fail("starting", lab.runtime.start_container(&id).await, &cannot_run)?;
            let state = lab.status(&id).await?.state;
            ensure!(!state.is_running(), "it runs nevertheless");
            if let ContainerState::Exited { exit, .. } = state {
                ensure!(exit.reason == ExitReason::CannotRun, "it ended with {exit:?}");
                ensure!(exit.code != 0, "it ended with 0");
            }
            Ok(())
        }
    }
}

async fn image_command(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let id = lab.start(&sandbox, &lab.command(&pod, "main", &[])).await?;
    let state = lab.status(&id).await?.state;
    ensure!(state.is_running(), "it is {state:?}");
    Ok(())
}

async fn environment(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let mut config = lab.command(&pod, "main", &["/bin/sh", "-c"]);
    config.args = vec!["sleep 3600".to_owned()];
    config.env = [("GREETING", "hello world"), ("EMPTY", ""), ("SIGNS", "a=b $HOME \"x\"")]
        .map(|(name, value)| EnvVar { name: name.to_owned(), value: value.to_owned() })
        .to_vec();
    let id = lab.start(&sandbox, &config).await?;
    for variable in &config.env {
        let printed = lab.out(&id, &format!("echo \"${}\"", variable.name)).await?;
        ensure!(printed == variable.value, "{} is {printed:?} instead of {:?}", variable.name, variable.value);
    }
    let greeting = lab.out(&id, "echo \"$GREETING!\"").await?;
    ensure!(greeting == "hello world!", "the greeting is {greeting:?}");
    Ok(())
}

async fn restarted(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("exit 3").await?;
    lab.ended(&alone.container).await?;
    let mut config = lab.container(&alone.pod, "main", "sleep 3600");
    config.attempt = 1;
    let second = lab.start(&alone.sandbox, &config).await?;
    ensure!(second != alone.container, "both have the id {second}");
    let inventory = lab.runtime.inventory().await.at("listing")?;
    let listed = inventory.containers.iter().filter(|container| container.pod == alone.pod.identity);
    let listed: Vec<_> = listed.map(|container| (container.attempt, container.state.is_running())).collect();
    ensure!(listed == [(0, false), (1, true)], "attempts and whether they run: {listed:?}");
    lab.runtime.remove_container(&alone.container).await.at("removing the old one")?;
    ensure!(lab.status(&second).await?.state.is_running(), "the new one went with the old one");
    Ok(())
}

async fn last_words(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("echo farewell > /dev/termination-log; exit 1").await?;
    lab.ended(&alone.container).await?;
    let words = lab.status(&alone.container).await?.termination_message;
    ensure!(words.as_deref() == Some("farewell\n"), "the message is {words:?}");
    let silent = lab.alone("exit 1").await?;
    lab.ended(&silent.container).await?;
    let words = lab.status(&silent.container).await?.termination_message.filter(|words| !words.is_empty());
    ensure!(words.is_none(), "a silent one says {words:?}");
    Ok(())
}

async fn removed(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = lab.start(&sandbox, &lab.container(&pod, "main", "sleep 3600")).await?;
    let other = lab.start(&sandbox, &lab.container(&pod, "other", "sleep 3600")).await?;
    lab.runtime.remove_container(&main).await.at("removing while it runs")?;
    lab.runtime.remove_container(&main).await.at("removing again")?;
    let status = lab.runtime.container_status(&main).await;
    must_fail("asking for its status", status, &[RuntimeErrorKind::NotFound])?;
    let inventory = lab.runtime.inventory().await.at("listing")?;
    ensure!(inventory.containers.iter().all(|container| container.id != main), "it is still listed");
    ensure!(lab.status(&other).await?.state.is_running(), "the other one went with it");
    Ok(())
}

async fn usage(lab: &Lab<'_>) -> Result<(), Failure> {
    let alone = lab.alone("sleep 3600").await?;
    let mut last = None;
    for _ in 0..2 {
        let stats = lab.runtime.stats().await.at("measuring")?;
        let mine = stats.iter().find(|stats| stats.pod == alone.pod.identity);
        let Some(mine) = mine else { return Err(Failure::new("the pod is not measured")) };
        let names: Vec<_> = mine.containers.iter().map(|container| &*container.name).collect();
        ensure!(names == ["main"], "measured are {names:?}");
        let main = &mine.containers[0];
        ensure!(main.memory_working_set > 0, "it uses no memory");
        ensure!(last.is_none_or(|last| last <= main.cpu), "its CPU time went back from {last:?} to {:?}", main.cpu);
        last = Some(main.cpu);
    }
    Ok(())
}
