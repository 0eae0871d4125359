//! From the text of an expression to its tokens.

use super::Issue;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(String),
    Uint(String),
    Float(String),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token, where it stands, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) at: usize,
    pub(super) token: Token,
    pub(super) written: String,
}

/// The longer ones first.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}", "=", "&", "|",
];

pub(super) fn tokens(source: &str) -> Result<Vec<Spot>, Issue> {
    let mut lexer = Lexer { text: source.chars().collect(), at: 0 };
    let mut spots = Vec::new();
    loop {
        lexer.blanks();
        let at = lexer.at;
        let token = lexer.next()?;
        let written: String = lexer.text[at..lexer.at].iter().collect();
        let is_end = token == Token::End;
        spots.push(Spot { at, token, written });
        if is_end {
            return Ok(spots);
        }
    }
}

struct Lexer {
    text: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts_with(&self, wanted: &str) -> bool {
        wanted.chars().enumerate().all(|(index, one)| self.peek(index) == Some(one))
    }

    fn blanks(&mut self) {
        while let Some(next) = self.peek(0) {
            if matches!(next, ' ' | '\t' | '\n' | '\r' | '\u{c}') {
                self.at += 1;
            } else if self.starts_with("//") {
                while self.peek(0).is_some_and(|next| next != '\n') {
                    self.at += 1;
                }
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Token, Issue> {
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        if let Some(token) = self.quoted()? {
            return Ok(token);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let start = self.at;
            while self.peek(0).is_some_and(|next| next.is_ascii_alphanumeric() || next == '_') {
                self.at += 1;
            }
            return Ok(Token::Name(self.text[start..self.at].iter().collect()));
        }
        if first.is_ascii_digit() || first == '.' && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            return Ok(self.number());
        }
        let sign = SIGNS.iter().find(|sign| self.starts_with(sign));
        match sign {
            Some(sign) if !matches!(*sign, "=" | "&" | "|") => {
                self.at += sign.chars().count();
                Ok(Token::Sign(sign))
            }
            _ => {
                let message = format!("Syntax error: token recognition error at: '{first}'");
                Err(Issue { at: self.at, message })
            }
        }
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        let written = |lexer: &Self, from: usize| -> String { lexer.text[from..lexer.at].iter().collect() };
        if self.starts_with("0x") && self.peek(2).is_some_and(|next| next.is_ascii_hexdigit()) {
            self.at += 2;
            while self.peek(0).is_some_and(|next| next.is_ascii_hexdigit()) {
                self.at += 1;
            }
            let text = written(self, start);
            return self.signless(text);
        }
        let mut is_float = false;
        self.digits();
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            is_float = true;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|next| next.is_ascii_digit()) {
                is_float = true;
                self.at += 1 + sign;
                self.digits();
            }
        }
        let text = written(self, start);
        if is_float { Token::Float(text) } else { self.signless(text) }
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn signless(&mut self, text: String) -> Token {
        if matches!(self.peek(0), Some('u' | 'U')) {
            self.at += 1;
            return Token::Uint(text);
        }
        Token::Int(text)
    }

    /// A text or bytes, with `r` and `b` in front in any order.
    fn quoted(&mut self) -> Result<Option<Token>, Issue> {
        let (mut raw, mut bytes, mut skip) = (false, false, 0);
        while let Some(next) = self.peek(skip) {
            match next {
                'r' | 'R' if !raw => raw = true,
                'b' | 'B' if !bytes => bytes = true,
                '"' | '\'' => break,
                _ => return Ok(None),
            }
            skip += 1;
        }
        let Some(quote @ ('"' | '\'')) = self.peek(skip) else { return Ok(None) };
        let start = self.at;
        let broken = |at: usize, text: &[char]| {
            let rest: String = text[at..].iter().collect();
            Issue { at, message: format!("Syntax error: token recognition error at: '{rest}'") }
        };
        self.at += skip;
        let is_long = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        let width = if is_long { 3 } else { 1 };
        self.at += width;
        let mut content = Vec::new();
        loop {
            let Some(next) = self.peek(0) else { return Err(broken(start, &self.text)) };
            if (0..width).all(|ahead| self.peek(ahead) == Some(quote)) {
                self.at += width;
                break;
            }
            self.at += 1;
            match next {
                '\n' | '\r' if !is_long => return Err(broken(start, &self.text)),
                '\\' if !raw => self.escape(bytes, &mut content).ok_or_else(|| broken(start, &self.text))?,
                other => content.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if bytes {
            return Ok(Some(Token::Bytes(content)));
        }
        let text = String::from_utf8(content).map_err(|_| broken(start, &self.text))?;
        Ok(Some(Token::Text(text)))
    }

    fn escape(&mut self, bytes: bool, content: &mut Vec<u8>) -> Option<()> {
        let next = self.peek(0)?;
        self.at += 1;
        let plain = match next {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '`' | '?' => next,
            'x' | 'X' => return self.code(2, 16, bytes, content),
            'u' if !bytes => return self.code(4, 16, false, content),
            'U' if !bytes => return self.code(8, 16, false, content),
            '0'..='3' => {
                self.at -= 1;
                return self.code(3, 8, bytes, content);
            }
            _ => return None,
        };
        content.extend(plain.encode_utf8(&mut [0; 4]).bytes());
        Some(())
    }

    fn code(&mut self, digits: usize, base: u32, byte: bool, content: &mut Vec<u8>) -> Option<()> {
        let mut value = 0u32;
        for _ in 0..digits {
            value = value.checked_mul(base)?.checked_add(self.peek(0)?.to_digit(base)?)?;
            self.at += 1;
        }
        if byte {
            content.push(u8::try_from(value).ok()?);
        } else {
            content.extend(char::from_u32(value)?.encode_utf8(&mut [0; 4]).bytes());
        }
        Some(())
    }
}
