//! Images from a real registry: every form of them, every kind of credentials, and what goes wrong on the way.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inboard::k8s_openapi::api::core::v1::Event;
use inboard::prelude::*;
use inboard::runtime::{ImageCredentials, ImagePull, ImageStatus, Runtime, RuntimeError, RuntimeErrorKind};
use inboard::{Api, Cluster, DeleteParams, ListParams, NodeSpec, PostParams, Shutdown, conditions};
use inboard_runtime_containerd::{ContainerdRuntime, PullProgress, RegistryConfig};
use inboard_tests::containerd::registry::{ACCOUNT, Access, Gate, Packing, TOKEN, TestImage, TestRegistry};
use inboard_tests::containerd::{TestDaemon, TestPod, builder_in};
use serde_json::json;

inboard_tests::on_each_containerd!(
    images_of_every_form_are_pulled_and_run,
    what_cannot_be_pulled_says_why,
    credentials_of_every_kind_open_registries,
    mirrors_are_asked_first_and_own_authorities_are_trusted,
    a_registry_of_which_nothing_is_said_is_reached_as_the_machine_does,
    a_transfer_that_breaks_off_is_gone_on_with,
    pulls_at_once_fetch_each_layer_once,
);

const SOON: Duration = Duration::from_secs(30);

macro_rules! daemon {
    () => {
        match TestDaemon::start().await {
            Some(daemon) => daemon,
            None => return,
        }
    };
}

async fn pull(runtime: &ContainerdRuntime, image: &str) -> Result<ImageStatus, RuntimeError> {
    pull_as(runtime, image, &[]).await
}

async fn pull_as(
    runtime: &ContainerdRuntime,
    image: &str,
    credentials: &[ImageCredentials],
) -> Result<ImageStatus, RuntimeError> {
    runtime.pull_image(&ImagePull { image: image.into(), credentials: credentials.to_vec(), pod: None }).await
}

fn account(password: &str) -> ImageCredentials {
    ImageCredentials::Basic { username: ACCOUNT.0.into(), password: password.into() }
}

/// Whether the daemon brings the images of registries on the loopback itself: not before its version 2.
async fn is_by_daemon(runtime: &ContainerdRuntime) -> bool {
    !runtime.info().await.expect("an answer").version.starts_with("1.")
}

