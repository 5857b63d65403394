//! Most packets: TCP or UDP over IPv4, whole, whose checksum is theirs to mend.

use crate::{
    conntrack::Tuple,
    nat::Manip,
    packet::{Checksum, Packet, PlainEnds},
    wire::checksum::{fold, sum_of_part},
};

/// Rewrites one end of such a packet so that `answer` is the tuple of its answers; false, with nothing changed, of others.
/// What comes out is what [`super::rewrite_to`] makes of it.
pub(super) fn rewrite(answer: &Tuple, manip: Manip, packet: &mut Packet) -> bool {
    if !matches!(packet.meta().checksum, Checksum::None | Checksum::Unnecessary) {
        return false;
    }
    let Some(PlainEnds { ip, ports, checksum, is_udp }) = packet.plain_ends_mut() else { return false };
    let (address, port) = match manip {
        Manip::Source => (answer.destination.as_v4(), answer.destination_port),
        Manip::Destination => (answer.source.as_v4(), answer.source_port),
    };
    let end = match manip {
        Manip::Source => &mut ip.source,
        Manip::Destination => &mut ip.destination,
    };
    let [source, destination] = ports;
    let place = match manip {
        Manip::Source => source,
        Manip::Destination => destination,
    };
    let address_change = u32::from(!sum_of_part(&core::mem::replace(end, address))) + u32::from(sum_of_part(&address));
    let port_change = u32::from(!u16::from_be_bytes(core::mem::replace(place, port.to_be_bytes()))) + u32::from(port);
    ip.checksum = mend(ip.checksum, address_change);
    if !is_udp || *checksum != [0, 0] {
        *checksum = match mend(*checksum, address_change + port_change) {
            [0, 0] if is_udp => [0xff, 0xff],
            mended => mended,
        };
    }
    true
}

/// The checksum after a change (RFC 1624, equation 3): the complements of what was there and what is there now, added up.
fn mend(checksum: [u8; 2], change: u32) -> [u8; 2] {
    let sum = u32::from(!u16::from_be_bytes(checksum)) + change;
    (!fold(u64::from(sum))).to_be_bytes()
}
