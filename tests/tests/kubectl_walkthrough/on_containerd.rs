//! The walk-through on real containers: three nodes on one daemon.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use inboard::k8s_openapi::api::core::v1::Pod;
use inboard::runtime::Runtime;
use inboard::{Api, Cluster, ExecOptions, ListParams, NodeSpec, Shutdown};
use inboard_runtime_containerd::ContainerdRuntime;
use inboard_tests::containerd::TestDaemon;
use inboard_tests::kubectl::Kubectl;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};

use super::steps::{walk_through, what_takes_longer};
use super::terminal::Terminal;
use super::{NODES, World, kubectl, on_the_mock, programs, serve};

const LIMIT: Duration = Duration::from_secs(60);

struct Machines(BTreeMap<&'static str, Arc<ContainerdRuntime>>);

impl Machines {
    async fn start(daemon: &TestDaemon) -> Self {
        let mut runtimes = BTreeMap::new();
        for (number, name) in (1..).zip(NODES) {
            runtimes.insert(name, Arc::new(daemon.node(number).await));
        }
        Self(runtimes)
    }

    fn spec(&self, node: &str) -> NodeSpec {
        let runtime: Arc<dyn Runtime> = self.0[node].clone();
        NodeSpec::new(node, runtime)
    }

    async fn close(&self) {
        for runtime in self.0.values() {
            runtime.close().await;
        }
    }
}

impl World for Machines {
    async fn power_off(&self, cluster: &Cluster, node: &str) {
        cluster.disconnect_node(node).await.expect("the agent goes");
        let runtime = &self.0[node];
        for sandbox in runtime.inventory().await.expect("an inventory").sandboxes {
            runtime.stop_pod_sandbox(&sandbox.id).await.expect("stopped");
        }
    }

    async fn power_on(&self, cluster: &Cluster, node: &str) {
        cluster.add_node(self.spec(node)).await.expect("the node comes back");
    }

    async fn load(&self, cluster: &Cluster, millis: u64) {
        let pods: Api<Pod> = Api::default_namespaced(cluster);
        let work = match millis {
            0 => "rm -f /tmp/busy",
            _ => "touch /tmp/busy; (while [ -e /tmp/busy ]; do :; done) > /dev/null 2>&1 &",
        };
        let of_deployment = ListParams::default().labels("app=nginx");
        for pod in pods.list(&of_deployment).await.expect("pods").items {
            let name = pod.metadata.name.expect("a name");
            let done = pods.exec(&name, ["/bin/sh", "-c", work], &ExecOptions::default()).await.expect("it runs");
            assert_eq!(done.code, 0, "{done:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_real_containers_a_user_sees_the_same() {
    let Some(program) = programs().pop() else { return };
    let Some(daemon) = TestDaemon::start().await else { return };
    let on_mocks = tokio::spawn({
        let program = program.clone();
        async move { on_the_mock::transcript(&program, true).await }
    });
    let machines = Machines::start(&daemon).await;
    let (cluster, server) = serve(NODES.map(|name| machines.spec(name))).await;
    let kubectl = kubectl(&program, &server);
    let terminal = Terminal::new(&kubectl, &cluster, "on containers".to_owned());
    walk_through(&terminal, &cluster).await;
    what_takes_longer(&terminal, &cluster, &machines).await;
    server.stop().await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
    machines.close().await;
    let (seen, wanted) = (terminal.transcript(), on_mocks.await.expect("it was told to its end"));
    let other = (0..).zip(seen.iter().zip(&wanted)).filter(|(_, (seen, wanted))| seen != wanted);
    let other: Vec<String> = other.map(|(line, (seen, wanted))| format!("{line}: {seen}\n     {wanted}")).collect();
    assert!(other.is_empty(), "what is seen on containers, and on mocks:\n{}", other.join("\n"));
    assert_eq!(seen.len(), wanted.len());
}

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: web, image: nginx, ports: [{containerPort: 80}]}
  - {name: c, image: busybox, command: [sh, -c, 'while true; do echo tick; sleep 1; done']}
";

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_in_and_out_of_real_containers() {
    let programs = programs();
    if programs.is_empty() {
        return;
    }
    let Some(daemon) = TestDaemon::start().await else { return };
    let machines = Machines::start(&daemon).await;
    let (cluster, server) = serve([machines.spec("host01")]).await;
    for program in programs {
        for websockets in ["true", "false"] {
            let kubectl = kubectl(&program, &server)
                .with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
                .with("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
            let done = kubectl.run_with("apply -f -", &[] as &[&str], WEB).await;
            assert_eq!(done.code, 0, "{done:?}");
            let done = kubectl.run("wait --for=condition=Ready pod/p").await;
            assert_eq!(done.code, 0, "{done:?}");
            commands(&kubectl).await;
            followed(&kubectl).await;
            copied(&kubectl, &program).await;
            forwarded(&kubectl).await;
            let done = kubectl.run("delete pod p").await;
            assert_eq!(done.code, 0, "{done:?}");
        }
    }
    server.stop().await;
    cluster.shutdown(Shutdown::Stop { grace: Duration::from_secs(1) }).await.expect("stopped");
    machines.close().await;
}

async fn commands(kubectl: &Kubectl) {
    // Words, the last word, input; exit code, output, what the complaint has in it.
    type Row = (&'static str, &'static [&'static str], &'static str, i32, &'static str, &'static str);
    let rows: [Row; 6] = [
        ("exec p -c c -- echo hi", &[], "", 0, "hi\n", ""),
        ("exec -i p -c c -- cat", &[], "a\nb\n", 0, "a\nb\n", ""),
        ("exec p -c c -- sh -c", &["echo out; echo err >&2; exit 3"], "", 3, "out\n", "err\n"),
        ("exec -i p -c c -- sh", &[], "echo in the shell\nexit 4\n", 4, "in the shell\n", "exit code 4"),
        ("exec p -c c -- nothing", &[], "", 1, "", "executable file not found in $PATH"),
        ("exec p -c web -- cat /html/index.html", &[], "", 0, "<h1>Welcome to nginx!</h1>\n", ""),
    ];
    for (words, more, input, code, stdout, stderr) in rows {
        let done = kubectl.run_with(words, more, input).await;
        assert_eq!((done.code, &*done.stdout), (code, stdout), "{words}: {done:?}");
        assert!(done.stderr.contains(stderr), "{words}: {done:?}");
    }
    let large: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
    let done = kubectl.run_with("exec -i p -c c -- cat", &[] as &[&str], &large).await;
    assert!(done.code == 0 && done.stdout == large, "{} bytes of {}", done.stdout.len(), large.len());
    let words = "run r --image=busybox --image-pull-policy=IfNotPresent --restart=Never --rm -i -- sh -c";
    let done = kubectl.run_with(words, &["read line; echo got $line; exit 5"], "a line\n").await;
    assert!(done.stdout.contains("got a line\n") && done.stdout.contains("pod \"r\" deleted"), "{done:?}");
}

fn lines(child: &mut Child) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().expect("an output")).lines()
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("it can be read").expect("a line")
}

/// `attach` and `logs -f`.
async fn followed(kubectl: &Kubectl) {
    for words in ["attach p -c c", "logs -f p -c c --tail=1"] {
        let mut child = kubectl.start(words);
        let mut printed = lines(&mut child);
        for _ in 0..2 {
            assert_eq!(next(&mut printed).await, "tick", "{words}");
        }
        child.kill().await.expect("it is killed");
    }
}

async fn copied(kubectl: &Kubectl, program: &Path) {
    let folder = program.with_file_name(format!("files-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("there/below")).expect("a folder");
    for (path, content) in [("there/one", "one\n"), ("there/below/two", "two\n")] {
        std::fs::write(folder.join(path), content).expect("a file");
    }
    for (from, to) in [("there", "p:/tmp/here"), ("p:/tmp/here", "back")] {
        let mut command = kubectl.command("cp -c c");
        let done = command.args([from, to]).current_dir(&folder).output().await.expect("it runs");
        assert!(done.status.success(), "cp {from} {to}: {done:?}");
    }
    for (path, content) in [("back/one", "one\n"), ("back/below/two", "two\n")] {
        assert_eq!(std::fs::read_to_string(folder.join(path)).expect(path), content, "{path}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

async fn forwarded(kubectl: &Kubectl) {
    let mut child = kubectl.command("port-forward p :80").stdin(Stdio::null()).spawn().expect("it starts");
    let mut printed = lines(&mut child);
    let line = next(&mut printed).await;
    let port = line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("{line}"));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("<h1>Welcome to nginx!</h1>\n"), "{answer}");
    }
    child.kill().await.expect("it is killed");
    let done = kubectl.run("get --raw /api/v1/namespaces/default/pods/p:80/proxy/").await;
    assert_eq!((done.code, &*done.stdout), (0, "<h1>Welcome to nginx!</h1>\n"), "{done:?}");
}
