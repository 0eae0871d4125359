//! Real containers in tests: a containerd of the test's own, images made from Debian's packages, and a look at the
//! machine before and after that finds whatever was left behind.

mod disk;
mod host;
mod images;
mod journal;
mod pod;
pub mod registry;
mod versions;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use inboard_runtime_containerd::{ContainerdBuilder, ContainerdRuntime};
use tokio::sync::{Mutex, MutexGuard};

pub use self::disk::Disk;
pub use self::host::HostState;
pub use self::journal::Journal;
pub use self::pod::TestPod;

use self::versions::Programs;

/// How long the daemon may take to open its socket.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A containerd of one test. When it is dropped it is stopped, and the test fails if anything is left on the machine
/// that was not there before.
#[derive(Debug)]
pub struct TestDaemon {
    dir: PathBuf,
    child: Option<Child>,
    before: HostState,
    programs: Programs,
    /// Whether it serves CRI too, to be compared with.
    cri: bool,
    /// One daemon at a time, in this process and on the machine: each test looks at the whole machine before and after.
    _alone: (MutexGuard<'static, ()>, File),
}

static ALONE: Mutex<()> = Mutex::const_new(());

/// The bridge that the CRI plugin's pods are connected to.
const CRI_BRIDGE: &str = "inbtestcri";

/// What CRI is called in the configuration of each version.
const CRI_PLUGINS: &str = "\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\", \
                           \"io.containerd.cri.v1.runtime\", \"io.containerd.podsandbox.controller.v1.podsandbox\", ";

/// Which file of the machine's directory for temporary files a test with a daemon holds locked.
const LOCK: &str = "inboard-test.lock";

impl TestDaemon {
    /// Starts a daemon, that of the machine or the one that `INBOARD_CONTAINERD` names; `None`, with a notice, where the
    /// machine cannot run one.
    pub async fn start() -> Option<Self> {
        Self::start_as(Programs::chosen(), false).await
    }

    /// Starts a daemon that serves CRI besides, with a sandbox image made from `busybox` and the network plugins of the
    /// machine.
    pub async fn start_with_cri() -> Option<Self> {
        Self::start_as(Programs::chosen(), true).await
    }

