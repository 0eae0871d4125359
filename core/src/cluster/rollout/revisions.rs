//! Rollouts of the kinds whose history is kept in ControllerRevisions: StatefulSets and DaemonSets.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::params::{ListParams, Patch, PatchParams};

use super::{CHANGE_CAUSE, Revision, RolloutStatus, follow, restarted, same, with_image};
use crate::cluster::api::Api;
use crate::cluster::wait::WaitError;
use crate::control::revisions;
use crate::error::{ApiError, Reason};
use crate::object::kind::Kind;
use crate::object::selector::Selector;

/// Kinds whose templates are kept in ControllerRevisions.
pub trait Revisioned: Kind {
    /// Its current template.
    fn template(&self) -> &PodTemplateSpec;
    /// The selector of its pods and revisions.
    fn selector(&self) -> &LabelSelector;
    /// Whether it replaces its pods by itself when its template changes.
    fn rolls(&self) -> bool;
    /// How the rollout of its last change stands.
    fn rollout(&self) -> RolloutStatus;
}

impl Revisioned for StatefulSet {
    fn template(&self) -> &PodTemplateSpec {
        &self.spec.template
    }

    fn selector(&self) -> &LabelSelector {
        &self.spec.selector
    }

    fn rolls(&self) -> bool {
        let strategy = self.spec.update_strategy.as_ref();
        strategy.and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete")
    }

    fn rollout(&self) -> RolloutStatus {
        let status = self.status.clone().unwrap_or_default();
        let observed = status.observed_generation.unwrap_or(0);
        if observed == 0 || self.metadata.generation.unwrap_or(0) > observed {
            return going("Waiting for statefulset spec update to be observed...");
        }
        let wanted = self.spec.replicas.unwrap_or(1);
        let ready = status.ready_replicas.unwrap_or(0);
        if ready < wanted {
            return going(format!("Waiting for {} pods to be ready...", wanted - ready));
        }
        let updated = status.updated_replicas.unwrap_or(0);
        let rolling = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let Some(rolling) = rolling else {
            let (update, current) = (status.update_revision, status.current_revision.unwrap_or_default());
            if let Some(update) = update.filter(|update| *update != current) {
                let message = "waiting for statefulset rolling update to complete";
                return going(format!("{message} {updated} pods at revision {update}..."));
            }
            let count = status.current_replicas.unwrap_or(0);
            return done(format!("statefulset rolling update complete {count} pods at revision {current}..."));
        };
        let to_roll = wanted - rolling.partition.unwrap_or(0);
        if updated < to_roll {
            let message = "Waiting for partitioned roll out to finish";
            return going(format!("{message}: {updated} out of {to_roll} new pods have been updated..."));
        }
        done(format!("partitioned roll out complete: {updated} new pods have been updated..."))
    }
}

impl Revisioned for DaemonSet {
    fn template(&self) -> &PodTemplateSpec {
        &self.spec.template
    }

    fn selector(&self) -> &LabelSelector {
        &self.spec.selector
    }

    fn rolls(&self) -> bool {
        let strategy = self.spec.update_strategy.as_ref();
        strategy.and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete")
    }

    fn rollout(&self) -> RolloutStatus {
        let status = self.status.clone().unwrap_or_default();
        if self.metadata.generation.unwrap_or(0) > status.observed_generation.unwrap_or(0) {
            return going("Waiting for daemon set spec update to be observed...");
        }
        let name = self.metadata.name.as_deref().unwrap_or_default();
        let (wanted, updated) = (status.desired_number_scheduled, status.updated_number_scheduled.unwrap_or(0));
        let available = status.number_available.unwrap_or(0);
        let waiting = format!("Waiting for daemon set \"{name}\" rollout to finish:");
        if updated < wanted {
            return going(format!("{waiting} {updated} out of {wanted} new pods have been updated..."));
        }
        if available < wanted {
            return going(format!("{waiting} {available} of {wanted} updated pods are available..."));
        }
        done(format!("daemon set \"{name}\" successfully rolled out"))
    }
}

fn going(message: impl Into<String>) -> RolloutStatus {
    RolloutStatus { done: false, timed_out: false, message: message.into() }
}

fn done(message: String) -> RolloutStatus {
    RolloutStatus { done: true, timed_out: false, message }
}

impl<K: Revisioned> Api<K> {
    /// How the rollout of the last change of a StatefulSet or DaemonSet stands.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name, `BadRequest` when its pods are replaced only as they are deleted.
    pub async fn rollout_status(&self, name: &str) -> Result<RolloutStatus, ApiError> {
        Ok(rolling(&self.get(name).await?)?.rollout())
    }

