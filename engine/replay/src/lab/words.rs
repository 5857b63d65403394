//! Values of a scenario that are written as text: rates, sizes, times and chances.

use core::time::Duration;

use towpath_engine::random::Random;

use crate::config::Word;

/// Bits a second, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate(pub(super) u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// A time, which may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lapse(pub(super) Duration);

/// How often something happens, in parts of a billion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chance(u32);

impl Chance {
    /// Always.
    pub const ALWAYS: Self = Self(BILLION);
    /// Never.
    pub const NEVER: Self = Self(0);

    /// So many parts of a billion, at most all of them.
    #[must_use]
    pub const fn from_billionths(parts: u32) -> Self {
        Self(if parts > BILLION { BILLION } else { parts })
    }

    /// Whether it happens this time. What never happens takes no lot.
    pub(super) const fn happens(self, random: &mut Random) -> bool {
        self.0 > 0 && random.below(BILLION) < self.0
    }

    /// As a part of one.
    #[must_use]
    pub fn part(self) -> f64 {
        f64::from(self.0) / f64::from(BILLION)
    }
}

impl Word for Rate {
    const EXPECTED: &'static str = "a rate, such as \"10 Mbit/s\", \"1.5 Gbit/s\" or \"64 kbit/s\"";

    fn read(text: &str) -> Option<Self> {
        let units = [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1_000), ("bit/s", 1)];
        measured(text, &units).filter(|rate| *rate > 0).map(Self)
    }
}

impl Word for Size {
    const EXPECTED: &'static str = "a number of bytes, such as \"10 MB\", \"64 KiB\" or \"1500 B\"";

    fn read(text: &str) -> Option<Self> {
        let units = [
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
            ("GB", 1_000_000_000),
            ("MB", 1_000_000),
            ("kB", 1_000),
            ("B", 1),
        ];
        measured(text, &units).map(Self)
    }
}

impl Word for Lapse {
    const EXPECTED: &'static str = "a time up to a day, such as \"20ms\", \"250us\", \"1.5s\", \"2m\" or \"0s\"";

    fn read(text: &str) -> Option<Self> {
        let units = [
            ("ns", 1),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ];
        let nanos = measured(text, &units)?;
        (nanos <= 24 * 3_600_000_000_000).then(|| Self(Duration::from_nanos(nanos)))
    }
}

impl Word for Chance {
    const EXPECTED: &'static str = "a part of a hundred from \"0 %\" to \"100 %\", such as \"0.5 %\"";

    fn read(text: &str) -> Option<Self> {
        let parts = measured(text, &[("%", 10_000_000)])?;
        u32::try_from(parts).ok().filter(|parts| *parts <= BILLION).map(Self)
    }
}

/// A decimal number and its unit, in whole units of one; `None` when it is neither, or the number is no multiple of one.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.pow(fraction.len() as u32);
    let value = format!("{whole}{fraction}").parse::<u128>().ok()?.checked_mul(unit.into())?;
    if value % scale != 0 {
        return None;
    }
    u64::try_from(value / scale).ok()
}

const BILLION: u32 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_to_the_last_digit_or_not_at_all() {
        assert_eq!(Rate::read("1.5 Gbit/s"), Some(Rate(1_500_000_000)));
        assert_eq!(Rate::read("64kbit/s"), Some(Rate(64_000)));
        assert_eq!(Size::read("64 KiB"), Some(Size(65_536)));
        assert_eq!(Size::read("0 B"), Some(Size(0)));
        assert_eq!(Lapse::read("250us"), Some(Lapse(Duration::from_micros(250))));
        assert_eq!(Lapse::read("1.5s"), Some(Lapse(Duration::from_millis(1500))));
        assert_eq!(Lapse::read("0s"), Some(Lapse(Duration::ZERO)));
        assert_eq!(Chance::read("0.0001 %"), Some(Chance(1000)));
        assert_eq!(Chance::read("100 %"), Some(Chance::ALWAYS));
        for wrong in ["", "0 bit/s", "10", "10 Mbit", "-1 bit/s", "0.5 bit/s", "1e3 bit/s", ".5 Mbit/s"] {
            assert_eq!(Rate::read(wrong), None, "{wrong}");
        }
        for wrong in ["", "101 %", "0.00000001 %", "1", "%"] {
            assert_eq!(Chance::read(wrong), None, "{wrong}");
        }
        for wrong in ["25h", "s", "0.5ns", "99999999999999999999999h"] {
            assert_eq!(Lapse::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_happens_one_time_in_four_does() {
        let mut random = Random::new(1);
        let chance = Chance::read("25 %").expect("a chance");
        let happened = (0..10_000).filter(|_| chance.happens(&mut random)).count();
        assert!((2350..2650).contains(&happened), "{happened} of 10000");
    }
}
