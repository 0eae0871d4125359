//! Elements of DER, in which certificates are written: a tag, a length, and what stands in it.

/// True or false.
pub const BOOLEAN: u8 = 0x01;
/// A whole number.
pub const INTEGER: u8 = 0x02;
/// A string of bits.
pub const BIT_STRING: u8 = 0x03;
/// A string of bytes.
pub const OCTET_STRING: u8 = 0x04;
/// What is known by a number: an attribute, an algorithm.
pub const OBJECT_ID: u8 = 0x06;
/// A text.
pub const UTF8_STRING: u8 = 0x0c;
/// Several elements, in order.
pub const SEQUENCE: u8 = 0x30;
/// Several elements, in no order.
pub const SET: u8 = 0x31;
/// The first of the elements that are told apart by their numbers.
pub const NUMBERED: u8 = 0xa0;

/// What stands in the first element of bytes, which must be of this kind, and what follows it.
pub fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(bytes).filter(|(found, ..)| *found == tag).map(|(_, inner, rest)| (inner, rest))
}

/// What follows the first element of bytes.
pub fn skip(bytes: &[u8]) -> Option<&[u8]> {
    any(bytes).map(|(.., rest)| rest)
}

/// The kind of the first element, what stands in it, and what follows it.
pub fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        // Four bytes of length are more than any certificate has.
        0x81..=0x84 => {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = after;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (inner, rest) = rest.split_at_checked(length)?;
    Some((tag, inner, rest))
}

/// The first element of bytes, which must be of this kind, whole and without its head, and what follows it.
pub fn whole(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8], &[u8])> {
    let (inner, rest) = element(bytes, tag)?;
    Some((&bytes[..bytes.len() - rest.len()], inner, rest))
}

/// An element of this kind in which this stands.
pub fn wrapped(tag: u8, inner: &[u8]) -> Vec<u8> {
    let length = inner.len().to_be_bytes();
    let digits = &length[length.iter().position(|digit| *digit != 0).unwrap_or(length.len() - 1)..];
    let mut bytes = vec![tag];
    if inner.len() > 0x7f {
        bytes.push(0x80 | u8::try_from(digits.len()).expect("a length has a few digits"));
    }
    bytes.extend_from_slice(digits);
    bytes.extend_from_slice(inner);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_whole_or_not_there() {
        type Row<'r> = (&'r [u8], Option<(u8, &'r [u8], &'r [u8])>);
        let rows: [Row<'_>; 11] = [
            (b"", None),
            (b"\x30", None),
            (b"\x30\x00", Some((SEQUENCE, b"", b""))),
            (b"\x02\x01\x07\x05\x00", Some((INTEGER, b"\x07", b"\x05\x00"))),
            (b"\x02\x02\x07", None),
            (b"\x30\x80\x00\x00", None),
            (b"\x0c\x81\x02ab", Some((UTF8_STRING, b"ab", b""))),
            (b"\x0c\x82\x00\x01a!", Some((UTF8_STRING, b"a", b"!"))),
            (b"\x0c\x82\x00", None),
            (b"\x30\x84\xff\xff\xff\xff\x00", None),
            (b"\x30\x85\x00\x00\x00\x00\x01a", None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(any(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_wrapped_is_what_is_found() {
        for length in [0, 1, 127, 128, 255, 256, 65_536] {
            let inner = vec![7; length];
            let bytes = wrapped(OCTET_STRING, &inner);
            assert_eq!(any(&bytes), Some((OCTET_STRING, &inner[..], &b""[..])), "{length}");
        }
    }
}
