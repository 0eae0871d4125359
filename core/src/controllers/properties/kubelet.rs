//! What a node agent and the object store do to pods in these worlds.

use std::sync::Arc;

use super::World;
use crate::control::{Action, Target};
use crate::ids::NodeName;
use crate::object::kind;
use crate::store::{ConditionKind, ConditionStatus, DeleteOptions, Object, PodCondition, PodPhase};

/// Says how a pod that has not ended is doing; one without a node gets one.
pub(super) fn report(world: &mut World, pod: &Arc<Object>, phase: PodPhase, ready: bool) {
    let Some(body) = pod.pod().filter(|body| !body.is_finished()) else { return };
    world.write(format!("{} is {phase:?}, ready: {ready}", pod.meta.name), |store, now| {
        let mut state = body.state.clone();
        state.phase = phase;
        state.set_condition(PodCondition {
            kind: ConditionKind::Ready,
            status: ConditionStatus::from(ready),
            since: Some(now.whole_second()),
            observed_generation: 0,
            why: None,
        });
        let target = Target::any_version(pod.meta.uid);
        let mut actions = vec![Action::UpdatePodState { target, state: Box::new(state) }];
        if body.node.is_none() {
            actions.insert(0, Action::Bind { target, node: NodeName::from("n") });
        }
        let _ = store.commit(actions, now);
    });
}

/// Deletes a pod: at once with no grace.
pub(super) fn go(world: &mut World, pod: &Arc<Object>, grace_seconds: Option<i64>) {
    world.write(format!("{} goes, grace {grace_seconds:?}", pod.meta.name), |store, now| {
        let options = DeleteOptions { grace_seconds, ..DeleteOptions::default() };
        let _ = store.delete(kind::POD, "default", &pod.meta.name, options, now);
    });
}
