//! Rollouts of Deployments, StatefulSets and DaemonSets, as `kubectl rollout` and `kubectl set image` have them.

mod revisions;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use k8s_openapi::jiff::Timestamp;
use kube_core::params::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::Api;
use super::wait::WaitError;
use crate::error::{ApiError, Reason, Subject};
use crate::object::kind::Kind;
use crate::object::selector::Selector;

pub use self::revisions::Revisioned;

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const TEMPLATE_HASH: &str = "pod-template-hash";

/// How a rollout stands; `message` is the sentence that `kubectl rollout status` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutStatus {
    /// Whether it is over: all pods are of the current template and available.
    pub done: bool,
    /// Whether its deadline is over: nothing moved for `progressDeadlineSeconds`.
    pub timed_out: bool,
    /// How it stands, for people.
    pub message: String,
}

/// One revision of a workload that can be gone back to.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// Why it was made (`kubernetes.io/change-cause`), where somebody wrote it down.
    pub change_cause: Option<String>,
    /// The name of the ReplicaSet or ControllerRevision that keeps it.
    pub kept_by: String,
    /// The images of its containers, in their order.
    pub images: Vec<String>,
}

impl Api<Deployment> {
    /// How the rollout of a Deployment's last change stands.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment.
    pub async fn rollout_status(&self, name: &str) -> Result<RolloutStatus, ApiError> {
        Ok(status_of(&self.get(name).await?))
    }

    /// Waits until the rollout is over, or its deadline, and tells each new sentence to `told`.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment, [`WaitError::TimedOut`] after `timeout` of tokio's clock.
    pub async fn wait_rolled_out(
        &self,
        name: &str,
        timeout: Duration,
        told: impl FnMut(&RolloutStatus) + Send,
    ) -> Result<RolloutStatus, WaitError> {
        follow(self, name, timeout, status_of, told).await
    }

    /// The revisions that are kept, the oldest first.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment.
    pub async fn rollout_history(&self, name: &str) -> Result<Vec<Revision>, ApiError> {
        let deployment = self.get(name).await?;
        let sets = self.replica_sets(&deployment).await?;
        let mut revisions: Vec<Revision> = sets.iter().filter_map(revision).collect();
        revisions.sort_by_key(|revision| revision.number);
        Ok(revisions)
    }

