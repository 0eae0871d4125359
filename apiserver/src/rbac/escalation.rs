//! Nobody gives away more than is allowed to themselves.
//!
//! Who writes a role must hold all of its rules, or be allowed to `escalate` it; who binds a role must hold its rules, or
//! be allowed to `bind` it.

use inboard::error::Subject;
use inboard::k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef};
use inboard::kernel::{Answer, Request};
use inboard::object::kind::{self, KindInfo};
use inboard::store::{Snapshot, WriteOptions};
use inboard::{ApiError, Reason};
use serde_json::Value;

use crate::access::{Access, What};
use crate::identity::{MASTERS, User};
use crate::place::{Place, TRIES_MAX};
use crate::rbac;
use crate::sent::Sent;

/// Judges a role or binding that somebody wants to write.
pub(crate) fn check(
    snapshot: &Snapshot,
    user: &User,
    info: &KindInfo,
    (namespace, name): (&str, &str),
    object: &Value,
) -> Result<(), ApiError> {
    let (wanted, by) = match info.id {
        kind::ROLE | kind::CLUSTER_ROLE => {
            let rules = serde_json::from_value(object["rules"].clone()).unwrap_or_default();
            (rules, access("escalate", info, namespace, name))
        }
        kind::ROLE_BINDING | kind::CLUSTER_ROLE_BINDING => {
            let Ok(to) = serde_json::from_value::<RoleRef>(object["roleRef"].clone()) else { return Ok(()) };
            let role = if to.kind == "ClusterRole" { kind::CLUSTER_ROLE } else { kind::ROLE };
            let Some(role) = role.built_in() else { return Ok(()) };
            let rules = rbac::role(snapshot, &to, namespace).to_vec();
            (rules, access("bind", role, namespace, &to.name))
        }
        _ => return Ok(()),
    };
    if rbac::is_allowed(snapshot, user, &by) {
        return Ok(());
    }
    let held: Vec<&PolicyRule> = rbac::rules(snapshot, user, namespace).collect();
    let missing: Vec<PolicyRule> =
        wanted.iter().flat_map(single).filter(|one| !held.iter().any(|rule| covers(rule, one))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
    let detail = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        groups.join(" "),
        told(&missing)
    );
    Err(ApiError::forbidden(Subject::new(info.group.to_string(), info.plural.to_string(), name), detail))
}

/// Whether what becomes of an object gives its author's rights away.
pub(crate) fn is_judged(place: &Place<'_>) -> bool {
    let gives_rights =
        matches!(place.info.id, kind::ROLE | kind::CLUSTER_ROLE | kind::ROLE_BINDING | kind::CLUSTER_ROLE_BINDING);
    gives_rights && !place.is_own && !place.user.is_in(MASTERS)
}

/// Makes a write whose outcome depends on more than is sent, on the object that is there and on policies: of a role or binding
/// it is rehearsed first, the outcome is judged, and then it must meet the object that it was judged by.
pub(crate) async fn guarded(
    place: &Place<'_>,
    sent: &Sent,
    options: WriteOptions,
    request: impl Fn(WriteOptions) -> Request,
) -> Result<Answer, ApiError> {
    let Place { cluster, user, info, namespace, .. } = *place;
    if !is_judged(place) {
        return place.ask(sent, request(options)).await;
    }
    let mut tries = 0;
    loop {
        let rehearsal = request(WriteOptions { dry_run: true, ..options.clone() });
        let (rehearsed, _) = place.tell(rehearsal).await?;
        let (Answer::Object(outcome) | Answer::Created(outcome)) = &rehearsed else {
            return Err(ApiError::internal("an answer without an object"));
        };
        let moment = cluster.moment().await?;
        check(&moment.snapshot, user, info, (namespace, &outcome.meta.name), &place.whole(outcome))?;
        tries += 1;
        let meets = Some(outcome.meta.revision);
        match place.ask(sent, request(WriteOptions { meets, ..options.clone() })).await {
            Err(error) if error.reason() == Reason::Conflict && tries < TRIES_MAX => {}
            done => return done,
        }
    }
}

fn access(verb: &str, info: &KindInfo, namespace: &str, name: &str) -> Access {
    Access {
        verb: verb.to_owned(),
        what: What::Resource {
            group: info.group.to_string(),
            version: info.version.to_string(),
            plural: info.plural.to_string(),
            subresource: String::new(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
    }
}

/// A rule as rules that each allow one thing.
fn single(rule: &PolicyRule) -> Vec<PolicyRule> {
    let mut all = Vec::new();
    let names: Vec<Option<String>> = match rule.resource_names.as_deref() {
        None | Some([]) => vec![None],
        Some(names) => names.iter().cloned().map(Some).collect(),
    };
    for verb in &rule.verbs {
        for url in rule.non_resource_urls.iter().flatten() {
            all.push(PolicyRule {
                verbs: vec![verb.clone()],
                non_resource_urls: Some(vec![url.clone()]),
                ..PolicyRule::default()
            });
        }
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                for name in &names {
                    all.push(PolicyRule {
                        verbs: vec![verb.clone()],
                        api_groups: Some(vec![group.clone()]),
                        resources: Some(vec![resource.clone()]),
                        resource_names: name.clone().map(|name| vec![name]),
                        non_resource_urls: None,
                    });
                }
            }
        }
    }
    all
}

