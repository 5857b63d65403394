//! UDP-Lite (RFC 3828): what is wrong with a datagram.

use super::reasoning::Invalid;
use crate::{
    offload,
    packet::{Ip, Packet},
    wire::{
        Protocol,
        checksum::{self, Routines},
    },
};

/// What is wrong with a datagram's header; `routines` are given when its checksum is to be verified.
///
/// The pseudo-header is summed with the protocol number of UDP instead of UDP-Lite, as Linux does: no checksum that a
/// sender computes by RFC 3828 fits, and while `nf_conntrack_checksum` is 1 UDP-Lite from outside is INVALID.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_udp.c`, `udplite_error()`.
pub(super) fn flaw(packet: &Packet, routines: Option<&Routines>) -> Option<Invalid> {
    flaw_as(packet, Protocol::UDP, routines)
}

/// Whether a datagram for this host is right (Linux v6.18: `include/net/udplite.h`, `udplite_checksum_init()`).
pub(crate) fn is_right(packet: &Packet, routines: &Routines) -> bool {
    flaw_as(packet, Protocol::UDPLITE, Some(routines)).is_none()
}

/// The same with the protocol number that stands in the pseudo-header.
fn flaw_as(packet: &Packet, protocol: Protocol, routines: Option<&Routines>) -> Option<Invalid> {
    let len = packet.transport_len();
    let Some(&[_, _, _, _, high, low, check_high, check_low]) = packet.transport_bytes().first_chunk() else {
        return Some(Invalid::Broken);
    };
    let covered = match u16::from_be_bytes([high, low]) {
        0 => len,
        covered => usize::from(covered),
    };
    if !(HEADER_LEN..=len).contains(&covered) {
        return Some(Invalid::Broken);
    }
    if [check_high, check_low] == [0, 0] {
        return Some(Invalid::Checksum);
    }
    let is_whole = packet.meta().cut_bytes == 0;
    let routines = routines.filter(|_| is_whole)?;
    let pseudo = match packet.ip()? {
        Ip::V4(ip) => checksum::pseudo_header_v4(ip.source(), ip.destination(), protocol, len as u16),
        Ip::V6(ip) => checksum::pseudo_header_v6(ip.source(), ip.destination(), protocol, len as u32),
    };
    (checksum::add(pseudo, offload::checksum::sum_of(packet, covered, routines)) != 0xffff).then_some(Invalid::Checksum)
}

const HEADER_LEN: usize = 8;
