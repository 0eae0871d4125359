//! The status of a pod, from its spec, what the runtime reported and what was said before. Pure.

mod conditions;
mod containers;
mod phase;

use smallvec::SmallVec;

use super::plan::View;
use super::work::{PodWork, Slot, Stage};
use crate::runtime::ContainerKind;
use crate::store::{ContainerPhase, ContainerRecord, PodBody, PodState, Why};

pub(super) use containers::with_scheme;
pub(super) use phase::is_complete;

/// The entry of the stored status for this container.
pub(super) fn stored_record<'a>(state: &'a PodState, slot: &Slot) -> Option<&'a ContainerRecord> {
    let list = match slot.kind {
        ContainerKind::Init => &state.init_containers,
        ContainerKind::Regular => &state.containers,
        ContainerKind::Ephemeral => &state.ephemeral_containers,
    };
    list.get(usize::from(slot.index))
}

/// The status that the pod should have now.
pub(super) fn pod_state(view: &View<'_>, pod: &PodBody, generation: i64) -> PodState {
    let old = &pod.state;
    let work = view.work;
    if pod.is_finished() && !has_evidence(work) {
        return old.clone();
    }
    let ending = view.is_ending();
    let phase = phase::phase(view, pod, ending);
    let lists = containers::records(view, pod, ending && !work.any_running());
    let (init_containers, containers, ephemeral_containers) = lists;
    let why = match work.transient.as_ref().and_then(|transient| transient.verdict.as_ref()) {
        Some(verdict) => Why::new(verdict.reason, verdict.message.clone()),
        None => old.why.clone(),
    };
    let host = view.config.addresses.first().copied();
    let pod_ips = if work.spec.host_network == Some(true) {
        if work.sandbox.is_some() { host.into_iter().collect() } else { old.pod_ips.clone() }
    } else if work.ips.is_empty() {
        old.pod_ips.clone()
    } else {
        work.ips.iter().copied().collect::<SmallVec<_>>()
    };
    let mut next = PodState {
        phase,
        qos: old.qos.or_else(|| Some(super::admit::qos_class(&pod.spec))),
        why,
        start_time: old.start_time.or(Some(work.start_time)),
        nominated_node: None,
        host_ip: host.or(old.host_ip),
        pod_ips,
        observed_generation: generation,
        conditions: Box::default(),
        init_containers,
        containers,
        ephemeral_containers,
        resource_claims: old.resource_claims.clone(),
        extended_claim: old.extended_claim.clone(),
        verbatim: None,
    };
    next.conditions = conditions::conditions(view, pod, &next, generation);
    next
}

/// Whether there is anything newer to say of a finished pod than what was said.
fn has_evidence(work: &PodWork) -> bool {
    work.stage == Stage::Condemned || work.slots.iter().any(|slot| slot.current.is_some())
}

/// Whether a change is small enough to wait for more that is on its way: of a pod that is being started, of a container
/// that is being restarted, or of nothing but the generation that was seen.
pub(super) fn can_wait(old: &PodState, next: &PodState) -> bool {
    is_on_its_way(old, next) || differ_in_generation_only(old, next)
}

fn is_on_its_way(old: &PodState, next: &PodState) -> bool {
    let lists = [(&old.init_containers, &next.init_containers), (&old.containers, &next.containers)];
    old.start_time.is_some()
        && old.phase == next.phase
        && lists.into_iter().all(|(old, next)| {
            old.len() == next.len()
                && old.iter().zip(next).all(|(old, next)| is_step_up(&old.phase, &next.phase) || old == next)
        })
}

/// From waiting or ended to waiting for nothing but the start, or to running: more news follows.
fn is_step_up(old: &ContainerPhase, next: &ContainerPhase) -> bool {
    const QUIET: [&str; 4] = ["", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"];
    match (old, next) {
        (ContainerPhase::Running(_), _) => false,
        (_, ContainerPhase::Waiting(why)) => QUIET.contains(&why.as_ref().map_or("", |why| why.reason.as_str())),
        (_, ContainerPhase::Running(_)) => true,
        (_, ContainerPhase::Terminated(exit)) => exit.exit_code == 0,
    }
}

fn differ_in_generation_only(old: &PodState, next: &PodState) -> bool {
    old.containers == next.containers && {
        let mut next = next.clone();
        next.observed_generation = old.observed_generation;
        for (next, old) in next.conditions.iter_mut().zip(&*old.conditions) {
            next.observed_generation = old.observed_generation;
        }
        *old == next
    }
}
