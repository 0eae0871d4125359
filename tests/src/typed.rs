//! What people type to kubectl, and what they see: rows of words, in a cluster of mocks of their own.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use inboard::{Cluster, NodeSpec};
use inboard_apiserver::{Address, ApiServer, Server, Tokens};
use inboard_runtime_mock::{MockRuntime, Script, Usage};

use crate::kubectl::{Kubectl, versions};

/// What is typed (words between blanks; `~` stands for a blank within a word), the input, and the parts of the answer in
/// their order: `!` in front of the first for a command that must fail.
pub type Row = (&'static str, &'static str, &'static [&'static str]);

/// A pod that ticks.
pub const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec: {containers: [{name: c, image: busybox, command: [sh, -c, 'while true; do echo tick; sleep 1; done']}]}
";

/// A Deployment of two.
pub const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: 'nginx:1', ports: [{containerPort: 80}]}]
";

/// A kubectl and what it is asked for.
#[derive(Debug)]
pub struct Terminal<'k> {
    /// The kubectl.
    pub kubectl: &'k Kubectl,
    /// Its name.
    pub which: String,
    wrong: String,
}

impl Terminal<'_> {
    /// Types these, and notes what is not as it shall be.
    pub async fn types(&mut self, rows: &[Row]) {
        for (words, input, parts) in rows {
            let words = words.replace("HOME", &self.kubectl.home().display().to_string());
            let typed: Vec<String> = words.split_whitespace().map(|word| word.replace('~', " ")).collect();
            let done = self.kubectl.run_with("", &typed, input).await;
            let printed = format!("{}{}", done.stdout, done.stderr);
            let (must_fail, parts) = match parts {
                ["!", rest @ ..] => (true, rest),
                parts => (false, *parts),
            };
            let mut rest = printed.as_str();
            let mut is_right = (done.code != 0) == must_fail;
            for part in parts {
                match rest.split_once(part) {
                    Some((_, behind)) => rest = behind,
                    None => is_right = false,
                }
            }
            if !is_right {
                let _ =
                    writeln!(self.wrong, "{}: kubectl {words}: {}: wanted {parts:?}: {printed}", self.which, done.code);
            }
        }
    }
}

async fn cluster() -> (Cluster, Server) {
    let tokens = Tokens::generate().expect("the machine gives random numbers");
    let runtime = || {
        let used = Script::any().cpu(Usage::constant(100)).memory(Usage::constant(50 << 20));
        MockRuntime::builder().script(used).build()
    };
    let cluster = Cluster::builder()
        .nodes(["host01", "host02"].map(|name| NodeSpec::new(name, Arc::new(runtime()))))
        .authority(tokens.clone())
        .start()
        .await
        .expect("it starts");
    let api = ApiServer::builder(&cluster).tokens(tokens).build();
    api.create_defaults().await.expect("an empty cluster takes them");
    let server = Server::insecure(api, ([127, 0, 0, 1], 0).into()).await.expect("it listens");
    (cluster, server)
}

/// Lets each version of kubectl play a story on a cluster of its own; `target` is `CARGO_TARGET_TMPDIR`.
///
/// # Panics
/// With all that was not as it shall be.
pub async fn with_each(target: &str, story: impl AsyncFn(&mut Terminal<'_>)) {
    with_each_cluster(target, async |_, terminal| story(terminal).await).await;
}

/// The same for a story that looks at the cluster itself, too.
///
/// # Panics
/// With all that was not as it shall be.
#[expect(clippy::print_stderr, reason = "what a test leaves out is said")]
pub async fn with_each_cluster(target: &str, story: impl AsyncFn(&Cluster, &mut Terminal<'_>)) {
    let programs = versions(target);
    if programs.is_empty() {
        eprintln!("left out: there is no kubectl; tests/install-kubectl brings it");
    }
    let mut wrong = String::new();
    for program in programs {
        let (cluster, server) = cluster().await;
        let Address::Tcp(address) = *server.address() else { panic!("it is TCP") };
        let kubectl = Kubectl::new(&program, address).with("PATH", "/usr/bin:/bin").with("TZ", "UTC");
        std::fs::create_dir_all(kubectl.home()).expect("a folder");
        let which = program.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let mut terminal = Terminal { kubectl: &kubectl, which: which.unwrap_or_default(), wrong: String::new() };
        story(&cluster, &mut terminal).await;
        wrong.push_str(&terminal.wrong);
        server.stop().await;
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Writes a file into the folder that rows call `HOME`.
///
/// # Panics
/// When it cannot be written.
pub fn write(terminal: &Terminal<'_>, name: &str, text: &str) {
    let path = terminal.kubectl.home().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
