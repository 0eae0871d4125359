//! From how much to how much: of cost, or of size. What is more than can be counted is the most that can.

/// Any size.
pub(super) const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Range {
    pub(super) const fn exactly(amount: u64) -> Self {
        Self { min: amount, max: amount }
    }

    pub(super) const fn up_to(max: u64) -> Self {
        Self { min: 0, max }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(super) const fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    /// So much for each, rounded up.
    pub(super) fn by(self, factor: f64) -> Self {
        Self { min: by(self.min, factor), max: by(self.max, factor) }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is too large becomes the largest")]
fn by(amount: u64, factor: f64) -> u64 {
    (amount as f64 * factor).ceil() as u64
}
