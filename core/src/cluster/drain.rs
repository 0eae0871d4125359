//! The maintenance of nodes: `kubectl cordon`, `uncordon`, `drain`, and the eviction of single pods.
//!
//! **The rule** of a drain: nothing begins as long as a pod stands in the way; then every pod is evicted, those that their
//! disruption budgets hold back again and again, until all are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube_core::params::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube_core::subresource::EvictParams;
use serde_json::json;

use super::api::{Api, delete_options};
use super::wait::WaitError;
use crate::error::{ApiError, Reason};
use crate::ids::Uid;
use crate::kernel::Request;
use crate::object::kind;
use crate::store::Snapshot;

const MIRROR: &str = "kubernetes.io/config.mirror";
/// Between two tries to evict a pod that its budget holds back, as `kubectl drain` has it.
const EVICTION_RETRY: Duration = Duration::from_secs(5);

/// How a node is emptied: the flags of `kubectl drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainOptions {
    /// Seconds of grace for each pod; its own when absent (`--grace-period`).
    pub grace_seconds: Option<u32>,
    /// Leave the pods of DaemonSets where they are, instead of refusing to begin (`--ignore-daemonsets`).
    pub ignore_daemon_sets: bool,
    /// Delete pods that keep data in an `emptyDir` too, instead of refusing to begin (`--delete-emptydir-data`).
    pub delete_empty_dir_data: bool,
    /// Delete pods that nobody will make again too, instead of refusing to begin (`--force`).
    pub force: bool,
    /// Which pods are meant, by their labels: `app=web,tier!=db`; all when empty (`--pod-selector`).
    pub pod_selector: String,
    /// Delete pods, whatever their disruption budgets say (`--disable-eviction`).
    pub disable_eviction: bool,
    /// How long to try and to wait for; without end when absent (`--timeout`).
    pub timeout: Option<Duration>,
}

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

    /// Keeps new pods off a node, evicts those that are there and waits until they are gone; the answer is the pods that
    /// were there.
    ///
    /// Like `kubectl drain` it refuses to begin when a pod would be lost (nobody makes it again, or it keeps data in an
    /// `emptyDir`) or would come back at once (it belongs to a DaemonSet), unless told otherwise; the node stays cordoned
    /// then. Mirror pods stay. A pod that its disruption budget holds back is tried again every five seconds.
    ///
    /// ```
    /// # async fn demo(cluster: inboard::Cluster) -> Result<(), inboard::ApiError> {
    /// use std::time::Duration;
    /// use inboard::prelude::*;
    /// use inboard::{Api, DrainOptions};
    ///
    /// let nodes: Api<Node> = Api::all(&cluster);
    /// let options = DrainOptions {
    ///     ignore_daemon_sets: true,
    ///     timeout: Some(Duration::from_secs(600)),
    ///     ..DrainOptions::default()
    /// };
    /// let moved = nodes.drain("host01", &options).await?;
    /// println!("{} pods left host01", moved.len());
    /// // Work on the machine, and then:
    /// nodes.uncordon("host01").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound` when there is no such node, `BadRequest` with all pods that stand in the way, `Timeout` when budgets held
    /// pods back or pods took to end for too long.
    pub async fn drain(&self, name: &str, options: &DrainOptions) -> Result<Vec<Pod>, ApiError> {
        self.cordon(name).await?;
        let all: Api<Pod> = Api::all(&self.cluster);
        let here = ListParams::default().fields(&format!("spec.nodeName={name}")).labels(&options.pod_selector);
        let snapshot = self.cluster.snapshot().await?;
        let mut leaving = Vec::new();
        let mut objections: BTreeMap<Objection, Vec<String>> = BTreeMap::new();
        for pod in all.list(&here).await?.items {
            match judge(&pod, options, &snapshot) {
                Verdict::Leave => leaving.push(pod),
                Verdict::Stay => {}
                Verdict::Object(why) => objections.entry(why).or_default().push(full_name(&pod)),
            }
        }
        if !objections.is_empty() {
            let lines =
                objections.iter().map(|(why, pods)| format!("cannot delete {}: {}", why.text(), pods.join(", ")));
            let message = format!("unable to drain node \"{name}\": {}", lines.collect::<Vec<_>>().join("; "));
            return Err(ApiError::bad_request(message));
        }
        let empty = async {
            self.send_away(&leaving, options).await?;
            self.wait_until_gone(&leaving).await
        };
        match options.timeout {
            None => empty.await?,
            Some(timeout) => tokio::time::timeout(timeout, empty).await.map_err(|_| {
                ApiError::new(Reason::Timeout, format!("drain of node \"{name}\" did not complete within {timeout:?}"))
            })??,
        }
        Ok(leaving)
    }

    /// Evicts pods, those that their budgets hold back again and again.
    async fn send_away(&self, pods: &[Pod], options: &DrainOptions) -> Result<(), ApiError> {
        let mut left: Vec<&Pod> = pods.iter().collect();
        loop {
            let mut held = Vec::new();
            for pod in left {
                match self.send_one(pod, options).await {
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
            left = held;
            tokio::time::sleep(EVICTION_RETRY).await;
        }
    }

    async fn send_one(&self, pod: &Pod, options: &DrainOptions) -> Result<(), ApiError> {
        let (namespace, name) = (pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref().unwrap_or_default());
        let api: Api<Pod> = Api::namespaced(&self.cluster, namespace.unwrap_or("default"));
        let delete = DeleteParams {
            grace_period_seconds: options.grace_seconds,
            preconditions: Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None }),
            ..DeleteParams::default()
        };
        if options.disable_eviction {
            return api.delete(name, &delete).await.map(|_| ());
        }
        api.evict(name, &EvictParams { delete_options: Some(delete), ..EvictParams::default() }).await
    }

    async fn wait_until_gone(&self, pods: &[Pod]) -> Result<(), ApiError> {
        let mut left: Vec<Uid> = pods.iter().filter_map(|pod| pod.metadata.uid.as_ref()?.parse().ok()).collect();
        let gone = self.cluster.wait_until("the end of the pods", Duration::MAX, |snapshot| {
            left.retain(|uid| snapshot.get(*uid).is_some());
            left.is_empty().then_some(())
        });
        gone.await.map_err(|error| match error {
            WaitError::Api(error) => error,
            timed_out @ WaitError::TimedOut { .. } => ApiError::new(Reason::Timeout, timed_out.to_string()),
        })
    }
}

