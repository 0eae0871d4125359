//! Which rules judge which kind: when it is created, replaced, or given another status.

use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling};

use crate::object::field::FieldErrors;
use crate::object::kind::TypedObject;
use crate::object::validation::{
    autoscaler, config_map, controller_revision, cron_job, daemon_set, deployment, disruption_budget, job, limit_range,
    namespace, node, persistent_volume, pod, pod_status_update, pod_update, priority_class, replica_set,
    replication_controller, resource_quota, secret, service, stateful_set, storage_class, volume_claim,
};

/// What is judged.
#[derive(Clone, Copy)]
pub(super) enum Write<'w> {
    Create,
    /// Instead of this object.
    Update(&'w dyn TypedObject),
    /// Instead of the status of this object.
    Status(&'w dyn TypedObject),
}

type Create<K> = fn(&K) -> FieldErrors;
type Update<K> = fn(&K, &K) -> FieldErrors;

/// All that is wrong with an object; nothing for kinds without rules.
pub(super) fn judge(object: &dyn TypedObject, write: Write<'_>) -> FieldErrors {
    use {
        autoscaler as hpa, disruption_budget as pdb, persistent_volume as pv, replication_controller as rc,
        resource_quota as rq, volume_claim as pvc,
    };
    // Each row tries one type. A kind without rules for its status has `None` in their place.
    let judged = of(object, write, pod, pod_update, Some(pod_status_update))
        .or_else(|| of(object, write, node::node, node::node_update, Some(node::node_status_update)))
        .or_else(|| {
            let status = Some(replica_set::replica_set_status_update as Update<_>);
            of(object, write, replica_set::replica_set, replica_set::replica_set_update, status)
        })
        .or_else(|| {
            let status = Some(deployment::deployment_status_update as Update<_>);
            of(object, write, deployment::deployment, deployment::deployment_update, status)
        })
        .or_else(|| {
            let status = Some(stateful_set::stateful_set_status_update as Update<_>);
            of(object, write, stateful_set::stateful_set, stateful_set::stateful_set_update, status)
        })
        .or_else(|| {
            let status = Some(daemon_set::daemon_set_status_update as Update<_>);
            of(object, write, daemon_set::daemon_set, daemon_set::daemon_set_update, status)
        })
        .or_else(|| of(object, write, job::job, job::job_update, None))
        .or_else(|| {
            of(object, write, cron_job::cron_job, cron_job::cron_job_update, Some(cron_job::cron_job_status_update))
        })
        .or_else(|| of(object, write, service::service, service::service_update, None))
        .or_else(|| {
            let status = Some(namespace::namespace_status_update as Update<_>);
            of(object, write, namespace::namespace, namespace::namespace_update, status)
        })
        .or_else(|| of(object, write, secret::secret, secret::secret_update, None))
        .or_else(|| of(object, write, config_map::config_map, config_map::config_map_update, None))
        .or_else(|| {
            of(object, write, pvc::volume_claim, pvc::volume_claim_update, Some(pvc::volume_claim_status_update))
        })
        .or_else(|| {
            let status = Some(pv::persistent_volume_status_update as Update<_>);
            of(object, write, pv::persistent_volume, pv::persistent_volume_update, status)
        })
        .or_else(|| of(object, write, storage_class::storage_class, storage_class::storage_class_update, None))
        .or_else(|| of(object, write, priority_class::priority_class, priority_class::priority_class_update, None))
        .or_else(|| of(object, write, limit_range::limit_range, limit_range::limit_range_update, None))
        .or_else(|| {
            let status = Some(rq::resource_quota_status_update as Update<_>);
            of(object, write, rq::resource_quota, rq::resource_quota_update, status)
        })
        .or_else(|| {
            let status = Some(pdb::disruption_budget_status_update as Update<_>);
            of(object, write, pdb::disruption_budget, pdb::disruption_budget_update, status)
        })
        .or_else(|| {
            let status = Some(rc::replication_controller_status_update as Update<_>);
            of(object, write, rc::replication_controller, rc::replication_controller_update, status)
        })
        .or_else(|| {
            let (create, update) =
                (controller_revision::controller_revision, controller_revision::controller_revision_update);
            of(object, write, create, update, None)
        })
        .or_else(|| {
            let status = Some(hpa::autoscaler_status_update as Update<autoscaling::HorizontalPodAutoscaler>);
            of(object, write, hpa::autoscaler, hpa::autoscaler_update, status)
        })
        .or_else(|| {
            let status = Some(hpa::autoscaler_v1_status_update as Update<autoscaling_v1::HorizontalPodAutoscaler>);
            of(object, write, hpa::autoscaler_v1, hpa::autoscaler_v1_update, status)
        });
    judged.unwrap_or_default()
}

/// The judgement on an object of type `K`; `None` when it is of another type.
fn of<K: 'static>(
    object: &dyn TypedObject,
    write: Write<'_>,
    create: Create<K>,
    update: Update<K>,
    status: Option<Update<K>>,
) -> Option<FieldErrors> {
    let new: &K = object.as_any().downcast_ref()?;
    Some(match write {
        Write::Create => create(new),
        Write::Update(old) => update(new, old.as_any().downcast_ref()?),
        Write::Status(old) => match status {
            Some(status) => status(new, old.as_any().downcast_ref()?),
            None => FieldErrors::default(),
        },
    })
}
