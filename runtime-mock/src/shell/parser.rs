//! Turns tokens into ops: the commands in order, with jumps for everything that chooses.

use super::lexer::Token;
use super::{Op, Redirect, RedirectTarget, Simple, Word};

/// The ops of a text, or `None` when it is not understood.
pub(super) fn parse(tokens: &[Token]) -> Option<Vec<Op>> {
    let mut parser = Parser { tokens, at: 0, ops: Vec::new(), loops: 0, depth: 0 };
    parser.list(&[])?;
    (parser.at == tokens.len()).then_some(parser.ops)
}

/// How deep compounds may be nested.
const MAX_DEPTH: usize = 32;

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    ops: Vec<Op>,
    loops: usize,
    depth: usize,
}

impl Parser<'_> {
    /// Commands up to one of these keywords (or the end), which is left in place.
    fn list(&mut self, until: &[&str]) -> Option<()> {
        loop {
            while self.operator(";") {}
            if self.at == self.tokens.len() || self.keyword().is_some_and(|word| until.contains(&word)) {
                return Some(());
            }
            self.and_or()?;
            if self.at < self.tokens.len() && !self.operator(";") {
                return None;
            }
        }
    }

    fn and_or(&mut self) -> Option<()> {
        self.command()?;
        loop {
            // `a && b` skips b when a failed, `a || b` when it did not.
            let skip_on = match self.tokens.get(self.at) {
                Some(Token::Operator("&&")) => false,
                Some(Token::Operator("||")) => true,
                _ => return Some(()),
            };
            self.at += 1;
            while self.operator(";") {}
            if let Some(Op::Run { checked, .. }) = self.ops.last_mut() {
                *checked = true;
            }
            let jump = self.placeholder();
            self.command()?;
            self.ops[jump] = Op::JumpIf { success: skip_on, target: self.ops.len() };
        }
    }

    fn command(&mut self) -> Option<()> {
        match self.keyword() {
            Some("if") => self.nested(Self::conditional),
            Some("while") => self.nested(|parser| parser.repetition(true)),
            Some("until") => self.nested(|parser| parser.repetition(false)),
            Some("for") => self.nested(Self::iteration),
            Some("{") => self.nested(|parser| {
                parser.list(&["}"])?;
                parser.expect("}")
            }),
            Some("then" | "else" | "elif" | "fi" | "do" | "done" | "case" | "esac" | "function" | "}") => None,
            _ => self.pipeline(),
        }
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        parse(self)?;
        self.depth -= 1;
        Some(())
    }

    /// After `if` or `elif`.
    fn conditional(&mut self) -> Option<()> {
        self.condition("then")?;
        let to_else = self.placeholder();
        self.list(&["elif", "else", "fi"])?;
        let to_end = self.placeholder();
        self.ops[to_else] = Op::JumpIf { success: false, target: self.ops.len() };
        match self.keyword() {
            Some("elif") => {
                self.nested(Self::conditional)?;
            }
            Some("else") => {
                self.at += 1;
                self.list(&["fi"])?;
                self.expect("fi")?;
            }
            _ => {
                self.expect("fi")?;
                self.ops.push(Op::Succeed);
            }
        }
        self.ops[to_end] = Op::Jump(self.ops.len());
        Some(())
    }

    /// After `while` (which goes on as long as the condition succeeds) or `until`.
    fn repetition(&mut self, go_on_when: bool) -> Option<()> {
        let start = self.ops.len();
        self.condition("do")?;
        let leave = self.placeholder();
        self.list(&["done"])?;
        self.expect("done")?;
        self.ops.push(Op::Jump(start));
        self.ops[leave] = Op::JumpIf { success: !go_on_when, target: self.ops.len() };
        self.ops.push(Op::Succeed);
        Some(())
    }

    /// After `for`.
    fn iteration(&mut self) -> Option<()> {
        let variable = self.keyword()?.to_owned();
        self.at += 1;
        self.expect("in")?;
        let mut words = Vec::new();
        while let Some(Token::Word(word)) = self.tokens.get(self.at) {
            words.push(word.clone());
            self.at += 1;
        }
        while self.operator(";") {}
        self.expect("do")?;
        let slot = self.loops;
        self.loops += 1;
        self.ops.push(Op::ForWords { slot, words });
        let next = self.placeholder();
        self.list(&["done"])?;
        self.expect("done")?;
        self.ops.push(Op::Jump(next));
        self.ops[next] = Op::ForNext { slot, variable, end: self.ops.len() };
        Some(())
    }

    /// A list whose status is looked at, up to and with this keyword.
    fn condition(&mut self, end: &str) -> Option<()> {
        self.list(&[end])?;
        self.expect(end)?;
        if let Some(Op::Run { checked, .. }) = self.ops.last_mut() {
            *checked = true;
        }
        Some(())
    }

    fn pipeline(&mut self) -> Option<()> {
        let mut negated = false;
        while self.keyword() == Some("!") {
            self.at += 1;
            negated = !negated;
        }
        let mut pipeline = vec![self.simple()?];
        while self.operator("|") {
            pipeline.push(self.simple()?);
        }
        self.ops.push(Op::Run { pipeline, negated, checked: negated });
        Some(())
    }

    fn simple(&mut self) -> Option<Simple> {
        let mut simple = Simple::default();
        let start = self.at;
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Word(word)) => {
                    let assignment = if simple.words.is_empty() { assignment(word) } else { None };
                    match assignment {
                        Some(assignment) => simple.assignments.push(assignment),
                        None => simple.words.push(word.clone()),
                    }
                }
                Some(&Token::Duplicate { from, to }) => {
                    simple.redirects.push(Redirect { from, to: RedirectTarget::Descriptor(to) });
                }
                Some(&Token::Redirect { from, append }) => {
                    self.at += 1;
                    let Some(Token::Word(path)) = self.tokens.get(self.at) else { return None };
                    simple.redirects.push(Redirect { from, to: RedirectTarget::File { path: path.clone(), append } });
                }
                Some(Token::Operator(_)) | None => break,
            }
            self.at += 1;
        }
        (self.at > start).then_some(simple)
    }

    /// The next word when it may be a keyword.
    fn keyword(&self) -> Option<&str> {
        match self.tokens.get(self.at)? {
            Token::Word(word) => word.plain(),
            Token::Operator(_) | Token::Redirect { .. } | Token::Duplicate { .. } => None,
        }
    }

    fn expect(&mut self, keyword: &str) -> Option<()> {
        (self.keyword()? == keyword).then(|| self.at += 1)
    }

    fn operator(&mut self, name: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Operator(found)) if *found == name);
        self.at += usize::from(found);
        found
    }

    /// An op that is filled in once its target is known.
    fn placeholder(&mut self) -> usize {
        self.ops.push(Op::Jump(usize::MAX));
        self.ops.len() - 1
    }
}

/// `NAME=value` before a command.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let (first, others) = word.0.split_first()?;
    let super::Content::Literal(text) = &first.what else { return None };
    if first.quoted {
        return None;
    }
    let (name, value) = text.split_once('=')?;
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut pieces = vec![super::Piece { what: super::Content::Literal(value.to_owned()), quoted: true }];
    pieces.extend(others.iter().cloned());
    valid.then(|| (name.to_owned(), Word(pieces)))
}
