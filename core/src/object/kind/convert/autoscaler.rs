//! HorizontalPodAutoscalers: version 1 knows one metric, the use of cpu; the rest is in annotations, each a JSON text.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// The values of a metric: the end of their names in version 1, behind `target` or `current`, and where they are in
/// version 2, below `target` or `current`.
const METRIC_FIELDS: [(&str, &[(&str, &str)]); 5] = [
    ("resource", &[("AverageUtilization", "/averageUtilization"), ("AverageValue", "/averageValue")]),
    ("containerResource", &[("AverageUtilization", "/averageUtilization"), ("AverageValue", "/averageValue")]),
    ("pods", &[("AverageValue", "/averageValue")]),
    ("object", &[("Value", "/value"), ("averageValue", "/averageValue")]),
    ("external", &[("Value", "/value"), ("AverageValue", "/averageValue")]),
];

/// Whether values are wanted (`spec`) or were measured (`status`).
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Wanted,
    Measured,
}

impl Side {
    /// The field that holds the values in version 2, and the prefix of their names in version 1.
    const fn name(self) -> &'static str {
        match self {
            Self::Wanted => "target",
            Self::Measured => "current",
        }
    }
}

pub(super) fn to_v2(fields: &mut Object) {
    let metrics = take_annotation::<Vec<Value>>(fields, METRICS)
        .map(|list| each(list, |metric| metric_to_v2(metric, Side::Wanted)));
    let current = take_annotation::<Vec<Value>>(fields, CURRENT_METRICS)
        .map(|list| each(list, |metric| metric_to_v2(metric, Side::Measured)));
    let behavior = take_annotation::<Value>(fields, BEHAVIOR);
    let conditions = take_annotation::<Value>(fields, CONDITIONS);
    if let Some(spec) = part(fields, "spec", metrics.is_some() || behavior.is_some()) {
        let cpu = spec.remove("targetCPUUtilizationPercentage").filter(|percent| !percent.is_null());
        let cpu =
            cpu.map(|percent| cpu_metric(Side::Wanted, &json!({"type": "Utilization", "averageUtilization": percent})));
        insert_list(spec, "metrics", cpu, metrics);
        insert_some(spec, "behavior", behavior);
    }
    if let Some(status) = part(fields, "status", current.is_some() || conditions.is_some()) {
        let cpu = status.remove("currentCPUUtilizationPercentage").filter(|percent| !percent.is_null());
        // The annotation has the measured cpu as well, with its absolute value.
        let known = current.iter().flatten().any(|metric| is_cpu(metric, Side::Measured));
        let cpu =
            cpu.filter(|_| !known).map(|percent| cpu_metric(Side::Measured, &json!({"averageUtilization": percent})));
        insert_list(status, "currentMetrics", cpu, current);
        insert_some(status, "conditions", conditions);
    }
}

pub(super) fn to_v1(fields: &mut Object) {
    let (mut metrics, mut behavior, mut current, mut conditions) = (Vec::new(), None, Vec::new(), None);
    if let Some(spec) = part(fields, "spec", false) {
        metrics = take_list(spec, "metrics");
        behavior = spec.remove("behavior").filter(|behavior| !behavior.is_null());
        if let Some(index) = metrics.iter().position(|metric| is_cpu(metric, Side::Wanted)) {
            let metric = metrics.remove(index);
            insert_some(
                spec,
                "targetCPUUtilizationPercentage",
                metric.pointer("/resource/target/averageUtilization").cloned(),
            );
        }
    }
    if let Some(status) = part(fields, "status", false) {
        current = take_list(status, "currentMetrics");
        conditions = Some(take_list(status, "conditions")).filter(|list| !list.is_empty());
        let cpu = current.iter().find(|metric| is_cpu(metric, Side::Measured));
        let cpu = cpu.and_then(|metric| metric.pointer("/resource/current/averageUtilization").cloned());
        insert_some(status, "currentCPUUtilizationPercentage", cpu);
    }
    let metrics = (!metrics.is_empty()).then(|| each(metrics, |metric| metric_to_v1(metric, Side::Wanted)));
    let current = (!current.is_empty()).then(|| each(current, |metric| metric_to_v1(metric, Side::Measured)));
    annotate(fields, METRICS, metrics.map(Value::from));
    annotate(fields, BEHAVIOR, behavior);
    annotate(fields, CURRENT_METRICS, current.map(Value::from));
    annotate(fields, CONDITIONS, conditions.map(Value::from));
}

fn each(list: impl IntoIterator<Item = Value>, change: impl Fn(Value) -> Value) -> Vec<Value> {
    list.into_iter().map(change).collect()
}

fn part<'v>(fields: &'v mut Object, name: &str, wanted: bool) -> Option<&'v mut Object> {
    if wanted && !fields.get(name).is_some_and(Value::is_object) {
        fields.insert(name.to_owned(), json!({}));
    }
    fields.get_mut(name).and_then(Value::as_object_mut)
}

fn insert_some(fields: &mut Object, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}

fn insert_list(fields: &mut Object, name: &str, first: Option<Value>, rest: Option<Vec<Value>>) {
    if first.is_some() || rest.is_some() {
        let list: Vec<Value> = first.into_iter().chain(rest.into_iter().flatten()).collect();
        fields.insert(name.to_owned(), list.into());
    }
}

