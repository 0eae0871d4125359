//! Values of expressions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::functions::{network::Url, semver::Semver, time};
use super::variables::Variables;
use super::{Budget, Failure};
use crate::object::quantity::Quantity;
use crate::text::Text;

/// A weight that no budget has.
pub(crate) const WEIGHT_MAX: u64 = 1 << 24;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    List(Arc<List>),
    Map(Arc<BTreeMap<Key, Value>>),
    Optional(Option<Arc<Value>>),
    Type(Text),
    Quantity(Quantity),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(IpAddr, u8),
    /// A named format: which one.
    Format(&'static str),
    Semver(Arc<Semver>),
    /// An object that the expression has made.
    Made(Arc<Made>),
    /// The variables of a policy, each worked out when it is first asked for.
    Variables(Arc<Variables>),
    /// What this module knows nothing of.
    Extension(Arc<dyn Extension>),
}

/// A value of whoever evaluates an expression, with fields and methods of its own.
pub(crate) trait Extension: std::fmt::Debug + Send + Sync {
    /// The name of its type.
    fn type_name(&self) -> &'static str;

    /// One of its fields.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Its entries, where it is a map: one whose fields are more than that.
    fn entries(&self) -> Option<&BTreeMap<Key, Value>> {
        None
    }

    /// Calls one of its methods; `None` where there is no such one.
    fn call(&self, method: &str, arguments: &[Value], budget: &mut Budget) -> Option<Result<Value, Failure>>;
}

/// An object that an expression has made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The name of its type.
    pub(crate) name: Arc<str>,
    pub(crate) fields: BTreeMap<Arc<str>, Value>,
}

/// A list.
#[derive(Debug)]
pub(crate) struct List {
    pub(super) items: Vec<Value>,
    pub(super) kind: ListKind,
}

/// What makes two lists the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// The same elements in the same order.
    #[default]
    Plain,
    /// The same elements.
    Set,
    /// The same elements under the same keys.
    Map(Arc<[String]>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Bool(bool),
    /// Both kinds of whole numbers: they are the same as keys.
    Int(i128),
    Text(Arc<str>),
}

