//! Both ends of a packet, of either family, for matches that do not care which.

use crate::{
    conntrack::{Address, Family},
    packet::Packet,
    wire::Protocol,
};

/// Who sent a packet to whom, and how far it may still go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) family: Family,
    pub(super) source: Address,
    pub(super) destination: Address,
    /// TTL or hop limit.
    pub(super) hops: u8,
}

impl Ends {
    /// Reads a packet's network header; `None` when it has none with addresses.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let ip = packet.ip()?;
        let (source, destination) = (ip.source().into(), ip.destination().into());
        Some(Self { family: ip.family(), source, destination, hops: ip.hops() })
    }
}

/// Ports, as far as a protocol has them at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortBytes {
    Here(u16, u16),
    /// The protocol has none.
    None,
    /// They should be here, but the packet ends before.
    Cut,
}

/// Reads the four bytes where ports stand, of fragments too (Linux v6.18: `include/linux/ip.h`, `proto_ports_offset()`).
pub(super) fn ports(packet: &Packet) -> PortBytes {
    let offset = match packet.protocol() {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP | DCCP | ESP | UDPLITE => 0,
        AH => 4,
        _ => return PortBytes::None,
    };
    match packet.transport_bytes().get(offset..) {
        Some(&[a, b, c, d, ..]) => PortBytes::Here(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        Some(_) | None => PortBytes::Cut,
    }
}

/// Datagram Congestion Control Protocol (RFC 4340).
pub(super) const DCCP: Protocol = Protocol(33);
/// Encapsulating Security Payload (RFC 4303).
pub(super) const ESP: Protocol = Protocol(50);
/// Authentication Header (RFC 4302).
pub(super) const AH: Protocol = Protocol(51);
/// UDP-Lite (RFC 3828).
const UDPLITE: Protocol = Protocol(136);

/// The address in the bits of a mask.
pub(super) fn masked(Address(address): Address, Address(mask): Address) -> Address {
    let mut bytes = address;
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte &= mask;
    }
    Address(bytes)
}

/// The mask of a prefix of `length` bits; all ones when it is longer than an address.
pub(super) fn prefix_mask(length: u8) -> Address {
    let mut bytes = [0_u8; 16];
    for (index, byte) in (0_u8..).zip(&mut bytes) {
        let bits = length.saturating_sub(index * 8).min(8);
        *byte = (0xff00_u16 >> bits) as u8;
    }
    Address(bytes)
}

/// Bits of an address.
pub(super) const fn address_bits(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_any_length_keeps_its_first_bits() {
        let address = Address([0xff; 16]);
        assert_eq!(masked(address, prefix_mask(0)), Address([0; 16]));
        assert_eq!(masked(address, prefix_mask(12)).as_v4(), [0xff, 0xf0, 0, 0]);
        assert_eq!(masked(address, prefix_mask(32)), Address::v4([0xff; 4]));
        assert_eq!(masked(address, prefix_mask(128)), address);
    }
}
