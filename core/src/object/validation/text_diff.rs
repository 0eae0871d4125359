//! What differs between two texts, line by line, as upstream shows it when an update changes what it may not.
//!
//! The matching is that of Python's `difflib`, which upstream's library repeats: find the longest run of lines that both
//! texts have, then do the same before and after it; lines that are all over a long text start no run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// How many equal lines are shown around a change.
const CONTEXT: usize = 3;

/// From how many lines on a text is long, so that common lines start no run.
const LONG: usize = 200;

/// Equal lines: from `old` in the first text, from `new` in the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    old: usize,
    new: usize,
    len: usize,
}

/// The differences in unified form, without file names; empty when there are none.
pub fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut out = String::new();
    for group in groups(&changes(&old, &new), old.len()) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let before = first.0.start.min(first.1.start).min(CONTEXT);
        let after = (old.len() - last.0.end).min(new.len() - last.1.end).min(CONTEXT);
        let old_range = first.0.start - before..last.0.end + after;
        let new_range = first.1.start - before..last.1.end + after;
        let _ = writeln!(out, "@@ -{} +{} @@", shown(&old_range), shown(&new_range));
        let mut at = old_range.start;
        for (removed, added) in &group {
            lines(' ', &old, at..removed.start, &mut out);
            lines('-', &old, removed.clone(), &mut out);
            lines('+', &new, added.clone(), &mut out);
            at = removed.end;
        }
        lines(' ', &old, at..old_range.end, &mut out);
    }
    out
}

fn lines(mark: char, text: &[&str], range: Range<usize>, out: &mut String) {
    for line in text.get(range).unwrap_or_default() {
        let _ = writeln!(out, "{mark}{line}");
    }
}

fn shown(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        len => format!("{},{len}", range.start + 1),
    }
}

type Change = (Range<usize>, Range<usize>);

/// What is not in the runs that both texts have.
fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let mut runs = runs(old, new);
    runs.push(Run { old: old.len(), new: new.len(), len: 0 });
    let (mut old_at, mut new_at) = (0, 0);
    let mut changes = Vec::new();
    for run in runs {
        if old_at < run.old || new_at < run.new {
            changes.push((old_at..run.old, new_at..run.new));
        }
        (old_at, new_at) = (run.old + run.len, run.new + run.len);
    }
    changes
}

/// Changes with so few equal lines between that they are shown together.
fn groups(changes: &[Change], _lines: usize) -> Vec<Vec<Change>> {
    let mut groups: Vec<Vec<Change>> = Vec::new();
    for change in changes {
        match groups.last_mut() {
            Some(group)
                if group.last().is_some_and(|last| change.0.start.saturating_sub(last.0.end) <= 2 * CONTEXT) =>
            {
                group.push(change.clone());
            }
            _ => groups.push(vec![change.clone()]),
        }
    }
    groups
}

fn runs(old: &[&str], new: &[&str]) -> Vec<Run> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(index);
    }
    if new.len() >= LONG {
        let common = new.len() / 100 + 1;
        places.retain(|_, places| places.len() <= common);
    }
    let mut found = Vec::new();
    let mut open = vec![(0..old.len(), 0..new.len())];
    while let Some((old_range, new_range)) = open.pop() {
        let run = longest(old, new, &places, &old_range, &new_range);
        if run.len == 0 {
            continue;
        }
        open.push((old_range.start..run.old, new_range.start..run.new));
        open.push((run.old + run.len..old_range.end, run.new + run.len..new_range.end));
        found.push(run);
    }
    found.sort_unstable_by_key(|run| (run.old, run.new));
    found
}

fn longest(
    old: &[&str],
    new: &[&str],
    places: &BTreeMap<&str, Vec<usize>>,
    old_range: &Range<usize>,
    new_range: &Range<usize>,
) -> Run {
    let mut best = Run { old: old_range.start, new: new_range.start, len: 0 };
    // The length of the run that ends at the previous line of the old text and at a line of the new one.
    let mut ending: BTreeMap<usize, usize> = BTreeMap::new();
    for old_at in old_range.clone() {
        let mut next = BTreeMap::new();
        let candidates = old.get(old_at).and_then(|line| places.get(line));
        for new_at in candidates.into_iter().flatten().copied().filter(|place| new_range.contains(place)) {
            let len = 1 + new_at.checked_sub(1).and_then(|before| ending.get(&before)).copied().unwrap_or_default();
            next.insert(new_at, len);
            if len > best.len {
                best = Run { old: old_at + 1 - len, new: new_at + 1 - len, len };
            }
        }
        ending = next;
    }
    let same = |old_at: usize, new_at: usize| old.get(old_at).is_some_and(|line| new.get(new_at) == Some(line));
    while best.old > old_range.start && best.new > new_range.start && same(best.old - 1, best.new - 1) {
        best = Run { old: best.old - 1, new: best.new - 1, len: best.len + 1 };
    }
    while best.old + best.len < old_range.end
        && best.new + best.len < new_range.end
        && same(best.old + best.len, best.new + best.len)
    {
        best.len += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_three_lines_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh";
        assert_eq!(unified(old, old), "");
        assert_eq!(
            unified(old, &old.replace("e\n", "x\ny\n")),
            "@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+x\n+y\n f\n g\n h\n"
        );
        assert_eq!(unified("a\nb", "b"), "@@ -1,2 +1 @@\n-a\n b\n");
    }
}