fn take_list(fields: &mut Object, name: &str) -> Vec<Value> {
    match fields.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

fn take_annotation<T: serde::de::DeserializeOwned>(fields: &mut Object, key: &str) -> Option<T> {
    let metadata = fields.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let parsed = serde_json::from_str(annotations.get(key)?.as_str()?).ok()?;
    annotations.remove(key);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    Some(parsed)
}

fn annotate(fields: &mut Object, key: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let Some(metadata) = part(fields, "metadata", true) else { return };
    if let Some(annotations) = part(metadata, "annotations", true) {
        annotations.insert(key.to_owned(), value.to_string().into());
    }
}

fn cpu_metric(side: Side, values: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", side.name(): values}})
}

fn is_cpu(metric: &Value, side: Side) -> bool {
    let values = metric.get("resource").and_then(|resource| resource.get(side.name()));
    metric.pointer("/resource/name").and_then(Value::as_str) == Some("cpu")
        && values.and_then(|values| values.get("averageUtilization")).is_some_and(|percent| !percent.is_null())
}

/// The name of a value in version 1: `targetAverageValue`, or `averageValue` where it has no prefix.
fn v1_name(side: Side, field: &str) -> String {
    if field.starts_with('a') { field.to_owned() } else { format!("{}{field}", side.name()) }
}

/// What the selector of a metric is called in version 1.
fn selector_name(source: &str) -> &'static str {
    if source == "external" { "metricSelector" } else { "selector" }
}

fn metric_to_v1(mut metric: Value, side: Side) -> Value {
    for (name, values) in METRIC_FIELDS {
        let Some(source) = metric.get_mut(name).and_then(Value::as_object_mut) else { continue };
        let given = source.remove(side.name()).unwrap_or_default();
        for (field, pointer) in values {
            insert_some(
                source,
                &v1_name(side, field),
                given.pointer(pointer).filter(|value| !value.is_null()).cloned(),
            );
        }
        if let Some(described) = source.remove("describedObject") {
            source.insert("target".to_owned(), described);
        }
        if let Some(Value::Object(mut identity)) = source.remove("metric") {
            insert_some(source, "metricName", identity.remove("name"));
            insert_some(source, selector_name(name), identity.remove("selector"));
        }
    }
    metric
}

fn metric_to_v2(mut metric: Value, side: Side) -> Value {
    for (name, values) in METRIC_FIELDS {
        let Some(source) = metric.get_mut(name).and_then(Value::as_object_mut) else { continue };
        let described = source.remove("target");
        let mut given = Object::new();
        for (field, pointer) in values {
            let value = source.remove(&v1_name(side, field)).filter(|value| !value.is_null());
            insert_some(&mut given, pointer.trim_start_matches('/'), value);
        }
        if side == Side::Wanted {
            let kind = ["averageUtilization", "averageValue"].into_iter().find(|field| given.contains_key(*field));
            let kind = match kind {
                Some("averageUtilization") => "Utilization",
                Some(_) => "AverageValue",
                None => "Value",
            };
            given.insert("type".to_owned(), kind.into());
        }
        source.insert(side.name().to_owned(), given.into());
        insert_some(source, "describedObject", described);
        if let Some(metric_name) = source.remove("metricName") {
            let mut identity = Object::from_iter([("name".to_owned(), metric_name)]);
            let selector = source.remove(selector_name(name));
            insert_some(&mut identity, "selector", selector);
            source.insert("metric".to_owned(), identity.into());
        }
    }
    metric
}

#[cfg(test)]
mod tests {
    use super::super::{HORIZONTAL_POD_AUTOSCALER as V2, HORIZONTAL_POD_AUTOSCALER_V1 as V1, convert};
    use super::*;

    #[test]
    fn the_cpu_target_is_a_metric_and_back() {
        let old = json!({"apiVersion": "autoscaling/v1", "spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 70}, "status": {"currentCPUUtilizationPercentage": 50}});
        let new = convert(V1, V2, old.clone()).expect("the same objects");
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
        assert_eq!(new["spec"], json!({"maxReplicas": 5, "metrics": [metric]}));
        assert_eq!(new["apiVersion"], "autoscaling/v2");
        let back = convert(V2, V1, new).expect("the same objects");
        assert_eq!((&back["spec"], &back["status"]), (&old["spec"], &old["status"]));
    }

    #[test]
    fn what_version_1_has_no_field_for_survives_in_annotations() {
        let identity = |selector: bool| {
            if selector { json!({"name": "m", "selector": {"matchLabels": {"a": "b"}}}) } else { json!({"name": "m"}) }
        };
        let new = json!({
            "metadata": {"name": "h"},
            "spec": {
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
                "metrics": [
                    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
                    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
                    {"type": "Pods", "pods": {"metric": identity(true), "target": {"type": "AverageValue", "averageValue": "10"}}},
                    {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "i"}, "metric": identity(true), "target": {"type": "Value", "value": "5"}}},
                    {"type": "External", "external": {"metric": identity(true), "target": {"type": "Value", "value": "5"}}},
                    {"type": "External", "external": {"metric": identity(false), "target": {"type": "AverageValue", "averageValue": "5"}}},
                ],
            },
            "status": {
                "conditions": [{"type": "AbleToScale", "status": "True"}],
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 50, "averageValue": "50m"}}}],
            },
        });
        let old = convert(V2, V1, new.clone()).expect("the same objects");
        assert_eq!(old["spec"], json!({"targetCPUUtilizationPercentage": 70}));
        assert_eq!(old["status"], json!({"currentCPUUtilizationPercentage": 50}));
        let metrics: Value =
            serde_json::from_str(old["metadata"]["annotations"][METRICS].as_str().expect("a text")).expect("JSON");
        assert_eq!(
            metrics[0],
            json!({"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}})
        );
        assert_eq!(
            metrics[3],
            json!({"type": "External", "external": {"metricName": "m", "metricSelector": {"matchLabels": {"a": "b"}}, "targetValue": "5"}})
        );
        assert_eq!(convert(V1, V2, old), Some(new));
    }
}
