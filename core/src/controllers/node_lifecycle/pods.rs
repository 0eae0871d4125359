//! The pods of a node that is not ready cannot be counted on.

use super::{NodeLifecycleController, Observed};
use crate::control::{Action, Controller, Plan, Target};
use crate::store::{ConditionKind, ConditionStatus, EventDraft};
use crate::time::Time;

/// Takes the `Ready` condition from every pod of the node that has it.
pub(super) fn mark_unready(observed: &Observed<'_>, now: Time, plan: &mut Plan) {
    for object in &observed.pods {
        let Some(pod) = object.pod().filter(|pod| pod.is_ready() && !pod.is_finished()) else { continue };
        let mut state = pod.state.clone();
        for condition in &mut state.conditions {
            if condition.kind == ConditionKind::Ready {
                condition.status = ConditionStatus::False;
                condition.since = Some(now.whole_second());
            }
        }
        plan.push(Action::UpdatePodState { target: Target::seen(object), state: Box::new(state) });
        let name = NodeLifecycleController::NAME;
        let event = EventDraft::warning(&object.meta, name, "NodeNotReady", "Node is not ready");
        plan.push(Action::Emit(Box::new(event)));
    }
}
