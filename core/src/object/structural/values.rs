//! Value validation: what a value is and keeps to, in the words and the order of upstream's validator.
//!
//! A node looks at the type, then at `anyOf`, `oneOf`, `allOf` and `not`, then at what its type can break, then at `enum`,
//! then at what is inside. Where alternatives all fail, the errors of the best of them are told besides: the one of which
//! most checks held.
//!
//! What an update leaves as it was is not looked at: an object that was valid under an older schema can still be changed
//! elsewhere.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::format;
use super::node::{Additional, ListType, Schema, ValueType};
use super::number;
use super::show::go_value;
use crate::object::field::{FieldError, FieldErrors, FieldProblem, GoQuoted, Path};

pub(super) use crate::object::field::FieldProblem as Problem;

/// The field of an error that belongs to none.
pub(crate) const NO_FIELD: &str = "<nil>";

/// Among how many failures those that are alike are looked for.
const COMPARED_MAX: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
struct Failure {
    /// The path of the value; none for an error about alternatives.
    name: Option<String>,
    problem: FieldProblem,
    message: String,
}

/// What was found at a node and below it.
#[derive(Debug)]
pub(super) struct Found<'p> {
    at: Option<&'p Path<'p>>,
    failures: Vec<Failure>,
    matches: usize,
}

impl<'p> Found<'p> {
    const fn at(at: Option<&'p Path<'p>>) -> Self {
        Self { at, failures: Vec::new(), matches: 0 }
    }

    pub(super) fn name(&self) -> String {
        self.at.map(ToString::to_string).unwrap_or_default()
    }

    pub(super) const fn matched(&mut self) {
        self.matches += 1;
    }

    /// Each failure is told once; where there are very many nobody looks for those that are alike.
    fn fail(&mut self, failure: Failure) {
        if self.failures.len() > COMPARED_MAX || !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    fn merge(&mut self, other: Found<'_>) {
        self.matches += other.matches;
        for failure in other.failures {
            self.fail(failure);
        }
    }

    /// An error with a value and a message of its own.
    pub(super) fn problem(&mut self, problem: FieldProblem, value: Value, detail: String) {
        let message = format!("Invalid value: {}: {detail}", shown(&value));
        self.fail(Failure { name: Some(self.name()), problem, message });
    }

    /// `NAME in body DETAIL`
    pub(super) fn invalid(&mut self, value: Value, detail: impl Display) {
        let detail = format!("{} in body {detail}", self.name());
        self.problem(FieldProblem::Invalid, value, detail);
    }

    /// A value of the wrong type, or one that is not of its format.
    fn wrong_type(&mut self, wanted: &str, given: &str) {
        let detail = format!("{} in body must be of type {wanted}: {}", self.name(), GoQuoted(given));
        self.problem(FieldProblem::TypeInvalid, given.into(), detail);
    }

    /// An error that upstream does not place at a field.
    pub(super) fn composite(&mut self, detail: String) {
        self.fail(Failure {
            name: None,
            problem: FieldProblem::Invalid,
            message: format!("Invalid value: \"\": {detail}"),
        });
    }

    fn counted(&mut self, problem: FieldProblem, message: String) {
        self.fail(Failure { name: Some(self.name()), problem, message });
    }
}

/// A value as messages show it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => GoQuoted(text).to_string(),
        Value::Number(number) => number::shown(number),
        Value::Bool(_) | Value::Null => value.to_string(),
        // Go's encoder writes these as escapes.
        other => other.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
    }
}

impl Schema {
    /// What is wrong with a value, at `base`; `old` is what it replaces.
    pub fn check(&self, value: &Value, old: Option<&Value>, base: Option<&Path<'_>>, errors: &mut FieldErrors) {
        let base = base.map(ToString::to_string);
        for failure in judge(self, value, old, None).failures {
            let name = failure.name.filter(|name| !name.is_empty());
            let field = match (&base, name) {
                (Some(base), Some(name)) => format!("{base}.{name}"),
                (Some(base), None) => base.clone(),
                (None, Some(name)) => name,
                (None, None) => NO_FIELD.to_owned(),
            };
            errors.push(FieldError { field, problem: failure.problem, message: failure.message });
        }
    }
}

