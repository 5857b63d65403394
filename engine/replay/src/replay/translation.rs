//! What a captured packet looks like to a gateway that translates.
//!
//! A capture taken at one end of a connection shows it as that end sees it. The gateway stands in between: from the
//! other end it gets packets for the address and port that it gave the connection itself. So the packets of a direction
//! that the gateway knows by other names are re-addressed to those:
//!
//! ```text
//!  captured at the client        what the gateway knows           what is replayed
//!  10.0.0.2:4000 > server:80     original, as it is               10.0.0.2:4000 > server:80
//!  server:80 > 10.0.0.2:4000     its inverse is the original's    server:80 > 203.0.113.1:6123, the reply's
//!  server:20 > 10.0.0.2:5000     expected as ... > 203.0.113.1:7  server:20 > 203.0.113.1:7
//! ```
//!
//! Of a first packet that was captured where a DNAT rule has led it, the gateway knows nothing yet; [`super::inner`] finds what it was
//! before. The packets that follow are of a direction that the gateway knows by another name, as above.
//!
//! Each sender's own sequence numbers are as it sent them. But the acknowledgements of a packet that is re-addressed
//! speak of numbers that the gateway may have moved on the way to its sender (a helper has made a payload longer), and
//! so they move with them. A packet that the gateway sees as it was captured was captured on its sender's side, where
//! its acknowledgements are what they are.

use core::net::IpAddr;

use towpath_engine::{
    Checksum, Engine, Instant,
    conntrack::{ConnId, Conntrack, Direction, Expectation, Family, FlowKey, Status, Tuple, Zone},
    netfilter::TableName,
};

use super::{
    peek::Peek,
    readdress::{move_acknowledgements, readdress, readdress_error},
};
use crate::record::{Seen, Unmapped};

/// A connection, in one of its directions.
type Flow = (ConnId, Direction);

/// What was found out about a packet's translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// The gateway sees it as it was captured. It belongs to a connection in a direction, if there is one yet.
    AsCaptured(Option<Flow>),
    /// The gateway sees it with this tuple. It belongs to a connection in a direction, unless it is its first packet.
    Readdressed(Tuple, Option<Flow>),
    /// It is an ICMP error; the gateway sees the packet that it quotes with this tuple.
    ErrorReaddressed {
        /// The quoted packet's tuple.
        quoted: Tuple,
        /// Where the error itself comes from and goes to.
        outer: Tuple,
    },
    /// What the gateway would see cannot be told.
    Unknown(Unmapped),
}

/// Whether connections of a family can be translated at all: its rules have a nat table, without which no helper writes anything
/// anew either. The prefixes that SNPT and DNPT exchange are no translation of connections and are not looked at.
pub(super) fn is_possible(engine: &Engine, family: Family) -> bool {
    engine.rules().of(family).has_table(TableName::Nat)
}

/// Finds out what the gateway sees instead of a captured packet, whose connection is looked for by `key` if it has one.
pub(super) fn find(engine: &Engine, now: Instant, frame: &[u8], peek: &Peek, key: Option<&FlowKey>) -> Translation {
    let Some(key) = key else { return of_error(engine, now, frame, peek) };
    let conntrack = engine.conntrack();
    if let Some(found) = in_any_zone(conntrack, now, key) {
        return Translation::AsCaptured(Some(found));
    }
    let answered = conntrack.key_of_answered(key);
    let known = answered.as_ref().and_then(|answered| in_any_zone(conntrack, now, answered));
    let Some((tuple, flow)) = known.and_then(|known| turned(conntrack, known)) else {
        return of_unknown(conntrack, frame, peek, &key.tuple);
    };
    let is_one = |answered| in_other_zones(conntrack, now, answered).all(|other| other.0 == tuple);
    match !conntrack.has_zones() || answered.as_ref().is_some_and(is_one) {
        true => Translation::Readdressed(tuple, Some(flow)),
        false => Translation::Unknown(Unmapped::SeveralZones),
    }
}

/// A connection that has a tuple, that of zone 0 first. In which zone the gateway would look for it rules say, for each packet anew; a
/// capture holds none of that.
#[inline]
fn in_any_zone(conntrack: &Conntrack, now: Instant, key: &FlowKey) -> Option<Flow> {
    let found = conntrack.find_by(now, Zone::DEFAULT, key);
    if found.is_some() || !conntrack.has_zones() {
        return found;
    }
    conntrack.zones().find_map(|zone| conntrack.find_by(now, Zone::both(zone), key))
}

/// What answers are to the connections of other zones than 0 that have a tuple.
fn in_other_zones(conntrack: &Conntrack, now: Instant, key: &FlowKey) -> impl Iterator<Item = (Tuple, Flow)> {
    let found = move |zone| conntrack.find_by(now, Zone::both(zone), key);
    conntrack.zones().filter_map(found).filter_map(|found| turned(conntrack, found))
}

/// The other direction of a connection, and its tuple.
fn turned(conntrack: &Conntrack, (id, direction): Flow) -> Option<(Tuple, Flow)> {
    let direction = direction.opposite();
    Some((*conntrack.connection(id)?.tuple(direction), (id, direction)))
}

/// What a packet is to the gateway that belongs to no connection.
#[inline(never)]
fn of_unknown(conntrack: &Conntrack, frame: &[u8], peek: &Peek, tuple: &Tuple) -> Translation {
    match conntrack.expectations().iter().find_map(|expectation| expected(expectation, tuple)) {
        Some(seen) => Translation::Readdressed(seen, None),
        None if starts(frame, peek) => Translation::AsCaptured(None),
        None => Translation::Unknown(Unmapped::StartMissing),
    }
}

