//! How far pulls have got, told to whoever listens: after each part of a blob that is in the store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_core::stream::BoxStream;
use futures_util::stream;
use tokio::sync::broadcast;

use crate::lock::guard;

/// How many reports a listener may lag behind before it misses some; each says all that the earlier ones said.
const BACKLOG: usize = 256;

/// How far the pull of one image has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The image, by its complete name.
    pub image: Arc<str>,
    /// How many bytes of its blobs are here.
    pub bytes: u64,
    /// How many there are.
    pub total_bytes: u64,
}

/// Where reports go to.
#[derive(Clone, Debug)]
pub(super) struct Reports(broadcast::Sender<PullProgress>);

impl Default for Reports {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Reports {
    /// Those from now on; it ends with the runtime.
    pub(super) fn listen(&self) -> BoxStream<'static, PullProgress> {
        Box::pin(stream::unfold(self.0.subscribe(), async |mut reports| {
            loop {
                match reports.recv().await {
                    Ok(report) => return Some((report, reports)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        }))
    }
}

/// What has come of one image.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) image: Arc<str>,
    total_bytes: u64,
    here: Mutex<BTreeMap<String, u64>>,
    reports: Reports,
}

impl Tally {
    pub(super) fn new(image: &str, total_bytes: u64, reports: &Reports) -> Self {
        Self { image: image.into(), total_bytes, here: Mutex::default(), reports: reports.clone() }
    }

    /// How much is still to come.
    pub(super) fn missing(&self) -> u64 {
        self.total_bytes.saturating_sub(guard(&self.here).values().sum())
    }

    /// So much of a blob is here.
    pub(super) fn has(&self, digest: &str, bytes: u64) {
        let mut here = guard(&self.here);
        if here.insert(digest.to_owned(), bytes) == Some(bytes) {
            return;
        }
        let report =
            PullProgress { image: self.image.clone(), bytes: here.values().sum(), total_bytes: self.total_bytes };
        // Without listeners there is nobody to tell.
        drop(self.reports.0.send(report));
    }
}