    /// Goes back to the revision before the current one, or to the one of this number: its template becomes the
    /// Deployment's again.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment or revision; `BadRequest` for one that is paused or is at that
    /// revision already.
    pub async fn rollout_undo(&self, name: &str, to_revision: Option<i64>) -> Result<Deployment, ApiError> {
        let deployment = self.get(name).await?;
        if deployment.spec.paused == Some(true) {
            let message = format!(
                "cannot rollback a paused deployment; resume it first with 'kubectl rollout resume deployment/{name}' and \
                 try again"
            );
            return Err(ApiError::bad_request(message));
        }
        let sets = self.replica_sets(&deployment).await?;
        let mut known: Vec<(i64, &ReplicaSet)> =
            sets.iter().filter_map(|set| Some((revision(set)?.number, set))).collect();
        known.sort_by_key(|(number, _)| *number);
        let missing = |text: String| ApiError::new(Reason::NotFound, text);
        let target = match to_revision.filter(|number| *number != 0) {
            Some(wanted) => known
                .iter()
                .find(|(number, _)| *number == wanted)
                .ok_or_else(|| missing(format!("unable to find specified revision {wanted} in history")))?,
            None => known
                .len()
                .checked_sub(2)
                .and_then(|index| known.get(index))
                .ok_or_else(|| missing(format!("no rollout history found for deployment \"{name}\"")))?,
        };
        let mut template = target.1.spec.template.clone().unwrap_or_default();
        if let Some(labels) = template.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
            labels.remove(TEMPLATE_HASH);
        }
        if same(&template, &deployment.spec.template) {
            let message = format!("skipped rollback (current template already matches revision {})", target.0);
            return Err(ApiError::bad_request(message));
        }
        let mut operations = vec![
            json!({ "op": "test", "path": "/metadata/resourceVersion", "value": deployment.metadata.resource_version }),
            json!({ "op": "replace", "path": "/spec/template", "value": template }),
        ];
        let cause = target.1.metadata.annotations.as_ref().and_then(|annotations| annotations.get(CHANGE_CAUSE));
        if let (Some(cause), Some(_)) = (cause, &deployment.metadata.annotations) {
            let path = "/metadata/annotations/kubernetes.io~1change-cause";
            operations.push(json!({ "op": "add", "path": path, "value": cause }));
        }
        let patch = serde_json::from_value(Value::Array(operations)).map_err(ApiError::internal)?;
        self.patch(name, &PatchParams::default(), &Patch::<()>::Json(patch)).await
    }

    /// Keeps changes of the template from being rolled out until [`Api::rollout_resume`].
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment, `BadRequest` when it is paused already.
    pub async fn rollout_pause(&self, name: &str) -> Result<Deployment, ApiError> {
        if self.get(name).await?.spec.paused == Some(true) {
            return Err(ApiError::bad_request(format!("deployments.apps \"{name}\" is already paused")));
        }
        self.merge(name, json!({ "spec": { "paused": true } })).await
    }

    /// Lets changes of the template be rolled out again.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment, `BadRequest` when it is not paused.
    pub async fn rollout_resume(&self, name: &str) -> Result<Deployment, ApiError> {
        if self.get(name).await?.spec.paused != Some(true) {
            return Err(ApiError::bad_request(format!("deployments.apps \"{name}\" is not paused")));
        }
        self.merge(name, json!({ "spec": { "paused": null } })).await
    }

    /// Replaces all pods by new ones of the same template.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment, `BadRequest` when it is paused.
    pub async fn rollout_restart(&self, name: &str) -> Result<Deployment, ApiError> {
        if self.get(name).await?.spec.paused == Some(true) {
            let message = "can't restart paused deployment (run rollout resume first)";
            return Err(ApiError::bad_request(message));
        }
        self.merge(name, restarted(self.cluster.now().to_timestamp())).await
    }

    /// Gives a container of the template another image (`kubectl set image`); `"*"` means all containers.
    ///
    /// # Errors
    /// `NotFound` when there is no such Deployment or container.
    pub async fn set_image(&self, name: &str, container: &str, image: &str) -> Result<Deployment, ApiError> {
        let patch = with_image(&self.get(name).await?.spec.template, container, image)?;
        self.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await
    }

    async fn merge(&self, name: &str, patch: Value) -> Result<Deployment, ApiError> {
        self.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
    }

    /// The ReplicaSets that a Deployment controls.
    async fn replica_sets(&self, deployment: &Deployment) -> Result<Vec<ReplicaSet>, ApiError> {
        let namespace = deployment.metadata.namespace.as_deref().unwrap_or("default");
        let selector = Selector::compile(Some(&deployment.spec.selector)).map_err(ApiError::internal)?;
        let all: Api<ReplicaSet> = Api::namespaced(&self.cluster, namespace);
        let mut sets = all.list(&ListParams::default().labels(&selector.to_string())).await?.items;
        sets.retain(|set| {
            let owners = set.metadata.owner_references.iter().flatten();
            let mut controllers = owners.filter(|owner| owner.controller == Some(true));
            controllers.any(|owner| Some(&owner.uid) == deployment.metadata.uid.as_ref())
        });
        Ok(sets)
    }
}

