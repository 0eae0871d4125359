//! What people look at: tables of objects, the events of an object, and descriptions (`kubectl get`, `kubectl describe`).

use std::fmt::{self, Write as _};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Event, Node, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::params::ListParams;
use serde_json::Value;

use super::Cluster;
use super::api::{Api, to_kind};
use super::apply::kind_name;
use super::dynamic::DynamicApi;
use crate::error::ApiError;
use crate::object::kind::{self, Kind, TypedObject};
use crate::object::selector::Selector;
use crate::object::table::{Table, human_duration};
use crate::store::{Body, Object, Snapshot};
use crate::time::Time;

impl Cluster {
    /// What `kubectl get` prints: a table of the objects that `name` means (see [`Cluster::dynamic`]), in one namespace
    /// or, with `None`, in all; `wide` shows more columns (`-o wide`).
    ///
    /// # Errors
    /// `NotFound` when nothing has that name.
    pub async fn table(&self, name: &str, namespace: Option<&str>, wide: bool) -> Result<String, ApiError> {
        let api = self.dynamic(name).await?;
        let api = match namespace {
            Some(namespace) => api.namespace(namespace),
            None => api.all_namespaces(),
        };
        api.table(&ListParams::default(), wide).await
    }

    /// What `kubectl describe` tells of an object: its state, its parts and its events; in full for pods, Deployments
    /// and nodes, in short for the others.
    ///
    /// # Errors
    /// `NotFound` when there is no such object or kind.
    pub async fn describe(&self, kind: &str, namespace: &str, name: &str) -> Result<Description, ApiError> {
        let api = self.dynamic(kind).await?.namespace(namespace);
        let value = api.get(name).await?;
        let uid = value.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (snapshot, now) = self.inspect(|kernel, now| (kernel.snapshot().clone(), now)).await?;
        let kinds = self.kinds().await?;
        let mut lines = Lines::default();
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        let read = |error: serde_json::Error| ApiError::internal(error);
        match kind {
            "Pod" => pod(&mut lines, &serde_json::from_value(value).map_err(read)?),
            "Deployment" => deployment(&mut lines, &serde_json::from_value(value).map_err(read)?),
            "Node" => {
                let object: Node = serde_json::from_value(value).map_err(read)?;
                let here = crate::ids::NodeName::from(name);
                let pods = snapshot.pods_on(&here).filter_map(|pod| pod.to_pod()).collect::<Vec<_>>();
                node(&mut lines, &object, &pods);
            }
            _ => {
                let meta = value.get("metadata").cloned().unwrap_or_default();
                metadata(&mut lines, &serde_json::from_value(meta).map_err(read)?);
            }
        }
        let events = events_of(&snapshot, &kinds, &uid)?;
        Ok(Description { text: lines.0, events, now })
    }
}

impl DynamicApi {
    /// What `kubectl get` prints of those that the selectors match: a table for each kind.
    ///
    /// # Errors
    /// `BadRequest` for a selector that cannot be understood.
    pub async fn table(&self, params: &ListParams, wide: bool) -> Result<String, ApiError> {
        let now = self.cluster().now();
        let mut printed = Vec::new();
        for (info, values) in self.list_by_kind(params).await? {
            let mut table = match info.codec {
                Some(codec) => {
                    let objects: Result<Vec<_>, _> = values.iter().map(|value| codec.decode(value)).collect();
                    let objects = objects.map_err(ApiError::internal)?;
                    Table::of(info.id, objects.iter().map(|decoded| &*decoded.object as &dyn TypedObject), now)
                }
                None => Table::of_values(&values, now),
            };
            if self.is_mixed() {
                let prefix = kind_name(info);
                for cell in table.rows.iter_mut().filter_map(|row| row.first_mut()) {
                    *cell = format!("{prefix}/{}", cell.as_str().unwrap_or_default()).into();
                }
            }
            printed.push(table.print(wide));
        }
        Ok(if printed.is_empty() { "No resources found\n".to_owned() } else { printed.join("\n") })
    }
}

