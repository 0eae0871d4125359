//! Texts. Places are counted in characters.

use super::super::value::{ListKind, Value};
use super::super::{Budget, Failure};
use super::{Called, pattern};
use crate::object::field::GoQuoted;
use crate::object::structural::go_number;

pub(super) fn call(name: &str, values: &[Value], budget: &mut Budget) -> Option<Called> {
    let Value::Text(text) = values.first()? else { return None };
    if let Err(error) = budget.spend(values.iter().map(Value::weight).sum()) {
        return Some(Err(error));
    }
    let flag = |flag| Ok(Value::Bool(flag));
    let out_of_range = |place: i64| Failure::new(format!("index out of range: {place}"));
    Some(match (name, &values[1..]) {
        ("size", []) => Ok(Value::Int(characters(text))),
        ("contains", [Value::Text(part)]) => flag(text.contains(&**part)),
        ("startsWith", [Value::Text(part)]) => flag(text.starts_with(&**part)),
        ("endsWith", [Value::Text(part)]) => flag(text.ends_with(&**part)),
        ("matches", [Value::Text(given)]) => {
            pattern(given, text, budget).map(|regex| Value::Bool(regex.is_match(text)))
        }
        ("find", [Value::Text(given)]) => {
            pattern(given, text, budget).map(|regex| Value::text(regex.find(text).map_or("", |found| found.as_str())))
        }
        ("findAll", [Value::Text(given), limit @ ..]) => {
            let limit = match limit {
                [Value::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            pattern(given, text, budget)
                .map(|regex| texts(regex.find_iter(text).take(limit).map(|found| found.as_str().to_owned())))
        }
        ("charAt", [Value::Int(place)]) => match usize::try_from(*place) {
            Ok(at) if at <= text.chars().count() => {
                Ok(Value::text(text.chars().nth(at).map(String::from).unwrap_or_default()))
            }
            _ => Err(out_of_range(*place)),
        },
        ("indexOf" | "lastIndexOf", [Value::Text(part), rest @ ..]) => index(name, text, part, rest),
        ("lowerAscii", []) => Ok(Value::text(text.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Value::text(text.to_ascii_uppercase())),
        ("trim", []) => Ok(Value::text(text.trim())),
        ("reverse", []) => Ok(Value::text(text.chars().rev().collect::<String>())),
        ("strings.quote", []) => Ok(Value::text(GoQuoted(text).to_string())),
        ("jsonpatch.escapeKey", []) => Ok(Value::text(text.replace('~', "~0").replace('/', "~1"))),
        ("replace", [Value::Text(from), Value::Text(to), rest @ ..]) => {
            let times = match rest {
                [Value::Int(times)] => usize::try_from(*times).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let grown = text.len().saturating_mul(1 + to.len());
            budget.spend(grown as u64 / 10).map(|()| Value::text(text.replacen(&**from, to, times)))
        }
        ("split", [Value::Text(by), rest @ ..]) => {
            let parts: Vec<String> = match (rest, by.is_empty()) {
                ([Value::Int(0)], _) => Vec::new(),
                ([Value::Int(most)], false) if *most > 0 => {
                    text.splitn(usize::try_from(*most).unwrap_or(usize::MAX), &**by).map(ToOwned::to_owned).collect()
                }
                (_, true) => text.chars().map(String::from).collect(),
                _ => text.split(&**by).map(ToOwned::to_owned).collect(),
            };
            Ok(texts(parts.into_iter()))
        }
        ("substring", [Value::Int(start)]) => substring(text, *start, characters(text)),
        ("substring", [Value::Int(start), Value::Int(end)]) => substring(text, *start, *end),
        ("format", [Value::List(list)]) => format(text, &list.items, budget),
        _ => return None,
    })
}

fn characters(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn texts(parts: impl Iterator<Item = String>) -> Value {
    Value::list(parts.map(Value::text).collect(), ListKind::Plain)
}

fn substring(text: &str, start: i64, end: i64) -> Called {
    let length = characters(text);
    if start < 0 || start > length {
        return Err(Failure::new(format!("index out of range: {start}")));
    }
    if end < 0 || end > length {
        return Err(Failure::new(format!("index out of range: {end}")));
    }
    if start > end {
        return Err(Failure::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    let (start, count) = (usize::try_from(start).unwrap_or(0), usize::try_from(end - start).unwrap_or(0));
    Ok(Value::text(text.chars().skip(start).take(count).collect::<String>()))
}

/// Where a part stands, from the left or from the right; -1 where it does not.
fn index(name: &str, text: &str, part: &str, rest: &[Value]) -> Called {
    let length = characters(text);
    let from_left = name == "indexOf";
    let bound = match rest {
        [Value::Int(place)] if *place < 0 || *place > length => {
            return Err(Failure::new(format!("index out of range: {place}")));
        }
        [Value::Int(place)] => Some(usize::try_from(*place).unwrap_or(0)),
        _ => None,
    };
    // Only places where a character begins are places.
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let is_here = |place: &usize| text[starts[*place]..].starts_with(part);
    let found = if from_left {
        (bound.unwrap_or(0)..starts.len()).find(is_here)
    } else {
        (0..=bound.unwrap_or(starts.len() - 1).min(starts.len() - 1)).rev().find(is_here)
    };
    Ok(Value::Int(found.map_or(-1, |place| i64::try_from(place).unwrap_or(-1))))
}

/// A value as text, as the function `string` makes it; none for lists and maps.
pub(in crate::object::cel) fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => double(*number),
        Value::Text(text) => text.to_string(),
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(nanos) => super::time::seconds(*nanos),
        Value::Quantity(quantity) => quantity.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(address, bits) => format!("{address}/{bits}"),
        Value::Type(name) => name.to_string(),
        Value::Null => "null".to_owned(),
        _ => return None,
    })
}

fn double(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        number if number.is_infinite() => if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        number => serde_json::Number::from_f64(number).map_or_else(String::new, |number| go_number(&number)),
    }
}

/// `"%s has %d".format(["a", 1])`
fn format(template: &str, values: &[Value], budget: &mut Budget) -> Called {
    let (mut out, mut rest, mut values) = (String::new(), template, values.iter());
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.strip_prefix('.').map(|after| {
            let end = after.find(|one: char| !one.is_ascii_digit()).unwrap_or(after.len());
            (after[..end].parse::<usize>().unwrap_or(6).min(100), &after[end..])
        });
        let (precision, after) = digits.map_or((None, after), |(digits, after)| (Some(digits), after));
        let mut chars = after.chars();
        let clause = chars.next().ok_or_else(|| Failure::new("unexpected end of string"))?;
        rest = chars.as_str();
        if clause == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| Failure::new("index 0 out of range"))?;
        budget.spend(value.weight())?;
        out.push_str(&clause_text(clause, precision, value)?);
    }
    out.push_str(rest);
    Ok(Value::text(out))
}

fn clause_text(clause: char, precision: Option<usize>, value: &Value) -> Result<String, Failure> {
    let refuse = || Failure::new(format!("error during formatting: %{clause} does not take {}", value.type_name()));
    Ok(match (clause, value) {
        ('s', value) => shown(value),
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::Uint(number)) => number.to_string(),
        ('f', Value::Double(number)) => format!("{number:.*}", precision.unwrap_or(6)),
        ('f', Value::Int(number)) => format!("{:.*}", precision.unwrap_or(6), *number as f64),
        ('e', Value::Double(number)) => {
            let text = format!("{number:.*e}", precision.unwrap_or(6));
            let (digits, exponent) = text.split_once('e').ok_or_else(refuse)?;
            let exponent: i32 = exponent.parse().map_err(|_| refuse())?;
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        ('b', Value::Int(number)) => format!("{}{:b}", if *number < 0 { "-" } else { "" }, number.unsigned_abs()),
        ('b', Value::Uint(number)) => format!("{number:b}"),
        ('b', Value::Bool(flag)) => u8::from(*flag).to_string(),
        ('o', Value::Int(number)) => format!("{}{:o}", if *number < 0 { "-" } else { "" }, number.unsigned_abs()),
        ('x', Value::Int(number)) => format!("{}{:x}", if *number < 0 { "-" } else { "" }, number.unsigned_abs()),
        ('X', Value::Int(number)) => format!("{}{:X}", if *number < 0 { "-" } else { "" }, number.unsigned_abs()),
        ('x', Value::Uint(number)) => format!("{number:x}"),
        ('X', Value::Uint(number)) => format!("{number:X}"),
        ('x', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ('X', Value::Text(text)) => text.bytes().map(|byte| format!("{byte:02X}")).collect(),
        _ => return Err(refuse()),
    })
}

/// Any value as `%s` prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::List(list) => {
            let items: Vec<String> = list.items.iter().map(inner).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", inner(&key.to_value()), inner(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => plain(other).unwrap_or_default(),
    }
}

/// A value inside a list or a map: texts in quotes.
fn inner(value: &Value) -> String {
    shown(value)
}
