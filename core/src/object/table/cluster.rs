//! The lines of nodes, namespaces, services, configuration and events.

use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Secret, Service, ServicePort};
use serde_json::Value;

use super::{Column, ColumnKind, NAME, NONE, age, age_of, created, labels, name, narrow, wide};
use crate::text::Text;
use crate::time::Time;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";
const UNKNOWN: &str = "<unknown>";

pub(super) const NODE: &[Column] = &[
    NAME,
    narrow("Status"),
    narrow("Roles"),
    narrow("Age"),
    narrow("Version"),
    wide("Internal-IP"),
    wide("External-IP"),
    wide("OS-Image"),
    wide("Kernel-Version"),
    wide("Container-Runtime"),
];

pub(super) fn node(object: &Node, now: Time) -> Vec<Value> {
    let status = object.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().flatten().rfind(|condition| condition.type_ == "Ready");
    let mut word = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if object.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)) {
        word.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let found = status.addresses.iter().flatten().find(|address| address.type_ == kind);
        Value::from(found.map_or(NONE, |address| address.address.as_str()))
    };
    let info = status.node_info.clone().unwrap_or_default();
    let known = |text: &str| Value::from(if text.is_empty() { UNKNOWN } else { text });
    let kernel = match (info.kernel_version.as_str(), info.architecture.as_str()) {
        ("", _) => UNKNOWN.to_owned(),
        (kernel, "") => kernel.to_owned(),
        (kernel, architecture) => format!("{kernel} ({architecture})"),
    };
    vec![
        name(&object.metadata),
        word.into(),
        roles(object).into(),
        created(&object.metadata, now),
        info.kubelet_version.as_str().into(),
        address("InternalIP"),
        address("ExternalIP"),
        known(&info.os_image),
        kernel.into(),
        known(&info.container_runtime_version),
    ]
}

fn roles(node: &Node) -> String {
    let labels = node.metadata.labels.iter().flatten();
    let role = |(key, value): (&String, &String)| match key.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        None if key == ROLE_LABEL && !value.is_empty() => Some(value.clone()),
        Some(_) | None => None,
    };
    let mut roles: Vec<String> = labels.filter_map(role).collect();
    roles.sort();
    roles.dedup();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

pub(super) const NAMESPACE: &[Column] = &[NAME, narrow("Status"), narrow("Age")];

pub(super) fn namespace(object: &Namespace, now: Time) -> Vec<Value> {
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    vec![name(&object.metadata), phase.into(), created(&object.metadata, now)]
}

pub(super) const CONFIG_MAP: &[Column] = &[NAME, narrow("Data"), narrow("Age")];

pub(super) fn config_map(object: &ConfigMap, now: Time) -> Vec<Value> {
    let count = object.data.iter().flatten().count() + object.binary_data.iter().flatten().count();
    vec![name(&object.metadata), count.into(), created(&object.metadata, now)]
}

pub(super) const SECRET: &[Column] = &[NAME, narrow("Type"), narrow("Data"), narrow("Age")];

pub(super) fn secret(object: &Secret, now: Time) -> Vec<Value> {
    let kind = object.type_.as_deref().unwrap_or_default();
    let count = object.data.iter().flatten().count();
    vec![name(&object.metadata), kind.into(), count.into(), created(&object.metadata, now)]
}

pub(super) const SERVICE: &[Column] = &[
    NAME,
    narrow("Type"),
    narrow("Cluster-IP"),
    narrow("External-IP"),
    narrow("Port(s)"),
    narrow("Age"),
    wide("Selector"),
];

pub(super) fn service(object: &Service, now: Time) -> Vec<Value> {
    let spec = object.spec.clone().unwrap_or_default();
    let ip = spec.cluster_ips.as_ref().and_then(|ips| ips.first()).or(spec.cluster_ip.as_ref());
    let ports: Vec<String> = spec.ports.iter().flatten().map(port).collect();
    vec![
        name(&object.metadata),
        spec.type_.as_deref().unwrap_or_default().into(),
        ip.filter(|ip| !ip.is_empty()).map_or(NONE, String::as_str).into(),
        external_ip(object).into(),
        if ports.is_empty() { NONE.into() } else { ports.join(",").into() },
        created(&object.metadata, now),
        labels(spec.selector.as_ref()),
    ]
}

fn port(port: &ServicePort) -> String {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    match port.node_port.filter(|node_port| *node_port > 0) {
        Some(node_port) => format!("{}:{node_port}/{protocol}", port.port),
        None => format!("{}/{protocol}", port.port),
    }
}

fn external_ip(object: &Service) -> String {
    let spec = object.spec.clone().unwrap_or_default();
    let mut addresses = spec.external_ips.unwrap_or_default();
    match spec.type_.as_deref() {
        Some("ExternalName") => return spec.external_name.unwrap_or_default(),
        Some("LoadBalancer") => {
            let balancer = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            let ingress = balancer.iter().flat_map(|balancer| balancer.ingress.iter().flatten());
            let given = ingress.filter_map(|ingress| ingress.ip.clone().or_else(|| ingress.hostname.clone()));
            let mut all: Vec<String> = given.collect();
            all.sort();
            all.dedup();
            all.append(&mut addresses);
            addresses = all;
            if addresses.is_empty() {
                return "<pending>".to_owned();
            }
        }
        Some(_) | None => {}
    }
    if addresses.is_empty() { NONE.to_owned() } else { addresses.join(",") }
}

pub(super) const EVENT: &[Column] = &[
    narrow("Last Seen"),
    narrow("Type"),
    narrow("Reason"),
    narrow("Object"),
    wide("Subobject"),
    wide("Source"),
    narrow("Message"),
    wide("First Seen"),
    wide("Count"),
    Column { name: Text::Static("Name"), priority: 1, kind: ColumnKind::Text, format: Text::Static("name") },
];

pub(super) fn event(object: &Event, now: Time) -> Vec<Value> {
    let series = object.series.as_ref();
    let moment = object.event_time.as_ref().map(|time| age_of(Some(Time::from_timestamp(time.0)), now));
    let first = match &object.first_timestamp {
        Some(first) => age(Some(first), now),
        None => moment.clone().unwrap_or_else(|| UNKNOWN.into()),
    };
    let last = match (series, &object.last_timestamp) {
        (Some(series), _) => age_of(series.last_observed_time.as_ref().map(|time| Time::from_timestamp(time.0)), now),
        (None, Some(last)) => age(Some(last), now),
        (None, None) => first.clone(),
    };
    let involved = &object.involved_object;
    let kind = involved.kind.as_deref().unwrap_or_default().to_lowercase();
    let target = match involved.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    };
    let count = match series {
        Some(series) => series.count.unwrap_or(0),
        None => object.count.filter(|count| *count != 0).unwrap_or(1),
    };
    vec![
        last,
        object.type_.as_deref().unwrap_or_default().into(),
        object.reason.as_deref().unwrap_or_default().into(),
        target.into(),
        involved.field_path.as_deref().unwrap_or_default().into(),
        source(object).into(),
        object.message.as_deref().unwrap_or_default().trim().into(),
        first,
        count.into(),
        name(&object.metadata),
    ]
}

/// Who says so: the component, and its host.
pub(super) fn source(event: &Event) -> String {
    let source = event.source.clone().unwrap_or_default();
    let component = source.component.filter(|component| !component.is_empty()).or(event.reporting_component.clone());
    let host = source.host.filter(|host| !host.is_empty()).or(event.reporting_instance.clone());
    let component = component.unwrap_or_default();
    match host.filter(|host| !host.is_empty()) {
        Some(host) => format!("{component}, {host}"),
        None => component,
    }
}
