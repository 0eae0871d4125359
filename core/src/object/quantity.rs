//! Quantities of resources (`500m`, `1.5Gi`, `1e3`): exact arithmetic, and the texts that Kubernetes writes.
//!
//! A quantity is a whole number of nano-units together with the family of suffixes it was written in. Reading is in
//! [`parse`](self), writing follows upstream's canonical form: no fraction, the largest suffix that loses nothing, and
//! the family of suffixes that the quantity was given in (`2.5Gi` becomes `2560Mi`, `0.5` becomes `500m`, `1e4` becomes
//! `10e3`).

mod parse;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

pub use parse::QuantityError;

/// Nano-units in one unit: nothing finer is kept, finer texts are rounded up.
const NANO: i128 = 1_000_000_000;
/// Nano-units in a thousandth of a unit.
const NANO_PER_MILLI: i128 = 1_000_000;

/// The family of suffixes in which a quantity is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuantityFormat {
    /// `n u m "" k M G T P E`, powers of 1000.
    #[default]
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`, powers of 1024.
    BinarySi,
    /// `e3`, `e-3`: powers of ten.
    DecimalExponent,
}

/// An exact amount of a resource.
///
/// Equality and order look at the amount only: `1` equals `1000m`. Sums saturate at about 1.7e29 units.
///
/// ```
/// use inboard::object::quantity::Quantity;
///
/// let half: Quantity = "0.5".parse()?;
/// assert_eq!((half + half).to_string(), "1");
/// assert_eq!("2.5Gi".parse::<Quantity>()?.to_string(), "2560Mi");
/// # Ok::<(), inboard::object::quantity::QuantityError>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Quantity {
    nano: i128,
    format: QuantityFormat,
}

impl Quantity {
    /// Nothing at all, in decimal form.
    pub const ZERO: Self = Self { nano: 0, format: QuantityFormat::DecimalSi };

    /// A whole number of units (bytes, cores, pods) in a family of suffixes.
    pub const fn new(units: i64, format: QuantityFormat) -> Self {
        Self { nano: units as i128 * NANO, format }
    }

    /// So many thousandths of a unit: `from_milli(500)` is half a core.
    pub const fn from_milli(milli: i64) -> Self {
        Self { nano: milli as i128 * NANO_PER_MILLI, format: QuantityFormat::DecimalSi }
    }

    /// So many bytes, written with binary suffixes.
    pub const fn from_bytes(bytes: i64) -> Self {
        Self::new(bytes, QuantityFormat::BinarySi)
    }

    /// So many billionths of a unit, the finest that a quantity can tell apart.
    pub const fn from_nano(nano: i128, format: QuantityFormat) -> Self {
        Self { nano, format }
    }

    /// The amount in billionths of a unit.
    pub const fn nano(self) -> i128 {
        self.nano
    }

    /// The family of suffixes it is written in.
    pub const fn format(self) -> QuantityFormat {
        self.format
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.nano < 0
    }

    /// The amount in whole units, rounded away from zero (upstream's `Value`); saturates.
    pub fn value(self) -> i64 {
        saturate(divide_away(self.nano, NANO))
    }

    /// The amount in thousandths of a unit, rounded away from zero (upstream's `MilliValue`); saturates.
    pub fn as_milli(self) -> i64 {
        saturate(divide_away(self.nano, NANO_PER_MILLI))
    }

    /// The amount as a floating point number, for ratios and metrics only.
    pub fn as_f64(self) -> f64 {
        self.nano as f64 / NANO as f64
    }

    /// The amount so many times over; saturates.
    #[must_use]
    pub fn times(self, factor: i64) -> Self {
        Self { nano: self.nano.saturating_mul(i128::from(factor)), ..self }
    }

    /// Rounds away from zero to thousandths of a unit, the finest that upstream keeps of a cpu request.
    #[must_use]
    pub fn round_up_to_milli(self) -> Self {
        Self { nano: divide_away(self.nano, NANO_PER_MILLI).saturating_mul(NANO_PER_MILLI), ..self }
    }

    /// Reads an API quantity.
    ///
    /// # Errors
    /// When its text is none, as [`FromStr`] says.
    pub fn from_api(quantity: &ApiQuantity) -> Result<Self, QuantityError> {
        quantity.0.parse()
    }

    /// The API quantity with this amount, in canonical form.
    pub fn to_api(self) -> ApiQuantity {
        ApiQuantity(self.to_string())
    }
}

/// The text that an API server shows for a quantity given as `text`: canonical, except that upstream leaves some texts
/// as they are (`+1`, `1500e-3`, `1.500`), which its clients see and we keep too.
///
/// # Errors
/// When `text` is no quantity.
pub fn normalize(text: &str) -> Result<Cow<'_, str>, QuantityError> {
    let trimmed = text.trim();
    let parsed = parse::parse(trimmed)?;
    if parsed.keeps_text {
        return Ok(Cow::Borrowed(trimmed));
    }
    let canonical = parsed.quantity.to_string();
    Ok(if canonical == trimmed { Cow::Borrowed(trimmed) } else { Cow::Owned(canonical) })
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Reads a text; space around it is ignored, as upstream's JSON decoder does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text.trim()).map(|parsed| parsed.quantity)
    }
}

impl TryFrom<&ApiQuantity> for Quantity {
    type Error = QuantityError;