/// What a container of this image writes.
async fn output(runtime: &ContainerdRuntime, image: &str, script: &str) -> String {
    let spec = json!({"containers": [{"name": "main", "image": image, "command": ["sleep", "1000"]}]});
    let pod = TestPod::of("run", spec);
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    let output = runtime.exec_sync(&id, &["sh".into(), "-c".into(), script.into()], SOON).await.expect("it runs");
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn images_of_every_form_are_pulled_and_run(daemon: TestDaemon) {
    let registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let runtime = daemon.node(1).await;
    let host = registry.host();
    let packings = [Packing::Plain, Packing::Gzip, Packing::Zstd];
    let forms = [
        ("oci", TestImage::shell("oci", &packings)),
        ("docker", TestImage::shell("docker", &packings[..2]).docker()),
        ("oci-index", TestImage::shell("oci-index", &packings).indexed()),
        ("docker-list", TestImage::shell("docker-list", &packings[1..2]).docker().indexed()),
    ];
    for (form, image) in &forms {
        let top = registry.publish(&format!("forms/{form}"), "1", image);
        for name in [format!("{host}/forms/{form}:1"), format!("{host}/forms/{form}@{top}")] {
            let status = pull(&runtime, &name).await.expect("the pull");
            let digest = format!("{host}/forms/{form}@{top}");
            assert!(status.names.iter().any(|name| **name == *digest), "{status:?}");
            assert_eq!(output(&runtime, &name, "cat /0").await, *form);
            assert_eq!(runtime.image_status(&name).await.expect("a status"), Some(status));
        }
    }
    // A tag that has moved is another image; the container store follows what the registry says now.
    let name = format!("{host}/forms/oci:1");
    let before = pull(&runtime, &name).await.expect("the pull");
    registry.publish("forms/oci", "1", &TestImage::shell("moved", &packings));
    let after = pull(&runtime, &name).await.expect("the pull");
    assert_ne!(before.id, after.id);
    assert_eq!(output(&runtime, &name, "cat /0 /2").await, "movedmoved");
    // An image that came with an archive is taken as it is.
    assert!(pull(&runtime, "busybox").await.is_ok());
    for image in runtime.list_images().await.expect("a list") {
        runtime.remove_image(&image.id).await.expect("the removal");
    }
    assert_eq!(runtime.list_images().await.expect("a list"), []);
    runtime.close().await;
}

async fn what_cannot_be_pulled_says_why(daemon: TestDaemon) {
    use RuntimeErrorKind::{ImageNotFound, Internal, InvalidImageName, RegistryUnavailable, Unauthorized};
    let mut registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let closed = TestRegistry::start(daemon.dir(), "closed", Access::Password).await;
    let runtime = daemon.node(1).await;
    let (host, secret) = (registry.host(), closed.host());
    let image = TestImage::shell("x", &[Packing::Plain, Packing::Plain]);
    registry.publish("app", "1", &image);
    closed.publish("app", "1", &image);
    // Bytes that are other than their digest says.
    let broken = TestImage::shell("broken", &[Packing::Plain]);
    registry.publish("broken", "1", &broken);
    let path = registry.blob_path(&broken.layer(1));
    let mut bytes = std::fs::read(&path).expect("a layer");
    bytes[600] ^= 1;
    std::fs::write(&path, &bytes).expect("a layer");
    let cut = TestImage::shell("cut", &[Packing::Plain]);
    registry.publish("cut", "1", &cut);
    let path = registry.blob_path(&cut.layer(1));
    std::fs::write(&path, &bytes[..1000]).expect("a layer");

    let by_daemon = is_by_daemon(&runtime).await;
    let cut_text = if by_daemon { "unexpected EOF" } else { "416 Range Not Satisfiable" };
    let rows = [
        (format!("{host}/nothing:1"), ImageNotFound, "manifest unknown"),
        (format!("{host}/app:2"), ImageNotFound, "manifest unknown"),
        (format!("{host}/app@sha256:{}", "0".repeat(64)), ImageNotFound, "404 Not Found"),
        (format!("{secret}/app:1"), Unauthorized, "it wants basic credentials, and none were given"),
        ("127.0.0.1:1/app:1".to_owned(), RegistryUnavailable, "Connection refused"),
        (format!("{host}/App"), InvalidImageName, "invalid reference format"),
        (format!("{host}/broken:1"), Internal, "is damaged"),
        (format!("{host}/cut:1"), RegistryUnavailable, cut_text),
    ];
    for (name, kind, text) in rows {
        let error = pull(&runtime, &name).await.expect_err(&name);
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(text), "{name}: {error}");
        assert_eq!(runtime.image_status(&name).await.unwrap_or_default(), None, "{name}");
    }
    // The damaged layer is mended: nothing of the bad one is in the way.
    registry.publish("broken", "1", &broken);
    pull(&runtime, &format!("{host}/broken:1")).await.expect("the pull");
    if by_daemon {
        // Whom the daemon asks for its judgement is asked by the name that the image has.
        let name = format!("{host}/app:1");
        refuse(&daemon, &name);
        let error = pull(&runtime, &name).await.expect_err("it is refused");
        assert_eq!(error.kind(), Internal, "{error}");
        assert!(error.to_string().contains("blocked pull") && error.to_string().contains("not this one"), "{error}");
        pull(&runtime, &format!("{host}/broken:1")).await.expect("others are not refused");
        std::fs::remove_dir_all(daemon.verifiers()).expect("nobody judges any more");
    }
    registry.kill();
    let error = pull(&runtime, &format!("{host}/app:1")).await.expect_err("the registry is gone");
    assert_eq!(error.kind(), RegistryUnavailable, "{error}");
    // A pull that broke off waits for its next try until the image is given up.
    assert_eq!(leases(&daemon), 1);
    runtime.remove_image(&format!("{host}/cut:1")).await.expect("the removal");
    assert_eq!(leases(&daemon), 0);
    runtime.close().await;
}

