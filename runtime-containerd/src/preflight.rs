//! What of the machine is missing: the daemon, its programs, the network's plugins, the kernel. Everything is looked at
//! and nothing is changed; each thing that is missing comes with what to do about it.

mod kernel;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{Daemon, search_path};
use crate::image::Service;
use crate::network::BUILT_IN_PLUGINS;

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest daemon that is known to do all that is asked of it.
const OLDEST: (u32, u32) = (1, 6);

/// How it is with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Good,
    /// Pods run, but something that they may ask for will not work.
    Limited,
    /// No pod can run.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What: `containerd`, `seccomp`.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when there is nothing to do.
    pub remedy: String,
}

/// All that was looked at. Its text has a line for each thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which things build on each other.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether pods can run.
    pub fn is_ready(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != State::Missing)
    }

    fn add(&mut self, name: &'static str, looked: Looked) {
        let (state, detail, remedy) = match looked {
            Looked::Good(detail) => (State::Good, detail, String::new()),
            Looked::Limited(detail, remedy) => (State::Limited, detail, remedy),
            Looked::Missing(detail, remedy) => (State::Missing, detail, remedy),
        };
        self.findings.push(Finding { name, state, detail, remedy });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let mark = match finding.state {
                State::Good => "good",
                State::Limited => "limited",
                State::Missing => "MISSING",
            };
            writeln!(f, "{mark:<8} {:<14} {}", finding.name, finding.detail)?;
            if !finding.remedy.is_empty() {
                writeln!(f, "{:<23} -> {}", "", finding.remedy)?;
            }
        }
        Ok(())
    }
}

/// What one look found, with what to do about it.
#[derive(Debug)]
enum Looked {
    Good(String),
    Limited(String, String),
    Missing(String, String),
}

/// The settings that a report is for.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) socket: &'a Path,
    pub(crate) snapshotter: &'a str,
    pub(crate) bin_dir: &'a Path,
    pub(crate) built_in_network: bool,
}

/// Looks at everything.
pub(crate) async fn look(subject: &Subject<'_>) -> Report {
    let mut report = Report::default();
    report.add("rights", rights());
    let daemon = daemon(subject.socket).await;
    let answers = daemon.as_ref().ok().cloned();
    report.add("containerd", daemon.map_or_else(|missing| missing, |(_, version)| version_of(&version)));
    if let Some((daemon, _)) = &answers {
        report.add("snapshotter", snapshotter(daemon, subject.snapshotter).await);
        report.add("pulls", pulls(daemon).await);
    }
    let path = search_path(subject.socket).await;
    report.add("runc", program("runc", "runc", path.as_deref()));
    report.add("shim", program("containerd-shim-runc-v2", "containerd", path.as_deref()));
    if subject.built_in_network {
        report.add("network", plugins(subject.bin_dir));
        report.add("iptables", program("iptables", "iptables", None));
    }
    for (name, looked) in kernel::look(subject.built_in_network) {
        report.add(name, looked);
    }
    report
}

fn rights() -> Looked {
    match nix::unistd::geteuid() {
        uid if uid.is_root() => Looked::Good("the process is root".into()),
        uid => Looked::Missing(format!("the process runs as uid {uid}"), "run it as root".into()),
    }
}

async fn daemon(socket: &Path) -> Result<(Daemon, String), Looked> {
    let absent = |why: String| {
        let remedy = "install and start containerd (Debian: apt install containerd; systemctl start containerd)";
        Looked::Missing(format!("{}: {why}", socket.display()), remedy.into())
    };
    let ask = async {
        let namespace = tonic::metadata::MetadataValue::from_static("inboard");
        let daemon = Daemon::connect(socket, namespace).await.map_err(|error| absent(deepest(&error)))?;
        let request = daemon.request(());
        let answer = daemon.services().version().version(request).await;
        let version = answer.map_err(|status| absent(status.message().to_owned()))?.into_inner().version;
        Ok((daemon, version))
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(absent("no answer".into())))
}

