//! Apply in a version of a kind that somebody outside makes, from objects that they have made.
//!
//! Other owners may have written in other versions, and each is judged in its own: so the object has to be seen in these, too,
//! before and after. What is not known yet is told, so that it can be asked for; then the apply is tried once more.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;

use super::tracking::{Outcome, Tracker, Writer, empty};
use crate::error::ApiError;
use crate::object::kind::{KindInfo, Kinds};
use crate::time::Time;

/// An object, and a version that it is wanted in.
pub type Wanted = (Value, String);

/// Objects in versions that somebody outside has made.
#[derive(Debug, Default)]
pub struct Converted {
    known: Vec<(Wanted, Value)>,
    missing: Mutex<Vec<Wanted>>,
}

impl Converted {
    /// Keeps what was made of an object.
    pub fn add(&mut self, wanted: Wanted, made: Value) {
        self.known.push((wanted, made));
    }

    /// The object in this version, if it is known; otherwise it is wanted.
    pub(super) fn get(&self, object: &Value, api_version: &str) -> Option<&Value> {
        let is_it = |(of, version): &Wanted| version == api_version && of == object;
        if let Some((_, made)) = self.known.iter().find(|(wanted, _)| is_it(wanted)) {
            return Some(made);
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if !missing.iter().any(is_it) {
            missing.push((object.clone(), api_version.to_owned()));
        }
        None
    }

    fn take_missing(&mut self) -> Vec<Wanted> {
        std::mem::take(self.missing.get_mut().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is applied, and how.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// The kind in the version that is applied.
    pub info: &'a KindInfo,
    /// In whose name.
    pub manager: &'a str,
    /// The subresource; empty for the object.
    pub subresource: &'a str,
    /// What is applied.
    pub applied: &'a Value,
    /// The object as it is, in the version that is applied; nothing where there is none.
    pub live: Option<&'a Value>,
    /// Its entries.
    pub entries: &'a [ManagedFieldsEntry],
    /// Whether fields change their owner where they conflict.
    pub force: bool,
    /// When.
    pub now: Time,
}

/// What came of an apply.
#[derive(Debug)]
pub enum Applied {
    /// The object as it shall be, in the version that was applied, and its entries.
    Done(Value, Vec<ManagedFieldsEntry>),
    /// What has to be made first.
    Wants(Vec<Wanted>),
}

impl Apply<'_> {
    /// Works out what becomes of the object.
    ///
    /// # Errors
    /// As an apply of any kind: conflicts, and what is not of its type.
    pub fn run(&self, kinds: &Kinds, converted: &mut Converted) -> Result<Applied, ApiError> {
        let api_version = self.info.api_version();
        let writer =
            Writer { manager: self.manager, subresource: self.subresource, api_version: &api_version, now: self.now };
        let nothing = empty(kinds, &api_version, &self.info.kind);
        let live = self.live.unwrap_or(&nothing);
        let tracker = Tracker::new(kinds, self.info, writer).with_converted(converted);
        let outcome = tracker.apply(live, self.applied, self.entries, self.force);
        drop(tracker);
        let missing = converted.take_missing();
        if !missing.is_empty() {
            // What was worked out without them counts for nothing.
            return Ok(Applied::Wants(missing));
        }
        let Outcome { object, entries } = outcome?;
        Ok(Applied::Done(object, entries))
    }
}
