//! Writes a connection's translation into its packets: addresses, ports, identifiers, and what of the checksums they
//! change.

use zerocopy::byteorder::big_endian::U16;

use super::Manip;
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tuple},
    packet::{Checksum, Network, Packet},
    wire::{
        Ipv4Header,
        checksum::{update, update_udp},
    },
};

/// Rewrites one end of a packet as its connection's translation says; does nothing when that end is not translated.
///
/// Checksums change by the difference (RFC 1624), so that one that was wrong stays wrong and a super-packet costs no
/// more than a small one. Where the device fills the checksum, only the pseudo-header's part of it is there to change.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_packet()`; `net/netfilter/nf_nat_proto.c`, `nf_nat_manip_pkt()`.
pub fn rewrite(connection: &Connection, direction: Direction, manip: Manip, packet: &mut Packet) {
    if !translates(connection, direction, manip) {
        return;
    }
    if let Some(target) = connection.tuple(direction.opposite()).inverted() {
        rewrite_to(&target, manip, packet);
    }
}

/// Whether packets of a direction have this end rewritten: what is a source one way is a destination the other.
#[must_use]
pub const fn translates(connection: &Connection, direction: Direction, manip: Manip) -> bool {
    connection.status.contains(match (manip, direction) {
        (Manip::Source, Direction::Original) | (Manip::Destination, Direction::Reply) => Status::SRC_NAT,
        (Manip::Destination, Direction::Original) | (Manip::Source, Direction::Reply) => Status::DST_NAT,
    })
}

/// Rewrites one end of a packet to that end of `target`.
pub(super) fn rewrite_to(target: &Tuple, manip: Manip, packet: &mut Packet) {
    if target.family != Family::Ipv4 || packet.network() != Network::Ipv4 {
        return;
    }
    let address = rewrite_address(target, manip, packet);
    rewrite_transport(target, manip, address, packet);
    if matches!(packet.meta().checksum, Checksum::Complete(_)) {
        // The device's sum covers the old bytes.
        packet.meta_mut().checksum = Checksum::None;
    }
}

/// A part of a packet, before and after.
#[derive(Clone, Copy)]
pub(super) struct Change<const N: usize> {
    pub(super) before: [u8; N],
    pub(super) after: [u8; N],
}

fn rewrite_address(target: &Tuple, manip: Manip, packet: &mut Packet) -> Change<4> {
    packet.ipv4_mut().map_or(Change { before: [0; 4], after: [0; 4] }, |ip| set_address(ip, target, manip))
}

/// Sets one address of a header and mends the header's checksum.
pub(super) fn set_address(ip: &mut Ipv4Header, target: &Tuple, manip: Manip) -> Change<4> {
    let (field, after) = match manip {
        Manip::Source => (&mut ip.source, target.source.as_v4()),
        Manip::Destination => (&mut ip.destination, target.destination.as_v4()),
    };
    let before = core::mem::replace(field, after);
    ip.checksum = update(ip.checksum, before, after);
    Change { before, after }
}

fn rewrite_transport(target: &Tuple, manip: Manip, address: Change<4>, packet: &mut Packet) {
    let partial = matches!(packet.meta().checksum, Checksum::Partial { .. });
    if let Some(tcp) = packet.tcp_mut() {
        let port = set_port([&mut tcp.source_port, &mut tcp.destination_port], target, manip);
        tcp.checksum = if partial { refill(tcp.checksum, address) } else { mend(tcp.checksum, address, port) };
    } else if let Some(udp) = packet.udp_mut() {
        let port = set_port([&mut udp.source_port, &mut udp.destination_port], target, manip);
        udp.checksum = if partial { refill(udp.checksum, address) } else { mend_udp(udp.checksum, address, port) };
    } else if let Some(icmp) = packet.icmp_mut()
        && icmp.icmp_type().inverse().is_some()
    {
        let [high, low] = target.source_port.to_be_bytes();
        let before = icmp.rest;
        icmp.rest = [high, low, before[2], before[3]];
        if !partial {
            icmp.checksum = update(icmp.checksum, before, icmp.rest);
        }
    }
}

/// Sets the source's or destination's port.
pub(super) fn set_port(ports: [&mut U16; 2], target: &Tuple, manip: Manip) -> Change<2> {
    let [source, destination] = ports;
    let (field, after) = match manip {
        Manip::Source => (source, target.source_port),
        Manip::Destination => (destination, target.destination_port),
    };
    let before = field.get().to_be_bytes();
    field.set(after);
    Change { before, after: after.to_be_bytes() }
}

/// A TCP checksum after its packet's address and port have changed.
pub(super) fn mend(checksum: [u8; 2], address: Change<4>, port: Change<2>) -> [u8; 2] {
    update(update(checksum, address.before, address.after), port.before, port.after)
}

/// The same for UDP: none stays none.
pub(super) fn mend_udp(checksum: [u8; 2], address: Change<4>, port: Change<2>) -> [u8; 2] {
    match checksum {
        [0, 0] => checksum,
        _ => update_udp(update(checksum, address.before, address.after), port.before, port.after),
    }
}

/// A checksum field that holds the pseudo-header's sum only, not complemented.
fn refill(sum: [u8; 2], address: Change<4>) -> [u8; 2] {
    let complement = |sum: [u8; 2]| (!u16::from_be_bytes(sum)).to_be_bytes();
    complement(update(complement(sum), address.before, address.after))
}

#[cfg(test)]
mod tests;