impl<K: Kind> Api<K> {
    /// The events of an object, in the order in which they first happened.
    ///
    /// # Errors
    /// `NotFound` when there is no such object.
    pub async fn events(&self, name: &str) -> Result<Vec<Event>, ApiError> {
        let view = self.view().await?;
        let object = self.find(&view, name)?;
        events_of(&view.snapshot, &view.kinds, &object.meta.uid.to_string())
    }
}

fn events_of(snapshot: &Snapshot, kinds: &crate::object::kind::Kinds, uid: &str) -> Result<Vec<Event>, ApiError> {
    let mut found: Vec<(Time, &std::sync::Arc<Object>)> = Vec::new();
    for event in snapshot.events().chain(snapshot.list(kind::EVENT)) {
        match &event.body {
            Body::Event(record) if record.draft.involved.uid.to_string() == uid => found.push((record.first, event)),
            Body::Typed(typed) => {
                let written: Option<&Event> = typed.as_any().downcast_ref();
                if let Some(written) = written.filter(|event| event.involved_object.uid.as_deref() == Some(uid)) {
                    let first = written.first_timestamp.as_ref().map(Time::from_api);
                    found.push((first.unwrap_or(event.meta.created), event));
                }
            }
            Body::Event(_) | Body::Pod(_) | Body::Custom(_) => {}
        }
    }
    found.sort_by_key(|(first, event)| (*first, event.meta.revision));
    found.into_iter().map(|(_, event)| to_kind(event, kinds)).collect()
}

/// What there is to say of an object. Its text is laid out as `kubectl describe` does.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    text: String,
    /// Its events, in the order in which they first happened.
    pub events: Vec<Event>,
    now: Time,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.events.is_empty() {
            return f.write_str("Events:  <none>\n");
        }
        f.write_str("Events:\n")?;
        let ago = |time: Option<Time>| time.map_or(0, |time| self.now.as_secs() - time.as_secs());
        let mut lines = vec![["Type", "Reason", "Age", "From", "Message"].map(str::to_owned)];
        for event in &self.events {
            let last = ago(event.last_timestamp.as_ref().map(Time::from_api));
            let first = ago(event.first_timestamp.as_ref().map(Time::from_api));
            let age = match event.count.unwrap_or(1) {
                ..=1 => human_duration(last),
                count => format!("{} (x{count} over {})", human_duration(last), human_duration(first)),
            };
            let from = event.source.as_ref().and_then(|source| source.component.clone()).unwrap_or_default();
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            lines.push([text(&event.type_), text(&event.reason), age, from, text(&event.message)]);
        }
        let widths =
            [0, 1, 2, 3].map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
        for [kind, reason, age, from, message] in &lines {
            let [a, b, c, d] = widths;
            writeln!(f, "  {kind:<a$}  {reason:<b$}  {age:<c$}  {from:<d$}  {}", message.trim())?;
        }
        Ok(())
    }
}

/// Lines of names and values, indented.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, depth: usize, name: &str, value: impl fmt::Display) {
        let name = format!("{:indent$}{name}:", "", indent = depth * 2);
        let value = value.to_string();
        let line = format!("{name:<18} {value}");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Several values, one a line, the first beside the name.
    fn list(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let mut values = values.into_iter();
        self.put(0, name, values.next().unwrap_or_else(|| "<none>".to_owned()));
        for value in values {
            let _ = writeln!(self.0, "{:18} {value}", "");
        }
    }

    fn conditions(&mut self, conditions: impl IntoIterator<Item = [String; 3]>) {
        let mut conditions = conditions.into_iter().peekable();
        if conditions.peek().is_none() {
            return;
        }
        self.0.push_str("Conditions:\n");
        let _ = writeln!(self.0, "  {:<28} {:<8} Reason", "Type", "Status");
        for [kind, status, reason] in conditions {
            let line = format!("  {kind:<28} {status:<8} {reason}");
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }
}

fn or_none(text: Option<&str>) -> &str {
    text.filter(|text| !text.is_empty()).unwrap_or("<none>")
}

