//! ServiceAccounts: a name, and nothing else that can be wrong.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::names::name_is_dns_subdomain;
use super::shared::{self, meta_update};
use crate::object::field::FieldErrors;

/// What is wrong with a new ServiceAccount.
pub fn service_account(account: &ServiceAccount) -> FieldErrors {
    shared::namespaced(&account.metadata, name_is_dns_subdomain)
}

/// What is wrong with a changed ServiceAccount.
pub fn service_account_update(new: &ServiceAccount, old: &ServiceAccount) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    errors.append(service_account(new));
    errors
}

/// What a client is warned of when it writes a ServiceAccount.
pub fn service_account_warnings(account: &ServiceAccount) -> Vec<String> {
    const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
    if account.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(ENFORCE)) {
        return vec![format!(
            "metadata.annotations[{ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to \
             mounted secrets"
        )];
    }
    Vec::new()
}
