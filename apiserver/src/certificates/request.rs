//! A request for a certificate (PKCS#10): whom it shall name, and the key that its author has proved to have.

use std::net::IpAddr;

use inboard::object::der::{BIT_STRING, INTEGER, OBJECT_ID, SEQUENCE, element, whole};
use inboard::object::subject::{Subject, alternative_names};
use rcgen::{PublicKeyData, SignatureAlgorithm};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateSigningRequestDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// `1.2.840.10045.3.1.7`, `1.3.132.0.34`, `1.3.101.112`, `1.2.840.113549.1.1.1`
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: [u8; 5] = [0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: [u8; 3] = [0x2b, 0x65, 0x70];
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What a request asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) subject: Subject,
    pub(super) hosts: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) has_mail: bool,
    pub(super) has_uri: bool,
    pub(super) key: Option<Key>,
}

/// The public key of a request.
#[derive(Debug)]
pub(super) struct Key {
    bytes: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// Reads a request in PEM.
///
/// # Errors
/// When it is none, or is not signed with the key that it names.
pub(super) fn read(pem: &[u8]) -> Result<Asked, String> {
    let der = CertificateSigningRequestDer::from_pem_slice(pem)
        .map_err(|_| "PEM block type must be CERTIFICATE REQUEST".to_owned())?;
    parse(&der).ok_or_else(|| "it is no certificate request".to_owned())?
}

fn parse(der: &[u8]) -> Option<Result<Asked, String>> {
    let (request, _) = element(der, SEQUENCE)?;
    let (signed, info, rest) = whole(request, SEQUENCE)?;
    let (algorithm, rest) = element(rest, SEQUENCE)?;
    let signature = bits(rest)?;
    let (_, info) = element(info, INTEGER)?;
    let (name, info) = element(info, SEQUENCE)?;
    let (key, attributes) = element(info, SEQUENCE)?;
    let (key_algorithm, key) = element(key, SEQUENCE)?;
    let key = bits(key)?;
    if !is_signed(key_algorithm, key, algorithm, signed, signature) {
        return Some(Err("it is not signed with the key that it names".to_owned()));
    }
    let Some(algorithm) = algorithm_of(key_algorithm) else {
        return Some(Err("keys of this kind are not signed here".to_owned()));
    };
    let Some(subject) = Subject::read(name).filter(|subject| !subject.name.is_empty()) else {
        return Some(Err("its subject has no common name".to_owned()));
    };
    let key = Some(Key { bytes: key.to_vec(), algorithm });
    let mut asked = Asked { subject, key, ..Asked::default() };
    alternatives(attributes, &mut asked)?;
    Some(Ok(asked))
}

/// The bytes of a string of bits, which are all used.
fn bits(bytes: &[u8]) -> Option<&[u8]> {
    let (bits, _) = element(bytes, BIT_STRING)?;
    bits.split_first().filter(|(unused, _)| **unused == 0).map(|(_, bits)| bits)
}

fn is_signed(key_algorithm: &[u8], key: &[u8], algorithm: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let known = ring::default_provider().signature_verification_algorithms.all;
    known.iter().any(|one| {
        one.public_key_alg_id().as_ref() == key_algorithm
            && one.signature_alg_id().as_ref() == algorithm
            && one.verify_signature(key, signed, signature).is_ok()
    })
}

fn algorithm_of(key_algorithm: &[u8]) -> Option<&'static SignatureAlgorithm> {
    let (id, parameters) = element(key_algorithm, OBJECT_ID)?;
    let curve = element(parameters, OBJECT_ID).map(|(curve, _)| curve);
    match (id, curve) {
        (_, Some(curve)) if *curve == P256 => Some(&rcgen::PKCS_ECDSA_P256_SHA256),
        (_, Some(curve)) if *curve == P384 => Some(&rcgen::PKCS_ECDSA_P384_SHA384),
        (id, None) if *id == ED25519 => Some(&rcgen::PKCS_ED25519),
        (id, None) if *id == RSA => Some(&rcgen::PKCS_RSA_SHA256),
        _ => None,
    }
}

/// The other names that it asks for.
fn alternatives(attributes: &[u8], asked: &mut Asked) -> Option<()> {
    for (kind, name) in alternative_names(attributes)? {
        match kind {
            0x81 => asked.has_mail = true,
            0x82 => asked.hosts.push(String::from_utf8(name.to_vec()).ok()?),
            0x86 => asked.has_uri = true,
            0x87 => asked.addresses.push(match name.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(name).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(name).ok()?),
            }),
            _ => {}
        }
    }
    Some(())
}
