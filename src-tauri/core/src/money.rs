//! Money without floats: amounts in billionths of a dollar, rates per million tokens.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of US dollars in billionths; integer arithmetic only.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(
    feature = "ts",
    derive(ts_rs::TS),
    ts(as = "f64", export_to = "types.ts")
)]
#[serde(transparent)]
pub struct NanoUsd(pub i64);

/// A price in nano-dollars per one million tokens: $3 per million is `Rate(3_000_000_000)`.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Rate(pub i64);

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Reads a JSON number's text ("0.00534", "2.4e-7") exactly, rounding half up at the ninth place.
    /// `None` for anything that is not a finite decimal or does not fit.
    #[must_use]
    pub fn parse_decimal(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits = Vec::with_capacity(whole.len() + fraction.len());
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits.push(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        // How many of `digits` stand before the unit of one nano-dollar.
        let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + 9;
        let mut value: i64 = 0;
        for place in 0..kept.clamp(0, 40) {
            let digit = digits
                .get(usize::try_from(place).ok()?)
                .copied()
                .unwrap_or(0);
            value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
        }
        if kept > 40 && value != 0 {
            return None;
        }
        let next = usize::try_from(kept).ok().and_then(|at| digits.get(at));
        if next.is_some_and(|digit| *digit >= 5) {
            value = value.checked_add(1)?;
        }
        Some(Self(if negative { -value } else { value }))
    }

    /// Whole dollars.
    #[must_use]
    pub const fn dollars(dollars: i64) -> Self {
        Self(dollars * 1_000_000_000)
    }

    /// The amount as [`Self::display`] rounds it: what is said of two amounts beside each other must agree with what
    /// is shown of them.
    #[must_use]
    pub const fn shown(self) -> Self {
        let nanos = self.0.unsigned_abs();
        let rounded = if nanos < 10_000_000 {
            nanos.div_ceil(1_000_000) * 1_000_000
        } else {
            // The largest amounts have no cents to round up.
            nanos.saturating_add(5_000_000) / 10_000_000 * 10_000_000
        };
        let rounded = if rounded > i64::MAX as u64 {
            i64::MAX
        } else {
            rounded.cast_signed()
        };
        Self(if self.0 < 0 { -rounded } else { rounded })
    }

    /// The amount rounded to cents for people: "$1.23", "$0.004" below one cent, "-$3.00".
    #[must_use]
    pub fn display(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.shown().0.unsigned_abs();
        if nanos > 0 && nanos < 10_000_000 {
            return format!("{sign}$0.00{}", nanos / 1_000_000);
        }
        let cents = nanos / 10_000_000;
        format!("{sign}${}.{:02}", grouped(cents / 100), cents % 100)
    }
}

/// A count with thousands set apart: "1,234,567".
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + 4);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Exactly nine places, as the report's contract wants: "1.234567890".
impl fmt::Display for NanoUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(
            out,
            "{sign}{}.{:09}",
            nanos / 1_000_000_000,
            nanos % 1_000_000_000
        )
    }
}

impl std::ops::Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::Sub for NanoUsd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, nanos) in [
            ("0.00534", Some(5_340_000)),
            ("0.00023999999999999998", Some(240_000)),
            ("0.0000000005", Some(1)),
            ("0.00000000049", Some(0)),
            ("2.4e-7", Some(240)),
            ("1e-10", Some(0)),
            ("5e-10", Some(1)),
            ("12", Some(12_000_000_000)),
            ("1.5E2", Some(150_000_000_000)),
            ("-0.5", Some(-500_000_000)),
            ("0", Some(0)),
            ("0e999", Some(0)),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("1e300", None),
            ("", None),
            (".", None),
            ("-", None),
            ("NaN", None),
            ("1.2.3", None),
            ("0x10", None),
        ] {
            assert_eq!(
                NanoUsd::parse_decimal(text).map(|usd| usd.0),
                nanos,
                "{text}"
            );
        }
    }

    #[test]
    fn amounts_are_shown_for_people_and_for_programs() {
        for (nanos, people, programs) in [
            (0, "$0.00", "0.000000000"),
            (1, "$0.001", "0.000000001"),
            (4_000_000, "$0.004", "0.004000000"),
            (9_500_000, "$0.01", "0.009500000"),
            (10_000_000, "$0.01", "0.010000000"),
            (1_234_567_890, "$1.23", "1.234567890"),
            (1_235_000_000, "$1.24", "1.235000000"),
            (1_234_567_890_000_000, "$1,234,567.89", "1234567.890000000"),
            (-3_000_000_000, "-$3.00", "-3.000000000"),
            (i64::MAX, "$9,223,372,036.85", "9223372036.854775807"),
        ] {
            assert_eq!(NanoUsd(nanos).display(), people, "{nanos}");
            assert_eq!(NanoUsd(nanos).to_string(), programs, "{nanos}");
            let shown = NanoUsd(nanos).shown();
            assert_eq!(
                (shown.display(), shown.shown()),
                (people.to_owned(), shown),
                "{nanos}"
            );
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