/// Puts a program in the daemon's way that refuses one image.
fn refuse(daemon: &TestDaemon, name: &str) {
    let script = format!("#!/bin/sh\ncat >/dev/null\ncase \"$2\" in {name}@*) echo not this one; exit 1;; esac\n");
    std::fs::create_dir_all(daemon.verifiers()).expect("a directory");
    let path = daemon.verifiers().join("judge");
    std::fs::write(&path, script).expect("a program");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it can be run");
}

fn leases(daemon: &TestDaemon) -> usize {
    daemon.held().iter().filter(|line| line.contains("leases")).count()
}

async fn credentials_of_every_kind_open_registries(daemon: TestDaemon) {
    let closed = TestRegistry::start(daemon.dir(), "closed", Access::Password).await;
    let open = TestRegistry::start(daemon.dir(), "open", Access::Open).await;
    let gate = Gate::open(open.port(), true).await;
    let image = TestImage::shell("x", &[Packing::Gzip]);
    closed.publish("app", "1", &image);
    open.publish("team/app", "1", &image);
    let runtime = daemon.node(1).await;
    let (closed_name, gate_name) = (format!("{}/app:1", closed.host()), format!("{}/team/app:1", gate.host()));
    let wrong = account("guess");

    for name in [&closed_name, &gate_name] {
        let error = pull_as(&runtime, name, std::slice::from_ref(&wrong)).await.expect_err("a wrong password");
        assert_eq!(error.kind(), RuntimeErrorKind::Unauthorized, "{error}");
    }
    gate.asked();
    for name in [&closed_name, &gate_name] {
        pull_as(&runtime, name, &[wrong.clone(), account(ACCOUNT.1)]).await.expect("the second password is right");
        runtime.remove_image(name).await.expect("the removal");
    }
    let asked = gate.asked();
    assert_eq!(asked[0], "GET /v2/team/app/manifests/1");
    assert_eq!(asked[1], "GET /token?scope=repository%3Ateam%2Fapp%3Apull&service=tests Basic");
    let tokens = asked.iter().filter(|line| line.contains("/token")).count();
    // The daemon asks for its own, for the manifest and for the blobs, and each time first in a way that this gate does not
    // know.
    let expected = if is_by_daemon(&runtime).await { 6 } else { 2 };
    assert_eq!(tokens, expected, "one for each password, not one for each blob: {asked:?}");
    runtime.remove_image(&gate_name).await.expect("the removal");
    pull_as(&runtime, &gate_name, &[ImageCredentials::Bearer(TOKEN.into())]).await.expect("the token itself opens it");
    assert!(gate.asked().iter().all(|line| !line.contains("/token")), "nobody else is asked");
    runtime.remove_image(&gate_name).await.expect("the removal");

    // Blobs that lie elsewhere are fetched there, and what opened the registry is not shown to that place.
    let storage = Gate::open(open.port(), false).await;
    gate.redirect_blobs(storage.host().rsplit(':').next().expect("a port").parse().expect("a number"));
    pull_as(&runtime, &gate_name, &[account(ACCOUNT.1)]).await.expect("the pull");
    let asked = storage.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.starts_with("GET /v2/team/app/blobs/")), "{asked:?}");
    assert!(asked.iter().all(|line| !line.contains("Bearer")), "{asked:?}");
    runtime.close().await;
}

async fn mirrors_are_asked_first_and_own_authorities_are_trusted(daemon: TestDaemon) {
    let tls = TestRegistry::start(daemon.dir(), "tls", Access::Tls).await;
    let open = TestRegistry::start(daemon.dir(), "open", Access::Open).await;
    let mirror = Gate::open(open.port(), false).await;
    tls.publish("app", "1", &TestImage::shell("from the registry", &[Packing::Gzip]));
    open.publish("library/tool", "1", &TestImage::shell("from the mirror", &[Packing::Gzip]));
    let runtime = daemon.node(1).await;
    let error = pull(&runtime, &format!("localhost:{}/app:1", tls.port())).await.expect_err("it wants TLS");
    assert_eq!(error.kind(), RuntimeErrorKind::Internal, "{error}");
    runtime.close().await;

    let host = tls.host();
    let unknown = RegistryConfig::new().mirror("http://127.0.0.1:1").mirror(format!("http://{}", mirror.host()));
    let trusted = RegistryConfig::new().ca_certificates(tls.authority()).mirror(format!("http://{}", mirror.host()));
    let builder = daemon.builder(1).registry("docker.io", unknown).registry(host.as_str(), trusted);
    let runtime = builder.build().await.expect("the runtime opens");
    pull_as(&runtime, "tool:1", &[account(ACCOUNT.1)]).await.expect("the second mirror has it");
    let asked = mirror.asked();
    assert_eq!(asked[0], "GET /v2/library/tool/manifests/1?ns=docker.io", "the pod's credentials are not for mirrors");
    assert_eq!(output(&runtime, "tool:1", "cat /0").await, "from the mirror");
    let name = format!("{host}/app:1");
    pull(&runtime, &name).await.expect("the mirror does not have it, the registry has");
    assert_eq!(output(&runtime, &name, "cat /0").await, "from the registry");
    runtime.close().await;
}

