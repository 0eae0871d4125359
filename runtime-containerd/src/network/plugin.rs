//! One call of one CNI plugin.
//!
//! A plugin outlives this process when that is killed. So each holds a lock through its standard error, which it inherits:
//! the next process does not undo what a plugin of the last one is still doing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{error, os};

/// How long a plugin may take before it is killed.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// What goes into a plugin's environment.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub(super) bin_dir: &'a Path,
    pub(super) command: &'a str,
    pub(super) container: &'a str,
    pub(super) namespace: Option<PathBuf>,
    pub(super) link: &'a str,
    /// The file that is locked while a plugin runs for this sandbox, and takes what it writes to standard error.
    pub(super) lock: PathBuf,
}

/// Runs the plugin that the configuration names; its answer, which for DEL is empty.
pub(super) async fn run(
    invocation: &Invocation<'_>,
    mut config: Value,
    previous: Option<&Value>,
) -> Result<Value, RuntimeError> {
    let name = config["type"].as_str().unwrap_or_default().to_owned();
    let doing = format!("network plugin {name} {}", invocation.command);
    if name.is_empty() || name.contains('/') {
        return Err(RuntimeError::new(
            RuntimeErrorKind::InvalidArgument,
            format!("network plugin {name:?} has no usable name"),
        ));
    }
    if let Some(previous) = previous {
        config["prevResult"] = previous.clone();
    }
    let lock = hold(&invocation.lock, &doing).await?;
    let mut child = Command::new(invocation.bin_dir.join(&name))
        .env_clear()
        .env("PATH", os::PATH)
        .env("CNI_COMMAND", invocation.command)
        .env("CNI_CONTAINERID", invocation.container)
        .env("CNI_NETNS", invocation.namespace.clone().unwrap_or_default())
        .env("CNI_IFNAME", invocation.link)
        .env("CNI_PATH", invocation.bin_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(lock.try_clone().map_err(|e| error::system(&doing, e))?))
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| error::system(&doing, e))?;
    let input = config.to_string();
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PLUGIN_TIMEOUT, talk).await.map_err(|_| {
        RuntimeError::new(RuntimeErrorKind::DeadlineExceeded, format!("{doing}: no answer within {PLUGIN_TIMEOUT:?}"))
    })?;
    let output = output.map_err(|e| error::system(&doing, e))?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap_or_else(|_| json!({})));
    }
    let said = std::fs::read(&invocation.lock).unwrap_or_default();
    Err(failure(&doing, &output.stdout, &said))
}

/// Waits until no plugin runs for the sandbox.
async fn hold(path: &Path, doing: &str) -> Result<Flock<File>, RuntimeError> {
    let path = path.to_path_buf();
    let lock = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).append(true).read(true).open(path)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| std::io::Error::from(errno))?;
        lock.set_len(0)?;
        Ok::<_, std::io::Error>(lock)
    });
    let lock = tokio::time::timeout(PLUGIN_TIMEOUT, lock).await.map_err(|_| {
        let message = format!("{doing}: an earlier call still runs after {PLUGIN_TIMEOUT:?}");
        RuntimeError::new(RuntimeErrorKind::DeadlineExceeded, message)
    })?;
    lock.map_err(|e| error::system(doing, e))?.map_err(|e| error::system(doing, e))
}

/// Plugins tell what went wrong as JSON with a code and a text.
fn failure(doing: &str, stdout: &[u8], stderr: &[u8]) -> RuntimeError {
    let told: Value = serde_json::from_slice(stdout).unwrap_or_default();
    let text = [told["msg"].as_str().unwrap_or_default(), told["details"].as_str().unwrap_or_default()].join(" ");
    let text = match text.trim() {
        "" => String::from_utf8_lossy(stderr).trim().to_owned(),
        text => text.to_owned(),
    };
    let exhausted = text.contains("no IP addresses available");
    let kind = if exhausted { RuntimeErrorKind::ResourceExhausted } else { RuntimeErrorKind::Internal };
    RuntimeError::new(kind, format!("{doing}: {text}"))
}
