//! A map from numbers that are spread well already (hashes, or a count) to small values: a table with open addressing.
//!
//! It is never iterated, so that no order can leak from it; nothing is taken out but by making it anew.

/// The first size of the table.
const CELLS_MIN: usize = 64;

/// Values by number; 0 is no number.
#[derive(Debug)]
pub(crate) struct Numbers<V> {
    /// The number, 0 for none, and its value. A power of two, at most half full.
    cells: Vec<(u64, V)>,
    known: usize,
}

impl<V> Default for Numbers<V> {
    fn default() -> Self {
        Self { cells: Vec::new(), known: 0 }
    }
}

impl<V: Copy + Default> Numbers<V> {
    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.known
    }

    /// The value of this number.
    pub(crate) fn get(&self, number: u64) -> Option<V> {
        let (found, value) = *self.cells.get(self.place(number))?;
        (found == number && number != 0).then_some(value)
    }

    /// Gives a number a value. Gives back the one that it had.
    pub(crate) fn insert(&mut self, number: u64, value: V) -> Option<V> {
        if number == 0 {
            return None;
        }
        if self.cells.len() < 2 * (self.known + 1) {
            self.grow();
        }
        let place = self.place(number);
        let (found, before) = std::mem::replace(&mut self.cells[place], (number, value));
        self.known += usize::from(found == 0);
        (found != 0).then_some(before)
    }

    /// Keeps the numbers whose values are still wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(V) -> bool) {
        let wanted: Vec<(u64, V)> =
            self.cells.iter().copied().filter(|(number, value)| *number != 0 && is_wanted(*value)).collect();
        self.cells.fill((0, V::default()));
        self.known = 0;
        for (number, value) in wanted {
            self.insert(number, value);
        }
    }

    fn grow(&mut self) {
        let size = (self.cells.len() * 2).max(CELLS_MIN);
        let before = std::mem::replace(&mut self.cells, vec![(0, V::default()); size]);
        for cell in before.into_iter().filter(|(number, _)| *number != 0) {
            let place = self.place(cell.0);
            self.cells[place] = cell;
        }
    }

    /// Where a number is, or would be.
    fn place(&self, number: u64) -> usize {
        let mask = self.cells.len().saturating_sub(1);
        let mut place = number as usize & mask;
        while self.cells.get(place).is_some_and(|(found, _)| *found != 0 && *found != number) {
            place = (place + 1) & mask;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_holds_what_a_plain_map_holds() {
        let (mut numbers, mut plain) = (Numbers::default(), BTreeMap::new());
        for index in 0..10_000_u64 {
            // Many share their last digits, and many come again.
            let number = index % 700 * 64 + 1;
            assert_eq!(numbers.insert(number, index), plain.insert(number, index));
            if index % 1000 == 999 {
                numbers.retain(|value| value % 3 != 0);
                plain.retain(|_, value| *value % 3 != 0);
            }
            assert_eq!((numbers.get(number), numbers.len()), (plain.get(&number).copied(), plain.len()));
        }
        assert_eq!((numbers.get(0), numbers.get(2)), (None, None));
    }
}
