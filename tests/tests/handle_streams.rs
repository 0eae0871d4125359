//! Into a pod through the cluster handle: sessions, attached streams, forwarded ports, logs as they come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use inboard::prelude::*;
use inboard::runtime::{ExecSession, StdStream};
use inboard::{Api, Cluster, ExecOptions, LogRequest, NodeSpec, Patch, PatchParams, PostParams, Reason, conditions};
use inboard_runtime_mock::{MockRuntime, Script};
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

/// A pod `web` of two containers on one node: `app` says something every second and serves a port, `side` is a shell.
async fn web() -> (Cluster, Api<Pod>) {
    let machine = MockRuntime::builder()
        .script(Script::image("app").logs_every(Duration::from_secs(1), "tick").serves(80, "hello"))
        .build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(machine))).start().await.expect("a cluster");
    let pods: Api<Pod> = Api::default_namespaced(&cluster);
    let side = Container::builder("side", "busybox").command(["sleep", "1000"]);
    let pod = Pod::builder("web").container(Container::builder("app", "app")).container(side).build().expect("a pod");
    pods.create(&PostParams::default(), &pod).await.expect("created");
    pods.wait("web", MINUTE, conditions::is_pod_ready()).await.expect("ready");
    (cluster, pods)
}

fn in_container(name: &str) -> ExecOptions {
    ExecOptions { container: Some(name.to_owned()), ..ExecOptions::default() }
}

async fn stdout_of(session: ExecSession) -> (String, i32) {
    let ExecSession { output, exit, .. } = session;
    let chunks: Vec<_> = output.map(|chunk| chunk.expect("nothing is lost")).collect().await;
    let out = chunks.into_iter().filter(|(stream, _)| *stream == StdStream::Stdout).flat_map(|(_, bytes)| bytes);
    (String::from_utf8(out.collect()).expect("text"), exit.await.expect("an exit code").code)
}

