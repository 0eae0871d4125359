//! The objects of flow control that every cluster has, and whose specs nobody changes: `exempt` and `catch-all`.

use std::fmt::Write as _;

use k8s_openapi::api::flowcontrol::v1::{
    ExemptPriorityLevelConfiguration, FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, GroupSubject, LimitResponse,
    LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PolicyRulesWithSubjects, PriorityLevelConfiguration,
    PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec, ResourcePolicyRule, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::super::shared::SPEC;
use crate::access::{AUTHENTICATED, MASTERS, UNAUTHENTICATED};
use crate::object::field::FieldErrors;

const EXEMPT: &str = "exempt";
const CATCH_ALL: &str = "catch-all";
/// Says that the server keeps the spec as it shall be.
const KEPT: &str = "apf.kubernetes.io/autoupdate-spec";

/// The flow schemas that every cluster has.
pub fn flow_schemas() -> Vec<FlowSchema> {
    let schema = |name: &str| FlowSchema {
        metadata: metadata(name),
        spec: schema_spec(name).unwrap_or_default(),
        ..FlowSchema::default()
    };
    [EXEMPT, CATCH_ALL].map(schema).into()
}

/// The priority levels that every cluster has.
pub fn priority_levels() -> Vec<PriorityLevelConfiguration> {
    let level = |name: &str| PriorityLevelConfiguration {
        metadata: metadata(name),
        spec: level_spec(name).unwrap_or_default(),
        ..PriorityLevelConfiguration::default()
    };
    [EXEMPT, CATCH_ALL].map(level).into()
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        annotations: Some([(KEPT.to_owned(), "true".to_owned())].into()),
        ..ObjectMeta::default()
    }
}

/// The spec of a flow schema of this name, where it is one that nobody changes.
fn schema_spec(name: &str) -> Option<FlowSchemaSpec> {
    let (precedence, method, groups): (i32, Option<&str>, &[&str]) = match name {
        EXEMPT => (1, None, &[MASTERS]),
        CATCH_ALL => (10_000, Some("ByUser"), &[UNAUTHENTICATED, AUTHENTICATED]),
        _ => return None,
    };
    let all = || vec!["*".to_owned()];
    let subject = |group: &&str| Subject {
        kind: "Group".to_owned(),
        group: Some(GroupSubject { name: (*group).to_owned() }),
        ..Subject::default()
    };
    let everything = PolicyRulesWithSubjects {
        subjects: groups.iter().map(subject).collect(),
        resource_rules: Some(vec![ResourcePolicyRule {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            cluster_scope: Some(true),
            namespaces: Some(all()),
        }]),
        non_resource_rules: Some(vec![NonResourcePolicyRule { verbs: all(), non_resource_urls: all() }]),
    };
    Some(FlowSchemaSpec {
        priority_level_configuration: PriorityLevelConfigurationReference { name: name.to_owned() },
        matching_precedence: Some(precedence),
        distinguisher_method: method.map(|method| FlowDistinguisherMethod { type_: method.to_owned() }),
        rules: Some(vec![everything]),
    })
}

/// The spec of a priority level of this name, where it is one that nobody changes.
fn level_spec(name: &str) -> Option<PriorityLevelConfigurationSpec> {
    match name {
        EXEMPT => Some(PriorityLevelConfigurationSpec {
            type_: "Exempt".to_owned(),
            exempt: Some(ExemptPriorityLevelConfiguration {
                nominal_concurrency_shares: Some(0),
                lendable_percent: Some(0),
            }),
            limited: None,
        }),
        CATCH_ALL => Some(PriorityLevelConfigurationSpec {
            type_: "Limited".to_owned(),
            limited: Some(LimitedPriorityLevelConfiguration {
                nominal_concurrency_shares: Some(5),
                lendable_percent: Some(0),
                limit_response: LimitResponse { type_: "Reject".to_owned(), queuing: None },
                borrowing_limit_percent: None,
            }),
            exempt: None,
        }),
        _ => None,
    }
}

/// What is wrong with the spec of a flow schema that nobody changes.
pub(super) fn schema(spec: &FlowSchemaSpec, name: &str, errors: &mut FieldErrors) {
    if schema_spec(name).is_some_and(|fixed| fixed != *spec) {
        errors.invalid_json(&SPEC, shown_schema(spec), format!("spec of '{name}' must equal the fixed value"));
    }
}

