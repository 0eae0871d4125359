//! The real kubectl against a cluster of a test: which versions there are (`tests/install-kubectl` brings them), and how
//! one is run.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// How long a command may take: longer than any that waits for something.
const LIMIT: Duration = Duration::from_secs(240);

/// A version of kubectl, and the server that it asks.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    /// What it keeps between commands, apart from that of whoever runs the tests.
    home: PathBuf,
    server: String,
    settings: Vec<(&'static str, &'static str)>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// The versions that are there, by the name of their folder; `target` is `CARGO_TARGET_TMPDIR`.
pub fn versions(target: &str) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(Path::new(target).join("programs")).into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> =
        folders.map(|folder| folder.path().join("kubectl")).filter(|program| program.is_file()).collect();
    programs.sort();
    programs
}

impl Kubectl {
    /// Runs this program against a server of plain HTTP.
    pub fn new(program: &Path, server: SocketAddr) -> Self {
        let home = program.with_file_name(format!("home-{}", server.port()));
        Self { program: program.to_owned(), home, server: format!("http://{server}"), settings: Vec::new() }
    }

    /// The same with a variable of its environment.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    /// The folder that belongs to it alone, and that goes with it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command, its words separated by blanks.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--server").arg(&self.server).arg("--cache-dir").arg(self.home.join("cache"));
        self.typed(command, words)
    }

    /// A command of the helm that comes with it.
    pub fn helm(&self, words: &str) -> Command {
        let mut command = Command::new(self.program.with_file_name("helm"));
        command.arg("--kube-apiserver").arg(&self.server);
        self.typed(command, words)
    }

    fn typed(&self, mut command: Command, words: &str) -> Command {
        command.args(words.split_whitespace());
        command.env_clear().env("HOME", &self.home).env("KUBECONFIG", "/dev/null").envs(self.settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts a command.
    pub fn start(&self, words: &str) -> Child {
        self.command(words).spawn().expect("kubectl starts")
    }

    /// Runs a command to its end.
    pub async fn run(&self, words: &str) -> Done {
        self.run_with(words, &[] as &[&str], "").await
    }

    /// Runs a command with more words, which may have blanks, and an input.
    pub async fn run_with(&self, words: &str, more: &[impl AsRef<OsStr>], input: &str) -> Done {
        let mut command = self.command(words);
        command.args(more);
        done(command, words, input).await
    }

    /// Runs a command of helm to its end.
    pub async fn run_helm(&self, words: &str) -> Done {
        done(self.helm(words), words, "").await
    }
}

async fn done(mut command: Command, words: &str, input: &str) -> Done {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it has an input");
    let feed = async {
        // It need not read its input.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let done = async { tokio::join!(feed, child.wait_with_output()) };
    let ((), output) = tokio::time::timeout(LIMIT, done).await.unwrap_or_else(|_| panic!("{words}: it takes too long"));
    let output = output.expect("an output");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
