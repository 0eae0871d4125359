//! The way from an object to one of its fields: `.spec.containers[name="web"].image`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::value;

/// One step of a path. They are ordered as upstream orders them: fields, keys, values, places.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// A field of an object, or an entry of a map: `.spec`.
    Field(String),
    /// The item of a list whose key fields have these values, by name: `[name="web"]`.
    Key(Vec<(String, Value)>),
    /// The item of a set that is this value: `[="a"]`.
    Value(Value),
    /// The item at this place: `[0]`.
    Index(i64),
}

impl PathElement {
    /// A field of this name.
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// An item with these key fields.
    pub fn key(mut fields: Vec<(String, Value)>) -> Self {
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        Self::Key(fields)
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(one), Self::Field(other)) => one.cmp(other),
            (Self::Key(one), Self::Key(other)) => {
                let pairs = one.iter().zip(other);
                let mut orders =
                    pairs.map(|(one, other)| one.0.cmp(&other.0).then_with(|| value::compare(&one.1, &other.1)));
                orders.find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
            }
            (Self::Value(one), Self::Value(other)) => value::compare(one, other),
            (Self::Index(one), Self::Index(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PathElement {}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={}", value::show(value))).collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value::show(value)),
            Self::Index(place) => write!(f, "[{place}]"),
        }
    }
}

/// The steps from an object to one of its fields.
pub type Path = Vec<PathElement>;

/// A path as messages show it.
pub(super) fn show(path: &[PathElement]) -> String {
    path.iter().map(PathElement::to_string).collect()
}

/// The path of fields with dots between, as `spec.replicas`.
pub(super) fn fields(path: &str) -> Path {
    path.split('.').filter(|part| !part.is_empty()).map(PathElement::field).collect()
}
