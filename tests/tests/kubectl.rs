//! The real kubectl, in the versions that `tests/install-kubectl` brings, against a cluster of mocks in this process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::{Api, Cluster, NodeSpec, PostParams};
use inboard_apiserver::{Address, ApiServer, Server};
use inboard_runtime_mock::{MockRuntime, Script};
use inboard_tests::kubectl::{Kubectl, versions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const LIMIT: Duration = Duration::from_secs(60);

/// A cluster on a socket with the pod `p`, which runs.
async fn served() -> (Cluster, Server, SocketAddr) {
    let script = Script::image("busybox").serves(80, RESPONSE);
    let runtime = MockRuntime::builder().script(script).build();
    let cluster = Cluster::builder().node(NodeSpec::new("host01", Arc::new(runtime))).start().await.expect("it starts");
    let pod = json!({
        "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{
            "name": "c",
            "image": "busybox",
            "command": ["sh", "-c", "mkdir -p /tmp; while true; do echo tick; sleep 1; done"],
            "ports": [{ "containerPort": 80 }],
        }] },
    });
    let pods: Api<Pod> = Api::namespaced(&cluster, "default");
    pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("a pod")).await.expect("created");
    let is_running = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    pods.wait("p", LIMIT, |pod| pod.is_some_and(is_running)).await.expect("it runs");
    let server = Server::insecure(ApiServer::new(&cluster), ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
    (cluster, server, address)
}

