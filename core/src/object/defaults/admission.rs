//! Webhooks, admission policies, flow control and device claims.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration,
    RuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use k8s_openapi::api::resource::v1::{DeviceClaim, DeviceToleration, ResourceClaim, ResourceClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{each, number, text};

/// Seconds that a webhook may take.
const WEBHOOK_SECONDS: i32 = 10;

/// The fields that mutating and validating webhooks share.
struct Webhook<'w> {
    failure_policy: &'w mut Option<String>,
    match_policy: &'w mut Option<String>,
    namespace_selector: &'w mut Option<LabelSelector>,
    object_selector: &'w mut Option<LabelSelector>,
    timeout_seconds: &'w mut Option<i32>,
    client: &'w mut WebhookClientConfig,
    rules: &'w mut Option<Vec<RuleWithOperations>>,
}

fn webhook(webhook: Webhook<'_>) {
    webhook.failure_policy.get_or_insert_with(|| "Fail".to_owned());
    webhook.match_policy.get_or_insert_with(|| "Equivalent".to_owned());
    webhook.namespace_selector.get_or_insert_default();
    webhook.object_selector.get_or_insert_default();
    webhook.timeout_seconds.get_or_insert(WEBHOOK_SECONDS);
    if let Some(service) = &mut webhook.client.service {
        service.port.get_or_insert(443);
    }
    for rule in each(webhook.rules) {
        rule.scope.get_or_insert_with(|| "*".to_owned());
    }
}

/// Defaults of a MutatingWebhookConfiguration.
pub fn mutating_webhook_configuration(configuration: &mut MutatingWebhookConfiguration) {
    for hook in each(&mut configuration.webhooks) {
        hook.reinvocation_policy.get_or_insert_with(|| "Never".to_owned());
        webhook(Webhook {
            failure_policy: &mut hook.failure_policy,
            match_policy: &mut hook.match_policy,
            namespace_selector: &mut hook.namespace_selector,
            object_selector: &mut hook.object_selector,
            timeout_seconds: &mut hook.timeout_seconds,
            client: &mut hook.client_config,
            rules: &mut hook.rules,
        });
    }
}

/// Defaults of a ValidatingWebhookConfiguration.
pub fn validating_webhook_configuration(configuration: &mut ValidatingWebhookConfiguration) {
    for hook in each(&mut configuration.webhooks) {
        webhook(Webhook {
            failure_policy: &mut hook.failure_policy,
            match_policy: &mut hook.match_policy,
            namespace_selector: &mut hook.namespace_selector,
            object_selector: &mut hook.object_selector,
            timeout_seconds: &mut hook.timeout_seconds,
            client: &mut hook.client_config,
            rules: &mut hook.rules,
        });
    }
}

/// Defaults of a ValidatingAdmissionPolicy.
pub fn validating_admission_policy(policy: &mut ValidatingAdmissionPolicy) {
    let spec = policy.spec.get_or_insert_default();
    spec.failure_policy.get_or_insert_with(|| "Fail".to_owned());
    spec.match_constraints.iter_mut().for_each(match_resources);
}

/// Defaults of a ValidatingAdmissionPolicyBinding.
pub fn validating_admission_policy_binding(binding: &mut ValidatingAdmissionPolicyBinding) {
    binding.spec.match_resources.iter_mut().for_each(match_resources);
}

/// Defaults of a MutatingAdmissionPolicy.
pub fn mutating_admission_policy(policy: &mut MutatingAdmissionPolicy) {
    let spec = policy.spec.get_or_insert_default();
    spec.failure_policy.get_or_insert_with(|| "Fail".to_owned());
    spec.match_constraints.iter_mut().for_each(match_resources);
}

/// Defaults of a MutatingAdmissionPolicyBinding.
pub fn mutating_admission_policy_binding(binding: &mut MutatingAdmissionPolicyBinding) {
    if let Some(spec) = &mut binding.spec {
        spec.match_resources.iter_mut().for_each(match_resources);
    }
}

fn match_resources(resources: &mut MatchResources) {
    resources.match_policy.get_or_insert_with(|| "Equivalent".to_owned());
    resources.namespace_selector.get_or_insert_default();
    resources.object_selector.get_or_insert_default();
    for rule in each(&mut resources.resource_rules).chain(each(&mut resources.exclude_resource_rules)) {
        rule.scope.get_or_insert_with(|| "*".to_owned());
    }
}

/// Defaults of a FlowSchema.
pub fn flow_schema(schema: &mut FlowSchema) {
    number(&mut schema.spec.matching_precedence, 1000);
}

/// Defaults of a PriorityLevelConfiguration.
pub fn priority_level_configuration(level: &mut PriorityLevelConfiguration) {
    let spec = &mut level.spec;
    if let Some(exempt) = &mut spec.exempt {
        exempt.nominal_concurrency_shares.get_or_insert(0);
        exempt.lendable_percent.get_or_insert(0);
    }
    if let Some(limited) = &mut spec.limited {
        limited.nominal_concurrency_shares.get_or_insert(30);
        limited.lendable_percent.get_or_insert(0);
        if let Some(queuing) = &mut limited.limit_response.queuing {
            number(&mut queuing.hand_size, 8);
            number(&mut queuing.queues, 64);
            number(&mut queuing.queue_length_limit, 50);
        }
    }
}

/// Defaults of a ResourceClaim.
pub fn resource_claim(claim: &mut ResourceClaim) {
    if let Some(spec) = &mut claim.spec {
        spec.devices.iter_mut().for_each(device_claim);
    }
}

/// Defaults of a ResourceClaimTemplate.
pub fn resource_claim_template(template: &mut ResourceClaimTemplate) {
    if let Some(spec) = template.spec.as_mut().and_then(|template| template.spec.as_mut()) {
        spec.devices.iter_mut().for_each(device_claim);
    }
}

fn device_claim(claim: &mut DeviceClaim) {
    for request in each(&mut claim.requests) {
        if let Some(exactly) = &mut request.exactly {
            device_count(&mut exactly.allocation_mode, &mut exactly.count);
            each(&mut exactly.tolerations).for_each(device_toleration);
        }
        for one in each(&mut request.first_available) {
            device_count(&mut one.allocation_mode, &mut one.count);
            each(&mut one.tolerations).for_each(device_toleration);
        }
    }
}

fn device_count(mode: &mut Option<String>, count: &mut Option<i64>) {
    text(mode, "ExactCount");
    if mode.as_deref() == Some("ExactCount") && count.unwrap_or_default() == 0 {
        *count = Some(1);
    }
}

fn device_toleration(toleration: &mut DeviceToleration) {
    text(&mut toleration.operator, "Equal");
}