/// The cause that says something: clients wrap it in "transport error".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn version_of(version: &str) -> Looked {
    let mut parts = version.trim_start_matches('v').split(|letter: char| !letter.is_ascii_digit());
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    match (number(), number()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let remedy = format!("install containerd {}.{} or later", OLDEST.0, OLDEST.1);
            Looked::Missing(format!("version {version} is too old"), remedy)
        }
        _ => Looked::Good(format!("version {version}")),
    }
}

async fn snapshotter(daemon: &Daemon, name: &str) -> Looked {
    let plugins = match daemon.plugins("io.containerd.snapshotter.v1").await {
        Ok(plugins) => plugins,
        Err(error) => return Looked::Limited(error.to_string(), String::new()),
    };
    let working: Vec<&str> =
        plugins.iter().filter(|plugin| plugin.init_err.is_none()).map(|plugin| plugin.id.as_str()).collect();
    if working.contains(&name) {
        return Looked::Good(name.to_owned());
    }
    let why = plugins.iter().find(|plugin| plugin.id == name).and_then(|plugin| plugin.init_err.clone());
    let why = why.map_or_else(|| "the daemon does not have it".to_owned(), |error| error.message);
    Looked::Missing(format!("{name}: {why}"), format!("choose one that works: {}", working.join(", ")))
}

/// Either way will do.
async fn pulls(daemon: &Daemon) -> Looked {
    match Service::ask(daemon).await {
        Ok(Service::Absent) => Looked::Good("by this process".into()),
        Ok(Service::Ordinary) => Looked::Good(
            "by the daemon where nothing is said of a registry and it has TLS, otherwise by this process".into(),
        ),
        Ok(Service::Directed) => Looked::Good("by the daemon".into()),
        Err(error) => Looked::Limited(error.to_string(), String::new()),
    }
}

/// A program that is needed, by the search path of the daemon where it is the one to start it.
fn program(name: &str, package: &str, of_daemon: Option<&OsStr>) -> Looked {
    match find(name, of_daemon) {
        Some(path) => Looked::Good(path.display().to_string()),
        None => Looked::Missing(
            format!("{name} is not on the machine"),
            format!("install it (Debian: apt install {package})"),
        ),
    }
}

fn find(name: &str, of_daemon: Option<&OsStr>) -> Option<PathBuf> {
    if let Some(path) = of_daemon {
        return std::env::split_paths(path).map(|dir| dir.join(name)).find(|path| path.is_file());
    }
    let of_process = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    let places = std::env::split_paths(&of_process).chain(usual);
    places.map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn plugins(dir: &Path) -> Looked {
    let absent: Vec<&str> = BUILT_IN_PLUGINS.into_iter().filter(|name| !dir.join(name).exists()).collect();
    if absent.is_empty() {
        let version = Command::new(dir.join(BUILT_IN_PLUGINS[0])).arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
        let version = version.lines().next().unwrap_or_default().to_owned();
        return Looked::Good(format!("{} {version}", dir.display()).trim_end().to_owned());
    }
    let remedy = "install the CNI plugins (Debian: apt install containernetworking-plugins), or name a configuration";
    Looked::Missing(format!("{} has no {}", dir.display(), absent.join(", ")), remedy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_daemons_are_told_from_those_that_do() {
        let good = |version: &str| matches!(version_of(version), Looked::Good(_));
        assert!(["v1.7.2", "1.6.20~ds1", "v2.0.0-rc.1", "unknown"].into_iter().all(good));
        assert!(!["1.5.9", "v1.4.13", "0.9"].into_iter().any(good));
    }

    #[test]
    fn a_report_says_what_to_do() {
        let mut report = Report::default();
        report.add("runc", Looked::Good("/usr/sbin/runc".into()));
        report.add("seccomp", Looked::Limited("the kernel has none".into(), "use another kernel".into()));
        assert!(report.is_ready());
        report.add("containerd", Looked::Missing("no answer".into(), "start it".into()));
        assert!(!report.is_ready());
        let expected = "good     runc           /usr/sbin/runc\n\
                        limited  seccomp        the kernel has none\n                        -> use another kernel\n\
                        MISSING  containerd     no answer\n                        -> start it\n";
        assert_eq!(report.to_string(), expected);
    }
}
