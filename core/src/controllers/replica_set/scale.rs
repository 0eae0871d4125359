//! Creating what is missing and deleting what is too much; never both in one plan.

use std::cmp::Ordering;

use super::Observed;
use crate::control::plan::CREATES_AND_DELETES_MAX;
use crate::control::pods::PodMold;
use crate::control::{Action, Plan, Propagation, Target, rank};
use crate::error::ApiError;
use crate::store::{EventDraft, Standing};
use crate::time::Time;

/// Brings the number of active pods to the wanted one, as far as one plan may.
pub(super) fn to_wanted(observed: &Observed<'_>, now: Time, plan: &mut Plan) {
    let (active, wanted) = (observed.active, observed.wanted());
    if active < wanted {
        create(observed, wanted - active, plan);
    } else if active > wanted {
        delete(observed, active - wanted, now, plan);
    }
}

fn create(observed: &Observed<'_>, missing: usize, plan: &mut Plan) {
    let Some(template) = &observed.spec().template else { return };
    plan.more |= missing > CREATES_AND_DELETES_MAX;
    let mold = PodMold::new(template, &observed.object.meta);
    let event = normal(observed, "SuccessfulCreate", "Created pod: ");
    for _ in 0..missing.min(CREATES_AND_DELETES_MAX) {
        let announce = Some(Box::new(event.clone()));
        plan.push(Action::Create { draft: Box::new(mold.cast()), announce });
    }
}

fn delete(observed: &Observed<'_>, surplus: usize, now: Time, plan: &mut Plan) {
    plan.more |= surplus > CREATES_AND_DELETES_MAX;
    let event = normal(observed, "SuccessfulDelete", "Deleted pod: ");
    let count = surplus.min(CREATES_AND_DELETES_MAX);
    let active = observed.crew.pods(Standing::is_active);
    for pod in rank::first_to_go(&active, &observed.related, count, now) {
        plan.push(Action::Delete {
            target: Target::seen(pod),
            grace_seconds: None,
            propagation: Propagation::Background,
            announce: Some(Box::new(event.clone())),
        });
    }
}

/// What is told about a refusal: that a pod could not be created, or not be deleted; `None` when nothing of both was tried.
pub(super) fn failure(observed: &Observed<'_>) -> Option<(&'static str, &'static str)> {
    match observed.active.cmp(&observed.wanted()) {
        Ordering::Less => Some(("FailedCreate", "Error creating")),
        Ordering::Greater => Some(("FailedDelete", "Error deleting")),
        Ordering::Equal => None,
    }
}

/// Says that a pod could not be created, or not be deleted.
pub(super) fn report_failure(observed: &Observed<'_>, error: &ApiError, plan: &mut Plan) {
    let Some((reason, what)) = failure(observed) else { return };
    let event =
        EventDraft::warning(&observed.object.meta, observed.dialect.component, reason, format!("{what}: {error}"));
    plan.push(Action::Emit(Box::new(event)));
}

fn normal(observed: &Observed<'_>, reason: &'static str, message: &'static str) -> EventDraft {
    EventDraft::normal(&observed.object.meta, observed.dialect.component, reason, message)
}
