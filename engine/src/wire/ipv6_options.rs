//! The options of IPv6's hop-by-hop and destination options headers (RFC 8200, section 4.2).
//!
//! ```text
//!  next header │ length in units of 8 bytes, less one │ option │ option │ …
//!                                                      type │ length of what follows │ …      type 0: one byte of padding
//! ```

use core::{fmt, ops::Range};

use super::ipv6::Ipv6Header;

/// Which of the two headers options stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsHeader {
    /// What every router on the way reads, right behind the IPv6 header (RFC 8200, section 4.3).
    HopByHop,
    /// What the destination reads (RFC 8200, section 4.6).
    Destination,
}

/// How much of such a header is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionLimits {
    /// Options at most, padding aside.
    pub options: u32,
    /// Bytes of the header at most.
    pub bytes: u32,
}

/// An option's type (registry: IANA, "Destination Options and Hop-by-Hop Options").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionType(pub u8);

/// What becomes of a packet with an option that is not known (RFC 8200, section 4.2: the type's first two bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The option is passed over.
    Skip,
    /// The packet is dropped.
    Drop,
    /// It is dropped and its sender told.
    Tell,
    /// The same, but he is told only of a packet for a single host.
    TellOfOne,
}

impl OptionType {
    /// One byte of padding.
    pub const PAD1: Self = Self(0);
    /// Padding of two bytes or more.
    pub const PADN: Self = Self(1);
    /// Routers on the way are asked to look closer (RFC 2711).
    pub const ROUTER_ALERT: Self = Self(0x05);
    /// A label of security (CALIPSO, RFC 5570).
    pub const LABEL: Self = Self(0x07);
    /// What routers on the way write down (IOAM, RFC 9486); this type may not be changed on the way.
    pub const IOAM: Self = Self(0x31);
    /// The length of a payload of more than 65535 bytes (RFC 2675).
    pub const JUMBO: Self = Self(0xc2);

    /// What whoever does not know it does.
    #[must_use]
    pub const fn unknown(self) -> Unknown {
        match self.0 >> 6 {
            0 => Unknown::Skip,
            1 => Unknown::Drop,
            2 => Unknown::Tell,
            _ => Unknown::TellOfOne,
        }
    }
}

/// What is wrong with an options header: what is found first. Places are bytes from the start of the IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionFault {
    /// The packet ends before the header does, or the header before its last option.
    Truncated,
    /// More than seven bytes of padding between two options, or padding that is not all zero.
    Padding,
    /// An option that is known has a length that it cannot have, stands where it must not, or is a label that nobody here knows.
    Malformed(OptionType),
    /// An option that is not known, at that place, asks for the packet to be dropped.
    Unknown(OptionType, usize),
    /// Jumbo payload's length, at that place, can be told in the IPv6 header or is told there, too.
    JumboNeedless(usize),
    /// The payload has fewer bytes than jumbo payload says.
    JumboTruncated,
    /// There are more options than that.
    TooMany(u32),
    /// The header is longer than so many bytes.
    TooLong(u32),
}

impl fmt::Display for OptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("it ends too early"),
            Self::Padding => f.write_str("its padding is longer than seven bytes or not of zeros"),
            Self::Malformed(OptionType(kind)) => write!(f, "its option {kind:#04x} cannot be as it is"),
            Self::Unknown(kind, at) => {
                let asked = match kind.unknown() {
                    Unknown::Skip => "nothing",
                    Unknown::Drop => "to drop the packet then",
                    Unknown::Tell => "to drop the packet then and tell its sender",
                    Unknown::TellOfOne => "to drop the packet then and tell its sender, unless it was for a group",
                };
                write!(f, "its option {:#04x} at byte {at} is not known and asks {asked}", kind.0)
            }
            Self::JumboNeedless(at) => write!(f, "the jumbo payload at byte {at} is none"),
            Self::JumboTruncated => f.write_str("its jumbo payload is longer than the packet"),
            Self::TooMany(most) => write!(f, "it has more than {most} options"),
            Self::TooLong(most) => write!(f, "it is longer than {most} bytes"),
        }
    }
}

/// Where an options header stands, from the start of the IPv6 header: what is known once its first 8 bytes are there.
///
/// # Errors
/// [`OptionFault::Truncated`] when they are not, or the packet of `len` bytes ends inside the header;
/// [`OptionFault::TooLong`].
pub fn extent(first: &[u8], at: usize, len: usize, limits: OptionLimits) -> Result<Range<usize>, OptionFault> {
    let &[_, units, ..] = first else { return Err(OptionFault::Truncated) };
    let bytes = (usize::from(units) + 1) * 8;
    if at + bytes > len {
        return Err(OptionFault::Truncated);
    }
    if bytes as u64 > u64::from(limits.bytes) {
        return Err(OptionFault::TooLong(limits.bytes));
    }
    Ok(at..at + bytes)
}

