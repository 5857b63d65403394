//! ICMP errors about translated connections: the packet they quote is translated back, and their own address with it.

use zerocopy::FromBytes;

use super::{
    Manip,
    rewrite::{Change, mend, mend_udp, rewrite_to, set_address, set_port, translates},
};
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tuple},
    ending::DropReason,
    offload,
    packet::Packet,
    wire::{
        IcmpHeader, Ipv4Header, Protocol, TcpHeader, UdpHeader,
        checksum::{self, Routines, update},
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
    let before = checksum::sum(head_of(quoted));
    rewrite_quoted(other, inner_manip, quoted).ok_or(DropReason::NatUntranslatable)?;
    let after = checksum::sum(head_of(quoted));
    if let (Ok((icmp, _)), false) = (IcmpHeader::mut_from_prefix(header), partial) {
        icmp.checksum = update(icmp.checksum, before.to_be_bytes(), after.to_be_bytes());
    }
    if let Some(outer) = other.inverted() {
        rewrite_to(&outer, manip, packet);
    }
    Ok(())
}

/// Both ends are settled.
const SETTLED: Status = Status(Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0);

/// The headers of a quoted packet, beyond which nothing is rewritten.
fn head_of(quoted: &[u8]) -> &[u8] {
    &quoted[..quoted.len().min(QUOTED_HEADERS_MAX)]
}

/// An IPv4 header with all options and the fixed part of a TCP header.
const QUOTED_HEADERS_MAX: usize = 60 + TcpHeader::LEN;

/// Rewrites one end of the quoted packet to that end of `target`; `None` when its transport header ends too early.
///
/// What is quoted of TCP may end before its checksum, which then stays.
fn rewrite_quoted(target: &Tuple, manip: Manip, quoted: &mut [u8]) -> Option<()> {
    let (ip, _) = Ipv4Header::ref_from_prefix(quoted).ok()?;
    let (head, transport) = quoted.split_at_mut_checked(ip.header_len())?;
    let (ip, _) = Ipv4Header::mut_from_prefix(head).ok()?;
    let old = match manip {
        Manip::Source => ip.source,
        Manip::Destination => ip.destination,
    };
    let new = match manip {
        Manip::Source => target.source.as_v4(),
        Manip::Destination => target.destination.as_v4(),
    };
    rewrite_quoted_transport(target, manip, Change { before: old, after: new }, transport)?;
    if target.family == Family::Ipv4 {
        set_address(ip, target, manip);
    }
    Some(())
}

fn rewrite_quoted_transport(target: &Tuple, manip: Manip, address: Change<4>, transport: &mut [u8]) -> Option<()> {
    match target.protocol() {
        Protocol::TCP => match TcpHeader::mut_from_prefix(transport) {
            Ok((tcp, _)) => {
                let port = set_port([&mut tcp.source_port, &mut tcp.destination_port], target, manip);
                tcp.checksum = mend(tcp.checksum, address, port);
            }
            // The ports stand where UDP's do, and the first 8 bytes are all that must be quoted (RFC 792).
            Err(_) => {
                let (ports, _) = UdpHeader::mut_from_prefix(transport).ok()?;
                set_port([&mut ports.source_port, &mut ports.destination_port], target, manip);
            }
        },
        Protocol::UDP => {
            let (udp, _) = UdpHeader::mut_from_prefix(transport).ok()?;
            let port = set_port([&mut udp.source_port, &mut udp.destination_port], target, manip);
            udp.checksum = mend_udp(udp.checksum, address, port);
        }
        Protocol::ICMP => {
            let (icmp, _) = IcmpHeader::mut_from_prefix(transport).ok()?;
            if icmp.icmp_type().inverse().is_some() {
                let before = icmp.rest;
                let [high, low] = target.source_port.to_be_bytes();
                icmp.rest = [high, low, before[2], before[3]];
                icmp.checksum = update(icmp.checksum, before, icmp.rest);
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests;
