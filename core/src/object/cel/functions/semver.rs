//! Versions as <https://semver.org> orders them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::Failure;
use super::super::value::Value;
use super::Called;

/// `1.2.3-alpha.1+build`; the build counts for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Semver {
    numbers: [u64; 3],
    prerelease: Vec<Identifier>,
}

/// A part of what comes before a release: numbers are before texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(Box<str>),
}

impl Semver {
    /// Which comes first: a release comes after all that leads to it.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let released = |version: &Self| version.prerelease.is_empty();
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| released(self).cmp(&released(other)))
            .then_with(|| self.prerelease.cmp(&other.prerelease))
    }

    pub(in crate::object::cel) fn read(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, prerelease) =
            text.split_once('-').map_or((text, None), |(numbers, prerelease)| (numbers, Some(prerelease)));
        let mut parts = numbers.split('.').map(number);
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        let is_name =
            |part: &str| !part.is_empty() && part.chars().all(|one| one.is_ascii_alphanumeric() || one == '-');
        if parts.next().is_some() || build.is_some_and(|build| !build.split('.').all(is_name)) {
            return None;
        }
        let identifier = |part: &str| {
            let is_number = part.chars().all(|one| one.is_ascii_digit());
            match is_number && !part.is_empty() {
                true => number(part).map(Identifier::Number),
                false => is_name(part).then(|| Identifier::Text(part.into())),
            }
        };
        let prerelease = prerelease.map(|list| list.split('.').map(identifier).collect::<Option<Vec<_>>>());
        Some(Self { numbers, prerelease: prerelease.map_or(Some(Vec::new()), |list| list)? })
    }

    /// The same for what people write: `v1.2`, `01.2.3`.
    fn read_leniently(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut parts: Vec<&str> = numbers
            .split('.')
            .map(|part| match part.trim_start_matches('0') {
                "" if !part.is_empty() => "0",
                trimmed => trimmed,
            })
            .collect();
        while parts.len() < 3 {
            parts.push("0");
        }
        Self::read(&format!("{}{rest}", parts.join(".")))
    }
}

/// A number without a sign and without zeros before it.
fn number(text: &str) -> Option<u64> {
    let is_number = text.chars().all(|one| one.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_number { text.parse().ok() } else { None }
}

pub(super) fn call(name: &str, values: &[Value]) -> Option<Called> {
    let whole = |number: u64| Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    Some(match (name, values) {
        ("isSemver" | "semver", [Value::Text(text), rest @ ..]) => {
            let version = match rest {
                [] | [Value::Bool(false)] => Semver::read(text),
                [Value::Bool(true)] => Semver::read_leniently(text),
                _ => return None,
            };
            match (name, version) {
                ("isSemver", version) => Ok(Value::Bool(version.is_some())),
                (_, Some(version)) => Ok(Value::Semver(Arc::new(version))),
                (_, None) => Err(Failure::new(format!("`{text}` is no semantic version"))),
            }
        }
        ("major", [Value::Semver(version)]) => whole(version.numbers[0]),
        ("minor", [Value::Semver(version)]) => whole(version.numbers[1]),
        ("patch", [Value::Semver(version)]) => whole(version.numbers[2]),
        ("isLessThan", [Value::Semver(one), Value::Semver(other)]) => Ok(Value::Bool(one.precedence(other).is_lt())),
        ("isGreaterThan", [Value::Semver(one), Value::Semver(other)]) => Ok(Value::Bool(one.precedence(other).is_gt())),
        ("compareTo", [Value::Semver(one), Value::Semver(other)]) => Ok(Value::Int(one.precedence(other) as i64)),
        _ => return None,
    })
}