/// By TLS, with the authorities of the machine, which are the test's own for the daemon and for the process that pulls:
/// from 1.7 on the daemon does that itself.
async fn a_registry_of_which_nothing_is_said_is_reached_as_the_machine_does(daemon: TestDaemon) {
    let registry = TestRegistry::start(daemon.dir(), "tls", Access::Tls).await;
    registry.publish("app", "1", &TestImage::shell("trusted", &[Packing::Gzip]).indexed());
    std::fs::write(daemon.authorities(), registry.authority()).expect("the authorities");
    // An address that leads to the machine itself and does not look so.
    let name = format!("0.0.0.0:{}/app:1", registry.port());
    let puller = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "puller", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", daemon.authorities())
        .env("INBOARD_PULL", &name)
        .env("INBOARD_PULL_DIR", daemon.dir())
        .output()
        .expect("the process runs");
    assert!(puller.status.success(), "{}", String::from_utf8_lossy(&puller.stderr));
    let runtime = daemon.node(1).await;
    let noted = daemon.contents(1).contains("containerd.io/distribution.source.0.0.0.0=app");
    let version = runtime.info().await.expect("an answer").version;
    assert_eq!(noted, !version.starts_with("1.6"), "{version}: only the daemon notes where content is from");
    assert_eq!(output(&runtime, &name, "cat /0").await, "trusted");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of another test, which starts it as a process of its own"]
async fn puller() {
    let (Some(dir), Ok(name)) = (std::env::var_os("INBOARD_PULL_DIR"), std::env::var("INBOARD_PULL")) else { return };
    let runtime = builder_in(Path::new(&dir), 1).build().await.expect("the runtime opens");
    pull(&runtime, &name).await.expect("the pull");
    runtime.close().await;
}

async fn a_transfer_that_breaks_off_is_gone_on_with(daemon: TestDaemon) {
    const LARGE: usize = 24 << 20;
    let mut registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let gate = Gate::open(registry.port(), false).await;
    let image = TestImage::large(LARGE);
    registry.publish("large", "1", &image);
    let name = format!("{}/large:1", gate.host());
    let runtime = daemon.node(1).await;
    // The registry dies in the middle, and stays away longer than the pull is patient.
    gate.allow(10 << 20);
    let error = pull(&runtime, &name).await.expect_err("it breaks off");
    assert_eq!(error.kind(), RuntimeErrorKind::RegistryUnavailable, "{error}");
    registry.kill();
    gate.allow_all();
    let error = pull(&runtime, &name).await.expect_err("the registry is dead");
    assert_eq!(error.kind(), RuntimeErrorKind::RegistryUnavailable, "{error}");
    // The embedding process ends meanwhile, and the next one goes on with what came.
    runtime.close().await;
    drop(runtime);
    registry.launch().await;
    gate.asked();
    let runtime = daemon.node(1).await;
    let mut progress = runtime.pull_progress();
    pull(&runtime, &name).await.expect("the pull");
    let mut reports: Vec<PullProgress> = Vec::new();
    while reports.last().is_none_or(|last| last.bytes < last.total_bytes) {
        reports.push(progress.next().await.expect("the runtime is there"));
    }
    assert!(reports.iter().all(|report| *report.image == *name && report.total_bytes > LARGE as u64), "{reports:?}");
    // The daemon tells a few times a second.
    assert!(is_by_daemon(&runtime).await || reports.len() > 10, "{reports:?}");
    assert!(reports.is_sorted_by_key(|report| report.bytes), "{reports:?}");
    let asked = gate.asked();
    let large = asked.iter().find(|line| line.contains(&image.layer(2))).expect("the layer is asked for");
    let offset = large.rsplit("bytes=").next().and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    assert!(offset.is_some_and(|offset| offset > 4 << 20 && offset < LARGE), "{asked:?}");
    assert_eq!(output(&runtime, &name, "wc -c </large").await.trim(), LARGE.to_string());
    assert_eq!(leases(&daemon), 0);
    runtime.close().await;
}

async fn pulls_at_once_fetch_each_layer_once(daemon: TestDaemon) {
    let registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let gate = Gate::open(registry.port(), false).await;
    let image = TestImage::large(2 << 20);
    let names: Vec<String> = (0..4)
        .map(|number| {
            registry.publish(&format!("same/{number}"), "1", &image);
            format!("{}/same/{number}:1", gate.host())
        })
        .collect();
    let runtime = daemon.node(1).await;
    let pulls = names.iter().chain(&names).map(|name| pull(&runtime, name));
    let pulled = futures_util::future::join_all(pulls).await;
    let ids: Vec<_> = pulled.into_iter().map(|status| status.expect("the pull").id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let (layer, asked) = (image.layer(2), gate.asked());
    assert_eq!(asked.iter().filter(|line| line.contains(&layer)).count(), 1, "{asked:?}");
    // We never ask so.
    assert_eq!(asked.iter().any(|line| line.starts_with("HEAD ")), is_by_daemon(&runtime).await, "{asked:?}");
    runtime.close().await;
}

/// What a pod that waits for its image shows, and what was told of it.
#[derive(Debug)]
struct Shown {
    reason: String,
    message: String,
    events: BTreeSet<(String, String)>,
}

/// A pod of one container of this image, with this secret.
async fn create(cluster: &Cluster, name: &str, image: &str, secret: Option<&str>) {
    let secrets: Vec<_> = secret.iter().map(|name| json!({"name": name})).collect();
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0, "imagePullSecrets": secrets,
            "containers": [{"name": "main", "image": image, "command": ["sleep", "1000"]}],
        },
    });
    let pod: Pod = serde_json::from_value(manifest).expect("a pod");
    Api::default_namespaced(cluster).create(&PostParams::default(), &pod).await.expect("the pod");
}