    async fn start_as(programs: Programs, cri: bool) -> Option<Self> {
        if let Some(missing) = missing() {
            notice(&format!("skipped: {missing}"));
            return None;
        }
        assert!(programs.exist(), "{programs:?} are not there");
        let alone = (ALONE.lock().await, alone_on_the_machine().await);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("inboard-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        let mut daemon = Self { before: HostState::take(), dir, child: None, programs, cri, _alone: alone };
        daemon.launch().await;
        Some(daemon)
    }

    /// Starts the daemon's process and waits until it answers.
    pub async fn launch(&mut self) {
        let config = self.dir.join("config.toml");
        std::fs::write(&config, self.config()).expect("the daemon's configuration");
        let log = File::options().create(true).append(true).open(self.dir.join("log")).expect("a log");
        let child = self
            .programs
            .command("containerd")
            .env("SSL_CERT_FILE", self.authorities())
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("containerd starts");
        self.child = Some(child);
        let answers = async {
            while tokio::net::UnixStream::connect(self.socket()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(START_TIMEOUT, answers).await;
        assert!(waited.is_ok(), "containerd does not answer:\n{}", self.log());
    }

    /// Stops the daemon's process; what it started runs on.
    pub fn halt(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let asked = Command::new("kill").arg(child.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()), "containerd is asked to stop");
        child.wait().expect("containerd stops");
    }

    /// Kills the daemon's process, as a crash does; what it started runs on.
    pub fn crash(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().and_then(|()| child.wait()).expect("containerd ends");
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("c.sock")
    }

    /// Where the daemon finds the programs that judge images, if it is one that asks them.
    pub fn verifiers(&self) -> PathBuf {
        self.dir.join("verifiers")
    }

    /// The file with the certificate authorities that the daemon takes for the machine's; without it there are none.
    pub fn authorities(&self) -> PathBuf {
        self.dir.join("authorities.pem")
    }

    /// What the daemon has of images in a node's namespace, a line each: the digest, and what is noted with it.
    pub fn contents(&self, number: u8) -> String {
        self.ctr(&["-n", &namespace_of(number), "content", "list"])
    }

    /// A directory of the test's own, removed with the daemon.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the daemon holds of containers in any of its namespaces; images and their layers may stay.
    pub fn held(&self) -> Vec<String> {
        let mut held = Vec::new();
        for namespace in self.ctr(&["namespaces", "list", "-q"]).lines() {
            for what in ["containers", "tasks", "leases"] {
                let ids = self.ctr(&["-n", namespace, what, "list", "-q"]);
                held.extend(ids.lines().map(|id| format!("{namespace}: {what} {id}")));
            }
            let snapshots = self.ctr(&["-n", namespace, "snapshots", "--snapshotter", self.snapshotter(), "list"]);
            let active = snapshots.lines().skip(1).filter(|line| !line.trim_end().ends_with("Committed"));
            held.extend(active.map(|line| format!("{namespace}: snapshot {line}")));
        }
        held
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        let output = self.programs.command("ctr").arg("--address").arg(self.socket()).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }

    /// Removes what other clients of the daemon leave for ever: empty control groups, and the bridge of the CRI plugin's
    /// network.
    pub fn clear_after_others(&self) {
        host::clear_empty_groups();
        if self.cri {
            drop(Command::new("ip").args(["link", "delete", CRI_BRIDGE]).status());
        }
    }

    /// What the daemon complained about last.
    pub fn log(&self) -> String {
        const LINES_MAX: usize = 20;
        let text = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let mut lines: Vec<&str> =
            text.lines().rev().filter(|line| !line.contains("level=info")).take(LINES_MAX).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// A node on this daemon (1 to 250) with the images `busybox` and `nginx`; one that was closed is opened again.
    pub async fn node(&self, number: u8) -> ContainerdRuntime {
        let runtime = self.builder(number).build().await.expect("the runtime opens");
        self.bring_images(&runtime).await;
        runtime
    }

    /// Gives a node the images `busybox` and `nginx`.
    pub async fn bring_images(&self, runtime: &ContainerdRuntime) {
        let archives = images::archives().expect("the images are made from the machine's packages");
        for archive in archives {
            runtime.import_image(&archive).await.expect("the image comes in");
        }
    }

    /// What [`TestDaemon::node`] builds, to be changed before.
    pub fn builder(&self, number: u8) -> ContainerdBuilder {
        builder_in(&self.dir, number)
    }

    /// Gives a namespace of the daemon the images `busybox` and, for sandboxes, `pause`, without a runtime.
    pub fn bring_images_to(&self, namespace: &str) {
        let archives = images::for_sandboxes().expect("the images are made from the machine's packages");
        for archive in archives {
            let mut import = self.programs.command("ctr");
            import.arg("--address").arg(self.socket()).args(["-n", namespace, "images", "import"]);
            import.args(["--snapshotter", self.snapshotter()]).arg(archive).stdout(Stdio::null());
            assert!(import.status().is_ok_and(|status| status.success()), "the image comes in");
        }
    }

    /// The daemon's snapshotter.
    pub fn snapshotter(&self) -> &'static str {
        snapshotter_in(&self.dir)
    }

    fn config(&self) -> String {
        let dir = self.dir.display();
        let (off, cri) = if self.cri { ("", self.cri_config()) } else { (CRI_PLUGINS, String::new()) };
        format!(
            "version = 2\nroot = \"{dir}/root\"\nstate = \"{dir}/state\"\n\
             disabled_plugins = [{off}\"io.containerd.internal.v1.opt\", \"io.containerd.nri.v1.nri\", \
             \"io.containerd.internal.v1.tracing\", \"io.containerd.tracing.processor.v1.otlp\", \
             \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.zfs\", \
             \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.aufs\"]\n\
             [debug]\nlevel = \"warn\"\n[grpc]\naddress = \"{dir}/c.sock\"\n\
             [plugins.\"io.containerd.image-verifier.v1.bindir\"]\nbin_dir = \"{verifiers}\"\n{cri}",
            verifiers = self.verifiers().display(),
        )
    }

    /// The CRI plugin's settings, with the network that our own nodes have.
    fn cri_config(&self) -> String {
        let dir = self.dir.display();
        let network = serde_json::json!({
            "cniVersion": "1.0.0", "name": "inbtest-cri",
            "plugins": [
                {
                    "type": "bridge", "bridge": CRI_BRIDGE, "isGateway": true, "ipMasq": true, "hairpinMode": true,
                    "ipam": {
                        "type": "host-local", "dataDir": self.dir.join("cri-ipam"),
                        "ranges": [[{"subnet": "10.123.251.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
            ],
        });
        let networks = self.dir.join("cni");
        let written = std::fs::create_dir_all(&networks)
            .and_then(|()| std::fs::write(networks.join("10-inbtest.conflist"), network.to_string()));
        written.expect("the network's configuration");
        let plugins = ["/opt/cni/bin", "/usr/lib/cni"].into_iter().find(|dir| Path::new(dir).join("bridge").exists());
        let (plugins, snapshotter) = (plugins.expect("network plugins"), self.snapshotter());
        format!(
            "[plugins.\"io.containerd.grpc.v1.cri\"]\nrestrict_oom_score_adj = true\nsandbox_image = \"docker.io/library/pause:latest\"\n\
             netns_mounts_under_state_dir = true\nstream_server_port = \"0\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"{snapshotter}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"{plugins}\"\nconf_dir = \"{dir}/cni\"\n"
        )
    }
}

/// Says that a test leaves something out, and why.
pub fn left_out(what: &str) {
    notice(&format!("left out: {what}"));
}

/// A node on the daemon that a test runs in this directory, for other processes of the test too.
pub fn builder_in(dir: &Path, number: u8) -> ContainerdBuilder {
    ContainerdRuntime::builder()
        .socket(dir.join("c.sock"))
        .namespace(namespace_of(number))
        .state_dir(dir.join(format!("host{number:02}")))
        .snapshotter(snapshotter_in(dir))
        .bridge(format!("inbtest{number}"))
        .pod_cidr(format!("10.123.{number}.0/24"))
        .cgroup_root(format!("/inboard-test/host{number:02}"))
}

fn namespace_of(number: u8) -> String {
    format!("inboard-host{number:02}")
}

/// Waits until no other process tests with a daemon. The lock ends with the file, however the process does.
async fn alone_on_the_machine() -> File {
    let path = std::env::temp_dir().join(LOCK);
    let lock = move || {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => notice("waiting for another process that tests with containers"),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.lock().map(|()| file)
    };
    let locked: std::io::Result<File> = tokio::task::spawn_blocking(lock).await.expect("the lock is waited for");
    locked.expect("the lock of tests with containers")
}

/// Overlays cannot be stacked on an overlay, which is what a test that itself runs in a container has.
fn snapshotter_in(dir: &Path) -> &'static str {
    if host::is_overlay(dir) { "native" } else { "overlayfs" }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        let daemon = self.child.as_ref().map(Child::id);
        let mut left = self.before.left_over(&HostState::take(), daemon);
        left.extend(self.held());
        if self.child.is_some() {
            self.halt();
        }
        host::clear(&self.dir, &self.before);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        } else {
            notice(&format!("the daemon's log:\n{}", self.log()));
        }
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// What this machine lacks for real containers.
fn missing() -> Option<String> {
    if host::uid() != Some(0) {
        return Some("containers need root".to_owned());
    }
    let programs = ["containerd", "ctr", "runc", "nginx", "busybox", "iptables", "docker-registry", "openssl", "zstd"];
    let absent = programs.iter().find(|program| host::find(program).is_none());
    absent.map(|program| format!("{program} is not installed; tests/run says what to install"))
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn notice(text: &str) {
    eprintln!("containerd test: {text}");
}
