//! What is asked, as permissions see it: a verb, and an object or a path (`Attributes` upstream).

use http::Method;
use inboard::error::Subject;
use inboard::{ApiError, Reason};

use crate::identity::User;
use crate::query::Query;
use crate::route::{ResourcePath, Target};

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) verb: String,
    pub(crate) what: What,
}

/// With what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A page of the server.
    Path(String),
    /// Objects.
    Resource {
        group: String,
        version: String,
        plural: String,
        subresource: String,
        /// Empty for those of all namespaces, or of the cluster.
        namespace: String,
        name: String,
    },
}

impl Default for What {
    fn default() -> Self {
        Self::Path(String::new())
    }
}

impl Access {
    /// What a request wants.
    pub(crate) fn of(target: &Target, path: &str, method: &Method, query: &Query) -> Self {
        let plain = || Self { verb: method.as_str().to_lowercase(), what: What::Path(path.to_owned()) };
        let Target::Resource(resource) = target else { return plain() };
        let ResourcePath { group, version, plural, namespace, name, subresource, is_watch } = resource;
        let watches = *is_watch || query.flag("watch");
        let verb = match method.as_str() {
            "GET" | "HEAD" if watches => "watch",
            "GET" | "HEAD" if name.is_none() => "list",
            "GET" | "HEAD" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if name.is_none() => "deletecollection",
            "DELETE" => "delete",
            _ => return plain(),
        };
        let subresource = subresource.as_deref().unwrap_or_default();
        // A namespace is in itself.
        let own = (plural == "namespaces").then_some(name).and_then(Option::as_ref);
        let namespace = namespace.as_ref().or(own).cloned().unwrap_or_default();
        Self {
            verb: verb.to_owned(),
            what: What::Resource {
                group: group.clone(),
                version: version.clone(),
                plural: plural.clone(),
                subresource: subresource.split('/').next().unwrap_or_default().to_owned(),
                namespace,
                name: name.clone().unwrap_or_default(),
            },
        }
    }

    /// What one must be allowed besides it: a WebSocket begins with a GET, but whoever may only look must not run
    /// commands by it.
    pub(crate) fn also_needed(&self) -> Option<Self> {
        match &self.what {
            What::Resource { plural, subresource, .. }
                if plural == "pods" && matches!(&**subresource, "exec" | "attach" | "portforward") =>
            {
                (self.verb == "get").then(|| Self { verb: "create".to_owned(), what: self.what.clone() })
            }
            What::Resource { .. } | What::Path(_) => None,
        }
    }

    /// The namespace that it is about; empty for none.
    pub(crate) fn namespace(&self) -> &str {
        match &self.what {
            What::Path(_) => "",
            What::Resource { namespace, .. } => namespace,
        }
    }

    /// That somebody may not do this.
    pub(crate) fn forbidden(&self, user: &User) -> ApiError {
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
