//! The lines of what clients and controllers leave for each other: accounts, requests, leases, policies, revisions.

use serde_json::{Value, json};

use super::others::{Lines, UNSET, containers, created, list, name, number, or, text};
use super::{NAME, NONE, integer, narrow};
use crate::object::selector;

/// How objects of a kind are shown; `None` for a kind that is not told here.
pub(super) fn of(kind: &str) -> Option<&'static Lines> {
    Some(match kind {
        "ServiceAccount" => &ACCOUNT,
        "PodTemplate" => &POD_TEMPLATE,
        "ControllerRevision" => &REVISION,
        "Lease" => &LEASE,
        "ComponentStatus" => &COMPONENT,
        "CertificateSigningRequest" => &CERTIFICATE_REQUEST,
        "ClusterTrustBundle" => &TRUST_BUNDLE,
        "FlowSchema" => &FLOW_SCHEMA,
        "PriorityLevelConfiguration" => &PRIORITY_LEVEL,
        "ValidatingAdmissionPolicy" => &VALIDATING_POLICY,
        "MutatingAdmissionPolicy" => &MUTATING_POLICY,
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => &POLICY_BINDING,
        "StorageVersionMigration" => &MIGRATION,
        "APIService" => &API_SERVICE,
        _ => return None,
    })
}

const ACCOUNT: Lines = Lines {
    columns: &[NAME, narrow("Secrets"), narrow("Age")],
    cells: |account, now| vec![name(account), list(account, "/secrets").len().into(), created(account, now)],
};

const POD_TEMPLATE: Lines = Lines {
    columns: &[NAME, narrow("Containers"), narrow("Images"), narrow("Pod Labels")],
    cells: |template, _| {
        let labels = template.pointer("/template/metadata/labels").and_then(Value::as_object);
        let pairs = labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
        let [names, images] = containers(template, "/template");
        vec![name(template), names, images, or(&pairs.collect::<Vec<_>>().join(","), NONE).into()]
    },
};

const REVISION: Lines = Lines {
    columns: &[NAME, narrow("Controller"), narrow("Revision"), narrow("Age")],
    cells: |revision, now| {
        let mut owners = list(revision, "/metadata/ownerReferences").iter();
        let controller = owners.find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true));
        let controller = controller.map(|owner| {
            let kind = match text(owner, "/apiVersion").split_once('/') {
                Some((group, _)) => format!("{}.{group}", text(owner, "/kind")),
                None => text(owner, "/kind").to_owned(),
            };
            format!("{}/{}", kind.to_lowercase(), text(owner, "/name"))
        });
        vec![
            name(revision),
            controller.map_or_else(|| NONE.into(), Value::from),
            number(revision, "/revision").into(),
            created(revision, now),
        ]
    },
};

const LEASE: Lines = Lines {
    columns: &[NAME, narrow("Holder"), narrow("Age")],
    cells: |lease, now| vec![name(lease), text(lease, "/spec/holderIdentity").into(), created(lease, now)],
};

const COMPONENT: Lines = Lines {
    columns: &[NAME, narrow("Status"), narrow("Message"), narrow("Error")],
    cells: |component, _| {
        let health = list(component, "/conditions").iter().find(|condition| text(condition, "/type") == "Healthy");
        let (word, message, error) = match health {
            None => ("Unknown", "", ""),
            Some(health) => {
                let word = if text(health, "/status") == "True" { "Healthy" } else { "Unhealthy" };
                (word, text(health, "/message"), text(health, "/error"))
            }
        };
        vec![name(component), word.into(), message.into(), error.into()]
    },
};

const CERTIFICATE_REQUEST: Lines = Lines {
    columns: &[
        NAME,
        narrow("Age"),
        narrow("SignerName"),
        narrow("Requestor"),
        narrow("RequestedDuration"),
        narrow("Condition"),
    ],
    cells: |request, now| {
        let has = |kind: &str| list(request, "/status/conditions").iter().any(|found| text(found, "/type") == kind);
        let mut word = match () {
            () if has("Denied") => "Denied",
            () if has("Approved") => "Approved",
            () => "Pending",
        }
        .to_owned();
        if has("Failed") {
            word.push_str(",Failed");
        }
        if !text(request, "/status/certificate").is_empty() {
            word.push_str(",Issued");
        }
        let duration = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
        vec![
            name(request),
            created(request, now),
            or(text(request, "/spec/signerName"), NONE).into(),
            text(request, "/spec/username").into(),
            duration.map_or_else(|| NONE.to_owned(), super::human_duration).into(),
            word.into(),
        ]
    },
};

const TRUST_BUNDLE: Lines = Lines {
    columns: &[NAME, narrow("SignerName")],
    cells: |bundle, _| vec![name(bundle), or(text(bundle, "/spec/signerName"), NONE).into()],
};

