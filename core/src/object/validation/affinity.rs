//! Where a pod may run: node selectors, affinity to nodes and other pods, tolerations, even spreading.

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::super::field::{FieldErrors, Path};
use super::fields::{Names, list, one_of, text};
use super::selector::{self, Values};
use super::{meta, names};

/// What a taint does to pods that do not tolerate it, in upstream's order.
pub const TAINT_EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks a pod's affinities.
pub(super) fn affinity(affinity: &Affinity, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(node) = &affinity.node_affinity {
        node_affinity(node, &path.field("nodeAffinity"), errors);
    }
    if let Some(pod) = &affinity.pod_affinity {
        let path = path.field("podAffinity");
        let (required, preferred) = (
            list(&pod.required_during_scheduling_ignored_during_execution),
            list(&pod.preferred_during_scheduling_ignored_during_execution),
        );
        pod_terms(required, preferred, &path, errors);
    }
    if let Some(pod) = &affinity.pod_anti_affinity {
        let path = path.field("podAntiAffinity");
        let (required, preferred) = (
            list(&pod.required_during_scheduling_ignored_during_execution),
            list(&pod.preferred_during_scheduling_ignored_during_execution),
        );
        pod_terms(required, preferred, &path, errors);
    }
}

/// What is wrong with what a pod requires and prefers of nodes.
pub fn node_affinity(affinity: &NodeAffinity, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        node_selector(required, &path.field("requiredDuringSchedulingIgnoredDuringExecution"), errors);
    }
    let path = path.field("preferredDuringSchedulingIgnoredDuringExecution");
    let preferred = list(&affinity.preferred_during_scheduling_ignored_during_execution);
    for (index, term) in preferred.iter().enumerate() {
        let path = path.index(index);
        weight(term.weight, &path, errors);
        // Values that no node can have do no harm in a preference.
        node_selector_term(&term.preference, Values::Any, &path.field("preference"), errors);
    }
}

fn weight(weight: i32, path: &Path<'_>, errors: &mut FieldErrors) {
    if !(1..=100).contains(&weight) {
        errors.invalid(&path.field("weight"), weight, "must be in the range 1-100");
    }
}

/// Checks a selector of nodes.
pub fn node_selector(selector: &NodeSelector, path: &Path<'_>, errors: &mut FieldErrors) {
    let path = path.field("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        return errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        node_selector_term(term, Values::Checked, &path.index(index), errors);
    }
}

fn node_selector_term(term: &NodeSelectorTerm, values: Values, path: &Path<'_>, errors: &mut FieldErrors) {
    let expressions = path.field("matchExpressions");
    for (index, requirement) in list(&term.match_expressions).iter().enumerate() {
        node_requirement(requirement, values, &expressions.index(index), errors);
    }
    let fields = path.field("matchFields");
    for (index, requirement) in list(&term.match_fields).iter().enumerate() {
        node_field_requirement(requirement, &fields.index(index), errors);
    }
}

fn node_requirement(requirement: &NodeSelectorRequirement, checked: Values, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = list(&requirement.values);
    let values_path = path.field("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if values.is_empty() {
                errors.required(&values_path, "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                errors.forbidden(&values_path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                errors.required(&values_path, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
        }
        other => errors.invalid(&path.field("operator"), other, "not a valid selector operator"),
    }
    meta::label_name(&requirement.key, &path.field("key"), errors);
    if checked == Values::Checked {
        for (index, value) in values.iter().enumerate() {
            errors.invalid_each(&values_path.index(index), value, names::label_value(value));
        }
    }
}

fn node_field_requirement(requirement: &NodeSelectorRequirement, path: &Path<'_>, errors: &mut FieldErrors) {
    let values = list(&requirement.values);
    let values_path = path.field("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" => {
            if values.len() != 1 {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                errors.required(&values_path, detail);
            }
        }
        other => errors.invalid(&path.field("operator"), other, "not a valid selector operator"),
    }
    if requirement.key != "metadata.name" {
        errors.invalid(&path.field("key"), requirement.key.as_str(), "not a valid field selector key");
        return;
    }
    for (index, value) in values.iter().enumerate() {
        errors.invalid_each(&values_path.index(index), value, names::dns1123_subdomain(value));
    }
}

fn pod_terms(
    required: &[PodAffinityTerm],
    preferred: &[WeightedPodAffinityTerm],
    path: &Path<'_>,
    errors: &mut FieldErrors,
) {
    let required_path = path.field("requiredDuringSchedulingIgnoredDuringExecution");
    for (index, term) in required.iter().enumerate() {
        pod_term(term, &required_path.index(index), errors);
    }
    let preferred_path = path.field("preferredDuringSchedulingIgnoredDuringExecution");
    for (index, term) in preferred.iter().enumerate() {
        let path = preferred_path.index(index);
        weight(term.weight, &path, errors);
        pod_term(&term.pod_affinity_term, &path.field("podAffinityTerm"), errors);
    }
}

fn pod_term(term: &PodAffinityTerm, path: &Path<'_>, errors: &mut FieldErrors) {
    for (field, labels) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)] {
        if let Some(labels) = labels {
            selector::label_selector(labels, Values::Checked, &path.field(field), errors);
        }
    }
    for namespace in list(&term.namespaces) {
        errors.invalid_each(&path.field("namespace"), namespace, names::dns1123_label(namespace));
    }
    match_label_keys(term, path, errors);
    let topology = path.field("topologyKey");
    if term.topology_key.is_empty() {
        errors.required(&topology, "can not be empty");
    }
    meta::label_name(&term.topology_key, &topology, errors);
}

