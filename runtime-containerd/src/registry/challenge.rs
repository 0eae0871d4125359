//! What a registry wants to see: the header `WWW-Authenticate`, as RFC 9110 writes it.
//!
//! ```text
//! Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull"
//! ```

use std::collections::BTreeMap;

/// One way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case: `basic`, `bearer`.
    pub(super) scheme: String,
    /// By their names in lower case.
    pub(super) parameters: BTreeMap<String, String>,
}

/// All challenges of a header; what cannot be understood ends the list.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return challenges;
        }
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(after) => {
                let (value, after) = value(after.trim_start_matches([' ', '\t']));
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.insert(word.to_ascii_lowercase(), value);
                }
                rest = after;
            }
            None => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
                rest = after;
            }
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    text.split_at(text.find(|letter| !part(letter)).unwrap_or(text.len()))
}

/// A word, or a text in quotes in which a backslash takes the next letter as it is.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return (word.to_owned(), rest);
    };
    let (mut value, mut letters) = (String::new(), quoted.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let show = |header: &str| {
            let all = parse(header).into_iter().map(|challenge| {
                let parameters = challenge.parameters.iter().map(|(key, value)| format!(" {key}={value}"));
                challenge.scheme + &parameters.collect::<String>()
            });
            all.collect::<Vec<_>>().join("; ")
        };
        let rows = [
            (
                r#"Bearer realm="https://a/t?x=1",service="r, s",scope="repository:a/b:pull,push""#,
                "bearer realm=https://a/t?x=1 scope=repository:a/b:pull,push service=r, s",
            ),
            (r#"BASIC Realm="say \"hi\"""#, r#"basic realm=say "hi""#),
            (r#"Basic realm=x, Bearer realm = "y""#, "basic realm=x; bearer realm=y"),
            ("Negotiate", "negotiate"),
            (r#"Bearer realm="never ends"#, "bearer realm=never ends"),
            (r#""?"#, ""),
            ("", ""),
        ];
        for (header, expected) in rows {
            assert_eq!(show(header), expected, "{header}");
        }
    }
}