/// Whether a rule allows everything that another one allows.
fn covers(held: &PolicyRule, wanted: &PolicyRule) -> bool {
    let list = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default();
    let has = |held: &[String], wanted: &[String]| {
        wanted.iter().all(|one| held.iter().any(|other| other == "*" || other == one))
    };
    let resource = |one: &String| {
        list(&held.resources).iter().any(|other| match other.split_once('/') {
            _ if other == "*" || other == one => true,
            Some(("*", sub)) => one.split_once('/').is_some_and(|(_, own)| own == sub),
            _ => false,
        })
    };
    let url = |one: &String| {
        list(&held.non_resource_urls).iter().any(|other| match other.strip_suffix('*') {
            Some(beginning) => one.starts_with(beginning),
            None => one == other,
        })
    };
    let held_names = list(&held.resource_names);
    let wanted_names = list(&wanted.resource_names);
    let has_names = held_names.is_empty() || (!wanted_names.is_empty() && has(&held_names, &wanted_names));
    has(&held.verbs, &wanted.verbs)
        && has(&list(&held.api_groups), &list(&wanted.api_groups))
        && list(&wanted.resources).iter().all(resource)
        && list(&wanted.non_resource_urls).iter().all(url)
        && (wanted.resources.is_none() || has_names)
}

/// Rules as upstream tells them: those that differ in their verbs alone in one.
fn told(rules: &[PolicyRule]) -> String {
    let mut compact: Vec<PolicyRule> = Vec::new();
    for rule in rules {
        let same = |one: &&mut PolicyRule| {
            let without_verbs = |rule: &PolicyRule| PolicyRule { verbs: Vec::new(), ..rule.clone() };
            without_verbs(one) == without_verbs(rule)
        };
        match compact.iter_mut().find(same) {
            Some(one) => one.verbs.extend(rule.verbs.iter().cloned()),
            None => compact.push(rule.clone()),
        }
    }
    let mut lines: Vec<String> = compact.iter().map(line).collect();
    lines.sort();
    lines.join("\n")
}

fn line(rule: &PolicyRule) -> String {
    let lists = [
        ("APIGroups", rule.api_groups.as_ref()),
        ("Resources", rule.resources.as_ref()),
        ("NonResourceURLs", rule.non_resource_urls.as_ref()),
        ("ResourceNames", rule.resource_names.as_ref()),
        ("Verbs", Some(&rule.verbs)),
    ];
    let parts = lists.into_iter().filter_map(|(name, list)| {
        let texts: Vec<String> = list.filter(|list| !list.is_empty())?.iter().map(|text| format!("{text:?}")).collect();
        Some(format!("{name}:[{}]", texts.join(" ")))
    });
    format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &str, resources: &str, names: &str) -> PolicyRule {
        let own = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        PolicyRule {
            verbs: own(verbs),
            api_groups: Some(vec![String::new()]),
            resources: Some(own(resources)),
            resource_names: Some(own(names)).filter(|names| !names.is_empty()),
            non_resource_urls: None,
        }
    }

    #[test]
    fn what_is_missing_is_told_in_few_rules() {
        let held = rule("get,list", "pods,services", "");
        let wanted = rule("get,watch,delete", "pods", "");
        let missing: Vec<_> = single(&wanted).into_iter().filter(|one| !covers(&held, one)).collect();
        assert_eq!(told(&missing), r#"{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}"#);
    }

    #[test]
    fn names_are_less_than_all() {
        for (held, wanted, expected) in [
            (rule("*", "*", ""), rule("get", "pods/log", ""), true),
            (rule("get", "secrets", "a"), rule("get", "secrets", ""), false),
            (rule("get", "secrets", "a,b"), rule("get", "secrets", "b"), true),
            (rule("get", "secrets", ""), rule("get", "secrets", "b"), true),
            (rule("get", "*/scale", ""), rule("get", "deployments/scale", ""), true),
            (rule("get", "deployments", ""), rule("get", "deployments/scale", ""), false),
        ] {
            assert!(single(&wanted).iter().all(|one| covers(&held, one)) == expected, "{held:?} {wanted:?}");
        }
    }
}
