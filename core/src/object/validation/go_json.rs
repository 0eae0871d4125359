//! Whether bytes are a JSON object, with the words of Go's decoder for what they are instead.

/// What kind of JSON value bytes are: `object`, `array`, `string`, `number`, `bool` or `null`.
pub(crate) fn kind(bytes: &[u8]) -> Result<&'static str, String> {
    let mut scanner = Scanner { bytes, at: 0 };
    let kind = scanner.value()?;
    scanner.blanks();
    match scanner.peek() {
        Some(next) => Err(format!("invalid character {} after top-level value", quoted(next))),
        None => Ok(kind),
    }
}

/// Checks that bytes are a JSON object.
pub(super) fn object(bytes: &[u8]) -> Result<(), String> {
    match kind(bytes)? {
        "object" | "null" => Ok(()),
        other => Err(format!("json: cannot unmarshal {other} into Go value of type map[string]interface {{}}")),
    }
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        0x80.. => format!("'{}'", char::from(byte)),
        other => format!("'\\x{other:02x}'"),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Scanned<T> = Result<T, String>;

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Scanned<u8> {
        let byte = self.peek().ok_or_else(|| "unexpected end of JSON input".to_owned())?;
        self.at += 1;
        Ok(byte)
    }

    fn refuse<T>(byte: u8, context: &str) -> Scanned<T> {
        Err(format!("invalid character {} {context}", quoted(byte)))
    }

    /// The kind of the value that was read.
    fn value(&mut self) -> Scanned<&'static str> {
        // Nesting is kept here and not on the stack: secrets come from outside.
        let mut open: Vec<u8> = Vec::new();
        let mut outermost = "";
        loop {
            self.blanks();
            let byte = self.next()?;
            let kind = match byte {
                b'{' => "object",
                b'[' => "array",
                b'"' => {
                    self.text()?;
                    "string"
                }
                b'-' | b'0'..=b'9' => {
                    self.number(byte)?;
                    "number"
                }
                b't' => self.literal("true", "bool")?,
                b'f' => self.literal("false", "bool")?,
                b'n' => self.literal("null", "null")?,
                other => return Self::refuse(other, "looking for beginning of value"),
            };
            if outermost.is_empty() {
                outermost = kind;
            }
            let opened = match byte {
                b'{' => self.first_key()?.then_some(b'{'),
                b'[' => self.first_item()?.then_some(b'['),
                _ => None,
            };
            if let Some(bracket) = opened {
                open.push(bracket);
                continue;
            }
            if !self.close(&mut open)? {
                return Ok(outermost);
            }
        }
    }

    /// After an opening brace: false when the object is empty, else its first key has been read.
    fn first_key(&mut self) -> Scanned<bool> {
        self.blanks();
        match self.next()? {
            b'}' => Ok(false),
            b'"' => self.key().map(|()| true),
            other => Self::refuse(other, "looking for beginning of object key string"),
        }
    }

    fn first_item(&mut self) -> Scanned<bool> {
        self.blanks();
        let empty = self.peek() == Some(b']');
        self.at += usize::from(empty);
        Ok(!empty)
    }

    fn key(&mut self) -> Scanned<()> {
        self.text()?;
        self.blanks();
        match self.next()? {
            b':' => Ok(()),
            other => Self::refuse(other, "after object key"),
        }
    }

    /// After a value: true when another value follows, false when the outermost one is at its end.
    fn close(&mut self, open: &mut Vec<u8>) -> Scanned<bool> {
        while let Some(bracket) = open.last().copied() {
            self.blanks();
            match (bracket, self.next()?) {
                (b'{', b',') => {
                    self.blanks();
                    return match self.next()? {
                        b'"' => self.key().map(|()| true),
                        other => Self::refuse(other, "looking for beginning of object key string"),
                    };
                }
                (b'[', b',') => return Ok(true),
                (b'{', b'}') | (b'[', b']') => {
                    open.pop();
                }
                (b'{', other) => return Self::refuse(other, "after object key:value pair"),
                (_, other) => return Self::refuse(other, "after array element"),
            }
        }
        Ok(false)
    }

    fn text(&mut self) -> Scanned<()> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next()?;
                            if !digit.is_ascii_hexdigit() {
                                return Self::refuse(digit, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    other => return Self::refuse(other, "in string escape code"),
                },
                control @ ..0x20 => return Self::refuse(control, "in string literal"),
                _ => {}
            }
        }
    }

    fn literal(&mut self, word: &str, kind: &'static str) -> Scanned<&'static str> {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                return Self::refuse(byte, &format!("in literal {word} (expecting {})", quoted(expected)));
            }
        }
        Ok(kind)
    }

    fn number(&mut self, first: u8) -> Scanned<()> {
        let mut first = first;
        if first == b'-' {
            first = self.next()?;
            if !first.is_ascii_digit() {
                return Self::refuse(first, "in numeric literal");
            }
        }
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn some_digits(&mut self, context: &str) -> Scanned<()> {
        let digit = self.next()?;
        if !digit.is_ascii_digit() {
            return Self::refuse(digit, context);
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn what_is_no_object_is_named_as_go_names_it() {
        for fine in ["{}", " {\"a\": [1, -2.5e3, {\"b\": \"\\u00e9\"}], \"c\": null} ", "null"] {
            assert_eq!(object(fine.as_bytes()), Ok(()), "{fine}");
        }
        for (text, problem) in [
            ("not json", "invalid character 'o' in literal null (expecting 'u')"),
            ("", "unexpected end of JSON input"),
            ("{\"a\":1", "unexpected end of JSON input"),
            ("bad", "invalid character 'b' looking for beginning of value"),
            ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
            ("{} x", "invalid character 'x' after top-level value"),
        ] {
            assert_eq!(object(text.as_bytes()), Err(problem.to_owned()), "{text}");
        }
    }
}