impl Key {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(Self::Bool(*flag)),
            Value::Int(number) => Some(Self::Int((*number).into())),
            Value::Uint(number) => Some(Self::Int((*number).into())),
            Value::Double(number) if number.fract() == 0.0 && number.abs() < 9.0e18 => Some(Self::Int(*number as i128)),
            Value::Text(text) => Some(Self::Text(Arc::clone(text))),
            _ => None,
        }
    }

    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => match i64::try_from(*number) {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Uint(u64::try_from(*number).unwrap_or(u64::MAX)),
            },
            Self::Text(text) => Value::Text(Arc::clone(text)),
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn list(items: Vec<Self>, kind: impl Into<ListKind>) -> Self {
        Self::List(Arc::new(List { items, kind: kind.into() }))
    }

    pub(crate) fn object(fields: Vec<(String, Self)>) -> Self {
        Self::Map(Arc::new(fields.into_iter().map(|(name, value)| (Key::Text(name.into()), value)).collect()))
    }

    /// A version, as attributes of devices have them.
    pub(crate) fn semver(text: &str) -> Option<Self> {
        Some(Self::Semver(Arc::new(Semver::read(text)?)))
    }

    pub(crate) fn optional(value: Option<Self>) -> Self {
        Self::Optional(value.map(Arc::new))
    }

    /// JSON as it is.
    pub(crate) fn of_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Double(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::of_json).collect(), ListKind::Plain),
            Json::Object(fields) => {
                Self::object(fields.iter().map(|(key, value)| (key.clone(), Self::of_json(value))).collect())
            }
        }
    }

    /// As JSON; nothing where there is no JSON for it.
    pub(crate) fn to_json(&self) -> Option<Json> {
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Int(number) => (*number).into(),
            Self::Uint(number) => (*number).into(),
            // A whole number is one in JSON, however it came to be.
            Self::Double(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => (*number as i64).into(),
            Self::Double(number) => serde_json::Number::from_f64(*number)?.into(),
            Self::Text(text) => (**text).into(),
            Self::Bytes(bytes) => serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).ok()?,
            Self::Duration(_) | Self::Timestamp(_) | Self::Quantity(_) | Self::Ip(_) | Self::Cidr(..) => {
                super::functions::plain(self)?.into()
            }
            Self::List(list) => list.items.iter().map(Self::to_json).collect::<Option<Vec<_>>>()?.into(),
            Self::Map(map) => {
                let entry =
                    |(key, value): (&Key, &Self)| Some((super::functions::plain(&key.to_value())?, value.to_json()?));
                Json::Object(map.iter().map(entry).collect::<Option<_>>()?)
            }
            Self::Made(made) => {
                let entry = |(name, value): (&Arc<str>, &Self)| Some((name.to_string(), value.to_json()?));
                Json::Object(made.fields.iter().map(entry).collect::<Option<_>>()?)
            }
            Self::Optional(_)
            | Self::Type(_)
            | Self::Url(_)
            | Self::Format(_)
            | Self::Semver(_)
            | Self::Variables(_)
            | Self::Extension(_) => return None,
        })
    }

    /// Whether the types of the objects in it are named after the fields that they are in, seen from its own type.
    ///
    /// # Errors
    /// Those that are not, in upstream's words.
    pub(crate) fn check_made(&self) -> Result<(), String> {
        let Self::Made(made) = self else { return Ok(()) };
        let mut wrong = Vec::new();
        self.check_below(&made.name, &mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    fn check_below(&self, path: &str, wrong: &mut Vec<String>) {
        match self {
            Self::Made(made) => {
                if *made.name != *path {
                    wrong.push(format!(
                        "unexpected type name {:?}, expected {path:?}, which matches field name path from root Object type",
                        made.name
                    ));
                }
                for (field, value) in &made.fields {
                    value.check_below(&format!("{path}.{field}"), wrong);
                }
            }
            Self::List(list) => list.items.iter().for_each(|item| item.check_below(path, wrong)),
            Self::Map(map) => map.values().for_each(|value| value.check_below(path, wrong)),
            _ => {}
        }
    }

    /// Bytes that are written in base64; the text itself where it is none.
    pub(crate) fn bytes_of(text: &str) -> Self {
        super::functions::base64(text).map_or_else(|| Self::text(text), |bytes| Self::Bytes(bytes.into()))
    }

    pub(crate) fn duration_of(text: &str) -> Self {
        time::duration(text).map_or_else(|| Self::text(text), Self::Duration)
    }

    pub(crate) fn timestamp_of(text: &str) -> Self {
        time::timestamp_or_date(text).map_or_else(|| Self::text(text), Self::Timestamp)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Made(_) => "Object",
            Self::Variables(_) => "kubernetes.variables",
            Self::Extension(own) => own.type_name(),
        }
    }

    /// How much work it is to look at it.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.items.len(),
            Self::Map(map) => map.len(),
            _ => 1,
        }
    }

    /// How much work it is to look at all of it, [`WEIGHT_MAX`] at most. A few steps make a value that holds itself many
    /// times over, so that it is not worked out to its end.
    pub(crate) fn weight(&self) -> u64 {
        self.weight_within(WEIGHT_MAX).unwrap_or(WEIGHT_MAX)
    }

    /// How much work it is to compare two: the lesser weight, found without a look at all of the greater.
    pub(super) fn weight_together(&self, other: &Self) -> u64 {
        let mut most = 16;
        while most < WEIGHT_MAX {
            let (one, other) = (self.weight_within(most), other.weight_within(most));
            if let Some(lesser) = one.into_iter().chain(other).min() {
                return lesser;
            }
            most *= 4;
        }
        WEIGHT_MAX
    }

    fn weight_within(&self, most: u64) -> Option<u64> {
        let mut left = most;
        self.take_weight(&mut left).then(|| most - left)
    }

    /// Takes its weight from what is left; false where that is not enough.
    fn take_weight(&self, left: &mut u64) -> bool {
        let own = match self {
            Self::Text(text) => 1 + text.len() as u64 / 10,
            Self::Bytes(bytes) => 1 + bytes.len() as u64 / 10,
            _ => 1,
        };
        let Some(rest) = left.checked_sub(own) else { return false };
        *left = rest;
        match self {
            Self::List(list) => list.items.iter().all(|item| item.take_weight(left)),
            Self::Map(map) => map.values().all(|item| item.take_weight(left)),
            Self::Made(made) => made.fields.values().all(|field| field.take_weight(left)),
            _ => true,
        }
    }

    /// Whether both are the same, numbers by their value.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Duration(one), Self::Duration(other)) => one == other,
            (Self::Timestamp(one), Self::Timestamp(other)) => one == other,
            (Self::List(one), Self::List(other)) => same_lists(one, other),
            (Self::Map(one), Self::Map(other)) => {
                one.len() == other.len()
                    && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| value.same(other)))
            }
            (Self::Made(one), Self::Made(other)) => {
                let same =
                    |(name, value): (&Arc<str>, &Self)| other.fields.get(name).is_some_and(|other| value.same(other));
                one.name == other.name && one.fields.len() == other.fields.len() && one.fields.iter().all(same)
            }
            (Self::Optional(one), Self::Optional(other)) => match (one, other) {
                (None, None) => true,
                (Some(one), Some(other)) => one.same(other),
                _ => false,
            },
            (Self::Type(one), Self::Type(other)) => one == other,
            (Self::Quantity(one), Self::Quantity(other)) => one == other,
            (Self::Url(one), Self::Url(other)) => one == other,
            (Self::Ip(one), Self::Ip(other)) => one == other,
            (Self::Cidr(one, bits), Self::Cidr(other, other_bits)) => one == other && bits == other_bits,
            (Self::Format(one), Self::Format(other)) => one == other,
            (Self::Semver(one), Self::Semver(other)) => one.precedence(other).is_eq(),
            _ => numbers(self, other) == Some(Ordering::Equal),
        }
    }

    /// Which comes first, where there is an order.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Bytes(one), Self::Bytes(other)) => Some(one.cmp(other)),
            (Self::Duration(one), Self::Duration(other)) => Some(one.cmp(other)),
            (Self::Timestamp(one), Self::Timestamp(other)) => Some(one.cmp(other)),
            _ => numbers(self, other),
        }
    }
}

