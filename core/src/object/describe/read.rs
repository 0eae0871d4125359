//! Parts of an object's JSON as texts, in Go's way of printing them.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::object::quantity::Quantity;
use crate::object::selector::Selector;
use crate::object::table::human_duration;
use crate::time::Time;

pub(super) const NONE: &str = "<none>";
pub(super) const UNSET: &str = "<unset>";
pub(super) const UNKNOWN: &str = "<unknown>";

static NOTHING: Value = Value::Null;

/// The part at a JSON pointer; null where there is none.
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&NOTHING)
}

/// The part at a JSON pointer as a text; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Cow<'v, str> {
    shown(at(value, pointer))
}

/// The same, where it may be absent.
pub(super) fn optional<'v>(value: &'v Value, pointer: &str) -> Option<Cow<'v, str>> {
    value.pointer(pointer).filter(|part| !part.is_null()).map(shown)
}

/// The same, where it may be absent or empty.
pub(super) fn filled<'v>(value: &'v Value, pointer: &str) -> Option<Cow<'v, str>> {
    optional(value, pointer).filter(|text| !text.is_empty())
}

pub(super) fn text_or<'v>(value: &'v Value, pointer: &str, otherwise: &'v str) -> Cow<'v, str> {
    filled(value, pointer).unwrap_or(Cow::Borrowed(otherwise))
}

/// A number that counts, zero where it is absent.
pub(super) fn count(value: &Value, pointer: &str) -> i64 {
    at(value, pointer).as_i64().unwrap_or(0)
}

pub(super) fn is(value: &Value, pointer: &str) -> bool {
    at(value, pointer).as_bool().unwrap_or(false)
}

/// The items of a list.
pub(super) fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub(super) fn texts<'v>(value: &'v Value, pointer: &str) -> Vec<Cow<'v, str>> {
    items(value, pointer).iter().map(shown).collect()
}

/// The texts of a list with something between them.
pub(super) fn joined(value: &Value, pointer: &str, between: &str) -> String {
    texts(value, pointer).join(between)
}

/// The entries of a map by their keys.
pub(super) fn pairs<'v>(value: &'v Value, pointer: &str) -> Vec<(&'v str, Cow<'v, str>)> {
    let map = at(value, pointer).as_object();
    let mut pairs: Vec<_> = map.into_iter().flatten().map(|(key, value)| (key.as_str(), shown(value))).collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

/// A value as Go prints it with `%v`.
pub(super) fn shown(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        Value::Array(items) => {
            let items: Vec<Cow<'_, str>> = items.iter().map(shown).collect();
            Cow::Owned(format!("[{}]", items.join(" ")))
        }
        other => Cow::Owned(other.to_string()),
    }
}

/// `True`, `False`, or `<unset>`.
pub(super) fn switch(value: &Value, pointer: &str) -> &'static str {
    match at(value, pointer).as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => UNSET,
    }
}

/// A map as a selector would have it: `a=1,b=2`.
pub(super) fn labels(value: &Value, pointer: &str) -> String {
    let pairs: Vec<String> = pairs(value, pointer).iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { NONE.to_owned() } else { pairs.join(",") }
}

/// A label selector as a text; an absent one selects nothing and says nothing.
pub(super) fn selector(value: &Value, pointer: &str) -> String {
    let selector = value.pointer(pointer).and_then(|part| serde_json::from_value(part.clone()).ok());
    Selector::compile(selector.as_ref()).map(|selector| selector.to_string()).unwrap_or_default()
}

/// The same, in the form for people: `<none>` where nothing is asked for.
pub(super) fn selector_or_none(value: &Value, pointer: &str) -> String {
    Some(selector(value, pointer)).filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned())
}

/// An amount of a resource; nothing where it is absent.
pub(super) fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    at(value, pointer).as_str()?.parse().ok()
}

/// A time as kubectl writes it, in UTC: `Mon, 02 Jan 2006 15:04:05 +0000`.
pub(super) fn time(value: &Value, pointer: &str) -> String {
    let time = moment(value, pointer).map(|time| time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string());
    time.unwrap_or_else(|| "Mon, 01 Jan 0001 00:00:00 +0000".to_owned())
}

/// How long ago it was.
pub(super) fn since(value: &Value, pointer: &str, now: Time) -> String {
    moment(value, pointer)
        .map_or_else(|| UNKNOWN.to_owned(), |time| human_duration(now.as_secs() - Time::from_timestamp(time).as_secs()))
}

/// How long it was from one time to another.
pub(super) fn between(value: &Value, from: &str, to: &str) -> Option<String> {
    let (from, to) = (moment(value, from)?, moment(value, to)?);
    Some(human_duration(to.as_second() - from.as_second()))
}