/// What is wrong with the spec of a priority level that nobody changes: shares of what is exempt may be set.
pub(super) fn level(spec: &PriorityLevelConfigurationSpec, name: &str, errors: &mut FieldErrors) {
    let Some(fixed) = level_spec(name) else { return };
    let mut compared = spec.clone();
    let but = if name == EXEMPT { " except the 'spec.exempt' field" } else { "" };
    if name == EXEMPT {
        compared.exempt.clone_from(&fixed.exempt);
    }
    if fixed != compared {
        errors.invalid_json(&SPEC, shown_level(spec), format!("spec of '{name}'{but} must equal the fixed value"));
    }
}

/// As Go prints the fields of its internal types, which are named as there.
fn shown_schema(spec: &FlowSchemaSpec) -> String {
    let method = spec.distinguisher_method.as_ref().map(|method| format!("{{\"Type\":{}}}", json(&method.type_)));
    let rules = spec.rules.as_ref().map(|rules| listed(rules.iter().map(shown_rule)));
    format!(
        "{{\"PriorityLevelConfiguration\":{{\"Name\":{}}},\"MatchingPrecedence\":{},\"DistinguisherMethod\":{},\"Rules\":{}}}",
        json(&spec.priority_level_configuration.name),
        spec.matching_precedence.unwrap_or_default(),
        or_null(method),
        or_null(rules),
    )
}

fn shown_rule(rule: &PolicyRulesWithSubjects) -> String {
    let resources = rule.resource_rules.as_ref().map(|rules| {
        listed(rules.iter().map(|rule| {
            format!(
                "{{\"Verbs\":{},\"APIGroups\":{},\"Resources\":{},\"ClusterScope\":{},\"Namespaces\":{}}}",
                json(&rule.verbs),
                json(&rule.api_groups),
                json(&rule.resources),
                rule.cluster_scope.unwrap_or_default(),
                json(&rule.namespaces),
            )
        }))
    });
    let others = rule.non_resource_rules.as_ref().map(|rules| {
        listed(rules.iter().map(|rule| {
            format!("{{\"Verbs\":{},\"NonResourceURLs\":{}}}", json(&rule.verbs), json(&rule.non_resource_urls))
        }))
    });
    format!(
        "{{\"Subjects\":{},\"ResourceRules\":{},\"NonResourceRules\":{}}}",
        listed(rule.subjects.iter().map(shown_subject)),
        or_null(resources),
        or_null(others),
    )
}

fn shown_subject(subject: &Subject) -> String {
    let named = |name: &String| format!("{{\"Name\":{}}}", json(name));
    let account = subject.service_account.as_ref();
    let account = account
        .map(|account| format!("{{\"Namespace\":{},\"Name\":{}}}", json(&account.namespace), json(&account.name)));
    format!(
        "{{\"Kind\":{},\"User\":{},\"Group\":{},\"ServiceAccount\":{}}}",
        json(&subject.kind),
        or_null(subject.user.as_ref().map(|user| named(&user.name))),
        or_null(subject.group.as_ref().map(|group| named(&group.name))),
        or_null(account),
    )
}

fn shown_level(spec: &PriorityLevelConfigurationSpec) -> String {
    let limited = spec.limited.as_ref().map(|limited| {
        let response = limited.limit_response.clone();
        let queuing = response.queuing.map(|queuing| {
            format!(
                "{{\"Queues\":{},\"HandSize\":{},\"QueueLengthLimit\":{}}}",
                queuing.queues.unwrap_or_default(),
                queuing.hand_size.unwrap_or_default(),
                queuing.queue_length_limit.unwrap_or_default(),
            )
        });
        format!(
            "{{\"NominalConcurrencyShares\":{},\"LimitResponse\":{{\"Type\":{},\"Queuing\":{}}},\"LendablePercent\":{},\
             \"BorrowingLimitPercent\":{}}}",
            limited.nominal_concurrency_shares.unwrap_or_default(),
            json(&response.type_),
            or_null(queuing),
            json(&limited.lendable_percent),
            json(&limited.borrowing_limit_percent),
        )
    });
    let exempt = spec.exempt.as_ref().map(|exempt| {
        format!(
            "{{\"NominalConcurrencyShares\":{},\"LendablePercent\":{}}}",
            json(&exempt.nominal_concurrency_shares),
            json(&exempt.lendable_percent),
        )
    });
    format!("{{\"Type\":{},\"Limited\":{},\"Exempt\":{}}}", json(&spec.type_), or_null(limited), or_null(exempt))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let mut text = "[".to_owned();
    for (index, item) in items.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{item}").expect("a string takes it");
    }
    text + "]"
}

fn or_null(text: Option<String>) -> String {
    text.unwrap_or_else(|| "null".to_owned())
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
