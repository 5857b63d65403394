//! Whether a packet that a REJECT rule drops is answered: not when its checksum is wrong, as far as that is looked at
//! (Linux v6.18: `net/ipv4/netfilter/nf_reject_ipv4.c`, `nf_send_unreach()`; `net/netfilter/nf_reject.c`,
//! `nf_reject_verify_csum()`; `net/ipv6/netfilter/nf_reject_ipv6.c`, `reject6_csum_ok()`).

use crate::{
    offload::checksum,
    packet::{Checksum, Packet},
    wire::{Protocol, checksum::Routines},
};

/// Whether a packet may be answered with an ICMP error.
///
/// A protocol whose checksum is not known is taken to carry one over its payload, so that it is mostly not answered.
#[must_use]
pub fn may_tell(packet: &Packet, routines: &Routines) -> bool {
    // Of IPv6 a later fragment, and what is empty behind its headers, have no checksum to look at.
    if packet.ipv6().is_some() && (packet.fragment_offset() > 0 || packet.transport_len() == 0) {
        return false;
    }
    match packet.protocol() {
        Protocol::GRE | Protocol::AH | Protocol::ESP | Protocol::SCTP | Protocol::UDPLITE | Protocol::DCCP => true,
        Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 => {
            checksum::is_right_to_netfilter(packet, routines)
        }
        _ if packet.meta().checksum != Checksum::None || packet.meta().cut_bytes > 0 => true,
        _ => checksum::netfilter_sum(packet, routines) == 0xffff,
    }
}

/// Whether a segment may be answered with a reset.
#[must_use]
pub fn may_reset(packet: &Packet, routines: &Routines) -> bool {
    checksum::is_right_to_netfilter(packet, routines)
}
