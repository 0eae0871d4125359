//! The lines of kinds that are told by a few fields each, read from their JSON.

use serde_json::{Map, Value};

use super::{Column, NAME, NONE, age_of, boolean, integer, narrow, network, records, storage, wide};
use crate::object::kind::{self, KindId, KindInfo};
use crate::object::selector::Selector;
use crate::time::Time;

/// What stands where a field was not set.
pub(super) const UNSET: &str = "<unset>";
/// Most of a list that are shown.
pub(super) const SHOWN_MAX: usize = 3;

/// How one kind is shown.
pub(super) struct Lines {
    pub(super) columns: &'static [Column],
    pub(super) cells: fn(&Value, Time) -> Vec<Value>,
}

/// How objects of a kind are shown; `None` for a kind that is not told here.
pub(super) fn of(kind: KindId) -> Option<&'static Lines> {
    let name = kind.built_in().map(|info: &KindInfo| info.kind.as_str())?;
    Some(match kind {
        kind::JOB => &JOB,
        kind::CRON_JOB => &CRON_JOB,
        _ => match name {
            "ReplicationController" => &REPLICATION_CONTROLLER,
            "PodDisruptionBudget" => &DISRUPTION_BUDGET,
            "EndpointSlice" => &ENDPOINT_SLICE,
            "ResourceQuota" => &QUOTA,
            "PriorityClass" => &PRIORITY_CLASS,
            "NetworkPolicy" => &NETWORK_POLICY,
            "IngressClass" => &INGRESS_CLASS,
            "RuntimeClass" => &RUNTIME_CLASS,
            "RoleBinding" | "ClusterRoleBinding" => &BINDING,
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => &WEBHOOKS,
            name => return network::of(name).or_else(|| storage::of(name)).or_else(|| records::of(name)),
        },
    })
}

pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn or<'v>(text: &'v str, other: &'v str) -> &'v str {
    if text.is_empty() { other } else { text }
}

pub(super) fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

pub(super) fn time(object: &Value, pointer: &str) -> Option<Time> {
    text(object, pointer).parse().ok().map(Time::from_timestamp)
}

