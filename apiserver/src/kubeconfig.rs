//! The file by which kubectl and others find a server and are believed by it.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// How to reach a server.
///
/// ```
/// use inboard_apiserver::Kubeconfig;
///
/// let config = Kubeconfig::new("https://127.0.0.1:6443").token("secret");
/// assert!(config.to_yaml().contains("server: https://127.0.0.1:6443"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    server: String,
    authority: Option<String>,
    token: Option<String>,
    certificate: Option<(String, String)>,
}

impl Kubeconfig {
    /// For a server at this address.
    pub fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), ..Self::default() }
    }

    /// The certificate, in PEM, of the authority that vouches for the server.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<String>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// The token by which the client is known.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The certificate by which the client is known, and its key, in PEM.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// As text.
    pub fn to_yaml(&self) -> String {
        let mut cluster = json!({ "server": self.server });
        if let Some(authority) = &self.authority {
            cluster["certificate-authority-data"] = STANDARD.encode(authority).into();
        }
        let mut user = self.token.as_ref().map_or_else(|| json!({}), |token| json!({ "token": token }));
        if let Some((certificate, key)) = &self.certificate {
            user["client-certificate-data"] = STANDARD.encode(certificate).into();
            user["client-key-data"] = STANDARD.encode(key).into();
        }
        inboard::object::manifest::to_yaml(&json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "inboard", "cluster": cluster }],
            "users": [{ "name": "inboard", "user": user }],
            "contexts": [{ "name": "inboard", "context": { "cluster": "inboard", "user": "inboard" } }],
            "current-context": "inboard",
        }))
    }

    /// Writes a file that only its owner can read; one that is there is replaced as a whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        crate::kept::write(path.as_ref(), self.to_yaml().as_bytes())
    }
}
