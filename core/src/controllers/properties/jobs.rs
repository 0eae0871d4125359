//! Jobs: never more pods than allowed, each counted once, and an end that is final.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use serde_json::json;

use super::{Scenario, Subject, World, hold, subject};
use crate::control::{Action, Target, pods};
use crate::controllers::JobController;
use crate::object::kind;
use crate::store::{
    ContainerPhase, ContainerRecord, DeleteOptions, Draft, ExitRecord, Given, Object, PodPhase, Snapshot, WriteOptions,
};

/// One Job and its pods.
#[derive(Default)]
struct Jobs {
    /// Pods that were made.
    made: Cell<i32>,
    /// Pods that went without having failed: too many, or of a Job that was suspended.
    spared: Cell<i32>,
}

impl Scenario for Jobs {
    fn subjects(&self) -> Vec<Box<dyn Subject>> {
        vec![subject::<JobController>()]
    }

    fn begin(&self, world: &mut World) {
        self.made.set(0);
        self.spared.set(0);
        let mut spec = json!({
            "parallelism": world.roll(5),
            "completions": world.roll(7),
            "backoffLimit": world.roll(4),
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app"}]}},
        });
        match world.roll(4) {
            0 => spec["completionMode"] = json!("Indexed"),
            1 => {
                spec["completionMode"] = json!("Indexed");
                spec["backoffLimitPerIndex"] = json!(world.roll(2));
                spec["backoffLimit"] = json!(i32::MAX);
            }
            2 => spec["podReplacementPolicy"] = json!("Failed"),
            _ => {}
        }
        let object = json!({"metadata": {"name": "job", "namespace": "default"}, "spec": spec});
        let job: Job = serde_json::from_value(object.clone()).expect("a job");
        world.write(object.to_string(), |store, now| {
            store.create_with(Draft::of(job), WriteOptions::default(), now).expect("created");
        });
    }

    fn people(&self, world: &mut World) {
        let edit = match world.roll(3) {
            0 => json!({"suspend": world.roll(2) == 0}),
            _ => json!({"parallelism": world.roll(6)}),
        };
        patch(world, &edit);
    }

    fn kubelet(&self, world: &mut World) {
        let live: Vec<_> = world.objects(kind::POD).into_iter().filter(|pod| !is_finished(pod)).collect();
        if live.is_empty() {
            return;
        }
        let pod = world.pick(&live);
        match world.roll(5) {
            0 | 1 => end(world, &pod, PodPhase::Succeeded),
            2 => end(world, &pod, PodPhase::Failed),
            3 => begin(world, &pod),
            _ => world.write(format!("{} is deleted", pod.meta.name), |store, now| {
                let _ = store.delete(kind::POD, "default", &pod.meta.name, DeleteOptions::default(), now);
            }),
        }
    }

    fn calm_kubelet(&self, world: &mut World) -> bool {
        let job = the_job(world.store.snapshot()).expect("the Job").clone();
        let spec = job.spec.clone().unwrap_or_default();
        if spec.suspend == Some(true) || spec.parallelism == Some(0) {
            patch(world, &json!({"suspend": false, "parallelism": 2}));
            return true;
        }
        let live: Vec<_> = world.objects(kind::POD).into_iter().filter(|pod| !is_finished(pod)).collect();
        for pod in &live {
            end(world, pod, PodPhase::Succeeded);
        }
        !live.is_empty()
    }