fn numbers(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => Some(one.cmp(other)),
        (Value::Uint(one), Value::Uint(other)) => Some(one.cmp(other)),
        (Value::Int(one), Value::Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Value::Uint(one), Value::Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Value::Double(one), Value::Double(other)) => one.partial_cmp(other),
        (Value::Double(one), other) => one.partial_cmp(&as_double(other)?),
        (one, Value::Double(other)) => as_double(one)?.partial_cmp(other),
        _ => None,
    }
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

/// The order does not count where one of them is a set or a map.
fn same_lists(one: &List, other: &List) -> bool {
    if one.items.len() != other.items.len() {
        return false;
    }
    match (&one.kind, &other.kind) {
        (ListKind::Plain, ListKind::Plain) => one.items.iter().zip(&other.items).all(|(one, other)| one.same(other)),
        _ => one.items.iter().all(|item| other.items.iter().any(|other| item.same(other))),
    }
}

/// What a list of a schema is told apart by.
pub(super) fn key_of(item: &Value, keys: &[String]) -> Option<Vec<Option<Value>>> {
    let Value::Map(fields) = item else { return None };
    Some(keys.iter().map(|key| fields.get(&Key::Text(key.as_str().into())).cloned()).collect())
}

impl List {
    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }

    /// This list and another: what a set or a map has already stays once, what has the same keys is replaced.
    pub(super) fn add(&self, other: &Self) -> Value {
        let mut items = self.items.clone();
        for item in &other.items {
            let place = match &self.kind {
                ListKind::Plain => None,
                ListKind::Set => items.iter().position(|own| own.same(item)),
                ListKind::Map(keys) => {
                    let key = key_of(item, keys);
                    let is_same = |own: &Value| match (key_of(own, keys), &key) {
                        (Some(own), Some(key)) => own.iter().zip(key).all(|(own, key)| match (own, key) {
                            (Some(own), Some(key)) => own.same(key),
                            (None, None) => true,
                            _ => false,
                        }),
                        _ => false,
                    };
                    items.iter().position(is_same)
                }
            };
            match place {
                Some(place) => items[place] = item.clone(),
                None => items.push(item.clone()),
            }
        }
        Value::List(Arc::new(Self { items, kind: self.kind.clone() }))
    }
}
