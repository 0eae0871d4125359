//! The Job controller (`pkg/controller/job`).
//!
//! **The rule**: pods of the template run, at most `spec.parallelism` at a time, until as many have succeeded as the Job
//! wants, or until it has failed; each pod that ends is counted once, whatever happens meanwhile.
//!
//! The stages of a decision, all in one plan:
//! 1. [`Claims`]: adopt and release pods;
//! 2. [`verdict`]: has the Job failed, or succeeded early? Then its active pods go;
//! 3. otherwise [`scale`]: delete what is too much, or create what is missing, never both;
//! 4. [`tracking`]: count the pods that have ended, let go of them, and write the status.
//!
//! A pod is held by a finalizer until it is counted. Its uid is first written down as uncounted, then the finalizer goes,
//! then the counter goes up: a plan that is cut short anywhere neither loses a pod nor counts it twice.
//!
//! A pod whose Job is gone is only let go of.

mod backoff;
mod failure_policy;
mod indexes;
mod member;
mod scale;
mod success_policy;
#[cfg(test)]
mod tests;
mod tracking;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec};

use self::failure_policy::Meaning;
use self::indexes::Indexes;
use self::member::{Member, TRACKING};
use self::verdict::Verdict;
use crate::control::claim::{Claims, controller_reference, owners_of};
use crate::control::{Action, Controller, Keys, MetaEdit, Plan, Target, Watched, pods};
use crate::error::ApiError;
use crate::ids::Uid;
use crate::object::kind;
use crate::object::selector::Selector;
use crate::store::{Change, EventDraft, Object, Snapshot};
use crate::time::Time;

/// The value of `spec.managedBy` that means this controller.
const MANAGER: &str = "kubernetes.io/job-controller";
/// For how long changes of pods are gathered before their Job is looked at, as upstream does: each look counts all of them.
const POD_CHANGES_GATHERED: Duration = Duration::from_secs(1);

/// Runs Jobs to their end.
#[derive(Debug)]
pub struct JobController;

/// What a key stands for.
#[derive(Debug)]
pub enum Subject<'w> {
    /// A Job and all that concerns it.
    Job(Box<Observed<'w>>),
    /// A pod that waits to be counted by a Job that is not there any more, or has ended.
    Forsaken(&'w Arc<Object>),
}

/// A Job and all that concerns it.
#[derive(Debug)]
pub struct Observed<'w> {
    object: &'w Arc<Object>,
    job: &'w Job,
    spec: &'w JobSpec,
    claims: Claims<'w>,
    /// All its pods.
    pods: Vec<Member<'w>>,
}

impl<'w> Observed<'w> {
    fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// How many pods shall succeed; `None`: one success is enough, and the others are waited for.
    fn completions(&self) -> Option<usize> {
        self.spec.completions.map(|count| usize::try_from(count).unwrap_or(0))
    }

    /// Whether a pod that is being deleted is replaced only once it has failed.
    fn replaces_only_failed(&self) -> bool {
        self.spec.pod_replacement_policy.as_deref() == Some("Failed") || self.spec.pod_failure_policy.is_some()
    }

    fn limit_per_index(&self) -> Option<usize> {
        self.spec.backoff_limit_per_index.map(|limit| usize::try_from(limit).unwrap_or(0))
    }

    fn index_of(&self, pod: Member<'_>) -> Option<usize> {
        self.completions().and_then(|completions| pod.index(completions))
    }

