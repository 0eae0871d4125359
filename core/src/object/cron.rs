//! When a CronJob is due: the schedule of five fields, as `robfig/cron` reads it, and its next time in a time zone.
//!
//! A field is a set of numbers. The day of the month and the day of the week are alternatives, unless one of them was
//! written as a star. A wall-clock time that a zone skips does not occur; one that it repeats occurs twice.

use std::time::Duration;

use jiff::Timestamp;

use crate::time::Time;

mod duration;
mod parse;
mod zone;

pub use parse::CronError;
pub use zone::{Zone, is_zone};

/// How far ahead a next time is looked for: what does not occur in five years does not occur.
const YEARS_AHEAD: i16 = 5;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time zone, as far as schedules need it.
pub trait TimeZone {
    /// Seconds east of UTC at this moment.
    fn offset(&self, at: Time) -> i32;
}

/// Coordinated universal time: the zone of a CronJob without `spec.timeZone`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utc;

impl TimeZone for Utc {
    fn offset(&self, _: Time) -> i32 {
        0
    }
}

impl<F: Fn(Time) -> i32> TimeZone for F {
    fn offset(&self, at: Time) -> i32 {
        self(at)
    }
}

/// A schedule (`spec.schedule` of a CronJob).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Five fields, or a descriptor that stands for them.
    Fields(Fields),
    /// `@every`: a fixed distance, at least a second, in whole seconds.
    Every(Duration),
}

/// The five fields of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

/// The numbers below 64 that a field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set {
    bits: u64,
    /// Whether the field was written as a star, which leaves the choice of the day to the other field.
    star: bool,
}

impl Set {
    fn has(self, number: i8) -> bool {
        u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).is_some_and(|bit| self.bits & bit != 0)
    }
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// The first thing that is wrong with it, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::schedule(text)
    }

    /// The first time after `after` at which this is due on the clocks of `zone`; none within five years.
    pub fn next_after(&self, after: Time, zone: &impl TimeZone) -> Option<Time> {
        match self {
            Self::Fields(fields) => fields.next_after(after, zone),
            Self::Every(distance) => Some(after.whole_second() + *distance),
        }
    }
}

impl Fields {
    fn next_after(&self, after: Time, zone: &impl TimeZone) -> Option<Time> {
        let mut at = Wall::read(after.as_secs(), zone)?;
        let last_year = at.year.checked_add(YEARS_AHEAD)?;
        // The next full minute of the wall clock.
        at = Wall::read(at.utc + (MINUTE - at.second), zone)?;
        while at.year <= last_year {
            let step = self.distance(&at);
            if step == 0 {
                return Some(Time::from_secs(at.utc));
            }
            at = Wall::read(at.utc + step, zone)?;
        }
        None
    }

    /// Zero when the schedule is due, else how far it is safe to go without passing a time at which it is.
    fn distance(&self, at: &Wall) -> i64 {
        let to_midnight = DAY - at.hour * HOUR - at.minute * MINUTE - at.second;
        if !self.month.has(at.month) || !self.due_on(at) {
            // Clocks may be set forward meanwhile: stop short of midnight and go on by the hour.
            return if to_midnight > 3 * HOUR { to_midnight - 2 * HOUR } else { at.to_next_hour().min(to_midnight) };
        }
        if !self.hour.has(at.hour as i8) {
            return at.to_next_hour();
        }
        if self.minute.has(at.minute as i8) { 0 } else { MINUTE - at.second }
    }

    fn due_on(&self, at: &Wall) -> bool {
        let (day, weekday) = (self.day.has(at.day), self.weekday.has(at.weekday));
        if self.day.star || self.weekday.star { day && weekday } else { day || weekday }
    }
}

/// What the clocks of a zone show.
#[derive(Clone, Copy, Debug)]
struct Wall {
    utc: i64,
    year: i16,
    month: i8,
    day: i8,
    /// Sunday is 0.
    weekday: i8,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Wall {
    /// None past the end of representable time.
    fn read(utc: i64, zone: &impl TimeZone) -> Option<Self> {
        let local = utc + i64::from(zone.offset(Time::from_secs(utc)));
        let date = jiff::tz::Offset::UTC.to_datetime(Timestamp::from_second(local).ok()?);
        Some(Self {
            utc,
            year: date.year(),
            month: date.month(),
            day: date.day(),
            weekday: date.weekday().to_sunday_zero_offset(),
            hour: i64::from(date.hour()),
            minute: i64::from(date.minute()),
            second: i64::from(date.second()),
        })
    }

    fn to_next_hour(self) -> i64 {
        HOUR - self.minute * MINUTE - self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::from_timestamp(text.parse().unwrap())
    }

    fn next(schedule: &str, after: &str, zone: &impl TimeZone, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule).unwrap();
        let mut time = at(after);
        let mut times = Vec::new();
        while times.len() < count {
            let Some(due) = schedule.next_after(time, zone) else { break };
            times.push(due.to_string());
            time = due;
        }
        times
    }

    #[test]
    fn zones_are_written_as_the_database_writes_them() {
        assert!(is_zone("UTC") && is_zone("America/Argentina/Buenos_Aires"));
        assert!(!is_zone("europe/berlin") && !is_zone("Mars/Phobos") && Zone::named("utc").is_none());
    }

    #[test]
    fn next_times_in_utc() {
        for (schedule, after, expected) in [
            ("* * * * *", "2026-03-01T10:00:00Z", "2026-03-01T10:01:00Z"),
            ("*/15 * * * *", "2026-03-01T10:14:59Z", "2026-03-01T10:15:00Z"),
            ("0/20 3 * * *", "2026-03-01T03:40:00Z", "2026-03-02T03:00:00Z"),
            ("0 0 1 * 1", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"), // the 1st or a Monday
            ("0 0 1 * *", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("0 0 * * 1", "2026-03-03T00:00:00Z", "2026-03-09T00:00:00Z"),
            ("0 12 29 feb ?", "2026-01-01T00:00:00Z", "2028-02-29T12:00:00Z"),
            ("@weekly", "2026-03-03T00:00:00Z", "2026-03-08T00:00:00Z"),
            ("@every 1h30m", "2026-03-03T00:00:00.5Z", "2026-03-03T01:30:00Z"),
            ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
        ] {
            assert_eq!(next(schedule, after, &Utc, 1), [expected], "{schedule}");
        }
        assert_eq!(next("0 0 30 2 *", "2026-01-01T00:00:00Z", &Utc, 1), Vec::<String>::new());
    }

    #[test]
    fn a_skipped_hour_is_skipped_and_a_repeated_one_repeated() {
        // Summer time in 2026 is from 29 March 01:00 UTC to 25 October 01:00 UTC.
        let berlin = Zone::named("Europe/Berlin").unwrap();
        assert_eq!(
            next("30 2 * * *", "2026-03-28T00:00:00Z", &berlin, 2),
            ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            next("30 2 * * *", "2026-10-24T12:00:00Z", &berlin, 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            next("*/30 * * * *", "2026-10-25T00:00:00Z", &berlin, 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"]
        );
        assert_eq!(next("0 0 30 3 *", "2026-03-28T23:30:00Z", &berlin, 1), ["2026-03-29T22:00:00Z"]);
    }
}
