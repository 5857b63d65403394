//! Neighbour discovery (RFC 4861): solicitations and advertisements of neighbours.

use core::net::Ipv6Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{ethernet::MacAddr, icmpv6::Icmpv6Type};

/// A neighbour solicitation or advertisement without its options (RFC 4861, sections 4.3 and 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct NeighbourMessage {
    /// [`Icmpv6Type::NEIGHBOUR_SOLICITATION`] or [`Icmpv6Type::NEIGHBOUR_ADVERTISEMENT`].
    pub kind: u8,
    /// Zero.
    pub code: u8,
    /// Over the pseudo-header and the whole message.
    pub checksum: [u8; 2],
    /// Of an advertisement; see [`Self::ROUTER`] and its like.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Who is asked for, or who advertises.
    pub target: [u8; 16],
}

const _: () = assert!(size_of::<NeighbourMessage>() == NeighbourMessage::LEN);

impl NeighbourMessage {
    /// Its length in bytes.
    pub const LEN: usize = 24;
    /// Its length with one option that holds an Ethernet address.
    pub const WITH_ADDRESS_LEN: usize = Self::LEN + OPTION_LEN;
    /// In [`Self::flags`]: the sender is a router.
    pub const ROUTER: u8 = 0x80;
    /// It answers a solicitation.
    pub const SOLICITED: u8 = 0x40;
    /// It replaces what is known.
    pub const OVERRIDE: u8 = 0x20;
    /// The hop limit of these messages: one that a router has forwarded has less (RFC 4861, section 7.1).
    pub const HOP_LIMIT: u8 = 255;

    /// Who is asked for, or who advertises.
    #[must_use]
    pub const fn target(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.target)
    }

    /// A solicitation of `target` with the sender's Ethernet address, if it has one to tell; the checksum is left open.
    #[must_use]
    pub fn solicitation(target: Ipv6Addr, sender: MacAddr) -> [u8; Self::WITH_ADDRESS_LEN] {
        Self::new(Icmpv6Type::NEIGHBOUR_SOLICITATION, 0, target).with_address(SOURCE_ADDRESS, sender)
    }

    /// An advertisement of `target` at an Ethernet address; the checksum is left open.
    #[must_use]
    pub fn advertisement(target: Ipv6Addr, flags: u8, mac: MacAddr) -> [u8; Self::WITH_ADDRESS_LEN] {
        Self::new(Icmpv6Type::NEIGHBOUR_ADVERTISEMENT, flags, target).with_address(TARGET_ADDRESS, mac)
    }

    const fn new(kind: Icmpv6Type, flags: u8, target: Ipv6Addr) -> Self {
        Self { kind: kind.0, code: 0, checksum: [0; 2], flags, reserved: [0; 3], target: target.octets() }
    }

    fn with_address(self, option: u8, mac: MacAddr) -> [u8; Self::WITH_ADDRESS_LEN] {
        let mut message = [0; Self::WITH_ADDRESS_LEN];
        message[..Self::LEN].copy_from_slice(self.as_bytes());
        message[Self::LEN] = option;
        message[Self::LEN + 1] = (OPTION_LEN / 8) as u8;
        message[Self::LEN + 2..].copy_from_slice(&mac.0);
        message
    }
}

/// What the options of a neighbour's message say. One that is not right makes the whole message wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighbourOptions {
    /// The sender's Ethernet address.
    pub source: Option<MacAddr>,
    /// The target's.
    pub target: Option<MacAddr>,
}

impl NeighbourOptions {
    /// Reads the options behind the message; `None` when one has no length or ends too early (RFC 4861, section 7.1).
    #[must_use]
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut options = Self::default();
        while !bytes.is_empty() {
            let len = usize::from(*bytes.get(1)?) * 8;
            if len == 0 {
                return None;
            }
            let (option, rest) = bytes.split_at_checked(len)?;
            if let (kind, Some(mac)) = (option[0], option[2..].first_chunk()) {
                let place = match kind {
                    SOURCE_ADDRESS => Some(&mut options.source),
                    TARGET_ADDRESS => Some(&mut options.target),
                    _ => None,
                };
                if let Some(place) = place {
                    *place = Some(MacAddr(*mac));
                }
            }
            bytes = rest;
        }
        Some(options)
    }
}

/// "Source link-layer address" and "target link-layer address" (RFC 4861, section 4.6.1).
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;
/// An option that holds an Ethernet address.
const OPTION_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_back(target: [u8; 16], mac: [u8; 6], flags: u8) {
            let target = Ipv6Addr::from_octets(target);
            let solicitation = NeighbourMessage::solicitation(target, MacAddr(mac));
            let advertisement = NeighbourMessage::advertisement(target, flags, MacAddr(mac));
            for (message, expected) in [
                (solicitation, NeighbourOptions { source: Some(MacAddr(mac)), target: None }),
                (advertisement, NeighbourOptions { source: None, target: Some(MacAddr(mac)) }),
            ] {
                let (header, options) = NeighbourMessage::ref_from_prefix(&message).expect("it is whole");
                prop_assert_eq!(header.target(), target);
                prop_assert_eq!(NeighbourOptions::parse(options), Some(expected));
            }
            prop_assert_eq!(advertisement[4], flags);
        }

        #[test]
        fn any_options_are_read_to_an_end_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let whole = bytes.len() % 8 == 0;
            prop_assert!(NeighbourOptions::parse(&bytes).is_none() || whole);
        }
    }
}
