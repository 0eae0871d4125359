//! Whom a client's certificate names: its common name is the user, its organizations are the groups.
//!
//! Only as much of X.509 is read as it takes to get there; TLS has verified the rest.

use super::der::{OBJECT_ID, SEQUENCE, SET, any, element, skip};
use crate::identity::User;

/// The version of a certificate, which stands before everything else where it is not the first.
const VERSION: u8 = 0xa0;
/// `2.5.4.3` and `2.5.4.10`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// The user of a certificate in DER; nobody where it names none.
pub(crate) fn user(certificate: &[u8]) -> Option<User> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // The serial number, the algorithm, the issuer, and how long it is valid.
    for _ in 0..4 {
        rest = skip(rest)?;
    }
    let (subject, _) = element(rest, SEQUENCE)?;
    of_name(subject).map(|(name, groups)| User::new(name, groups))
}

/// The common name and the organizations in what stands in a distinguished name; nothing where there is no common name.
pub(super) fn of_name(mut subject: &[u8]) -> Option<(String, Vec<String>)> {
    let (mut name, mut groups) = (None, Vec::new());
    while !subject.is_empty() {
        let (mut set, after) = element(subject, SET)?;
        while !set.is_empty() {
            let (attribute, next) = element(set, SEQUENCE)?;
            let (id, value) = element(attribute, OBJECT_ID)?;
            let (_, value, _) = any(value)?;
            let text = || String::from_utf8(value.to_vec()).ok();
            if *id == COMMON_NAME {
                name = text();
            } else if *id == ORGANIZATION {
                groups.extend(text());
            }
            set = next;
        }
        subject = after;
    }
    name.filter(|name| !name.is_empty()).map(|name| (name, groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for bytes in
            [&b""[..], b"\x30", b"\x30\x80", b"\x30\x82\xff", b"\x30\x03\x30\x01\x02", b"\x30\x84\xff\xff\xff\xff\x00"]
        {
            assert_eq!(user(bytes), None, "{bytes:?}");
        }
    }
}