fn match_label_keys(term: &PodAffinityTerm, path: &Path<'_>, errors: &mut FieldErrors) {
    let (matched, mismatched) = (list(&term.match_label_keys), list(&term.mismatch_label_keys));
    if matched.is_empty() && mismatched.is_empty() {
        return;
    }
    let selector = term.label_selector.as_ref();
    for (field, keys) in [("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)] {
        label_keys(keys, selector.is_some(), &path.field(field), errors);
    }
    if let Some(selector) = selector {
        keys_twice_selected(matched, selector, path, errors);
    }
    for (index, key) in matched.iter().enumerate() {
        if mismatched.contains(key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&path.field("matchLabelKeys").index(index), key.as_str(), detail);
        }
    }
}

fn label_keys(keys: &[String], has_selector: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if keys.is_empty() {
        return;
    }
    if !has_selector {
        return errors.forbidden(path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().enumerate() {
        meta::label_name(key, &path.index(index), errors);
    }
}

/// A new pod's keys are already in its selector, once: a second time, the user selected by the key too.
fn keys_twice_selected(keys: &[String], selector: &LabelSelector, path: &Path<'_>, errors: &mut FieldErrors) {
    let labels = selector.match_labels.iter().flat_map(|labels| labels.keys()).map(String::as_str);
    let mut selected: Names<'_> = labels.collect();
    for expression in list(&selector.match_expressions) {
        let key = expression.key.as_str();
        if let Some(index) = keys.iter().rposition(|known| known == key)
            && selected.contains(key)
        {
            errors.invalid(&path.index(index), key, "exists in both matchLabelKeys and labelSelector");
        }
        selected.insert(key);
    }
}

/// Checks tolerations.
pub fn tolerations(tolerations: &[Toleration], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = path.index(index);
        let (key, operator, effect) = (text(&toleration.key), text(&toleration.operator), text(&toleration.effect));
        let operator_path = path.field("operator");
        if !key.is_empty() {
            meta::label_name(key, &path.field("key"), errors);
        }
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&operator_path, operator, detail);
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.invalid(&path.field("effect"), effect, detail);
        }
        operator_and_value(operator, text(&toleration.value), &operator_path, errors);
        if !effect.is_empty() {
            one_of(effect, TAINT_EFFECTS, &path.field("effect"), errors);
        }
    }
}

fn operator_and_value(operator: &str, value: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    match operator {
        "" | "Equal" => {
            let problems = names::label_value(value);
            if !problems.is_empty() {
                errors.invalid(path, value, problems.join(";"));
            }
        }
        "Exists" => {
            if !value.is_empty() {
                errors.invalid(path, value, "value must be empty when `operator` is 'Exists'");
            }
        }
        // Known, but behind a feature gate that is off.
        "Lt" | "Gt" => errors.not_supported(path, operator, &["Equal", "Exists", "Lt", "Gt"]),
        other => errors.not_supported(path, other, &["Equal", "Exists"]),
    }
}

/// Checks how a pod is to be spread.
pub(super) fn topology_spread(constraints: &[TopologySpreadConstraint], path: &Path<'_>, errors: &mut FieldErrors) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let unsatisfiable = constraint.when_unsatisfiable.as_str();
        if constraint.max_skew <= 0 {
            errors.invalid(&path.field("maxSkew"), constraint.max_skew, "must be greater than zero");
        }
        if constraint.topology_key.is_empty() {
            errors.required(&path.field("topologyKey"), "can not be empty");
        }
        one_of(unsatisfiable, &["DoNotSchedule", "ScheduleAnyway"], &path.field("whenUnsatisfiable"), errors);
        let same = |other: &TopologySpreadConstraint| {
            (&other.topology_key, &other.when_unsatisfiable)
                == (&constraint.topology_key, &constraint.when_unsatisfiable)
        };
        if constraints.iter().skip(index + 1).any(same) {
            let shown = format!("{{{}, {unsatisfiable}}}", constraint.topology_key);
            errors.duplicate(&path.field("{topologyKey, whenUnsatisfiable}"), shown);
        }
        spread_details(constraint, &path, errors);
    }
}

fn spread_details(constraint: &TopologySpreadConstraint, path: &Path<'_>, errors: &mut FieldErrors) {
    let unsatisfiable = constraint.when_unsatisfiable.as_str();
    if let Some(domains) = constraint.min_domains {
        let path = path.field("minDomains");
        if domains <= 0 {
            errors.invalid(&path, domains, "must be greater than zero");
        }
        if unsatisfiable != "DoNotSchedule" {
            let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {unsatisfiable}");
            errors.invalid(&path, domains, detail);
        }
    }
    for (field, policy) in
        [("nodeAffinityPolicy", &constraint.node_affinity_policy), ("nodeTaintsPolicy", &constraint.node_taints_policy)]
    {
        if let Some(policy) = policy.as_deref() {
            one_of(policy, &["Honor", "Ignore"], &path.field(field), errors);
        }
    }
    let keys = list(&constraint.match_label_keys);
    let keys_path = path.field("matchLabelKeys");
    label_keys(keys, constraint.label_selector.is_some(), &keys_path, errors);
    if let Some(selector) = &constraint.label_selector {
        if !keys.is_empty() {
            // As for the affinity to pods: the index stands where a field should.
            keys_twice_selected(keys, selector, path, errors);
        }
        selector::label_selector(selector, Values::Checked, &path.field("labelSelector"), errors);
    }
}
