//! Creating what is missing and deleting what is too much; never both in one plan, and deletion first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, PodTemplateSpec};

use super::failure_policy::Meaning;
use super::member::{FAILURES, IGNORED_FAILURES, INDEX, Member, TRACKING};
use super::{JobController, Observed, backoff, let_go, verdict};
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::pods::{self, PodMold};
use crate::control::{Action, Controller, Plan, Propagation, Target, rank};
use crate::store::{Body, Draft, EventDraft, Object};
use crate::time::Time;

/// The variable in which the containers of an Indexed Job find their index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// The longest prefix of a generated name that leaves room for its random end.
const PREFIX_MAX: usize = 58;

/// What a plan does to the number of active pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// So many more.
    Creates(usize),
    /// So many fewer; this many of them were ready.
    Deletes { count: usize, ready: usize },
    /// None may be made before this moment.
    Waits(Time),
}

/// Brings the number of active pods to the wanted one, as far as one plan may.
pub(super) fn to_wanted(observed: &Observed<'_>, may_create: bool, now: Time, plan: &mut Plan) -> Work {
    if observed.object.meta.is_deleting() {
        return Work::Creates(0);
    }
    let active: Vec<Member<'_>> = observed.active().collect();
    let wanted = wanted(observed, active.len());
    let surplus = if observed.is_suspended() { active.clone() } else { surplus(observed, &active, wanted) };
    if !surplus.is_empty() {
        plan.more |= surplus.len() > CREATES_AND_DELETES_MAX;
        let gone: Vec<Member<'_>> = surplus.into_iter().take(CREATES_AND_DELETES_MAX).collect();
        for pod in &gone {
            plan.push(delete(observed, pod.0));
            // It did not fail: it goes without being counted.
            if pod.is_tracked() {
                plan.push(let_go(pod.0));
            }
        }
        return deletes(&gone);
    }
    let coming = if observed.replaces_only_failed() { terminating(observed) } else { 0 };
    let missing = wanted.saturating_sub(coming + active.len());
    if missing == 0 || observed.is_suspended() || !may_create {
        return Work::Creates(0);
    }
    if observed.limit_per_index().is_none()
        && let Some(until) = backoff::of_job(observed).filter(|until| *until > now)
    {
        return Work::Waits(until);
    }
    plan.more |= missing > CREATES_AND_DELETES_MAX;
    create(observed, missing.min(CREATES_AND_DELETES_MAX), now, plan)
}

/// All active pods go, and stay held until they are counted as failed.
pub(super) fn to_nothing(observed: &Observed<'_>, plan: &mut Plan) -> Work {
    let active: Vec<Member<'_>> = observed.active().collect();
    for pod in &active {
        plan.push(delete(observed, pod.0));
    }
    deletes(&active)
}

/// How many of a Job's pods are on their way out.
pub(super) fn terminating(observed: &Observed<'_>) -> usize {
    observed.pods.iter().filter(|pod| pods::is_terminating(pod.0)).count()
}

fn deletes(pods: &[Member<'_>]) -> Work {
    Work::Deletes { count: pods.len(), ready: pods.iter().filter(|pod| pods::is_ready(pod.0)).count() }
}

fn wanted(observed: &Observed<'_>, active: usize) -> usize {
    let parallelism = usize::try_from(observed.spec.parallelism.unwrap_or(1)).unwrap_or(0);
    let succeeded = verdict::succeeded(observed);
    match observed.completions() {
        Some(completions) => completions.saturating_sub(succeeded).min(parallelism),
        // After the first success those that run may end, and no other is made.
        None if succeeded > 0 => active,
        None => parallelism,
    }
}

/// Pods of an index that another has too, or that the Job does not have; then the least missed.
fn surplus<'w>(observed: &Observed<'w>, active: &[Member<'w>], wanted: usize) -> Vec<Member<'w>> {
    let (mut out, mut rest) = (Vec::new(), active.to_vec());
    if observed.is_indexed() {
        let mut by_index: BTreeMap<Option<usize>, Vec<&'w Arc<Object>>> = BTreeMap::new();
        for pod in active {
            by_index.entry(observed.index_of(*pod)).or_default().push(pod.0);
        }
        rest.clear();
        for (index, pods) in by_index {
            let too_many = if index.is_some() { pods.len() - 1 } else { pods.len() };
            let first = rank::first_of_job(&pods, pods.len());
            out.extend(first[..too_many].iter().copied().map(Member));
            rest.extend(first[too_many..].iter().copied().map(Member));
        }
    }
    let more = active.len().saturating_sub(wanted).saturating_sub(out.len());
    let rest: Vec<&'w Arc<Object>> = rest.into_iter().map(|pod| pod.0).collect();
    out.extend(rank::first_of_job(&rest, more).into_iter().map(Member));
    out
}

fn delete(observed: &Observed<'_>, pod: &Object) -> Action {
    let event = EventDraft::normal(&observed.object.meta, JobController::NAME, "SuccessfulDelete", "Deleted pod: ");
    Action::Delete {
        target: Target::seen(pod),
        grace_seconds: None,
        propagation: Propagation::Background,
        announce: Some(Box::new(event)),
    }
}

fn create(observed: &Observed<'_>, count: usize, now: Time, plan: &mut Plan) -> Work {
    let mold = PodMold::new(&template(observed), &observed.object.meta);
    let event = EventDraft::normal(&observed.object.meta, JobController::NAME, "SuccessfulCreate", "Created pod: ");
    let drafts = if observed.is_indexed() {
        let failed = last_failed(observed);
        match due_indexes(observed, count, &failed, now) {
            Ok(indexes) => {
                indexes.into_iter().map(|index| indexed(observed, mold.cast(), index, failed.get(&index))).collect()
            }
            Err(until) => return Work::Waits(until),
        }
    } else {
        vec![mold.cast(); count]
    };
    let created = drafts.len();
    for draft in drafts {
        plan.push(Action::Create { draft: Box::new(draft), announce: Some(Box::new(event.clone())) });
    }
    Work::Creates(created)
}

/// The template as pods are made from it: held until they are counted, and told their index.
fn template(observed: &Observed<'_>) -> PodTemplateSpec {
    let mut template = observed.spec.template.clone();
    let finalizers = template.metadata.get_or_insert_default().finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(TRACKING.to_owned());
    }
    if let Some(pod) = template.spec.as_mut().filter(|_| observed.is_indexed()) {
        for container in pod.init_containers.iter_mut().flatten().chain(&mut pod.containers) {
            let variables = container.env.get_or_insert_default();
            if !variables.iter().any(|variable| variable.name == INDEX_VARIABLE) {
                variables.push(index_variable());
            }
        }
    }
    template
}

fn index_variable() -> EnvVar {
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.labels['{INDEX}']") };
    let value_from = Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() });
    EnvVar { name: INDEX_VARIABLE.to_owned(), value: None, value_from }
}

