//! One document of a manifest as JSON, whether it was written as JSON or as YAML 1.1.
//!
//! YAML is read as Kubernetes reads it: `on` and `yes` are booleans, `0644` is octal, merge keys are merged. A key that
//! stands twice in one mapping is noted with its path, and its last value wins (two mappings come together). What a hostile text could blow up
//! (aliases, nesting, size) is limited.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, NonFiniteFloatPolicy};

/// How many values one text may have: room for a list of some ten thousand pods.
const NODES_MAX: usize = 8_000_000;
/// How many values aliases may repeat: real manifests repeat a few hundred.
const ALIAS_EVENTS_MAX: usize = 100_000;
/// How many bytes one text may have.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its content.
    pub value: Value,
    /// The paths of keys that stand more than once in their mapping, in the order of the text.
    pub duplicate_fields: Vec<String>,
}

/// Why a text cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// The line, from 1; 0 if it is not known.
    pub line: u64,
    /// The column, from 1; 0 if it is not known.
    pub column: u64,
}

impl Document {
    /// Reads one JSON text. Its numbers are as they are written: `3.0` is not `3`.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, SyntaxError> {
        let duplicates = RefCell::default();
        let build = Build { path: Path(None, Step::Root), keeps_floats: true, duplicates: &duplicates };
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let read = build.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        let value = read.map_err(|error| json_error(&error))?;
        Ok(Self { value, duplicate_fields: duplicates.into_inner() })
    }

    /// Reads all documents of a YAML text; empty ones are left out.
    ///
    /// # Errors
    /// When it is no YAML, or goes beyond the limits.
    pub fn from_yaml(text: &str) -> Result<Vec<Self>, SyntaxError> {
        let documents: Vec<Self> =
            serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| yaml_error(&error))?;
        Ok(documents.into_iter().filter(|document| !document.value.is_null()).collect())
    }

    /// Reads all documents of a text that is JSON (one object after the other) or YAML.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read_all(text: &str) -> Result<Vec<Self>, SyntaxError> {
        if text.trim_start().starts_with('{') {
            let all: Result<Vec<Self>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
            if let Ok(documents) = all {
                return Ok(documents);
            }
        }
        Self::from_yaml(text)
    }
}

fn json_error(error: &serde_json::Error) -> SyntaxError {
    let (line, column) = (error.line() as u64, error.column() as u64);
    let text = error.to_string();
    let message = text.split_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
    SyntaxError { message, line, column }
}

fn yaml_error(error: &serde_saphyr::Error) -> SyntaxError {
    let plain = error.without_snippet();
    let (line, column) = plain.location().map_or((0, 0), |at| (at.line(), at.column()));
    SyntaxError { message: without_position(&plain.to_string()), line, column }
}

/// The position is told apart from the message.
fn without_position(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let start = first.strip_prefix("error: ").unwrap_or(first);
    let end = start.find(" at line ").or_else(|| start.find(", line ")).unwrap_or(start.len());
    let cut = start.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map(|(_, message)| message);
    cut.unwrap_or(&start[..end]).to_owned()
}

pub(super) fn options() -> serde_saphyr::Options {
    let mut limits = AliasLimits::default();
    limits.max_total_replayed_events = ALIAS_EVENTS_MAX;
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: 3 * NODES_MAX,
            max_total_scalar_bytes: BYTES_MAX,
            max_documents: NODES_MAX,
        },
        alias_limits: limits,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duplicates = RefCell::default();
        let build = Build { path: Path(None, Step::Root), keeps_floats: false, duplicates: &duplicates };
        let value = build.deserialize(deserializer)?;
        Ok(Self { value, duplicate_fields: duplicates.into_inner() })
    }
}

