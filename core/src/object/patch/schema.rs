//! Which fields of a kind are merged, and how: `patchStrategy` and `patchMergeKey`, from the table of types.
//!
//! Where nothing is said the usual holds: objects merge field by field, lists are replaced.

use crate::object::kind::KindId;
use crate::object::schema::{self, Schema, Shape};

/// A type, or none where nothing is known of the fields.
#[derive(Clone, Copy)]
pub(super) struct Type(Option<&'static schema::Type>);

/// How one field is merged.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// An object.
    Object(Type),
    /// An object of which only the fields that the patch names remain.
    RetainKeys(Type),
    /// An object that is replaced as a whole.
    Replace,
    /// A list whose elements are found by a key.
    ByKey(&'static str, Type),
    /// As `ByKey`, and of an element only the fields that the patch names remain.
    ByKeyRetain(&'static str, Type),
    /// A list of texts or numbers, each of which is there once.
    Set,
}

/// Nothing is known: objects merge, lists are replaced.
pub(super) const PLAIN: Type = Type(None);

impl Type {
    /// What upstream says of a list that is to be put in order, when it does not know the field.
    pub(super) fn without(self, field: &str) -> Option<String> {
        let Some(known) = self.0 else {
            return Some("merging an object in json but data type is not struct, instead is: map".to_owned());
        };
        let name = known.name.rsplit('.').next().unwrap_or_default();
        let text = || format!("unable to find api field in struct {name} for the json field {field:?}");
        known.field(field).is_none().then(text)
    }

    pub(super) fn rule(self, field: &str) -> Option<Rule> {
        let field = self.0?.field(field)?;
        let patch = &field.patch;
        match (&field.shape, &patch.key) {
            (Shape::List { element, .. }, Some(key)) if patch.is_merged && patch.retains_keys => {
                Some(Rule::ByKeyRetain(key, of_shape(element)))
            }
            (Shape::List { element, .. }, Some(key)) if patch.is_merged => Some(Rule::ByKey(key, of_shape(element))),
            (Shape::List { .. }, None) if patch.is_merged => Some(Rule::Set),
            (Shape::List { .. } | Shape::Scalar(_), _) => None,
            (Shape::Struct { .. } | Shape::Map { .. } | Shape::Raw(_), _) if patch.is_replaced => Some(Rule::Replace),
            (Shape::Struct { .. }, _) if patch.retains_keys => Some(Rule::RetainKeys(of_shape(&field.shape))),
            (Shape::Struct { .. }, _) => Some(Rule::Object(of_shape(&field.shape))),
            (Shape::Map { .. } | Shape::Raw(_), _) => None,
        }
    }
}

fn of_shape(shape: &Shape) -> Type {
    match shape {
        Shape::Struct { of, .. } => Type(Some(Schema::built_in().get(*of))),
        Shape::Scalar(_) | Shape::Raw(_) | Shape::List { .. } | Shape::Map { .. } => PLAIN,
    }
}

/// The type of a kind; nothing is known of a user's own.
pub(super) fn of(kind: KindId) -> Type {
    Type(kind.built_in().and_then(|info| Schema::built_in().kind(info)))
}
