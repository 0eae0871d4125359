//! Reading a label selector from text.
//!
//! The text is cut into tokens, then read requirement by requirement; the errors say what was found and what was
//! expected, in upstream's words.

use std::collections::BTreeSet;

use super::super::validation::names;
use super::{Operator, Requirement, SelectorError, joined};
use crate::object::field::FieldError;
use crate::object::field::FieldProblem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Error,
    End,
    Close,
    Open,
    Comma,
    Not,
    Identifier,
    In,
    NotIn,
    Sign(Operator),
}

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    Parser { tokens: scan(text), position: 0 }.selector().map_err(SelectorError)
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn keyword(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "(" => Token::Open,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::Sign(Operator::DoubleEquals),
        "=" => Token::Sign(Operator::Equals),
        "!=" => Token::Sign(Operator::NotEquals),
        ">" => Token::Sign(Operator::GreaterThan),
        "<" => Token::Sign(Operator::LessThan),
        "in" => Token::In,
        "notin" => Token::NotIn,
        _ => return None,
    })
}

fn scan(text: &str) -> Vec<(Token, String)> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    while let Some(first) = rest.bytes().next().filter(|byte| *byte != 0) {
        let (token, literal, length) = if is_special(first) { symbol(rest) } else { word(rest) };
        tokens.push((token, literal));
        rest = rest[length..].trim_start_matches([' ', '\t', '\r', '\n']);
    }
    tokens.push((Token::End, String::new()));
    tokens
}

fn word(rest: &str) -> (Token, String, usize) {
    let end = rest.bytes().position(|byte| is_special(byte) || is_space(byte) || byte == 0).unwrap_or(rest.len());
    let literal = &rest[..end];
    (keyword(literal).unwrap_or(Token::Identifier), literal.to_owned(), end)
}

/// The longest operator that the special characters begin with: none has more than two.
fn symbol(rest: &str) -> (Token, String, usize) {
    let known = |length: usize| {
        let literal = rest.get(..length)?;
        Some((keyword(literal)?, literal.to_owned(), length))
    };
    let unknown = || (Token::Error, format!("error expected: keyword found '{rest}'"), rest.len());
    known(2).or_else(|| known(1)).unwrap_or_else(unknown)
}

struct Parser {
    tokens: Vec<(Token, String)>,
    position: usize,
}

impl Parser {
    /// The token here; `in` and `notin` are plain words where no operator can stand.
    fn peek(&self, operator_expected: bool) -> (Token, &str) {
        let (token, literal) = self.tokens.get(self.position).map_or((Token::End, ""), |(token, text)| (*token, text));
        match token {
            Token::In | Token::NotIn if !operator_expected => (Token::Identifier, literal),
            _ => (token, literal),
        }
    }

    fn take(&mut self, operator_expected: bool) -> (Token, String) {
        let (token, literal) = self.peek(operator_expected);
        let taken = (token, literal.to_owned());
        self.position += 1;
        taken
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek(false) {
                (Token::Identifier | Token::Not, _) => {
                    let requirement = self.requirement();
                    requirements.push(requirement.map_err(|error| format!("unable to parse requirement: {error}"))?);
                }
                (Token::End, _) => return Ok(requirements),
                (_, found) => return Err(format!("found '{found}', expected: !, identifier, or 'end of string'")),
            }
            match self.take(false) {
                (Token::End, _) => return Ok(requirements),
                (Token::Comma, _) => match self.peek(false) {
                    (Token::Identifier | Token::Not, _) => {}
                    (_, found) => return Err(format!("found '{found}', expected: identifier after ','")),
                },
                (_, found) => return Err(format!("found '{found}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.take(false);
        let absent = token == Token::Not;
        if absent {
            (token, key) = self.take(false);
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(problem) = joined(names::qualified_name(&key)) {
            // Upstream has no path here, and says so.
            let message = format!("Invalid value: {key:?}: {problem}");
            return Err(FieldError { field: "<nil>".to_owned(), problem: FieldProblem::Invalid, message }.to_string());
        }
        let ends = matches!(self.peek(false).0, Token::End | Token::Comma);
        let (operator, values) = match (absent, ends) {
            (true, _) => (Operator::DoesNotExist, BTreeSet::new()),
            (false, true) => (Operator::Exists, BTreeSet::new()),
            (false, false) => self.comparison()?,
        };
        let values: Vec<String> = values.into_iter().collect();
        Requirement::new(&key, operator, &values).map_err(|error| error.to_string())
    }

    fn comparison(&mut self) -> Result<(Operator, BTreeSet<String>), String> {
        match self.take(true) {
            (Token::In, _) => Ok((Operator::In, self.values()?)),
            (Token::NotIn, _) => Ok((Operator::NotIn, self.values()?)),
            (Token::Sign(operator), _) => Ok((operator, self.value()?)),
            (_, found) => Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek(false).0, Token::End | Token::Comma) {
            return Ok([String::new()].into());
        }
        match self.take(false) {
            (Token::Identifier, value) => Ok([value].into()),
            (_, found) => Err(format!("found '{found}', expected: identifier")),
        }
    }

    /// A list in brackets, in which a missing value is the empty text.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        match self.take(false) {
            (Token::Open, _) => {}
            (_, found) => return Err(format!("found '{found}' expected: '('")),
        }
        match self.peek(false) {
            (Token::Identifier | Token::Comma, _) => {
                let values = self.identifiers()?;
                self.position += 1;
                Ok(values)
            }
            (Token::Close, _) => {
                self.position += 1;
                Ok([String::new()].into())
            }
            (_, found) => Err(format!("found '{found}', expected: ',', ')' or identifier")),
        }
    }

    /// Reads up to the closing bracket, which it leaves.
    fn identifiers(&mut self) -> Result<BTreeSet<String>, String> {
        let mut values = BTreeSet::new();
        loop {
            let (token, literal) = self.take(false);
            let next = self.peek(false);
            match token {
                Token::Identifier => {
                    values.insert(literal);
                    match next {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values),
                        (_, found) => return Err(format!("found '{found}', expected: ',' or ')'")),
                    }
                }
                Token::Comma => {
                    if values.is_empty() || matches!(next.0, Token::Close | Token::Comma) {
                        values.insert(String::new());
                    }
                    if next.0 == Token::Close {
                        return Ok(values);
                    }
                }
                _ => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
    }
}