/// The last pod of each index that may be tried again: it says how often the index has failed.
pub(super) fn last_failed<'w>(observed: &Observed<'w>) -> BTreeMap<usize, Member<'w>> {
    let mut last: BTreeMap<usize, Member<'w>> = BTreeMap::new();
    let Some(given_up) = observed.failed_indexes() else { return last };
    let succeeded = observed.succeeded_indexes();
    let active: BTreeSet<usize> = observed.active().filter_map(|pod| observed.index_of(pod)).collect();
    let total = |pod: Member<'_>| pod.failures().0 + pod.failures().1;
    for pod in observed.pods.iter().copied().filter(|pod| pod.is_tracked() && observed.failed(*pod)) {
        let Some(index) = observed.index_of(pod) else { continue };
        let open = !given_up.contains(index) && !succeeded.contains(index) && !active.contains(&index);
        if open && last.get(&index).is_none_or(|other| total(*other) <= total(pod)) {
            last.insert(index, pod);
        }
    }
    last
}

/// The lowest indexes without a pod, as many as may run; where each has a backoff of its own, those whose wait is over, or
/// when the first of them will be.
fn due_indexes(
    observed: &Observed<'_>,
    count: usize,
    failed: &BTreeMap<usize, Member<'_>>,
    now: Time,
) -> Result<Vec<usize>, Time> {
    let (succeeded, given_up) = (observed.succeeded_indexes(), observed.failed_indexes().unwrap_or_default());
    let holds =
        |pod: &Member<'_>| pods::is_active(pod.0) || (observed.replaces_only_failed() && pods::is_terminating(pod.0));
    let taken: BTreeSet<usize> =
        observed.pods.iter().copied().filter(holds).filter_map(|pod| observed.index_of(pod)).collect();
    let open = (0..observed.completions().unwrap_or(0))
        .filter(|index| !succeeded.contains(*index) && !given_up.contains(*index) && !taken.contains(index));
    let wait = |index: &usize| {
        let pod = failed.get(index)?;
        let (counted, ignored) = pod.failures();
        Some(backoff::until(counted + ignored + 1, pod.finished_at())).filter(|until| *until > now)
    };
    let open: Vec<(usize, Option<Time>)> = open.take(count).map(|index| (index, wait(&index))).collect();
    let due: Vec<usize> = open.iter().filter(|(_, wait)| wait.is_none()).map(|(index, _)| *index).collect();
    match open.iter().filter_map(|(_, wait)| *wait).min() {
        Some(first) if due.is_empty() => Err(first),
        _ => Ok(due),
    }
}

/// A pod of an index: its name, host name, labels and annotations say which.
fn indexed(observed: &Observed<'_>, mut draft: Draft, index: usize, replaced: Option<&Member<'_>>) -> Draft {
    let name = &observed.object.meta.name;
    let end = format!("-{index}-");
    let room = PREFIX_MAX.saturating_sub(end.len());
    draft.meta.generate_name = Some(format!("{}{end}", &name[..name.len().min(room)]).into());
    let number = index.to_string();
    Arc::make_mut(&mut draft.meta.labels).insert(INDEX.to_owned(), number.clone());
    let annotations = Arc::make_mut(&mut draft.meta.annotations);
    annotations.insert(INDEX.to_owned(), number);
    if observed.limit_per_index().is_some() {
        let (counted, ignored) = replaced.map_or((0, 0), |pod| {
            let (counted, ignored) = pod.failures();
            if observed.meaning(*pod) == Meaning::Ignored { (counted, ignored + 1) } else { (counted + 1, ignored) }
        });
        annotations.insert(FAILURES.to_owned(), counted.to_string());
        if ignored > 0 {
            annotations.insert(IGNORED_FAILURES.to_owned(), ignored.to_string());
        }
    }
    if let Body::Pod(pod) = &mut draft.body {
        pod.hostname = Some(format!("{name}-{index}").into());
    }
    draft
}