fn metadata(lines: &mut Lines, meta: &ObjectMeta) {
    lines.put(0, "Name", or_none(meta.name.as_deref()));
    if let Some(namespace) = meta.namespace.as_deref() {
        lines.put(0, "Namespace", namespace);
    }
    let pairs = |map: &Option<std::collections::BTreeMap<String, String>>, joint: &str| -> Vec<String> {
        let shown = map.iter().flatten().filter(|(key, _)| *key != crate::object::patch::LAST_APPLIED);
        shown.map(|(key, value)| format!("{key}{joint}{value}")).collect()
    };
    lines.list("Labels", pairs(&meta.labels, "="));
    lines.list("Annotations", pairs(&meta.annotations, ": "));
    if let Some(since) = &meta.deletion_timestamp {
        lines.put(0, "Deletion", since.0);
    }
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    if let Some(owner) = owner {
        lines.put(0, "Controlled By", format_args!("{}/{}", owner.kind, owner.name));
    }
}

fn pod(lines: &mut Lines, pod: &Pod) {
    metadata(lines, &pod.metadata);
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    let node = match (spec.node_name.as_deref(), status.host_ip.as_deref()) {
        (Some(node), Some(ip)) => format!("{node}/{ip}"),
        (Some(node), None) => format!("{node}/"),
        (None, _) => "<none>".to_owned(),
    };
    lines.put(0, "Node", node);
    if let Some(start) = &status.start_time {
        lines.put(0, "Start Time", start.0);
    }
    lines.put(0, "Status", crate::object::table::pod_word(pod));
    if let Some(reason) = &status.reason {
        lines.put(0, "Reason", reason);
    }
    if let Some(message) = &status.message {
        lines.put(0, "Message", message);
    }
    lines.put(0, "IP", status.pod_ip.as_deref().unwrap_or_default());
    let init = spec.init_containers.as_deref().unwrap_or_default();
    if !init.is_empty() {
        containers(lines, "Init Containers", init, status.init_container_statuses.as_deref());
    }
    containers(lines, "Containers", &spec.containers, status.container_statuses.as_deref());
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lines.conditions(
        status
            .conditions
            .iter()
            .flatten()
            .map(|condition| [condition.type_.clone(), condition.status.clone(), text(&condition.reason)]),
    );
    lines.put(0, "QoS Class", status.qos_class.as_deref().unwrap_or_default());
    selectors(lines, &spec);
}

fn selectors(lines: &mut Lines, spec: &PodSpec) {
    lines.list("Node-Selectors", spec.node_selector.iter().flatten().map(|(key, value)| format!("{key}={value}")));
    lines.list(
        "Tolerations",
        spec.tolerations.iter().flatten().map(|toleration| {
            let mut text = toleration.key.clone().unwrap_or_default();
            if let Some(value) = toleration.value.as_deref().filter(|value| !value.is_empty()) {
                let _ = write!(text, "={value}");
            }
            if let Some(effect) = toleration.effect.as_deref().filter(|effect| !effect.is_empty()) {
                let _ = write!(text, ":{effect}");
            }
            if toleration.operator.as_deref() == Some("Exists") {
                text.push_str(" op=Exists");
            }
            if let Some(seconds) = toleration.toleration_seconds {
                let _ = write!(text, " for {}", human_duration(seconds));
            }
            text.trim().to_owned()
        }),
    );
}

fn containers(lines: &mut Lines, title: &str, containers: &[Container], statuses: Option<&[ContainerStatus]>) {
    let _ = writeln!(lines.0, "{title}:");
    for container in containers {
        let _ = writeln!(lines.0, "  {}:", container.name);
        let status = statuses.into_iter().flatten().find(|status| status.name == container.name);
        if let Some(id) = status.and_then(|status| status.container_id.as_deref()) {
            lines.put(2, "Container ID", id);
        }
        lines.put(2, "Image", container.image.as_deref().unwrap_or_default());
        if let Some(id) = status.map(|status| status.image_id.as_str()).filter(|id| !id.is_empty()) {
            lines.put(2, "Image ID", id);
        }
        let Some(status) = status else { continue };
        if let Some(now) = &status.state {
            state(lines, "State", now);
        }
        if let Some(last) = status.last_state.as_ref().filter(|last| last.terminated.is_some()) {
            state(lines, "Last State", last);
        }
        lines.put(2, "Ready", if status.ready { "True" } else { "False" });
        lines.put(2, "Restart Count", status.restart_count);
    }
}

