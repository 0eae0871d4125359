//! Sets of completion indexes, written as in `status.completedIndexes`: `1,3-5,7`.

use std::collections::BTreeSet;
use std::fmt;

/// Completion indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(BTreeSet<usize>);

impl Indexes {
    /// Reads the written form; what is not below `completions` (the job was shrunk) or is no number is left out.
    pub(super) fn parse(text: &str, completions: usize) -> Self {
        let mut set = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
                set.extend(first..=last.min(completions.saturating_sub(1)));
            }
        }
        set.retain(|index| *index < completions);
        Self(set)
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.0.insert(index);
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.0.contains(&index)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of these are in both.
    pub(super) fn common(&self, other: &Self) -> usize {
        self.0.intersection(&other.0).count()
    }
}

impl FromIterator<usize> for Indexes {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        Self(indexes.into_iter().collect())
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if(|next| *next == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                // Two neighbours are a list, three a range.
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Indexes;

    #[test]
    fn sets_are_written_as_ranges_and_read_back() {
        let cases: [(&[usize], &str); 6] = [
            (&[], ""),
            (&[3], "3"),
            (&[0, 1], "0,1"),
            (&[0, 1, 2], "0-2"),
            (&[1, 3, 4, 5, 7], "1,3-5,7"),
            (&[0, 2, 4], "0,2,4"),
        ];
        for (indexes, text) in cases {
            let set: Indexes = indexes.iter().copied().collect();
            assert_eq!(set.to_string(), text);
            assert_eq!(Indexes::parse(text, 10), set);
        }
    }

    #[test]
    fn what_lies_beyond_the_completions_or_is_no_number_is_left_out() {
        assert_eq!(Indexes::parse("0,2-9,x,4-", 4).to_string(), "0,2,3");
        assert_eq!(Indexes::parse("5-18446744073709551615", 7).to_string(), "5,6");
        assert_eq!(Indexes::parse("0-3", 0).to_string(), "");
    }
}
