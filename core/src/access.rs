//! Who asks, and for what, as permissions and admission see it: a user; a verb, and an object or a path (`user.Info` and
//! `Attributes` upstream).

use std::collections::BTreeMap;

use crate::error::{ApiError, Reason, Subject};

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of everybody who is known.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody who is not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Who asks without saying who it is.
pub const ANONYMOUS: &str = "system:anonymous";

/// Somebody who asks something of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// An identity that outlives the name; may be empty.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Somebody of this name, in these groups and in that of everybody who is known.
    pub fn new<G: Into<String>>(name: impl Into<String>, groups: impl IntoIterator<Item = G>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Who may do everything: `system:admin` of the group `system:masters`.
    pub fn admin() -> Self {
        Self::new("system:admin", [MASTERS])
    }

    /// Whoever does not say who it is.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// A service account.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        Self { uid: uid.to_owned(), ..Self::new(format!("system:serviceaccount:{namespace}:{name}"), groups) }
    }

    /// Whether it belongs to this group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// `get`, `create`, `impersonate`.
    pub verb: String,
    /// With what.
    pub what: What,
}

/// With what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A page of the server.
    Path(String),
    /// Objects.
    Resource {
        /// Their group; empty for the core group.
        group: String,
        /// The version in which they are asked for.
        version: String,
        /// Their plural.
        plural: String,
        /// What is asked for of them; empty for themselves.
        subresource: String,
        /// Empty for those of all namespaces, or of the cluster.
        namespace: String,
        /// Which one; empty for all.
        name: String,
    },
}

impl Default for What {
    fn default() -> Self {
        Self::Path(String::new())
    }
}

impl Access {
    /// The namespace that it is about; empty for none.
    pub fn namespace(&self) -> &str {
        match &self.what {
            What::Path(_) => "",
            What::Resource { namespace, .. } => namespace,
        }
    }

    /// That somebody may not do this.
    pub fn forbidden(&self, user: &User) -> ApiError {
        let (name, verb) = (&user.name, &self.verb);
        match &self.what {
            What::Path(path) => {
                let message = format!("forbidden: User \"{name}\" cannot {verb} path \"{path}\"");
                ApiError::new(Reason::Forbidden, message).about(Subject::default())
            }
            What::Resource { group, plural, subresource, namespace, name: object, .. } => {
                let resource = if subresource.is_empty() { plural.clone() } else { format!("{plural}/{subresource}") };
                let place = if namespace.is_empty() {
                    "at the cluster scope".to_owned()
                } else {
                    format!("in the namespace \"{namespace}\"")
                };
                let detail =
                    format!("User \"{name}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}");
                ApiError::forbidden(Subject::new(group, plural, object), detail)
            }
        }
    }
}
