//! What names, labels, ports and addresses look like, and the texts that say how one is wrong.
//!
//! Each check returns one text for each rule that its value breaks: none when it is right.
//! Source: `k8s.io/apimachinery/pkg/util/validation`, `.../pkg/api/validate/content` and `.../pkg/api/validation`.

mod address;

use super::super::field::{FieldErrors, Path};

pub use address::{
    canonical_cidr, cidr, cidr_sloppy, interface_address, ip_address, ip_problem, ip_sloppy, masked_address,
    not_canonical,
};

/// What is wrong with a value, one text a rule; empty when nothing is.
pub type Problems = Vec<String>;

/// A rule for `metadata.name`; `true` asks whether the text can begin a generated name (it may then end in `-`).
pub type NameRule = fn(&str, bool) -> Problems;

/// The longest DNS label, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;
/// The longest DNS subdomain, in bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;
/// The text for a field that an update may not change.
pub const IMMUTABLE: &str = "field is immutable";
/// The text for a number below zero.
pub const NEGATIVE: &str = "must be greater than or equal to 0";

const DNS1123_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS1123_SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const QUALIFIED_NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// A DNS label (RFC 1123): lower case letters, digits and `-`, 63 bytes at most.
pub fn dns1123_label(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > LABEL_BYTES_MAX {
        problems.push(max_characters(LABEL_BYTES_MAX));
    }
    if !is_dns_label(value.as_bytes()) {
        problems.push(if is_dns_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            regex_text(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                 and must start and end with an alphanumeric character",
                DNS1123_LABEL,
                &["my-name", "123-abc"],
            )
        });
    }
    problems
}

/// A DNS subdomain (RFC 1123): labels joined by dots, 253 bytes at most.
pub fn dns1123_subdomain(value: &str) -> Problems {
    subdomain(value, max_characters)
}

fn subdomain(value: &str, too_long: fn(usize) -> String) -> Problems {
    let mut problems = Problems::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        problems.push(too_long(SUBDOMAIN_BYTES_MAX));
    }
    if !is_dns_subdomain(value) {
        problems.push(regex_text(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character",
            DNS1123_SUBDOMAIN,
            &["example.com"],
        ));
    }
    problems
}

