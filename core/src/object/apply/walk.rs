//! What all walks over typed values share: which of its shapes a value has, what names an item of a list, and how mistakes
//! are told.

use std::fmt;

use serde_json::Value;

use super::path::PathElement;
use super::shape::{Items, ListShape, MapShape, Scalar, Shape, Type};
use super::value;

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    message: String,
}

/// All that is wrong with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn one(message: impl Into<String>) -> Self {
        Self(vec![Problem { path: String::new(), message: message.into() }])
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same, seen from one step up.
    #[must_use]
    pub(super) fn below(mut self, element: &PathElement) -> Self {
        if !self.is_empty() {
            let prefix = element.to_string();
            for problem in &mut self.0 {
                problem.path.insert_str(0, &prefix);
            }
        }
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |problem: &Problem| match &*problem.path {
            "" => problem.message.clone(),
            path => format!("{path}: {}", problem.message),
        };
        match self.0.as_slice() {
            [one] => f.write_str(&text(one)),
            many => {
                f.write_str("errors:")?;
                many.iter().try_for_each(|problem| write!(f, "\n  {}", text(problem)))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// One shape of a type, chosen for a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen<'s> {
    Map(MapShape<'s>),
    Scalar(Scalar),
    List(ListShape<'s>),
    Nothing,
}

/// The shape that a value has; without a value, or with one that the type does not allow, its first.
pub(super) fn choose<'s>(shape: &Shape<'s>, value: Option<&Value>) -> Chosen<'s> {
    let fitting = match value {
        Some(Value::Number(_) | Value::String(_) | Value::Bool(_)) => shape.scalar.map(Chosen::Scalar),
        Some(Value::Array(_)) => shape.list.map(Chosen::List),
        Some(Value::Object(_)) => shape.map.map(Chosen::Map),
        Some(Value::Null) | None => None,
    };
    let first = || {
        let map = shape.map.map(Chosen::Map);
        map.or_else(|| shape.scalar.map(Chosen::Scalar)).or_else(|| shape.list.map(Chosen::List))
    };
    fitting.or_else(first).unwrap_or(Chosen::Nothing)
}

/// Whether two values would be walked in different shapes.
pub(super) fn differ(shape: &Shape<'_>, one: &Value, other: &Value) -> bool {
    let kind = |value: &Value| match value {
        Value::Number(_) | Value::String(_) | Value::Bool(_) if shape.scalar.is_some() => 1,
        Value::Array(_) if shape.list.is_some() => 2,
        Value::Object(_) if shape.map.is_some() => 3,
        _ => 0,
    };
    // A type of one shape has nothing to choose from.
    let shapes = u8::from(shape.scalar.is_some()) + u8::from(shape.list.is_some()) + u8::from(shape.map.is_some());
    shapes > 1 && kind(one) != kind(other)
}

/// Whether a value is a scalar of this kind; null is one of every kind.
pub(super) fn check_scalar(scalar: Scalar, value: &Value, side: &str) -> Result<(), Problems> {
    let message = match (scalar, value) {
        (_, Value::Null)
        | (Scalar::Number, Value::Number(_))
        | (Scalar::Text, Value::String(_))
        | (Scalar::Bool, Value::Bool(_))
        | (Scalar::Any, Value::Number(_) | Value::String(_) | Value::Bool(_)) => return Ok(()),
        (Scalar::Number, value) => format!("expected numeric (int or float), got {}", value::go_type(value)),
        (Scalar::Text, value) => {
            format!("expected string, got &value.valueUnstructured{{Value:{}}}", value::go_syntax(value))
        }
        (Scalar::Bool, value) => format!("expected boolean, got &{{{}}}", value::go_value(value)),
        (Scalar::Any, value) => format!("expected any scalar, got &{{{}}}", value::go_value(value)),
    };
    Err(Problems::one(format!("{side}{message}")))
}

/// The entries of a map; nothing for null.
pub(super) fn map(value: &Value) -> Result<Option<&serde_json::Map<String, Value>>, Problems> {
    match value {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        other => Err(Problems::one(format!("expected map, got &{{{}}}", value::go_value(other)))),
    }
}

/// The entries of a map that has some.
pub(super) fn entries(value: Option<&Value>) -> Option<&serde_json::Map<String, Value>> {
    value.and_then(Value::as_object).filter(|entries| !entries.is_empty())
}

/// The items of a list that has some.
pub(super) fn items(value: Option<&Value>) -> Option<&[Value]> {
    value.and_then(Value::as_array).filter(|items| !items.is_empty()).map(Vec::as_slice)
}

/// The items of a list; nothing for null.
pub(super) fn list(value: &Value) -> Result<Option<&Vec<Value>>, Problems> {
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => Ok(Some(items)),
        other => Err(Problems::one(format!("expected list, got &{{{}}}", value::go_value(other)))),
    }
}

/// What names an item of a list that is not owned as a whole.
pub(super) fn name_of(list: &ListShape<'_>, item: &Value) -> Result<PathElement, String> {
    match list.kind {
        Items::Whole => Err("invalid indexing of non-associative list".to_owned()),
        Items::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(PathElement::Value(item.clone())),
        },
        Items::ByKey(_) | Items::ByName(..) => {
            let fields = match item {
                Value::Object(fields) => fields,
                Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    return Err("associative list with keys may not have non-map elements".to_owned());
                }
            };
            let keys = list.kind.keys(fields);
            let shown: Vec<String> = keys.iter().map(|(name, _)| format!("{name:?}")).collect();
            let named: Vec<(String, Value)> =
                keys.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            if named.is_empty() {
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                     values for any key fields)",
                    shown.join(" ")
                ));
            }
            Ok(PathElement::key(named))
        }
    }
}

/// The names of all items of a list, or which have none.
pub(super) fn names<'v>(shape: &ListShape<'_>, items: &'v [Value]) -> Result<Vec<(PathElement, &'v Value)>, Problems> {
    let mut problems = Problems::default();
    let mut names = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match name_of(shape, item) {
            Ok(name) => names.push((name, item)),
            Err(message) => problems.add(Problems::one(format!("element {place}: {message}"))),
        }
    }
    if problems.is_empty() { Ok(names) } else { Err(problems) }
}

/// The value of a type that stands for a field which no type declares.
pub(super) fn entry<'s>(map: &MapShape<'s>, name: &str) -> Type<'s> {
    map.entry(name).unwrap_or(Type::Deduced)
}
