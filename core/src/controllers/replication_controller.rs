//! The ReplicationController controller (`pkg/controller/replication`).
//!
//! **The rule**: that of the [ReplicaSet](super::replica_set). An object is put into a ReplicaSet's words, judged as one,
//! and what comes out is put back.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::replica_set::{self, Dialect, Observed};
use crate::control::claim::owners_by;
use crate::control::{Controller, Keys, Plan, Watched, pods};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind::{self, TypedObject};
use crate::object::selector::Selector;
use crate::store::{Change, Object, Snapshot};
use crate::time::Time;

/// Keeps the pods of ReplicationControllers at their number.
#[derive(Debug)]
pub struct ReplicationControllerController;

const DIALECT: Dialect =
    Dialect { component: ReplicationControllerController::NAME, counts_terminating: false, stored: put_back };

impl Controller for ReplicationControllerController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "replication-controller";

    const WATCHED: &'static [Watched] =
        &[Watched::itself(kind::REPLICATION_CONTROLLER), Watched::kind(kind::POD, controllers_of_pod)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key)?;
        Observed::of(snapshot, object, Cow::Owned(as_set(object.typed()?)?), DIALECT)
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        replica_set::to_number(observed, now)
    }

    fn refused(observed: &Observed<'_>, error: &ApiError, now: Time) -> Plan {
        replica_set::after_refusal(observed, error, now)
    }
}

/// The ReplicationControllers that a pod concerns.
fn controllers_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    let selector = |object: &Object| {
        let spec = object.typed::<ReplicationController>()?.spec.as_ref()?;
        spec.selector.as_ref().map(Selector::from_labels)
    };
    if !pods::is_immaterial(change) {
        owners_by(change, snapshot, kind::REPLICATION_CONTROLLER, selector, keys);
    }
}

/// In a ReplicaSet's words.
fn as_set(controller: &ReplicationController) -> Option<ReplicaSet> {
    let spec = controller.spec.as_ref()?;
    let condition = |condition: &ReplicationControllerCondition| ReplicaSetCondition {
        last_transition_time: condition.last_transition_time.clone(),
        message: condition.message.clone(),
        reason: condition.reason.clone(),
        status: Some(condition.status.clone()),
        type_: Some(condition.type_.clone()),
    };
    let status = controller.status.as_ref().map(|status| ReplicaSetStatus {
        available_replicas: status.available_replicas,
        conditions: status.conditions.as_ref().map(|conditions| conditions.iter().map(condition).collect()),
        fully_labeled_replicas: status.fully_labeled_replicas,
        observed_generation: status.observed_generation,
        ready_replicas: status.ready_replicas,
        replicas: status.replicas,
        terminating_replicas: None,
    });
    Some(ReplicaSet {
        metadata: controller.metadata.clone(),
        spec: ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: spec.replicas,
            selector: LabelSelector { match_labels: spec.selector.clone(), match_expressions: None },
            template: spec.template.clone(),
        },
        status,
    })
}

/// The ReplicationController with the status of the set that it was judged as.
fn put_back(object: &Object, set: ReplicaSet) -> Option<Arc<dyn TypedObject>> {
    let condition = |condition: ReplicaSetCondition| ReplicationControllerCondition {
        last_transition_time: condition.last_transition_time,
        message: condition.message,
        reason: condition.reason,
        status: condition.status.unwrap_or_default(),
        type_: condition.type_.unwrap_or_default(),
    };
    let status = set.status.map(|status| ReplicationControllerStatus {
        available_replicas: status.available_replicas,
        conditions: status.conditions.map(|conditions| conditions.into_iter().map(condition).collect()),
        fully_labeled_replicas: status.fully_labeled_replicas,
        observed_generation: status.observed_generation,
        ready_replicas: status.ready_replicas,
        replicas: status.replicas,
    });
    Some(Arc::new(ReplicationController { status, ..object.typed::<ReplicationController>()?.clone() }))
}
