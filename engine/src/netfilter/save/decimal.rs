//! Decimal fractions as the C library reads them (`strtod()`), without floating point: `0.25`, `.5`, `1e-3`. Notations that
//! are for machines (`0x1p-1`, `nan`) are not read.

use alloc::vec::Vec;

/// Reads a fraction from 0 to 1, in 2^31 parts: rounded as the tool rounds it, first to 53 bits, of two to the even one, and then
/// to the nearest part, of two to the greater one (iptables 1.8.9: `extensions/libxt_statistic.c`, which has `lround()`).
pub(in crate::netfilter) fn parts(text: &str) -> Option<u32> {
    let Decimal { digits, point } = Decimal::parse(text.strip_prefix('+').unwrap_or(text))?;
    match point {
        _ if digits.is_empty() => Some(0),
        ..LEAST_POINT => Some(0),
        LEAST_POINT..=1 => rounded(fixed(&digits, point)),
        2.. => None,
    }
}

/// `0.digits` times ten to the power of `point`. The first digit is not 0; there is none when all are.
#[derive(Debug)]
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let letters = || whole.bytes().chain(fraction.bytes());
        if letters().next().is_none() || letters().any(|letter| !letter.is_ascii_digit()) {
            return None;
        }
        let zeros = letters().take_while(|letter| *letter == b'0').count();
        let mut digits: Vec<u8> = letters().skip(zeros).take(DIGITS_MAX).map(|letter| letter - b'0').collect();
        // What stands further behind counts only as being there.
        if letters().skip(zeros + DIGITS_MAX).any(|letter| letter != b'0') {
            digits.push(1);
        }
        let point = (whole.len() as i64 - zeros as i64).saturating_add(exponent);
        Some(Self { digits, point })
    }
}

/// Reads `-3`, `+3` or `3`; one too long to be of use as the furthest one.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || digits.bytes().any(|letter| !letter.is_ascii_digit()) {
        return None;
    }
    let exponent = digits.parse().unwrap_or(i64::MAX);
    Some(if negative { -exponent } else { exponent })
}

/// A number below ten in 2^88ths, and whether it is more than those.
fn fixed(digits: &[u8], point: i64) -> (u128, bool) {
    let (whole, fraction) = if point == 1 { digits.split_at(1) } else { (&[] as &[u8], digits) };
    let mut value = u128::from(whole.first().copied().unwrap_or_default());
    let zeros = usize::try_from(-point).unwrap_or_default();
    let mut fraction: Vec<u8> = core::iter::repeat_n(0, zeros).chain(fraction.iter().copied()).collect();
    for _ in 0..FRACTION_BITS {
        let mut carry = 0;
        for digit in fraction.iter_mut().rev() {
            let doubled = *digit * 2 + carry;
            (*digit, carry) = (doubled % 10, doubled / 10);
        }
        value = value << 1 | u128::from(carry);
    }
    (value, fraction.iter().any(|digit| *digit != 0))
}

fn rounded((value, is_more): (u128, bool)) -> Option<u32> {
    let Some(surplus) = (u128::BITS - value.leading_zeros()).checked_sub(MANTISSA_BITS).filter(|bits| *bits > 0) else {
        return Some(0);
    };
    let (kept, rest, half) = (value >> surplus, value & ((1 << surplus) - 1), 1 << (surplus - 1));
    let up = rest > half || (rest == half && (is_more || kept % 2 == 1));
    let double = (kept + u128::from(up)) << surplus;
    let parts = (double + (1 << (FRACTION_BITS - PART_BITS - 1))) >> (FRACTION_BITS - PART_BITS);
    (double <= 1 << FRACTION_BITS).then_some(parts as u32)
}

/// Fewer than the least part, by far.
const LEAST_POINT: i64 = -20;
/// The halves between doubles between parts have fewer digits.
const DIGITS_MAX: usize = 128;
const FRACTION_BITS: u32 = 88;
const MANTISSA_BITS: u32 = 53;
const PART_BITS: u32 = 31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fraction_may_have_an_exponent() {
        let half = Some(1 << 30);
        for text in ["0.5", ".5", "+0.5", "5e-1", "0.005E+2", "50e-002", "0.5000000000000000000000000"] {
            assert_eq!(parts(text), half, "{text}");
        }
        for text in ["1", "1.", "01", "10000e-4", "0.00001e5", "1.0000000000000001"] {
            assert_eq!(parts(text), Some(1 << 31), "{text}");
        }
        for text in ["0", "0e999", "1e-400", "1e-99999999999999999999", "0.0e99999999999999999999", "1e-10"] {
            assert_eq!(parts(text), Some(0), "{text}");
        }
    }

    #[test]
    fn what_is_no_fraction_from_0_to_1_is_refused() {
        let wrong = [
            "",
            ".",
            "e1",
            "5e",
            "0.5e+",
            "0.5x",
            "1e-1_0",
            "-0.5",
            "1.1",
            "1.0000000000000003",
            "2",
            "1e1",
            "1e999",
            "nan",
            "0x1",
        ];
        for text in wrong {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn halves_of_a_part_are_seen_through_the_rounding_of_a_double() {
        // Half a part is 2^-32, 2.3283064365386962890625e-10.
        assert_eq!(parts("2.3283064365386962890625e-10"), Some(1));
        assert_eq!(parts("2.3283064365386962e-10"), Some(1), "the nearest double is 2^-32");
        assert_eq!(parts("2.3283064365386960e-10"), Some(0));
    }

    proptest! {
        #[test]
        fn what_is_printed_in_full_is_read_back(wanted in 0_u32..=1 << 31) {
            // 2^-31 has 31 digits.
            let digits = u128::from(wanted) * 5_u128.pow(31);
            let one = 10_u128.pow(31);
            prop_assert_eq!(parts(&alloc::format!("{}.{:031}", digits / one, digits % one)), Some(wanted));
            prop_assert_eq!(parts(&alloc::format!("{digits}e-31")), Some(wanted));
        }

        #[test]
        fn a_double_gives_the_parts_that_floats_give(bits in 0_u64..0x3ff0_0000_0000_0001) {
            let double = f64::from_bits(bits);
            let text = alloc::format!("{double:e}");
            let parts_of = |fraction: u64, exponent: i64| {
                // The double is fraction * 2^exponent; its parts, half of one rounded up.
                let shift = -(exponent + 31);
                if shift > 100 { 0 } else { ((u128::from(fraction) + (1 << (shift - 1))) >> shift) as u32 }
            };
            let (raw, low) = ((bits >> 52) as i64, bits & ((1 << 52) - 1));
            let expected = if raw == 0 { 0 } else { parts_of(low | 1 << 52, raw - 1075) };
            prop_assert_eq!(parts(&text), Some(expected), "{}", text);
        }
    }
}