/// A DNS subdomain whose labels may hold underscores: the search paths of a pod's resolver.
pub fn dns1123_subdomain_with_underscore(value: &str) -> Problems {
    let label = |label: &str| {
        let bytes = label.strip_prefix('_').unwrap_or(label).as_bytes();
        edges_and_middle(bytes, lower_or_digit, |byte| lower_or_digit(byte) || matches!(byte, b'-' | b'_'))
    };
    let mut problems = Problems::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        problems.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if !value.split('.').all(label) {
        problems.push(regex_text(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', \
             and must start and end with an alphanumeric character",
            r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    problems
}

/// A DNS label that starts with a letter (RFC 1035).
pub fn dns1035_label(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > LABEL_BYTES_MAX {
        problems.push(max_characters(LABEL_BYTES_MAX));
    }
    if !(is_dns_label(value.as_bytes()) && value.starts_with(|first: char| first.is_ascii_lowercase())) {
        problems.push(regex_text(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
             start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    problems
}

/// `*.` and a DNS subdomain: the host of an Ingress rule.
pub fn wildcard_dns1123_subdomain(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        problems.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    if !value.strip_prefix("*.").is_some_and(is_dns_subdomain) {
        problems.push(regex_text(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist \
             of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!(r"\*\.{DNS1123_SUBDOMAIN}"),
            &["*.example.com"],
        ));
    }
    problems
}

/// A label key, also called a qualified name: a name of 63 bytes, with a DNS subdomain and `/` before it or not.
pub fn qualified_name(value: &str) -> Problems {
    let mut problems = Problems::new();
    let rule = "must consist of alphanumeric characters, '-', '_' or '.', \
                and must start and end with an alphanumeric character";
    let examples = ["MyName", "my.name", "123-abc"];
    let (prefix, name) = match value.split_once('/') {
        None => (None, value),
        Some((_, name)) if name.contains('/') => {
            let text = regex_text(rule, QUALIFIED_NAME, &examples);
            return vec![format!(
                "a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
    };
    match prefix {
        None => {}
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            problems.extend(subdomain(prefix, max_bytes).into_iter().map(|problem| format!("prefix part {problem}")));
        }
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        problems.push(format!("name part {}", max_bytes(LABEL_BYTES_MAX)));
    }
    if !is_label_text(name) {
        problems.push(format!("name part {}", regex_text(rule, QUALIFIED_NAME, &examples)));
    }
    problems
}

/// The value of a label: empty, or of the form of a label key's name.
pub fn label_value(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > LABEL_BYTES_MAX {
        problems.push(max_bytes(LABEL_BYTES_MAX));
    }
    if !value.is_empty() && !is_label_text(value) {
        problems.push(regex_text(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
             and must start and end with an alphanumeric character",
            &format!("({QUALIFIED_NAME})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    problems
}

/// An identifier of the C language.
pub fn c_identifier(value: &str) -> Problems {
    let first = value.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if first && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Problems::new();
    }
    vec![regex_text(
        "a valid C identifier must start with alphabetic character or '_', \
         followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// The name of an environment variable: printable ASCII without `=`.
pub fn env_var_name(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.is_empty() {
        problems.push("environment variable name must be non-empty".to_owned());
    }
    if value.bytes().any(|byte| !(b' '..=b'~').contains(&byte) || byte == b'=') {
        problems.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    problems
}

/// A key of a ConfigMap or Secret: it becomes a file name.
pub fn config_map_key(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        problems.push(max_characters(SUBDOMAIN_BYTES_MAX));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if value.is_empty() || !value.bytes().all(allowed) {
        problems.push(regex_text(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match value {
        "." => problems.push("must not be '.'".to_owned()),
        ".." => problems.push("must not be '..'".to_owned()),
        _ if value.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// The name of an HTTP header.
pub fn http_header_name(value: &str) -> Problems {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Problems::new();
    }
    vec![regex_text(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// A percentage as text: digits and `%`.
pub fn percent(value: &str) -> Problems {
    let digits = value.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Problems::new();
    }
    vec![regex_text(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// A port's number, 1 to 65535.
pub fn port_number(port: i64) -> Problems {
    in_range(port, 1, 65535)
}

/// A user's or group's id.
pub fn user_or_group_id(id: i64) -> Problems {
    in_range(id, 0, i64::from(i32::MAX))
}

/// A number from `min` to `max`.
pub fn in_range(value: i64, min: i64, max: i64) -> Problems {
    if (min..=max).contains(&value) {
        return Problems::new();
    }
    vec![format!("must be between {min} and {max}, inclusive")]
}

/// The name of a port: 15 lower case letters, digits and single hyphens at most, with a letter among them.
pub fn port_name(value: &str) -> Problems {
    let mut problems = Problems::new();
    if value.len() > 15 {
        problems.push(max_characters(15));
    }
    if value.is_empty() || !value.bytes().all(|byte| lower_or_digit(byte) || byte == b'-') {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

/// A name that can stand as one segment of a URL's path: the names of roles and some others.
pub fn path_segment(value: &str) -> Problems {
    if matches!(value, "." | "..") {
        return vec![format!("may not be '{value}'")];
    }
    ["/", "%"].into_iter().filter(|part| value.contains(part)).map(|part| format!("may not contain '{part}'")).collect()
}

/// [`NameRule`]: a DNS subdomain, as most kinds have it.
pub fn name_is_dns_subdomain(name: &str, generated: bool) -> Problems {
    if generated { dns1123_subdomain(&masked(name)) } else { dns1123_subdomain(name) }
}

/// [`NameRule`]: a DNS label, as namespaces have it.
pub fn name_is_dns_label(name: &str, generated: bool) -> Problems {
    if generated { dns1123_label(&masked(name)) } else { dns1123_label(name) }
}

/// [`NameRule`]: a DNS label that starts with a letter.
pub fn name_is_dns1035_label(name: &str, generated: bool) -> Problems {
    if generated { dns1035_label(&masked(name)) } else { dns1035_label(name) }
}

/// [`NameRule`]: any segment of a URL's path.
pub fn name_is_path_segment(name: &str, _generated: bool) -> Problems {
    path_segment(name)
}

/// The beginning of a generated name with its last two bytes, which end in `-`, replaced by what a suffix would be.
fn masked(name: &str) -> String {
    let mut text = name.to_owned();
    if text.len() > 1 && text.ends_with('-') {
        text.pop();
        text.pop();
        text.push('a');
    }
    text
}

/// A domain with three labels or more.
pub fn fully_qualified_name(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        return errors.required(path, "");
    }
    let problems = dns1123_subdomain(value);
    if !problems.is_empty() {
        errors.invalid(path, value, problems.join(","));
    } else if value.split('.').count() < 3 {
        errors.invalid(path, value, "should be a domain with at least three segments separated by dots");
    }
}

/// A domain with two labels or more; it may end in a dot.
pub fn fully_qualified_domain(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        return errors.required(path, "");
    }
    let name = value.strip_suffix('.').unwrap_or(value);
    let problems = dns1123_subdomain(name);
    if !problems.is_empty() {
        return errors.invalid(path, name, problems.join(","));
    }
    if name.split('.').count() < 2 {
        return errors.invalid(path, name, "should be a domain with at least two segments separated by dots");
    }
    if let Some((label, problems)) =
        name.split('.').map(|label| (label, dns1123_label(label))).find(|(_, problems)| !problems.is_empty())
    {
        errors.invalid(path, label, problems.join(","));
    }
}

/// A domain and a path, such as `acme.io/foo`.
pub fn domain_prefixed_path(value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if value.is_empty() {
        return errors.required(path, "");
    }
    let Some((host, rest)) = value.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        return errors.invalid(path, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    errors.invalid_each(path, host, dns1123_subdomain(host));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !rest.bytes().all(allowed) {
        errors.invalid(path, rest, regex_text("Invalid path", r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", &[]));
    }
}

/// `rule (e.g. 'a',  or 'b', regex used for validation is 'pattern')`: two spaces before `or`, as upstream writes it.
pub fn regex_text(rule: &str, pattern: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{rule} (regex used for validation is '{pattern}')");
    }
    let shown: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{rule} (e.g. {}regex used for validation is '{pattern}')", shown.join(" or "))
}

/// The text for a value with more than `max` characters.
pub fn max_characters(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn max_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

const fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_dns_label(bytes: &[u8]) -> bool {
    edges_and_middle(bytes, lower_or_digit, |byte| lower_or_digit(byte) || byte == b'-')
}

fn is_dns_subdomain(value: &str) -> bool {
    value.as_bytes().split(|byte| *byte == b'.').all(is_dns_label)
}

fn is_label_text(value: &str) -> bool {
    edges_and_middle(
        value.as_bytes(),
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
    )
}

/// Whether a text is not empty, starts and ends with `edge` and has only `middle` between.
fn edges_and_middle(bytes: &[u8], edge: impl Fn(u8) -> bool, middle: impl Fn(u8) -> bool) -> bool {
    match bytes {
        [] => false,
        [only] => edge(*only),
        [first, between @ .., last] => edge(*first) && edge(*last) && between.iter().all(|byte| middle(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_accepts_its_examples_and_names_what_is_wrong() {
        type Case = (fn(&str) -> Problems, &'static str, &'static str);
        let cases: &[Case] = &[
            (dns1123_label, "a-1", ""),
            (dns1123_label, "a.b", "must not contain dots"),
            (dns1035_label, "a1", ""),
            (dns1123_subdomain, "a.b-c.1", ""),
            (dns1123_subdomain_with_underscore, "_tcp.a_b.example", ""),
            (qualified_name, "example.com/My_name", ""),
            (qualified_name, "/a", "prefix part must be non-empty"),
            (label_value, "", ""),
            (c_identifier, "_A1", ""),
            (env_var_name, "a b", ""),
            (env_var_name, "", "environment variable name must be non-empty"),
            (config_map_key, "a.b_C-1", ""),
            (config_map_key, "..a", "must not start with '..'"),
            (percent, "25%", ""),
            (port_name, "a--b-", "must not contain consecutive hyphens|must not begin or end with a hyphen"),
            (path_segment, "a/b%", "may not contain '/'|may not contain '%'"),
        ];
        for (rule, value, expected) in cases {
            assert_eq!(rule(value).join("|"), *expected, "{value:?}");
        }
    }

    #[test]
    fn a_rule_shows_its_expression_and_examples() {
        assert_eq!(
            dns1035_label("1a"),
            ["a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
              character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
              validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"]
        );
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert_eq!(name_is_dns_subdomain("web-", true), Problems::new());
        assert_eq!(name_is_dns_subdomain("web-", false).len(), 1);
    }
}
