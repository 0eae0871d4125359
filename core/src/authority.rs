//! Who vouches for service accounts: what an embedding program implements when it serves an API to pods.
//!
//! Without one no tokens are made: pods of the account `default` have none mounted, Secrets for tokens stay without one,
//! and `kube-root-ca.crt` is empty.

use std::fmt;
use std::time::Duration;

use crate::ids::Uid;
use crate::time::Time;

/// What a token is bound to: it is worth nothing any more once that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundTo<'a> {
    /// The pod that it is mounted into.
    Pod {
        /// Its name.
        name: &'a str,
        /// Its identity.
        uid: Uid,
    },
    /// The service account itself.
    ServiceAccount {
        /// Its identity.
        uid: Uid,
    },
    /// The Secret that it is kept in (`kubernetes.io/service-account-token`).
    Secret {
        /// Its name.
        name: &'a str,
        /// Its identity.
        uid: Uid,
    },
}

/// A request for a token of a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest<'a> {
    /// The namespace of the account.
    pub namespace: &'a str,
    /// The name of the account.
    pub service_account: &'a str,
    /// What it is bound to.
    pub bound_to: BoundTo<'a>,
    /// For whom it is; the API server when empty.
    pub audience: &'a str,
    /// How long it shall be valid; without end when absent.
    pub expires_in: Option<Duration>,
    /// Now.
    pub now: Time,
}

/// Makes tokens of service accounts. Deterministic: the same request gives the same token.
pub trait Authority: fmt::Debug + Send + Sync + 'static {
    /// A token.
    ///
    /// # Errors
    /// A text for the event when it cannot be made.
    fn token(&self, request: &TokenRequest<'_>) -> Result<String, String>;

    /// The certificate by which pods know the API server, in PEM; empty for none.
    fn root_certificate(&self) -> &str {
        ""
    }
}