/// Waits until the pod's container waits for this reason.
async fn waiting(cluster: &Cluster, name: &str, reason: &str) -> Shown {
    let state = |pod: &Pod| {
        let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        Some((waiting.reason.clone()?, waiting.message.clone().unwrap_or_default()))
    };
    let pods: Api<Pod> = Api::default_namespaced(cluster);
    let reached = |pod: Option<&Pod>| pod.and_then(state).is_some_and(|(shown, _)| shown == reason);
    let pod = pods.wait(name, SOON, reached).await.expect(reason).expect("the pod is there");
    let (reason, message) = state(&pod).expect("it waits");
    let events: Api<Event> = Api::default_namespaced(cluster);
    let events = events.list(&ListParams::default()).await.expect("events").items;
    let of_pod = events.into_iter().filter(|event| event.involved_object.name.as_deref() == Some(name));
    let events = of_pod.map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default())).collect();
    Shown { reason, message, events }
}

/// From the registry's answer to what the pod shows and what is told of it.
#[tokio::test(flavor = "multi_thread")]
async fn pods_say_why_their_images_do_not_come() {
    let daemon = daemon!();
    let open = TestRegistry::start(daemon.dir(), "open", Access::Open).await;
    let closed = TestRegistry::start(daemon.dir(), "closed", Access::Password).await;
    closed.publish("app", "1", &TestImage::shell("x", &[Packing::Gzip]));
    let runtime = daemon.node(1).await;
    let node = NodeSpec::new("host01", Arc::new(runtime.clone()));
    let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
    let secrets: Api<Secret> = Api::default_namespaced(&cluster);
    for (name, password) in [("right", ACCOUNT.1), ("wrong", "guess")] {
        let auths = json!({"auths": {closed.host(): {"username": ACCOUNT.0, "password": password}}});
        let secret: Secret = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": auths.to_string()},
        }))
        .expect("a secret");
        secrets.create(&PostParams::default(), &secret).await.expect("the secret");
    }
    let (missing, secret, away) =
        (format!("{}/nothing:1", open.host()), format!("{}/app:1", closed.host()), "127.0.0.1:1/app:1".to_owned());
    let rows = [
        ("missing", &missing, None, "ErrImagePull", "manifest unknown"),
        ("nobody", &secret, None, "ErrImagePull", "it wants basic credentials, and none were given"),
        ("stranger", &secret, Some("wrong"), "ErrImagePull", "401 Unauthorized"),
        ("absent", &secret, Some("none-such"), "ErrImagePull", "it wants basic credentials, and none were given"),
        ("away", &away, None, "RegistryUnavailable", "Connection refused"),
    ];
    for (name, image, secret, reason, text) in rows {
        create(&cluster, name, image, secret).await;
        let first = waiting(&cluster, name, reason).await;
        assert!(first.message.contains(text), "{name}: {first:?}");
        let told = |reason: &str, begins: &str, contains: &str| {
            first.events.iter().any(|(r, m)| r == reason && m.starts_with(begins) && m.contains(contains))
        };
        assert!(told("Pulling", &format!("Pulling image \"{image}\""), ""), "{name}: {first:?}");
        assert!(told("Failed", &format!("Failed to pull image \"{image}\": "), text), "{name}: {first:?}");
        assert!(told("Failed", &format!("Error: {reason}"), ""), "{name}: {first:?}");
        let later = waiting(&cluster, name, "ImagePullBackOff").await;
        let expected = format!("Back-off pulling image \"{image}\": {reason}: {}", first.message);
        assert_eq!((&*later.reason, &later.message), ("ImagePullBackOff", &expected));
        let back_off = ("BackOff".to_owned(), format!("Back-off pulling image \"{image}\""));
        assert!(later.events.contains(&back_off), "{name}: {later:?}");
        let pods: Api<Pod> = Api::default_namespaced(&cluster);
        pods.delete(name, &DeleteParams::default()).await.expect("the deletion");
    }
    // Now that somebody may, the image comes; nobody else may use it without asking the registry.
    create(&cluster, "friend", &secret, Some("right")).await;
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    pods.wait("friend", SOON, conditions::is_pod_running()).await.expect("it runs");
    cluster.shutdown(Shutdown::Stop { grace: Duration::ZERO }).await.expect("stopped");
    runtime.close().await;
}

