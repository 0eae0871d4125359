//! Bytes in JSON: what Go takes for base64, as every other reader takes it.

use std::borrow::Cow;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The text without line ends, and without the bits of its last letter that are no part of the bytes.
///
/// # Errors
/// Where it is no base64, as Go counts.
pub(super) fn canonical(text: &str) -> Result<Cow<'_, str>, usize> {
    let bytes = text.as_bytes();
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let mut letters: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if is_end(byte) {
            continue;
        }
        if let Some(value) = value(*byte) {
            letters.push(value);
            continue;
        }
        let in_group = letters.len() % 4;
        if *byte != b'=' || in_group < 2 {
            return Err(at - 1);
        }
        let skip = |at: usize| at + bytes.iter().skip(at).take_while(|byte| is_end(byte)).count();
        if in_group == 2 {
            at = skip(at);
            match bytes.get(at) {
                None => return Err(bytes.len()),
                Some(b'=') => at += 1,
                Some(_) => return Err(at - 1),
            }
        }
        at = skip(at);
        return if at < bytes.len() { Err(at) } else { Ok(written(&letters, text)) };
    }
    match letters.len() % 4 {
        0 => Ok(written(&letters, text)),
        left => Err(bytes.len() - left),
    }
}

fn letter(value: u8) -> char {
    char::from(ALPHABET[usize::from(value & 63)])
}

fn written<'t>(letters: &[u8], given: &'t str) -> Cow<'t, str> {
    let left = letters.len() % 4;
    let mut text: String = letters.iter().copied().map(letter).collect();
    if left > 0 {
        text.pop();
        let mask = if left == 2 { 0b11_0000 } else { 0b11_1100 };
        text.extend(letters.last().map(|value| letter(value & mask)));
        text.push_str(if left == 2 { "==" } else { "=" });
    }
    if text == given { Cow::Borrowed(given) } else { Cow::Owned(text) }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, read) in [
            ("", Ok("")),
            ("YWJj", Ok("YWJj")),
            ("YW\nJj\r\n", Ok("YWJj")),
            ("YQ==", Ok("YQ==")),
            ("YR==", Ok("YQ==")),
            ("YWL=", Ok("YWI=")),
            ("YQ=\n=", Ok("YQ==")),
            ("x", Err(0)),
            ("YWJjx", Err(4)),
            ("v1", Err(0)),
            ("YWJjZGU", Err(4)),
            ("@", Err(0)),
            ("YW Jj", Err(2)),
            ("=", Err(0)),
            ("Y===", Err(1)),
            ("YQ=", Err(3)),
            ("YQ=a", Err(2)),
            ("YQ==YQ==", Err(4)),
            ("YWI=a", Err(4)),
        ] {
            assert_eq!(canonical(text).as_deref(), read.as_deref(), "{text:?}");
        }
    }
}
