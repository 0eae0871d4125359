//! Paths to a value in an object, as printer columns have them: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.
//!
//! The part of `k8s.io/client-go/util/jsonpath` that leads to values: fields, indexes, wildcards and filters.

use serde_json::Value;

/// A path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// From the end where it is negative.
    Index(i64),
    All,
    Filter {
        path: JsonPath,
        test: Test,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Exists,
    Compare(Comparison, Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Different),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl JsonPath {
    /// Reads a path; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut steps, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let end = closing(inner)?;
                steps.push(bracketed(inner[..end].trim())?);
                rest = &inner[end + 1..];
            } else {
                let inner = rest.strip_prefix('.')?;
                let (name, after) = name(inner);
                if name.is_empty() && !after.starts_with('[') && !after.is_empty() {
                    return None;
                }
                match name.as_str() {
                    "" => {}
                    "*" => steps.push(Step::All),
                    _ => steps.push(Step::Field(name)),
                }
                rest = after;
            }
        }
        Some(Self { steps })
    }

    /// The first value that it leads to.
    pub fn first<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.steps
            .iter()
            .fold(vec![value], |found, step| found.into_iter().flat_map(|value| step.follow(value)).collect())
            .into_iter()
            .next()
    }
}

/// Where the bracket that is open ends, quotes and brackets inside left out.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, one) in text.char_indices() {
        match (quote, one) {
            (Some(open), one) if open == one => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(one),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The name of a field, in which `\.` is a dot, and what follows.
fn name(text: &str) -> (String, &str) {
    let (mut name, mut chars) = (String::new(), text.char_indices());
    while let Some((at, one)) = chars.next() {
        match one {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            other => name.push(other),
        }
    }
    (name, "")
}

fn bracketed(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(inner) = text.strip_prefix("?(").and_then(|inner| inner.strip_suffix(')')) {
        return filter(inner.trim());
    }
    if let Some(literal) = literal(text) {
        return match literal {
            Value::String(name) => Some(Step::Field(name)),
            Value::Number(number) => number.as_i64().map(Step::Index),
            _ => None,
        };
    }
    None
}

fn filter(text: &str) -> Option<Step> {
    let found = COMPARISONS.iter().filter_map(|(sign, comparison)| Some((text.find(sign)?, sign, *comparison)));
    let test = found.min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
    let (path, test) = match test {
        None => (text, Test::Exists),
        Some((at, sign, comparison)) => {
            (&text[..at], Test::Compare(comparison, literal(text[at + sign.len()..].trim())?))
        }
    };
    Some(Step::Filter { path: JsonPath::parse(path.trim().strip_prefix('@')?)?, test })
}

fn literal(text: &str) -> Option<Value> {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match quoted('\'').or_else(|| quoted('"')) {
        Some(inner) => Some(inner.into()),
        None => serde_json::from_str(text).ok(),
    }
}

impl Step {
    fn follow<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
            (Self::Index(place), Value::Array(items)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let place = if *place < 0 { length + place } else { *place };
                usize::try_from(place).ok().and_then(|place| items.get(place)).into_iter().collect()
            }
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(fields)) => fields.values().collect(),
            (Self::Filter { path, test }, Value::Array(items)) => {
                items.iter().filter(|item| test.holds(path.first(item))).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Test {
    fn holds(&self, found: Option<&Value>) -> bool {
        let (comparison, wanted) = match (self, found) {
            (Self::Exists, found) => return found.is_some(),
            (Self::Compare(..), None) => return false,
            (Self::Compare(comparison, wanted), Some(_)) => (comparison, wanted),
        };
        let order = match (found, wanted) {
            (Some(Value::String(found)), Value::String(wanted)) => Some(found.cmp(wanted)),
            (Some(found), wanted) => match (found.as_f64(), wanted.as_f64()) {
                (Some(found), Some(wanted)) => found.partial_cmp(&wanted),
                _ => (found == wanted).then_some(std::cmp::Ordering::Equal),
            },
            (None, _) => None,
        };
        match comparison {
            Comparison::Equal => order == Some(std::cmp::Ordering::Equal),
            Comparison::Different => order != Some(std::cmp::Ordering::Equal),
            Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::JsonPath;

    #[test]
    fn paths_lead_to_values() {
        let object = json!({
            "spec": {"replicas": 3, "hosts": ["a", "b"], "ports": [{"n": "x", "p": 1}, {"n": "y", "p": 2}]},
            "metadata": {"annotations": {"example.com/a": "1"}},
            "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let cases = [
            (".spec.replicas", Some(json!(3))),
            (".spec.hosts[1]", Some(json!("b"))),
            (".spec.hosts[-1]", Some(json!("b"))),
            (".spec.hosts[*]", Some(json!("a"))),
            (".spec.ports[?(@.p>1)].n", Some(json!("y"))),
            (".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True"))),
            (".status.conditions[?(@.type == 'None')].status", None),
            (".metadata.annotations.example\\.com/a", Some(json!("1"))),
            (".metadata.annotations['example.com/a']", Some(json!("1"))),
            (".spec.none.more", None),
        ];
        for (path, found) in cases {
            let parsed = JsonPath::parse(path).unwrap_or_else(|| panic!("{path} is a path"));
            assert_eq!(parsed.first(&object), found.as_ref(), "{path}");
        }
        assert_eq!(JsonPath::parse("spec"), None);
        assert_eq!(JsonPath::parse(".spec[?(x)]"), None);
    }
}
