//! ICMP and ICMPv6 errors about translated connections: the packet they quote is translated back, and their own address
//! with it.

use zerocopy::FromBytes;

use super::{
    Manip,
    rewrite::{AddressChange, Change, Filling, rewrite_to, rewrite_transport, rewritten_len, translates},
};
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tuple},
    ending::DropReason,
    offload,
    packet::{Ip, IpMut, Packet},
    wire::{
        IcmpHeader, Icmpv6Type, Ipv4Header, Ipv6Header, Protocol, TcpHeader,
        checksum::{self, Routines, update},
        crc32c::crc32c,
        icmp::IcmpType,
        ipv6::{Chain, ChainEnd},
        sctp::SCTP_CHECKSUM,
    },
};

/// Whether a packet is a message of its family's ICMP.
#[must_use]
pub fn is_icmp(packet: &Packet) -> bool {
    match packet.ip() {
        Some(Ip::V4(_)) => packet.protocol() == Protocol::ICMP,
        Some(Ip::V6(_)) => packet.protocol() == Protocol::ICMPV6,
        None => false,
    }
}

/// Rewrites one end of an ICMP error, and the opposite end of the packet it quotes, which went the other way; all
/// checksums change with them: the error's, the quoted header's, and the quoted transport's where it is there.
///
/// An error sent by the translated host itself gets its translated address; one sent by a router on the way keeps the
/// router's, unless that lies on the translated host's side.
///
/// # Errors
/// [`DropReason::NatUntranslatable`] when the error's checksum is wrong, it quotes less than 8 transport bytes of a
/// connection that has to be translated, or it is a redirect about a connection that is translated or may yet be.
///
/// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `nf_nat_icmp_reply_translation()`, `nf_nat_icmpv6_reply_translation()`.
pub fn rewrite_icmp_error(
    connection: &Connection,
    direction: Direction,
    manip: Manip,
    packet: &mut Packet,
    routines: &Routines,
) -> Result<(), DropReason> {
    let long_enough = packet.transport_bytes().len() >= IcmpHeader::LEN + Ipv4Header::LEN;
    let redirects = match (packet.icmp(), packet.icmpv6()) {
        (Some(icmp), _) => icmp.icmp_type() == IcmpType::REDIRECT,
        (None, Some(icmp)) => icmp.icmp_type() == Icmpv6Type::REDIRECT,
        (None, None) => return Err(DropReason::NatUntranslatable),
    };
    if !long_enough || !offload::checksum::is_right(packet, routines) {
        return Err(DropReason::NatUntranslatable);
    }
    let settled = connection.status.contains(SETTLED);
    if redirects && (!settled || connection.status.intersects(Status::NAT)) {
        return Err(DropReason::NatUntranslatable);
    }
    if !translates(connection, direction, manip) {
        return Ok(());
    }
    let other = connection.tuple(direction.opposite());
    let inner_manip = match manip {
        Manip::Source => Manip::Destination,
        Manip::Destination => Manip::Source,
    };
    let partial = offload::checksum::is_partial(packet);
    // Both ICMPs have their checksum in the same place.
    if other.protocol() == Protocol::SCTP {
        packet.count_sum(packet.transport_bytes().len() - IcmpHeader::LEN);
    }
    let (header, quoted) = packet.transport_bytes_mut().split_at_mut(IcmpHeader::LEN);
    let change = rewrite_quoted(other, inner_manip, quoted).ok_or(DropReason::NatUntranslatable)?;
    if let (Ok((icmp, _)), false) = (IcmpHeader::mut_from_prefix(header), partial) {
        icmp.checksum = update(icmp.checksum, change.before, change.after);
    }
    // The error itself has nothing but addresses to translate.
    let protocol = match other.family {
        Family::Ipv4 => Protocol::ICMP.0,
        Family::Ipv6 => Protocol::ICMPV6.0,
    };
    let outer = other.inverted().map(|outer| Tuple { protocol, ..outer });
    outer.map_or(Some(()), |outer| rewrite_to(&outer, manip, packet)).ok_or(DropReason::NatUntranslatable)
}

