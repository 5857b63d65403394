//! ICMP errors about translated connections: the packet they quote is translated back, and their own address with it.

use zerocopy::FromBytes;

use super::{
    Manip,
    rewrite::{Filling, SCTP_CHECKSUM, address_change, rewrite_to, rewrite_transport, set_address, translates},
};
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tuple},
    ending::DropReason,
    offload,
    packet::Packet,
    wire::{
        IcmpHeader, Ipv4Header, Protocol, TcpHeader,
        checksum::{self, Routines, update},
        crc32c::crc32c,
        icmp::IcmpType,
    },
};

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
/// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `nf_nat_icmp_reply_translation()`.
pub fn rewrite_icmp_error(
    connection: &Connection,
    direction: Direction,
    manip: Manip,
    packet: &mut Packet,
    routines: &Routines,
) -> Result<(), DropReason> {
    let long_enough = packet.transport_bytes().len() >= IcmpHeader::LEN + Ipv4Header::LEN;
    let Some(kind) = packet.icmp().map(IcmpHeader::icmp_type).filter(|_| long_enough) else {
        return Err(DropReason::NatUntranslatable);
    };
    if !offload::checksum::is_right(packet, routines) {
        return Err(DropReason::NatUntranslatable);
    }
    let settled = connection.status.contains(SETTLED);
    if kind == IcmpType::REDIRECT && (!settled || connection.status.intersects(Status::NAT)) {
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
    let bytes = packet.transport_bytes_mut();
    let (header, quoted) = bytes.split_at_mut(IcmpHeader::LEN);
    let headers = QUOTED_HEADERS_MAX.min(quoted.len());
    let before = checksum::sum(&quoted[..headers]);
    rewrite_quoted(other, inner_manip, quoted).ok_or(DropReason::NatUntranslatable)?;
    let after = checksum::sum(&quoted[..headers]);
    if let (Ok((icmp, _)), false) = (IcmpHeader::mut_from_prefix(header), partial) {
        icmp.checksum = update(icmp.checksum, before.to_be_bytes(), after.to_be_bytes());
    }
    // The error itself has nothing but addresses to translate.
    let outer = other.inverted().map(|outer| Tuple { protocol: Protocol::ICMP.0, ..outer });
    outer.map_or(Some(()), |outer| rewrite_to(&outer, manip, packet)).ok_or(DropReason::NatUntranslatable)
}

/// Both ends are settled.
const SETTLED: Status = Status(Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0);

/// An IPv4 header with all options and the fixed part of a TCP header.
const QUOTED_HEADERS_MAX: usize = 60 + TcpHeader::LEN;

/// Rewrites one end of the quoted packet to that end of `target`; `None`, with nothing changed, when its transport header
/// ends too early.
fn rewrite_quoted(target: &Tuple, manip: Manip, quoted: &mut [u8]) -> Option<()> {
    let (ip, _) = Ipv4Header::ref_from_prefix(quoted).ok()?;
    let address = address_change(ip, target, manip);
    let (head, transport) = quoted.split_at_mut_checked(ip.header_len())?;
    rewrite_transport(target, manip, address, Filling::Whole, transport)?;
    if target.protocol() == Protocol::SCTP
        && let Some(field) = transport.get_mut(SCTP_CHECKSUM)
    {
        // As Linux does, over what is quoted, which is seldom all that it covered.
        field.fill(0);
        let crc = crc32c([&*transport]);
        transport[SCTP_CHECKSUM].copy_from_slice(&crc.to_le_bytes());
    }
    if let (Ok((ip, _)), Family::Ipv4) = (Ipv4Header::mut_from_prefix(head), target.family) {
        set_address(ip, manip, address);
    }
    Some(())
}

#[cfg(test)]
mod tests;
