//! What one pod of a kin adds to each counter of a class, worked out once for each kin.
//!
//! Asked for every kin on every node that is looked at, and nearly always the answer is "nothing": so a kin is found by
//! its number at once, and only what adds something is kept beside it.

use smallvec::SmallVec;

use crate::numbers::Numbers;

/// A number for each counter.
pub(super) type Amounts = SmallVec<[i64; 2]>;

/// How many kins are remembered: those in use, and some that have gone.
const KINS_MAX: usize = 1 << 14;
/// Stands for a kin that adds nothing.
const NOTHING: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Where in `amounts` the effect of a kin is.
    known: Numbers<u32>,
    amounts: Vec<Amounts>,
}

impl Effects {
    /// The effect of the kin with this number, made when it is not known yet; `None` when it adds nothing.
    pub(super) fn of(&mut self, kin: u64, make: impl FnOnce() -> Amounts) -> Option<&Amounts> {
        let effect = match self.known.get(kin) {
            Some(effect) => effect,
            None => self.add(kin, make()),
        };
        self.amounts.get(effect as usize)
    }

    fn add(&mut self, kin: u64, amounts: Amounts) -> u32 {
        if self.known.len() == KINS_MAX {
            *self = Self::default();
        }
        let effect = if amounts.iter().all(|amount| *amount == 0) {
            NOTHING
        } else {
            self.amounts.push(amounts);
            u32::try_from(self.amounts.len() - 1).unwrap_or(NOTHING)
        };
        self.known.insert(kin, effect);
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kin_is_worked_out_once_and_found_again_however_many_there_are() {
        let mut effects = Effects::default();
        let effect_of = |kin: u64| Amounts::from_elem(if kin.is_multiple_of(3) { kin as i64 } else { 0 }, 2);
        let kins = || (1..2000_u64).map(|index| index * 64 + 1);
        for kin in kins() {
            effects.of(kin, || effect_of(kin));
        }
        for kin in kins() {
            let found = effects.of(kin, || panic!("kin {kin} is known")).cloned();
            assert_eq!(found.is_some(), kin.is_multiple_of(3));
            assert!(found.is_none_or(|found| found == effect_of(kin)));
        }
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut effects = Effects::default();
        for kin in 1..100_000 {
            assert_eq!(effects.of(kin, || Amounts::from_elem(1, 1)), Some(&Amounts::from_elem(1, 1)));
        }
        assert!(effects.known.len() <= KINS_MAX);
    }
}
