//! What was asked by whom, and what became of it: for the log of the embedding program (`audit.k8s.io`).
//!
//! **The rule**: the first rule of the [`AuditPolicy`] that matches a request says how much of it is told; without one,
//! nothing is. What is told is one `tracing` event of level `INFO` and target `audit` when the answer is known. Without a
//! policy there are events of level `DEBUG`, with the least that a log needs.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::access::{Access, What};
use crate::identity::User;

/// How much is told of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[non_exhaustive]
pub enum AuditLevel {
    /// Nothing.
    #[default]
    None,
    /// Who, what, and the code of the answer.
    Metadata,
    /// The body of the request, too.
    Request,
    /// That of the answer, too, where it is no stream.
    RequestResponse,
}

impl fmt::Display for AuditLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Which requests are told of, as upstream's `audit.k8s.io/v1` `Policy` says it.
///
/// ```
/// use inboard_apiserver::AuditPolicy;
/// use serde_json::json;
///
/// let policy = AuditPolicy::read(json!({
///     "rules": [
///         { "level": "None", "verbs": ["get", "list", "watch"] },
///         { "level": "Metadata", "resources": [{ "group": "", "resources": ["secrets"] }] },
///         { "level": "Request" },
///     ],
/// }))?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AuditPolicy {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    #[serde(default, rename = "apiVersion")]
    _api_version: String,
    #[serde(default, rename = "kind")]
    _kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: Value,
    #[serde(default)]
    rules: Vec<Rule>,
}

/// A rule matches where all of its lists that are not empty do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Rule {
    level: AuditLevel,
    users: Vec<String>,
    user_groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<Resources>,
    namespaces: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Resources {
    group: String,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

impl AuditPolicy {
    /// Reads a policy; `omitStages` and `omitManagedFields` are not known here.
    ///
    /// # Errors
    /// What cannot be read, or is not known.
    pub fn read(policy: Value) -> Result<Self, serde_json::Error> {
        let Given { rules, .. } = serde_json::from_value(policy)?;
        Ok(Self { rules })
    }

    /// The same for every request.
    pub fn all(level: AuditLevel) -> Self {
        Self { rules: vec![Rule { level, ..Rule::default() }] }
    }

    pub(crate) fn level(&self, user: &User, access: &Access) -> AuditLevel {
        self.rules.iter().find(|rule| rule.matches(user, access)).map_or(AuditLevel::None, |rule| rule.level)
    }
}

impl Rule {
    fn matches(&self, user: &User, access: &Access) -> bool {
        let any = |list: &[String], wanted: &str| list.is_empty() || list.iter().any(|one| one == wanted || one == "*");
        let in_group = self.user_groups.is_empty() || self.user_groups.iter().any(|group| user.is_in(group));
        if !any(&self.users, &user.name) || !in_group || !any(&self.verbs, &access.verb) {
            return false;
        }
        match &access.what {
            What::Path(path) => {
                let is_path = |url: &String| match url.strip_suffix('*') {
                    Some(beginning) => path.starts_with(beginning),
                    None => url == path,
                };
                self.resources.is_empty()
                    && self.namespaces.is_empty()
                    && (self.non_resource_urls.is_empty() || self.non_resource_urls.iter().any(is_path))
            }
            What::Resource { namespace, .. } => {
                let is_placed = self.namespaces.is_empty() || self.namespaces.contains(namespace);
                let is_named = self.resources.is_empty() || self.resources.iter().any(|one| one.names(&access.what));
                self.non_resource_urls.is_empty() && is_placed && is_named
            }
        }
    }
}

impl Resources {
    fn names(&self, what: &What) -> bool {
        let What::Resource { group, plural, subresource, name, .. } = what else { return false };
        let is_it = |one: &String| match one.split_once('/') {
            None => one == "*" || one == plural && subresource.is_empty(),
            Some((resource, sub)) => (resource == "*" || resource == plural) && (sub == "*" || sub == subresource),
        };
        let is_named = self.resource_names.is_empty() || self.resource_names.contains(name);
        self.group == *group && is_named && (self.resources.is_empty() || self.resources.iter().any(is_it))
    }
}

/// A request, as the audit sees it.
pub(crate) struct Event<'e> {
    pub(crate) user: &'e User,
    pub(crate) access: &'e Access,
    pub(crate) code: u16,
    /// What policies and webhooks have to say of it.
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) request: Option<Bytes>,
    pub(crate) response: Option<Bytes>,
}

