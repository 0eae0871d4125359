//! The webhooks of a cluster, in the order of their configurations' names.

use std::time::Duration;

use inboard::k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use inboard::object::admission::{Asked, Concern};
use inboard::object::kind::{self, Kinds};
use inboard::store::Snapshot;

use crate::webhook::{Place, Target};

/// How long a webhook may take that says nothing.
const TIMEOUT_SECONDS: u64 = 10;

/// One webhook.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) configuration: String,
    pub(super) name: String,
    pub(super) concern: Concern,
    pub(super) conditions: Vec<MatchCondition>,
    pub(super) target: Target,
    /// Whether a request goes on where it does not answer.
    pub(super) fails_open: bool,
    pub(super) timeout: Duration,
    /// Whether it may be asked about what is only tried.
    pub(super) takes_dry_runs: bool,
    /// Whether it is asked once more when a later one changes the object.
    pub(super) reinvokes: bool,
    /// The version of reviews that it is sent.
    pub(super) review_version: String,
}

/// All webhooks.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) mutating: Vec<Hook>,
    pub(super) validating: Vec<Hook>,
}

macro_rules! hook {
    ($configuration:expr, $hook:ident, $concern:expr, $reinvokes:expr) => {
        Hook {
            configuration: $configuration.to_owned(),
            name: $hook.name.clone(),
            concern: $concern,
            conditions: $hook.match_conditions.clone().unwrap_or_default(),
            target: target(&$hook.client_config),
            fails_open: $hook.failure_policy.as_deref() == Some("Ignore"),
            timeout: timeout($hook.timeout_seconds),
            takes_dry_runs: matches!($hook.side_effects.as_str(), "None" | "NoneOnDryRun"),
            reinvokes: $reinvokes,
            review_version: version(&$hook.admission_review_versions),
        }
    };
}

impl Hooks {
    /// Those that are configured.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut hooks = Self::default();
        for object in snapshot.list(kind::MUTATING_WEBHOOK_CONFIGURATION) {
            let configuration = object.typed::<MutatingWebhookConfiguration>();
            for one in configuration.iter().flat_map(|given| given.webhooks.iter().flatten()) {
                hooks.mutating.push(mutating(&object.meta.name, one));
            }
        }
        for object in snapshot.list(kind::VALIDATING_WEBHOOK_CONFIGURATION) {
            let configuration = object.typed::<ValidatingWebhookConfiguration>();
            for one in configuration.iter().flat_map(|given| given.webhooks.iter().flatten()) {
                hooks.validating.push(validating(&object.meta.name, one));
            }
        }
        hooks
    }

    /// Whether the rules of one of them name a request.
    pub(super) fn are_about(&self, asked: &Asked<'_>, kinds: &Kinds) -> bool {
        self.mutating.iter().chain(&self.validating).any(|hook| hook.concern.names(asked, kinds).is_some())
    }

    pub(super) fn are_none(&self) -> bool {
        self.mutating.is_empty() && self.validating.is_empty()
    }
}

fn mutating(configuration: &str, hook: &MutatingWebhook) -> Hook {
    let reinvokes = hook.reinvocation_policy.as_deref() == Some("IfNeeded");
    hook!(configuration, hook, Concern::of_mutating(hook), reinvokes)
}

fn validating(configuration: &str, hook: &ValidatingWebhook) -> Hook {
    hook!(configuration, hook, Concern::of_validating(hook), false)
}

fn timeout(seconds: Option<i32>) -> Duration {
    Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(TIMEOUT_SECONDS))
}

/// The first version that this server knows, too.
fn version(versions: &[String]) -> String {
    versions.iter().find(|version| matches!(version.as_str(), "v1" | "v1beta1")).cloned().unwrap_or_default()
}

fn target(client: &WebhookClientConfig) -> Target {
    let place = match (&client.service, &client.url) {
        (Some(service), _) => Place::service(&service.namespace, &service.name, service.port, service.path.as_deref()),
        (None, url) => Place::Url(url.clone().unwrap_or_default()),
    };
    Target { place, authority: client.ca_bundle.as_ref().map(|bundle| bundle.0.clone()).unwrap_or_default() }
}
