//! Money: exact amounts in millionths of a currency's unit.

use std::fmt;

/// An amount of at most twelve digits before the point and six after it, as millionths.
///
/// ```
/// use tenure::event::Amount;
/// assert_eq!(Amount::from_decimal("129.90").unwrap().millionths(), 129_900_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// 999,999,999,999.999999
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// The amount of that many millionths, or none above [`Amount::MAX`].
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Option<Self> {
        if millionths <= Self::MAX.0 {
            Some(Self(millionths))
        } else {
            None
        }
    }

    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }

    /// Reads plain decimal digits: no sign, no exponent, at most six decimals.
    ///
    /// `0012.5` is 12.5; a leading or trailing point is refused.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        Self::from_small_units(text, 0)
    }

    /// Reads plain decimal digits of a unit of which ten to the power of `digits` are one: 12990 is
    /// 129.9 where it is 2. At most six decimals of the whole unit.
    ///
    /// ```
    /// use tenure::event::Amount;
    /// assert_eq!(Amount::from_small_units("12990", 2), Amount::from_decimal("129.9"));
    /// assert_eq!(Amount::from_small_units("12990", 7), None);
    /// ```
    #[must_use]
    #[inline]
    pub fn from_small_units(text: &str, digits: u8) -> Option<Self> {
        let mut units = 0_u64;
        let mut point = None;
        for (at, byte) in text.bytes().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                units = units.checked_mul(10)?.checked_add(u64::from(digit))?;
            } else if byte == b'.' && point.is_none() && at > 0 {
                point = Some(at);
            } else {
                return None;
            }
        }
        let decimals = match point {
            Some(at) => text.len() - at - 1,
            None => 0,
        };
        if text.is_empty() || (point.is_some() && decimals == 0) {
            return None;
        }
        let missing = 6_usize.checked_sub(decimals + usize::from(digits))?;
        Self::from_millionths(units.checked_mul(POWERS_OF_TEN[missing])?)
    }

    /// Reads a JSON number from its text, rounded half to even at the sixth decimal.
    ///
    /// No float is in between: `119.96999999999998` is 119.97. Negative numbers are refused, minus
    /// zero is zero.
    ///
    /// ```
    /// use tenure::event::Amount;
    /// let amount = |text| Amount::from_json_number(text).map(Amount::millionths);
    /// assert_eq!(amount("119.96999999999998"), Some(119_970_000));
    /// assert_eq!(amount("1.2e3"), Some(1_200_000_000));
    /// assert_eq!(amount("0.0000005"), Some(0));
    /// assert_eq!(amount("0.0000015"), Some(2));
    /// assert_eq!(amount("-1"), None);
    /// ```
    #[must_use]
    pub fn from_json_number(text: &str) -> Option<Self> {
        Self::from_small_json_number(text, 0)
    }

    /// The same of a number of a unit of which ten to the power of `digits` are one.
    ///
    /// ```
    /// use tenure::event::Amount;
    /// assert_eq!(Amount::from_small_json_number("12990", 2), Amount::from_decimal("129.9"));
    /// ```
    #[must_use]
    #[inline]
    pub fn from_small_json_number(text: &str, digits: u8) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, saturating_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = whole.bytes().chain(decimals.bytes());
        // The digit at index `units` is the first below a millionth.
        let units = i64::try_from(whole.len())
            .ok()?
            .saturating_add(exponent)
            .saturating_add(6 - i64::from(digits));

        let mut millionths = 0_u64;
        let mut half = std::cmp::Ordering::Less;
        let mut count = 0_i64;
        for digit in all {
            if !digit.is_ascii_digit() {
                return None;
            }
            let digit = digit - b'0';
            if count < units {
                millionths = millionths.checked_mul(10)?.checked_add(u64::from(digit))?;
            } else if count == units {
                half = digit.cmp(&5);
            } else if digit > 0 && half.is_eq() {
                half = std::cmp::Ordering::Greater;
            }
            count += 1;
        }
        if count == 0 {
            return None;
        }
        if millionths > 0 {
            for _ in count..units {
                millionths = millionths.checked_mul(10)?;
            }
        }
        if half.is_gt() || (half.is_eq() && millionths % 2 == 1) {
            millionths += 1;
        }
        if negative && (millionths > 0 || mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
        {
            return None;
        }
        Self::from_millionths(millionths)
    }
}

const POWERS_OF_TEN: [u64; 7] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/// An exponent far outside any amount is as good as its sign.
fn saturating_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
    Some(if negative { -size } else { size })
}

impl fmt::Display for Amount {
    /// Plain decimal digits, without trailing zeros of the decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{decimals:06}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_are_exact_or_refused() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                Amount::from_decimal(text).map(Amount::millionths),
                expected,
                "{text}"
            );
        };
        check("0", Some(0));
        check("0.00", Some(0));
        check("129.90", Some(129_900_000));
        check("0.000001", Some(1));
        check("999999999999.999999", Some(999_999_999_999_999_999));
        check("0012.5", Some(12_500_000));
        for text in [
            "",
            ".",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "1.0000000",
            "0.0000001",
            "1,5",
            " 1",
            "1 ",
            "NaN",
            "1000000000000",
            "99999999999999999999999999",
            "１",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn json_numbers_are_rounded_half_to_even_from_their_text() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                Amount::from_json_number(text).map(Amount::millionths),
                expected,
                "{text}"
            );
        };
        check("0", Some(0));
        check("-0", Some(0));
        check("-0.0e5", Some(0));
        check("129.9", Some(129_900_000));
        check("0.0000005", Some(0));
        check("0.00000050000000000000000000000001", Some(1));
        check("0.0000025", Some(2));
        check("0.0000035", Some(4));
        check("0.00000349999999", Some(3));
        check("1e-6", Some(1));
        check("5e-7", Some(0));
        check("6e-7", Some(1));
        check("15e-7", Some(2));
        check("1.5E+2", Some(150_000_000));
        check("1e11", Some(100_000_000_000_000_000));
        check("1e-999999999999999999999", Some(0));
        check("0e999999999999999999999", Some(0));
        check("999999999999.9999994", Some(999_999_999_999_999_999));
        for text in [
            "-1",
            "-0.0000001",
            "1e400",
            "1e12",
            "999999999999.9999995",
            "1000000000000",
            "1234567890123456789012345678901234567890",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn amounts_print_as_they_are_read() {
        for text in ["0", "129.9", "0.000001", "999999999999.999999", "1200"] {
            assert_eq!(
                Amount::from_decimal(text)
                    .map(|amount| amount.to_string())
                    .as_deref(),
                Some(text)
            );
        }
    }
}
