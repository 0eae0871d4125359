//! StatefulSets: names that fit a pod's, and a spec of which only some fields may change.
//!
//! Source: `pkg/apis/apps/validation`.

use std::borrow::Cow;

use k8s_openapi::api::apps::v1::StatefulSetUpdateStrategy;
use k8s_openapi::api::apps::v1::{RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume};

use super::checks::{self, nonnegative, nonnegative_if};
use super::fields::{list, one_of, text};
use super::names::{self, name_is_dns_label};
use super::shared::{self, SPEC, STATUS, meta_update};
use super::{claim_spec, go_type};
use crate::object::field::{FieldErrors, Path};

/// Which rules an update leaves out, because the fields they concern cannot change any more.
#[derive(Clone, Copy)]
struct Rules {
    service_name: bool,
    claims: bool,
    template: bool,
}

/// What is wrong with a new StatefulSet.
pub fn stateful_set(set: &StatefulSet) -> FieldErrors {
    let mut errors = shared::namespaced(&set.metadata, name_is_dns_label);
    spec(&set.spec, Rules { service_name: true, claims: true, template: true }, &mut errors);
    errors
}

/// What is wrong with a changed StatefulSet.
pub fn stateful_set_update(new: &StatefulSet, old: &StatefulSet) -> FieldErrors {
    let mut errors = meta_update(&new.metadata, &old.metadata);
    let mut before = FieldErrors::new();
    let rules = Rules { service_name: false, claims: false, template: true };
    spec(&old.spec, rules, &mut before);
    // One that was stored before a rule existed may keep its template.
    spec(&new.spec, Rules { template: before.is_empty(), ..rules }, &mut errors);
    if !checks::same(&without_mutable_fields(&new.spec), &without_mutable_fields(&old.spec)) {
        errors.forbidden(
            &SPEC,
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
    errors
}

/// What is wrong with a changed status of a StatefulSet.
pub fn stateful_set_status_update(new: &StatefulSet, old: &StatefulSet) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let default = StatefulSetStatus::default();
    let before = old.status.as_ref().unwrap_or(&default);
    let after = new.status.as_ref().unwrap_or(&default);
    status(after, &mut errors);
    errors.append(meta_update(&new.metadata, &old.metadata));
    let path = STATUS.field("collisionCount");
    checks::collision_count(after.collision_count, before.collision_count, &path, &mut errors);
    errors
}

fn without_mutable_fields(spec: &StatefulSetSpec) -> StatefulSetSpec {
    StatefulSetSpec {
        pod_management_policy: spec.pod_management_policy.clone(),
        selector: spec.selector.clone(),
        service_name: Some(text(&spec.service_name).to_owned()),
        volume_claim_templates: spec.volume_claim_templates.clone(),
        ..StatefulSetSpec::default()
    }
}

fn spec(spec: &StatefulSetSpec, rules: Rules, errors: &mut FieldErrors) {
    match text(&spec.pod_management_policy) {
        "" => errors.required(&SPEC.field("podManagementPolicy"), ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid(&SPEC.field("podManagementPolicy"), other, "must be 'OrderedReady' or 'Parallel'"),
    }
    let default = StatefulSetUpdateStrategy::default();
    strategy(spec.update_strategy.as_ref().unwrap_or(&default), &SPEC.field("updateStrategy"), errors);
    if let Some(policy) = &spec.persistent_volume_claim_retention_policy {
        let path = SPEC.field("persistentVolumeClaimRetentionPolicy");
        one_of(text(&policy.when_deleted), &["Retain", "Delete"], &path.field("whenDeleted"), errors);
        one_of(text(&policy.when_scaled), &["Retain", "Delete"], &path.field("whenScaled"), errors);
    }
    if rules.claims {
        let path = SPEC.field("volumeClaimTemplates");
        for (index, claim) in list(&spec.volume_claim_templates).iter().enumerate() {
            claim_spec::claim_spec(
                claim.spec.as_ref().unwrap_or(&Default::default()),
                &path.index(index).field("spec"),
                errors,
            );
        }
    }
    nonnegative_if(spec.replicas, &SPEC.field("replicas"), errors);
    nonnegative_if(spec.min_ready_seconds, &SPEC.field("minReadySeconds"), errors);
    nonnegative_if(spec.ordinals.as_ref().and_then(|ordinals| ordinals.start), &SPEC.field("ordinals.start"), errors);
    let service = text(&spec.service_name);
    if rules.service_name && !service.is_empty() {
        errors.invalid_each(&SPEC.field("serviceName"), service, names::dns1123_label(service));
    }
    selector_and_template(spec, rules, errors);
    shared::always_running(&spec.template, "StatefulSet", &SPEC.field("template"), errors);
}

fn strategy(strategy: &StatefulSetUpdateStrategy, path: &Path<'_>, errors: &mut FieldErrors) {
    let rolling = path.field("rollingUpdate");
    match (text(&strategy.type_), &strategy.rolling_update) {
        ("", _) => errors.required(path, ""),
        ("OnDelete", Some(update)) => errors.invalid_json(
            &rolling,
            go_type::compact(update, "RollingUpdateStatefulSetStrategy"),
            "only allowed for updateStrategy 'RollingUpdate'",
        ),
        ("RollingUpdate", Some(update)) => rolling_update(update, &rolling, errors),
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => {
            errors.invalid_json(
                path,
                go_type::compact(strategy, "StatefulSetUpdateStrategy"),
                "must be 'RollingUpdate' or 'OnDelete'",
            );
        }
    }
}

fn rolling_update(update: &RollingUpdateStatefulSetStrategy, path: &Path<'_>, errors: &mut FieldErrors) {
    nonnegative_if(update.partition, &path.field("partition"), errors);
    if let Some(unavailable) = &update.max_unavailable {
        let path = path.field("maxUnavailable");
        checks::int_or_percent(unavailable, &path, errors);
        if checks::int_or_percent_value(unavailable) == 0 {
            errors.invalid(&path, checks::json(unavailable), "cannot be 0");
        }
        checks::at_most_100_percent(unavailable, &path, errors);
    }
}

fn selector_and_template(spec: &StatefulSetSpec, rules: Rules, errors: &mut FieldErrors) {
    let (path, template_path) = (SPEC.field("selector"), SPEC.field("template"));
    if shared::given(&spec.selector) {
        shared::selector(&spec.selector, &path, errors);
        if shared::selects_all(&spec.selector) {
            errors.invalid_json(&path, "{}", "empty selector is invalid for statefulset");
        }
    } else {
        errors.required(&path, "");
    }
    let Some(matches) = shared::matches(&spec.selector, shared::template_labels(&spec.template)) else {
        return errors.invalid_json(&path, checks::selector_text(&spec.selector), "");
    };
    if !matches {
        shared::mismatch(&spec.template, &template_path, errors);
    }
    let template = as_pods_will_be(spec);
    if rules.template {
        shared::pod_template(&template, &template_path, errors);
    }
    // Upstream checks labels and annotations once more here.
    shared::template_metadata(&template, &template_path, errors);
}

/// The template as the controller completes it: with a volume for each claim, and the pod's own host name.
fn as_pods_will_be(spec: &StatefulSetSpec) -> Cow<'_, PodTemplateSpec> {
    let claims = list(&spec.volume_claim_templates);
    let Some(pod) = &spec.template.spec else { return Cow::Borrowed(&spec.template) };
    if claims.is_empty() && pod.subdomain.is_none() && pod.hostname.is_none() {
        return Cow::Borrowed(&spec.template);
    }
    let mut pod = pod.clone();
    (pod.subdomain, pod.hostname) = (None, None);
    if !claims.is_empty() {
        let mut volumes: Vec<Volume> = Vec::new();
        for name in claims.iter().map(|claim| text(&claim.metadata.name)) {
            if !volumes.iter().any(|volume| volume.name == name) {
                let claim = PersistentVolumeClaimVolumeSource { claim_name: name.to_owned(), read_only: None };
                let persistent_volume_claim = Some(claim);
                volumes.push(Volume { name: name.to_owned(), persistent_volume_claim, ..Volume::default() });
            }
        }
        let of_claims = volumes.len();
        for volume in list(&pod.volumes) {
            if !volumes.iter().take(of_claims).any(|claim| claim.name == volume.name) {
                volumes.push(volume.clone());
            }
        }
        pod.volumes = Some(volumes);
    }
    Cow::Owned(PodTemplateSpec { metadata: spec.template.metadata.clone(), spec: Some(pod) })
}

fn status(status: &StatefulSetStatus, errors: &mut FieldErrors) {
    let ready = status.ready_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    nonnegative(status.replicas, &STATUS.field("replicas"), errors);
    let counts = [
        ("readyReplicas", ready),
        ("currentReplicas", status.current_replicas.unwrap_or(0)),
        ("updatedReplicas", status.updated_replicas.unwrap_or(0)),
        ("availableReplicas", available),
    ];
    for (field, count) in counts {
        nonnegative(count, &STATUS.field(field), errors);
    }
    nonnegative_if(status.observed_generation, &STATUS.field("observedGeneration"), errors);
    nonnegative_if(status.collision_count, &STATUS.field("collisionCount"), errors);
    checks::not_above_replicas(status.replicas, &counts, &STATUS, errors);
    if available > ready {
        let path = STATUS.field("availableReplicas");
        errors.invalid(&path, available, "cannot be greater than status.readyReplicas");
    }
}
