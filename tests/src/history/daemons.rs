//! What people do with DaemonSets, and how those must be in the end.

use std::sync::Arc;

use inboard::k8s_openapi::api::apps::v1::DaemonSet;
use inboard::k8s_openapi::api::core::v1::Container;
use inboard::object::kind;
use inboard::object::patch::Patch;
use inboard::store::Object;
use serde_json::{Value, json};

use super::History;
use super::fixpoint::Cluster;

const SETS: [&str; 2] = ["a0", "a1"];

impl History {
    pub(super) fn use_daemon_sets(&mut self) {
        let name = self.dice.pick(&SETS);
        match self.dice.roll(6) {
            0..3 => {
                let spec = json!({
                    "minReadySeconds": self.dice.pick(&[0, 0, 3]),
                    "revisionHistoryLimit": self.dice.pick(&[0, 1, 10]),
                    "selector": {"matchLabels": {"app": name}},
                    "updateStrategy": self.daemon_strategy(),
                    "template": self.daemon_template(name),
                });
                let object = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
                self.note(format!("create daemon set {object}"));
                let object: DaemonSet = serde_json::from_value(object).expect("a daemon set");
                let result = self.cluster.create(object);
                self.accept(result.map(|_| ()));
            }
            3 => {
                let template = self.daemon_template(name);
                self.patch_daemon_set(name, &json!({"template": template}));
            }
            4 => {
                let strategy = self.daemon_strategy();
                self.patch_daemon_set(name, &json!({"updateStrategy": strategy}));
            }
            _ => {
                let hosts = [Value::Null, json!({"kubernetes.io/hostname": self.dice.pick(&self.nodes)})];
                let selector = self.dice.pick(&hosts);
                self.patch_daemon_set(name, &json!({"template": {"spec": {"nodeSelector": selector}}}));
            }
        }
    }

    fn daemon_strategy(&mut self) -> Value {
        self.dice.pick(&[
            json!({"type": "OnDelete", "rollingUpdate": null}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%", "maxSurge": 0}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}),
        ])
    }

    /// It asks for nothing, so that there is room for it on every node.
    fn daemon_template(&mut self, app: &str) -> Value {
        let container = json!({"name": "app", "image": self.dice.pick(&["web:1", "web:2", "slow:1", "stubborn:1"])});
        let grace = self.dice.pick(&[0, 1, 5]);
        json!({"metadata": {"labels": {"app": app}},
            "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]}})
    }

    fn patch_daemon_set(&mut self, name: &str, spec: &Value) {
        self.note(format!("patch {name}: {spec}"));
        let result = self.cluster.patch(kind::DAEMON_SET, name, Patch::Merge(json!({"spec": spec})));
        self.accept(result.map(|_| ()));
    }

    /// After this every DaemonSet rolls to its template.
    pub(super) fn let_daemons_roll(&mut self) {
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
        for name in SETS {
            self.patch_daemon_set(name, &json!({"updateStrategy": strategy}));
        }
    }
}

/// A DaemonSet that has not one pod, ready and of its template, on each node that its selector chooses. Its counts of nodes
/// may be out of date: as upstream's, it does not look again for a taint that is gone.
pub(super) fn missing(cluster: &Cluster) -> Option<String> {
    cluster.snapshot().list(kind::DAEMON_SET).find_map(|object| daemon_set_missing(cluster, object))
}

fn daemon_set_missing(cluster: &Cluster, object: &Object) -> Option<String> {
    let set: &DaemonSet = object.typed()?;
    let status = set.status.clone().unwrap_or_default();
    let spec = set.spec.template.spec.clone().unwrap_or_default();
    let chosen = spec.node_selector.unwrap_or_default();
    let is_chosen = |node: &&Arc<Object>| {
        chosen.iter().all(|(key, value)| node.meta.labels.get(key).is_some_and(|label| label == value))
    };
    let snapshot = cluster.snapshot();
    let nodes: Vec<_> = snapshot.list(kind::NODE).filter(is_chosen).map(|node| node.meta.name.to_string()).collect();
    let image = |containers: &[Container]| containers.first().and_then(|container| container.image.clone());
    // As in Kubernetes, an orphan of an earlier set of this name is as it shall be if it is of the same generation.
    let generation = object.meta.annotations.get("deprecated.daemonset.template.generation");
    let is_of_generation = |pod: &Object| generation == pod.meta.labels.get("pod-template-generation");
    let pods = snapshot.owned_by(object.meta.uid).filter_map(|object| Some((object, object.pod()?)));
    let right = pods.filter(|(object, pod)| {
        pod.is_ready() && (image(&pod.spec.containers) == image(&spec.containers) || is_of_generation(object))
    });
    let mut hosts: Vec<String> = right.filter_map(|(_, pod)| pod.node.as_ref().map(ToString::to_string)).collect();
    hosts.sort();
    let is_looked_at = status.observed_generation == Some(object.meta.generation) && !object.meta.is_deleting();
    (hosts != nodes || !is_looked_at)
        .then(|| format!("daemon set {} wants {nodes:?}, is well on {hosts:?} and has {status:?}", object.meta.path()))
}
