//! Ports, identifiers and checksums of transport headers, whether a packet carries them or an ICMP error quotes them.

use zerocopy::{FromBytes, byteorder::big_endian::U16};

use crate::{
    conntrack::Tuple,
    nat::Manip,
    wire::{
        IcmpHeader, Icmpv6Header, Icmpv6Type, Protocol, TcpHeader, UdpHeader,
        checksum::{sum_of_part, update},
    },
};

/// A part of a packet, before and after.
#[derive(Clone, Copy, Debug)]
pub(in crate::nat) struct Change<const N: usize> {
    pub(in crate::nat) before: [u8; N],
    pub(in crate::nat) after: [u8; N],
}

impl<const N: usize> Change<N> {
    /// The change as a checksum sees it: of any number of bytes no more than their sum.
    #[inline]
    pub(in crate::nat) fn summed(self) -> Change<2> {
        Change { before: sum_of_part(&self.before).to_be_bytes(), after: sum_of_part(&self.after).to_be_bytes() }
    }
}

/// What is in the checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nat) enum Filling {
    /// The checksum.
    Whole,
    /// The pseudo-header's sum only, not complemented: a device will fill it.
    PseudoHeader,
}

/// Rewrites one end of the transport header at the start of `bytes` to that end of `target`; `None`, with nothing
/// changed, when it ends before what has to be there. `address` is how the sum over the network header's
/// address changes.
///
/// Of TCP, 8 bytes are enough: that much an ICMP error quotes at least (RFC 792), and the checksum stands behind them.
/// SCTP's checksum is left to the caller, since it covers everything.
///
/// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `l4proto_manip_pkt()`.
pub(in crate::nat) fn rewrite_transport(
    target: &Tuple,
    manip: Manip,
    address: Change<2>,
    filling: Filling,
    bytes: &mut [u8],
) -> Option<()> {
    match target.protocol() {
        Protocol::TCP => match TcpHeader::mut_from_prefix(bytes) {
            Ok((tcp, _)) => {
                let port = set_port([&mut tcp.source_port, &mut tcp.destination_port], target, manip);
                tcp.checksum = filling.mend(tcp.checksum, address, port);
            }
            Err(_) => set_port_only(target, manip, bytes)?,
        },
        Protocol::UDP | Protocol::UDPLITE => {
            let (udp, _) = UdpHeader::mut_from_prefix(bytes).ok()?;
            let port = set_port([&mut udp.source_port, &mut udp.destination_port], target, manip);
            let has_none = target.protocol() == Protocol::UDP && udp.checksum == [0, 0];
            if filling == Filling::PseudoHeader || !has_none {
                udp.checksum = filling.mend_udp(udp.checksum, address, port);
            }
        }
        Protocol::SCTP => set_port_only(target, manip, bytes)?,
        Protocol::ICMP => {
            let (icmp, _) = IcmpHeader::mut_from_prefix(bytes).ok()?;
            if icmp.icmp_type().inverse().is_some() {
                let before = icmp.rest;
                let [high, low] = target.source_port.to_be_bytes();
                icmp.rest = [high, low, before[2], before[3]];
                if filling == Filling::Whole {
                    icmp.checksum = update(icmp.checksum, before, icmp.rest);
                }
            }
        }
        // Unlike ICMP's, its checksum covers the addresses (RFC 4443, section 2.3).
        Protocol::ICMPV6 => {
            let (icmp, _) = Icmpv6Header::mut_from_prefix(bytes).ok()?;
            let is_echo = matches!(icmp.icmp_type(), Icmpv6Type::ECHO_REQUEST | Icmpv6Type::ECHO_REPLY);
            let before = icmp.id().to_be_bytes();
            let after = if is_echo { target.source_port.to_be_bytes() } else { before };
            [icmp.rest[0], icmp.rest[1]] = after;
            icmp.checksum = filling.mend(icmp.checksum, address, Change { before, after });
        }
        Protocol::GRE => rewrite_gre(target, manip, bytes)?,
        _ => {}
    }
    Some(())
}

impl Filling {
    /// The field after the packet's address and port have changed.
    fn mend(self, checksum: [u8; 2], address: Change<2>, port: Change<2>) -> [u8; 2] {
        match self {
            Self::Whole => update(update(checksum, address.before, address.after), port.before, port.after),
            Self::PseudoHeader => {
                let complement = |sum: [u8; 2]| (!u16::from_be_bytes(sum)).to_be_bytes();
                complement(update(complement(checksum), address.before, address.after))
            }
        }
    }

    /// The same for UDP, where a computed 0 is sent as 0xffff.
    fn mend_udp(self, checksum: [u8; 2], address: Change<2>, port: Change<2>) -> [u8; 2] {
        match (self, self.mend(checksum, address, port)) {
            (Self::Whole, [0, 0]) => [0xff, 0xff],
            (Self::Whole | Self::PseudoHeader, mended) => mended,
        }
    }
}

/// Sets the source's or destination's port.
fn set_port(ports: [&mut U16; 2], target: &Tuple, manip: Manip) -> Change<2> {
    let [source, destination] = ports;
    let (field, after) = match manip {
        Manip::Source => (source, target.source_port),
        Manip::Destination => (destination, target.destination_port),
    };
    let before = field.get().to_be_bytes();
    field.set(after);
    Change { before, after: after.to_be_bytes() }
}

/// Sets a port of a header whose checksum is not there: the ports of TCP and SCTP stand where UDP's do.
fn set_port_only(target: &Tuple, manip: Manip, bytes: &mut [u8]) -> Option<()> {
    let (ports, _) = UdpHeader::mut_from_prefix(bytes).ok()?;
    set_port([&mut ports.source_port, &mut ports.destination_port], target, manip);
    Some(())
}

/// Of GRE, version 1 names its receiver's call (RFC 2637), version 0 nothing; others are none that Linux lets through.
///
/// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `gre_manip_pkt()`.
fn rewrite_gre(target: &Tuple, manip: Manip, bytes: &mut [u8]) -> Option<()> {
    let [_, version, _, _, _, _, call_high, call_low] = bytes.first_chunk_mut::<8>()?;
    match (manip, *version & 0x07) {
        (Manip::Source, _) | (Manip::Destination, 0) => {}
        (Manip::Destination, 1) => [*call_high, *call_low] = target.destination_port.to_be_bytes(),
        (Manip::Destination, _) => return None,
    }
    Some(())
}
