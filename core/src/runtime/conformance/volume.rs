//! Volumes: shared by a pod's containers, filled with files, kept or removed.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::lab::{At as _, Failure, Lab, Pod, ensure, mount, must_fail};
use super::{Check, Feature};
use crate::runtime::{
    ContainerId, Device, DeviceAccess, DeviceSource, FileEntry, GivenDevice, Mount, RuntimeErrorKind, SandboxId,
    VolumeSource,
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("an empty volume is shared, and outlives containers", |lab| Box::pin(shared(lab))),
    Check::new("an empty volume does not outlive its pod", |lab| Box::pin(given_back(lab))),
    Check::new("files have their content and their mode", |lab| Box::pin(files(lab))),
    Check::new("files that change are replaced in running containers", |lab| Box::pin(replaced(lab))),
    Check::new("a read-only mount cannot be written to", |lab| Box::pin(read_only(lab))),
    Check::new("a part of a volume can be mounted", |lab| Box::pin(sub_path(lab))).needs(Feature::SubPath),
    Check::new("a persistent volume outlives its pods, until it is removed", |lab| Box::pin(persistent(lab)))
        .needs(Feature::PersistentVolumes),
    Check::new("a block volume is a device that keeps what is written", |lab| Box::pin(block(lab)))
        .needs(Feature::BlockVolumes),
    Check::new("a mount of a volume that was not prepared fails", |lab| Box::pin(unprepared(lab))),
];

const EMPTY: VolumeSource = VolumeSource::Empty { memory: false, size_limit: None };

fn text_files<const N: usize>(files: [(&str, &str, u32); N]) -> VolumeSource {
    let entry = |content: &str, mode| FileEntry { content: Bytes::copy_from_slice(content.as_bytes()), mode };
    let files = files.map(|(path, content, mode)| (path.to_owned(), entry(content, mode)));
    VolumeSource::Files(BTreeMap::from(files))
}

/// Starts a container of the pod that sleeps, with these mounts.
async fn sleeper(
    lab: &Lab<'_>,
    pod: &Pod,
    sandbox: &SandboxId,
    name: &str,
    mounts: Vec<Mount>,
) -> Result<ContainerId, Failure> {
    let mut config = lab.container(pod, name, "sleep 3600");
    config.mounts = mounts;
    lab.start(sandbox, &config).await
}

async fn shared(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.prepare(&pod, "data", EMPTY).await?;
    lab.prepare(&pod, "data", EMPTY).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("data", "/data")]).await?;
    let other = sleeper(lab, &pod, &sandbox, "other", vec![mount("data", "/elsewhere")]).await?;
    lab.out(&main, "echo hello > /data/file").await?;
    let seen = lab.out(&other, "cat /elsewhere/file").await?;
    ensure!(seen == "hello", "the other container sees {seen:?}");
    lab.runtime.remove_container(&main).await.at("removing the writer")?;
    lab.prepare(&pod, "data", EMPTY).await?;
    let seen = lab.out(&other, "cat /elsewhere/file").await?;
    ensure!(seen == "hello", "after the writer is gone, the other container sees {seen:?}");
    Ok(())
}

async fn given_back(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.prepare(&pod, "data", EMPTY).await?;
    let listed = lab.runtime.inventory().await.at("listing")?.volumes;
    ensure!(listed.contains(&pod.identity), "the pod has a volume and is not in {listed:?}");
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("data", "/data")]).await?;
    lab.out(&main, "echo hello > /data/file").await?;
    lab.runtime.remove_pod_sandbox(&sandbox).await.at("removing the sandbox")?;
    lab.runtime.remove_volumes(&pod.identity).await.at("removing the volumes")?;
    lab.runtime.remove_volumes(&pod.identity).await.at("removing the volumes again")?;
    let listed = lab.runtime.inventory().await.at("listing")?.volumes;
    ensure!(!listed.contains(&pod.identity), "the pod has no volume any more and is still listed");
    lab.prepare(&pod, "data", EMPTY).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("data", "/data")]).await?;
    ensure!(lab.sh(&main, "cat /data/file").await?.code != 0, "the file came back");
    Ok(())
}

async fn files(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let source = text_files([("plain", "some text\n", 0o644), ("deep/er/secret", "x", 0o400), ("empty", "", 0o755)]);
    lab.prepare(&pod, "files", source).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("files", "/etc/files")]).await?;
    for (path, content, mode) in [("plain", "some text", "644"), ("deep/er/secret", "x", "400"), ("empty", "", "755")] {
        let seen = lab.out(&main, &format!("cat /etc/files/{path}")).await?;
        ensure!(seen == content, "{path} has {seen:?} instead of {content:?}");
        let seen = lab.out(&main, &format!("stat -L -c %a /etc/files/{path}")).await?;
        ensure!(seen == mode, "{path} has the mode {seen} instead of {mode}");
    }
    Ok(())
}

async fn replaced(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.prepare(&pod, "files", text_files([("kept", "old", 0o644), ("dropped", "old", 0o644)])).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("files", "/files")]).await?;
    lab.prepare(&pod, "files", text_files([("kept", "new", 0o644), ("added", "new", 0o644)])).await?;
    for path in ["kept", "added"] {
        let seen = lab.out(&main, &format!("cat /files/{path}")).await?;
        ensure!(seen == "new", "{path} has {seen:?}");
    }
    ensure!(lab.sh(&main, "cat /files/dropped").await?.code != 0, "what was dropped is still there");
    Ok(())
}

