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
