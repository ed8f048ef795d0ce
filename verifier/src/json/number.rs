//! JSON numbers by their digits. A conversion to a double would round, and brings tables of ten thousand bytes along.

/// The digits from the first that is not 0, and how many of them stand before the decimal point, below 1 for fractions.
struct Decimal<'a> {
    digits: Digits<'a>,
    places: i64,
}

type Digits<'a> =
    core::iter::SkipWhile<core::iter::Chain<core::str::Bytes<'a>, core::str::Bytes<'a>>, fn(&u8) -> bool>;

impl<'a> Decimal<'a> {
    /// Checks the spelling of a number without its sign (RFC 8259 §6).
    fn read(text: &'a str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once(['.']).unwrap_or((mantissa, ""));
        let is_zero: fn(&u8) -> bool = |digit| *digit == b'0';
        let digits = whole.bytes().chain(fraction.bytes());
        let zeros = digits.clone().take_while(is_zero).count();
        // What has more digits than an i64 is beyond every bound anyway.
        let beyond = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
        let exponent: i64 = exponent.parse().unwrap_or(beyond);
        let places =
            i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(zeros).unwrap_or(i64::MAX);
        Self { digits: digits.skip_while(is_zero), places: exponent.saturating_add(places) }
    }
}

/// The whole part: negatives are 0, giants `u64::MAX`.
pub(super) fn whole(text: &str) -> u64 {
    if text.starts_with('-') {
        return 0;
    }
    let Decimal { mut digits, places } = Decimal::read(text);
    let mut places = places.clamp(0, MAX_PLACES);
    let Some(first) = digits.next().filter(|_| places > 0) else { return 0 };
    let mut value = u64::from(first - b'0');
    while places > 1 {
        let digit = u64::from(digits.next().unwrap_or(b'0') - b'0');
        let Some(more) = value.checked_mul(10).and_then(|tens| tens.checked_add(digit)) else {
            return u64::MAX;
        };
        value = more;
        places -= 1;
    }
    value
}

/// Returns whether a double would be infinite (IEEE 754 §4.3.1): at half a step over the greatest there is.
pub(super) fn is_infinite(text: &str) -> bool {
    let Decimal { digits, places } = Decimal::read(text.strip_prefix('-').unwrap_or(text));
    let mut digits = digits.peekable();
    if digits.peek().is_none() || places < GREATEST_PLACES {
        return false;
    }
    places > GREATEST_PLACES
        || digits.chain(core::iter::repeat(b'0')).take(GREATEST.len()).ge(GREATEST.bytes())
}

/// One more than `u64::MAX` has.
const MAX_PLACES: i64 = 21;
/// The first digits of 2^1024 − 2^970, which has so many.
const GREATEST: &str = "17976931348623158079";
const GREATEST_PLACES: i64 = 309;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_whole_part_is_exact() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("-5.5e9", 0),
            ("0.999", 0),
            ("0e999999999999999999999", 0),
            ("1e-999999999999999999999", 0),
            ("12.75", 12),
            ("0.0125e4", 125),
            ("125e-1", 12),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("1.8446744073709551614e19", u64::MAX - 1),
            ("18446744073709551616", u64::MAX),
            ("1e20", u64::MAX),
            ("1e21", u64::MAX),
            ("1e999999999999999999999", u64::MAX),
        ] {
            assert_eq!(whole(text), value, "{text}");
        }
    }

    #[test]
    fn what_a_double_cannot_hold_is_infinite() {
        let zeros = "0".repeat(400);
        for text in [
            "0e999",
            "1e308",
            "-1.7976931348623157e308",
            "179769313486231570e291",
            "1e-400",
            &format!("0.{zeros}1e700"),
        ] {
            assert!(!is_infinite(text), "{text}");
            assert!(text.parse::<f64>().unwrap().is_finite(), "{text}");
        }
        for text in [
            "1e309",
            "-1.7976931348623159e308",
            "1.79769313486231581e308",
            "1e99999999999999999999",
            &format!("1{zeros}"),
            &format!("0.{zeros}1e710"),
        ] {
            assert!(is_infinite(text), "{text}");
            assert!(text.parse::<f64>().unwrap().is_infinite(), "{text}");
        }
    }
}
