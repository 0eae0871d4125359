//! The conditions of a pod that its node vouches for; those of others are kept as they are.

use smallvec::SmallVec;

use super::containers::init_done;
use crate::node::plan::{View, mains_begun};
use crate::node::resize;
use crate::store::{
    ConditionKind, ConditionStatus, ContainerPhase, ContainerRecord, PodBody, PodCondition, PodPhase, PodState, Why,
};
use crate::text::Text;

type Judgement = (bool, Option<Box<Why>>);

/// All conditions of the pod, in upstream's order.
pub(super) fn conditions(view: &View<'_>, pod: &PodBody, next: &PodState, generation: i64) -> Box<[PodCondition]> {
    let old = &pod.state;
    let over = matches!(next.phase, PodPhase::Succeeded | PodPhase::Failed);
    let sandbox_up = !over && view.work.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready);
    let containers_ready = containers_ready(view, next);
    let ready = ready(pod, old, &containers_ready);
    let ours = [
        (ConditionKind::PodReadyToStartContainers, (sandbox_up, None)),
        (ConditionKind::Initialized, initialized(view, next)),
        (ConditionKind::Ready, ready),
        (ConditionKind::ContainersReady, containers_ready),
        (ConditionKind::PodScheduled, (true, None)),
    ];
    let target = disruption(view).map(|judgement| (ConditionKind::DisruptionTarget, judgement));
    let is_ours = |kind: &ConditionKind| {
        matches!(kind, ConditionKind::PodResizePending | ConditionKind::PodResizeInProgress)
            || target.iter().chain(&ours).any(|(ours, _)| ours == kind)
    };
    let others = || old.conditions.iter().filter(|condition| !is_ours(&condition.kind));
    let mut conditions: Vec<PodCondition> = Vec::with_capacity(ours.len() + 1 + others().count());
    conditions.extend(others().cloned());
    for (kind, observed_generation, why) in view.work.resize_conditions() {
        let since = resize::since(old.condition(&kind), why.as_deref()).unwrap_or(view.now.whole_second());
        let since = Some(since);
        conditions.push(PodCondition { kind, status: ConditionStatus::True, since, observed_generation, why });
    }
    for (kind, (holds, why)) in target.clone().into_iter().chain(ours.clone()) {
        let status = ConditionStatus::from(holds);
        let since = old
            .condition(&kind)
            .filter(|condition| condition.status == status)
            .and_then(|condition| condition.since)
            .unwrap_or(view.now.whole_second());
        conditions.push(PodCondition { kind, status, since: Some(since), observed_generation: generation, why });
    }
    conditions.into_boxed_slice()
}

/// A pod that its node has given up for its own sake.
fn disruption(view: &View<'_>) -> Option<Judgement> {
    let verdict = view.work.transient.as_ref()?.verdict.as_ref()?;
    verdict.for_the_node.then(|| (true, Why::new("TerminationByKubelet", verdict.message.clone())))
}

fn initialized(view: &View<'_>, next: &PodState) -> Judgement {
    if next.phase == PodPhase::Succeeded {
        return (true, Why::new("PodCompleted", ""));
    }
    if mains_begun(view.work) || init_done(view) {
        return (true, None);
    }
    let specs = view.work.slots.iter().filter(|slot| slot.kind == crate::runtime::ContainerKind::Init);
    let incomplete = specs
        .zip(&*next.init_containers)
        .filter(
            |(slot, record)| {
                if slot.is_sidecar(&view.work.spec) { record.started != Some(true) } else { !record.ready }
            },
        )
        .map(|(_, record)| &*record.name);
    (false, Why::new("ContainersNotInitialized", listed("containers with incomplete status", incomplete)))
}

fn containers_ready(view: &View<'_>, next: &PodState) -> Judgement {
    match next.phase {
        PodPhase::Succeeded => return (false, Why::new("PodCompleted", "")),
        PodPhase::Failed => return (false, Why::new("PodFailed", "")),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => {}
    }
    let sidecars = view
        .work
        .slots
        .iter()
        .zip(&*next.init_containers)
        .filter(|(slot, _)| slot.is_sidecar(&view.work.spec))
        .map(|(_, record)| record);
    let unready: SmallVec<[&ContainerRecord; 4]> =
        sidecars.chain(&*next.containers).filter(|record| !is_ready(record)).collect();
    if unready.is_empty() {
        return (true, None);
    }
    let names = unready.iter().map(|record| &*record.name);
    (false, Why::new("ContainersNotReady", listed("containers with unready status", names)))
}

const fn is_ready(record: &ContainerRecord) -> bool {
    record.ready && matches!(record.phase, ContainerPhase::Running(_))
}

/// The pod's readiness: its containers', and the gates that others open.
fn ready(pod: &PodBody, old: &PodState, containers_ready: &Judgement) -> Judgement {
    if !containers_ready.0 {
        return containers_ready.clone();
    }
    let mut closed = Vec::new();
    for gate in pod.spec.readiness_gates.iter().flatten() {
        match old.condition(&ConditionKind::from(gate.condition_type.as_str())).map(|condition| condition.status) {
            Some(ConditionStatus::True) => {}
            Some(ConditionStatus::False | ConditionStatus::Unknown) => closed.push(format!(
                "the status of pod readiness gate {:?} is not \"True\", but {}",
                gate.condition_type,
                old.condition(&ConditionKind::from(gate.condition_type.as_str()))
                    .map_or("Unknown", |condition| condition.status.as_str())
            )),
            None => closed.push(format!(
                "corresponding condition of pod readiness gate {:?} does not exist.",
                gate.condition_type
            )),
        }
    }
    if closed.is_empty() { (true, None) } else { (false, Why::new("ReadinessGatesNotReady", closed.join(", "))) }
}

/// `text: [a b]`, as Go prints a list.
fn listed<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Text {
    let mut all = format!("{text}: [");
    for (place, name) in names.enumerate() {
        if place > 0 {
            all.push(' ');
        }
        all.push_str(name);
    }
    all.push(']');
    all.into()
}