/// The registry is killed in the middle of a pull and comes back: the pod waits, then it runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_outwaits_a_registry_that_dies_in_the_middle() {
    let daemon = daemon!();
    let mut registry = TestRegistry::start(daemon.dir(), "registry", Access::Open).await;
    let gate = Gate::open(registry.port(), false).await;
    let image = TestImage::large(24 << 20);
    registry.publish("large", "1", &image);
    let runtime = daemon.node(1).await;
    let node = NodeSpec::new("host01", Arc::new(runtime.clone()));
    let cluster = Cluster::builder().node(node).start().await.expect("a cluster");
    gate.allow(10 << 20);
    let name = format!("{}/large:1", gate.host());
    create(&cluster, "patient", &name, None).await;
    let shown = waiting(&cluster, "patient", "RegistryUnavailable").await;
    let text = format!("image pull failed for {name} because the registry is unavailable: ");
    assert!(shown.message.starts_with(&text), "{shown:?}");
    registry.kill();
    gate.allow_all();
    waiting(&cluster, "patient", "ImagePullBackOff").await;
    registry.launch().await;
    gate.asked();
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    pods.wait("patient", SOON * 2, conditions::is_pod_running()).await.expect("it runs");
    // What had come before is not fetched again.
    let asked = gate.asked();
    let rest = asked.iter().find(|line| line.contains(&image.layer(2))).expect("the layer is asked for");
    assert!(rest.contains("bytes="), "{asked:?}");
    cluster.shutdown(Shutdown::Stop { grace: Duration::ZERO }).await.expect("stopped");
    runtime.close().await;
}
