//! ICMP errors of scripts: what they are called, and how they quote a segment of the host.

use std::net::IpAddr;

use towpath_engine::wire::{Protocol, checksum};

use super::{
    verdict::Stop,
    wire::{Way, ip_header, of_v6},
};
use crate::script::IcmpError;

/// Types of IPv4 and IPv6 by name.
static TYPES: [(&str, u8, u8); 4] =
    [("unreachable", 3, 1), ("packet_too_big", 3, 2), ("time_exceeded", 11, 3), ("parameter_problem", 12, 4)];

/// Codes of IPv4's "unreachable" (RFC 792, RFC 1122, RFC 1812).
#[rustfmt::skip]
static CODES_V4: [(&str, u8); 16] = [
    ("net_unreachable", 0), ("host_unreachable", 1), ("protocol_unreachable", 2), ("port_unreachable", 3),
    ("frag_needed", 4), ("source_route_failed", 5), ("net_unknown", 6), ("host_unknown", 7),
    ("source_host_isolated", 8), ("net_prohibited", 9), ("host_prohibited", 10), ("net_unreachable_for_tos", 11),
    ("host_unreachable_for_tos", 12), ("packet_filtered", 13), ("precedence_violation", 14), ("precedence_cutoff", 15),
];

/// Codes of IPv6's (RFC 4443, section 3.1).
static CODES_V6: [(&str, u8); 5] = [
    ("no_route", 0),
    ("admin_prohibited", 1),
    ("not_neighbour", 2),
    ("address_unreachable", 3),
    ("port_unreachable", 4),
];

/// The packet of an error about a segment that the host has sent on `way`, whose first sequence number was `seq`.
pub(super) fn write(way: Way, error: &IcmpError, seq: u32, len: u32) -> Result<Vec<u8>, Stop> {
    let is_v4 = way.from.0.is_ipv4();
    let kind = TYPES.iter().find(|(name, ..)| *name == error.kind);
    let (_, of_v4, of_v6_kind) = *kind.ok_or_else(|| Stop::unknown("the ICMP error", &error.kind))?;
    let code = match error.code.as_deref() {
        None => 0,
        Some(name) => {
            let codes: &[(&str, u8)] = if is_v4 { &CODES_V4 } else { &CODES_V6 };
            let known = codes.iter().find(|(known, _)| *known == name);
            known.ok_or_else(|| Stop::unknown("the code of an ICMP error", name))?.1
        }
    };
    let mut message = vec![if is_v4 { of_v4 } else { of_v6_kind }, code, 0, 0];
    let mtu = error.mtu.unwrap_or(0);
    message.extend_from_slice(&mtu.to_be_bytes());
    message.extend_from_slice(&ip_header(way, 0, Protocol::TCP, 20 + len as usize));
    message.extend_from_slice(&way.from.1.to_be_bytes());
    message.extend_from_slice(&way.to.1.to_be_bytes());
    message.extend_from_slice(&seq.to_be_bytes());
    let back = Way { from: way.to, to: way.from };
    let (protocol, pseudo) = match (back.from.0, back.to.0) {
        (IpAddr::V4(_), IpAddr::V4(_)) => (Protocol::ICMP, 0),
        (from, to) => {
            let sum = checksum::pseudo_header_v6(of_v6(from), of_v6(to), Protocol::ICMPV6, message.len() as u32);
            (Protocol::ICMPV6, sum)
        }
    };
    let sum = !checksum::add(pseudo, checksum::sum(&message));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut packet = ip_header(back, 0, protocol, message.len());
    packet.extend_from_slice(&message);
    Ok(packet)
}