fn state(lines: &mut Lines, title: &str, state: &ContainerState) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    if let Some(running) = &state.running {
        lines.put(2, title, "Running");
        if let Some(since) = &running.started_at {
            lines.put(3, "Started", since.0);
        }
    } else if let Some(ended) = &state.terminated {
        lines.put(2, title, "Terminated");
        lines.put(3, "Reason", text(&ended.reason));
        if let Some(message) = &ended.message {
            lines.put(3, "Message", message);
        }
        lines.put(3, "Exit Code", ended.exit_code);
        if let Some(finished) = &ended.finished_at {
            lines.put(3, "Finished", finished.0);
        }
    } else {
        lines.put(2, title, "Waiting");
        if let Some(reason) = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref()) {
            lines.put(3, "Reason", reason);
        }
    }
}

fn deployment(lines: &mut Lines, object: &Deployment) {
    metadata(lines, &object.metadata);
    let (spec, status) = (&object.spec, object.status.clone().unwrap_or_default());
    let selector = Selector::compile(Some(&spec.selector)).map(|selector| selector.to_string());
    lines.put(0, "Selector", selector.unwrap_or_default());
    let count = |count: Option<i32>| count.unwrap_or(0);
    let replicas = format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        spec.replicas.unwrap_or(1),
        count(status.updated_replicas),
        count(status.replicas),
        count(status.available_replicas),
        count(status.unavailable_replicas),
    );
    lines.put(0, "Replicas", replicas);
    let strategy = spec.strategy.clone().unwrap_or_default();
    lines.put(0, "StrategyType", strategy.type_.as_deref().unwrap_or("RollingUpdate"));
    lines.put(0, "MinReadySeconds", spec.min_ready_seconds.unwrap_or(0));
    if let Some(rolling) = strategy.rolling_update {
        use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
        let share = |share: Option<IntOrString>| match share {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(text)) => text,
            None => "25%".to_owned(),
        };
        let (unavailable, surge) = (share(rolling.max_unavailable), share(rolling.max_surge));
        let text = format!("{unavailable} max unavailable, {surge} max surge");
        lines.put(0, "RollingUpdate", text);
    }
    let pod = spec.template.spec.clone().unwrap_or_default();
    containers(lines, "Containers", &pod.containers, None);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lines.conditions(
        status
            .conditions
            .iter()
            .flatten()
            .map(|condition| [text(&condition.type_), text(&condition.status), text(&condition.reason)]),
    );
}

fn node(lines: &mut Lines, object: &Node, pods: &[Pod]) {
    metadata(lines, &object.metadata);
    let (spec, status) = (object.spec.clone().unwrap_or_default(), object.status.clone().unwrap_or_default());
    lines.list(
        "Taints",
        spec.taints.iter().flatten().map(|taint| match taint.value.as_deref().filter(|value| !value.is_empty()) {
            Some(value) => format!("{}={value}:{}", taint.key, taint.effect),
            None => format!("{}:{}", taint.key, taint.effect),
        }),
    );
    lines.put(0, "Unschedulable", spec.unschedulable.unwrap_or(false));
    lines.conditions(status.conditions.iter().flatten().map(|condition| {
        [condition.type_.clone(), condition.status.clone(), condition.reason.clone().unwrap_or_default()]
    }));
    lines.list(
        "Addresses",
        status.addresses.iter().flatten().map(|address| format!("{}: {}", address.type_, address.address)),
    );
    lines.list("Capacity", status.capacity.iter().flatten().map(|(name, amount)| format!("{name}: {}", amount.0)));
    lines
        .list("Allocatable", status.allocatable.iter().flatten().map(|(name, amount)| format!("{name}: {}", amount.0)));
    let runtime = status.node_info.map(|info| info.container_runtime_version).unwrap_or_default();
    lines.put(0, "Container Runtime", runtime);
    let _ = writeln!(lines.0, "Non-terminated Pods: ({} in total)", pods.len());
    for pod in pods {
        let _ = writeln!(
            lines.0,
            "  {}/{}  {}",
            or_none(pod.metadata.namespace.as_deref()),
            or_none(pod.metadata.name.as_deref()),
            crate::object::table::pod_word(pod)
        );
    }
}