fn judge<'p>(schema: &Schema, value: &Value, old: Option<&Value>, at: Option<&'p Path<'p>>) -> Found<'p> {
    let mut found = Found::at(at);
    if value.is_null() {
        null(schema, &mut found);
        enumeration(schema, value, &mut found);
        return found;
    }
    if !schema.type_names().is_empty() || schema.bounds.format.is_some() {
        type_of(schema, value, &mut found);
        found.matched();
    }
    alternatives(schema, value, &mut found);
    found.matched();
    match value {
        Value::String(text) => {
            string(schema, text, &mut found);
            found.matched();
            if let Some(format) = &schema.bounds.format {
                if !format::holds(format, text) {
                    found.wrong_type(format, text);
                }
                found.matched();
            }
        }
        Value::Number(number) => {
            number::check(schema, number, &mut found);
            found.matched();
        }
        Value::Array(items) => {
            array(schema, items, old.and_then(Value::as_array), &mut found);
            found.matched();
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => {}
    }
    enumeration(schema, value, &mut found);
    found.matched();
    if let Value::Object(fields) = value {
        object(schema, fields, old.and_then(Value::as_object), &mut found);
        found.matched();
    }
    found.matched();
    found
}

fn null(schema: &Schema, found: &mut Found<'_>) {
    if schema.type_names().is_empty() || schema.is_nullable {
        found.matched();
    } else {
        found.wrong_type(schema.type_names(), "null");
    }
}

fn type_of(schema: &Schema, value: &Value, found: &mut Found<'_>) {
    let (given, given_format) = match value {
        Value::Null => return,
        Value::Bool(_) => (ValueType::Boolean, ""),
        Value::String(_) => (ValueType::String, ""),
        Value::Number(number) if number.is_i64() => (ValueType::Integer, "int64"),
        Value::Number(_) => (ValueType::Number, "float64"),
        Value::Array(_) => (ValueType::Array, ""),
        Value::Object(_) => (ValueType::Object, ""),
    };
    let whole_float =
        given == ValueType::Number && schema.takes(ValueType::Integer) && value.as_f64().is_some_and(number::is_whole);
    let fits = schema.takes(given) || whole_float || given == ValueType::Integer && schema.takes(ValueType::Number);
    let is_text_or_list = matches!(given, ValueType::String | ValueType::Array);
    match &schema.bounds.format {
        Some(format) if !is_text_or_list && !fits && given_format != format => found.wrong_type(format, given_format),
        Some(_) if is_text_or_list && !schema.takes(ValueType::Number) && !schema.takes(ValueType::Integer) => {
            found.matched();
        }
        _ if fits => found.matched(),
        _ => found.wrong_type(schema.type_names(), given.name()),
    }
}

fn alternatives(schema: &Schema, value: &Value, found: &mut Found<'_>) {
    let bounds = &schema.bounds;
    if !bounds.any_of.is_empty() {
        let mut best: Option<Found<'_>> = None;
        let mut holding = None;
        for schema in &bounds.any_of {
            let one = judge(schema, value, None, found.at);
            if one.failures.is_empty() {
                holding = Some(one);
                break;
            }
            keep_best(&mut best, one);
        }
        if holding.is_none() {
            found.composite(format!("{} must validate at least one schema (anyOf)", GoQuoted(&found.name())));
        }
        if let Some(one) = holding.or(best) {
            found.merge(one);
        }
    }
    if !bounds.one_of.is_empty() {
        one_of(&bounds.one_of, value, found);
    }
    if !bounds.all_of.is_empty() {
        let mut holding = 0;
        for schema in &bounds.all_of {
            let one = judge(schema, value, None, found.at);
            holding += usize::from(one.failures.is_empty());
            found.merge(one);
        }
        if holding != bounds.all_of.len() {
            let none = if holding == 0 { ". None validated" } else { "" };
            found.composite(format!("{} must validate all the schemas (allOf){none}", GoQuoted(&found.name())));
        }
    }
    if let Some(not) = &bounds.not
        && judge(not, value, None, found.at).failures.is_empty()
    {
        found.composite(format!("{} must not validate the schema (not)", GoQuoted(&found.name())));
    }
    found.matched();
}

fn one_of(schemas: &[Schema], value: &Value, found: &mut Found<'_>) {
    let (mut best, mut first, mut holding) = (None, None, 0);
    for schema in schemas {
        let one = judge(schema, value, None, found.at);
        if one.failures.is_empty() {
            holding += 1;
            best = None;
            first.get_or_insert(one);
        } else if holding == 0 {
            keep_best(&mut best, one);
        }
    }
    if holding == 1 {
        first.into_iter().for_each(|one| found.merge(one));
        return;
    }
    let how_many =
        if holding == 0 { "Found none valid".to_owned() } else { format!("Found {holding} valid alternatives") };
    found.composite(format!("{} must validate one and only one schema (oneOf). {how_many}", GoQuoted(&found.name())));
    best.into_iter().for_each(|one| found.merge(one));
}

fn keep_best<'p>(best: &mut Option<Found<'p>>, one: Found<'p>) {
    if best.as_ref().is_none_or(|best| one.matches > best.matches) {
        *best = Some(one);
    }
}

