//! Writing YAML, in the form of `kubectl get -o yaml`: keys sorted, lists not indented, texts quoted only where they
//! would be read as something else (by YAML 1.1, as Kubernetes reads it), texts of several lines as blocks.

use std::fmt::Write;

use serde_json::{Map, Value};

/// A value as a YAML document, with a line end.
///
/// ```
/// use inboard::object::manifest::to_yaml;
///
/// let value = serde_json::json!({"b": [{"name": "x", "on": "yes"}], "a": {"empty": []}});
/// assert_eq!(to_yaml(&value), "a:\n  empty: []\nb:\n- name: x\n  \"on\": \"yes\"\n");
/// ```
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut text, map, 0),
        Value::Array(list) if !list.is_empty() => write_list(&mut text, list, 0),
        _ => {
            write_scalar(&mut text, value, 0);
            text.push('\n');
        }
    }
    text
}

fn indent(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn write_map(text: &mut String, map: &Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first line of a mapping in a list stands behind the dash.
        if index > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        write_text(text, key, None);
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                write_map(text, map, depth + 1);
            }
            Value::Array(list) if !list.is_empty() => {
                text.push('\n');
                write_list(text, list, depth);
            }
            _ => {
                text.push(' ');
                write_scalar(text, value, depth);
                text.push('\n');
            }
        }
    }
}

fn write_list(text: &mut String, list: &[Value], depth: usize) {
    for (index, element) in list.iter().enumerate() {
        if index > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        text.push_str("- ");
        match element {
            Value::Object(map) if !map.is_empty() => write_map(text, map, depth + 1),
            Value::Array(list) if !list.is_empty() => write_list(text, list, depth + 1),
            _ => {
                write_scalar(text, element, depth);
                text.push('\n');
            }
        }
    }
}

fn write_scalar(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(string) => write_text(text, string, Some(depth)),
        // Empty lists and mappings, numbers, booleans and null are written as in JSON.
        _ => text.push_str(&value.to_string()),
    }
}

/// A text; with the depth it may be a block, without it is a key.
fn write_text(text: &mut String, string: &str, depth: Option<usize>) {
    match depth {
        Some(depth) if string.contains('\n') && can_be_block(string) => write_block(text, string, depth),
        _ if needs_escapes(string) || reads_as_other(string) => write_escaped(text, string),
        _ if needs_quotes(string) => {
            let _ = write!(text, "'{}'", string.replace('\'', "''"));
        }
        _ => text.push_str(string),
    }
}

fn write_block(text: &mut String, string: &str, depth: usize) {
    let body = string.trim_end_matches('\n');
    text.push_str(match string.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    let kept = if string.ends_with("\n\n") { string.strip_suffix('\n').unwrap_or(string) } else { body };
    for line in kept.split('\n') {
        text.push('\n');
        if !line.is_empty() {
            indent(text, depth + 1);
            text.push_str(line);
        }
    }
}

/// A block keeps neither a first line that begins with space nor control characters.
fn can_be_block(string: &str) -> bool {
    let plain = |character: char| character == '\n' || (!character.is_control() && character != '\u{feff}');
    !string.starts_with([' ', '\n', '\t'])
        && string.chars().all(plain)
        && !string.contains(" \n")
        && !string.ends_with(' ')
}

fn needs_escapes(string: &str) -> bool {
    string.chars().any(|character| {
        character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    })
}

fn write_escaped(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        let _ = match character {
            '"' => write!(text, "\\\""),
            '\\' => write!(text, "\\\\"),
            '\n' => write!(text, "\\n"),
            '\t' => write!(text, "\\t"),
            '\r' => write!(text, "\\r"),
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}'..='\u{ffff}') => {
                write!(text, "\\u{:04x}", u32::from(character))
            }
            _ => write!(text, "{character}"),
        };
    }
    text.push('"');
}

/// Whether YAML 1.1 would take the plain text for a boolean, a null, a number or a time.
fn reads_as_other(string: &str) -> bool {
    const WORDS: [&str; 12] = ["", "~", "null", "y", "n", "yes", "no", "on", "off", "true", "false", "<<"];
    let lower = string.to_ascii_lowercase();
    WORDS.contains(&lower.as_str()) || is_number(&lower) || is_date(string)
}

