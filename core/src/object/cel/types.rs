//! Types of expressions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The fields of an object, by the names that expressions use.
pub(crate) type Fields = BTreeMap<String, Type>;

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    /// Anything: known when it is evaluated.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    /// An object whose fields are known.
    Object(Arc<Fields>),
    Optional(Arc<Type>),
    /// The type of a type.
    Kind,
    /// An object that an expression makes: `Object`, `Object.spec`, `JSONPatch`.
    Made(Arc<str>),
    /// A type of Kubernetes's: `quantity`, `url`, `ip`, `cidr`, `format`.
    Named(&'static str),
    /// Stands for whatever a call gives, in signatures.
    Variable(char),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Kind => f.write_str("type"),
            Self::Made(name) => f.write_str(name),
            Self::Named(name) => write!(f, "kubernetes.{name}"),
            Self::Variable(name) => write!(f, "{name}"),
        }
    }
}

impl Type {
    pub(super) fn list(of: Self) -> Self {
        Self::List(Arc::new(of))
    }

    pub(super) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    pub(super) fn optional(of: Self) -> Self {
        Self::Optional(Arc::new(of))
    }

    /// Whether null may stand where this is.
    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Object(_) | Self::Duration | Self::Timestamp | Self::Optional(_) | Self::Named(_) | Self::Made(_)
        )
    }

    /// The type of values of either.
    pub(super) fn join(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::List(one), Self::List(two)) => Self::list((*one).clone().join((*two).clone())),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                Self::map((*key).clone().join((*other_key).clone()), (*value).clone().join((*other_value).clone()))
            }
            (Self::Null, other) | (other, Self::Null) if other.is_nullable() => other,
            _ => Self::Dyn,
        }
    }

    /// Whether a value of `given` may stand where this is; what variables stand for is kept in `known`.
    pub(super) fn takes(&self, given: &Self, known: &mut BTreeMap<char, Type>) -> bool {
        match (self, given) {
            (Self::Variable(name), given) => match known.get(name).cloned() {
                None => {
                    known.insert(*name, given.clone());
                    true
                }
                Some(before) => {
                    let fits = before.takes(given, &mut BTreeMap::new()) || given.takes(&before, &mut BTreeMap::new());
                    if fits && matches!(before, Self::Dyn | Self::Null) {
                        known.insert(*name, if before == Self::Dyn { Self::Dyn } else { given.clone() });
                    }
                    fits
                }
            },
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (wanted, Self::Null) => *wanted == Self::Null || wanted.is_nullable(),
            (Self::List(wanted), Self::List(given)) | (Self::Optional(wanted), Self::Optional(given)) => {
                wanted.takes(given, known)
            }
            (Self::Map(key, value), Self::Map(given_key, given_value)) => {
                key.takes(given_key, known) && value.takes(given_value, known)
            }
            // Objects of two schemas are alike if they have the same fields.
            (wanted, given) => wanted == given,
        }
    }

    /// The type with what its variables stand for.
    pub(super) fn resolve(&self, known: &BTreeMap<char, Type>) -> Self {
        match self {
            Self::Variable(name) => known.get(name).cloned().unwrap_or(Self::Dyn),
            Self::List(of) => Self::list(of.resolve(known)),
            Self::Optional(of) => Self::optional(of.resolve(known)),
            Self::Map(key, value) => Self::map(key.resolve(known), value.resolve(known)),
            other => other.clone(),
        }
    }
}