    /// Waits until the rollout of a StatefulSet or DaemonSet is over, and tells each new sentence to `told`.
    ///
    /// # Errors
    /// As [`Api::rollout_status`], and [`WaitError::TimedOut`] after `timeout` of tokio's clock.
    pub async fn wait_rolled_out(
        &self,
        name: &str,
        timeout: Duration,
        told: impl FnMut(&RolloutStatus) + Send,
    ) -> Result<RolloutStatus, WaitError> {
        rolling(&self.get(name).await?)?;
        follow(self, name, timeout, K::rollout, told).await
    }

    /// The revisions of a StatefulSet or DaemonSet that are kept, the oldest first.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name.
    pub async fn rollout_history(&self, name: &str) -> Result<Vec<Revision>, ApiError> {
        let kept = self.revisions(&self.get(name).await?).await?;
        Ok(kept.iter().map(revision).collect())
    }

    /// Goes back to the revision before the current one, or to the one of this number: its template becomes that of the
    /// StatefulSet or DaemonSet again.
    ///
    /// # Errors
    /// `NotFound` when there is no such object or revision; `BadRequest` for one that is at that revision already.
    pub async fn rollout_undo(&self, name: &str, to_revision: Option<i64>) -> Result<K, ApiError> {
        let object = self.get(name).await?;
        let kept = self.revisions(&object).await?;
        let missing = |text: String| ApiError::new(Reason::NotFound, text);
        let target = match to_revision.filter(|number| *number != 0) {
            Some(wanted) => kept
                .iter()
                .find(|revision| revision.revision == Some(wanted))
                .ok_or_else(|| missing(format!("unable to find specified revision {wanted} in history")))?,
            None => kept
                .len()
                .checked_sub(2)
                .and_then(|index| kept.get(index))
                .ok_or_else(|| missing("no last revision to roll back to".to_owned()))?,
        };
        if revisions::template_of(target).is_some_and(|template| same(&template, object.template())) {
            let number = target.revision.unwrap_or(0);
            let message = format!("skipped rollback (current template already matches revision {number})");
            return Err(ApiError::bad_request(message));
        }
        self.patch(name, &PatchParams::default(), &Patch::Strategic(target.data.0.clone())).await
    }

    /// Replaces all pods of a StatefulSet or DaemonSet by new ones of the same template.
    ///
    /// # Errors
    /// `NotFound` when there is none of this name.
    pub async fn rollout_restart(&self, name: &str) -> Result<K, ApiError> {
        let patch = restarted(self.cluster.now().to_timestamp());
        self.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await
    }

    /// Gives a container of the template another image (`kubectl set image`); `"*"` means all containers.
    ///
    /// # Errors
    /// `NotFound` when there is no such object or container.
    pub async fn set_image(&self, name: &str, container: &str, image: &str) -> Result<K, ApiError> {
        let patch = with_image(self.get(name).await?.template(), container, image)?;
        self.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await
    }

    /// The revisions that an object controls, in the order of their numbers.
    async fn revisions(&self, object: &K) -> Result<Vec<ControllerRevision>, ApiError> {
        let namespace = object.meta().namespace.as_deref().unwrap_or("default");
        let selector = Selector::compile(Some(object.selector())).map_err(ApiError::internal)?;
        let all: Api<ControllerRevision> = Api::namespaced(&self.cluster, namespace);
        let mut kept = all.list(&ListParams::default().labels(&selector.to_string())).await?.items;
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        kept.retain(|revision| crate::object::owner::is_controlled_by(&revision.metadata, uid));
        kept.sort_by_key(|revision| revision.revision);
        Ok(kept)
    }
}

/// `kubectl rollout status` speaks only of objects that roll by themselves.
fn rolling<K: Revisioned>(object: &K) -> Result<&K, ApiError> {
    let message = "rollout status is only available for RollingUpdate strategy type";
    if object.rolls() { Ok(object) } else { Err(ApiError::bad_request(message)) }
}

fn revision(kept: &ControllerRevision) -> Revision {
    let spec = revisions::template_of(kept).and_then(|template| template.spec);
    let containers = spec.map(|spec| spec.containers).unwrap_or_default();
    let annotations = kept.metadata.annotations.as_ref();
    Revision {
        number: kept.revision.unwrap_or(0),
        change_cause: annotations.and_then(|annotations| annotations.get(CHANGE_CAUSE).cloned()),
        kept_by: kept.metadata.name.clone().unwrap_or_default(),
        images: containers.into_iter().filter_map(|container| container.image).collect(),
    }
}
