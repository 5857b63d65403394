//! Whether a packet that a REJECT rule drops is answered: not when its checksum is wrong, as far as that is looked at
//! (Linux v6.18: `net/ipv4/netfilter/nf_reject_ipv4.c`, `nf_send_unreach()`; `net/netfilter/nf_reject.c`,
//! `nf_reject_verify_csum()`; `net/ipv6/netfilter/nf_reject_ipv6.c`, `reject6_csum_ok()`).
//!
//! Over IPv4 the header is summed as well, which changes nothing as long as its own checksum is right. Where options have been
//! written to it is not, until the packet has passed FORWARD: such a packet is answered for what connection tracking has found
//! before, if it has looked.

use crate::{
    conntrack::{self, Tracking},
    frame::DeviceId,
    netfilter::Hook,
    offload::checksum,
    packet::{Checksum, Packet, Transport},
    surroundings::Surroundings,
    wire::{Protocol, checksum as sum},
};

/// Whether a packet may be answered with an ICMP error.
///
/// A protocol whose checksum is not known is taken to carry one over its payload, so that it is mostly not answered.
pub(crate) fn may_tell(packet: &Packet, around: &Surroundings) -> bool {
    let routines = &around.routines;
    // Of IPv6 a later fragment, and what is empty behind its headers, have no checksum to look at.
    if packet.ipv6().is_some() && (packet.fragment_offset() > 0 || packet.transport_len() == 0) {
        return false;
    }
    match packet.protocol() {
        Protocol::GRE | Protocol::AH | Protocol::ESP | Protocol::SCTP | Protocol::UDPLITE | Protocol::DCCP => true,
        Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 => {
            checksum::is_right_to_netfilter(packet, routines)
                && (is_header_right(packet) || has_no_checksum(packet) || was_verified(packet, around))
        }
        _ if packet.meta().checksum != Checksum::None || packet.meta().cut_bytes > 0 => true,
        _ => checksum::netfilter_sum(packet, routines) == 0xffff && is_header_right(packet),
    }
}

/// Whether a segment that a rule of `hook` drops may be answered with a reset. What has been verified before counts in INPUT only:
/// FORWARD sums anew (Linux v6.18: `nf_reject_ip_tcphdr_get()`; `include/linux/skbuff.h`, `skb_forward_csum()`).
pub(crate) fn may_reset(packet: &Packet, hook: Hook, around: &Surroundings) -> bool {
    let counts = |packet| hook == Hook::Input && was_verified(packet, around);
    checksum::is_right_to_netfilter(packet, &around.routines) && (is_header_right(packet) || counts(packet))
}

/// Whether the header of a packet adds nothing to the sum over the packet, or nothing is summed.
fn is_header_right(packet: &Packet) -> bool {
    let is_summed = packet.meta().checksum == Checksum::None && packet.meta().cut_bytes == 0;
    !is_summed || !packet.meta().options.has_changed() || sum::sum(packet.network_header()) == 0xffff
}

/// Whether a datagram goes without a checksum (RFC 768).
fn has_no_checksum(packet: &Packet) -> bool {
    packet.udp().is_some_and(|udp| udp.checksum == [0, 0])
}

/// Whether connection tracking has verified the checksum of a packet, when it came in.
fn was_verified(packet: &Packet, around: &Surroundings) -> bool {
    let meta = packet.meta();
    let is_asked = !matches!(meta.tracking, Tracking::Untracked) && conntrack::is_verified(packet, around);
    let is_readable = matches!(packet.transport(), Transport::Tcp | Transport::Udp | Transport::Icmp);
    is_asked && is_readable && meta.device != Some(DeviceId::LOOPBACK)
}