/// Reads the options of a header that stands at `extent` of an IPv6 packet, `packet` from its IPv6 header on; they are all there.
///
/// # Errors
/// What is wrong, as Linux sees it (v6.18: `net/ipv6/exthdrs.c`, `ip6_parse_tlv()`).
pub fn read(
    header: OptionsHeader,
    packet: &[u8],
    extent: Range<usize>,
    limits: OptionLimits,
) -> Result<(), OptionFault> {
    let (mut at, mut padding, mut count) = (extent.start + 2, 0, 0);
    let area = packet.get(..extent.end).ok_or(OptionFault::Truncated)?;
    while let Some((&kind, rest)) = area.get(at..).and_then(<[u8]>::split_first) {
        let kind = OptionType(kind);
        if kind == OptionType::PAD1 {
            (at, padding) = (at + 1, padding + 1);
        } else {
            let (&len, rest) = rest.split_first().ok_or(OptionFault::Truncated)?;
            let data = rest.get(..usize::from(len)).ok_or(OptionFault::Truncated)?;
            if kind == OptionType::PADN {
                padding += 2 + data.len();
                if data.iter().any(|byte| *byte != 0) {
                    return Err(OptionFault::Padding);
                }
            } else {
                count += 1;
                if count > limits.options {
                    return Err(OptionFault::TooMany(limits.options));
                }
                heed(header, packet, kind, data, at)?;
                padding = 0;
            }
            at += 2 + data.len();
        }
        if padding > PADDING_MAX {
            return Err(OptionFault::Padding);
        }
    }
    Ok(())
}

/// Reads one option; those that only routers know are unknown at the destination.
fn heed(header: OptionsHeader, packet: &[u8], kind: OptionType, data: &[u8], at: usize) -> Result<(), OptionFault> {
    let is_right = match (header, kind) {
        // Nobody here asks for such packets.
        (OptionsHeader::HopByHop, OptionType::ROUTER_ALERT) => data.len() == 2,
        // Nothing is written down here (`net.ipv6.conf.DEVICE.ioam6_enabled` is 0).
        (OptionsHeader::HopByHop, OptionType::IOAM) => at.is_multiple_of(4),
        // No domain of labels is known here, and what cannot be judged is not let through (Linux: `calipso_validate()`).
        (OptionsHeader::HopByHop, OptionType::LABEL) => false,
        (OptionsHeader::HopByHop, OptionType::JUMBO) => return Err(jumbo(packet, data, at)),
        (OptionsHeader::HopByHop | OptionsHeader::Destination, _) => match kind.unknown() {
            Unknown::Skip => true,
            Unknown::Drop | Unknown::Tell | Unknown::TellOfOne => return Err(OptionFault::Unknown(kind, at)),
        },
    };
    if is_right { Ok(()) } else { Err(OptionFault::Malformed(kind)) }
}

/// What is wrong with a jumbo payload: something always is, since no packet here is longer than 65535 bytes.
fn jumbo(packet: &[u8], data: &[u8], at: usize) -> OptionFault {
    let Ok(len) = <[u8; 4]>::try_from(data).map(u32::from_be_bytes) else {
        return OptionFault::Malformed(OptionType::JUMBO);
    };
    if at % 4 != 2 {
        return OptionFault::Malformed(OptionType::JUMBO);
    }
    let says_length = packet.get(LENGTH_AT).is_none_or(|bytes| bytes != [0, 0]);
    match len {
        0..=0xffff => OptionFault::JumboNeedless(at + 2),
        _ if says_length => OptionFault::JumboNeedless(at),
        _ => OptionFault::JumboTruncated,
    }
}

/// Bytes of padding between two options: more is no use to align what follows (RFC 4942, section 2.1.9.5).
const PADDING_MAX: usize = 7;
/// Where the payload's length stands in an IPv6 header.
const LENGTH_AT: Range<usize> = 4..6;