impl Event<'_> {
    /// Tells it.
    pub(crate) fn tell(self, policy: Option<&AuditPolicy>) {
        let Self { user, access, code, .. } = self;
        let (name, verb) = (user.name.as_str(), access.verb.as_str());
        let Some(policy) = policy else {
            tracing::debug!(target: "audit", user = name, verb, what = ?access.what, code);
            return;
        };
        let level = policy.level(user, access);
        if level == AuditLevel::None {
            return;
        }
        let annotations: Map<String, Value> =
            self.annotations.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        let annotations = Value::Object(annotations);
        let text = |from: AuditLevel, bytes: &Option<Bytes>| match bytes {
            Some(bytes) if level >= from => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        let request = text(AuditLevel::Request, &self.request);
        let response = text(AuditLevel::RequestResponse, &self.response);
        let groups = user.groups.join(",");
        let (resource, subresource, namespace, object, path) = match &access.what {
            What::Path(path) => (String::new(), "", "", "", path.as_str()),
            What::Resource { group, plural, subresource, namespace, name, .. } => {
                let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
                (resource, subresource.as_str(), namespace.as_str(), name.as_str(), "")
            }
        };
        tracing::info!(
            target: "audit", %level, user = name, groups, verb, resource, subresource, namespace, name = object, path, code,
            %annotations, request, response,
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = AuditPolicy::read(json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "rules": [
                { "level": "None", "users": ["system:kube-proxy"] },
                { "level": "None", "verbs": ["watch"], "resources": [{ "group": "", "resources": ["pods"] }] },
                { "level": "Request", "resources": [{ "group": "", "resources": ["configmaps"] }], "namespaces": ["shop"] },
                { "level": "Metadata", "resources": [{ "group": "apps", "resources": ["*/scale"] }] },
                { "level": "Metadata", "nonResourceURLs": ["/healthz*"], "userGroups": ["system:authenticated"] },
            ],
        }));
        let policy = policy.expect("a policy");
        let of = |verb: &str, group: &str, resource: &str, namespace: &str| {
            let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            Access {
                verb: verb.to_owned(),
                what: What::Resource {
                    group: group.to_owned(),
                    version: "v1".to_owned(),
                    plural: plural.to_owned(),
                    subresource: subresource.to_owned(),
                    namespace: namespace.to_owned(),
                    name: "x".to_owned(),
                },
            }
        };
        let path = |path: &str| Access { verb: "get".to_owned(), what: What::Path(path.to_owned()) };
        let cases = [
            ("jane", of("watch", "", "pods", "shop"), AuditLevel::None),
            ("jane", of("create", "", "configmaps", "shop"), AuditLevel::Request),
            ("jane", of("create", "", "configmaps", "other"), AuditLevel::None),
            ("system:kube-proxy", of("create", "", "configmaps", "shop"), AuditLevel::None),
            ("jane", of("update", "apps", "deployments/scale", "shop"), AuditLevel::Metadata),
            ("jane", of("update", "apps", "deployments", "shop"), AuditLevel::None),
            ("jane", path("/healthz/ping"), AuditLevel::Metadata),
            ("jane", path("/version"), AuditLevel::None),
        ];
        for (name, access, level) in cases {
            assert_eq!(policy.level(&User::new(name, [""; 0]), &access), level, "{name} {access:?}");
        }
        assert!(
            AuditPolicy::read(json!({ "omitStages": ["RequestReceived"] })).is_err(),
            "nothing is left out in silence"
        );
    }
}
