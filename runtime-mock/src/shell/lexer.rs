//! Splits a text into words and operators.

use std::sync::Arc;

use super::{Content, Piece, Program, Word};

/// A piece of the text between blanks.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Word(Word),
    /// `;`, `&&`, `||`, `|`, a newline is `;`.
    Operator(&'static str),
    /// `>`, `>>`, `<`, with the descriptor before it.
    Redirect {
        from: u8,
        append: bool,
    },
    /// `2>&1` and the like.
    Duplicate {
        from: u8,
        to: u8,
    },
}

/// The tokens of a text, or `None` when it has something in it that this shell does not know.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    Lexer { rest: text, tokens: Vec::new() }.run()
}

struct Lexer<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
}

const OPERATORS: [(&str, &str); 5] = [("&&", "&&"), ("||", "||"), ("|", "|"), (";", ";"), ("\n", ";")];

impl Lexer<'_> {
    fn run(mut self) -> Option<Vec<Token>> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            let Some(first) = self.rest.chars().next() else { return Some(self.tokens) };
            if first == '#' {
                self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
            } else if self.rest.starts_with("\\\n") {
                self.rest = &self.rest[2..];
            } else if self.rest.starts_with(";;") {
                return None;
            } else if let Some((text, name)) = OPERATORS.iter().find(|(text, _)| self.rest.starts_with(text)) {
                self.rest = &self.rest[text.len()..];
                self.tokens.push(Token::Operator(name));
            } else if let Some(token) = self.redirect()? {
                self.tokens.push(token);
            } else if matches!(first, '&' | '(' | ')' | '`') {
                return None;
            } else {
                let word = self.word()?;
                self.tokens.push(Token::Word(word));
            }
        }
    }

    /// A redirection at this place; the outer `None` for a kind that is not known.
    fn redirect(&mut self) -> Option<Option<Token>> {
        let bytes = self.rest.as_bytes();
        let (from, at) = match bytes {
            [digit @ b'0'..=b'2', b'>' | b'<', ..] => (Some(digit - b'0'), 1),
            [b'>' | b'<', ..] => (None, 0),
            [b'&', b'>', ..] => return None,
            _ => return Some(None),
        };
        let input = bytes[at] == b'<';
        let from = from.unwrap_or(u8::from(!input));
        let after = &self.rest[at + 1..];
        if input && after.starts_with(['<', '&', '>']) {
            return None;
        }
        if let Some(after) = after.strip_prefix('&') {
            let to = after.bytes().next().filter(|byte| matches!(byte, b'1' | b'2'))?;
            self.rest = &after[1..];
            return Some(Some(Token::Duplicate { from, to: to - b'0' }));
        }
        let append = after.starts_with('>');
        self.rest = &after[usize::from(append)..];
        Some(Some(Token::Redirect { from, append }))
    }

    fn word(&mut self) -> Option<Word> {
        let mut pieces = Vec::new();
        while let Some(first) = self.rest.chars().next() {
            match first {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    let (inside, rest) = self.rest[1..].split_once('\'')?;
                    literal(&mut pieces, inside, true);
                    self.rest = rest;
                }
                '"' => {
                    self.rest = &self.rest[1..];
                    self.double_quoted(&mut pieces)?;
                }
                '\\' => {
                    let escaped = self.rest[1..].chars().next()?;
                    literal(&mut pieces, escaped.encode_utf8(&mut [0; 4]), true);
                    self.rest = &self.rest[1 + escaped.len_utf8()..];
                }
                '`' => return None,
                '$' => self.dollar(&mut pieces, false)?,
                _ => {
                    let end = self
                        .rest
                        .find([' ', '\t', '\r', '\n', ';', '&', '|', '<', '>', '(', ')', '\'', '"', '\\', '`', '$']);
                    let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                    literal(&mut pieces, text, false);
                    self.rest = rest;
                }
            }
        }
        Some(Word(pieces))
    }

    fn double_quoted(&mut self, pieces: &mut Vec<Piece>) -> Option<()> {
        literal(pieces, "", true);
        loop {
            let end = self.rest.find(['"', '\\', '$', '`'])?;
            let (text, rest) = self.rest.split_at(end);
            literal(pieces, text, true);
            self.rest = rest;
            match rest.as_bytes().first()? {
                b'"' => {
                    self.rest = &rest[1..];
                    return Some(());
                }
                b'$' => self.dollar(pieces, true)?,
                b'\\' => {
                    let escaped = rest[1..].chars().next()?;
                    if !matches!(escaped, '"' | '\\' | '$' | '`') {
                        literal(pieces, "\\", true);
                    }
                    literal(pieces, escaped.encode_utf8(&mut [0; 4]), true);
                    self.rest = &rest[1 + escaped.len_utf8()..];
                }
                _ => return None,
            }
        }
    }

    /// `$NAME`, `${NAME}`, `$?`, `$1` or `$(...)`.
    fn dollar(&mut self, pieces: &mut Vec<Piece>, quoted: bool) -> Option<()> {
        let rest = &self.rest[1..];
        let what = if rest.starts_with("((") {
            return None;
        } else if let Some(inside) = rest.strip_prefix('(') {
            let end = closing(inside)?;
            self.rest = &inside[end + 1..];
            Content::Output(Arc::new(Program::parsed(&inside[..end], false, Vec::new())?))
        } else if let Some(inside) = rest.strip_prefix('{') {
            let (name, rest) = inside.split_once('}')?;
            self.rest = rest;
            Content::Variable(is_name(name).then(|| name.to_owned())?)
        } else {
            let length = match rest.chars().next() {
                Some('?' | '$' | '#' | '@' | '*') => 1,
                Some(c) if c.is_ascii_digit() => 1,
                _ => rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len()),
            };
            self.rest = &rest[length..];
            if length == 0 { Content::Literal("$".to_owned()) } else { Content::Variable(rest[..length].to_owned()) }
        };
        pieces.push(Piece { what, quoted });
        Some(())
    }
}

/// Where the parenthesis closes that was opened before this text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(at),
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn literal(pieces: &mut Vec<Piece>, text: &str, quoted: bool) {
    pieces.push(Piece { what: Content::Literal(text.to_owned()), quoted });
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !text.is_empty()
}
