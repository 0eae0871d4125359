//! Which containerd a test runs on: that of the machine, one that `tests/install-containerd` has brought, or the one that
//! `INBOARD_CONTAINERD` names.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::TestDaemon;

/// The variable with a directory that has the programs `containerd`, `containerd-shim-runc-v2`, `ctr` and `runc`.
const CHOSEN: &str = "INBOARD_CONTAINERD";

/// The programs of one containerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Programs {
    /// Those that the machine finds by their names.
    Machine,
    /// Those in a directory.
    In(PathBuf),
}

impl Programs {
    /// What the variable says, or the machine's.
    pub(super) fn chosen() -> Self {
        std::env::var_os(CHOSEN).map_or(Self::Machine, |dir| Self::In(dir.into()))
    }

    /// One of them, which finds the others first.
    pub(super) fn command(&self, name: &str) -> Command {
        let Self::In(dir) = self else { return Command::new(name) };
        let mut command = Command::new(dir.join(name));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(dir.clone()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(places).expect("a directory without a colon"));
        command
    }

    /// Whether they are there.
    pub(super) fn exist(&self) -> bool {
        match self {
            Self::Machine => true,
            Self::In(dir) => {
                ["containerd", "containerd-shim-runc-v2", "ctr", "runc"].iter().all(|name| dir.join(name).is_file())
            }
        }
    }
}

impl TestDaemon {
    /// Starts a daemon of the version that `tests/install-containerd` has brought (`target` is `CARGO_TARGET_TMPDIR`), or
    /// without one as [`TestDaemon::start`] does; `None`, with a notice, where that cannot be.
    pub async fn start_version(target: &str, version: Option<&str>) -> Option<Self> {
        let Some(version) = version else { return Self::start().await };
        if Programs::chosen() != Programs::Machine {
            super::notice(&format!("skipped on containerd {version}: {CHOSEN} names another"));
            return None;
        }
        let programs =
            Programs::In(Path::new(target).join("programs").join(format!("containerd-{version}")).join("bin"));
        if !programs.exist() {
            super::notice(&format!("skipped on containerd {version}: tests/install-containerd brings it"));
            return None;
        }
        Self::start_as(programs, false).await
    }

    /// The directory of the daemon's programs, if they are not the machine's.
    pub fn own_programs(&self) -> Option<&Path> {
        match &self.programs {
            Programs::Machine => None,
            Programs::In(dir) => Some(dir),
        }
    }
}

/// Makes tests of functions that take a [`TestDaemon`]: one for each containerd that there may be.
#[macro_export]
macro_rules! on_each_containerd {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            async fn on(version: Option<&str>) {
                let target = env!("CARGO_TARGET_TMPDIR");
                if let Some(daemon) = $crate::containerd::TestDaemon::start_version(target, version).await {
                    super::$test(daemon).await;
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_machines_containerd() {
                on(None).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_containerd_1_7() {
                on(Some("1.7")).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_containerd_2() {
                on(Some("2")).await;
            }
        }
    )+};
}
