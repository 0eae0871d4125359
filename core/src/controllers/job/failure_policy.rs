//! `spec.podFailurePolicy`: the first rule that a failed pod matches says what its failure means.

use k8s_openapi::api::batch::v1::{PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule};

use super::member::Member;
use crate::store::{ContainerPhase, ContainerRecord, PodCondition};

/// What a failed pod means to its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It counts against the backoff limit.
    Counts,
    /// It does not count.
    Ignored,
    /// Its index has failed for good.
    FailsIndex,
    /// The whole Job has failed, for this reason.
    FailsJob(String),
}

/// What the policy says of a failed pod.
pub(super) fn meaning(policy: Option<&PodFailurePolicy>, pod: Member<'_>) -> Meaning {
    let rules = policy.iter().flat_map(|policy| &policy.rules).enumerate();
    let mut matches = rules.filter_map(|(place, rule)| Some((place, rule, matched(rule, pod)?)));
    let Some((place, rule, what)) = matches.next() else { return Meaning::Counts };
    match rule.action.as_str() {
        "Ignore" => Meaning::Ignored,
        "FailIndex" => Meaning::FailsIndex,
        "FailJob" => Meaning::FailsJob(format!("{what} matching FailJob rule at index {place}")),
        _ => Meaning::Counts,
    }
}

/// How a pod matches a rule, in words; `None` when it does not.
fn matched(rule: &PodFailurePolicyRule, pod: Member<'_>) -> Option<String> {
    let path = pod.0.meta.path();
    let state = &pod.0.pod()?.state;
    if let Some(wanted) = &rule.on_exit_codes {
        let mut containers = state.containers.iter().chain(&state.init_containers);
        return containers.find_map(|container| {
            let code = exit_code(container).filter(|code| fits(wanted, &container.name, *code))?;
            Some(format!("Container {} for pod {path} failed with exit code {code}", container.name))
        });
    }
    let is_meant = |condition: &&PodCondition| {
        rule.on_pod_conditions.iter().flatten().any(|pattern| {
            let status = pattern.status.as_deref().unwrap_or("True");
            condition.kind.as_str() == pattern.type_ && condition.status.as_str() == status
        })
    };
    let condition = state.conditions.iter().find(is_meant)?;
    Some(format!("Pod {path} has condition {}", condition.kind.as_str()))
}

/// The code with which a container failed: an end with 0 is no failure.
fn exit_code(container: &ContainerRecord) -> Option<i32> {
    match &container.phase {
        ContainerPhase::Terminated(exit) => Some(exit.exit_code).filter(|code| *code != 0),
        ContainerPhase::Waiting(_) | ContainerPhase::Running(_) => None,
    }
}

fn fits(wanted: &PodFailurePolicyOnExitCodesRequirement, container: &str, code: i32) -> bool {
    let meant = wanted.container_name.as_deref().is_none_or(|name| name == container);
    let listed = wanted.values.contains(&code);
    meant && if wanted.operator == "NotIn" { !listed } else { listed }
}