fn is_number(lower: &str) -> bool {
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(lower);
    if matches!(unsigned, ".inf" | ".nan") {
        return true;
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return false;
    }
    let digits = unsigned.replace('_', "");
    let based = |prefix: &str, radix: u32| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(radix)))
    };
    let base_60 = digits.contains(':') && digits.split(':').all(|part| part.parse::<f64>().is_ok());
    base_60 || based("0x", 16) || based("0o", 8) || based("0b", 2) || digits.parse::<f64>().is_ok()
}

/// `2026-11-22`, also with a time behind it.
fn is_date(string: &str) -> bool {
    let bytes = string.as_bytes();
    bytes.len() >= 8 && bytes.iter().take(4).all(u8::is_ascii_digit) && bytes[4] == b'-' && {
        let rest = string.get(5..).unwrap_or_default();
        rest.split_once('-').is_some_and(|(month, day)| {
            month.bytes().all(|byte| byte.is_ascii_digit()) && day.starts_with(|first: char| first.is_ascii_digit())
        })
    }
}

/// Whether the plain text has characters with a meaning of their own.
fn needs_quotes(string: &str) -> bool {
    const INDICATORS: &str = ",[]{}#&*!|>'\"%@`";
    let first = string.chars().next().unwrap_or(' ');
    let dash_like = |first| matches!(first, '-' | '?' | ':');
    let second_is_space = string[first.len_utf8().min(string.len())..].chars().next().is_none_or(char::is_whitespace);
    INDICATORS.contains(first)
        || (dash_like(first) && second_is_space)
        || string.starts_with("---")
        || string.starts_with("...")
        || string.starts_with(char::is_whitespace)
        || string.ends_with(char::is_whitespace)
        || string.ends_with(':')
        || string.contains(": ")
        || string.contains(" #")
        || string == "="
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Document;
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let texts = [
            "",
            " ",
            "~",
            "null",
            "yes",
            "No",
            "y",
            "on",
            "0644",
            "0x1f",
            "1:30",
            "1e3",
            "1.5",
            "-.inf",
            "+1",
            "1_000",
            "2026-11-22",
            "2026-11-22T10:00:00Z",
            "1.25.3",
            "10Gi",
            "100m",
            "a: b",
            "a:b",
            "a #b",
            "a#b",
            "#a",
            "- a",
            "-a",
            "-",
            "?",
            ":",
            "*",
            "&x",
            "!x",
            "%x",
            "@x",
            "`x",
            "'",
            "\"",
            "it's",
            "{",
            "[a]",
            ",",
            "|",
            ">",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na",
            " a\nb",
            "a \nb",
            "a\n b\n",
            "\ttab",
            "a\tb",
            "a\r\nb",
            "\u{1}",
            "\u{feff}a",
            "ü 😀",
            "<<",
            "=",
            "---",
            "...",
            "--- a",
            "nginx:1.25",
            "http://x/y?z=1#f",
            "trailing ",
            "a:",
            "\\",
            "a\u{2028}b",
            "0b1",
            "0o7",
            "$(VAR)",
            ".5",
            ".",
            "\u{85}",
            "True",
            "1e",
            "0x",
            "12:",
            "a\n\n\nb\n",
        ];
        for text in texts {
            for value in
                [json!({"k": text}), json!([text]), json!({text: 1}), json!([[text, {"x": [text]}]]), json!(text)]
            {
                let yaml = to_yaml(&value);
                let read = Document::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
                let read = read.first().map_or(Value::Null, |document| document.value.clone());
                assert_eq!(read, value, "{yaml}");
            }
        }
    }

    #[test]
    fn it_looks_like_kubectls() {
        let value = json!({
            "apiVersion": "v1",
            "data": {"script": "#!/bin/sh\necho hi\n", "port": "80", "empty": "", "star": "*", "text": "a b"},
            "list": [[1, 2], {}, {"a": {"b": null}}],
        });
        let expected = "apiVersion: v1\ndata:\n  empty: \"\"\n  port: \"80\"\n  script: |\n    #!/bin/sh\n    echo hi\n  \
                        star: '*'\n  text: a b\nlist:\n- - 1\n  - 2\n- {}\n- a:\n    b: null\n";
        assert_eq!(to_yaml(&value), expected);
    }
}
