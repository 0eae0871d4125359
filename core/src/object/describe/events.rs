//! The events of an object, those that happened last at the end.

use k8s_openapi::api::core::v1::Event;

use super::lines::Lines;
use super::read::UNKNOWN;
use crate::object::table::human_duration;
use crate::time::Time;

pub(super) fn tell(lines: &mut Lines, events: &[Event], now: Time) {
    if events.is_empty() {
        lines.put(0, "Events", "<none>");
        return;
    }
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    lines.title(0, "Events");
    lines.line(1, "Type\tReason\tAge\tFrom\tMessage");
    lines.line(1, "----\t------\t----\t----\t-------");
    for event in events {
        let source = event.source.as_ref().and_then(|source| source.component.clone()).filter(|name| !name.is_empty());
        let source = source.or_else(|| event.reporting_component.clone()).unwrap_or_default();
        let message = event.message.as_deref().unwrap_or_default().trim();
        let message = match event.involved_object.field_path.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => format!("{path}: {message}"),
            None => message.to_owned(),
        };
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        lines.row(1, &[&word(&event.type_), &word(&event.reason), &age(event, now), &source, &message]);
    }
}

/// How long ago it happened, and how often since when.
fn age(event: &Event, now: Time) -> String {
    let ago = |time: Option<Time>| {
        // Events of a series have fractions of seconds, which count.
        let seconds = |time: Time| now.as_nanos().saturating_sub(time.as_nanos()) / 1_000_000_000;
        time.map_or_else(|| UNKNOWN.to_owned(), |time| human_duration(seconds(time)))
    };
    let micro = |time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime| Time::from_timestamp(time.0);
    let happened = event.event_time.as_ref().map(micro);
    let first = ago(happened.or_else(|| event.first_timestamp.as_ref().map(Time::from_api)));
    if let Some(series) = &event.series {
        let last = ago(series.last_observed_time.as_ref().map(micro));
        return format!("{last} (x{} over {first})", series.count.unwrap_or(0));
    }
    match event.count {
        Some(count @ 2..) => {
            let last = ago(event.last_timestamp.as_ref().map(Time::from_api));
            format!("{last} (x{count} over {first})")
        }
        _ => first,
    }
}
