//! Blocks of PEM, in which keys and certificates are handed around as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'p> {
    /// What it says that it is, such as `CERTIFICATE`.
    pub kind: &'p str,
    /// Whether lines with a name and a value stand before what it holds.
    pub has_headers: bool,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The blocks of a text in their order. What stands between them is no matter, and what is none is passed over.
pub fn blocks(mut text: &str) -> impl Iterator<Item = Block<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (begun, after) = begin(text)?;
            let Some((kind, body)) = begun.strip_suffix(DASHES).map(|kind| (kind, after)) else {
                text = after;
                continue;
            };
            match block(kind, body) {
                Some((block, rest)) => {
                    text = rest;
                    return Some(block);
                }
                None => text = body,
            }
        }
    })
}

/// What follows the next beginning of a block on its line, and what follows that line.
fn begin(text: &str) -> Option<(&str, &str)> {
    let at = text.match_indices(BEGIN).map(|(at, _)| at).find(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')?;
    let (line, rest) = line_of(&text[at + BEGIN.len()..]);
    Some((line, rest))
}

/// The first line of a text without what ends it, and the rest.
fn line_of(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.trim_end(), rest)
}

fn block<'p>(kind: &'p str, mut body: &'p str) -> Option<(Block<'p>, &'p str)> {
    let mut has_headers = false;
    loop {
        let (line, rest) = line_of(body);
        if !line.contains(':') {
            break;
        }
        has_headers = true;
        body = rest;
    }
    let end = format!("-----END {kind}-----");
    let (packed, rest) = body.split_once(&end)?;
    if !(packed.is_empty() || packed.ends_with('\n')) {
        return None;
    }
    let packed: String = packed.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).ok()?;
    Some((Block { kind, has_headers, bytes }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_the_blocks_that_are_whole() {
        let found = |text: &str| {
            let shown = |block: Block<'_>| {
                format!("{}{} {}", block.kind, if block.has_headers { "+" } else { "" }, block.bytes.len())
            };
            blocks(text).map(shown).collect::<Vec<_>>().join(", ")
        };
        let one = "-----BEGIN A B-----\nAAAA\nAA==\n-----END A B-----\n";
        for (text, expected) in [
            (String::new(), ""),
            ("a text".to_owned(), ""),
            (one.to_owned(), "A B 4"),
            (one.replace('\n', "\r\n"), "A B 4"),
            (format!("before\n{one}between\n{one}after"), "A B 4, A B 4"),
            (one.replace("AAAA", "Name: value\n\nAAAA"), "A B+ 4"),
            (one.replace("END A B", "END A"), ""),
            (one.replace("AA==", "A*=="), ""),
            (format!("x{one}"), ""),
            (format!("-----BEGIN X-----\n{one}"), "A B 4"),
        ] {
            assert_eq!(found(&text), expected, "{text:?}");
        }
    }
}
