//! Who may do what: roles, and the bindings that give them to users (`rbac.authorization.k8s.io`).
//!
//! **The rule**: something is allowed when a rule of a role that is bound to the user or to one of its groups names it; in
//! a namespace by its own bindings or by those of the whole cluster, elsewhere by those of the cluster alone. Members of
//! `system:masters` may do everything.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::snapshot::Snapshot;
use crate::access::{Access, MASTERS, User, What};
use crate::object::kind;

/// Whether somebody may do something.
pub fn is_allowed(snapshot: &Snapshot, user: &User, access: &Access) -> bool {
    user.is_in(MASTERS) || rules(snapshot, user, access.namespace()).any(|rule| allows(rule, access))
}

/// The rules that are bound to somebody: of the whole cluster, then, unless it is empty, of a namespace.
pub fn rules<'s>(snapshot: &'s Snapshot, user: &'s User, namespace: &'s str) -> impl Iterator<Item = &'s PolicyRule> {
    let everywhere = snapshot
        .list(kind::CLUSTER_ROLE_BINDING)
        .filter_map(|object| object.typed::<ClusterRoleBinding>())
        .filter(move |binding| is_bound(binding.subjects.as_deref(), user, ""))
        .flat_map(move |binding| role(snapshot, &binding.role_ref, ""));
    let here = (!namespace.is_empty()).then(|| snapshot.list_in(kind::ROLE_BINDING, namespace)).into_iter().flatten();
    let here = here
        .filter_map(|object| object.typed::<RoleBinding>())
        .filter(move |binding| is_bound(binding.subjects.as_deref(), user, namespace))
        .flat_map(move |binding| role(snapshot, &binding.role_ref, namespace));
    everywhere.chain(here)
}

/// The rules of the role that is named; none when it is not there.
pub fn role<'s>(snapshot: &'s Snapshot, to: &RoleRef, namespace: &str) -> &'s [PolicyRule] {
    let rules = if to.kind == "ClusterRole" {
        let role = snapshot.find(kind::CLUSTER_ROLE, "", &to.name);
        role.and_then(|object| object.typed::<ClusterRole>()?.rules.as_deref())
    } else {
        let role = snapshot.find(kind::ROLE, namespace, &to.name);
        role.and_then(|object| object.typed::<Role>()?.rules.as_deref())
    };
    rules.unwrap_or_default()
}

fn is_bound(subjects: Option<&[Subject]>, user: &User, namespace: &str) -> bool {
    subjects.unwrap_or_default().iter().any(|subject| match subject.kind.as_str() {
        "User" => subject.name == user.name,
        "Group" => user.is_in(&subject.name),
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(namespace);
            user.name.strip_prefix("system:serviceaccount:").and_then(|name| name.split_once(':'))
                == Some((namespace, subject.name.as_str()))
        }
        _ => false,
    })
}

/// Whether a rule allows something.
pub fn allows(rule: &PolicyRule, access: &Access) -> bool {
    let names = |list: Option<&Vec<String>>, wanted: &str| {
        list.is_some_and(|list| list.iter().any(|one| one == "*" || one == wanted))
    };
    if !names(Some(&rule.verbs), &access.verb) {
        return false;
    }
    match &access.what {
        What::Path(path) => rule.non_resource_urls.iter().flatten().any(|url| is_path(url, path)),
        What::Resource { group, plural, subresource, name, .. } => {
            let is_resource = |one: &String| match one.split_once('/') {
                _ if one == "*" => true,
                None => one == plural && subresource.is_empty(),
                Some((_, "*")) => false,
                Some(("*", sub)) => sub == subresource,
                Some((resource, sub)) => resource == plural && sub == subresource,
            };
            names(rule.api_groups.as_ref(), group)
                && rule.resources.iter().flatten().any(is_resource)
                && rule.resource_names.as_ref().is_none_or(|names| names.is_empty() || names.contains(name))
        }
    }
}

/// Whether a path is one that a rule names: `/healthz`, `/api/*`, `*`.
fn is_path(url: &str, path: &str) -> bool {
    match url.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => url == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> PolicyRule {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        PolicyRule {
            verbs: own(verbs),
            api_groups: Some(own(groups)),
            resources: Some(own(resources)),
            resource_names: Some(own(names)),
            non_resource_urls: None,
        }
    }

    fn access(verb: &str, group: &str, resource: &str, name: &str) -> Access {
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Access {
            verb: verb.to_owned(),
            what: What::Resource {
                group: group.to_owned(),
                version: "v1".to_owned(),
                plural: plural.to_owned(),
                subresource: subresource.to_owned(),
                namespace: "a".to_owned(),
                name: name.to_owned(),
            },
        }
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        let cases = [
            (rule(&["get"], &[""], &["pods"], &[]), access("get", "", "pods", "p"), true),
            (rule(&["get"], &[""], &["pods"], &[]), access("list", "", "pods", ""), false),
            (rule(&["get"], &[""], &["pods"], &[]), access("get", "", "pods/log", "p"), false),
            (rule(&["*"], &["*"], &["*"], &[]), access("get", "apps", "deployments/scale", "p"), true),
            (rule(&["get"], &[""], &["pods/log"], &[]), access("get", "", "pods/log", "p"), true),
            (rule(&["update"], &["apps"], &["*/scale"], &[]), access("update", "apps", "deployments/scale", "d"), true),
            (rule(&["get"], &["apps"], &["pods"], &[]), access("get", "", "pods", "p"), false),
            (rule(&["get"], &[""], &["secrets"], &["s"]), access("get", "", "secrets", "s"), true),
            (rule(&["list"], &[""], &["secrets"], &["s"]), access("list", "", "secrets", ""), false),
        ];
        for (rule, access, expected) in cases {
            assert_eq!(allows(&rule, &access), expected, "{rule:?} {access:?}");
        }
        let pages = PolicyRule {
            verbs: vec!["get".to_owned()],
            non_resource_urls: Some(vec!["/api/*".to_owned(), "/version".to_owned()]),
            ..PolicyRule::default()
        };
        for (path, expected) in [("/api/v1", true), ("/version", true), ("/versions", false), ("/apis", false)] {
            let access = Access { verb: "get".to_owned(), what: What::Path(path.to_owned()) };
            assert_eq!(allows(&pages, &access), expected, "{path}");
        }
    }
}