const _: () = assert!(LENGTH_AT.end < Ipv6Header::LEN);

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: OptionLimits = OptionLimits { options: 8, bytes: u32::MAX };

    /// An IPv6 header and an options header with these options.
    fn packet(options: &[u8]) -> Vec<u8> {
        let mut packet = Vec::from([0x60; Ipv6Header::LEN]);
        packet.extend([59, (options.len() / 8) as u8]);
        packet.extend(options);
        packet
    }

    fn read_all(header: OptionsHeader, packet: &[u8], limits: OptionLimits) -> Result<(), OptionFault> {
        let at = Ipv6Header::LEN;
        read(header, packet, extent(&packet[at..], at, packet.len(), limits)?, limits)
    }

    #[rustfmt::skip]
    static CASES: [(&[u8], Result<(), OptionFault>); 16] = [
        (&[1, 4, 0, 0, 0, 0],                       Ok(())),
        (&[1, 4, 0, 0, 1, 0],                       Err(OptionFault::Padding)),
        (&[0; 14],                                  Err(OptionFault::Padding)),
        (&[0, 0, 0, 0, 0, 0x1e, 0, 0, 0, 0, 0, 0, 0, 0], Ok(())),
        (&[0, 0, 0, 0, 0x1e, 0, 0, 0, 0, 0, 0, 0, 0, 0], Err(OptionFault::Padding)),
        (&[0, 0, 0, 0, 0, 0, 0, 0x1e, 0, 0, 0, 0, 0, 0], Ok(())),
        (&[5, 2, 0, 0, 0, 0],                       Ok(())),
        (&[5, 1, 0, 0, 0, 0],                       Err(OptionFault::Malformed(OptionType::ROUTER_ALERT))),
        (&[0x1e, 5, 0, 0, 0, 0],                    Err(OptionFault::Truncated)),
        (&[0, 0, 0, 0, 0, 0x1e],                    Err(OptionFault::Truncated)),
        (&[0x5e, 4, 0, 0, 0, 0],                    Err(OptionFault::Unknown(OptionType(0x5e), 42))),
        (&[0xc2, 4, 0, 0, 255, 255],                Err(OptionFault::JumboNeedless(44))),
        (&[0xc2, 4, 0, 1, 0, 0],                    Err(OptionFault::JumboNeedless(42))),
        (&[0xc2, 3, 0, 1, 0, 0],                    Err(OptionFault::Malformed(OptionType::JUMBO))),
        (&[7, 8, 0, 0, 0, 7, 0, 3, 0xff, 7, 1, 2, 0, 0], Err(OptionFault::Malformed(OptionType::LABEL))),
        (&[0x31, 4, 0, 0, 0, 0],                    Err(OptionFault::Malformed(OptionType::IOAM))),
    ];

    #[test]
    fn options_of_routers_are_read_as_linux_reads_them() {
        for (options, expected) in CASES {
            assert_eq!(read_all(OptionsHeader::HopByHop, &packet(options), LIMITS), expected, "{options:?}");
        }
    }

    #[test]
    fn what_only_routers_know_is_unknown_at_the_destination() {
        let alert = packet(&[5, 7, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0]);
        assert_eq!(read_all(OptionsHeader::Destination, &alert, LIMITS), Ok(()));
        let jumbo = packet(&[0xc2, 4, 0, 1, 0, 0]);
        let expected = Err(OptionFault::Unknown(OptionType::JUMBO, 42));
        assert_eq!(read_all(OptionsHeader::Destination, &jumbo, LIMITS), expected);
    }

    #[test]
    fn a_header_is_as_long_as_is_taken_and_has_as_many_options() {
        let two = packet(&[0x1e, 0, 0x1e, 0, 0, 0]);
        let with = |options, bytes| read_all(OptionsHeader::HopByHop, &two, OptionLimits { options, bytes });
        assert_eq!(with(2, 8), Ok(()));
        assert_eq!(with(1, 8), Err(OptionFault::TooMany(1)));
        assert_eq!(with(2, 7), Err(OptionFault::TooLong(7)));
        assert_eq!(extent(&[59, 1], 40, 55, LIMITS), Err(OptionFault::Truncated));
        assert_eq!(extent(&[59], 40, 41, LIMITS), Err(OptionFault::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(destination: bool, options in proptest::collection::vec(any::<u8>(), 0..80)) {
            let header = if destination { OptionsHeader::Destination } else { OptionsHeader::HopByHop };
            let _ = read_all(header, &packet(&options), LIMITS);
        }

        #[test]
        fn skipped_options_with_padding_between_are_right(lens in proptest::collection::vec((0_u8..9, 0_usize..7), 1..8)) {
            let mut options = Vec::new();
            for (len, padding) in lens {
                options.extend([0x1e, len]);
                options.resize(options.len() + usize::from(len) + padding, 0);
            }
            let last = (options.len() + 2).next_multiple_of(8) - options.len() - 2;
            options.extend(core::iter::repeat_n(0, last));
            let padded_too_far = options.iter().rev().take_while(|byte| **byte == 0).count() > 7;
            let result = read_all(OptionsHeader::HopByHop, &packet(&options), LIMITS);
            prop_assert!(result == Ok(()) || padded_too_far, "{:?}", result);
        }
    }
}
