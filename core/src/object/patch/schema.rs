//! Which lists of the built-in kinds are merged, and by which key: upstream's `patchStrategy` and `patchMergeKey`.
//!
//! Only what differs from the usual is listed. The usual: objects merge field by field, lists are replaced.

use super::super::kind::{self, KindId};

/// What is special about the fields of a type.
pub(super) struct Type(&'static [(&'static str, Rule)]);

/// How one field is merged.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// An object of a type that has special fields.
    Object(&'static Type),
    /// An object of which only the fields that the patch names remain.
    RetainKeys(&'static Type),
    /// An object that is replaced as a whole.
    Replace,
    /// A list whose elements are found by a key.
    ByKey(&'static str, &'static Type),
    /// As `ByKey`, and of an element only the fields that the patch names remain.
    ByKeyRetain(&'static str, &'static Type),
    /// A list of texts or numbers, each of which is there once.
    Set,
}

impl Type {
    pub(super) fn rule(&self, field: &str) -> Option<Rule> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, rule)| *rule)
    }
}

/// Nothing special.
pub(super) static PLAIN: Type = Type(&[]);

static METADATA: Type = Type(&[("finalizers", Rule::Set), ("ownerReferences", Rule::ByKey("uid", &PLAIN))]);

static CONTAINER: Type = Type(&[
    ("env", Rule::ByKey("name", &PLAIN)),
    ("ports", Rule::ByKey("containerPort", &PLAIN)),
    ("volumeDevices", Rule::ByKey("devicePath", &PLAIN)),
    ("volumeMounts", Rule::ByKey("mountPath", &PLAIN)),
]);

static POD_SPEC: Type = Type(&[
    ("containers", Rule::ByKey("name", &CONTAINER)),
    ("ephemeralContainers", Rule::ByKey("name", &CONTAINER)),
    ("hostAliases", Rule::ByKey("ip", &PLAIN)),
    ("imagePullSecrets", Rule::ByKey("name", &PLAIN)),
    ("initContainers", Rule::ByKey("name", &CONTAINER)),
    ("resourceClaims", Rule::ByKeyRetain("name", &PLAIN)),
    ("schedulingGates", Rule::ByKey("name", &PLAIN)),
    ("topologySpreadConstraints", Rule::ByKey("topologyKey", &PLAIN)),
    ("volumes", Rule::ByKeyRetain("name", &VOLUME)),
]);

static VOLUME: Type = Type(&[("ephemeral", Rule::Object(&EPHEMERAL_VOLUME))]);
static EPHEMERAL_VOLUME: Type = Type(&[("volumeClaimTemplate", Rule::Object(&WITH_METADATA))]);

static POD_STATUS: Type = Type(&[
    ("conditions", Rule::ByKey("type", &PLAIN)),
    ("hostIPs", Rule::ByKey("ip", &PLAIN)),
    ("podIPs", Rule::ByKey("ip", &PLAIN)),
    ("resourceClaimStatuses", Rule::ByKeyRetain("name", &PLAIN)),
]);

/// A status of which only the conditions are special, as most are.
static STATUS: Type = Type(&[("conditions", Rule::ByKey("type", &PLAIN))]);

static WITH_METADATA: Type = Type(&[("metadata", Rule::Object(&METADATA))]);
static WITH_STATUS: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("status", Rule::Object(&STATUS))]);

static POD_TEMPLATE: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("spec", Rule::Object(&POD_SPEC))]);
static TEMPLATE_SPEC: Type = Type(&[("template", Rule::Object(&POD_TEMPLATE))]);
static DEPLOYMENT_SPEC: Type =
    Type(&[("strategy", Rule::RetainKeys(&PLAIN)), ("template", Rule::Object(&POD_TEMPLATE))]);

static POD: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&POD_SPEC)),
    ("status", Rule::Object(&POD_STATUS)),
]);
static POD_TEMPLATE_KIND: Type =
    Type(&[("metadata", Rule::Object(&METADATA)), ("template", Rule::Object(&POD_TEMPLATE))]);
