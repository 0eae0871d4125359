//! Rollouts of Deployments, StatefulSets and DaemonSets, and the maintenance of nodes: `kubectl rollout`, `set image`, `cordon`, `drain`.

mod revisions;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Container, Node, Pod, PodTemplateSpec};
use k8s_openapi::jiff::Timestamp;
use kube_core::params::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube_core::subresource::EvictParams;
use serde_json::{Value, json};

use super::api::{Api, delete_options};
use super::wait::WaitError;
use crate::error::{ApiError, Reason, Subject};
use crate::kernel::Request;
use crate::object::kind::Kind;
use crate::object::selector::Selector;

pub use self::revisions::Revisioned;

const REVISION: &str = "deployment.kubernetes.io/revision";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
const TEMPLATE_HASH: &str = "pod-template-hash";
const MIRROR: &str = "kubernetes.io/config.mirror";

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

/// How a node is emptied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainOptions {
    /// Seconds of grace for each pod; its own when absent.
    pub grace_seconds: Option<u32>,
    /// Leave the pods of DaemonSets where they are, instead of refusing to begin.
    pub ignore_daemon_sets: bool,
    /// Delete pods that keep data in an `emptyDir` too, instead of refusing to begin.
    pub delete_empty_dir_data: bool,
    /// Delete pods that nobody will make again too, instead of refusing to begin.
    pub force: bool,
    /// How long to try for, while disruption budgets hold pods back; without end when absent.
    pub timeout: Option<Duration>,
}

/// Between two tries to evict a pod that its budget holds back, as `kubectl drain` has it.
const EVICTION_RETRY: Duration = Duration::from_secs(5);

impl Api<Node> {
    /// Keeps new pods off a node.
    ///
    /// # Errors
    /// `NotFound` when there is no such node.
    pub async fn cordon(&self, name: &str) -> Result<Node, ApiError> {
        let patch = Patch::Merge(json!({ "spec": { "unschedulable": true } }));
        self.patch(name, &PatchParams::default(), &patch).await
    }

    /// Lets new pods onto a node again.
    ///
    /// # Errors
    /// `NotFound` when there is no such node.
    pub async fn uncordon(&self, name: &str) -> Result<Node, ApiError> {
        let patch = Patch::Merge(json!({ "spec": { "unschedulable": null } }));
        self.patch(name, &PatchParams::default(), &patch).await
    }

    /// Keeps new pods off a node and evicts those that are there; the answer is the pods that were evicted.
    ///
    /// It does not wait until they are gone. Like `kubectl drain` it refuses to begin when a pod would be lost (nobody
    /// makes it again, or it keeps data in an `emptyDir`) or would come back at once (it belongs to a DaemonSet), unless
    /// told otherwise. A pod that its disruption budget holds back is tried again every five seconds.
    ///
    /// # Errors
    /// `NotFound` when there is no such node, `BadRequest` with all pods that stand in the way, `Timeout` when budgets
    /// held pods back for too long.
    pub async fn drain(&self, name: &str, options: &DrainOptions) -> Result<Vec<Pod>, ApiError> {
        self.cordon(name).await?;
        let all: Api<Pod> = Api::all(&self.cluster);
        let here = ListParams::default().fields(&format!("spec.nodeName={name}"));
        let mut evicted = Vec::new();
        let mut objections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for pod in all.list(&here).await?.items {
            match judge(&pod, options) {
                Verdict::Evict => evicted.push(pod),
                Verdict::Leave => {}
                Verdict::Object(why) => objections.entry(why).or_default().push(full_name(&pod)),
            }
        }
        if !objections.is_empty() {
            let lines = objections.iter().map(|(why, pods)| format!("cannot delete {why}: {}", pods.join(", ")));
            let message = format!("unable to drain node \"{name}\": {}", lines.collect::<Vec<_>>().join("; "));
            return Err(ApiError::bad_request(message));
        }
        let evict_all = self.evict_all(evicted.iter().collect(), options.grace_seconds);
        match options.timeout {
            None => evict_all.await?,
            Some(timeout) => tokio::time::timeout(timeout, evict_all).await.map_err(|_| {
                let message = format!("drain did not complete within {timeout:?}: disruption budgets hold pods back");
                ApiError::new(Reason::Timeout, message)
            })??,
        }
        Ok(evicted)
    }

    /// Evicts pods, those that their budgets hold back again and again.
    async fn evict_all(&self, mut pods: Vec<&Pod>, grace_seconds: Option<u32>) -> Result<(), ApiError> {
        loop {
            let mut held = Vec::new();
            for pod in pods {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
                let api: Api<Pod> = Api::namespaced(&self.cluster, namespace);
                let mut params = DeleteParams { grace_period_seconds: grace_seconds, ..DeleteParams::default() };
                params.preconditions = Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None });
                let params = EvictParams { delete_options: Some(params), ..EvictParams::default() };
                match api.evict(pod.metadata.name.as_deref().unwrap_or_default(), &params).await {
                    Ok(()) => {}
                    Err(error) if error.reason() == Reason::TooManyRequests => held.push(pod),
                    // It is gone, or another has its name now.
                    Err(error) if error.is_not_found() || error.is_conflict() => {}
                    Err(error) => return Err(error),
                }
            }
            if held.is_empty() {
                return Ok(());
            }
            pods = held;
            tokio::time::sleep(EVICTION_RETRY).await;
        }
    }
}

impl Api<Pod> {
    /// Evicts a pod (`pods/eviction`): it is deleted with its grace, if its disruption budget lets it go.
    ///
    /// # Errors
    /// `NotFound` when there is no such pod, `TooManyRequests` when its budget does not allow it now, `InternalError`
    /// when more than one budget is for it, `Conflict` when a precondition does not hold.
    pub async fn evict(&self, name: &str, params: &EvictParams) -> Result<(), ApiError> {
        let mut options = delete_options(&params.delete_options.clone().unwrap_or_default())?;
        options.dry_run |= params.post_options.dry_run;
        let namespace = self.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let request = Request::Evict { namespace, name: name.to_owned(), options };
        self.cluster.ask(request).await.map(|_| ())
    }
}

enum Verdict {
    Evict,
    Leave,
    Object(&'static str),
}

fn judge(pod: &Pod, options: &DrainOptions) -> Verdict {
    let is_mirror = pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(MIRROR));
    if is_mirror {
        return Verdict::Leave;
    }
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return Verdict::Evict;
    }
    let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    match owner {
        Some(owner) if owner.kind == "DaemonSet" => {
            return if options.ignore_daemon_sets {
                Verdict::Leave
            } else {
                Verdict::Object("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)")
            };
        }
        None if !options.force => {
            return Verdict::Object("Pods that declare no controller (use --force to override)");
        }
        Some(_) | None => {}
    }
    let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    if volumes.any(|volume| volume.empty_dir.is_some()) && !options.delete_empty_dir_data {
        return Verdict::Object("Pods with local storage (use --delete-emptydir-data to override)");
    }
    Verdict::Evict
}

fn full_name(pod: &Pod) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&pod.metadata.namespace), part(&pod.metadata.name))
}