pub(super) fn created(object: &Value, now: Time) -> Value {
    age_of(time(object, "/metadata/creationTimestamp"), now)
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The first few, and how many more there are.
fn some_of(all: &[String]) -> String {
    match all.len().checked_sub(SHOWN_MAX) {
        _ if all.is_empty() => UNSET.to_owned(),
        None | Some(0) => all.join(","),
        Some(more) => format!("{} + {more} more...", all[..SHOWN_MAX].join(",")),
    }
}

/// The names and the images of a template's containers.
pub(super) fn containers(object: &Value, template: &str) -> [Value; 2] {
    let containers = list(object, &format!("{template}/spec/containers"));
    let joined = |field: &str| containers.iter().map(|each| text(each, field)).collect::<Vec<_>>().join(",");
    [joined("/name").into(), joined("/image").into()]
}

fn selector(object: &Value, pointer: &str) -> Value {
    let labels = object.pointer(pointer).cloned().and_then(|labels| serde_json::from_value(labels).ok());
    match Selector::compile(labels.as_ref()) {
        Ok(selector) if labels.is_some() => or(&selector.to_string(), NONE).into(),
        Ok(_) => NONE.into(),
        Err(_) => "<error>".into(),
    }
}

const JOB: Lines = Lines {
    columns: &[
        NAME,
        narrow("Status"),
        narrow("Completions"),
        narrow("Duration"),
        narrow("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: |job, now| {
        let holds = |wanted: &str| {
            let mut conditions = list(job, "/status/conditions").iter();
            conditions
                .find(|found| text(found, "/type") == wanted)
                .is_some_and(|found| text(found, "/status") == "True")
        };
        let word = match () {
            () if holds("Complete") => "Complete",
            () if holds("Failed") => "Failed",
            () if is_deleting(job) => "Terminating",
            () if holds("Suspended") => "Suspended",
            () if holds("FailureTarget") => "FailureTarget",
            () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
            () => "Running",
        };
        let succeeded = number(job, "/status/succeeded");
        let completions = match (job.pointer("/spec/completions"), number(job, "/spec/parallelism")) {
            (Some(wanted), _) => format!("{succeeded}/{wanted}"),
            (None, parallel) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
            (None, _) => format!("{succeeded}/1"),
        };
        let start = time(job, "/status/startTime");
        let end = time(job, "/status/completionTime").unwrap_or(now);
        let duration = start.map_or_else(|| Value::from(""), |start| age_of(Some(start), end));
        let [names, images] = containers(job, "/spec/template");
        vec![
            name(job),
            word.into(),
            completions.into(),
            duration,
            created(job, now),
            names,
            images,
            selector(job, "/spec/selector"),
        ]
    },
};

const CRON_JOB: Lines = Lines {
    columns: &[
        NAME,
        narrow("Schedule"),
        narrow("Timezone"),
        boolean("Suspend"),
        integer("Active"),
        narrow("Last Schedule"),
        narrow("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: |cron, now| {
        let suspended = cron.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true);
        let last = time(cron, "/status/lastScheduleTime");
        let [names, images] = containers(cron, "/spec/jobTemplate/spec/template");
        vec![
            name(cron),
            text(cron, "/spec/schedule").into(),
            or(text(cron, "/spec/timeZone"), NONE).into(),
            if suspended { "True" } else { "False" }.into(),
            list(cron, "/status/active").len().into(),
            last.map_or_else(|| NONE.into(), |last| age_of(Some(last), now)),
            created(cron, now),
            names,
            images,
            selector(cron, "/spec/jobTemplate/spec/selector"),
        ]
    },
};

const REPLICATION_CONTROLLER: Lines = Lines {
    columns: &[
        NAME,
        integer("Desired"),
        integer("Current"),
        integer("Ready"),
        narrow("Age"),
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: |set, now| {
        let labels: Option<&Map<String, Value>> = set.pointer("/spec/selector").and_then(Value::as_object);
        let pairs = labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        let [names, images] = containers(set, "/spec/template");
        vec![
            name(set),
            number(set, "/spec/replicas").into(),
            number(set, "/status/replicas").into(),
            number(set, "/status/readyReplicas").into(),
            created(set, now),
            names,
            images,
            or(&pairs, NONE).into(),
        ]
    },
};

const DISRUPTION_BUDGET: Lines = Lines {
    columns: &[NAME, narrow("Min Available"), narrow("Max Unavailable"), integer("Allowed Disruptions"), narrow("Age")],
    cells: |budget, now| {
        let share = |pointer: &str| match budget.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(number) => number.to_string(),
            None => "N/A".to_owned(),
        };
        vec![
            name(budget),
            share("/spec/minAvailable").into(),
            share("/spec/maxUnavailable").into(),
            number(budget, "/status/disruptionsAllowed").into(),
            created(budget, now),
        ]
    },
};

const ENDPOINT_SLICE: Lines = Lines {
    columns: &[NAME, narrow("AddressType"), narrow("Ports"), narrow("Endpoints"), narrow("Age")],
    cells: |slice, now| {
        let port = |port: &Value| port.get("port").map_or_else(|| text(port, "/name").to_owned(), Value::to_string);
        let ports = some_of(&list(slice, "/ports").iter().map(port).collect::<Vec<_>>());
        let addresses = list(slice, "/endpoints").iter().flat_map(|endpoint| list(endpoint, "/addresses"));
        let addresses = addresses.filter_map(Value::as_str).map(str::to_owned);
        vec![
            name(slice),
            text(slice, "/addressType").into(),
            or(&ports, UNSET).into(),
            some_of(&addresses.collect::<Vec<_>>()).into(),
            created(slice, now),
        ]
    },
};

const QUOTA: Lines = Lines {
    columns: &[NAME, narrow("Request"), narrow("Limit"), narrow("Age")],
    cells: |quota, now| {
        let used = |resource: &str| {
            let used = quota.pointer("/status/used").and_then(|used| used.get(resource));
            used.and_then(Value::as_str).unwrap_or("0").to_owned()
        };
        let hard = quota.pointer("/status/hard").and_then(Value::as_object);
        let lines = hard.into_iter().flatten().map(|(resource, hard)| {
            (resource.starts_with("limits."), format!("{resource}: {}/{}", used(resource), hard.as_str().unwrap_or("")))
        });
        let (limits, requests): (Vec<_>, Vec<_>) = lines.partition(|(is_limit, _)| *is_limit);
        let joined =
            |lines: Vec<(bool, String)>| lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join(", ");
        vec![name(quota), joined(requests).into(), joined(limits).into(), created(quota, now)]
    },
};

const PRIORITY_CLASS: Lines = Lines {
    columns: &[NAME, integer("Value"), boolean("Global-Default"), narrow("Age"), narrow("PreemptionPolicy")],
    cells: |class, now| {
        vec![
            name(class),
            number(class, "/value").into(),
            (class.get("globalDefault").and_then(Value::as_bool) == Some(true)).into(),
            created(class, now),
            text(class, "/preemptionPolicy").into(),
        ]
    },
};

const NETWORK_POLICY: Lines = Lines {
    columns: &[NAME, narrow("Pod-Selector"), narrow("Age")],
    cells: |policy, now| vec![name(policy), selector(policy, "/spec/podSelector"), created(policy, now)],
};

const INGRESS_CLASS: Lines = Lines {
    columns: &[NAME, narrow("Controller"), narrow("Parameters"), narrow("Age")],
    cells: |class, now| {
        let parameters = class.pointer("/spec/parameters").map(|parameters| {
            let group = text(parameters, "/apiGroup");
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text(parameters, "/kind"), text(parameters, "/name"))
        });
        vec![
            name(class),
            text(class, "/spec/controller").into(),
            parameters.unwrap_or_else(|| NONE.to_owned()).into(),
            created(class, now),
        ]
    },
};

const RUNTIME_CLASS: Lines = Lines {
    columns: &[NAME, narrow("Handler"), narrow("Age")],
    cells: |class, now| vec![name(class), text(class, "/handler").into(), created(class, now)],
};

const BINDING: Lines = Lines {
    columns: &[NAME, narrow("Role"), narrow("Age"), wide("Users"), wide("Groups"), wide("ServiceAccounts")],
    cells: |binding, now| {
        let of_kind = |kind: &str| {
            let subjects = list(binding, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
            // Accounts alone are in namespaces, whatever is written of others.
            let names = subjects.map(|subject| match (kind, text(subject, "/name")) {
                ("ServiceAccount", name) => format!("{}/{name}", text(subject, "/namespace")),
                (_, name) => name.to_owned(),
            });
            Value::from(names.collect::<Vec<_>>().join(", "))
        };
        vec![
            name(binding),
            format!("{}/{}", text(binding, "/roleRef/kind"), text(binding, "/roleRef/name")).into(),
            created(binding, now),
            of_kind("User"),
            of_kind("Group"),
            of_kind("ServiceAccount"),
        ]
    },
};

const WEBHOOKS: Lines = Lines {
    columns: &[NAME, integer("Webhooks"), narrow("Age")],
    cells: |object, now| vec![name(object), list(object, "/webhooks").len().into(), created(object, now)],
};
