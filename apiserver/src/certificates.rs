//! Certificates for one server and its clients: an authority that signs the server's, and those of users.

mod request;
mod signing;
pub(crate) mod subject;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

pub use self::signing::Signer;
use crate::identity::{AUTHENTICATED, User};
use crate::kept;

/// By which names the API server is known inside a cluster.
const NAMES: [&str; 5] =
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What a server shows to its clients, and the authority that they know it by. Made anew for each server, unless the
/// authority is kept in files; the server's own key never leaves the process.
#[derive(Clone)]
pub struct Certificates {
    authority: String,
    config: Arc<ServerConfig>,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// What a client shows to a server that knows its authority, in PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    certificate: String,
    key: String,
}

impl ClientCertificate {
    /// The certificate.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Certificates cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate itself.
    Certificate(rcgen::Error),
    /// What TLS makes of it.
    Tls(rustls::Error),
    /// A user of so many groups: the certificates that are made here name one at most.
    Groups(usize),
    /// The files that it is kept in.
    Files(io::Error),
}

impl std::fmt::Display for CertificateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "a certificate cannot be made: {error}"),
            Self::Tls(error) => write!(f, "TLS does not take the certificate: {error}"),
            Self::Files(error) => write!(f, "an authority cannot be kept: {error}"),
            Self::Groups(count) => write!(f, "a certificate that is made here names one group at most, not {count}"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate(error)
    }
}

impl From<io::Error> for CertificateError {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

impl From<rustls::Error> for CertificateError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

/// What the certificate of an authority says, beside its key.
fn authority() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "kubernetes");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    authority
}

impl Certificates {
    /// Whether a request for a certificate in PEM can be read, and is signed with the key that it names.
    ///
    /// # Errors
    /// Why it would not be answered with a certificate, whoever asks.
    pub fn check_request(pem: &[u8]) -> Result<(), String> {
        request::read(pem).map(|_| ())
    }

    /// Certificates for a server on these addresses, which is also known as `localhost` and `kubernetes.default.svc`.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate(addresses: &[IpAddr]) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let certificate = authority().self_signed(&key)?.pem();
        Self::of(key, certificate, addresses)
    }

    /// The same, of an authority whose certificate and key are kept in this directory, as `ca.crt` and `ca.key`: clients
    /// that know it know the next process, too, and the certificates that it signed are still good.
    ///
    /// # Errors
    /// When the files can neither be read nor written, are not what they must be, or the machine gives no random numbers.
    pub fn kept_in(directory: impl AsRef<Path>, addresses: &[IpAddr]) -> Result<Self, CertificateError> {
        let (key_file, file) = (directory.as_ref().join("ca.key"), directory.as_ref().join("ca.crt"));
        let text = |content: Vec<u8>, path: &Path| {
            let wrong = |_| kept::told(path, &io::Error::new(io::ErrorKind::InvalidData, "it is no PEM"));
            String::from_utf8(content).map_err(wrong)
        };
        let new = || Ok::<_, CertificateError>(KeyPair::generate()?.serialize_pem().into_bytes());
        let key = KeyPair::from_pem(&text(kept::read_or_make(&key_file, new)?, &key_file)?)?;
        let signed = || Ok::<_, CertificateError>(authority().self_signed(&key)?.pem().into_bytes());
        let certificate = text(kept::read_or_make(&file, signed)?, &file)?;
        Self::of(key, certificate, addresses)
    }

    fn of(
        authority_key: KeyPair,
        authority_certificate: String,
        addresses: &[IpAddr],
    ) -> Result<Self, CertificateError> {
        let names = NAMES.iter().map(|name| (*name).to_owned()).chain(addresses.iter().map(ToString::to_string));
        let mut server = CertificateParams::new(names.collect::<Vec<String>>())?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority(), authority_key);
        let certificate = server.signed_by(&key, &issuer)?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The provider is named: the library does not touch the process-wide one.
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority_certificate.as_bytes());
        roots.add(root.map_err(|error| rustls::Error::General(error.to_string()))?)?;
        // Who shows none may have a token.
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { authority: authority_certificate, config: Arc::new(config), issuer: Arc::new(issuer) })
    }

    /// A certificate by which the server knows a user: its common name is the user's, its organization is the user's group,
    /// if there is one besides that of everybody who is known.
    ///
    /// # Errors
    /// When the user has several groups, or the machine gives no random numbers.
    pub fn client(&self, user: &User) -> Result<ClientCertificate, CertificateError> {
        let mut client = CertificateParams::default();
        client.distinguished_name = DistinguishedName::new();
        let groups: Vec<&String> = user.groups.iter().filter(|group| *group != AUTHENTICATED).collect();
        match groups.as_slice() {
            [] => {}
            [group] => client.distinguished_name.push(DnType::OrganizationName, group.as_str()),
            many => return Err(CertificateError::Groups(many.len())),
        }
        client.distinguished_name.push(DnType::CommonName, user.name.as_str());
        client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = client.signed_by(&key, &self.issuer)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// The certificate of the authority, in PEM: what clients must trust.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}