    fn try_from(quantity: &ApiQuantity) -> Result<Self, Self::Error> {
        Self::from_api(quantity)
    }
}

impl From<Quantity> for ApiQuantity {
    fn from(quantity: Quantity) -> Self {
        quantity.to_api()
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl AddAssign for Quantity {
    /// Adds; nothing plus something takes the something's suffixes.
    fn add_assign(&mut self, other: Self) {
        if self.is_zero() {
            self.format = other.format;
        }
        self.nano = self.nano.saturating_add(other.nano);
    }
}

impl SubAssign for Quantity {
    /// Subtracts; nothing less something takes the something's suffixes.
    fn sub_assign(&mut self, other: Self) {
        if self.is_zero() {
            self.format = other.format;
        }
        self.nano = self.nano.saturating_sub(other.nano);
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nano: self.nano.saturating_neg(), ..self }
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl fmt::Display for Quantity {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        // Below 1024 units, and where binary suffixes would lose a fraction, the text is decimal.
        let whole = self.nano % NANO == 0;
        if self.format == QuantityFormat::BinarySi && whole && self.nano.unsigned_abs() >= 1024 * NANO.unsigned_abs() {
            return fmt_binary(self.nano / NANO, f);
        }
        fmt_decimal(self.nano, self.format, f)
    }
}

fn fmt_binary(mut units: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut power = 0;
    while units % 1024 == 0 && power + 1 < SUFFIXES.len() {
        units /= 1024;
        power += 1;
    }
    write!(f, "{units}{}", SUFFIXES[power])
}

fn fmt_decimal(nano: i128, format: QuantityFormat, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let exponents = format == QuantityFormat::DecimalExponent;
    let (mut number, mut power) = (nano, 0);
    while number % 1000 == 0 && (exponents || power + 1 < SUFFIXES.len()) {
        number /= 1000;
        power += 1;
    }
    match SUFFIXES.get(power) {
        Some(suffix) if !exponents => write!(f, "{number}{suffix}"),
        _ if power == 3 => write!(f, "{number}"),
        _ => write!(f, "{number}e{}", power as i64 * 3 - 9),
    }
}

/// Divides and rounds away from zero.
fn divide_away(number: i128, divisor: i128) -> i128 {
    let quotient = number / divisor;
    if number % divisor == 0 { quotient } else { quotient + number.signum() }
}

fn saturate(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        normalize(text).map_or_else(|error| format!("error: {error}"), Cow::into_owned)
    }

    #[test]
    fn texts_are_shown_as_an_api_server_shows_them() {
        for (given, expected) in [
            ("0", "0"),
            ("00", "0"),
            ("0Ki", "0"),
            ("-", "0"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("1.50", "1500m"),
            ("1500m", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("1000M", "1G"),
            ("2000000000", "2G"),
            ("1.5Gi", "1536Mi"),
            ("2.5Gi", "2560Mi"),
            ("1024Ki", "1Mi"),
            ("1000Ki", "1000Ki"),
            ("0.5Ki", "512"),
            ("1.1Ki", "1126400m"),
            ("0.0015", "1500u"),
            ("100000000n", "100m"),
            ("12E", "12E"),
            ("1000000000000000m", "1T"),
            ("1e3", "1e3"),
            ("1E3", "1E3"),
            ("1e4", "10e3"),
            ("100e-3", "100e-3"),
            ("1000e0", "1e3"),
            ("1500e-3", "1500e-3"),
            ("+1", "+1"),
            ("-1.5Gi", "-1536Mi"),
            (" 1 ", "1"),
            ("0.1n", "1n"),
            ("0.0000000001", "1n"),
            ("-0.1n", "-1n"),
            ("1.0", "1"),
            ("1.", "1."),
            (".5", "500m"),
            ("8Ei", "9223372036854775807"),
            ("0.5i", "error: unable to parse quantity's suffix"),
        ] {
            assert_eq!(shown(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_upstreams_words() {
        for (given, expected) in [
            ("", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
            ("1 Gi", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
            ("1Gb", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
            ("1mm", "unable to parse quantity's suffix"),
            ("1K", "unable to parse quantity's suffix"),
            ("abc", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
            ("1e99999999999999999999", "unable to parse quantity's suffix"),
        ] {
            assert_eq!(
                given.parse::<Quantity>().map_err(|error| error.to_string()),
                Err(expected.to_owned()),
                "{given}"
            );
        }
    }

    #[test]
    fn amounts_add_compare_and_round_up() {
        let q = |text: &str| text.parse::<Quantity>().expect("a quantity");
        assert_eq!((q("1Gi") + q("512Mi")).to_string(), "1536Mi");
        assert_eq!((Quantity::ZERO + q("1Ki")).to_string(), "1Ki");
        assert_eq!((q("1") - q("1100m")).to_string(), "-100m");
        assert_eq!(q("1"), q("1000m"));
        assert!(q("1k") < q("1Ki"));
        assert_eq!((q("1001m").value(), q("-1001m").value(), q("1n").as_milli()), (2, -2, 1));
        assert_eq!((q("1e25").value(), q("-1e25").as_milli()), (i64::MAX, i64::MIN));
        assert_eq!([q("100m"), q("200m")].into_iter().sum::<Quantity>(), Quantity::from_milli(300));
    }
}
