//! What a protocol's tracker answers, and the trackers of the simple protocols.

use super::{
    conn::{Changes, Connection, ProtocolState, Status},
    reasoning::{Ignored, Invalid, Taken},
    timeouts::{Pair, Timeouts},
    tuple::Family,
};
use crate::{
    time::Instant,
    wire::{Icmpv6Type, Protocol, icmp::IcmpType},
};

/// What a tracker says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It belongs to the connection.
    Taken(Refreshed),
    /// It passes as one of the connection, but changes, refreshes and counts nothing.
    Ignored(Ignored),
    /// A RST answers the connection's first packet: it passes, and the connection is gone.
    Refused,
    /// The connection is over, and the packet starts another one with the same ends.
    Reopen,
    /// It does not belong to the connection.
    Invalid {
        reason: Invalid,
        /// How long the connection is remembered, if that changes.
        refresh: Option<u32>,
    },
}

/// What a packet that belongs to its connection does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refreshed {
    /// The connection is remembered for so long from now on.
    pub(super) secs: u32,
    pub(super) reason: Taken,
}

/// UDP: a flow that is answered and still talks two seconds after its start is a stream, and worth keeping.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_udp.c`, `nf_conntrack_udp_packet()`.
#[inline]
pub(super) fn udp(connection: &mut Connection, now: Instant, timeouts: Timeouts<'_>) -> Refreshed {
    let secs = timeouts.udp();
    if !connection.is_confirmed() {
        connection.protocol = ProtocolState::Udp { stream_at: now + STREAM_AFTER };
    }
    let is_late = matches!(connection.protocol, ProtocolState::Udp { stream_at } if now > stream_at);
    let is_stream = connection.status.contains(Status::SEEN_REPLY) && is_late;
    if is_stream {
        assure(connection);
    }
    Refreshed { secs: if is_stream { secs.replied } else { secs.unreplied }, reason: Taken::Udp { is_stream } }
}

/// UDP-Lite: a flow that is answered is a stream at once.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_udp.c`, `nf_conntrack_udplite_packet()`.
pub(super) fn udplite(connection: &mut Connection, now: Instant, timeouts: Timeouts<'_>) -> Outcome {
    let secs = timeouts.udp();
    if !connection.is_confirmed() {
        connection.protocol = ProtocolState::Udp { stream_at: now };
    }
    let is_stream = connection.status.contains(Status::SEEN_REPLY);
    if is_stream {
        assure(connection);
    }
    Outcome::Taken(Refreshed {
        secs: if is_stream { secs.replied } else { secs.unreplied },
        reason: Taken::Udp { is_stream },
    })
}

/// ICMP and ICMPv6 queries: only a query starts a flow, and neither goes in packets of the other family.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_icmp.c`, `nf_conntrack_icmp_packet()`;
/// `net/netfilter/nf_conntrack_proto_icmpv6.c`, `nf_conntrack_icmpv6_packet()`.
pub(super) fn icmp(connection: &mut Connection, timeouts: Timeouts<'_>) -> Outcome {
    let kind = connection.original.icmp_type_code().map_or(0, |(kind, _)| kind);
    let (is_query, secs) = match (connection.original.protocol(), connection.original.family) {
        (Protocol::ICMP, Family::Ipv4) => (IcmpType(kind).is_query(), timeouts.icmp()),
        (Protocol::ICMPV6, Family::Ipv6) => (Icmpv6Type(kind).is_query(), timeouts.icmpv6()),
        _ => (false, 0),
    };
    if !is_query {
        return Outcome::Invalid { reason: Invalid::IcmpUnasked(kind), refresh: None };
    }
    connection.protocol = ProtocolState::Icmp;
    Outcome::Taken(Refreshed { secs, reason: Taken::Icmp })
}

/// GRE: a flow that is answered is worth keeping. How long is settled when it starts.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_proto_gre.c`, `nf_conntrack_gre_packet()`.
pub(super) fn gre(connection: &mut Connection, timeouts: Timeouts<'_>) -> Outcome {
    if !connection.is_confirmed() {
        let Pair { unreplied, replied } = timeouts.gre();
        connection.protocol = ProtocolState::Gre { unreplied_secs: unreplied, replied_secs: replied };
    }
    let ProtocolState::Gre { unreplied_secs, replied_secs } = connection.protocol else {
        return Outcome::Invalid { reason: Invalid::Broken, refresh: None };
    };
    let is_answered = connection.status.contains(Status::SEEN_REPLY);
    if is_answered {
        assure(connection);
    }
    Outcome::Taken(Refreshed { secs: if is_answered { replied_secs } else { unreplied_secs }, reason: Taken::Other })
}

/// Any other protocol: two addresses that talk.
///
/// Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `generic_packet()`.
pub(super) fn generic(connection: &mut Connection, timeouts: Timeouts<'_>) -> Outcome {
    connection.protocol = ProtocolState::Generic;
    Outcome::Taken(Refreshed { secs: timeouts.generic(), reason: Taken::Other })
}

fn assure(connection: &mut Connection) {
    if !connection.status.contains(Status::ASSURED) {
        connection.status.insert(Status::ASSURED);
        connection.changes.insert(Changes::ASSURED);
    }
}

/// Linux: `stream_ts`.
const STREAM_AFTER: core::time::Duration = core::time::Duration::from_secs(2);
