//! Secrets that are kept for the token of a service account.

use k8s_openapi::api::core::v1::Secret;

/// The annotation with the name of the account.
pub const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// The annotation with the identity of the account.
pub const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Their type.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// The name of the account whose token the Secret is for; `None` for any other Secret.
pub fn token_of(secret: &Secret) -> Option<&str> {
    let annotations = secret.metadata.annotations.as_ref().filter(|_| secret.type_.as_deref() == Some(TOKEN_TYPE))?;
    annotations.get(ACCOUNT_NAME).map(String::as_str).filter(|name| !name.is_empty())
}