const FLOW_SCHEMA: Lines = Lines {
    columns: &[
        NAME,
        narrow("PriorityLevel"),
        narrow("MatchingPrecedence"),
        narrow("DistinguisherMethod"),
        narrow("Age"),
        narrow("MissingPL"),
    ],
    cells: |schema, now| {
        let mut conditions = list(schema, "/status/conditions").iter();
        let dangling = conditions.find(|condition| text(condition, "/type") == "Dangling");
        vec![
            name(schema),
            text(schema, "/spec/priorityLevelConfiguration/name").into(),
            number(schema, "/spec/matchingPrecedence").into(),
            or(text(schema, "/spec/distinguisherMethod/type"), NONE).into(),
            created(schema, now),
            dangling.map_or("?", |condition| text(condition, "/status")).into(),
        ]
    },
};

const PRIORITY_LEVEL: Lines = Lines {
    columns: &[
        NAME,
        narrow("Type"),
        narrow("NominalConcurrencyShares"),
        narrow("Queues"),
        narrow("HandSize"),
        narrow("QueueLengthLimit"),
        narrow("Age"),
    ],
    cells: |level, now| {
        let limited = level.pointer("/spec/limited");
        let queuing = limited.and_then(|limited| limited.pointer("/limitResponse/queuing"));
        let shown = |of: Option<&Value>, field: &str| {
            of.map_or_else(|| NONE.into(), |of| of.get(field).cloned().unwrap_or_else(|| json!(0)))
        };
        vec![
            name(level),
            text(level, "/spec/type").into(),
            shown(limited, "nominalConcurrencyShares"),
            shown(queuing, "queues"),
            shown(queuing, "handSize"),
            shown(queuing, "queueLengthLimit"),
            created(level, now),
        ]
    },
};

const VALIDATING_POLICY: Lines = Lines {
    columns: &[NAME, integer("Validations"), narrow("ParamKind"), narrow("Age")],
    cells: |policy, now| {
        let count = list(policy, "/spec/validations").len();
        vec![name(policy), count.into(), parameter_kind(policy), created(policy, now)]
    },
};

const MUTATING_POLICY: Lines = Lines {
    columns: &[NAME, integer("Mutations"), narrow("ParamKind"), narrow("Age")],
    cells: |policy, now| {
        let count = list(policy, "/spec/mutations").len();
        vec![name(policy), count.into(), parameter_kind(policy), created(policy, now)]
    },
};

fn parameter_kind(policy: &Value) -> Value {
    let kind = policy.pointer("/spec/paramKind");
    kind.map_or_else(|| UNSET.into(), |kind| format!("{}/{}", text(kind, "/apiVersion"), text(kind, "/kind")).into())
}

const POLICY_BINDING: Lines = Lines {
    columns: &[NAME, narrow("PolicyName"), narrow("ParamRef"), narrow("Age")],
    cells: |binding, now| {
        let reference = binding.pointer("/spec/paramRef");
        let parameters =
            reference.and_then(|reference| match (text(reference, "/namespace"), text(reference, "/name")) {
                (_, "") => {
                    let selector = serde_json::from_value(reference.get("selector")?.clone()).ok();
                    Some(selector::in_go(selector.as_ref()))
                }
                ("", name) => Some(format!("*/{name}")),
                (namespace, name) => Some(format!("{namespace}/{name}")),
            });
        vec![
            name(binding),
            text(binding, "/spec/policyName").into(),
            parameters.map_or_else(|| UNSET.into(), Value::from),
            created(binding, now),
        ]
    },
};

const MIGRATION: Lines = Lines {
    columns: &[narrow("Name"), narrow("Resource")],
    cells: |migration, _| {
        let part = |pointer: &str| text(migration, pointer);
        let resource = [part("/spec/resource/resource"), part("/spec/resource/version"), part("/spec/resource/group")];
        let resource: Vec<&str> = resource.into_iter().filter(|part| !part.is_empty()).collect();
        vec![name(migration), resource.join(".").into()]
    },
};

const API_SERVICE: Lines = Lines {
    columns: &[NAME, narrow("Service"), narrow("Available"), narrow("Age")],
    cells: |service, now| {
        let behind = service.pointer("/spec/service");
        let behind = behind.map(|behind| format!("{}/{}", text(behind, "/namespace"), text(behind, "/name")));
        let mut conditions = list(service, "/status/conditions").iter();
        let available = conditions.find(|condition| text(condition, "/type") == "Available").map(|condition| {
            match (text(condition, "/status"), text(condition, "/reason")) {
                ("True", _) => "True".to_owned(),
                (status, reason) => format!("{status} ({reason})"),
            }
        });
        vec![
            name(service),
            behind.unwrap_or_else(|| "Local".to_owned()).into(),
            available.unwrap_or_else(|| "Unknown".to_owned()).into(),
            created(service, now),
        ]
    },
};
