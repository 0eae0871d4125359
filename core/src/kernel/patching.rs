//! A patch as an API server takes it: applied to what the client sees, in the version that it speaks, and judged as
//! strictly as it asks.
//!
//! ```text
//! stored object ─► version of the request ─► patch ─► decode, judge unknown fields ─► stored version
//! ```

use serde_json::Value;

use crate::error::ApiError;
use crate::object::decode::DecodeError;
use crate::object::kind::{KindInfo, Kinds, convert};
use crate::object::manifest::FieldValidation;
use crate::object::patch::{Patch, told};
use crate::object::{body, custom, owner};

/// One patch on its way.
pub(super) struct Patching<'a> {
    /// The kind in the version that the request names.
    pub(super) info: &'a KindInfo,
    /// All kinds.
    pub(super) kinds: &'a Kinds,
    pub(super) patch: &'a Patch,
    /// The paths of keys that stand twice in its text.
    pub(super) duplicates: &'a [String],
    pub(super) validation: FieldValidation,
}

impl Patching<'_> {
    /// The next object, in the stored version, from the JSON of the current one; `notes` gets what is to be warned of.
    pub(super) fn apply(&self, stored: Value, notes: &mut Vec<String>) -> Result<Value, ApiError> {
        let Self { info, kinds, patch, .. } = self;
        let unknown = || ApiError::internal("a version that cannot be converted");
        let before = kinds.convert(info.stored_as, info.id, stored).ok_or_else(unknown)?;
        let mut after = before.clone();
        patch.apply(info.id, &mut after).map_err(|error| error.refusal())?;
        self.another(&after)?;
        notes.extend(owner::twins_note(&owner::drop_twins(&mut after), true));
        if let Some(fields) = after.as_object_mut() {
            // What it is was settled by the path.
            fields.insert("apiVersion".to_owned(), info.api_version().into());
            fields.insert("kind".to_owned(), info.kind.to_string().into());
        }
        if let Some(codec) = info.codec {
            let decoded = codec.decode(&after).map_err(|error| self.unreadable(&after, &error))?;
            self.judge(&after, decoded.unknown_fields, notes)?;
        }
        if info.id.built_in().is_none() {
            if let Some(defined) = &info.defined {
                self.judge(&after, custom::unknown_fields(defined, &after), notes)?;
            }
            // A user's object says itself which version it is in.
            return Ok(after);
        }
        convert(info.id, info.stored_as, after).ok_or_else(unknown)
    }

    /// Refuses what has become an object of another kind. A strategic merge patch cannot make one: upstream does not read
    /// what it makes once more.
    fn another(&self, after: &Value) -> Result<(), ApiError> {
        let Self { info, kinds, patch, .. } = self;
        if matches!(patch, Patch::Strategic(_)) {
            return Ok(());
        }
        let named = |field: &str| after.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let version = named("apiVersion").map_or_else(|| info.api_version(), str::to_owned);
        let kind = named("kind").unwrap_or(&info.kind);
        if info.defined.is_some() {
            let problem =
                body::custom_version(&version, kind, info, kinds).map_or_else(|| body::custom_metadata(after), Err);
            problem.map_err(|problem| patch.invalid(info, after, &problem))?;
            return if kind == &*info.kind { Ok(()) } else { Err(body::custom_kind(kind, after, info)) };
        }
        if info.codec.is_none() || (version == info.api_version() && kind == &*info.kind) {
            return Ok(());
        }
        let problem = body::another_kind(&version, kind, info, kinds, after);
        Err(patch.invalid(info, after, &problem))
    }

    fn judge(&self, after: &Value, unknown: Vec<String>, notes: &mut Vec<String>) -> Result<(), ApiError> {
        let problems = || {
            let of_patch = if matches!(self.patch, Patch::Json(_)) { "json patch " } else { "" };
            let duplicates = self.duplicates.iter().map(|field| format!("{of_patch}duplicate field \"{field}\""));
            let operations = told::unknown_operation_fields(self.patch).into_iter();
            let operations = operations.map(|field| format!("{of_patch}unknown field \"{field}\""));
            let fields = unknown.iter().map(|field| format!("unknown field \"{field}\""));
            duplicates.chain(operations).chain(fields).collect::<Vec<String>>()
        };
        match self.validation {
            FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                notes.extend(problems());
                Ok(())
            }
            FieldValidation::Strict => {
                let problems = problems();
                if problems.is_empty() {
                    return Ok(());
                }
                Err(self.patch.invalid(self.info, after, &format!("strict decoding error: {}", problems.join(", "))))
            }
        }
    }

    fn unreadable(&self, after: &Value, error: &DecodeError) -> ApiError {
        match self.patch {
            Patch::Strategic(_) => self.patch.invalid(self.info, after, &told::conversion(error)),
            Patch::Json(_) | Patch::Merge(_) | Patch::Unreadable(_) => {
                self.patch.invalid(self.info, after, &error.to_string())
            }
        }
    }
}
