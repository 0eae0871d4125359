//! Any object as a tree: its fields in the order of their names, each with a readable name.

use serde_json::{Map, Value};

use super::Lines;

/// Parts of the metadata that were told before, or are of no use to people.
const TOLD: [&str; 5] = ["name", "namespace", "labels", "annotations", "managedFields"];

/// All of an object but what its first lines say.
pub(super) fn rest(lines: &mut Lines, object: &Value) {
    let mut object = object.as_object().cloned().unwrap_or_default();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !TOLD.contains(&field.as_str()));
    }
    fields(lines, 0, &object);
}

fn fields(lines: &mut Lines, depth: usize, map: &Map<String, Value>) {
    for (name, value) in map {
        let name = readable(name);
        match value {
            Value::Object(map) => {
                lines.put(depth, &name, "");
                fields(lines, depth + 1, map);
            }
            Value::Array(items) => {
                lines.put(depth, &name, "");
                for item in items {
                    match item {
                        Value::Object(map) => fields(lines, depth + 1, map),
                        other => lines.item(depth + 1, &plain(other)),
                    }
                }
            }
            other => lines.put(depth, &name, plain(other)),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `lastScheduleTime` as `Last Schedule Time`, `clusterIP` as `Cluster IP`, `apiVersion` as `API Version`. What is no
/// field name (`app.kubernetes.io/name`, a key of a map) stays.
fn readable(field: &str) -> String {
    if !field.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return field.to_owned();
    }
    let mut words = String::new();
    let mut before: Option<char> = None;
    for letter in field.chars() {
        let begins = letter.is_ascii_uppercase() && before.is_some_and(|before| before.is_ascii_lowercase());
        if begins {
            words.push(' ');
        }
        words.push(if before.is_none() { letter.to_ascii_uppercase() } else { letter });
        before = Some(letter);
    }
    let spelled = |word: &str| match word {
        "Api" => "API".to_owned(),
        "Uid" => "UID".to_owned(),
        "Ip" => "IP".to_owned(),
        "Url" => "URL".to_owned(),
        other => other.to_owned(),
    };
    words.split(' ').map(spelled).collect::<Vec<_>>().join(" ")
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
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        ];
        for (field, words) in cases {
            assert_eq!(readable(field), words);
        }
    }

    #[test]
    fn a_tree_is_indented_by_its_depth() {
        let object = serde_json::json!({
            "kind": "Widget",
            "metadata": {"name": "w", "uid": "1"},
            "spec": {"replicas": 2, "ports": [{"port": 80}, {"port": 81}], "hosts": ["a", "b"]},
        });
        let mut lines = Lines::default();
        rest(&mut lines, &object);
        let told: Vec<&str> = lines.0.lines().collect();
        let expected = [
            "Kind:              Widget",
            "Metadata:",
            "  UID:             1",
            "Spec:",
            "  Hosts:",
            "    a",
            "    b",
            "  Ports:",
            "    Port:          80",
            "    Port:          81",
            "  Replicas:        2",
        ];
        assert_eq!(told, expected);
    }
}
