//! Whom a certificate names, or a request for one: a common name and organizations, which are a user and its groups.
//!
//! Only as much of X.509 and PKCS#10 is read as it takes to get there.

use super::der::{
    BIT_STRING, BOOLEAN, INTEGER, NUMBERED, OBJECT_ID, OCTET_STRING, SEQUENCE, SET, UTF8_STRING, any, element, skip,
    wrapped,
};
use super::pem;

/// The version of a certificate, which stands before everything else where it is not the first.
const VERSION: u8 = 0xa0;
/// `2.5.4.3` and `2.5.4.10`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];
/// `1.2.840.113549.1.9.14` and `2.5.29.17`.
const EXTENSION_REQUEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
/// What a certificate says beyond the first versions, and what it may sign by that: `2.5.29.19`.
const EXTENSIONS: u8 = 0xa3;
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

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
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut subject = Self::default();
        for (id, value) in attributes(bytes)? {
            if *id == COMMON_NAME {
                subject.name = value;
            } else if *id == ORGANIZATION {
                subject.groups.push(value);
            }
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
        let (subject, _) = subject_of(&der)?;
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

/// All that a request for a certificate names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    /// The attributes of the distinguished name: their identities and texts.
    pub(crate) attributes: Vec<(Vec<u8>, String)>,
    /// The other names: their tags and what stands in them.
    pub(crate) alternatives: Vec<(u8, Vec<u8>)>,
}

/// What a request in PEM names.
pub(crate) fn requested(pem: &[u8]) -> Option<Requested> {
    let der = unwrapped(pem, "CERTIFICATE REQUEST")?;
    let (subject, rest) = subject_of(&der)?;
    let attributes = attributes(subject)?.into_iter().map(|(id, value)| (id.to_vec(), value)).collect();
    // The key stands before the attributes.
    let names = alternative_names(skip(rest)?)?.into_iter().map(|(tag, name)| (tag, name.to_vec())).collect();
    Some(Requested { attributes, alternatives: names })
}

/// The distinguished name of a request in DER, and what follows it.
fn subject_of(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (request, _) = element(der, SEQUENCE)?;
    let (info, _) = element(request, SEQUENCE)?;
    let (_, info) = element(info, INTEGER)?;
    element(info, SEQUENCE)
}

/// The attributes that stand in a distinguished name: their identities and texts. What is no text is passed over.
fn attributes(mut bytes: &[u8]) -> Option<Vec<(&[u8], String)>> {
    let mut attributes = Vec::new();
    while !bytes.is_empty() {
        let (mut set, after) = element(bytes, SET)?;
        while !set.is_empty() {
            let (attribute, next) = element(set, SEQUENCE)?;
            let (id, value) = element(attribute, OBJECT_ID)?;
            let (_, value, _) = any(value)?;
            attributes.extend(String::from_utf8(value.to_vec()).ok().map(|value| (id, value)));
            set = next;
        }
        bytes = after;
    }
    Some(attributes)
}

/// The other names that the attributes of a request ask for: their tags and what stands in them.
pub fn alternative_names(attributes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    let Some((mut attributes, _)) = element(attributes, NUMBERED) else { return Some(found) };
    while !attributes.is_empty() {
        let (attribute, next) = element(attributes, SEQUENCE)?;
        attributes = next;
        let (id, values) = element(attribute, OBJECT_ID)?;
        if *id != EXTENSION_REQUEST {
            continue;
        }
        let (values, _) = element(values, SET)?;
        let (mut extensions, _) = element(values, SEQUENCE)?;
        while !extensions.is_empty() {
            let (extension, next) = element(extensions, SEQUENCE)?;
            extensions = next;
            let (id, rest) = element(extension, OBJECT_ID)?;
            if *id != ALTERNATIVE_NAMES {
                continue;
            }
            // Whether it is critical may stand before its value.
            let (value, _) = element(rest, OCTET_STRING).or_else(|| element(skip(rest)?, OCTET_STRING))?;
            let (mut names, _) = element(value, SEQUENCE)?;
            while !names.is_empty() {
                let (tag, name, next) = any(names)?;
                found.push((tag, name));
                names = next;
            }
        }
    }
    Some(found)
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
    let block = pem::blocks(std::str::from_utf8(pem).ok()?).next()?;
    Some(block.bytes).filter(|bytes| block.kind == kind && !bytes.is_empty())
}

/// Whether a certificate in DER is one of an authority; none where it is no certificate.
pub fn is_authority(certificate: &[u8]) -> Option<bool> {
    let (certificate, rest) = element(certificate, SEQUENCE)?;
    let (signed, signature) = element(certificate, SEQUENCE)?;
    let (_, signature) = element(signature, SEQUENCE)?;
    let (_, after) = element(signature, BIT_STRING)?;
    // The subject, and its key.
    let (_, key) = element(&signed[before_subject(signed)?..], SEQUENCE)?;
    let (_, mut more) = element(key, SEQUENCE)?;
    if !(rest.is_empty() && after.is_empty()) {
        return None;
    }
    while !more.is_empty() {
        let (tag, inner, next) = any(more)?;
        if tag == EXTENSIONS {
            return extensions_of_authority(inner);
        }
        more = next;
    }
    Some(false)
}

fn extensions_of_authority(extensions: &[u8]) -> Option<bool> {
    let (mut extensions, _) = element(extensions, SEQUENCE)?;
    while !extensions.is_empty() {
        let (extension, next) = element(extensions, SEQUENCE)?;
        let (id, value) = element(extension, OBJECT_ID)?;
        if *id == BASIC_CONSTRAINTS {
            let value = element(value, BOOLEAN).map_or(value, |(_, value)| value);
            let (value, _) = element(value, OCTET_STRING)?;
            let (constraints, _) = element(value, SEQUENCE)?;
            return Some(element(constraints, BOOLEAN).is_some_and(|(is_authority, _)| *is_authority == [0xff]));
        }
        extensions = next;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

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