/// What a packet is to the gateway that has no tuple: perhaps an ICMP error.
#[inline(never)]
fn of_error(engine: &Engine, now: Instant, frame: &[u8], peek: &Peek) -> Translation {
    let quoted = peek.quoted(frame);
    quoted.map_or(Translation::AsCaptured(None), |quoted| error(engine, now, frame, peek, &quoted))
}

/// Writes a translation into a frame.
pub(super) fn apply(engine: &Engine, frame: &mut [u8], peek: &Peek, translation: &Translation, checksum: Checksum) {
    match translation {
        Translation::AsCaptured(_) | Translation::Unknown(_) => {}
        Translation::Readdressed(tuple, place) => {
            readdress(frame, peek, tuple, checksum);
            if let Some((id, direction)) = *place
                && let Some(connection) = engine.conntrack().connection(id)
                && connection.status.contains(Status::SEQ_ADJUST)
                && let Some(extension) = &connection.extension
            {
                let other_way = extension.adjustments()[direction.opposite().index()];
                move_acknowledgements(frame, peek, &other_way, checksum);
            }
        }
        Translation::ErrorReaddressed { quoted, outer } => {
            if let Some(inner) = peek.quoted(frame) {
                readdress_error(frame, peek, &inner, quoted, outer);
            }
        }
    }
}

impl Translation {
    /// Whether writing it changes a frame.
    pub(super) const fn changes(&self) -> bool {
        match self {
            Self::AsCaptured(_) | Self::Unknown(_) => false,
            Self::Readdressed(..) | Self::ErrorReaddressed { .. } => true,
        }
    }

    /// The source that the gateway sees, where that may be another one than was captured.
    pub(super) fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Readdressed(tuple, _) => Some(tuple.source_ip()),
            Self::AsCaptured(_) | Self::ErrorReaddressed { .. } | Self::Unknown(_) => None,
        }
    }

    /// Whether the gateway sees what was captured.
    pub(super) const fn seen(&self) -> Seen {
        match self {
            Self::AsCaptured(_) => Seen::AsCaptured,
            Self::Readdressed(..) | Self::ErrorReaddressed { .. } => Seen::Readdressed,
            Self::Unknown(why) => Seen::Unknown(*why),
        }
    }

    /// The connection that the packet belongs to, and in which direction, where that was found out.
    pub(super) const fn flow(&self) -> Option<Flow> {
        match self {
            Self::AsCaptured(flow) | Self::Readdressed(_, flow) => *flow,
            Self::ErrorReaddressed { .. } | Self::Unknown(_) => None,
        }
    }
}

/// What the first packet of an announced connection is to the gateway, if `tuple` is one as the announcer's peer sees
/// it: addressed to what the announcement meant before the gateway rewrote it.
fn expected(expectation: &Expectation, tuple: &Tuple) -> Option<Tuple> {
    let nat = expectation.nat.filter(|nat| nat.direction == Direction::Reply)?;
    let meant = tuple.destination == expectation.master_tuple.source && tuple.destination_port == nat.port;
    let seen = Tuple {
        destination: expectation.tuple.destination,
        destination_port: expectation.tuple.destination_port,
        ..*tuple
    };
    (meant && expectation.announces(expectation.zone, &seen)).then_some(seen)
}

/// An ICMP error quotes what its sender has got: the packet as it left the gateway.
fn error(engine: &Engine, now: Instant, frame: &[u8], peek: &Peek, quoted: &Peek) -> Translation {
    let conntrack = engine.conntrack();
    let start_missing = Translation::Unknown(Unmapped::StartMissing);
    let Some(tuple) = quoted.tuple(frame) else { return start_missing };
    let find = |tuple: Tuple| in_any_zone(conntrack, now, &conntrack.key(tuple));
    let Some((id, direction)) = find(tuple) else {
        // Quoted as the gateway has sent it, it needs nothing; else nobody knows it.
        let sent = tuple.inverted().is_some_and(|inverse| find(inverse).is_some());
        return if sent { Translation::AsCaptured(None) } else { start_missing };
    };
    let sent = conntrack.connection(id).and_then(|connection| connection.tuple(direction.opposite()).inverted());
    let Some(sent) = sent.filter(|sent| *sent != tuple) else { return Translation::AsCaptured(None) };
    let swapped = |address| {
        if address == tuple.source {
            sent.source
        } else if address == tuple.destination {
            sent.destination
        } else {
            address
        }
    };
    let outer = Tuple { source: swapped(peek.source.into()), destination: swapped(peek.destination.into()), ..sent };
    Translation::ErrorReaddressed { quoted: sent, outer }
}

/// Whether a packet may be the first of its connection: not a TCP segment from the middle of one, no ICMP answer.
fn starts(frame: &[u8], peek: &Peek) -> bool {
    use towpath_engine::wire::{Icmpv6Type, Protocol};
    match peek.protocol {
        Protocol::TCP => frame.get(peek.transport + 13).is_some_and(|flags| flags & (SYN | ACK) == SYN),
        Protocol::ICMP => frame.get(peek.transport).is_some_and(|kind| ICMP_QUERIES.contains(kind)),
        Protocol::ICMPV6 => frame.get(peek.transport) == Some(&Icmpv6Type::ECHO_REQUEST.0),
        Protocol::SCTP => frame.get(peek.transport + SCTP_CHUNK_AT) == Some(&SCTP_INIT),
        _ => true,
    }
}

/// Behind an SCTP header of 12 bytes: the type of the first chunk, and that of INIT (RFC 9260, section 3).
const SCTP_CHUNK_AT: usize = 12;
const SCTP_INIT: u8 = 1;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// Echo, timestamp, information, address mask (RFC 792, RFC 950).
const ICMP_QUERIES: [u8; 4] = [8, 13, 15, 17];
