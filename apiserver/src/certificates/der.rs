//! Elements of DER: a tag, a length, and what stands in it.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// The first of the elements that are told apart by their numbers.
pub(super) const NUMBERED: u8 = 0xa0;

/// What stands in the first element of bytes, which must be of this kind, and what follows it.
pub(super) fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(bytes).filter(|(found, ..)| *found == tag).map(|(_, inner, rest)| (inner, rest))
}

pub(super) fn skip(bytes: &[u8]) -> Option<&[u8]> {
    any(bytes).map(|(.., rest)| rest)
}

/// The kind of the first element, what stands in it, and what follows it.
pub(super) fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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
pub(super) fn whole(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8], &[u8])> {
    let (inner, rest) = element(bytes, tag)?;
    Some((&bytes[..bytes.len() - rest.len()], inner, rest))
}