impl Api<Pod> {
    /// Evicts a pod (`pods/eviction`): it is deleted with its grace, if its disruption budget lets it go.
    ///
    /// ```
    /// # async fn demo(pods: inboard::Api<inboard::prelude::Pod>) -> Result<(), inboard::ApiError> {
    /// use inboard::{EvictParams, Reason};
    ///
    /// match pods.evict("web-1", &EvictParams::default()).await {
    ///     Ok(()) => println!("it goes"),
    ///     Err(error) if error.reason() == Reason::TooManyRequests => println!("not now: {error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound` when there is no such pod, `TooManyRequests` when its budget does not allow it now, `Unknown` when more
    /// than one budget is for it, `Conflict` when a precondition does not hold.
    pub async fn evict(&self, name: &str, params: &EvictParams) -> Result<(), ApiError> {
        let mut options = delete_options(&params.delete_options.clone().unwrap_or_default());
        options.dry_run |= params.post_options.dry_run;
        let namespace = self.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let request = Request::Evict { namespace, name: name.to_owned(), options };
        self.cluster.ask(request).await.map(|_| ())
    }
}

/// What is to become of a pod on a node that is emptied.
enum Verdict {
    Leave,
    Stay,
    Object(Objection),
}

/// Why a drain does not begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Objection {
    OfDaemonSet,
    OfLostDaemonSet,
    KeepsData,
    Unmanaged,
}

impl Objection {
    const fn text(self) -> &'static str {
        match self {
            Self::OfDaemonSet => "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
            Self::OfLostDaemonSet => "Pods of DaemonSets that do not exist (use --force to override)",
            Self::KeepsData => "Pods with local storage (use --delete-emptydir-data to override)",
            Self::Unmanaged => "Pods that declare no controller (use --force to override)",
        }
    }
}

fn judge(pod: &Pod, options: &DrainOptions, snapshot: &Snapshot) -> Verdict {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
    let is_mirror = pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(MIRROR));
    let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    if let Some(set) = owner.filter(|owner| owner.kind == "DaemonSet" && !has_ended) {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        match snapshot.find(kind::DAEMON_SET, namespace, &set.name) {
            Some(_) if options.ignore_daemon_sets => return Verdict::Stay,
            Some(_) => return Verdict::Object(Objection::OfDaemonSet),
            None if !options.force => return Verdict::Object(Objection::OfLostDaemonSet),
            None => {}
        }
    }
    if is_mirror {
        return Verdict::Stay;
    }
    let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    if !has_ended && !options.delete_empty_dir_data && volumes.any(|volume| volume.empty_dir.is_some()) {
        return Verdict::Object(Objection::KeepsData);
    }
    if !has_ended && !options.force && owner.is_none() {
        return Verdict::Object(Objection::Unmanaged);
    }
    Verdict::Leave
}

fn full_name(pod: &Pod) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&pod.metadata.namespace), part(&pod.metadata.name))
}