    fn active(&self) -> impl Iterator<Item = Member<'w>> {
        self.pods.iter().copied().filter(|pod| pods::is_active(pod.0))
    }

    fn failed(&self, pod: Member<'_>) -> bool {
        pod.failed(self.replaces_only_failed())
    }

    fn meaning(&self, pod: Member<'_>) -> Meaning {
        failure_policy::meaning(self.spec.pod_failure_policy.as_ref(), pod)
    }

    /// Whether a pod belongs to the counts: an Indexed Job knows only pods of its indexes.
    fn counts(&self, pod: Member<'_>) -> bool {
        !self.is_indexed() || self.index_of(pod).is_some()
    }

    /// The condition of this type, when it holds.
    fn condition(&self, kind: &str) -> Option<&'w JobCondition> {
        let conditions = self.job.status.as_ref().and_then(|status| status.conditions.as_deref());
        conditions.unwrap_or_default().iter().find(|condition| condition.type_ == kind && condition.status == "True")
    }

    fn is_finished(&self) -> bool {
        is_finished(self.job)
    }

    /// The indexes that have succeeded: those written down, and those of pods that have ended since.
    fn succeeded_indexes(&self) -> Indexes {
        let completions = self.completions().unwrap_or(0);
        let written = self.job.status.as_ref().and_then(|status| status.completed_indexes.as_deref());
        let mut indexes = Indexes::parse(written.unwrap_or_default(), completions);
        for index in
            self.pods.iter().filter(|pod| pod.succeeded() && pod.is_tracked()).filter_map(|pod| self.index_of(*pod))
        {
            indexes.insert(index);
        }
        indexes
    }

    /// The indexes that have failed for good; `None` where indexes have no limit of their own.
    fn failed_indexes(&self) -> Option<Indexes> {
        let limit = self.limit_per_index()?;
        let completions = self.completions().unwrap_or(0);
        let written = self.job.status.as_ref().and_then(|status| status.failed_indexes.as_deref());
        let mut indexes = Indexes::parse(written.unwrap_or_default(), completions);
        for pod in self.pods.iter().copied().filter(|pod| pod.is_tracked() && self.failed(*pod)) {
            let fails = match self.meaning(pod) {
                Meaning::FailsIndex => true,
                Meaning::Ignored => pod.failures().0 > limit,
                Meaning::Counts | Meaning::FailsJob(_) => pod.failures().0 + 1 > limit,
            };
            if let Some(index) = self.index_of(pod).filter(|_| fails) {
                indexes.insert(index);
            }
        }
        Some(indexes)
    }
}

/// Whether a Job has come to its end.
fn is_finished(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|found| matches!(&*found.type_, "Complete" | "Failed") && found.status == "True")
}

impl Controller for JobController {
    type Observed<'w> = Subject<'w>;

    const NAME: &'static str = "job-controller";

    const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

    const WATCHED: &'static [Watched] = &[
        Watched::kind(kind::JOB, job_and_its_pods),
        Watched::kind(kind::POD, jobs_of_pod).after(POD_CHANGES_GATHERED),
    ];

    fn observe<'w>(snapshot: &'w Snapshot, key: Uid) -> Option<Subject<'w>> {
        let object = snapshot.get(key)?;
        if object.pod().is_some() {
            return is_forsaken(snapshot, object).then_some(Subject::Forsaken(object));
        }
        let job: &Job = object.typed()?;
        let spec = job.spec.as_ref()?;
        if spec.managed_by.as_deref().is_some_and(|manager| manager != MANAGER) {
            return None;
        }
        let selector = Selector::compile(spec.selector.as_ref()).ok()?;
        let claims = Claims::of(snapshot, &object.meta, kind::POD, &selector);
        let pods = claims.kept().map(Member).collect();
        Some(Subject::Job(Box::new(Observed { object, job, spec, claims, pods })))
    }

    fn decide(subject: &Subject<'_>, now: Time) -> Plan {
        match subject {
            Subject::Job(observed) => decide(observed, true, now),
            Subject::Forsaken(pod) => {
                let mut plan = Plan::nothing();
                plan.push(let_go(pod));
                plan
            }
        }
    }

    /// A pod could not be created: it is said, unless the namespace goes, and all else is done.
    fn refused(subject: &Subject<'_>, error: &ApiError, now: Time) -> Plan {
        let Subject::Job(observed) = subject else { return Plan::nothing() };
        let mut plan = decide(observed, false, now);
        if error.is_namespace_terminating() {
            return plan;
        }
        let message = format!("Error creating: {error}");
        let event = EventDraft::warning(&observed.object.meta, Self::NAME, "FailedCreate", message);
        plan.push(Action::Emit(Box::new(event)));
        plan
    }
}

