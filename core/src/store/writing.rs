//! How a write is made: whether it is kept, in whose name, and how far it goes.

use std::sync::Arc;

use super::commit::Store;
use super::object::{Meta, Object};
use super::owners::FieldManager;
use super::policies::Turn;
use crate::error::ApiError;
use crate::ids::{Revision, Uid};

/// How to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Only try: everything is checked, nothing is kept.
    pub dry_run: bool,
    /// In whose name it is written; `None` for the cluster itself, which owns no fields.
    pub manager: Option<FieldManager>,
    /// How far the write goes.
    pub until: Stage,
    /// It goes on from what a try until [`Stage::Mutated`] came to, and from what others have made of that: the policies that
    /// change objects had their turn, only those that want to know of later changes have another.
    pub mutated: bool,
    /// The uid of a new object, where it was given one when the write was tried.
    pub uid: Option<Uid>,
    /// The version at which a patch or an apply must meet the object, zero for one that is not there; what was found out
    /// about it before must still be so.
    pub meets: Option<Revision>,
}

/// How far a write goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Until it is committed, or would be.
    #[default]
    Committed,
    /// Until the plugins that change it have had their turn: the result is what mutating webhooks are shown, and nothing is
    /// kept.
    Mutated,
}

impl Store {
    /// Writes, or only tries to: then the result has the version that the object had before.
    pub(super) fn perform(
        &mut self,
        options: &WriteOptions,
        before: Revision,
        write: impl FnOnce(&mut Self) -> Result<Arc<Object>, ApiError>,
    ) -> Result<Arc<Object>, ApiError> {
        self.voice.until = options.until;
        self.voice.uid = options.uid;
        self.voice.turn = if options.mutated { Turn::Again } else { Turn::First };
        if !options.dry_run && options.until == Stage::Committed {
            return write(self);
        }
        let tried = self.rehearse(write);
        self.voice.until = Stage::Committed;
        let tried = tried?;
        let meta = Meta { revision: before, ..tried.meta.clone() };
        Ok(Arc::new(Object { meta, body: tried.body.clone() }.in_accord()))
    }
}
