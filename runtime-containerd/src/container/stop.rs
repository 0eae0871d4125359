//! Stopping: the stop signal, patience, then force.

use std::str::FromStr;
use std::time::Duration;

use containerd_client::services::v1::KillRequest;
use inboard::k8s_openapi::api::core::v1::Container;
use inboard::runtime::{RuntimeError, RuntimeErrorKind};
use nix::sys::signal::Signal;

use super::entry::ContainerEntry;
use super::start::libc_signal;
use crate::client::{call, gone};
use crate::runtime::Inner;

/// How long a process may take to be gone after it was killed: longer only in an uninterruptible wait in the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the exit of a process may take to be told after its shim has stopped answering.
const ENDING_TIMEOUT: Duration = Duration::from_secs(2);

impl Inner {
    pub(crate) async fn stop(&self, id: &str, grace: Duration) -> Result<(), RuntimeError> {
        let Ok(entry) = self.entry(id) else { return Ok(()) };
        if !entry.is_running() {
            return Ok(());
        }
        if !grace.is_zero() {
            let signal = u32::try_from(entry.record.stop_signal).unwrap_or(libc_signal::KILL);
            self.signal(&entry, signal, false).await?;
            if tokio::time::timeout(grace, entry.exited()).await.is_ok() {
                return Ok(());
            }
        }
        self.kill_container(&entry).await
    }

    /// Kills everything in a container and waits until it is gone.
    pub(crate) async fn kill_container(&self, entry: &ContainerEntry) -> Result<(), RuntimeError> {
        if !entry.is_running() {
            return Ok(());
        }
        self.signal(entry, libc_signal::KILL, true).await?;
        tokio::time::timeout(KILL_TIMEOUT, entry.exited()).await.map_err(|_| {
            let message = format!("container {} is not gone {KILL_TIMEOUT:?} after it was killed", entry.record.id);
            RuntimeError::new(RuntimeErrorKind::DeadlineExceeded, message)
        })
    }

    /// Sends a signal. A shim that cannot be asked because its process has just ended is no error: the exit follows.
    async fn signal(&self, entry: &ContainerEntry, signal: u32, all: bool) -> Result<(), RuntimeError> {
        let request = KillRequest { container_id: entry.record.id.clone(), signal, all, ..KillRequest::default() };
        let request = self.daemon.request(request);
        let sent = call("signal container", self.daemon.services().tasks().kill(request)).await;
        match sent.map(drop).or_else(gone) {
            Err(_) if tokio::time::timeout(ENDING_TIMEOUT, entry.exited()).await.is_ok() => Ok(()),
            sent => sent,
        }
    }
}

/// The number of the signal that asks a container to stop: the pod's (`lifecycle.stopSignal`), the image's, SIGTERM.
pub(super) fn signal_number(of_image: Option<&str>, container: &Container) -> Result<i32, RuntimeError> {
    let of_pod = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.stop_signal.as_deref());
    let Some(text) = of_pod.or(of_image) else { return Ok(Signal::SIGTERM as i32) };
    if let Ok(number) = text.parse::<i32>() {
        return Ok(number);
    }
    let name = text.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    // Real-time signals count from 34 up and from 64 down, which is how images name them (`SIGRTMIN+3`).
    let real_time = name
        .strip_prefix("SIGRTMIN")
        .map(|rest| (34, rest))
        .or_else(|| name.strip_prefix("SIGRTMAX").map(|rest| (64, rest)));
    if let Some((base, rest)) = real_time {
        let offset = if rest.is_empty() { Some(0) } else { rest.trim_start_matches('+').parse::<i32>().ok() };
        if let Some(number) = offset.map(|offset| base + offset).filter(|number| (34..=64).contains(number)) {
            return Ok(number);
        }
    }
    Signal::from_str(&name)
        .map(|signal| signal as i32)
        .map_err(|_| RuntimeError::new(RuntimeErrorKind::InvalidArgument, format!("stop signal {text:?} is not known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_signal_is_found_by_name_and_number() {
        let rows = [
            (None, Ok(15)),
            (Some("SIGQUIT"), Ok(3)),
            (Some("int"), Ok(2)),
            (Some("9"), Ok(9)),
            (Some("SIGRTMIN+3"), Ok(37)),
            (Some("SIGRTMAX-1"), Ok(63)),
        ];
        for (text, expected) in rows {
            assert_eq!(signal_number(text, &Container::default()), expected, "{text:?}");
        }
        assert!(signal_number(Some("SIGNOPE"), &Container::default()).is_err());
    }
}
