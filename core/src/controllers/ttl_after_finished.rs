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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{Draft, Store, WriteOptions};

    const NOW: Time = Time::from_secs(1_000_000);

    /// What becomes of a Job that has had this condition for so many seconds.
    fn told(condition: &str, ago: u64, ttl: Option<i32>) -> String {
        let mut store = Store::new(1);
        store.found(NOW);
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
        let job = json!({"metadata": {"name": "j"}, "spec": {"template": template, "ttlSecondsAfterFinished": ttl}});
        let job: Job = serde_json::from_value(job).expect("a job");
        let made = store.create_with(Draft::of(job), WriteOptions::default(), NOW).expect("room for it");
        let mut next = made.typed::<Job>().expect("a job").clone();
        if !condition.is_empty() {
            let since = NOW.minus(Duration::from_secs(ago)).to_string();
            let condition = json!({"type": condition, "status": "True", "lastTransitionTime": since});
            next.status = serde_json::from_value(json!({"conditions": [condition]})).expect("a status");
        }
        let write = Action::UpdateStatus { target: Target::seen(&made), object: Arc::new(next) };
        store.commit(vec![write], NOW).expect("nobody else writes");
        let Some(observed) = TtlAfterFinishedController::observe(store.snapshot(), made.meta.uid) else {
            return "left alone".to_owned();
        };
        let plan = TtlAfterFinishedController::decide(&observed, NOW);
        match (plan.actions.as_slice(), plan.wake_at) {
            ([Action::Delete { propagation: Propagation::Foreground, .. }], None) => "deleted".to_owned(),
            ([], Some(time)) => format!("in {} s", (time - NOW).as_secs()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_job_goes_when_its_time_after_its_end_is_over() {
        for (condition, ago, ttl, expected) in [
            ("", 0, Some(100), "left alone"),
            ("Suspended", 200, Some(100), "left alone"),
            ("SuccessCriteriaMet", 200, Some(100), "left alone"),
            ("Complete", 0, None, "left alone"),
            ("Complete", 0, Some(0), "deleted"),
            ("Complete", 0, Some(10), "in 10 s"),
            ("Complete", 10, Some(15), "in 5 s"),
            ("Complete", 15, Some(15), "deleted"),
            ("Failed", 0, None, "left alone"),
            ("Failed", 0, Some(0), "deleted"),
            ("Failed", 0, Some(10), "in 10 s"),
            ("Failed", 10, Some(15), "in 5 s"),
        ] {
            assert_eq!(told(condition, ago, ttl), expected, "{condition}, {ago} s ago, {ttl:?}");
        }
    }
}
