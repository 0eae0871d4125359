//! Numbers that may be given as a percentage of another (`maxSurge: 25%`).

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Why a value is neither a number nor a percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PercentError {
    /// It is a text without `%` at its end.
    #[error("invalid value for IntOrString: invalid type: string is not a percentage")]
    NotAPercentage,
    /// What stands before the `%` is not a number.
    #[error("invalid value for IntOrString: invalid value {0:?}: it is not a number")]
    NotANumber(String),
}

/// Which way a percentage that does not come out even is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the next larger number.
    Up,
    /// To the next smaller number.
    Down,
}

/// The number itself, or that percentage of `total`.
///
/// # Errors
/// When the text is no percentage.
///
/// ```
/// use inboard::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
/// use inboard::object::int_or_percent::{Rounding, scaled};
///
/// let quarter = IntOrString::String("25%".to_owned());
/// assert_eq!(scaled(&quarter, 10, Rounding::Up), Ok(3));
/// assert_eq!(scaled(&quarter, 10, Rounding::Down), Ok(2));
/// ```
pub fn scaled(value: &IntOrString, total: i32, rounding: Rounding) -> Result<i32, PercentError> {
    match value {
        IntOrString::Int(number) => Ok(*number),
        IntOrString::String(text) => {
            let product = i64::from(percent(text)?).saturating_mul(i64::from(total));
            let down = product.div_euclid(100);
            let rounded = if rounding == Rounding::Up && product.rem_euclid(100) != 0 { down + 1 } else { down };
            Ok(i32::try_from(rounded).unwrap_or(if rounded < 0 { i32::MIN } else { i32::MAX }))
        }
    }
}

/// The number before the `%`; `None` for a plain number.
///
/// # Errors
/// When the text is no percentage.
pub fn as_percent(value: &IntOrString) -> Result<Option<i32>, PercentError> {
    match value {
        IntOrString::Int(_) => Ok(None),
        IntOrString::String(text) => percent(text).map(Some),
    }
}

fn percent(text: &str) -> Result<i32, PercentError> {
    let number = text.strip_suffix('%').ok_or(PercentError::NotAPercentage)?;
    number.parse().map_err(|_| PercentError::NotANumber(text.to_owned()))
}

/// How many pods a rolling update may have above and below `desired`: `(surge, unavailable)`.
///
/// The surge is rounded up, the unavailable down, and when both come out as nothing one pod may be unavailable, for
/// else no update could ever begin. A value that is not given counts as 0.
///
/// # Errors
/// When a text is no percentage.
pub fn fenceposts(
    max_surge: Option<&IntOrString>,
    max_unavailable: Option<&IntOrString>,
    desired: i32,
) -> Result<(i32, i32), PercentError> {
    let resolve = |value: Option<&IntOrString>, rounding| value.map_or(Ok(0), |value| scaled(value, desired, rounding));
    let surge = resolve(max_surge, Rounding::Up)?;
    let unavailable = resolve(max_unavailable, Rounding::Down)?;
    Ok((surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    #[test]
    fn percentages_round_as_they_are_told_to() {
        for (percent, total, up, down) in [
            ("25%", 10, 3, 2),
            ("100%", 7, 7, 7),
            ("1%", 1, 1, 0),
            ("0%", 9, 0, 0),
            ("150%", 3, 5, 4),
            ("-5%", 10, 0, -1),
        ] {
            assert_eq!(scaled(&text(percent), total, Rounding::Up), Ok(up), "{percent} of {total}");
            assert_eq!(scaled(&text(percent), total, Rounding::Down), Ok(down), "{percent} of {total}");
        }
        assert_eq!(scaled(&text("25"), 10, Rounding::Up), Err(PercentError::NotAPercentage));
        assert_eq!(scaled(&text("x%"), 10, Rounding::Up), Err(PercentError::NotANumber("x%".to_owned())));
        assert_eq!(scaled(&IntOrString::Int(-3), 10, Rounding::Up), Ok(-3));
    }

    #[test]
    fn an_update_can_always_begin() {
        assert_eq!(fenceposts(Some(&text("25%")), Some(&text("25%")), 3), Ok((1, 0)));
        assert_eq!(fenceposts(Some(&IntOrString::Int(0)), Some(&text("1%")), 1), Ok((0, 1)));
        assert_eq!(fenceposts(None, None, 0), Ok((0, 1)));
    }
}