/// Only the first thing that is wrong with a text is told.
fn string(schema: &Schema, text: &str, found: &mut Found<'_>) {
    let bounds = &schema.bounds;
    let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(max) = bounds.max_length.filter(|max| length() > *max) {
        found.counted(FieldProblem::TooLong, format!("Too long: may not be more than {max} bytes"));
    } else if let Some(min) = bounds.min_length.filter(|min| length() < *min) {
        found.invalid(text.into(), format_args!("should be at least {min} chars long"));
    } else if let Some(pattern) = bounds.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
        found.invalid(text.into(), format_args!("should match '{}'", pattern.as_str()));
    }
}

fn array(schema: &Schema, items: &[Value], old: Option<&Vec<Value>>, found: &mut Found<'_>) {
    let at = found.at;
    if let Some(element) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            let old = old.and_then(|old| correlated(&schema.list, item, old));
            if old == Some(item) {
                continue;
            }
            // A list is never the root of what is looked at, but for a default.
            let root = Path::new("");
            let path = match at {
                Some(at) => at.index(index),
                None => root.index(index),
            };
            found.merge(judge(element, item, old, Some(&path)));
        }
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(min) = schema.bounds.min_items.filter(|min| length < *min) {
        found.invalid(length.into(), format_args!("should have at least {min} items"));
    }
    if let Some(max) = schema.bounds.max_items.filter(|max| length > *max) {
        found.counted(FieldProblem::TooMany, too_many(length, max));
    }
    found.matched();
}

/// The element that another one replaces: only those of a map can be told apart.
pub(super) fn correlated<'o>(list: &ListType, item: &Value, old: &'o [Value]) -> Option<&'o Value> {
    let ListType::Map(keys) = list else { return None };
    let is_same = |old: &&Value| keys.iter().all(|key| old.get(key) == item.get(key));
    old.iter().find(is_same).filter(|_| item.is_object())
}

fn too_many(actual: i64, max: i64) -> String {
    format!("Too many: {actual}: must have at most {max} item{}", if max == 1 { "" } else { "s" })
}

fn object(schema: &Schema, fields: &Map<String, Value>, old: Option<&Map<String, Value>>, found: &mut Found<'_>) {
    let at = found.at;
    let count = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(min) = schema.bounds.min_properties.filter(|min| count < *min) {
        found.invalid(count.into(), format_args!("should have at least {min} properties"));
    }
    if let Some(max) = schema.bounds.max_properties.filter(|max| count > *max) {
        found.counted(FieldProblem::TooMany, too_many(count, max));
    }
    let below = |key: &str, value: &Value, schema: &Schema, found: &mut Found<'_>| {
        let old = old.and_then(|old| old.get(key));
        let is_kept = old == Some(value) && (at.is_some() || !matches!(key, "apiVersion" | "kind"));
        if !is_kept {
            let path = at.map_or(Path::new(key), |at| at.field(key));
            found.merge(judge(schema, value, old, Some(&path)));
        }
    };
    let others = || fields.iter().filter(|(key, _)| !schema.properties.contains_key(*key));
    match &schema.additional {
        Additional::No => {
            for (key, _) in others() {
                let detail = format!("{}.{key} in body is a forbidden property", found.name());
                found.problem(FieldProblem::Invalid, key.as_str().into(), detail);
            }
        }
        Additional::Of(values) => {
            for (key, value) in others() {
                below(key, value, values, found);
            }
        }
        Additional::Unsaid | Additional::Any => {}
    }
    for (name, field) in &schema.properties {
        if let Some(value) = fields.get(name) {
            below(name, value, field, found);
        }
    }
    for name in schema.bounds.required.iter().filter(|name| !fields.contains_key(*name)) {
        let path = at.map_or(Path::new(name), |at| at.field(name));
        let name = Some(path.to_string());
        found.fail(Failure { name, problem: FieldProblem::Required, message: "Required value".to_owned() });
    }
}

fn enumeration(schema: &Schema, value: &Value, found: &mut Found<'_>) {
    let allowed = &schema.bounds.allowed;
    let is_allowed = |one: &Value| match (value, one) {
        (Value::Number(value), Value::Number(one)) => number::same(value, one),
        _ => !value.is_null() && value == one,
    };
    if allowed.is_empty() || allowed.iter().any(is_allowed) {
        return;
    }
    let supported: Vec<String> = allowed
        .iter()
        .map(|one| GoQuoted(&one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned)).to_string())
        .collect();
    let supported = supported.join(", ");
    let message = format!("Unsupported value: {}: supported values: {supported}", shown(value));
    found.counted(FieldProblem::NotSupported, message);
}

/// What Go says of a value on the way to a field that is not what the way needs.
pub(crate) fn accessor_error(path: &str, value: &Value, wanted: &str) -> String {
    let given = super::show::go_type(value);
    format!("{path} accessor error: {} is of the type {given}, expected {wanted}", go_value(value))
}
