//! The kubelet, played: pods become ready, end, or are gone.

use std::sync::Arc;
use std::time::Duration;

use inboard::kernel::Request;
use inboard::object::kind;
use inboard::object::manifest::FieldValidation;
use inboard::object::patch::Patch;
use inboard::store::{DeleteOptions, Object, Part, WriteOptions};
use serde_json::{Value, json};

use super::names::NAMESPACE;
use super::stage::{Pace, Stage};

impl Stage {
    /// Plays what a step says for the pods that it says.
    pub(super) fn play_kubelet(&mut self, wanted: &str, action: &Value) -> Result<(), String> {
        let pods = match wanted {
            "confirm-deletions" => self.chosen("all any", |object| object.meta.is_deleting()),
            _ => self.chosen(action["pods"]["which"].as_str().unwrap_or("all any"), |_| true),
        };
        if let Some(affected) = action["affected"].as_u64().filter(|affected| *affected != pods.len() as u64) {
            let names: Vec<_> = pods.iter().map(|pod| self.names.hide_text(&pod.meta.name)).collect();
            return Err(format!("concerns {} pods, not {affected}: {names:?}", pods.len()));
        }
        let mut requests = Vec::new();
        for pod in pods {
            match (wanted, action["phase"].as_str()) {
                ("confirm-deletions", Some(phase)) => {
                    requests.extend([write_status(&pod, json!({"phase": phase})), confirm(&pod)]);
                }
                ("confirm-deletions", None) => requests.push(confirm(&pod)),
                _ => requests.push(write_status(&pod, self.status(&pod, wanted, action)?)),
            }
        }
        let first = match self.pace {
            Pace::OneByOne | Pace::FirstAlone => 1,
            Pace::Together => usize::MAX,
        };
        let mut others = requests.split_off(requests.len().min(first));
        self.notice(requests)?;
        match self.pace {
            Pace::OneByOne => others.drain(..).try_for_each(|request| self.notice(vec![request])),
            Pace::FirstAlone | Pace::Together => self.notice(others),
        }
    }

    fn notice(&mut self, requests: Vec<Request>) -> Result<(), String> {
        self.request_together(requests).map_err(|error| error.to_string())?;
        self.run_now()
    }

    /// The pods that are meant, in the order in which they were created.
    fn chosen(&self, which: &str, also: impl Fn(&Object) -> bool) -> Vec<Arc<Object>> {
        let (which, of) = which.split_once(" of ").map_or((which, None), |(which, of)| (which, Some(of)));
        let (count, state) = match which.strip_prefix("oldest ").and_then(|rest| rest.split_once(' ')) {
            Some((count, state)) => (count.parse().unwrap_or(usize::MAX), state),
            None => (usize::MAX, which.trim_start_matches("all ")),
        };
        let fits = |object: &&Arc<Object>| {
            let Some(pod) = object.pod() else { return false };
            let active = !object.meta.is_deleting() && !pod.is_finished();
            let in_state = match state {
                "not ready" => active && !pod.is_ready(),
                "active" => active,
                _ => true,
            };
            in_state && of.is_none_or(|of| is_of(object, of)) && also(object)
        };
        let mut pods: Vec<_> = self.snapshot().list_in(kind::POD, NAMESPACE).filter(fits).cloned().collect();
        let place = |object: &Arc<Object>| self.names.pods.iter().position(|(name, _)| **name == *object.meta.name);
        // Of several that were made at once the recorded one is meant, where its node tells.
        let meant = |object: &Object| {
            let node = object.pod().and_then(|pod| pod.node.as_ref()).map(|node| node.as_str());
            let mut recorded = self.recorded["Pods"].as_array().into_iter().flatten();
            node.is_some() && recorded.any(|pod| pod["node"].as_str() == node && pod["ready"] == true)
        };
        pods.sort_by_key(|object| (object.meta.created, !meant(object), place(object)));
        pods.truncate(count);
        pods
    }

    fn status(&self, pod: &Object, wanted: &str, action: &Value) -> Result<Value, String> {
        let ago = |field: &str| {
            let since = self.now.minus(Duration::from_secs(action[field].as_u64().unwrap_or(0)));
            since.whole_second().to_string()
        };
        let (ready, phase) = match wanted {
            "ready" => ("True", "Running"),
            "running-unready" => ("False", "Running"),
            "succeeded" => ("False", "Succeeded"),
            "failed" => ("False", "Failed"),
            other => return Err(format!("a kubelet does not know how to make pods {other}")),
        };
        let (since, started) = (ago("readySinceSecondsAgo"), ago("startTimeSecondsAgo"));
        let state = if phase == "Running" {
            json!({"running": {"startedAt": started}})
        } else {
            let exit_code = action["exitCode"].as_i64().unwrap_or(0);
            json!({"terminated": {"exitCode": exit_code, "startedAt": started, "finishedAt": ago("finishedSecondsAgo")}})
        };
        let container = |name: &str, image: &str| {
            json!({
                "name": name, "image": image, "imageID": "", "ready": ready == "True", "state": state,
                "restartCount": action["restartCount"].as_i64().unwrap_or(0),
            })
        };
        let containers = pod.pod().map(|pod| pod.spec.containers.as_slice()).unwrap_or_default();
        let containers: Vec<Value> =
            containers.iter().map(|each| container(&each.name, each.image.as_deref().unwrap_or_default())).collect();
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": since});
        let mut conditions =
            vec![condition("Initialized", "True"), condition("Ready", ready), condition("ContainersReady", ready)];
        conditions.extend(action["conditions"].as_array().into_iter().flatten().cloned());
        let mut status =
            json!({"phase": phase, "startTime": started, "conditions": conditions, "containerStatuses": containers});
        if phase == "Running" {
            let address = address(pod);
            status["podIP"] = json!(address);
            status["podIPs"] = json!([{"ip": address}]);
        }
        Ok(status)
    }
}

/// An address of its own, always the same.
fn address(pod: &Object) -> String {
    let [a, b, c] = pod.meta.uid.to_string().into_bytes().into_iter().fold([10_u32; 3], |[a, b, c], byte| {
        let mix = |part: u32, by: u32| (part * by + u32::from(byte)) % 251;
        [mix(a, 31), mix(b, 37), mix(c, 41)]
    });
    format!("10.{a}.{b}.{c}")
}

fn write_status(pod: &Object, status: Value) -> Request {
    Request::Patch {
        kind: kind::POD,
        namespace: NAMESPACE.to_owned(),
        name: pod.meta.name.to_string(),
        part: Part::Status,
        patch: Patch::Strategic(json!({ "status": status })),
        duplicates: Vec::new(),
        validation: FieldValidation::Strict,
        options: WriteOptions::default(),
    }
}

/// The containers are gone: so is the pod.
fn confirm(pod: &Object) -> Request {
    let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    let name = pod.meta.name.to_string();
    Request::Delete { kind: kind::POD, namespace: NAMESPACE.to_owned(), name, options }
}

/// Whether a pod is the one, or one of those, that a word means: its name, hash, completion index or node.
fn is_of(object: &Object, word: &str) -> bool {
    let hash = ["pod-template-hash", "controller-revision-hash"];
    let labeled = hash.iter().any(|key| {
        object.meta.labels.get(*key).is_some_and(|value| value == word || value.rsplit('-').next() == Some(word))
    });
    let index = object.meta.annotations.get("batch.kubernetes.io/job-completion-index");
    let node = object.pod().and_then(|pod| pod.node.as_ref());
    *object.meta.name == *word
        || labeled
        || index.is_some_and(|index| index == word)
        || node.is_some_and(|node| node.as_str() == word)
}