fn decide(observed: &Observed<'_>, may_create: bool, now: Time) -> Plan {
    let mut plan = Plan::nothing();
    if observed.is_finished() {
        return plan;
    }
    claim(observed, &mut plan);
    let verdict = verdict::of(observed, now);
    let work = match &verdict {
        Verdict::Runs { wake_at } => {
            if let Some(at) = wake_at {
                plan.wake(*at);
            }
            scale::to_wanted(observed, may_create, now, &mut plan)
        }
        Verdict::Ends(_) => scale::to_nothing(observed, &mut plan),
    };
    if let scale::Work::Waits(until) = work {
        plan.wake(until);
        plan.waiting_on =
            Some(crate::control::WaitingOn::new(format!("the backoff after a failed pod, until {until}")));
        // Upstream counts no active pod while it backs off, and its API server refuses a status with more ready pods
        // than active ones: then nothing is written until the wait is over.
        if observed.active().any(|pod| pods::is_ready(pod.0)) {
            plan.actions.clear();
            return plan;
        }
    }
    tracking::count(observed, verdict, work, now, &mut plan);
    plan
}

/// Adopts and releases; a pod that is adopted is held until it is counted, one that is released is not. A Job that is going
/// lets go of pods too: else nobody would stop holding them.
fn claim(observed: &Observed<'_>, plan: &mut Plan) {
    for pod in &observed.claims.release {
        let uid = observed.object.meta.uid.to_string();
        let owners = pod.meta.owners.iter().filter(|owner| owner.uid != uid).cloned().collect();
        let edit = MetaEdit { owners: Some(owners), finalizers: Some(without_tracking(pod)), ..MetaEdit::default() };
        plan.push(Action::EditMeta { target: Target::seen(pod), edit });
    }
    for pod in &observed.claims.adopt {
        let mut owners = pod.meta.owners.to_vec();
        owners.push(controller_reference(&observed.object.meta));
        let mut finalizers = without_tracking(pod);
        finalizers.push(TRACKING.to_owned());
        let edit = MetaEdit { owners: Some(owners), finalizers: Some(finalizers), ..MetaEdit::default() };
        plan.push(Action::EditMeta { target: Target::seen(pod), edit });
    }
}

fn without_tracking(pod: &Object) -> Vec<String> {
    pod.meta.finalizers.iter().filter(|finalizer| *finalizer != TRACKING).cloned().collect()
}

/// Nothing more is to be counted of this pod.
fn let_go(pod: &Object) -> Action {
    let edit = MetaEdit { finalizers: Some(without_tracking(pod)), ..MetaEdit::default() };
    Action::EditMeta { target: Target::seen(pod), edit }
}

/// Whether a pod waits for a Job that will not count it.
fn is_forsaken(snapshot: &Snapshot, pod: &Object) -> bool {
    let job = pod.meta.controller_uid().and_then(|uid| snapshot.get(uid));
    let counted_by = job.and_then(|job| job.typed::<Job>()).filter(|job| !is_finished(job));
    pod.meta.finalizers.iter().any(|finalizer| finalizer == TRACKING) && counted_by.is_none()
}

/// A Job, and the pods that it leaves behind when it goes or ends.
fn job_and_its_pods(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    keys.push(change.object.meta.uid);
    let ended = change.after().is_none_or(|job| job.typed().is_some_and(is_finished));
    if ended {
        keys.extend(
            snapshot.owned_by(change.object.meta.uid).filter(|pod| pod.pod().is_some()).map(|pod| pod.meta.uid),
        );
    }
}

/// The Jobs that a pod concerns: its controller now and before, or, while it has none, those that might adopt it.
fn jobs_of_pod(change: &Change, snapshot: &Snapshot, keys: &mut Keys) {
    owners_of(change, snapshot, kind::JOB, |job| job.typed::<Job>()?.spec.as_ref()?.selector.as_ref(), keys);
    if let Some(pod) = change.after().filter(|pod| pod.meta.finalizers.iter().any(|finalizer| finalizer == TRACKING)) {
        keys.push(pod.meta.uid);
    }
}
