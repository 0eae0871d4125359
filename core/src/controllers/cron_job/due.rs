//! Which time of a schedule is due: the latest that has passed since the last one that was acted on.

use std::time::Duration;

use crate::object::cron::{Schedule, TimeZone};
use crate::time::Time;

/// More missed times than this are reported: somebody should know (upstream's bound).
const MISSED_MAX: i64 = 100;

/// What a schedule asks for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet; its next time, if it has one.
    Later(Option<Time>),
    /// This time has come.
    Now {
        /// The latest time that has passed.
        at: Time,
        /// Whether so many were missed that it is worth a word.
        many_missed: bool,
        /// The one after it.
        next: Option<Time>,
    },
    /// It has no time at all, or two of them are less than a second apart.
    Never,
}

/// Looks at a schedule, in upstream's way: of one whose times are not evenly spread it may not find the last time that was
/// missed, and then makes up for none. `since` is when the CronJob last ran, or when it was made; `deadline` is how late a run may be:
/// what is older is not looked at.
pub(super) fn due(
    schedule: &Schedule,
    zone: &impl TimeZone,
    since: Time,
    deadline: Option<Duration>,
    now: Time,
) -> Due {
    let since = deadline.map_or(since, |deadline| since.max(now.minus(deadline)));
    let Some(first) = schedule.next_after(since, zone) else { return Due::Never };
    if first > now {
        return Due::Later(Some(first));
    }
    let Some(second) = schedule.next_after(first, zone) else {
        return Due::Now { at: first, many_missed: false, next: None };
    };
    if second > now {
        return Due::Now { at: first, many_missed: false, next: Some(second) };
    }
    let distance = second.as_secs() - first.as_secs();
    if distance < 1 {
        return Due::Never;
    }
    // A guess of how many there were, and from shortly before the last of them an exact look.
    let missed = (now.as_secs() - first.as_secs()) / distance + 1;
    let ahead = u64::try_from((missed - 2).max(0).saturating_mul(distance)).unwrap_or(0);
    let mut latest = None;
    let mut next = schedule.next_after(first + Duration::from_secs(ahead), zone);
    while let Some(time) = next.filter(|time| *time <= now) {
        latest = Some(time);
        next = schedule.next_after(time, zone);
    }
    match latest {
        Some(at) => Due::Now { at, many_missed: missed > MISSED_MAX, next },
        None => Due::Later(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::cron::Utc;

    fn time(text: &str) -> Time {
        Time::from_timestamp(text.parse().expect("a time"))
    }

    /// What is due for a schedule made at the first time, now being the second.
    fn look(schedule: &str, since: &str, deadline: Option<u64>, now: &str) -> Due {
        let schedule = Schedule::parse(schedule).expect("a schedule");
        due(&schedule, &Utc, time(since), deadline.map(Duration::from_secs), time(now))
    }

    #[test]
    fn the_latest_time_that_has_passed_is_due() {
        let hourly = |since, deadline, now| look("0 * * * *", since, deadline, now);
        let at = |at: &str, many_missed, next: &str| Due::Now { at: time(at), many_missed, next: Some(time(next)) };
        let later = |at: &str| Due::Later(Some(time(at)));
        let made = "2026-01-01T10:00:00Z";
        assert_eq!(hourly(made, None, "2026-01-01T10:59:59Z"), later("2026-01-01T11:00:00Z"));
        let eleven = at("2026-01-01T11:00:00Z", false, "2026-01-01T12:00:00Z");
        assert_eq!(hourly(made, None, "2026-01-01T11:00:00Z"), eleven);
        assert_eq!(hourly(made, None, "2026-01-01T11:30:00Z"), eleven);
        // Of several that were missed only the last is run.
        let fifteen = at("2026-01-01T15:00:00Z", false, "2026-01-01T16:00:00Z");
        assert_eq!(hourly(made, None, "2026-01-01T15:20:00Z"), fifteen);
        assert_eq!(hourly(made, Some(1800), "2026-01-01T15:20:00Z"), fifteen);
        assert_eq!(hourly(made, Some(600), "2026-01-01T15:20:00Z"), later("2026-01-01T16:00:00Z"));
        let many = at("2026-01-06T00:00:00Z", true, "2026-01-06T01:00:00Z");
        assert_eq!(hourly(made, None, "2026-01-06T00:00:01Z"), many);
    }

    #[test]
    fn irregular_and_impossible_schedules_end() {
        let found = look("0 0 29 2 *", "2024-01-01T00:00:00Z", None, "2026-06-01T00:00:00Z");
        let leap = time("2024-02-29T00:00:00Z");
        assert_eq!(found, Due::Now { at: leap, many_missed: false, next: Some(time("2028-02-29T00:00:00Z")) });
        assert_eq!(look("59 23 31 2 *", "2024-01-01T00:00:00Z", None, "2026-06-01T00:00:00Z"), Due::Never);
        let weekdays = look("0 9 * * 1-5", "2026-01-02T00:00:00Z", None, "2026-01-11T12:00:00Z");
        let friday = time("2026-01-09T09:00:00Z");
        assert_eq!(weekdays, Due::Now { at: friday, many_missed: false, next: Some(time("2026-01-12T09:00:00Z")) });
    }

    #[test]
    fn of_times_that_are_not_evenly_spread_the_last_is_found_unless_a_gap_is_taken_for_more_of_them() {
        // A Thursday; the first two times are four hours apart, or one.
        let rows = [
            (
                "30 6-16/4 * * 1-5",
                "2016-05-19T10:30:00Z",
                "2016-05-20T10:31:00Z",
                Some("2016-05-20T10:30:00Z"),
                "2016-05-20T14:30:00Z",
            ),
            (
                "30 6-16/4 * * 1-5",
                "2016-05-19T10:30:00Z",
                "2016-05-23T10:31:00Z",
                Some("2016-05-23T10:30:00Z"),
                "2016-05-23T14:30:00Z",
            ),
            ("30 10,11,12 * * 1-5", "2016-05-19T10:30:00Z", "2016-05-20T16:30:00Z", None, "2016-05-23T10:30:00Z"),
            (
                "0 12 * * 4",
                "2016-05-19T12:00:00Z",
                "2016-06-07T11:30:00Z",
                Some("2016-06-02T12:00:00Z"),
                "2016-06-09T12:00:00Z",
            ),
            (
                "@every 1h",
                "2016-05-19T10:01:00Z",
                "2016-05-19T15:00:00Z",
                Some("2016-05-19T14:01:00Z"),
                "2016-05-19T15:01:00Z",
            ),
        ];
        for (schedule, since, now, latest, next) in rows {
            let next = Some(time(next));
            let expected = match latest {
                Some(at) => Due::Now { at: time(at), many_missed: false, next },
                None => Due::Later(next),
            };
            assert_eq!(look(schedule, since, None, now), expected, "{schedule} since {since}, at {now}");
        }
        let weekly = look("@every 1h", "2016-05-19T10:01:00Z", None, "2016-05-26T10:00:00Z");
        let last = time("2016-05-26T09:01:00Z");
        assert_eq!(weekly, Due::Now { at: last, many_missed: true, next: Some(time("2016-05-26T10:01:00Z")) });
    }
}
