//! Writes a connection's translation into its packets: addresses, ports, identifiers, and what of the checksums they
//! change.

mod plain;
mod transport;

pub(super) use transport::{Change, Filling, rewrite_transport};

use super::Manip;
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tuple},
    ending::DropReason,
    offload::checksum::{fill_sctp, is_partial},
    packet::{Checksum, Ip, IpMut, Network, Packet},
    wire::{Protocol, TcpHeader, checksum::update, ipv6, sctp::SCTP_HEADER_LEN},
};

/// Rewrites one end of a packet as its connection's translation says; does nothing when that end is not translated.
///
/// Checksums change by the difference (RFC 1624), so that one that was wrong stays wrong and a super-packet costs no
/// more than a small one. Where the device fills the checksum, only the pseudo-header's part of it is there to change.
///
/// # Errors
/// [`DropReason::NatUntranslatable`] when the transport header is too short, or GRE of an unknown version.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_packet()`; `net/netfilter/nf_nat_proto.c`, `nf_nat_manip_pkt()`.
pub fn rewrite(
    connection: &Connection,
    direction: Direction,
    manip: Manip,
    packet: &mut Packet,
) -> Result<(), DropReason> {
    if !translates(connection, direction, manip) {
        return Ok(());
    }
    let answer = connection.tuple(direction.opposite());
    if plain::rewrite(answer, manip, packet) {
        return Ok(());
    }
    match answer.inverted() {
        Some(target) => rewrite_to(&target, manip, packet).ok_or(DropReason::NatUntranslatable),
        None => Ok(()),
    }
}

/// Rewrites both ends of a packet as far as its connection's translation says, the destination first, as a packet that
/// passes through has them rewritten.
///
/// # Errors
/// As [`rewrite`].
#[inline]
pub fn rewrite_both(connection: &Connection, direction: Direction, packet: &mut Packet) -> Result<(), DropReason> {
    for manip in [Manip::Destination, Manip::Source] {
        if translates(connection, direction, manip) {
            rewrite(connection, direction, manip, packet)?;
        }
    }
    Ok(())
}

/// Whether packets of a direction have this end rewritten: what is a source one way is a destination the other.
#[must_use]
pub const fn translates(connection: &Connection, direction: Direction, manip: Manip) -> bool {
    connection.status.contains(match (manip, direction) {
        (Manip::Source, Direction::Original) | (Manip::Destination, Direction::Reply) => Status::SRC_NAT,
        (Manip::Destination, Direction::Original) | (Manip::Source, Direction::Reply) => Status::DST_NAT,
    })
}

/// Rewrites one end of a packet to that end of `target`; `None`, with nothing changed, when that cannot be.
pub(super) fn rewrite_to(target: &Tuple, manip: Manip, packet: &mut Packet) -> Option<()> {
    let Some(address) = packet.ip().and_then(|ip| AddressChange::of(ip, target, manip)) else { return Some(()) };
    let filling = if is_partial(packet) { Filling::PseudoHeader } else { Filling::Whole };
    // Of IPv6 the transport may be out of reach (Linux: `nf_nat_ipv6_manip_pkt()`); the address is changed all the same.
    let out_of_reach =
        packet.network() == Network::Ipv6 && (packet.fragment_offset() > 0 || ipv6::is_extension(packet.protocol()));
    if !out_of_reach {
        rewrite_transport(target, manip, address.summed(), filling, packet.transport_bytes_mut())?;
    }
    if let Some(ip) = packet.ip_mut() {
        address.write(ip, manip);
    }
    if target.protocol() == Protocol::SCTP && filling == Filling::Whole {
        // It does not change by differences.
        fill_sctp(packet);
    }
    if matches!(packet.meta().checksum, Checksum::Complete(_)) {
        // The device's sum covers the old bytes.
        packet.meta_mut().checksum = Checksum::None;
    }
    Some(())
}

/// What is rewritten of a datagram that was put together here lies in its first piece from now on, which shows when it is
/// cut again (Linux v6.18: `net/core/skbuff.c`, `skb_ensure_writable()`).
pub(crate) fn lay_together(packet: &mut Packet) {
    let len = rewritten_len(packet.protocol(), packet.transport_len());
    if let Some(pieces) = packet.pieces_mut() {
        pieces.pull(len);
    }
}

/// How much of a transport header of `protocol` is rewritten, of which `len` bytes are there.
pub(super) const fn rewritten_len(protocol: Protocol, len: usize) -> usize {
    match protocol {
        Protocol::TCP if len >= TcpHeader::LEN => TcpHeader::LEN,
        Protocol::SCTP if len >= SCTP_HEADER_LEN => SCTP_HEADER_LEN,
        Protocol::TCP
        | Protocol::UDP
        | Protocol::UDPLITE
        | Protocol::ICMP
        | Protocol::ICMPV6
        | Protocol::GRE
        | Protocol::SCTP => 8,
        _ => 0,
    }
}

/// How one address of a header changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum AddressChange {
    V4(Change<4>),
    V6(Change<16>),
}

impl AddressChange {
    /// How an address of `ip` becomes that of `target`; `None` when they are of two families.
    pub(super) const fn of(ip: Ip<'_>, target: &Tuple, manip: Manip) -> Option<Self> {
        let after = match manip {
            Manip::Source => target.source,
            Manip::Destination => target.destination,
        };
        match (ip, target.family, manip) {
            (Ip::V4(ip), Family::Ipv4, Manip::Source) => {
                Some(Self::V4(Change { before: ip.source, after: after.as_v4() }))
            }
            (Ip::V4(ip), Family::Ipv4, Manip::Destination) => {
                Some(Self::V4(Change { before: ip.destination, after: after.as_v4() }))
            }
            (Ip::V6(ip), Family::Ipv6, Manip::Source) => Some(Self::V6(Change { before: ip.source, after: after.0 })),
            (Ip::V6(ip), Family::Ipv6, Manip::Destination) => {
                Some(Self::V6(Change { before: ip.destination, after: after.0 }))
            }
            (Ip::V4(_) | Ip::V6(_), Family::Ipv4 | Family::Ipv6, _) => None,
        }
    }

    /// What transport checksums see of it.
    pub(super) fn summed(self) -> Change<2> {
        match self {
            Self::V4(change) => change.summed(),
            Self::V6(change) => change.summed(),
        }
    }

    /// Writes it into a header of its family, and mends the header's checksum where there is one.
    pub(super) fn write(self, ip: IpMut<'_>, manip: Manip) {
        match (self, ip, manip) {
            (Self::V4(change), IpMut::V4(ip), manip) => {
                match manip {
                    Manip::Source => ip.source = change.after,
                    Manip::Destination => ip.destination = change.after,
                }
                ip.checksum = update(ip.checksum, change.before, change.after);
            }
            (Self::V6(change), IpMut::V6(ip), Manip::Source) => ip.source = change.after,
            (Self::V6(change), IpMut::V6(ip), Manip::Destination) => ip.destination = change.after,
            (Self::V4(_), IpMut::V6(_), _) | (Self::V6(_), IpMut::V4(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
