//! Where commits are made durable, before anything of them is seen outside.
//!
//! The shell hands over one batch at a time, in the order of their revisions, and waits. Only when a batch is durable are
//! the replies given, the runtime calls made and the changes shown to watchers that came with it; the kernel may work on
//! meanwhile, its outputs queue up.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::change::Change;
use crate::ids::{Revision, Uid};
use crate::object::kind::{self, Kinds};

/// A place to commit to.
///
/// # Guarantees an implementation gives
/// - **Atomic**: after a crash a batch is there as a whole or not at all.
/// - **Ordered**: a batch is there only if all earlier ones are.
/// - **Fenced**: once another writer has taken over, every commit fails with [`DurabilityError::Fenced`].
#[async_trait]
pub trait Durability: std::fmt::Debug + Send + 'static {
    /// Everything that was committed, as it was; called once, before the first commit. It makes this process the writer.
    ///
    /// # Errors
    /// When what is there cannot be read, or another writer holds it.
    async fn open(&mut self) -> Result<Recovered, DurabilityError>;

    /// Makes a batch durable.
    ///
    /// # Errors
    /// [`DurabilityError::is_retryable`] says whether the same batch can be tried again.
    async fn commit(&mut self, batch: Batch<'_>) -> Result<(), DurabilityError>;
}

/// What a step of the kernel changed.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The changes in order. Events (`v1/Event`) are among them, and are not kept.
    pub changes: &'a [Change],
    /// The last revision that was given out, whether or not an object carries it.
    pub revision: Revision,
    /// The kinds that are known: what an object needs to be written down.
    pub kinds: &'a Kinds,
}

impl Batch<'_> {
    /// What to keep: each object that is to be durable as it is at the end of the batch, as [`Recovered`] wants it back,
    /// and `None` for one that is gone.
    pub fn last_of_each(&self) -> BTreeMap<Uid, Option<Value>> {
        let durable = self.changes.iter().filter(|change| change.object.meta.kind != kind::EVENT);
        let last: BTreeMap<Uid, &Change> = durable.map(|change| (change.object.meta.uid, change)).collect();
        last.into_iter().map(|(uid, change)| (uid, change.after().map(|object| object.to_value(self.kinds)))).collect()
    }
}

/// What a durable place held when it was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The objects, as JSON with their metadata.
    pub objects: Vec<Value>,
    /// The last revision that was given out.
    pub revision: Revision,
}

/// Why a batch is not durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurabilityError {
    /// Another process is the writer now: this one must stop.
    #[error("another writer has taken over")]
    Fenced,
    /// The place does not take it now: the disk is full, the connection is lost.
    #[error("the storage does not take writes")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is there cannot be understood.
    #[error("the storage is damaged")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DurabilityError {
    /// Whether the same batch can be tried again.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Nothing is kept beyond the process: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

#[async_trait]
impl Durability for Memory {
    async fn open(&mut self) -> Result<Recovered, DurabilityError> {
        Ok(Recovered::default())
    }

    async fn commit(&mut self, _batch: Batch<'_>) -> Result<(), DurabilityError> {
        Ok(())
    }
}
