//! The formats of texts that Kubernetes checks; of others nobody takes notice.

use std::net::IpAddr;

use super::pattern::Pattern;
use crate::object::validation::names::{cidr_sloppy, ip_sloppy};

/// Those of texts, without their dashes.
const OF_TEXTS: [&str; 26] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "datetime",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "isbn10",
    "isbn13",
    "k8slongname",
    "k8sshortname",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
];

/// Whether a format counts for values of a type (`""` for any, `integer,string` for either).
pub(super) fn is_known(format: &str, type_name: &str) -> bool {
    match type_name {
        "" | "string" | "integer,string" => {
            let name = plain(format);
            OF_TEXTS.contains(&name.as_str())
        }
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

fn plain(format: &str) -> String {
    format.replace('-', "")
}

/// Whether a text is of a format. Formats of numbers hold for every text: its type is what is wrong with it.
pub(crate) fn holds(format: &str, text: &str) -> bool {
    let digits = |count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    match plain(format).as_str() {
        "bsonobjectid" => text.len() == 24 && is_hex(text),
        "byte" => is_base64(text),
        "cidr" => cidr_sloppy(text).is_some(),
        "creditcard" => is_credit_card(text),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "email" => is_email(text),
        "hexcolor" => {
            matches!(text.trim_start_matches('#').len(), 3 | 6) && is_hex(text.strip_prefix('#').unwrap_or(text))
        }
        "hostname" => is_hostname(text),
        "ipv4" => text.contains('.') && ip_sloppy(text).is_some(),
        "ipv6" => text.contains(':') && text.parse::<IpAddr>().is_ok(),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8sshortname" => text.len() <= 63 && text.split('.').count() == 1 && is_name(text),
        "k8slongname" => text.len() <= 253 && text.split('.').all(is_name),
        "mac" => is_mac(text),
        "rgbcolor" => is_rgb(text),
        "ssn" => digits(9) || Pattern::new(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$").matches(text),
        "uri" => is_uri(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        _ => true,
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(inner) && text.bytes().last().is_some_and(inner);
    ends && text.bytes().all(|byte| inner(byte) || byte == b'-')
}

/// Groups of four, the last one padded.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && !body.is_empty() && body.bytes().all(is_digit)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() && text.as_bytes()[4] == b'-'
}

/// The time of day is looked at by its digits only, as upstream does.
fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let pattern = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    is_date(date)
        && Pattern::new(pattern).matches(time)
        && &time[..2] <= "23"
        && &time[3..5] <= "59"
        && &time[6..8] <= "59"
}

/// Go's durations (`1h30m`, `-1.5s`), and numbers with words (`3 days`).
fn is_duration(text: &str) -> bool {
    let go = r"^[+-]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    let words = r"(?i)[0-9]+\s*(ns|nano[A-Za-zµ]*|us|µs|micro[A-Za-zµ]*|ms|milli[A-Za-zµ]*|s|sec[A-Za-zµ]*|m|min[A-Za-zµ]*|h|hr|hour[A-Za-zµ]*|d|day[A-Za-zµ]*|w|wk|week[A-Za-zµ]*)($|[^A-Za-zµ])";
    Pattern::new(go).matches(text) || Pattern::new(words).matches(text)
}

/// An address, with or without a name in front of it in angle brackets.
fn is_email(text: &str) -> bool {
    let text = text.trim();
    let address = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((_, address)) => address,
        None => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        !part.is_empty() && part.chars().all(|one| one.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(one))
    };
    let is_quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    (is_quoted || local.split('.').all(is_atom)) && domain.split('.').all(is_atom)
}

/// A single label, or labels with dots and a last one of letters; of a single label only the second character may be a dash.
fn is_hostname(text: &str) -> bool {
    static LETTERS: std::sync::OnceLock<Pattern> = std::sync::OnceLock::new();
    static OTHERS: std::sync::OnceLock<Pattern> = std::sync::OnceLock::new();
    let is_of = |part: &str, with_dashes: bool| match with_dashes {
        true => OTHERS.get_or_init(|| Pattern::new(r"^[a-zA-Z0-9\p{S}\p{L}-]*$")).matches(part),
        false => LETTERS.get_or_init(|| Pattern::new(r"^[a-zA-Z0-9\p{S}\p{L}]*$")).matches(part),
    };
    if text.is_empty() || text.len() > 255 || text.split('.').any(|label| label.len() > 63) {
        return false;
    }
    let Some((labels, last)) = text.rsplit_once('.') else {
        return is_of(&text.replacen('-', "", usize::from(text.chars().nth(1) == Some('-'))), false);
    };
    let is_label =
        |label: &str| !label.is_empty() && is_of(label, true) && !label.starts_with('-') && !label.ends_with('-');
    let is_last = last.chars().count() >= 2 && last.chars().all(char::is_alphabetic);
    labels.split('.').all(is_label) && is_last
}

fn is_isbn10(text: &str) -> bool {
    let digits: Vec<char> = text.chars().filter(|one| !matches!(one, '-' | ' ')).collect();
    if digits.len() != 10 {
        return false;
    }
    let mut sum = 0;
    for (place, digit) in (1..).zip(&digits) {
        let value = match digit {
            'X' if place == 10 => 10,
            digit => match digit.to_digit(10) {
                Some(value) => value,
                None => return false,
            },
        };
        sum += place * value;
    }
    sum % 11 == 0
}

fn is_isbn13(text: &str) -> bool {
    let digits: Option<Vec<u32>> =
        text.chars().filter(|one| !matches!(one, '-' | ' ')).map(|digit| digit.to_digit(10)).collect();
    digits.is_some_and(|digits| {
        let weighted = digits.iter().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| digit * weight);
        digits.len() == 13 && weighted.sum::<u32>() % 10 == 0
    })
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let pattern = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
    let luhn: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(place, digit)| match digit * (1 + place as u32 % 2) {
            large @ 10.. => large - 9,
            small => small,
        })
        .sum();
    Pattern::new(pattern).matches(&digits) && luhn.is_multiple_of(10)
}

/// Six, eight or twenty bytes, in Go's notations.
fn is_mac(text: &str) -> bool {
    let is_of = |separator: char, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        matches!(parts.len() * width, 12 | 16 | 40) && parts.iter().all(|part| part.len() == width && is_hex(part))
    };
    is_of(':', 2) || is_of('-', 2) || is_of('.', 4)
}

fn is_rgb(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')')) else { return false };
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    parts.len() == 3
        && parts.iter().all(|part| part.parse::<u8>().is_ok() && (part.len() == 1 || !part.starts_with('0')))
}

/// What Go takes as the target of a request: an absolute URL, or an absolute path.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|one| one.is_ascii_control()) {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return text == "*" };
    let is_scheme = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    is_scheme && host.is_none_or(|host| !host.contains(' ')) && !rest.is_empty()
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let (third, fourth) = match version {
        None => ("[0-9a-f]{4}".to_owned(), "[0-9a-f]{4}"),
        Some('3') => ("3[0-9a-f]{3}".to_owned(), "[0-9a-f]{4}"),
        Some(version) => (format!("{version}[0-9a-f]{{3}}"), "[89ab][0-9a-f]{3}"),
    };
    Pattern::new(&format!("(?i)^[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{fourth}-?[0-9a-f]{{12}}$")).matches(text)
}
