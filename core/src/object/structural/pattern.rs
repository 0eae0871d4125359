//! Regular expressions in the syntax of Go (RE2), as `pattern` and expressions have them.
//!
//! They are translated to the syntax of the crate `regex`, which differs in little: `\d`, `\w`, `\s` and `\b` mean ASCII in
//! Go, classes do not nest, `\Q...\E` quotes, octal escapes exist and repetitions end at 1,000. Matching takes time that is
//! linear in the text, whatever the expression; how large a compiled one may be is bounded.

use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// How many bytes a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// How often something may be repeated, as in Go.
const REPETITIONS_MAX: u32 = 1000;

/// An expression that is compiled when it is first used.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The expression; whether it is one shows when it is used.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches somewhere in a text. One that is none matches nothing: whoever writes it is told so.
    pub fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| compile(&self.text).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Compiles an expression.
///
/// # Errors
/// Why it is none, in Go's words where it is a frequent mistake.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = Translation { rest: pattern, out: String::with_capacity(pattern.len() + 16) }.run()?;
    let built = RegexBuilder::new(&translated).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        other => format!("error parsing regexp: {}", reason(&other.to_string(), pattern)),
    })
}

/// What is wrong, in Go's words; the crate draws it on several lines.
fn reason(told: &str, pattern: &str) -> String {
    let says = |text: &str| told.contains(text);
    if says("unclosed group") {
        format!("missing closing ): `{pattern}`")
    } else if says("unopened group") {
        format!("unexpected ): `{pattern}`")
    } else if says("unclosed character class") {
        format!("missing closing ]: `{}`", pattern.find('[').map_or(pattern, |at| &pattern[at..]))
    } else if says("repetition operator missing expression") {
        let operator = pattern.find(['*', '+', '?']).map_or(pattern, |at| &pattern[at..=at]);
        format!("missing argument to repetition operator: `{operator}`")
    } else if says("look-around") {
        let at = ["(?=", "(?!", "(?<"].iter().filter_map(|start| pattern.find(start)).min();
        let start = at.map_or(pattern, |at| pattern.get(at..at + 3).unwrap_or(pattern));
        format!("invalid or unsupported Perl syntax: `{start}`")
    } else {
        let last = told.lines().last().unwrap_or(told).trim();
        format!("{}: `{pattern}`", last.strip_prefix("error: ").unwrap_or(last))
    }
}

/// One pass over an expression.
struct Translation<'p> {
    rest: &'p str,
    out: String,
}

impl<'p> Translation<'p> {
    fn run(mut self) -> Result<String, String> {
        while let Some(next) = self.take() {
            match next {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '{' => self.repetition()?,
                '(' => self.group()?,
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn take_if(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What follows a backslash, in a class or not.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let trailing = || "error parsing regexp: trailing backslash at end of expression: ``".to_owned();
        let escaped = self.take().ok_or_else(trailing)?;
        let invalid = |what: char| format!("error parsing regexp: invalid escape sequence: `\\{what}`");
        match escaped {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str("[0-9A-Za-z_]"),
            'W' => self.out.push_str("[^0-9A-Za-z_]"),
            's' => self.out.push_str("[\\t\\n\\f\\r ]"),
            'S' => self.out.push_str("[^\\t\\n\\f\\r ]"),
            'b' | 'B' | 'A' | 'z' if in_class => return Err(invalid(escaped)),
            'b' => self.out.push_str("(?-u:\\b)"),
            'A' | 'z' | 'B' => {
                self.out.push('\\');
                self.out.push(escaped);
            }
            'Q' if !in_class => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(quoted));
                self.rest = rest;
            }
            'p' | 'P' | 'x' => {
                self.out.push('\\');
                self.out.push(escaped);
                if self.take_if("{") {
                    let (name, rest) = self.rest.split_once('}').ok_or_else(|| invalid(escaped))?;
                    self.out.push('{');
                    self.out.push_str(name);
                    self.out.push('}');
                    self.rest = rest;
                }
            }
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                self.out.push('\\');
                self.out.push(escaped);
            }
            '0'..='7' => self.octal(escaped).ok_or_else(|| invalid(escaped))?,
            other if other.is_ascii_punctuation() => self.out.push_str(&escape_one(other)),
            other => return Err(invalid(other)),
        }
        Ok(())
    }

