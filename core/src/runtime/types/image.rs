//! Images, and who may pull them.

use std::fmt;
use std::sync::Arc;

use super::identity::PodIdentity;

/// What there is to know of an image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStatus {
    /// Its id: the digest of its configuration or manifest.
    pub id: Arc<str>,
    /// The names it has here, tags and digests.
    pub names: Vec<Arc<str>>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The user it runs as when the pod says nothing, as the image has it (`1000`, `nobody`, `10:20`).
    pub user: Option<Arc<str>>,
}

impl ImageStatus {
    /// An image of which nothing but its name is known.
    pub fn named(name: &str) -> Self {
        Self { id: name.into(), names: vec![name.into()], size_bytes: 0, user: None }
    }
}

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum ImageCredentials {
    /// User name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token for the registry's token service (`identitytoken`).
    IdentityToken(String),
    /// A bearer token (`registrytoken`).
    Bearer(String),
}

impl fmt::Debug for ImageCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

/// A request to bring an image onto a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePull {
    /// The image as the spec names it.
    pub image: Arc<str>,
    /// Credentials to try, in order, before trying without.
    pub credentials: Vec<ImageCredentials>,
    /// The pod it is for.
    pub pod: Option<PodIdentity>,
}
