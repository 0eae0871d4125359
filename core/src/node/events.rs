//! What the node says in events, and how it prints durations.

use std::sync::Arc;
use std::time::Duration;

use super::work::{Note, Slot, SpecRef};
use crate::runtime::ContainerKind;
use crate::store::{EventDraft, Involved, Meta};
use crate::text::{Text, shared};

/// How long an exit or a failed pull is shown as such before the back-off that follows it is.
pub(super) const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// An event about a pod or one of its containers.
pub(super) fn draft(involved: Involved, host: &Arc<str>, note: Note) -> EventDraft {
    EventDraft {
        involved,
        event_type: note.event_type,
        reason: note.reason,
        message: note.message,
        component: "kubelet".into(),
        host: Some(Arc::clone(host)),
        series: None,
    }
}

/// What an event is about: the pod, or the part of it that is this container.
pub(super) fn involved(meta: &Meta, slot: Option<(&Slot, SpecRef<'_>)>, last: &mut Text) -> Involved {
    let pod = Involved::object(meta);
    match slot {
        None => pod,
        Some((slot, spec)) => pod.part(field_path(slot.kind, spec.name(), last)),
    }
}

/// The path of a container: mostly that of the event before, which is shared then.
fn field_path(kind: ContainerKind, name: &str, last: &mut Text) -> Text {
    let list = match kind {
        ContainerKind::Init => "spec.initContainers{",
        ContainerKind::Regular => "spec.containers{",
        ContainerKind::Ephemeral => "spec.ephemeralContainers{",
    };
    if last.strip_prefix(list).and_then(|rest| rest.strip_suffix('}')) != Some(name) {
        *last = shared(format_args!("{list}{name}}}")).into();
    }
    last.clone()
}

/// A duration as Go prints it: `1.2s`, `350ms`, `2m40s`.
pub(super) fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fraction = |nanos: u128, unit: u128, name: &str| {
        let (whole, rest) = (nanos / unit, nanos % unit);
        if rest == 0 {
            return format!("{whole}{name}");
        }
        let width = unit.to_string().len() - 1;
        let digits = format!("{rest:0width$}");
        format!("{whole}.{}{name}", digits.trim_end_matches('0'))
    };
    const SECOND: u128 = 1_000_000_000;
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..SECOND => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let seconds = nanos / SECOND;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = fraction(nanos % (60 * SECOND), SECOND, "s");
            match (hours, minutes) {
                (0, 0) => rest,
                (0, _) => format!("{minutes}m{rest}"),
                _ => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_like_go_does() {
        let rows = [
            (Duration::ZERO, "0s"),
            (Duration::from_micros(1500), "1.5ms"),
            (Duration::from_millis(1200), "1.2s"),
            (Duration::from_secs(160), "2m40s"),
            (Duration::from_secs(300), "5m0s"),
            (Duration::from_millis(3_600_050), "1h0m0.05s"),
        ];
        for (duration, text) in rows {
            assert_eq!(go_duration(duration), text);
        }
    }
}
