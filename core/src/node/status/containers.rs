//! The entries of `containerStatuses` and its siblings.

use std::sync::Arc;

use super::phase::is_shown_running;
use super::stored_record;
use crate::node::plan::{View, mains_begun};
use crate::node::restart;
use crate::node::work::{Seen, Slot, SpecRef};
use crate::runtime::ContainerKind;
use crate::store::{ContainerPhase, ContainerRecord, ExitRecord, PodBody, Why};
use crate::text::{Text, shared};

type Records = Box<[ContainerRecord]>;

/// The entries of the three lists. `over` says that nothing of the pod runs any more or will.
pub(super) fn records(view: &View<'_>, pod: &PodBody, over: bool) -> (Records, Records, Records) {
    let initialized = mains_begun(view.work) || init_done(view);
    let list = |kind| -> Records {
        let slots = || view.work.slots.iter().filter(|slot| slot.kind == kind);
        let mut records = Vec::with_capacity(slots().count());
        let record = |slot: &Slot| Some(record(view, pod, slot, slot.spec(&view.work.spec)?, initialized, over));
        records.extend(slots().filter_map(record));
        records.into()
    };
    (list(ContainerKind::Init), list(ContainerKind::Regular), list(ContainerKind::Ephemeral))
}

/// Whether nothing stands between the pod and its regular containers.
pub(super) fn init_done(view: &View<'_>) -> bool {
    let spec = &view.work.spec;
    view.work.slots.iter().filter(|slot| slot.kind == ContainerKind::Init).all(|slot| {
        if slot.is_sidecar(spec) {
            slot.started && slot.is_running()
        } else {
            slot.exit().is_some_and(|exit| exit.exit_code == 0)
        }
    })
}

fn record(
    view: &View<'_>,
    pod: &PodBody,
    slot: &Slot,
    spec: SpecRef<'_>,
    initialized: bool,
    over: bool,
) -> ContainerRecord {
    let stored = stored_record(&pod.state, slot).filter(|record| *record.name == *spec.name());
    let past = slot.past.as_ref().map(|past| &past.exit);
    let (phase, last) = phase_of(view, slot, initialized, over);
    let seen = slot.current.as_ref();
    let running = matches!(phase, ContainerPhase::Running(_));
    ContainerRecord {
        name: stored.map_or_else(|| spec.name().into(), |record| Arc::clone(&record.name)),
        ready: match slot.kind {
            ContainerKind::Init if !slot.is_sidecar(&view.work.spec) => {
                slot.exit().is_some_and(|exit| exit.exit_code == 0)
            }
            ContainerKind::Init | ContainerKind::Regular => running && slot.started && slot.ready,
            ContainerKind::Ephemeral => false,
        },
        started: Some(running && slot.started && slot.kind != ContainerKind::Ephemeral)
            .filter(|_| slot.kind != ContainerKind::Ephemeral),
        restart_count: i32::try_from(
            seen.map_or_else(|| slot.next_attempt.saturating_sub(u32::from(past.is_some())), |seen| seen.attempt),
        )
        .unwrap_or(i32::MAX),
        image: match (seen, stored) {
            (Some(seen), _) => Arc::clone(&seen.image),
            (None, Some(stored)) if *stored.image == *spec.image() => Arc::clone(&stored.image),
            (None, _) => spec.image().into(),
        },
        image_id: seen.map_or_else(
            || stored.map_or_else(|| "".into(), |stored| Arc::clone(&stored.image_id)),
            |seen| Arc::clone(&seen.image_id),
        ),
        container_id: seen
            .map(|seen| shown_id(view, seen, stored))
            .or_else(|| past.map(|exit| Arc::clone(&exit.container_id)).filter(|id| !id.is_empty())),
        phase,
        last,
        given: view.work.given(slot),
    }
}

/// `containerd://ID`, taken from what was said before where it is the same.
fn shown_id(view: &View<'_>, seen: &Seen, stored: Option<&ContainerRecord>) -> Arc<str> {
    if let Some(exit) = seen.exit() {
        return Arc::clone(&exit.container_id);
    }
    if let Some(id) = stored.and_then(|record| record.container_id.as_ref())
        && id.strip_prefix(&*view.config.runtime.name).and_then(|rest| rest.strip_prefix("://"))
            == Some(seen.id.as_str())
    {
        return Arc::clone(id);
    }
    with_scheme(&view.config.runtime.name, seen.id.as_str())
}

/// The id of a container as the API shows it.
pub(in crate::node) fn with_scheme(scheme: &str, id: &str) -> Arc<str> {
    shared(format_args!("{scheme}://{id}"))
}

/// The state and the last state.
fn phase_of(view: &View<'_>, slot: &Slot, initialized: bool, over: bool) -> (ContainerPhase, Option<Box<ExitRecord>>) {
    let past = || slot.past.as_ref().map(|past| Box::new(past.exit.clone()));
    if let Some(since) = slot.current.as_ref().and_then(Seen::running_since)
        && is_shown_running(slot)
    {
        return (ContainerPhase::Running(since), past());
    }
    if let Some(exit) = slot.exit() {
        if over || !restart::is_wanted(view.work, slot, exit.exit_code) {
            return (ContainerPhase::Terminated(Box::new(exit.clone())), past());
        }
        return match waiting_to_restart(view, slot, exit) {
            Some(why) => (ContainerPhase::Waiting(Some(why)), Some(Box::new(exit.clone()))),
            None => (ContainerPhase::Terminated(Box::new(exit.clone())), past()),
        };
    }
    if over {
        return (never_found(slot), past());
    }
    let why = match slot.failure() {
        Some(failure) => Why::new(failure.reason, failure.message.clone()),
        None if initialized || !has_init(view) => Why::new("ContainerCreating", ""),
        None => Why::new("PodInitializing", ""),
    };
    (ContainerPhase::Waiting(why), past())
}

fn has_init(view: &View<'_>) -> bool {
    view.work.slots.first().is_some_and(|slot| slot.kind == ContainerKind::Init)
}

/// Why a container that shall be restarted is not: its start fails, or it waits for its back-off.
fn waiting_to_restart(view: &View<'_>, slot: &Slot, exit: &ExitRecord) -> Option<Box<Why>> {
    if let Some(failure) = slot.failure() {
        return Why::new(failure.reason, failure.message.clone());
    }
    let extra = slot.extra.as_ref()?;
    if extra.announced.is_none() || extra.announced != exit.finished_at {
        return None;
    }
    let name = slot.spec(&view.work.spec)?.name();
    let delay = super::super::events::go_duration(extra.crash?.delay());
    let title = restart::pod_title(&view.work.identity);
    Why::new("CrashLoopBackOff", format!("back-off {delay} restarting failed container={name} pod={title}"))
}

/// What is said of a container that had no chance to run before its pod ended.
fn never_found(slot: &Slot) -> ContainerPhase {
    ContainerPhase::Terminated(Box::new(ExitRecord {
        exit_code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".into(),
        message: Text::Static("The container could not be located when the pod was terminated"),
        started_at: None,
        finished_at: None,
        container_id: slot.past.as_ref().map_or_else(|| "".into(), |past| Arc::clone(&past.exit.container_id)),
    }))
}
