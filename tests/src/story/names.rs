//! Placeholders: what stands for names that nobody could know beforehand, in both directions.

use inboard::time::Time;
use serde_json::{Map, Value};

/// The namespace of every story.
pub(super) const NAMESPACE: &str = "the-story";
/// The second namespace.
pub(super) const SECOND: &str = "the-other";

/// The names that were given out in this story, in order.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Hashes of templates and revisions.
    pub(super) hashes: Vec<String>,
    /// Pods with generated names: the name and its prefix.
    pub(super) pods: Vec<(String, String)>,
    /// The scheduled minutes in the names of a CronJob's Jobs.
    pub(super) minutes: Vec<String>,
    /// Whether the story numbers its pods.
    pub(super) numbered: bool,
}

impl Names {
    /// Notes a hash, once.
    pub(super) fn note_hash(&mut self, hash: &str) {
        if !self.hashes.iter().any(|known| known == hash) {
            self.hashes.push(hash.to_owned());
        }
    }

    /// Puts names in the place of placeholders.
    pub(super) fn fill(&self, value: &Value, now: Time) -> Value {
        map_strings(value, &|text| self.fill_text(text, now))
    }

    /// The same for one text.
    pub(super) fn fill_text(&self, text: &str, now: Time) -> String {
        let mut text =
            text.replace("<ns>", NAMESPACE).replace("<ns2>", SECOND).replace("<time>", &now.whole_second().to_string());
        for (index, hash) in self.hashes.iter().enumerate() {
            text = text.replace(&format!("<hash:{}>", index + 1), hash);
        }
        for (index, minute) in self.minutes.iter().enumerate() {
            text = text.replace(&format!("<minute:{}>", index + 1), minute);
        }
        for (index, (name, prefix)) in self.pods.iter().enumerate() {
            text = text.replace(&format!("{prefix}<{}>", index + 1), name);
        }
        text
    }

    /// Puts placeholders in the place of names.
    pub(super) fn hide(&self, value: &Value) -> Value {
        let mut hidden = map_strings(value, &|text| self.hide_text(text));
        hide_revisions(&mut hidden);
        hidden
    }

    /// The same for one text.
    pub(super) fn hide_text(&self, text: &str) -> String {
        let mut text = text.replace(NAMESPACE, "<ns>").replace(SECOND, "<ns2>");
        for (index, (name, prefix)) in self.pods.iter().enumerate() {
            if text.contains(name.as_str()) {
                let suffix =
                    if self.numbered { format!("{prefix}<{}>", index + 1) } else { format!("{prefix}<suffix>") };
                text = text.replace(name.as_str(), &suffix);
            }
        }
        for (index, hash) in self.hashes.iter().enumerate() {
            text = text.replace(hash.as_str(), &format!("<hash:{}>", index + 1));
        }
        for (index, minute) in self.minutes.iter().enumerate() {
            text = text.replace(minute.as_str(), &format!("<minute:{}>", index + 1));
        }
        text = without_name_of_refused_pod(text);
        if is_uid(&text) {
            return "<uid>".to_owned();
        }
        if is_time(&text) {
            return "<time>".to_owned();
        }
        match text.split_at_checked("2006-01-02T15:04:05".len()) {
            Some((time, zone)) if zone.starts_with(['+', '-']) && is_time(&format!("{time}Z")) => {
                format!("<time>{zone}")
            }
            _ => text,
        }
    }
}

/// A pod that was not let in had a name too.
fn without_name_of_refused_pod(text: String) -> String {
    let refused = text.split_once("pods \"").and_then(|(before, rest)| {
        let (name, after) = rest.split_once("\" is forbidden: ")?;
        let (prefix, suffix) = name.split_at_checked(name.len().checked_sub(5)?)?;
        let drawn = prefix.ends_with('-') && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        drawn.then(|| format!("{before}pods \"{prefix}<suffix>\" is forbidden: {after}"))
    });
    refused.unwrap_or(text)
}

fn hide_revisions(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_revisions),
        Value::Object(object) => {
            for (key, each) in object {
                if key == "resourceVersion" && each.is_string() {
                    *each = "<resourceVersion>".into();
                }
                hide_revisions(each);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn map_strings(value: &Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(text)),
        Value::Array(list) => list.iter().map(|each| map_strings(each, map)).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, each)| (map(key), map_strings(each, map))).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The uids `11111111-...` and `22222222-...` are literal.
fn is_uid(text: &str) -> bool {
    let shape = |(index, each): (usize, char)| match index {
        8 | 13 | 18 | 23 => each == '-',
        _ => each.is_ascii_hexdigit(),
    };
    text.len() == 36
        && text.chars().enumerate().all(shape)
        && !text.starts_with("11111111-")
        && !text.starts_with("22222222-")
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes.ends_with(b"Z") && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':'
}
