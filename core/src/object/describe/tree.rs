//! Any object as a tree: its fields in the order of their names, each with a readable name.

use serde_json::{Map, Value};

use super::Events;
use super::lines::Lines;
use super::metadata;
use super::read::shown;

/// Parts of the metadata that were told before, or are of no use to people.
const TOLD: [&str; 5] = ["name", "namespace", "labels", "annotations", "managedFields"];

/// Words that are written in capitals.
const ACRONYMS: [&str; 4] = ["API", "URL", "UID", "GUID"];

pub(super) fn tell(lines: &mut Lines, object: &Value) -> Events {
    metadata::names(lines, object);
    metadata::notes(lines, object);
    let mut object = object.as_object().cloned().unwrap_or_default();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !TOLD.contains(&field.as_str()));
    }
    fields(lines, 0, &object);
    Events::Shown
}

fn fields(lines: &mut Lines, depth: usize, map: &Map<String, Value>) {
    let mut names: Vec<&String> = map.keys().collect();
    names.sort();
    for name in names {
        let title = readable(name);
        match &map[name] {
            Value::Object(map) => {
                lines.title(depth, title);
                fields(lines, depth + 1, map);
            }
            Value::Array(items) => {
                lines.title(depth, title);
                for item in items {
                    match item {
                        Value::Object(map) => fields(lines, depth + 1, map),
                        other => lines.line(depth + 1, plain(other)),
                    }
                }
            }
            other => lines.put(depth, title, plain(other)),
        }
    }
}

fn plain(value: &Value) -> String {
    if value.is_null() { "<nil>".to_owned() } else { shown(value).into_owned() }
}

/// `lastScheduleTime` as `Last Schedule Time`, `podCIDRs` as `Pod CIDRs`, `apiVersion` as `API Version`. What is no
/// field name (`app.kubernetes.io/name`, a key of a map) stays.
fn readable(field: &str) -> String {
    if !field.chars().all(|letter| letter.is_alphabetic() || letter == '-') {
        return field.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let parts = humps(field);
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        let mut word = part.clone();
        let is_acronym = part.chars().count() >= 2 && !part.chars().any(char::is_lowercase);
        // The plural of an acronym: `CIDRs` falls into `CID` and `Rs`.
        if is_acronym && let Some(rest) = parts.next_if(|next| next.starts_with(char::is_uppercase)) {
            word.push_str(rest);
        }
        words.push(spelled(word));
    }
    words.join(" ")
}

fn spelled(word: String) -> String {
    if ACRONYMS.contains(&word.to_uppercase().as_str()) {
        return word.to_uppercase();
    }
    if word.chars().any(char::is_uppercase) {
        return word;
    }
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The words of a name in camel case: a capital before small letters begins one, and so does another kind of letters.
fn humps(field: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Small,
        Capital,
        Other,
    }
    let class = |letter: char| match letter {
        _ if letter.is_lowercase() => Class::Small,
        _ if letter.is_uppercase() => Class::Capital,
        _ => Class::Other,
    };
    let mut words: Vec<(Class, String)> = Vec::new();
    for letter in field.chars() {
        match words.last_mut() {
            Some((last, word)) if *last == class(letter) => word.push(letter),
            _ => words.push((class(letter), letter.to_string())),
        }
    }
    for index in 1..words.len() {
        if words[index - 1].0 == Class::Capital && words[index].0 == Class::Small {
            let moved = words[index - 1].1.pop();
            words[index].1.insert_str(0, &moved.map(String::from).unwrap_or_default());
        }
    }
    words.into_iter().map(|(_, word)| word).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_become_words() {
        let cases = [
            ("apiVersion", "API Version"),
            ("uid", "UID"),
            ("lastScheduleTime", "Last Schedule Time"),
            ("clusterIP", "Cluster IP"),
            ("podCIDRs", "Pod CIDRs"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        ];
        for (field, words) in cases {
            assert_eq!(readable(field), words);
        }
    }
}
