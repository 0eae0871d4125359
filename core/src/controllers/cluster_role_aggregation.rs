//! The controller of aggregated cluster roles (`pkg/controller/clusterroleaggregation`).
//!
//! **The rule**: a cluster role with an `aggregationRule` has the rules of all roles that one of its selectors matches,
//! each rule once, in the order of the roles' names.
//!
//! Rules that a person wrote into such a role stay until there is the first rule to take their place. From then on they
//! are this controller's, as `managedFields` says, and go when the last role that gave any goes.

use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::json;

use crate::control::{Action, Controller, Keys, Plan, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Gathers the rules of aggregated cluster roles.
#[derive(Debug)]
pub struct ClusterRoleAggregationController;

/// A role and those that give it its rules.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    role: &'w ClusterRole,
    /// In the order of the selectors; a role that several selectors match comes several times.
    parts: Vec<&'w ClusterRole>,
}

impl Controller for ClusterRoleAggregationController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "clusterrole-aggregation-controller";

    const WATCHED: &'static [Watched] = &[Watched::kind(kind::CLUSTER_ROLE, all_aggregated)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        let role: &ClusterRole = object.typed()?;
        let rule = role.aggregation_rule.as_ref()?;
        let mut parts = Vec::new();
        for selector in rule.cluster_role_selectors.iter().flatten() {
            // What validation let pass can be compiled.
            let Ok(selector) = Selector::compile(Some(selector)) else { continue };
            let matching = snapshot
                .list(kind::CLUSTER_ROLE)
                .filter(|other| other.meta.uid != key && selector.matches(&other.meta.labels));
            parts.extend(matching.filter_map(|other| other.typed::<ClusterRole>()));
        }
        Some(Observed { object, role, parts })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut rules: Vec<PolicyRule> = Vec::new();
        for rule in observed.parts.iter().flat_map(|part| part.rules.iter().flatten()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        let current = observed.role.rules.as_deref().unwrap_or_default();
        let not_ours = rules.is_empty() && !wrote_rules(observed.role);
        if *current == *rules || not_ours {
            return Plan::nothing();
        }
        let mut next = observed.role.clone();
        next.rules = (!rules.is_empty()).then_some(rules);
        sign(&mut next, now);
        let mut plan = Plan::nothing();
        plan.push(Action::Update {
            target: Target::seen(observed.object),
            object: Arc::new(next),
            spec_changed: false,
        });
        plan
    }
}

fn is_signature(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(ClusterRoleAggregationController::NAME)
}

fn wrote_rules(role: &ClusterRole) -> bool {
    role.metadata.managed_fields.iter().flatten().any(is_signature)
}

/// Notes whose the rules are, as upstream's server-side apply does.
fn sign(role: &mut ClusterRole, now: Time) {
    let mut entries = role.metadata.managed_fields.take().unwrap_or_default();
    entries.retain(|entry| !is_signature(entry));
    if role.rules.is_some() {
        entries.push(ManagedFieldsEntry {
            api_version: Some("rbac.authorization.k8s.io/v1".to_owned()),
            fields_type: Some("FieldsV1".to_owned()),
            fields_v1: Some(FieldsV1(json!({"f:rules": {}}))),
            manager: Some(ClusterRoleAggregationController::NAME.to_owned()),
            operation: Some("Apply".to_owned()),
            subresource: None,
            time: Some(now.to_api()),
        });
    }
    role.metadata.managed_fields = (!entries.is_empty()).then_some(entries);
}

/// Any role may be part of any aggregated one. Both are few.
fn all_aggregated(_: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    keys.extend(snapshot.aggregated_roles().map(|role| role.meta.uid));
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::store::{Draft, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000);

    /// A role with a rule for each of these verbs; `selects` makes it an aggregated one.
    fn role(name: &str, label: &str, verbs: &str, selects: &[&str]) -> ClusterRole {
        let rules = verbs.split_whitespace();
        let rules: Vec<Value> =
            rules.map(|verb| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]})).collect();
        let metadata = json!({"name": name, "labels": {"of": label}});
        let mut role = json!({"metadata": metadata, "rules": rules});
        if !selects.is_empty() {
            let selectors: Vec<Value> = selects.iter().map(|label| json!({"matchLabels": {"of": label}})).collect();
            role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
        }
        serde_json::from_value(role).expect("a role")
    }

    fn write(store: &mut Store, role: ClusterRole) -> Uid {
        store.create_with(Draft::of(role), WriteOptions::default(), NOW).expect("room for it").meta.uid
    }

    /// The verbs that the role has after a look at it, if it is written.
    fn told(store: &mut Store, key: Uid) -> Option<String> {
        let observed = ClusterRoleAggregationController::observe(store.snapshot(), key).expect("an aggregated role");
        let plan = ClusterRoleAggregationController::decide(&observed, NOW);
        if plan.actions.is_empty() {
            return None;
        }
        store.commit(plan.actions, NOW).expect("nobody else writes");
        let role = store.snapshot().get(key)?.typed::<ClusterRole>()?;
        Some(role.rules.iter().flatten().flat_map(|rule| rule.verbs.clone()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn an_aggregated_role_has_the_rules_of_those_that_it_selects() {
        let [hammer, chisel, saw] = [("hammer", "delete list"), ("chisel", "get"), ("saw", "watch")];
        for (case, parts, own, selects, expected) in [
            ("rules of its own are replaced", vec![(hammer, "a")], "watch", vec!["a"], Some("delete list")),
            ("what is there is left", vec![(hammer, "a")], "delete list", vec!["a"], None),
            ("by name", vec![(hammer, "a"), (chisel, "a"), (saw, "b")], "", vec!["a"], Some("get delete list")),
            (
                "selector by selector",
                vec![(hammer, "a"), (chisel, "b"), (saw, "a")],
                "",
                vec!["b", "a"],
                Some("get delete list watch"),
            ),
            ("each rule once", vec![(saw, "a"), (("second", "watch"), "b")], "", vec!["a", "b"], Some("watch")),
            // Whose they are is known: upstream's apply takes only its own away.
            ("rules of its own stay while there are none", vec![(hammer, "b")], "watch", vec!["a"], None),
        ] {
            let mut store = Store::new(1);
            store.found(NOW);
            for ((name, verbs), label) in parts {
                write(&mut store, role(name, label, verbs, &[]));
            }
            let key = write(&mut store, role("combined", "none", own, &selects));
            assert_eq!(told(&mut store, key).as_deref(), expected, "{case}");
            assert_eq!(told(&mut store, key), None, "{case}: once");
        }
    }

    #[test]
    fn rules_go_with_the_last_role_that_gave_any() {
        let mut store = Store::new(1);
        store.found(NOW);
        write(&mut store, role("hammer", "a", "delete", &[]));
        let key = write(&mut store, role("combined", "none", "", &["a"]));
        assert_eq!(told(&mut store, key).as_deref(), Some("delete"));
        store.delete(kind::CLUSTER_ROLE, "", "hammer", Default::default(), NOW).expect("it is there");
        assert_eq!(told(&mut store, key).as_deref(), Some(""));
    }
}
