//! Lists of indexes such as `1,3-5,7`: increasing, and below the number of completions.

/// An interval of indexes, both ends included.
type Interval = (i32, i32);

/// How many indexes a list names, or what is wrong with it.
pub(super) fn count(list: &str, completions: i32) -> Result<i32, String> {
    if list.is_empty() {
        return Ok(0);
    }
    let (mut last, mut total) = (None, 0_i32);
    for text in list.split(',') {
        let (first, end) = interval(text, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total = total.saturating_add(end - first + 1);
        last = Some(end);
    }
    Ok(total)
}

/// The first index that two lists share; intervals that cannot be read are left out.
pub(super) fn overlap(completed: &str, failed: &str, completions: i32) -> Option<i32> {
    if completed.is_empty() || failed.is_empty() {
        return None;
    }
    let read =
        |list: &str| -> Vec<Interval> { list.split(',').filter_map(|text| interval(text, completions).ok()).collect() };
    let (completed, failed) = (read(completed), read(failed));
    let (mut completed, mut failed) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some(&&(from, to)), Some(&&(failed_from, failed_to))) = (completed.peek(), failed.peek()) {
        if from <= failed_to && failed_from <= to {
            return Some(from.max(failed_from));
        }
        if from <= failed_from {
            completed.next()
        } else {
            failed.next()
        };
    }
    None
}

fn interval(text: &str, completions: i32) -> Result<Interval, String> {
    let limits: Vec<&str> = text.split('-').collect();
    match limits.as_slice() {
        [one] => index(one, completions).map(|one| (one, one)),
        [from, to] => {
            let (from, to) = (index(from, completions)?, index(to, completions)?);
            if from >= to {
                return Err(format!("non-increasing order, previous: {from}, current: {to}"));
            }
            Ok((from, to))
        }
        _ => Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated \
             by '-'"
        )),
    }
}

fn index(text: &str, completions: i32) -> Result<i32, String> {
    let number: i64 = text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
    match i32::try_from(number) {
        Ok(number) if number < completions => Ok(number),
        _ => Err(format!("too large index: {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_increase_and_stay_below_the_completions() {
        assert_eq!(count("0,2-4,6", 7), Ok(5));
        assert_eq!(count("", 7), Ok(0));
        for (list, problem) in [
            ("7", "too large index: \"7\""),
            ("2-2", "non-increasing order, previous: 2, current: 2"),
            ("3,1", "non-increasing order, previous: 3, current: 1"),
            ("a", "cannot convert string to integer for index: \"a\""),
            (
                "1-2-3",
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts \
                 separated by '-'",
            ),
        ] {
            assert_eq!(count(list, 7), Err(problem.to_owned()));
        }
        assert_eq!(overlap("0,2-4", "1,4-5", 7), Some(4));
        assert_eq!(overlap("0,2-3", "1,4-5", 7), None);
    }
}
