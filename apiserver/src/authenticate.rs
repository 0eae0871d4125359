//! From credentials to a user: the certificate of a connection, or tokens in the `Authorization` header, then whom the user wants to be taken for.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use inboard::cluster::Moment;
use inboard::k8s_openapi::api::core::v1::ServiceAccount;
use inboard::object::kind;
use inboard::{ApiError, Reason};

use crate::access::{Access, What};
use crate::identity::{AUTHENTICATED, User};
use crate::rbac;
use crate::tokens::Tokens;

/// The credentials that are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    /// Users by their tokens.
    pub(crate) users: BTreeMap<String, User>,
    /// Who makes the tokens of service accounts.
    pub(crate) tokens: Option<Tokens>,
    /// Whether whoever brings no credentials is nobody; the admin otherwise.
    pub(crate) are_needed: bool,
}

impl Credentials {
    /// Who sends a request; `peer` is who its connection says.
    ///
    /// # Errors
    /// `Unauthorized` for a token that nobody knows.
    pub(crate) fn user(&self, peer: Option<&User>, headers: &HeaderMap, moment: &Moment) -> Result<User, ApiError> {
        if let Some(peer) = peer {
            return Ok(peer.clone());
        }
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(if self.are_needed { User::anonymous() } else { User::admin() });
        };
        let bearer = header.to_str().ok().and_then(|text| text.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        bearer.and_then(|(_, token)| self.of_token(token.trim(), moment)).ok_or_else(unauthorized)
    }

    /// Whose token it is.
    pub(crate) fn of_token(&self, token: &str, moment: &Moment) -> Option<User> {
        // Who is not told apart by how long the comparison takes: a map finds or does not find the whole text.
        if let Some(user) = self.users.get(token) {
            return Some(user.clone());
        }
        let claims = self.tokens.as_ref()?.read(token, moment.now)?;
        let (namespace, name) = (claims.namespace.as_str(), claims.service_account.as_str());
        let account = moment.snapshot.find(kind::SERVICE_ACCOUNT, namespace, name)?;
        account.typed::<ServiceAccount>()?;
        let (bound_kind, bound_name, bound_uid) = &claims.bound_to;
        let bound_kind = match bound_kind.as_str() {
            "pod" => kind::POD,
            "secret" => kind::SECRET,
            _ => kind::SERVICE_ACCOUNT,
        };
        let bound = moment.snapshot.find(bound_kind, namespace, bound_name)?;
        if bound.meta.uid.to_string() != *bound_uid {
            return None;
        }
        let mut user = User::service_account(namespace, name, &account.meta.uid.to_string());
        if bound_kind == kind::POD {
            let extra = |name: &str| format!("authentication.kubernetes.io/{name}");
            user.extra.insert(extra("pod-name"), vec![bound_name.clone()]);
            user.extra.insert(extra("pod-uid"), vec![bound_uid.clone()]);
        }
        Some(user)
    }
}

pub(crate) fn unauthorized() -> ApiError {
    ApiError::new(Reason::Unauthorized, "Unauthorized")
}

/// Whom a user wants to be taken for (`Impersonate-User` and its like), if the user may.
///
/// # Errors
/// `Forbidden`, `BadRequest` for groups without a user.
pub(crate) fn impersonated(user: User, headers: &HeaderMap, moment: &Moment) -> Result<User, ApiError> {
    let texts = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    };
    let (groups, uid) = (texts("impersonate-group"), texts("impersonate-uid"));
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            let key = crate::route::decoded(key).unwrap_or_else(|| key.to_owned());
            extra.entry(key).or_default().push(value.to_owned());
        }
    }
    let Some(name) = texts("impersonate-user").into_iter().next() else {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(user);
        }
        return Err(ApiError::internal("requested impersonation without impersonating a user"));
    };
    let service_account = name.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'));
    let mut asked = vec![match service_account {
        Some((namespace, name)) => access("", "serviceaccounts", "", namespace, name),
        None => access("", "users", "", "", &name),
    }];
    asked.extend(groups.iter().map(|group| access("", "groups", "", "", group)));
    asked.extend(uid.iter().map(|uid| access("authentication.k8s.io", "uids", "", "", uid)));
    for (key, values) in &extra {
        asked.extend(values.iter().map(|value| access("authentication.k8s.io", "userextras", key, "", value)));
    }
    if let Some(refused) = asked.iter().find(|access| !rbac::is_allowed(&moment.snapshot, &user, access)) {
        return Err(refused.forbidden(&user));
    }
    let mut taken_for = match service_account {
        Some((namespace, name)) if groups.is_empty() => User::service_account(namespace, name, ""),
        _ => User { groups, ..User::new(name.clone(), [""; 0]) },
    };
    taken_for.name = name;
    if !taken_for.is_in(AUTHENTICATED) && taken_for.name != crate::identity::ANONYMOUS {
        taken_for.groups.push(AUTHENTICATED.to_owned());
    }
    taken_for.uid = uid.into_iter().next().unwrap_or_default();
    taken_for.extra = extra;
    Ok(taken_for)
}

fn access(group: &str, plural: &str, subresource: &str, namespace: &str, name: &str) -> Access {
    Access {
        verb: "impersonate".to_owned(),
        what: What::Resource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
    }
}