#[tokio::test(start_paused = true)]
async fn a_session_reads_its_input_and_tells_its_code() {
    let (_cluster, pods) = web().await;
    let options = ExecOptions { stdin: Some(Bytes::new()), ..in_container("side") };
    let mut session = pods.exec_session("web", ["cat"], &options).await.expect("a session");
    let mut stdin = session.stdin.take().expect("an input was asked for");
    for word in ["one ", "two"] {
        stdin.send(Bytes::from(word)).await.expect("sent");
    }
    stdin.close().await.expect("closed");
    assert_eq!(stdout_of(session).await, ("one two".to_owned(), 0));

    let session = pods.exec_session("web", ["sh", "-c", "echo out; exit 3"], &in_container("side")).await;
    assert_eq!(stdout_of(session.expect("a session")).await, ("out\n".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn attaching_shows_what_the_process_says_from_now_on() {
    let (_cluster, pods) = web().await;
    let session = pods.attach("web", &in_container("app")).await.expect("attached");
    let said: Vec<_> = session.output.take(2).map(|chunk| chunk.expect("nothing is lost")).collect().await;
    assert_eq!(said, [0, 1].map(|_| (StdStream::Stdout, Bytes::from("tick\n"))));
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_port_leads_into_the_pod() {
    let (_cluster, pods) = web().await;
    let mut connection = pods.port_forward("web", 80).await.expect("connected");
    connection.write.send(Bytes::from("GET / HTTP/1.0\r\n\r\n")).await.expect("sent");
    let answer: Vec<_> = connection.read.map(|bytes| bytes.expect("read")).collect().await;
    assert_eq!(answer.concat(), b"hello");
    let nobody = pods.port_forward("web", 81).await.expect_err("nobody listens there");
    assert_eq!(nobody.reason(), Reason::InternalError);
    assert!(nobody.to_string().contains("81"), "{nobody}");
}

#[tokio::test(start_paused = true)]
async fn logs_come_as_they_are_written_and_as_many_as_wanted() {
    let (cluster, pods) = web().await;
    let request = LogRequest { container: Some("app".into()), ..LogRequest::default() };
    let follow = LogRequest { follow: true, ..request.clone() };
    let lines = pods.log_stream("web", &follow).await.expect("a log");
    let first: Vec<_> = lines.take(3).map(|entry| entry.expect("a line")).collect().await;
    let distance = first[2].time - first[0].time;
    assert_eq!(distance, Duration::from_secs(2), "time passed between them");

    let tail = pods.logs("web", &LogRequest { tail: Some(1), timestamps: true, ..request.clone() }).await.expect("log");
    let (time, line) = tail.trim_end().split_once(' ').expect("a time and a line");
    assert_eq!(line, "tick");
    assert!(time.ends_with('Z') && time.len() == "2006-01-02T15:04:05.000000000Z".len(), "{time}");
    let recent = LogRequest { since: Some(Duration::from_millis(1500)), ..request.clone() };
    assert_eq!(pods.logs("web", &recent).await.expect("log").lines().count(), 2);
    let cut = LogRequest { limit_bytes: Some(7), ..request };
    assert_eq!(pods.logs("web", &cut).await.expect("log").trim_end(), "tick\nti");
    drop(cluster);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_is_said_in_the_words_of_kubernetes() {
    let (_cluster, pods) = web().await;
    let fail = |result: Result<_, inboard::ApiError>| result.map(|_: ExecSession| ()).expect_err("refused").to_string();
    let none = ExecOptions::default();
    assert_eq!(
        fail(pods.attach("web", &none).await),
        "a container name must be specified for pod web, choose one of: [app side]"
    );
    assert_eq!(fail(pods.attach("web", &in_container("db")).await), "container db is not valid for pod web");
    assert_eq!(fail(pods.attach("nobody", &none).await), "pods \"nobody\" not found");
    let nothing = pods.exec_session("web", Vec::<String>::new(), &in_container("app")).await;
    assert_eq!(fail(nothing), "you must specify at least one command for the container");

    let job = Pod::builder("job").restart_policy("Never");
    let job = job.container(Container::builder("main", "busybox").command(["true"])).build().expect("a pod");
    pods.create(&PostParams::default(), &job).await.expect("created");
    pods.wait("job", MINUTE, conditions::is_pod_finished()).await.expect("finished");
    assert_eq!(
        fail(pods.attach("job", &none).await),
        "cannot exec into a container in a completed pod; current phase is Succeeded"
    );
    let forward = pods.port_forward("job", 80).await.expect_err("it does not run");
    assert_eq!(forward.to_string(), "unable to forward port because pod is not running. Current status=Succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_container_is_added_to_a_pod_that_runs() {
    let (_cluster, pods) = web().await;
    let container = json!({ "name": "debug", "image": "busybox", "command": ["sleep", "1000"] });
    let patch = Patch::Strategic(json!({ "spec": { "ephemeralContainers": [container] } }));
    pods.patch_ephemeral_containers("web", &PatchParams::default(), &patch).await.expect("added");
    let debug_runs = |pod: Option<&Pod>| {
        let status = pod.and_then(|pod| pod.status.as_ref());
        let mut added = status.into_iter().flat_map(|status| status.ephemeral_container_statuses.iter().flatten());
        added.any(|added| added.name == "debug" && added.state.as_ref().is_some_and(|state| state.running.is_some()))
    };
    pods.wait("web", MINUTE, debug_runs).await.expect("it runs");
    let session = pods.exec_session("web", ["sh", "-c", "echo out; exit 3"], &in_container("debug")).await;
    assert_eq!(stdout_of(session.expect("a session")).await, ("out\n".to_owned(), 3));

    let other = Patch::Strategic(json!({ "spec": { "ephemeralContainers": [{ "name": "debug", "image": "other" }] } }));
    let refused = pods.patch_ephemeral_containers("web", &PatchParams::default(), &other).await.expect_err("it stays");
    assert!(refused.to_string().contains("existing ephemeral containers \"debug\" may not be changed"), "{refused}");

    let memory = json!({ "requests": { "memory": "1Gi" } });
    let more = Patch::Strategic(json!({ "spec": { "containers": [{ "name": "app", "resources": memory }] } }));
    let refused =
        pods.patch_resize("web", &PatchParams::default(), &more).await.expect_err("its class would be another");
    assert!(refused.to_string().contains("Pod QOS Class may not change as a result of resizing"), "{refused}");
}