/// Does this with every version that is there, over WebSockets and over SPDY.
#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
async fn with_each(test: impl AsyncFn(&Kubectl, &str)) {
    let programs = versions(env!("CARGO_TARGET_TMPDIR"));
    if programs.is_empty() {
        eprintln!("left out: there is no kubectl; tests/install-kubectl brings it");
    }
    for program in programs {
        for websockets in ["true", "false"] {
            let (_cluster, _server, address) = served().await;
            let kubectl = Kubectl::new(&program, address)
                .with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
                .with("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
            test(&kubectl, &format!("{} with WebSockets {websockets}", program.display())).await;
        }
    }
}

#[tokio::test]
async fn commands_run_in_containers() {
    with_each(async |kubectl, which| {
        // Words, more words with blanks, input; exit code, output, what the complaint has in it.
        type Row = (&'static str, &'static [&'static str], &'static str, i32, &'static str, &'static str);
        let rows: [Row; 9] = [
            ("exec p -- echo hi", &[], "", 0, "hi\n", ""),
            ("exec -i p -- cat", &[], "a\nb\n", 0, "a\nb\n", ""),
            ("exec p -c c -- sh -c", &["echo out; echo err >&2"], "", 0, "out\n", "err\n"),
            ("exec p -- sh -c", &["exit 3"], "", 3, "", "command terminated with exit code 3\n"),
            ("exec -i p -- sh", &[], "echo in the shell\nexit 4\n", 4, "in the shell\n", "exit code 4"),
            ("exec p -- nothing", &[], "", 1, "", "executable file not found in $PATH"),
            ("exec p -c x -- ls", &[], "", 1, "", "container x is not valid for pod p"),
            ("exec nobody -- ls", &[], "", 1, "", "Error from server (NotFound): pods \"nobody\" not found\n"),
            ("logs p --tail=1", &[], "", 0, "tick\n", ""),
        ];
        for (words, more, input, code, stdout, stderr) in rows {
            let done = kubectl.run_with(words, more, input).await;
            assert_eq!((done.code, &*done.stdout), (code, stdout), "{which}: {words}: {done:?}");
            assert!(done.stderr.contains(stderr), "{which}: {words}: {done:?}");
        }
        let large: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
        let done = kubectl.run_with("exec -i p -- cat", &[] as &[&str], &large).await;
        assert!(done.code == 0 && done.stdout == large, "{which}: {} bytes of {}", done.stdout.len(), large.len());
    })
    .await;
}

#[tokio::test]
async fn what_runs_can_be_attached_to() {
    with_each(async |kubectl, which| {
        let mut attached = kubectl.start("attach p");
        let mut lines = BufReader::new(attached.stdout.take().expect("an output")).lines();
        for _ in 0..2 {
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("a line");
            assert_eq!(line.as_deref(), Some("tick"), "{which}");
        }
        attached.kill().await.expect("it is killed");

        let words = "run r --image=busybox --restart=Never --rm -i -- sh -c";
        let done = kubectl.run_with(words, &["sleep 1; echo hi; exit 5"], "").await;
        assert!(done.stdout.starts_with("hi\n") && done.stdout.contains("pod \"r\" deleted"), "{which}: {done:?}");
        assert_eq!(kubectl.run("get pod r").await.code, 1, "{which}");
    })
    .await;
}

#[tokio::test]
async fn files_are_copied_both_ways() {
    with_each(async |kubectl, which| {
        let name = format!("files-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(folder.join("there/below")).expect("a folder");
        let long = "n".repeat(120);
        for (path, content) in
            [("there/one", "one\n"), ("there/below/two", "two\n"), (&*format!("there/{long}"), "three\n")]
        {
            std::fs::write(folder.join(path), content).expect("a file");
        }
        let copy = async |from: &str, to: &str| {
            let mut command = kubectl.command("cp");
            let copied = command.args([from, to]).current_dir(&folder).output().await.expect("it runs");
            assert!(copied.status.success(), "{which}: cp {from} {to}: {copied:?}");
        };
        copy("there", "p:/tmp/here").await;
        let done = kubectl.run("exec p -- cat /tmp/here/one /tmp/here/below/two").await;
        assert_eq!(done.stdout, "one\ntwo\n", "{which}: {done:?}");
        copy("p:/tmp/here", "back").await;
        copy("p:/tmp/here/one", "single").await;
        for (path, content) in [
            ("back/one", "one\n"),
            ("back/below/two", "two\n"),
            (&*format!("back/{long}"), "three\n"),
            ("single", "one\n"),
        ] {
            assert_eq!(std::fs::read_to_string(folder.join(path)).expect(path), content, "{which}: {path}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    })
    .await;
}

#[tokio::test]
async fn ports_are_forwarded_and_requests_passed_on() {
    with_each(async |kubectl, which| {
        let mut forwarding = kubectl.start("port-forward p :80 :81");
        let mut lines = BufReader::new(forwarding.stdout.take().expect("an output")).lines();
        let mut ports = Vec::new();
        while ports.len() < 2 {
            let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("a line");
            let line = line.unwrap_or_else(|| panic!("{which}: it goes on"));
            if let Some(rest) = line.strip_prefix("Forwarding from 127.0.0.1:") {
                ports.push(rest.split(' ').next().and_then(|port| port.parse::<u16>().ok()).expect("a port"));
            }
        }
        // Several connections at one time.
        let ask = async |port: u16| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
            let mut answer = String::new();
            let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await;
            read.expect("in time").map(|_| answer)
        };
        let answers = tokio::join!(ask(ports[0]), ask(ports[0]), ask(ports[0]));
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.expect("an answer"), RESPONSE, "{which}");
        }
        assert!(ask(ports[1]).await.map_or(true, |answer| answer.is_empty()), "{which}: nobody listens on 81");
        let mut complaint = String::new();
        let mut stderr = BufReader::new(forwarding.stderr.take().expect("a standard error"));
        tokio::time::timeout(LIMIT, stderr.read_line(&mut complaint)).await.expect("in time").expect("a line");
        assert!(complaint.contains("error forwarding port 81 to pod p, uid"), "{which}: {complaint}");
        forwarding.kill().await.expect("it is killed");

        let done = kubectl.run("get --raw /api/v1/namespaces/default/pods/p:80/proxy/").await;
        assert_eq!((done.code, &*done.stdout), (0, "hello"), "{which}: {done:?}");
    })
    .await;
}
