//! A pod is given a node, and takes over what the binding says: its labels and annotations, and where the node is.

use std::sync::Arc;

use serde_json::{Value, json};

use super::commit::Store;
use super::draft::{Expect, Misread};
use super::object::{Body, Object, StringMap};
use super::pod::{ConditionKind, ConditionStatus, PodCondition};
use super::policing::of_pod;
use crate::error::ApiError;
use crate::ids::NodeName;
use crate::object::kind;
use crate::object::mutate::TOPOLOGY_LABELS;
use crate::time::Time;

/// What is said when a pod is given a node (`v1/Binding`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The node.
    pub node: NodeName,
    /// What must hold of the pod.
    pub expect: Expect,
    /// What else must hold, and cannot.
    pub misread: Misread,
    /// Labels that the pod gets, in the place of its own with the same keys.
    pub labels: StringMap,
    /// Annotations that the pod gets likewise.
    pub annotations: StringMap,
}

impl Binding {
    /// To a node, and nothing else.
    pub fn to(node: NodeName) -> Self {
        let (labels, annotations) = (StringMap::new(), StringMap::new());
        Self { node, expect: Expect::default(), misread: Misread::default(), labels, annotations }
    }

    /// What webhooks or policies have made of it.
    pub fn take_over(&mut self, changed: &Value) {
        let texts = |field: &str| -> StringMap {
            let entries = changed["metadata"][field].as_object().into_iter().flatten();
            entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
        };
        self.labels = texts("labels");
        self.annotations = texts("annotations");
        if let Some(node) = changed["target"]["name"].as_str() {
            self.node = NodeName::from(node);
        }
    }

    /// What it says beyond the name of the pod, as JSON fields of a `v1/Binding`.
    pub fn write_to(&self, binding: &mut Value) {
        binding["target"] = json!({ "kind": "Node", "name": self.node.as_str() });
        for (field, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !texts.is_empty() {
                binding["metadata"][field] = json!(texts);
            }
        }
    }
}

impl Store {
    /// Gives a pod its node.
    ///
    /// # Errors
    /// When a policy refuses it.
    pub(crate) fn bind(&mut self, before: Arc<Object>, mut binding: Binding, now: Time) -> Result<(), ApiError> {
        self.add_topology(&mut binding);
        let changed = self.pass_beside(&before, "binding", || {
            let mut shown = of_pod(&before, "v1", "Binding");
            shown["metadata"]["uid"] = before.meta.uid.to_string().into();
            binding.write_to(&mut shown);
            shown
        })?;
        if let Some(changed) = changed {
            binding.take_over(&changed);
        }
        let (mut meta, mut body) = (before.meta.clone(), before.body.clone());
        overwrite(&mut meta.labels, binding.labels);
        overwrite(&mut meta.annotations, binding.annotations);
        if let Body::Pod(pod) = &mut body {
            pod.node = Some(binding.node);
            pod.state.nominated_node = None;
            pod.state.set_condition(PodCondition {
                kind: ConditionKind::PodScheduled,
                status: ConditionStatus::True,
                since: Some(now.whole_second()),
                observed_generation: meta.generation,
                why: None,
            });
        }
        self.put(before, meta, body);
        Ok(())
    }

    /// The region and the zone of the node, where the binding does not say them (`PodTopologyLabels`).
    fn add_topology(&self, binding: &mut Binding) {
        let Some(node) = self.live.find(kind::NODE, "", binding.node.as_str()) else { return };
        for label in TOPOLOGY_LABELS {
            if let Some(value) = node.meta.labels.get(label) {
                binding.labels.entry(label.to_owned()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// A map that many share is copied only where it changes.
fn overwrite(texts: &mut Arc<StringMap>, with: StringMap) {
    for (key, value) in with {
        if texts.get(&key) != Some(&value) {
            Arc::make_mut(texts).insert(key, value);
        }
    }
}
