//! Reads a schedule: five fields apart by blanks, or a descriptor that begins with `@`.

use super::{Fields, Schedule, Set, duration};

/// What is wrong with a schedule, in upstream's words: they are part of a CronJob's validation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(String);

fn error<T>(text: String) -> Result<T, CronError> {
    Err(CronError(text))
}

/// The bounds and the names of a field.
struct Bounds {
    min: u64,
    max: u64,
    /// The names, the first of which stands for `min`.
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOUR: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAY: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

pub(super) fn schedule(text: &str) -> Result<Schedule, CronError> {
    if text.is_empty() {
        return error("empty spec string".to_owned());
    }
    let text = without_zone(text)?;
    if text.starts_with('@') {
        return descriptor(text);
    }
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = parts.as_slice() else {
        return error(format!("expected exactly 5 fields, found {}: [{}]", parts.len(), parts.join(" ")));
    };
    Ok(Schedule::Fields(Fields {
        minute: field(minute, &MINUTE)?,
        hour: field(hour, &HOUR)?,
        day: field(day, &DAY)?,
        month: field(month, &MONTH)?,
        weekday: field(weekday, &WEEKDAY)?,
    }))
}

/// A zone before the fields is read over: a CronJob may not hold one, and its validation says so by itself.
fn without_zone(text: &str) -> Result<&str, CronError> {
    if !text.starts_with("TZ=") && !text.starts_with("CRON_TZ=") {
        return Ok(text);
    }
    match text.split_once(' ') {
        Some((_, fields)) => Ok(fields.trim()),
        // Upstream's parser panics here, and its caller turns that into an error.
        None => error("invalid schedule format: runtime error: slice bounds out of range [:-1]".to_owned()),
    }
}

fn descriptor(text: &str) -> Result<Schedule, CronError> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(every) = text.strip_prefix("@every ") else {
                return error(format!("unrecognized descriptor: {text}"));
            };
            let distance = duration::parse(every)
                .map_err(|problem| CronError(format!("failed to parse duration {text}: {problem}")))?;
            return Ok(Schedule::Every(duration::whole_seconds(distance)));
        }
    };
    schedule(fields)
}

fn field(text: &str, bounds: &Bounds) -> Result<Set, CronError> {
    let mut set = Set { bits: 0, star: false };
    for expression in text.split(',').filter(|expression| !expression.is_empty()) {
        let part = range(expression, bounds)?;
        set.bits |= part.bits;
        set.star |= part.star;
    }
    Ok(set)
}

/// One of `*`, `N`, `N-M`, each with `/STEP` behind it or not.
fn range(expression: &str, bounds: &Bounds) -> Result<Set, CronError> {
    let slashes: Vec<&str> = expression.split('/').collect();
    let hyphens: Vec<&str> = slashes.first().copied().unwrap_or_default().split('-').collect();
    let (mut star, start, mut end) = match hyphens.as_slice() {
        ["*" | "?", ..] => (true, bounds.min, bounds.max),
        [one] => {
            let number = number_or_name(one, bounds)?;
            (false, number, number)
        }
        [low, high] => (false, number_or_name(low, bounds)?, number_or_name(high, bounds)?),
        [low, ..] => {
            number_or_name(low, bounds)?;
            return error(format!("too many hyphens: {expression}"));
        }
        [] => return error(format!("unreadable range: {expression}")),
    };
    let step = match slashes.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if hyphens.len() == 1 {
                end = bounds.max;
            }
            // With a step, a star picks days of its own.
            star &= step <= 1;
            step
        }
        _ => return error(format!("too many slashes: {expression}")),
    };
    let Bounds { min, max, .. } = bounds;
    if start < *min {
        return error(format!("beginning of range ({start}) below minimum ({min}): {expression}"));
    }
    if end > *max {
        return error(format!("end of range ({end}) above maximum ({max}): {expression}"));
    }
    if start > end {
        return error(format!("beginning of range ({start}) beyond end of range ({end}): {expression}"));
    }
    if step == 0 {
        return error(format!("step of range should be a positive number: {expression}"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let bits = (start..=end).step_by(step).fold(0, |bits, number| bits | 1_u64 << number);
    Ok(Set { bits, star })
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, CronError> {
    let lower = text.to_lowercase();
    match bounds.names.iter().position(|name| *name == lower) {
        Some(position) => Ok(bounds.min + position as u64),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, CronError> {
    let problem = match text.parse::<i64>() {
        Ok(negative @ ..0) => return error(format!("negative number ({negative}) not allowed: {text}")),
        Ok(number) => return Ok(number.unsigned_abs()),
        Err(problem) => problem,
    };
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let problem = match problem.kind() {
        PosOverflow | NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    error(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_refused_in_upstreams_words() {
        for (text, expected) in [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("@never", "unrecognized descriptor: @never"),
            ("@every", "unrecognized descriptor: @every"),
            ("@every 1x", "failed to parse duration @every 1x: time: unknown unit \"x\" in duration \"1x\""),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("0 0 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("0 0 * * 7", "end of range (7) above maximum (6): 7"),
            ("0 0 L * *", "failed to parse int from L: strconv.Atoi: parsing \"L\": invalid syntax"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("-1 * * * *", "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax"),
        ] {
            assert_eq!(schedule(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn names_lists_and_steps_make_one_set() {
        let Ok(Schedule::Fields(fields)) = schedule("1,5-7,50/4 0 ? JAN-mar sun,6") else { panic!("readable") };
        assert_eq!(fields.minute.bits, 1 << 1 | 7 << 5 | 1 << 50 | 1 << 54 | 1 << 58);
        assert_eq!((fields.month.bits, fields.weekday.bits), (0b1110, 0b100_0001));
        assert!(fields.day.star && !fields.weekday.star);
    }
}
