//! Streams in and out of real containers: logs, commands, attached terminals, forwarded ports, probes, usage.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use inboard::runtime::{
    ContainerId, ExecRequest, ExecSession, LogEntry, LogOptions, ProbeAction, ProbeOutcome, ProbePurpose, ProbeRequest,
    Runtime, RuntimeErrorKind, StdStream, TerminalSize,
};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::registry::{Access, TestRegistry};
use inboard_tests::containerd::{TestDaemon, TestPod};
use serde_json::json;

inboard_tests::on_each_containerd!(commands_run_with_their_streams);

const SOON: Duration = Duration::from_secs(30);

macro_rules! daemon {
    () => {
        match TestDaemon::start().await {
            Some(daemon) => daemon,
            None => return,
        }
    };
}

async fn started(runtime: &ContainerdRuntime, pod: &TestPod) -> (inboard::runtime::SandboxStatus, ContainerId) {
    let sandbox = runtime.run_pod_sandbox(&pod.sandbox()).await.expect("the sandbox");
    let id = runtime.create_container(&sandbox.id, &pod.container(0)).await.expect("the container");
    runtime.start_container(&id).await.expect("the start");
    (sandbox, id)
}

/// What a session wrote, each output by itself, and its exit code.
async fn finish(session: ExecSession) -> (String, String, i32) {
    let ExecSession { output, exit, .. } = session;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let chunks: Vec<_> = tokio::time::timeout(SOON, output.collect()).await.expect("the output ends");
    for chunk in chunks {
        match chunk.expect("no output is lost") {
            (StdStream::Stdout, bytes) => out.extend_from_slice(&bytes),
            (StdStream::Stderr, bytes) => err.extend_from_slice(&bytes),
        }
    }
    let exit = tokio::time::timeout(SOON, exit).await.expect("it exits").expect("an exit code");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(out), text(err), exit.code)
}

fn command(argv: &[&str]) -> ExecRequest {
    let command = argv.iter().map(|arg| (*arg).to_owned()).collect();
    ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() }
}