static DEPLOYMENT: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&DEPLOYMENT_SPEC)),
    ("status", Rule::Object(&STATUS)),
]);
/// ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers and Jobs.
static WORKLOAD: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&TEMPLATE_SPEC)),
    ("status", Rule::Object(&STATUS)),
]);

static JOB_TEMPLATE: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("spec", Rule::Object(&TEMPLATE_SPEC))]);
static CRON_JOB_SPEC: Type = Type(&[("jobTemplate", Rule::Object(&JOB_TEMPLATE))]);
static CRON_JOB: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("spec", Rule::Object(&CRON_JOB_SPEC))]);

static SERVICE_SPEC: Type = Type(&[("ports", Rule::ByKey("port", &PLAIN))]);
static SERVICE: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&SERVICE_SPEC)),
    ("status", Rule::Object(&STATUS)),
]);

static SERVICE_ACCOUNT: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("secrets", Rule::ByKey("name", &PLAIN))]);

static NODE_SPEC: Type = Type(&[("podCIDRs", Rule::Set)]);
static NODE_STATUS: Type =
    Type(&[("addresses", Rule::ByKey("type", &PLAIN)), ("conditions", Rule::ByKey("type", &PLAIN))]);
static NODE: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&NODE_SPEC)),
    ("status", Rule::Object(&NODE_STATUS)),
]);

static BUDGET_SPEC: Type = Type(&[("selector", Rule::Replace)]);
static BUDGET: Type = Type(&[
    ("metadata", Rule::Object(&METADATA)),
    ("spec", Rule::Object(&BUDGET_SPEC)),
    ("status", Rule::Object(&STATUS)),
]);

static WEBHOOK: Type = Type(&[("matchConditions", Rule::ByKey("name", &PLAIN))]);
static WEBHOOKS: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("webhooks", Rule::ByKey("name", &WEBHOOK))]);
static POLICY_SPEC: Type =
    Type(&[("matchConditions", Rule::ByKey("name", &PLAIN)), ("variables", Rule::ByKey("name", &PLAIN))]);
static ADMISSION_POLICY: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("spec", Rule::Object(&POLICY_SPEC))]);

static CSI_NODE_SPEC: Type = Type(&[("drivers", Rule::ByKey("name", &PLAIN))]);
static CSI_NODE: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("spec", Rule::Object(&CSI_NODE_SPEC))]);

static CLAIM_STATUS: Type = Type(&[("reservedFor", Rule::ByKey("uid", &PLAIN))]);
static RESOURCE_CLAIM: Type = Type(&[("metadata", Rule::Object(&METADATA)), ("status", Rule::Object(&CLAIM_STATUS))]);

/// What is special about a kind.
pub(super) fn of(kind: KindId) -> &'static Type {
    match kind {
        kind::POD => &POD,
        kind::POD_TEMPLATE => &POD_TEMPLATE_KIND,
        kind::DEPLOYMENT => &DEPLOYMENT,
        kind::REPLICA_SET | kind::STATEFUL_SET | kind::DAEMON_SET | kind::REPLICATION_CONTROLLER | kind::JOB => {
            &WORKLOAD
        }
        kind::CRON_JOB => &CRON_JOB,
        kind::SERVICE => &SERVICE,
        kind::SERVICE_ACCOUNT => &SERVICE_ACCOUNT,
        kind::NODE => &NODE,
        kind::POD_DISRUPTION_BUDGET => &BUDGET,
        kind::MUTATING_WEBHOOK_CONFIGURATION | kind::VALIDATING_WEBHOOK_CONFIGURATION => &WEBHOOKS,
        kind::VALIDATING_ADMISSION_POLICY | kind::MUTATING_ADMISSION_POLICY => &ADMISSION_POLICY,
        kind::CSI_NODE => &CSI_NODE,
        kind::RESOURCE_CLAIM => &RESOURCE_CLAIM,
        kind::NAMESPACE
        | kind::PERSISTENT_VOLUME_CLAIM
        | kind::HORIZONTAL_POD_AUTOSCALER
        | kind::SERVICE_CIDR
        | kind::FLOW_SCHEMA
        | kind::PRIORITY_LEVEL_CONFIGURATION
        | kind::API_SERVICE => &WITH_STATUS,
        _ => &WITH_METADATA,
    }
}