    /// `\0`, `\12`, `\123`; one digit that is not zero would refer to a group.
    fn octal(&mut self, first: char) -> Option<()> {
        let mut value = first.to_digit(8)?;
        let mut digits = 1;
        while digits < 3
            && let Some(digit) = self.rest.chars().next().and_then(|next| next.to_digit(8))
        {
            self.take();
            value = value * 8 + digit;
            digits += 1;
        }
        if first != '0' && digits == 1 {
            return None;
        }
        self.out.push_str(&format!("\\x{{{value:x}}}"));
        Some(())
    }

    /// A class, in which only `\`, `[:name:]`, `-` and `]` are special.
    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let missing = || format!("error parsing regexp: missing closing ]: `[{whole}`");
        self.out.push('[');
        if self.take_if("^") {
            self.out.push('^');
        }
        if self.take_if("]") {
            self.out.push_str("\\]");
        }
        loop {
            match self.take().ok_or_else(missing)? {
                ']' => break,
                '\\' => self.escape(true)?,
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => {
                    let (name, rest) = self.rest.split_once(":]").ok_or_else(missing)?;
                    self.out.push('[');
                    self.out.push_str(name);
                    self.out.push_str(":]");
                    self.rest = rest;
                }
                special @ ('[' | '&' | '~') => {
                    self.out.push('\\');
                    self.out.push(special);
                }
                // Two in a row would be a difference of classes; the first of all or the last stands for itself.
                '-' if self.rest.starts_with('-') => self.out.push_str("\\-"),
                other => self.out.push(other),
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else in braces stands for itself.
    fn repetition(&mut self) -> Result<(), String> {
        let counts = self.rest.split_once('}').filter(|(inner, _)| {
            let mut parts = inner.splitn(2, ',');
            let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            parts.next().is_some_and(number) && parts.next().is_none_or(|max| max.is_empty() || number(max))
        });
        let Some((inner, rest)) = counts else {
            self.out.push_str("\\{");
            return Ok(());
        };
        let is_too_large =
            |text: &str| !text.is_empty() && text.parse().map_or(true, |count: u32| count > REPETITIONS_MAX);
        if inner.split(',').any(is_too_large) {
            return Err(format!("error parsing regexp: invalid repeat count: `{{{inner}}}`"));
        }
        self.out.push('{');
        self.out.push_str(inner);
        self.out.push('}');
        self.rest = rest;
        Ok(())
    }

    /// A group; its name is taken over as it is, its flags must be Go's.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.take_if("?") {
            return Ok(());
        }
        self.out.push('?');
        let flags: String = self.rest.chars().take_while(|next| next.is_ascii_alphabetic()).collect();
        let is_name = self.rest.starts_with("P<");
        if !is_name && flags.chars().any(|flag| !"imsU".contains(flag)) {
            return Err(format!("error parsing regexp: invalid or unsupported Perl syntax: `(?{flags}`"));
        }
        Ok(())
    }
}

/// A punctuation character that stands for itself.
fn escape_one(character: char) -> String {
    let mut buffer = [0; 4];
    regex::escape(character.encode_utf8(&mut buffer))
}

#[cfg(test)]
mod tests {
    use super::{Pattern, compile};

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        let matching = [
            (r"^[a-z]+$", "abc", true),
            (r"^[a-z]+$", "abc\n", false),
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\w.-]+$", "a_b.c-d", true),
            (r"^[[a]$", "[", true),
            (r"^[a&&b]+$", "&a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]+$", "bc", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^a{,3}$", "a{,3}", true),
            (r"^\101$", "A", true),
            (r"\bfoo\b", "a foo b", true),
            (r"^(?i)ABC$", "abc", true),
            (r"^(?P<x>a|b)+$", "abab", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^\p{Greek}+$", "αβ", true),
            (r"^[0-9a-z---]+$", "a-9", true),
            (r"^\/path\/$", "/path/", true),
            ("^\u{e4}$", "\u{e4}", true),
        ];
        for (pattern, text, matches) in matching {
            assert!(compile(pattern).is_ok(), "{pattern}: {:?}", compile(pattern));
            assert_eq!(Pattern::new(pattern).matches(text), matches, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_is_none_is_refused_and_what_is_huge_too() {
        for pattern in ["a(", "a)", "[a", "*", "a{1001}", r"\1", r"a\", "(?=a)", r"\y", r"\p{Nope}"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert_eq!(compile("a(").err().as_deref(), Some("error parsing regexp: missing closing ): `a(`"));
        assert!(compile(r"((\p{L}{1000}){1000}){1000}").is_err());
    }

    #[test]
    fn a_catastrophic_pattern_takes_linear_time() {
        let text = "a".repeat(50_000);
        assert!(!Pattern::new("^(a+)+$").matches(&format!("{text}!")));
    }
}