async fn commands_run_with_their_streams(daemon: TestDaemon) {
    let runtime = daemon.node(1).await;
    let pod = TestPod::busybox("exec", &[("main", "sleep 1000")]);
    let (sandbox, id) = started(&runtime, &pod).await;

    let session = runtime.exec(&id, &command(&["sh", "-c", "echo out; echo err >&2; exit 5"])).await.expect("it runs");
    assert_eq!(finish(session).await, ("out\n".to_owned(), "err\n".to_owned(), 5));

    let mut session = runtime.exec(&id, &ExecRequest { stdin: true, ..command(&["cat"]) }).await.expect("it runs");
    let mut stdin = session.stdin.take().expect("an input");
    for line in ["one\n", "two\n"] {
        stdin.send(line.into()).await.expect("the input is taken");
    }
    stdin.close().await.expect("the input ends");
    assert_eq!(finish(session).await, ("one\ntwo\n".to_owned(), String::new(), 0));

    let script =
        "while test \"$(stty size 2>/dev/null)\" != '17 91'; do usleep 20000; done; read line; echo $TERM $line";
    let request = ExecRequest { tty: true, stdin: true, ..command(&["sh", "-c", script]) };
    let mut session = runtime.exec(&id, &request).await.expect("it runs");
    let mut resize = session.resize.take().expect("a terminal");
    resize.send(TerminalSize { width: 91, height: 17 }).await.expect("the size is taken");
    let mut stdin = session.stdin.take().expect("an input");
    stdin.send("go\n".into()).await.expect("the input is taken");
    let (out, _, code) = finish(session).await;
    assert_eq!((out.replace('\r', "").as_str(), code), ("go\nxterm go\n", 0));

    let error = runtime.exec(&id, &command(&["/no/such/program"])).await.expect_err("there is none");
    assert_eq!(error.kind(), RuntimeErrorKind::CannotRun, "{error}");
    let late = runtime.exec_sync(&id, &["sleep".into(), "100".into()], Duration::from_millis(200)).await;
    assert_eq!(late.expect_err("it takes too long").kind(), RuntimeErrorKind::DeadlineExceeded);
    let big = ["sh", "-c", "head -c 3000000 /dev/zero"].map(str::to_owned);
    assert_eq!(runtime.exec_sync(&id, &big, SOON).await.expect("it runs").stdout.len(), 3_000_000);

    runtime.stop_container(&id, Duration::ZERO).await.expect("it stops");
    let error = runtime.exec(&id, &command(&["true"])).await.expect_err("it is stopped");
    assert_eq!(error.kind(), RuntimeErrorKind::FailedPrecondition);
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_cut_and_kept_after_the_end() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let script =
        "for i in $(seq 1 1000); do echo line $i; done; head -c 20000 /dev/zero | tr '\\0' x; echo; printf end";
    let pod = TestPod::busybox("logs", &[("main", script)]);
    let (sandbox, id) = started(&runtime, &pod).await;
    let read = async |options: LogOptions| -> Vec<LogEntry> {
        let lines = runtime.logs(&id, &options).await.expect("a log").collect::<Vec<_>>();
        let lines = tokio::time::timeout(SOON, lines).await.expect("the log ends");
        lines.into_iter().map(|line| line.expect("a line")).collect()
    };
    let all = read(LogOptions { follow: true, ..LogOptions::default() }).await;
    assert_eq!(all.len(), 1003, "1000 lines, one in two parts, one without an end");
    assert!(all.windows(2).all(|pair| pair[0].time <= pair[1].time));
    assert_eq!(all[999].line.as_ref(), b"line 1000");
    assert_eq!((all[1000].partial, all[1000].line.len()), (true, 16 << 10));
    assert_eq!((all[1001].partial, all[1001].line.len()), (false, 20_000 - (16 << 10)));
    assert_eq!(all[1002].line.as_ref(), b"end");
    assert_eq!(read(LogOptions::default()).await, all);
    let tail = read(LogOptions { tail: Some(3), follow: true, ..LogOptions::default() }).await;
    assert_eq!(tail, all[999..], "the parts of a line count as one");
    assert_eq!(read(LogOptions { tail: Some(0), ..LogOptions::default() }).await, []);
    let since = all[500].time;
    assert!(read(LogOptions { since: Some(since), ..LogOptions::default() }).await.iter().all(|e| e.time >= since));
    let limited = read(LogOptions { limit_bytes: Some(10), ..LogOptions::default() }).await;
    let lines: Vec<&[u8]> = limited.iter().map(|entry| entry.line.as_ref()).collect();
    assert_eq!(lines, [b"line 1".as_slice(), b"lin"]);
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    assert!(runtime.logs(&id, &LogOptions::default()).await.is_err(), "the log goes with the container");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attaches_to_the_process_itself() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::of(
        "attach",
        json!({"containers": [{"name": "main", "image": "busybox", "stdin": true, "stdinOnce": true,
            "command": ["sh", "-c", "while read line; do echo got $line; done; echo end >&2; exit 4"]}]}),
    );
    let (sandbox, id) = started(&runtime, &pod).await;
    let request = ExecRequest { stdin: true, stdout: true, stderr: true, ..ExecRequest::default() };
    let mut session = runtime.attach(&id, &request).await.expect("it is attached");
    let mut stdin = session.stdin.take().expect("an input");
    stdin.send("a b\n".into()).await.expect("the input is taken");
    stdin.close().await.expect("the input ends");
    assert_eq!(finish(session).await, ("got a b\n".to_owned(), "end\n".to_owned(), 4));
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_forwarded_probes_judge_and_usage_is_counted() {
    let daemon = daemon!();
    let runtime = daemon.node(1).await;
    let pod = TestPod::of("web", json!({"containers": [{"name": "web", "image": "nginx"}]}));
    let (sandbox, id) = started(&runtime, &pod).await;
    let probe = async |action: ProbeAction, timeout: Duration| {
        let ip = sandbox.ips.first().copied();
        let (container, sandbox) = (id.clone(), sandbox.id.clone());
        let request = ProbeRequest { container, sandbox, ip, action, timeout, purpose: ProbePurpose::Readiness };
        match runtime.probe(&request).await.expect("the probe is carried out") {
            ProbeOutcome::Success => "success".to_owned(),
            ProbeOutcome::Failure(text) => text.to_string(),
        }
    };
    let http = |path: &str, port| ProbeAction::Http {
        host: None,
        port,
        path: path.to_owned(),
        scheme: "HTTP".to_owned(),
        headers: Vec::new(),
    };
    let exec = |argv: &[&str]| ProbeAction::Exec { command: argv.iter().map(|arg| (*arg).to_owned()).collect() };
    let mut log = runtime.logs(&id, &LogOptions { follow: true, ..LogOptions::default() }).await.expect("a log");
    let up = async {
        while let Some(line) = log.next().await {
            if String::from_utf8_lossy(&line.expect("a line").line).contains("start worker process") {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, up).await.expect("nginx comes up");
    let ip = sandbox.ips[0];
    assert_eq!(probe(http("/", 80), SOON).await, "success");
    assert_eq!(probe(http("/nothing", 80), SOON).await, "HTTP probe failed with statuscode: 404");
    let refused = format!("dial tcp {ip}:81: connect: connection refused");
    assert_eq!(probe(http("/", 81), SOON).await, format!("Get \"http://{ip}:81/\": {refused}"));
    assert_eq!(probe(ProbeAction::Tcp { host: None, port: 81 }, SOON).await, refused);
    assert_eq!(probe(exec(&["true"]), SOON).await, "success");
    assert_eq!(probe(exec(&["sh", "-c", "echo not yet; exit 1"]), SOON).await, "not yet");
    let slow = probe(exec(&["sleep", "100"]), Duration::from_millis(200)).await;
    assert_eq!(slow, "command timed out: \"sleep 100\" timed out after 200ms");
    let grpc = ProbeAction::Grpc { port: 81, service: String::new() };
    assert!(probe(grpc, Duration::from_secs(2)).await.contains("error"));

    // Whoever vouches for the certificate does not matter, what is answered does.
    let server = TestRegistry::start(daemon.dir(), "tls", Access::Tls).await;
    let by = |host: Option<String>, port, path: &str, scheme: &str| ProbeAction::Http {
        host,
        port,
        path: path.to_owned(),
        scheme: scheme.to_owned(),
        headers: Vec::new(),
    };
    let https = |path: &str, scheme: &str| by(Some("127.0.0.1".into()), server.port(), path, scheme);
    assert_eq!(probe(https("/v2/", "HTTPS"), SOON).await, "success");
    assert_eq!(probe(https("/v2/x/tags/list", "HTTPS"), SOON).await, "HTTP probe failed with statuscode: 404");
    assert_eq!(probe(https("/v2/", "HTTP"), SOON).await, "HTTP probe failed with statuscode: 400");
    assert!(probe(by(None, 80, "/", "HTTPS"), SOON).await.contains(": tls: "));
    drop(server);

    let mut forward = runtime.port_forward(&sandbox.id, 80).await.expect("a connection");
    forward.write.send("GET / HTTP/1.0\r\n\r\n".into()).await.expect("the request is taken");
    let answer: Vec<_> = forward.read.collect().await;
    let answer: Vec<u8> = answer.into_iter().flat_map(|chunk| chunk.expect("bytes").to_vec()).collect();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("Welcome to nginx!</h1>\n"), "{answer}");
    assert!(runtime.port_forward(&sandbox.id, 81).await.is_err());

    let stats = runtime.stats().await.expect("figures");
    let [pod_stats] = &stats[..] else { panic!("one pod: {stats:?}") };
    let container = &pod_stats.containers[0];
    assert!(container.cpu > Duration::ZERO && container.memory_working_set > 100_000, "{container:?}");
    assert!(container.filesystem.used_bytes > 0 && pod_stats.pids >= 2, "{pod_stats:?}");
    assert!(pod_stats.network.is_some_and(|network| network.rx_bytes > 0 && network.tx_bytes > 0));
    runtime.remove_pod_sandbox(&sandbox.id).await.expect("the removal");
    runtime.close().await;
}
