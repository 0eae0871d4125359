//! The TTL controller of finished Jobs (`pkg/controller/ttlafterfinished`).
//!
//! **The rule**: a Job that has been finished for `spec.ttlSecondsAfterFinished` is deleted, its pods before it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;

use crate::control::{Action, Controller, Plan, Propagation, Target, Watched};
use crate::ids::Uid;
use crate::object::kind;
use crate::store::{Object, Snapshot};
use crate::time::Time;

/// Deletes Jobs some time after their end.
#[derive(Debug)]
pub struct TtlAfterFinishedController;

/// A finished Job, and when its time is over.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    expires: Time,
}

impl Controller for TtlAfterFinishedController {
    type Observed<'w> = Observed<'w>;

    const NAME: &'static str = "ttl-after-finished-controller";

    const WATCHED: &'static [Watched] = &[Watched::itself(kind::JOB)];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Observed<'w>> {
        let object = snapshot.get(key).filter(|object| !object.meta.is_deleting())?;
        let job: &Job = object.typed()?;
        let ttl = u64::try_from(job.spec.as_ref()?.ttl_seconds_after_finished?).ok()?;
        Some(Observed { object, expires: finished_at(job)? + Duration::from_secs(ttl) })
    }

    fn decide(observed: &Observed<'_>, now: Time) -> Plan {
        let mut plan = Plan::nothing();
        if observed.expires > now {
            plan.wake(observed.expires);
        } else {
            plan.push(Action::Delete {
                target: Target::seen(observed.object),
                grace_seconds: None,
                propagation: Propagation::Foreground,
                announce: None,
            });
        }
        plan
    }
}

fn finished_at(job: &Job) -> Option<Time> {
    let mut conditions = job.status.as_ref()?.conditions.iter().flatten();
    let end = conditions.find(|found| matches!(&*found.type_, "Complete" | "Failed") && found.status == "True")?;
    end.last_transition_time.as_ref().map(Time::from_api)
}