async fn read_only(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.prepare(&pod, "data", EMPTY).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let fixed = Mount { read_only: true, ..mount("data", "/fixed") };
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("data", "/data"), fixed]).await?;
    lab.out(&main, "echo hello > /data/file").await?;
    ensure!(lab.out(&main, "cat /fixed/file").await? == "hello", "both mounts do not show the same");
    ensure!(lab.sh(&main, "echo no > /fixed/file").await?.code != 0, "writing to it succeeded");
    ensure!(lab.out(&main, "cat /data/file").await? == "hello", "the file has changed");
    Ok(())
}

async fn sub_path(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    lab.prepare(&pod, "data", EMPTY).await?;
    let sandbox = lab.sandbox(&pod).await?.id;
    let part = Mount { sub_path: "inner/part".to_owned(), ..mount("data", "/part") };
    let main = sleeper(lab, &pod, &sandbox, "main", vec![mount("data", "/data"), part]).await?;
    lab.out(&main, "echo hello > /part/file").await?;
    let seen = lab.out(&main, "cat /data/inner/part/file").await?;
    ensure!(seen == "hello", "in the whole volume it is {seen:?}");
    Ok(())
}

async fn persistent(lab: &Lab<'_>) -> Result<(), Failure> {
    let first = lab.pod();
    let handle: std::sync::Arc<str> = format!("conformance-{}", first.identity.uid).into();
    let source = || VolumeSource::Persistent { handle: handle.clone() };
    lab.prepare(&first, "claim", source()).await?;
    let sandbox = lab.sandbox(&first).await?.id;
    let writer = sleeper(lab, &first, &sandbox, "main", vec![mount("claim", "/data")]).await?;
    lab.out(&writer, "hostname > /data/myhost").await?;
    lab.runtime.remove_pod_sandbox(&sandbox).await.at("removing the first pod")?;
    lab.runtime.remove_volumes(&first.identity).await.at("giving back its volumes")?;
    let second = lab.pod();
    lab.prepare(&second, "claim", source()).await?;
    let sandbox = lab.sandbox(&second).await?.id;
    let reader = sleeper(lab, &second, &sandbox, "main", vec![mount("claim", "/data")]).await?;
    let seen = lab.out(&reader, "cat /data/myhost").await?;
    ensure!(seen == *first.identity.name, "the second pod reads {seen:?} instead of {:?}", first.identity.name);
    lab.runtime.remove_pod_sandbox(&sandbox).await.at("removing the second pod")?;
    lab.runtime.remove_volumes(&second.identity).await.at("giving back its volumes")?;
    lab.runtime.remove_persistent_volume(&handle).await.at("removing the data")?;
    lab.runtime.remove_persistent_volume(&handle).await.at("removing the data again")?;
    let third = lab.pod();
    lab.prepare(&third, "claim", source()).await?;
    let sandbox = lab.sandbox(&third).await?.id;
    let reader = sleeper(lab, &third, &sandbox, "main", vec![mount("claim", "/data")]).await?;
    ensure!(lab.sh(&reader, "cat /data/myhost").await?.code != 0, "the file came back");
    lab.runtime.remove_pod_sandbox(&sandbox).await.at("removing the third pod")?;
    lab.runtime.remove_volumes(&third.identity).await.at("giving back its volumes")?;
    lab.runtime.remove_persistent_volume(&handle).await.at("removing the data")?;
    Ok(())
}

async fn block(lab: &Lab<'_>) -> Result<(), Failure> {
    let device = |path: &str, access| Device {
        source: DeviceSource::Volume("disk".into()),
        container_path: path.to_owned(),
        access,
    };
    let pods = [(DeviceAccess::FULL, "12345", true), (DeviceAccess::READ_ONLY, "no", false)];
    for (access, text, is_written) in pods {
        let pod = lab.pod();
        lab.prepare(&pod, "disk", VolumeSource::Block { handle: lab.fixture.block_device() }).await?;
        let sandbox = lab.sandbox(&pod).await?.id;
        let mut config = lab.container(&pod, "main", "sleep 3600");
        config.devices = vec![device("/dev/disk", access)];
        config.given = vec![GivenDevice { resource: "example.com/disk".into(), id: "0".into() }];
        let main = lab.start(&sandbox, &config).await?;
        let listed = lab.runtime.inventory().await.at("listing")?.containers;
        let given = listed.iter().find(|container| container.id == main).map(|container| &container.devices);
        ensure!(given == Some(&config.given), "the container is listed with the devices {given:?}");
        let written = lab.sh(&main, &format!("printf {text} > /dev/disk")).await?;
        ensure!((written.code == 0) == is_written, "writing with {access} gave {written:?}");
        if is_written {
            lab.out(&main, "printf ab > /dev/disk").await?;
        }
        let seen = lab.out(&main, "cat /dev/disk").await?;
        ensure!(seen.starts_with("ab345"), "on the disk is {:?}", seen.chars().take(8).collect::<String>());
        lab.runtime.remove_pod_sandbox(&sandbox).await.at("removing the pod")?;
        lab.runtime.remove_volumes(&pod.identity).await.at("giving back its volumes")?;
    }
    Ok(())
}

async fn unprepared(lab: &Lab<'_>) -> Result<(), Failure> {
    let pod = lab.pod();
    let sandbox = lab.sandbox(&pod).await?.id;
    let mut config = lab.container(&pod, "main", "sleep 3600");
    config.mounts = vec![mount("nowhere", "/data")];
    let kinds = [RuntimeErrorKind::CannotRun, RuntimeErrorKind::NotFound, RuntimeErrorKind::FailedPrecondition];
    match lab.runtime.create_container(&sandbox, &config).await {
        Err(error) => must_fail::<()>("creating", Err(error), &kinds),
        Ok(id) => must_fail("starting", lab.runtime.start_container(&id).await, &kinds),
    }
}
