//! The calls of a runtime: their names, and the record of those that were made.

use std::collections::VecDeque;
use std::fmt;

use inboard::runtime::RuntimeError;
use inboard::time::Time;

/// A method of [`Runtime`](inboard::runtime::Runtime).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the method of the same name")]
pub enum Verb {
    Info,
    Inventory,
    RunPodSandbox,
    StopPodSandbox,
    RemovePodSandbox,
    ImageStatus,
    PullImage,
    ListImages,
    RemoveImage,
    PrepareVolume,
    PrepareClaim,
    ForgetClaim,
    ReleaseClaims,
    RemoveVolumes,
    RemovePersistentVolume,
    CreateContainer,
    StartContainer,
    StopContainer,
    RemoveContainer,
    UpdateContainerResources,
    ContainerStatus,
    ExecSync,
    Exec,
    Attach,
    Probe,
    Logs,
    PortForward,
    Stats,
    NodeStats,
    FreeImages,
}

/// A call that was made, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// When.
    pub time: Time,
    /// Which.
    pub verb: Verb,
    /// What it was about: `namespace/pod`, `namespace/pod/container`, an image, or nothing.
    pub subject: String,
    /// Why it failed; `None` when it did not. A call that was never answered has no entry.
    pub error: Option<RuntimeError>,
}

impl fmt::Display for RecordedCall {
    /// One line without the time, such as `StartContainer default/web/nginx: the disk is busy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.verb)?;
        if !self.subject.is_empty() {
            write!(f, " {}", self.subject)?;
        }
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

/// The last calls.
#[derive(Debug)]
pub(crate) struct Recorder {
    limit: usize,
    calls: VecDeque<RecordedCall>,
}

impl Recorder {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, calls: VecDeque::new() }
    }

    pub(crate) fn record(&mut self, call: RecordedCall) {
        if self.calls.len() >= self.limit {
            self.calls.pop_front();
        }
        if self.limit > 0 {
            self.calls.push_back(call);
        }
    }

    pub(crate) fn calls(&self) -> Vec<RecordedCall> {
        self.calls.iter().cloned().collect()
    }
}
