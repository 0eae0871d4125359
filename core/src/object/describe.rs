//! Objects told in full, laid out as `kubectl describe` does: names and values, indented.
//!
//! Pods, workloads, nodes and secrets have their own words; any other object is told as the tree that it is.

mod node;
mod pod;
mod tree;
mod workload;

use std::fmt::{self, Write as _};

use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object, as JSON with `apiVersion` and `kind`, in words. `pods` are those that belong to it: the pods on a node,
/// or the pods that a workload selects.
///
/// # Errors
/// When the object is not what its kind says.
pub fn describe(object: &Value, pods: &[Pod]) -> Result<String, serde_json::Error> {
    fn read<K: DeserializeOwned>(object: &Value) -> Result<K, serde_json::Error> {
        K::deserialize(object)
    }
    let mut lines = Lines::default();
    match object.get("kind").and_then(Value::as_str).unwrap_or_default() {
        "Pod" => pod::pod(&mut lines, &read(object)?),
        "Deployment" => workload::deployment(&mut lines, &read(object)?),
        "ReplicaSet" => workload::replica_set(&mut lines, &read(object)?, pods),
        "StatefulSet" => workload::stateful_set(&mut lines, &read(object)?, pods),
        "DaemonSet" => workload::daemon_set(&mut lines, &read(object)?, pods),
        "Job" => workload::job(&mut lines, &read(object)?),
        "CronJob" => workload::cron_job(&mut lines, &read(object)?),
        "Node" => node::node(&mut lines, &read(object)?, pods),
        "Secret" => secret(&mut lines, &read(object)?),
        _ => {
            metadata(&mut lines, &read(object.get("metadata").unwrap_or(&Value::Null))?);
            tree::rest(&mut lines, object);
        }
    }
    Ok(lines.0)
}

/// What is secret is only counted.
fn secret(lines: &mut Lines, secret: &Secret) {
    metadata(lines, &secret.metadata);
    lines.put(0, "Type", secret.type_.as_deref().unwrap_or_default());
    lines.title("Data");
    for (key, bytes) in secret.data.iter().flatten() {
        lines.put(1, key, format_args!("{} bytes", bytes.0.len()));
    }
}

/// Lines of names and values, indented.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A line that what follows belongs to.
    fn title(&mut self, name: &str) {
        let _ = writeln!(self.0, "{name}:");
    }

    fn put(&mut self, depth: usize, name: &str, value: impl fmt::Display) {
        let name = format!("{:indent$}{name}:", "", indent = depth * 2);
        let value = value.to_string();
        let line = format!("{name:<18} {value}");
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// A value that has no name.
    fn item(&mut self, depth: usize, value: &str) {
        let _ = writeln!(self.0, "{:indent$}{value}", "", indent = depth * 2);
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
