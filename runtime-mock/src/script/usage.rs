//! How much of something a container uses over time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An amount over the time since a container's start. The unit is that of the place where it is used: thousandths of a
/// core, or bytes.
#[derive(Clone, Default)]
pub struct Usage(Shape);

#[derive(Clone, Default)]
enum Shape {
    #[default]
    Nothing,
    Constant(u64),
    /// From each moment on, the amount beside it; sorted.
    Steps(Arc<[(Duration, u64)]>),
    Function(Arc<dyn Fn(Duration) -> u64 + Send + Sync>),
}

impl Usage {
    /// Always the same.
    pub const fn constant(amount: u64) -> Self {
        Self(Shape::Constant(amount))
    }

    /// From each moment on the amount beside it; nothing before the first.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let usage = inboard_runtime_mock::Usage::steps([(Duration::ZERO, 100), (Duration::from_secs(60), 900)]);
    /// ```
    pub fn steps(steps: impl IntoIterator<Item = (Duration, u64)>) -> Self {
        let mut steps: Vec<_> = steps.into_iter().collect();
        steps.sort_by_key(|step| step.0);
        Self(Shape::Steps(steps.into()))
    }

    /// What a function of the time since the start says. It is asked once for each whole second, and must always give
    /// the same answer to the same question.
    pub fn function(function: impl Fn(Duration) -> u64 + Send + Sync + 'static) -> Self {
        Self(Shape::Function(Arc::new(function)))
    }

    /// The amount at this time since the start.
    pub(crate) fn at(&self, since_start: Duration) -> u64 {
        match &self.0 {
            Shape::Nothing => 0,
            Shape::Constant(amount) => *amount,
            Shape::Steps(steps) => {
                let after = steps.partition_point(|step| step.0 <= since_start);
                after.checked_sub(1).and_then(|index| steps.get(index)).map_or(0, |step| step.1)
            }
            Shape::Function(function) => function(Duration::from_secs(since_start.as_secs())),
        }
    }

    /// Whether summing it up takes longer, the longer the span is.
    pub(crate) fn is_costly(&self) -> bool {
        matches!(self.0, Shape::Function(_))
    }

    /// The amount summed over a span of time since the start, in amount times nanoseconds.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> u128 {
        let over = |from: Duration, to: Duration| to.saturating_sub(from).as_nanos();
        match &self.0 {
            Shape::Nothing => 0,
            Shape::Constant(amount) => u128::from(*amount) * over(from, to),
            Shape::Steps(steps) => {
                let ends = steps.iter().skip(1).map(|step| step.0).chain([Duration::MAX]);
                let spans = steps.iter().zip(ends);
                spans.map(|(step, end)| u128::from(step.1) * over(step.0.max(from), end.min(to))).sum()
            }
            Shape::Function(function) => {
                let mut sum = 0;
                let mut second = from.as_secs();
                while Duration::from_secs(second) < to {
                    let start = Duration::from_secs(second);
                    let end = Duration::from_secs(second + 1);
                    sum += u128::from(function(start)) * over(start.max(from), end.min(to));
                    second += 1;
                }
                sum
            }
        }
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::Nothing => f.write_str("Nothing"),
            Shape::Constant(amount) => write!(f, "Constant({amount})"),
            Shape::Steps(steps) => f.debug_tuple("Steps").field(steps).finish(),
            Shape::Function(_) => f.write_str("Function(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_the_same_curve_sums_to_the_same() {
        let secs = Duration::from_secs;
        let steps = Usage::steps([(secs(10), 300), (secs(0), 100)]);
        let function = Usage::function(move |since| if since < secs(10) { 100 } else { 300 });
        for (from, to) in [(0, 0), (0, 5), (5, 15), (10, 20), (12, 13)] {
            let (from, to) = (secs(from) + Duration::from_millis(1), secs(to));
            assert_eq!(steps.between(from, to), function.between(from, to), "{from:?} {to:?}");
        }
        assert_eq!(steps.between(secs(5), secs(15)), 2_000 * 1_000_000_000);
        assert_eq!((steps.at(secs(9)), steps.at(secs(10)), Usage::constant(7).at(secs(1))), (100, 300, 7));
    }
}
