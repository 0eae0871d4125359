//! Whom a certificate names, or a request for one: a common name and organizations, which are a user and its groups.
//!
//! Only as much of X.509 and PKCS#10 is read as it takes to get there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::der::{INTEGER, OBJECT_ID, SEQUENCE, SET, UTF8_STRING, any, element, skip, wrapped};

/// The version of a certificate, which stands before everything else where it is not the first.
const VERSION: u8 = 0xa0;
/// `2.5.4.3` and `2.5.4.10`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// Whom a certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The common name; empty where there is none.
    pub name: String,
    /// The organizations.
    pub groups: Vec<String>,
}

impl Subject {
    /// From what stands in a distinguished name.
    pub fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut subject = Self::default();
        while !bytes.is_empty() {
            let (mut set, after) = element(bytes, SET)?;
            while !set.is_empty() {
                let (attribute, next) = element(set, SEQUENCE)?;
                let (id, value) = element(attribute, OBJECT_ID)?;
                let (_, value, _) = any(value)?;
                let text = || String::from_utf8(value.to_vec()).ok();
                if *id == COMMON_NAME {
                    subject.name = text().unwrap_or_default();
                } else if *id == ORGANIZATION {
                    subject.groups.extend(text());
                }
                set = next;
            }
            bytes = after;
        }
        Some(subject)
    }

    /// That of a certificate in DER.
    pub fn of_certificate(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (rest, _) = element(certificate, SEQUENCE)?;
        let (subject, _) = element(&rest[before_subject(rest)?..], SEQUENCE)?;
        Self::read(subject)
    }

    /// That of a request for a certificate in PEM.
    pub fn of_request(pem: &[u8]) -> Option<Self> {
        let der = unwrapped(pem, "CERTIFICATE REQUEST")?;
        let (request, _) = element(&der, SEQUENCE)?;
        let (info, _) = element(request, SEQUENCE)?;
        let (_, info) = element(info, INTEGER)?;
        let (subject, _) = element(info, SEQUENCE)?;
        Self::read(subject)
    }

    /// The distinguished name, whole: its organizations stand together, before the common name.
    pub fn to_der(&self) -> Vec<u8> {
        let attribute = |id: [u8; 3], text: &str| {
            let value = [wrapped(OBJECT_ID, &id), wrapped(UTF8_STRING, text.as_bytes())].concat();
            wrapped(SEQUENCE, &value)
        };
        let mut groups: Vec<_> = self.groups.iter().map(|group| attribute(ORGANIZATION, group)).collect();
        // DER has sets in order.
        groups.sort_unstable();
        let groups = if groups.is_empty() { Vec::new() } else { wrapped(SET, &groups.concat()) };
        wrapped(SEQUENCE, &[groups, wrapped(SET, &attribute(COMMON_NAME, &self.name))].concat())
    }
}

/// Where the subject begins in what is signed of a certificate.
pub fn before_subject(signed: &[u8]) -> Option<usize> {
    let mut rest = signed;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    // The serial number, the algorithm, the issuer, and how long it is valid.
    for _ in 0..4 {
        rest = skip(rest)?;
    }
    Some(signed.len() - rest.len())
}

/// What stands in a block of PEM of this kind.
pub(crate) fn unwrapped(pem: &[u8], kind: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (found, body) = rest.split_once("-----")?;
    let (body, _) = body.split_once(&format!("-----END {found}-----"))?;
    let packed: String = body.split_whitespace().collect();
    STANDARD.decode(packed).ok().filter(|bytes| found == kind && !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_names_nobody() {
        for bytes in
            [&b""[..], b"\x30", b"\x30\x80", b"\x30\x82\xff", b"\x30\x03\x30\x01\x02", b"\x30\x84\xff\xff\xff\xff\x00"]
        {
            assert_eq!(Subject::of_certificate(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_name_that_is_written_can_be_read() {
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (given, expected) in [
            (groups(&[]), groups(&[])),
            (groups(&["ops"]), groups(&["ops"])),
            (groups(&["ops", "dev", "a longer name"]), groups(&["dev", "ops", "a longer name"])),
        ] {
            let subject = Subject { name: "eve".to_owned(), groups: given };
            let der = subject.to_der();
            let read = element(&der, SEQUENCE).and_then(|(inner, _)| Subject::read(inner));
            assert_eq!(read, Some(Subject { groups: expected, ..subject }));
        }
    }

    #[test]
    fn a_request_without_its_parts_names_nobody() {
        let name = Subject { name: "eve".to_owned(), groups: vec!["system:masters".to_owned()] }.to_der();
        let info = wrapped(SEQUENCE, &[wrapped(INTEGER, b"\x00"), name].concat());
        let request = wrapped(SEQUENCE, &info);
        let pem = |kind: &str, der: &[u8]| {
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
        };
        let groups = |pem: String| Subject::of_request(pem.as_bytes()).map(|subject| subject.groups);
        assert_eq!(groups(pem("CERTIFICATE REQUEST", &request)), Some(vec!["system:masters".to_owned()]));
        assert_eq!(groups(pem("CERTIFICATE", &request)), None);
        for cut in 0..request.len() {
            assert_eq!(groups(pem("CERTIFICATE REQUEST", &request[..cut])), None, "{cut}");
        }
    }
}
