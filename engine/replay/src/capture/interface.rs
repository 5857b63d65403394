//! What a capture says about the interfaces it was taken on.

use super::{CaptureErrorKind, LinkType};
use crate::limits::INTERFACES_MAX;

/// An interface of a capture: its index in [`super::Capture::interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u16);

/// What a capture says about one of its interfaces. A classic pcap has exactly one, without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name on the capturing host, such as `eth0`; bytes that are not UTF-8 are replaced.
    pub name: Option<String>,
    /// What the capturing user called it.
    pub description: Option<String>,
    /// What its packets start with.
    pub link: LinkType,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// At most this many bytes of a packet were kept; 0: no limit is told.
    pub snap_len: u32,
    /// Length of the check sequence behind each frame, in bytes.
    pub(super) fcs_len: u8,
    pub(super) clock: Clock,
}

impl Interface {
    /// An interface of which nothing is told but its name and link type.
    #[cfg(test)]
    pub(crate) fn named(name: &str, link: LinkType) -> Self {
        let name = Some(name.to_owned());
        Self { name, description: None, link, mac: None, snap_len: 0, fcs_len: 0, clock: Clock::MICROS }
    }
}

/// How an interface's time stamps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    tick: Tick,
    /// Added to every stamp.
    offset_secs: i64,
}

/// The length of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// So many nanoseconds.
    Nanos(u64),
    /// So many ticks make a nanosecond.
    PerNano(u64),
    /// So many make a second, as a power of two.
    PowerOfTwo(u8),
}

impl Clock {
    pub(super) const MICROS: Self = Self { tick: Tick::Nanos(1_000), offset_secs: 0 };

    /// The clock that pcapng's options `if_tsresol` and `if_tsoffset` tell of.
    ///
    /// `resolution` has a negative power of 10, or of 2 when its top bit is set. All 256 values are taken: a tick
    /// shorter than what 64 bits of stamp can carry past a nanosecond gives stamps of zero.
    pub(super) fn new(resolution: u8, offset_secs: i64) -> Self {
        let exponent = resolution & 0x7f;
        let tick = if resolution & 0x80 != 0 {
            Tick::PowerOfTwo(exponent)
        } else if exponent <= 9 {
            Tick::Nanos(10u64.pow(u32::from(9 - exponent)))
        } else {
            Tick::PerNano(10u64.checked_pow(u32::from(exponent - 9)).unwrap_or(u64::MAX))
        };
        Self { tick, offset_secs }
    }

    /// Nanoseconds since the Unix epoch, saturating at both ends.
    pub(super) fn nanos(self, stamp: u64) -> u64 {
        let nanos = match self.tick {
            Tick::Nanos(nanos) => stamp.saturating_mul(nanos),
            Tick::PerNano(count) => stamp / count,
            Tick::PowerOfTwo(exponent) => {
                u64::try_from((u128::from(stamp) * NANOS_PER_SEC as u128) >> exponent).unwrap_or(u64::MAX)
            }
        };
        if self.offset_secs == 0 {
            return nanos;
        }
        let shifted = i128::from(nanos) + i128::from(self.offset_secs) * i128::from(NANOS_PER_SEC);
        u64::try_from(shifted.max(0)).unwrap_or(u64::MAX)
    }
}

/// The interfaces of a whole capture, and how the current section numbers them.
///
/// A section that describes an interface as an earlier one did means the same interface: captures are put together
/// with `cat`, and rotated ones repeat their descriptions.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    all: Vec<Interface>,
    /// The current section's numbering.
    section: Vec<InterfaceId>,
    /// Which of `all` the current section has described.
    described: Vec<bool>,
}

impl Interfaces {
    pub(super) fn all(&self) -> &[Interface] {
        &self.all
    }

    pub(super) fn get(&self, id: InterfaceId) -> Option<&Interface> {
        self.all.get(usize::from(id.0))
    }

    /// The interface that the current section calls `number`.
    pub(super) fn in_section(&self, number: u32) -> Option<(InterfaceId, &Interface)> {
        let id = *self.section.get(usize::try_from(number).ok()?)?;
        Some((id, self.get(id)?))
    }

    /// Starts a section, which numbers its interfaces from 0 again.
    pub(super) fn start_section(&mut self) {
        self.section.clear();
        self.described.fill(false);
    }

    /// Adds the next interface of the section.
    pub(super) fn add(&mut self, interface: Interface) -> Result<(), CaptureErrorKind> {
        let known = self.all.iter().zip(&self.described);
        let same = known.enumerate().find(|(_, (known, described))| !**described && **known == interface);
        let index = match same {
            Some((index, _)) => index,
            None if self.all.len() < INTERFACES_MAX => {
                self.all.push(interface);
                self.described.push(false);
                self.all.len() - 1
            }
            None => return Err(CaptureErrorKind::TooManyInterfaces),
        };
        if let Some(described) = self.described.get_mut(index) {
            *described = true;
        }
        let id = InterfaceId(u16::try_from(index).map_err(|_| CaptureErrorKind::TooManyInterfaces)?);
        self.section.push(id);
        Ok(())
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_resolution_tells_the_same_second() {
        //        resolution          stamp
        let cases = [
            (0, 3),                             // seconds
            (3, 3_000),                         // milliseconds
            (6, 3_000_000),                     // microseconds: the default
            (9, 3_000_000_000),                 // nanoseconds
            (12, 3_000_000_000_000),            // picoseconds
            (18, 3_000_000_000_000_000_000),    // attoseconds
            (0x80, 3),                          // 2^-0
            (0x80 | 10, 3 << 10),               // 2^-10
            (0x80 | 32, 3 << 32),               // 2^-32, as NTP counts
            (0x80 | 62, 0xc000_0000_0000_0000), // 2^-62: the last one in which 3 s fit
        ];
        for (resolution, stamp) in cases {
            assert_eq!(Clock::new(resolution, 0).nanos(stamp), 3 * NANOS_PER_SEC, "resolution {resolution:#x}");
        }
    }

    #[test]
    fn an_offset_moves_the_stamp_and_stops_at_the_epoch() {
        assert_eq!(Clock::new(0, 100).nanos(5), 105 * NANOS_PER_SEC);
        assert_eq!(Clock::new(0, -100).nanos(5), 0);
        assert_eq!(Clock::new(0, -5).nanos(5), 0);
        assert_eq!(Clock::new(0, -4).nanos(5), NANOS_PER_SEC);
    }

    #[test]
    fn a_second_section_with_the_same_description_means_the_same_interface() {
        let mut interfaces = Interfaces::default();
        for name in ["a", "b", "a"] {
            interfaces.add(Interface::named(name, LinkType::ETHERNET)).unwrap();
        }
        interfaces.start_section();
        for name in ["b", "a", "a"] {
            interfaces.add(Interface::named(name, LinkType::ETHERNET)).unwrap();
        }
        let ids: Vec<_> = (0..3).filter_map(|number| interfaces.in_section(number)).map(|(id, _)| id.0).collect();
        assert_eq!(ids, [1, 0, 2]);
        assert_eq!(interfaces.all().len(), 3);
        assert!(interfaces.in_section(3).is_none());
    }

    proptest! {
        #[test]
        fn no_resolution_offset_or_stamp_overflows(resolution: u8, offset: i64, stamp: u64) {
            let nanos = Clock::new(resolution, offset).nanos(stamp);
            prop_assert!(offset < 0 || Clock::new(resolution, 0).nanos(stamp) <= nanos);
        }
    }
}
