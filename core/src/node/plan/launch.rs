//! Brings one container up: image, creation, start. One call at a time; each answer brings the next.

use std::sync::Arc;

use super::{Action, PodPlan, View, WaitingOn};
use crate::node::backoff::{Backoff, RETRY_AFTER};
use crate::node::container::{self, ConfigError};
use crate::node::images;
use crate::node::work::{Extra, Failure, Flight, LaunchImage, Seen, SeenPhase, Slot, SlotStep, SpecRef};
use crate::runtime::{Call, ImagePull};
use crate::store::EventType;
use crate::text::{Text, shared};
use crate::time::Time;

pub(super) fn launch(view: &View<'_>, plan: &mut PodPlan, place: u16) {
    let Some(slot) = view.work.slots.get(usize::from(place)) else { return };
    let Some(spec) = slot.spec(&view.work.spec) else { return };
    plan.wait(WaitingOn::Containers);
    if slot.step != SlotStep::Idle {
        return;
    }
    if let Some(failure) = slot.failure()
        && failure.retry_at > view.now
    {
        plan.wait(WaitingOn::Backoff);
        if failure.retry_at < Time::MAX {
            plan.wake(failure.retry_at);
        }
        return;
    }
    if let Some(Seen { id, phase: SeenPhase::Created, .. }) = &slot.current {
        plan.call(Flight::Start(place), Call::StartContainer(id.clone()));
        return;
    }
    let none = Extra::default();
    let extra = slot.extra.as_deref().unwrap_or(&none);
    match &extra.image {
        Some(image) => create(view, plan, place, slot, image),
        None => find_image(view, plan, place, spec, extra),
    }
}

fn find_image(view: &View<'_>, plan: &mut PodPlan, place: u16, spec: SpecRef<'_>, extra: &Extra) {
    let image = spec.image();
    if let Err(wrong) = images::check_name(image) {
        let text = format!("Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: {wrong}");
        plan.note(Some(place), EventType::Warning, "InspectFailed", text.clone());
        fail(plan, place, "InvalidImageName", text.into(), Time::MAX);
        return;
    }
    let policy = spec.image_pull_policy();
    if policy != "Always" && !extra.must_pull {
        plan.call(Flight::Inspect(place), Call::ImageStatus(shown_image(view, place, image)));
        return;
    }
    match extra.pulling.map(Backoff::next_try) {
        Some(until) if until > view.now => {
            let text = format!("Back-off pulling image {image:?}");
            plan.note(Some(place), EventType::Normal, "BackOff", text.clone());
            let last = extra.failure.as_ref().map(|failure| format!(": {}: {}", failure.reason, failure.message));
            fail(plan, place, "ImagePullBackOff", format!("{text}{}", last.unwrap_or_default()).into(), until);
        }
        _ => {
            let credentials = crate::node::pull_secrets::credentials(view, image);
            plan.note(Some(place), EventType::Normal, "Pulling", shared(format_args!("Pulling image {image:?}")));
            let pull = ImagePull {
                image: shown_image(view, place, image),
                credentials,
                pod: Some(view.work.identity.clone()),
            };
            plan.actions.push(Action::Pull(place, Arc::new(pull)));
        }
    }
}

/// The image's name, shared with what already holds it where possible.
fn shown_image(view: &View<'_>, place: u16, image: &str) -> Arc<str> {
    let record = view.pod().and_then(|pod| {
        let slot = view.work.slots.get(usize::from(place))?;
        crate::node::status::stored_record(&pod.state, slot)
    });
    match record {
        Some(record) if *record.image == *image => Arc::clone(&record.image),
        _ => image.into(),
    }
}

fn create(view: &View<'_>, plan: &mut PodPlan, place: u16, slot: &Slot, image: &LaunchImage) {
    let Some(sandbox) = &view.work.sandbox else { return };
    match container::config(view, place, slot, image) {
        Ok(config) => {
            plan.call(Flight::Create(place), Call::CreateContainer(sandbox.id.clone(), Arc::new(config)));
        }
        Err(ConfigError(message)) => {
            fail(plan, place, "CreateContainerConfigError", message.into(), view.now + RETRY_AFTER);
        }
    }
}

/// Records why a container cannot start; upstream says so in an event too.
fn fail(plan: &mut PodPlan, place: u16, reason: &'static str, message: Text, retry_at: Time) {
    let said = match reason {
        "CreateContainerConfigError" => format!("Error: {message}"),
        _ => format!("Error: {reason}"),
    };
    plan.note(Some(place), EventType::Warning, "Failed", said);
    if retry_at < Time::MAX {
        plan.wake(retry_at);
    }
    plan.actions.push(Action::Fail(place, Failure { reason, message, retry_at }));
}
