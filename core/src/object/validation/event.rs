//! Events: about an object of their own namespace, and, from those who use the newer group, complete.
//!
//! The older group (`v1`) accepts what it always did: nothing of it is checked but this.
//!
//! Source: `pkg/apis/core/validation`.

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::api::events::v1 as newer;
use serde::Serialize;

use super::fields::text;
use super::names::{self, name_is_dns_subdomain};
use super::shared::{self, meta_update};
use super::{checks, go_type};
use crate::object::field::{FieldErrors, Path};

const TEXT_BYTES_MAX: usize = 128;
const NOTE_BYTES_MAX: usize = 1024;

/// What is wrong with a new Event of `v1`.
pub fn event(event: &Event) -> FieldErrors {
    let mut errors = FieldErrors::new();
    legacy(&of_core(event), &mut errors);
    errors
}

/// What is wrong with a changed Event of `v1`.
pub fn event_update(new: &Event, _old: &Event) -> FieldErrors {
    event(new)
}

/// What is wrong with a new Event of `events.k8s.io/v1`.
pub fn event_v1(event: &newer::Event) -> FieldErrors {
    let mut errors = FieldErrors::new();
    legacy(&of_newer(event), &mut errors);
    errors.append(shared::namespaced(&event.metadata, name_is_dns_subdomain));
    series(event, &mut errors);
    if event.event_time.is_none() {
        errors.required(&Path::new("eventTime"), "");
    }
    let kind = text(&event.type_);
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(&Path::new("type"), "", format!("has invalid value: {kind}"));
    }
    let source = event.deprecated_source.as_ref();
    let has_source = source.is_some_and(|source| !text(&source.component).is_empty() || !text(&source.host).is_empty());
    let unset = [
        ("firstTimestamp", event.deprecated_first_timestamp.is_some()),
        ("lastTimestamp", event.deprecated_last_timestamp.is_some()),
        ("count", event.deprecated_count.unwrap_or(0) != 0),
        ("source", has_source),
    ];
    for (field, _) in unset.into_iter().filter(|(_, set)| *set) {
        errors.invalid(&Path::new(field), "", "needs to be unset");
    }
    errors
}

/// What is wrong with a changed Event of `events.k8s.io/v1`.
pub fn event_v1_update(new: &newer::Event, old: &newer::Event) -> FieldErrors {
    let mut errors = FieldErrors::new();
    legacy(&of_newer(new), &mut errors);
    errors.append(meta_update(&new.metadata, &old.metadata));
    if new.series != old.series {
        series(new, &mut errors);
    }
    let errors_of = &mut errors;
    let [about, before] = [&new.regarding, &old.regarding].map(|given| given.clone().unwrap_or_default());
    fixed(&about, &before, "ObjectReference", &Path::new("involvedObject"), errors_of);
    let texts = |field: &str, new: &Option<String>, old: &Option<String>, errors: &mut FieldErrors| {
        checks::immutable(&text(new), &text(old), &Path::new(field), errors);
    };
    texts("reason", &new.reason, &old.reason, errors_of);
    texts("message", &new.note, &old.note, errors_of);
    let [from, before] =
        [&new.deprecated_source, &old.deprecated_source].map(|given| given.clone().unwrap_or_default());
    fixed(&from, &before, "EventSource", &Path::new("source"), errors_of);
    let path = Path::new("firstTimestamp");
    checks::immutable(&new.deprecated_first_timestamp, &old.deprecated_first_timestamp, &path, errors_of);
    let path = Path::new("lastTimestamp");
    checks::immutable(&new.deprecated_last_timestamp, &old.deprecated_last_timestamp, &path, errors_of);
    let [count, before] = [new.deprecated_count, old.deprecated_count].map(Option::unwrap_or_default);
    checks::immutable(&count, &before, &Path::new("count"), errors_of);
    // Upstream looks at the reason twice.
    texts("reason", &new.reason, &old.reason, errors_of);
    texts("type", &new.type_, &old.type_, errors_of);
    checks::immutable(&new.event_time, &old.event_time, &Path::new("eventTime"), errors_of);
    texts("action", &new.action, &old.action, errors_of);
    fixed(&new.related, &old.related, "ObjectReference", &Path::new("related"), errors_of);
    texts("reportingController", &new.reporting_controller, &old.reporting_controller, errors_of);
    texts("reportingInstance", &new.reporting_instance, &old.reporting_instance, errors_of);
    errors
}