/// What is looked at or rewritten of an error that was put together here lies in its first piece from now on, which shows
/// when it is cut again: the quoted network header, and the transport header if that is translated.
///
/// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `nf_nat_icmp_reply_translation()`, `nf_nat_icmpv6_reply_translation()`.
pub(crate) fn lay_error_together(connection: &Connection, direction: Direction, manip: Manip, packet: &mut Packet) {
    if packet.pieces().is_none() {
        return;
    }
    let network = match packet.family().unwrap_or_default() {
        Family::Ipv4 => Ipv4Header::LEN,
        Family::Ipv6 => Ipv6Header::LEN,
    };
    let mut len = IcmpHeader::LEN + network;
    let quoted = packet.transport_bytes().get(IcmpHeader::LEN..).unwrap_or_default();
    let head = packet.family().and_then(|family| Head::of(family, quoted));
    if let Some(head) = head.filter(|head| head.has_transport && translates(connection, direction, manip)) {
        let before = IcmpHeader::LEN + head.len;
        len = before + rewritten_len(head.protocol, packet.transport_len().saturating_sub(before));
    }
    if let Some(pieces) = packet.pieces_mut() {
        pieces.pull(len);
    }
}

/// Both ends are settled.
const SETTLED: Status = Status(Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0);

/// Rewrites one end of the quoted packet to that end of `target`, and tells how the sum over its headers has changed;
/// `None`, with nothing changed, when its transport header ends too early.
fn rewrite_quoted(target: &Tuple, manip: Manip, quoted: &mut [u8]) -> Option<Change<2>> {
    let head = Head::of(target.family, quoted)?;
    let headers = quoted.len().min(head.len + TcpHeader::LEN);
    let before = checksum::sum(&quoted[..headers]);
    let address = AddressChange::of(head.ip(quoted)?, target, manip)?;
    let (network, transport) = quoted.split_at_mut_checked(head.len)?;
    if head.has_transport {
        rewrite_transport(target, manip, address.summed(), Filling::Whole, transport)?;
    }
    if target.protocol() == Protocol::SCTP
        && let Some(field) = transport.get_mut(SCTP_CHECKSUM)
    {
        // As Linux does, over what is quoted, which is seldom all that it covered.
        field.fill(0);
        let crc = crc32c([&*transport]);
        transport[SCTP_CHECKSUM].copy_from_slice(&crc.to_le_bytes());
    }
    let ip = match target.family {
        Family::Ipv4 => IpMut::V4(Ipv4Header::mut_from_prefix(network).ok()?.0),
        Family::Ipv6 => IpMut::V6(Ipv6Header::mut_from_prefix(network).ok()?.0),
    };
    address.write(ip, manip);
    let after = checksum::sum(&quoted[..headers]);
    Some(Change { before: before.to_be_bytes(), after: after.to_be_bytes() })
}

/// The IP header of a quoted packet.
#[derive(Clone, Copy)]
struct Head {
    family: Family,
    /// Its bytes, with options or extension headers.
    len: usize,
    /// What follows.
    protocol: Protocol,
    /// Whether its header does.
    has_transport: bool,
}

impl Head {
    fn of(family: Family, quoted: &[u8]) -> Option<Self> {
        match family {
            Family::Ipv4 => {
                let (ip, _) = Ipv4Header::ref_from_prefix(quoted).ok()?;
                Some(Self { family, len: ip.header_len(), protocol: ip.protocol(), has_transport: true })
            }
            Family::Ipv6 => {
                let (ip, rest) = Ipv6Header::ref_from_prefix(quoted).ok()?;
                let chain = Chain::walk(ip.next_header(), rest);
                let has_transport = chain.end == ChainEnd::Upper;
                Some(Self { family, len: Ipv6Header::LEN + chain.len, protocol: chain.protocol, has_transport })
            }
        }
    }

    fn ip(self, quoted: &[u8]) -> Option<Ip<'_>> {
        match self.family {
            Family::Ipv4 => Ipv4Header::ref_from_prefix(quoted).ok().map(|(ip, _)| Ip::V4(ip)),
            Family::Ipv6 => Ipv6Header::ref_from_prefix(quoted).ok().map(|(ip, _)| Ip::V6(ip)),
        }
    }
}

#[cfg(test)]
mod tests;