/// Waits until a rollout is over and tells each new sentence.
async fn follow<K: Kind>(
    api: &Api<K>,
    name: &str,
    timeout: Duration,
    status_of: fn(&K) -> RolloutStatus,
    told: impl FnMut(&RolloutStatus) + Send,
) -> Result<RolloutStatus, WaitError> {
    api.get(name).await?;
    let last = Mutex::new((None, told));
    let over = |object: Option<&K>| {
        let Some(object) = object else { return true };
        let (last, told) = &mut *last.lock().unwrap_or_else(PoisonError::into_inner);
        let status = status_of(object);
        let over = status.done || status.timed_out;
        if last.as_ref() != Some(&status) {
            told(&status);
            *last = Some(status);
        }
        over
    };
    let waited = api.wait(name, timeout, over).await?;
    let (status, _) = last.into_inner().unwrap_or_else(PoisonError::into_inner);
    let gone = || ApiError::not_found(Subject::new(K::group(&()), K::plural(&()), name));
    Ok(status.filter(|_| waited.is_some()).ok_or_else(gone)?)
}

/// A patch that makes all pods new ones.
fn restarted(now: Timestamp) -> Value {
    json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: rfc3339(now) } } } } })
}

/// A strategic merge patch that gives a container of a template, or all for `"*"`, another image.
fn with_image(template: &PodTemplateSpec, container: &str, image: &str) -> Result<Value, ApiError> {
    let spec = template.spec.clone().unwrap_or_default();
    let is_meant = |candidate: &str| container == "*" || candidate == container;
    let change = |containers: &[Container]| -> Vec<Value> {
        let meant = containers.iter().filter(|candidate| is_meant(&candidate.name));
        meant.map(|candidate| json!({ "name": candidate.name, "image": image })).collect()
    };
    let regular = change(&spec.containers);
    let init = change(spec.init_containers.as_deref().unwrap_or_default());
    if regular.is_empty() && init.is_empty() {
        let message = format!("unable to find container named \"{container}\"");
        return Err(ApiError::new(Reason::NotFound, message));
    }
    let mut changes = serde_json::Map::new();
    for (list, containers) in [("containers", regular), ("initContainers", init)] {
        if !containers.is_empty() {
            changes.insert(list.to_owned(), containers.into());
        }
    }
    Ok(json!({ "spec": { "template": { "spec": changes } } }))
}

fn status_of(deployment: &Deployment) -> RolloutStatus {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let going = |message: String| RolloutStatus { done: false, timed_out: false, message };
    let status = deployment.status.clone().unwrap_or_default();
    if deployment.metadata.generation.unwrap_or(0) > status.observed_generation.unwrap_or(0) {
        return going("Waiting for deployment spec update to be observed...".to_owned());
    }
    let is_late = status.conditions.iter().flatten().any(|condition| {
        condition.type_.as_deref() == Some("Progressing")
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    if is_late {
        let message = format!("deployment \"{name}\" exceeded its progress deadline");
        return RolloutStatus { done: false, timed_out: true, message };
    }
    let updated = status.updated_replicas.unwrap_or(0);
    let total = status.replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let waiting = format!("Waiting for deployment \"{name}\" rollout to finish: ");
    match deployment.spec.replicas {
        Some(wanted) if updated < wanted => {
            going(format!("{waiting}{updated} out of {wanted} new replicas have been updated..."))
        }
        _ if total > updated => going(format!("{waiting}{} old replicas are pending termination...", total - updated)),
        _ if available < updated => {
            going(format!("{waiting}{available} of {updated} updated replicas are available..."))
        }
        _ => {
            let message = format!("deployment \"{name}\" successfully rolled out");
            RolloutStatus { done: true, timed_out: false, message }
        }
    }
}

fn revision(set: &ReplicaSet) -> Option<Revision> {
    let annotations = set.metadata.annotations.as_ref()?;
    let containers =
        set.spec.template.as_ref().and_then(|template| template.spec.as_ref()).map(|spec| &spec.containers);
    Some(Revision {
        number: annotations.get(REVISION)?.parse().ok()?,
        change_cause: annotations.get(CHANGE_CAUSE).cloned(),
        kept_by: set.metadata.name.clone().unwrap_or_default(),
        images: containers.into_iter().flatten().filter_map(|container| container.image.clone()).collect(),
    })
}

fn same(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    crate::object::wire::same(one, other)
}

/// As kubectl writes it: to the second.
fn rfc3339(time: Timestamp) -> String {
    format!("{time:.0}")
}