    fn judge(&self, action: &Action, before: &Snapshot, after: &Snapshot) -> Result<(), String> {
        let (Some(was), Some(is)) = (the_job(before), the_job(after)) else { return Ok(()) };
        match action {
            Action::Create { .. } => {
                self.made.set(self.made.get() + 1);
                let active = after.list_in(kind::POD, "default").filter(|pod| pods::is_active(pod));
                let active: Vec<_> = active.collect();
                let parallelism = is.spec.as_ref().and_then(|spec| spec.parallelism).unwrap_or(1);
                if active.len() > usize::try_from(parallelism).unwrap_or(0) {
                    return Err(format!("{} pods are active, {parallelism} may be", active.len()));
                }
                let index =
                    |pod: &&Arc<Object>| pod.meta.annotations.get("batch.kubernetes.io/job-completion-index").cloned();
                let indexes: Vec<String> = active.iter().filter_map(index).collect();
                if indexes.iter().collect::<BTreeSet<_>>().len() < indexes.len() {
                    return Err(format!("two active pods have one index: {indexes:?}"));
                }
            }
            // What is let go of has been written down, or has not ended by itself.
            Action::EditMeta { target, .. } => {
                let uncounted = status(was).uncounted_terminated_pods.unwrap_or_default();
                let mut written = uncounted.succeeded.iter().chain(&uncounted.failed).flatten();
                let pod = before.get(target.uid).ok_or("no such pod")?;
                if !written.any(|uid| *uid == target.uid.to_string()) && !is_indexed(was) {
                    if is_finished(pod) {
                        return Err(format!("{} has ended and is not counted", pod.meta.path()));
                    }
                    self.spared.set(self.spared.get() + 1);
                }
            }
            _ => {}
        }
        let (was, is) = (status(was), status(is));
        if is.succeeded < was.succeeded || is.failed < was.failed {
            return Err(format!("counters went back from {was:?} to {is:?}"));
        }
        if finished(&was).is_some() && finished(&was) != finished(&is) {
            return Err(format!("an end was not final: {was:?}, {is:?}"));
        }
        Ok(())
    }

    fn missing(&self, snapshot: &Snapshot) -> Option<String> {
        let job = the_job(snapshot)?;
        let status = status(job);
        let end = finished(&status)?;
        let (succeeded, failed) = (status.succeeded.unwrap_or(0), status.failed.unwrap_or(0));
        let wanted = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(0);
        if end == "Complete" && succeeded < wanted {
            return Some(format!("complete with {succeeded} of {wanted}"));
        }
        let counted_once = self.made.get() == succeeded + failed + self.spared.get();
        // Of an index that has succeeded a second success is not counted.
        (!counted_once && !is_indexed(job)).then(|| {
            format!(
                "{} pods were made, {} spared: {succeeded} succeeded, {failed} failed",
                self.made.get(),
                self.spared.get()
            )
        })
    }
}

fn the_job(snapshot: &Snapshot) -> Option<&Job> {
    snapshot.list_in(kind::JOB, "default").next()?.typed()
}

fn is_indexed(job: &Job) -> bool {
    job.spec.as_ref().is_some_and(|spec| spec.completion_mode.as_deref() == Some("Indexed"))
}

fn status(job: &Job) -> JobStatus {
    job.status.clone().unwrap_or_default()
}

fn finished(status: &JobStatus) -> Option<String> {
    let conditions = status.conditions.iter().flatten();
    let mut ends = conditions.filter(|found| matches!(&*found.type_, "Complete" | "Failed") && found.status == "True");
    ends.next().map(|found| found.type_.clone())
}

fn is_finished(pod: &Object) -> bool {
    pod.pod().is_none_or(crate::store::PodBody::is_finished)
}

fn patch(world: &mut World, spec: &serde_json::Value) {
    super::patch(world, kind::JOB, "job", spec);
}

fn begin(world: &mut World, pod: &Arc<Object>) {
    world.write(format!("{} runs", pod.meta.name), |store, now| {
        let Some(body) = pod.pod() else { return };
        let mut state = body.state.clone();
        state.phase = PodPhase::Running;
        let action = Action::UpdatePodState { target: Target::any_version(pod.meta.uid), state: Box::new(state) };
        let _ = store.commit(vec![action], now);
    });
}

fn end(world: &mut World, pod: &Arc<Object>, phase: PodPhase) {
    world.write(format!("{} ends as {phase:?}", pod.meta.name), |store, now| {
        let Some(body) = pod.pod() else { return };
        let mut state = body.state.clone();
        state.phase = phase;
        let exit = ExitRecord {
            exit_code: i32::from(phase == PodPhase::Failed),
            signal: None,
            reason: "Error".into(),
            message: "".into(),
            started_at: Some(now),
            finished_at: Some(now),
            container_id: "mock://1".into(),
        };
        state.containers = Box::new([ContainerRecord {
            name: "app".into(),
            phase: ContainerPhase::Terminated(Box::new(exit)),
            last: None,
            ready: false,
            started: Some(false),
            restart_count: 0,
            image: "app".into(),
            image_id: "".into(),
            container_id: None,
            given: Given::Unsaid,
        }]);
        let action = Action::UpdatePodState { target: Target::any_version(pod.meta.uid), state: Box::new(state) };
        let _ = store.commit(vec![action], now);
    });
}

#[test]
fn every_pod_of_a_job_is_counted_once_and_its_end_is_final() {
    hold(&Jobs::default(), 0..300);
}
