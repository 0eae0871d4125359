//! Certificates for one server: an authority that signs one certificate and nothing else.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// By which names the API server is known inside a cluster.
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What a server shows to its clients, and the authority that they know it by. Made anew for each server; the key never
/// leaves the process.
#[derive(Clone, Debug)]
pub struct Certificates {
    authority: String,
    config: Arc<ServerConfig>,
}

/// Certificates cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate itself.
    Certificate(rcgen::Error),
    /// What TLS makes of it.
    Tls(rustls::Error),
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "a certificate cannot be made: {error}"),
            Self::Tls(error) => write!(f, "TLS does not take the certificate: {error}"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl Certificates {
    /// Certificates for a server on these addresses, which is also known as `localhost` and `kubernetes.default.svc`.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate(addresses: &[IpAddr]) -> Result<Self, CertificateError> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "kubernetes");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        let names = NAMES.iter().map(|name| (*name).to_owned()).chain(addresses.iter().map(ToString::to_string));
        let mut server = CertificateParams::new(names.collect::<Vec<String>>())?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The provider is named: the library does not touch the process-wide one.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { authority: authority_certificate.pem(), config: Arc::new(config) })
    }

    /// The certificate of the authority, in PEM: what clients must trust.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}
