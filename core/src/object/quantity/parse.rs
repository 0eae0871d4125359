//! Reading a quantity: sign, digits, fraction, suffix; too fine is rounded up, too large for a binary suffix is capped.

use super::{NANO, Quantity, QuantityFormat};

/// The largest amount that a quantity with a binary suffix can have: upstream caps at 2^63-1.
const BINARY_MAX: i128 = i64::MAX as i128 * NANO;

/// Why a text is no quantity. The texts of the first three are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// It is not a number followed by a suffix.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// Its number has too many digits or signs.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// Its suffix is none that is known.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// It is beyond what can be counted in billionths (about 1.7e29 units). Upstream would keep it.
    #[error("quantity is too large to be represented exactly")]
    TooLarge,
}

pub(super) struct Parsed {
    pub(super) quantity: Quantity,
    /// Upstream shows the text as it was given and not the canonical one.
    pub(super) keeps_text: bool,
}

/// The parts of a text.
struct Parts<'a> {
    negative: bool,
    /// The digits before the point, without leading zeros.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

enum Scale {
    Ten(i32),
    Two(u32),
}

pub(super) fn parse(text: &str) -> Result<Parsed, QuantityError> {
    let parts = split(text)?;
    let (scale, format) = read_suffix(parts.suffix)?;
    let magnitude = match scale {
        Scale::Ten(exponent) => decimal(&parts, exponent, 1)?,
        Scale::Two(bits) => decimal(&parts, 0, 1 << bits).map_or_else(cap_if_too_large, Ok)?.min(BINARY_MAX),
    };
    // A fraction of a unit has no binary suffix.
    let below_one = magnitude != 0 && magnitude < NANO;
    let kept = if format == QuantityFormat::BinarySi && below_one { QuantityFormat::DecimalSi } else { format };
    let nano = if parts.negative { -magnitude } else { magnitude };
    Ok(Parsed { quantity: Quantity { nano, format: kept }, keeps_text: text != "0" && keeps_text(&parts, &scale) })
}

/// A binary quantity beyond all counting is capped like any other that is too large.
fn cap_if_too_large(error: QuantityError) -> Result<i128, QuantityError> {
    if error == QuantityError::TooLarge { Ok(BINARY_MAX) } else { Err(error) }
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, rest) = take(unsigned.trim_start_matches('0'), |byte| byte.is_ascii_digit());
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(after) => take(after, |byte| byte.is_ascii_digit()),
        None => ("", rest),
    };
    let (_, after_letters) = take(suffix, |byte| b"eEinumkKMGTP".contains(&byte));
    let digits = after_letters.strip_prefix(['-', '+']).unwrap_or(after_letters);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    // Upstream demands a digit only where the text has something else in its place.
    Ok(Parts { negative, whole, fraction, suffix })
}

/// The longest start of a text whose bytes are all wanted, and the rest.
fn take(text: &str, wanted: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !wanted(byte)).unwrap_or(text.len());
    text.split_at(end)
}

fn read_suffix(suffix: &str) -> Result<(Scale, QuantityFormat), QuantityError> {
    let ten = |exponent| Ok((Scale::Ten(exponent), QuantityFormat::DecimalSi));
    let two = |bits| Ok((Scale::Two(bits), QuantityFormat::BinarySi));
    match suffix {
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "" => ten(0),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => match suffix.strip_prefix(['e', 'E']).map(str::parse) {
            Some(Ok(exponent)) => Ok((Scale::Ten(exponent), QuantityFormat::DecimalExponent)),
            _ => Err(QuantityError::Suffix),
        },
    }
}

/// The digits times `factor` times ten to the `exponent`, in nano-units, rounded up.
fn decimal(parts: &Parts<'_>, exponent: i32, factor: i128) -> Result<i128, QuantityError> {
    let fraction = parts.fraction.trim_end_matches('0');
    let mut number: i128 = 0;
    let mut scale = i64::from(exponent) + 9;
    // Digits below the nano place count only in that there are any, so they need no room.
    let (mut lost, mut cut) = (false, false);
    for (digit, in_fraction) in parts.whole.bytes().map(|d| (d, false)).chain(fraction.bytes().map(|d| (d, true))) {
        if in_fraction {
            scale -= 1;
        }
        let value = i128::from(digit - b'0');
        match number.checked_mul(10).and_then(|shifted| shifted.checked_add(value)) {
            Some(next) if !cut => number = next,
            _ => {
                cut = true;
                scale += 1;
                lost |= value != 0;
            }
        }
    }
    if number == 0 {
        return Ok(0);
    }
    if cut && scale >= 0 {
        return Err(QuantityError::TooLarge);
    }
    let scaled = number.checked_mul(factor).ok_or(QuantityError::TooLarge)?;
    if scale >= 0 {
        let power = u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale));
        return power.and_then(|power| scaled.checked_mul(power)).ok_or(QuantityError::TooLarge);
    }
    let Some(divisor) = u32::try_from(-scale).ok().and_then(|scale| 10_i128.checked_pow(scale)) else {
        return Ok(1);
    };
    Ok(scaled / divisor + i128::from(scaled % divisor != 0 || lost))
}

/// Whether upstream's quick path takes the text for canonical, and so shows it as it is.
fn keeps_text(parts: &Parts<'_>, scale: &Scale) -> bool {
    let whole = if parts.whole.is_empty() { "0" } else { parts.whole };
    let digits = whole.len() + parts.fraction.len();
    match scale {
        Scale::Two(bits) => {
            // About three digits for each ten bits; what could overflow 64 bits goes the slow way.
            let room = 14 - whole.len() as i64 - i64::from(*bits) * 3 / 10;
            let last_bits = whole.parse::<i64>().is_ok_and(|number| number & 7 != 0);
            parts.fraction.is_empty() && room >= 0 && last_bits
        }
        Scale::Ten(exponent) => {
            let places = i64::from(*exponent) - parts.fraction.len() as i64;
            let thousands = format!("{whole}{}", parts.fraction).ends_with("000");
            digits <= 18 && places >= -9 && places % 3 == 0 && !thousands && !whole.starts_with('0')
        }
    }
}