/// The whole number that a float is exactly.
fn whole(float: f64) -> Option<i64> {
    // Below 2^53 each float without a fraction is one.
    (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
}

/// Makes the numbers of a value that are whole, and written as if they were not, what they are: as YAML and Go's JSON do
/// where no type says otherwise.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = number.as_f64().and_then(whole) {
                *value = whole.into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[derive(Clone, Copy)]
struct Path<'a>(Option<&'a Path<'a>>, Step<'a>);

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.0 else { return Ok(()) };
        parent.fmt(f)?;
        match self.1 {
            Step::Root => Ok(()),
            Step::Field(name) if parent.0.is_none() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Builds one value at one place.
#[derive(Clone, Copy)]
struct Build<'a> {
    path: Path<'a>,
    /// Whether `3.0` stays what it is.
    keeps_floats: bool,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // A whole number in a floating point coat, `1e3`, is the number.
        match whole(value).filter(|_| !self.keeps_floats) {
            Some(whole) => Ok(whole.into()),
            None => Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Path(Some(&self.path), Step::Index(list.len()));
            match elements.next_element_seed(Build { path, ..self })? {
                Some(element) => list.push(element),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Key(key)) = entries.next_key()? {
            let path = Path(Some(&self.path), Step::Field(&key));
            let value = entries.next_value_seed(Build { path, ..self })?;
            if map.contains_key(&*key) {
                self.duplicates.borrow_mut().push(path.to_string());
            }
            match map.get_mut(&*key) {
                Some(before) => read_again(before, value),
                None => {
                    map.insert(key.into_owned(), value);
                }
            }
        }
        Ok(map.into())
    }
}

/// A field that stands twice: the second text is read over the first, as Go does it, so that mappings come together.
fn read_again(before: &mut Value, value: Value) {
    match (before, value) {
        (Value::Object(before), Value::Object(fields)) => {
            for (key, value) in fields {
                match before.get_mut(&key) {
                    Some(before) => read_again(before, value),
                    None => {
                        before.insert(key, value);
                    }
                }
            }
        }
        (before, value) => *before = value,
    }
}

/// A key, which JSON has only as text: `on: 1` has the key `true`.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key that can be written as text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(if value { "true" } else { "false" })))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(value.to_string())))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(value.to_string())))
            }

            fn visit_unit<E: Error>(self) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed("null")))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_kubernetes_reads_it() {
        let text = "a: 0644\nb: on\nc: NO\nd: 1:30\ne: ~\nf: 1e3\ng: '1'\nh: 0x1F\ni: 2024-01-01\non: y\n80: z\nj: !!str 5\nk: 1.5\n";
        let documents = Document::from_yaml(text).expect("YAML");
        let expected = json!({"a": 420, "b": true, "c": false, "d": "1:30", "e": null, "f": 1000, "g": "1", "h": 31,
            "i": "2024-01-01", "true": true, "80": "z", "j": "5", "k": 1.5});
        assert_eq!(documents[0].value, expected);
        let merged = Document::from_yaml("base: &base {a: 1, b: 2}\nc: {<<: *base, b: 3}\n").expect("YAML");
        assert_eq!(merged[0].value["c"], json!({"a": 1, "b": 3}));
        assert!(merged[0].duplicate_fields.is_empty());
    }

    #[test]
    fn json_tells_a_float_from_a_whole_number() {
        let text = br#"{"a": [3.0, 1e3, -2.0, 1.5, 3], "b": {"c": 0.0}}"#;
        let mut value = Document::from_json(text).expect("JSON").value;
        assert_eq!(value, json!({"a": [3.0, 1000.0, -2.0, 1.5, 3], "b": {"c": 0.0}}));
        whole_numbers(&mut value);
        assert_eq!(value, json!({"a": [3, 1000, -2, 1.5, 3], "b": {"c": 0}}));
    }

    #[test]
    fn keys_that_stand_twice_are_noted() {
        let documents = Document::from_yaml("a: 1\nl:\n- {b: 1, b: 2}\na: 2\n").expect("YAML");
        assert_eq!(documents[0].value, json!({"a": 2, "l": [{"b": 2}]}));
        assert_eq!(documents[0].duplicate_fields, ["l[0].b", "a"]);
        let json = Document::from_json(br#"{"m": {"a": 1, "a": 2}}"#).expect("JSON");
        assert_eq!(json.duplicate_fields, ["m.a"]);
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
        }
        assert!(Document::from_yaml(&text).is_err());
        assert!(Document::from_yaml(&"[".repeat(100_000)).is_err());
        assert!(Document::read_all(&"{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let error = Document::from_yaml("a: 1\nb: [1, 2\nc: 3\n").expect_err("no YAML");
        assert!(error.line >= 2 && error.column >= 1, "{error:?}");
        assert!(!error.message.is_empty() && !error.message.contains("line"), "{error:?}");
    }
}