/// A structure that may not change.
fn fixed<T: PartialEq + Serialize>(new: &T, old: &T, kind: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if new != old {
        errors.invalid_json(path, go_type::compact(new, kind), names::IMMUTABLE);
    }
}

/// What both groups have.
struct Common<'a> {
    namespace: &'a str,
    about: &'a str,
    has_time: bool,
    controller: &'a str,
    controller_field: &'static str,
    instance: &'a str,
    action: &'a str,
    reason: &'a str,
    note: &'a str,
}

fn of_core(event: &Event) -> Common<'_> {
    Common {
        namespace: text(&event.metadata.namespace),
        about: text(&event.involved_object.namespace),
        has_time: event.event_time.is_some(),
        controller: text(&event.reporting_component),
        controller_field: "reportingComponent",
        instance: text(&event.reporting_instance),
        action: text(&event.action),
        reason: text(&event.reason),
        note: text(&event.message),
    }
}

fn of_newer(event: &newer::Event) -> Common<'_> {
    Common {
        namespace: text(&event.metadata.namespace),
        about: event.regarding.as_ref().map(|about| text(&about.namespace)).unwrap_or_default(),
        has_time: event.event_time.is_some(),
        controller: text(&event.reporting_controller),
        controller_field: "reportingController",
        instance: text(&event.reporting_instance),
        action: text(&event.action),
        reason: text(&event.reason),
        note: text(&event.note),
    }
}

fn legacy(event: &Common<'_>, errors: &mut FieldErrors) {
    let involved = Path::new("involvedObject");
    let matches = match (event.has_time, event.about) {
        (false, "") => matches!(event.namespace, "" | "default"),
        (true, "") => matches!(event.namespace, "default" | "kube-system"),
        (false, about) => about == event.namespace,
        (true, _) => true,
    };
    if !matches {
        errors.invalid(&involved.field("namespace"), event.about, "does not match event.namespace");
    }
    if event.has_time {
        complete(event, errors);
    }
    errors.invalid_each(&Path::new("namespace"), event.namespace, names::dns1123_subdomain(event.namespace));
}

fn complete(event: &Common<'_>, errors: &mut FieldErrors) {
    let path = Path::new(event.controller_field);
    if event.controller.is_empty() {
        errors.required(&path, "");
    }
    errors.invalid_each(&path, event.controller, names::qualified_name(event.controller));
    let texts = [("reportingInstance", event.instance), ("action", event.action), ("reason", event.reason)];
    for (field, value) in texts {
        if value.is_empty() {
            errors.required(&Path::new(field), "");
        }
        if value.len() > TEXT_BYTES_MAX {
            errors.invalid(&Path::new(field), "", format!("can have at most {TEXT_BYTES_MAX} characters"));
        }
    }
    if event.note.len() > NOTE_BYTES_MAX {
        errors.invalid(&Path::new("message"), "", format!("can have at most {NOTE_BYTES_MAX} characters"));
    }
}

fn series(event: &newer::Event, errors: &mut FieldErrors) {
    let Some(series) = &event.series else { return };
    if series.count < 2 {
        errors.invalid(&Path::new("series.count"), "", "should be at least 2");
    }
    if series.last_observed_time.0 == jiff::Timestamp::UNIX_EPOCH {
        // An absent time is decoded as the beginning of time.
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}
