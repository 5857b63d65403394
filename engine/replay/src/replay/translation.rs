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
//! Each sender's own sequence numbers are as it sent them. But the acknowledgements of a packet that is re-addressed
//! speak of numbers that the gateway may have moved on the way to its sender (a helper has made a payload longer), and
//! so they move with them. A packet that the gateway sees as it was captured was captured on its sender's side, where
//! its acknowledgements are what they are.

use towpath_engine::{
    Checksum, Engine, Instant,
    conntrack::{ConnId, Direction, Expectation, Status, Tuple, Zone},
    netfilter::TableName,
};

use super::{
    ahead::Keys,
    peek::Peek,
    readdress::{move_acknowledgements, readdress, readdress_error},
};

/// What was found out about a packet's translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// The gateway sees it as it was captured. It belongs to a connection in a direction, if there is one yet.
    AsCaptured(Option<(ConnId, Direction)>),
    /// The gateway sees it with this tuple. It belongs to a connection in a direction, unless it is its first packet.
    Readdressed(Tuple, Option<(ConnId, Direction)>),
    /// It is an ICMP error; the gateway sees the packet that it quotes with this tuple.
    ErrorReaddressed {
        /// The quoted packet's tuple.
        quoted: Tuple,
        /// Where the error itself comes from and goes to.
        outer: Tuple,
    },
    /// It belongs to the middle of a connection that the gateway does not know: what it would see cannot be told.
    Unknown,
}

/// Whether anything can be translated at all: rules have a nat table, or a helper's rewriting has moved something.
pub(super) fn is_possible(engine: &Engine) -> bool {
    engine.rules().has_table(TableName::Nat)
}

/// Finds out what the gateway sees instead of a captured packet, whose connection is looked for by `keys` if it has one.
pub(super) fn find(engine: &Engine, now: Instant, frame: &[u8], peek: &Peek, keys: Option<&Keys>) -> Translation {
    let Some(keys) = keys else {
        let quoted = peek.quoted(frame);
        return quoted.map_or(Translation::AsCaptured(None), |quoted| error(engine, now, frame, peek, &quoted));
    };
    let conntrack = engine.conntrack();
    if let Some(found) = conntrack.find_by(now, Zone::DEFAULT, &keys.own) {
        return Translation::AsCaptured(Some(found));
    }
    let opposite = keys.opposite(conntrack).and_then(|opposite| conntrack.find_by(now, Zone::DEFAULT, &opposite));
    if let Some((id, direction)) = opposite
        && let Some(connection) = conntrack.connection(id)
    {
        let direction = direction.opposite();
        return Translation::Readdressed(*connection.tuple(direction), Some((id, direction)));
    }
    match conntrack.expectations().iter().find_map(|expectation| expected(expectation, &keys.own.tuple)) {
        Some(seen) => Translation::Readdressed(seen, None),
        None if starts(frame, peek) => Translation::AsCaptured(None),
        None => Translation::Unknown,
    }
}

/// Writes a translation into a frame.
pub(super) fn apply(engine: &Engine, frame: &mut [u8], peek: &Peek, translation: &Translation, checksum: Checksum) {
    match translation {
        Translation::AsCaptured(_) | Translation::Unknown => {}
        Translation::Readdressed(tuple, place) => {
            readdress(frame, peek, tuple, checksum);
            if let Some((id, direction)) = *place
                && let Some(connection) = engine.conntrack().connection(id)
                && connection.status.contains(Status::SEQ_ADJUST)
                && let Some(extension) = &connection.extension
                && let Some(other_way) = extension.adjustments.get(direction.opposite().index())
            {
                move_acknowledgements(frame, peek, other_way, checksum);
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
            Self::AsCaptured(_) | Self::Unknown => false,
            Self::Readdressed(..) | Self::ErrorReaddressed { .. } => true,
        }
    }

    /// The connection that the packet belongs to, and in which direction, where that was found out.
    pub(super) const fn flow(&self) -> Option<(ConnId, Direction)> {
        match self {
            Self::AsCaptured(flow) | Self::Readdressed(_, flow) => *flow,
            Self::ErrorReaddressed { .. } | Self::Unknown => None,
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
    let Some(tuple) = quoted.tuple(frame) else { return Translation::Unknown };
    let Some((id, direction)) = conntrack.find(now, Zone::DEFAULT, &tuple) else {
        // Quoted as the gateway has sent it, it needs nothing; else nobody knows it.
        let sent = tuple.inverted().is_some_and(|inverse| conntrack.find(now, Zone::DEFAULT, &inverse).is_some());
        return if sent { Translation::AsCaptured(None) } else { Translation::Unknown };
    };
    let sent = conntrack.connection(id).and_then(|connection| connection.tuple(direction.opposite()).inverted());
    let Some(sent) = sent.filter(|sent| *sent != tuple) else { return Translation::AsCaptured(None) };
    let from = |address: core::net::Ipv4Addr| towpath_engine::conntrack::Address::v4(address.octets());
    let swapped = |address| {
        if address == tuple.source {
            sent.source
        } else if address == tuple.destination {
            sent.destination
        } else {
            address
        }
    };
    let outer = Tuple { source: swapped(from(peek.source)), destination: swapped(from(peek.destination)), ..sent };
    Translation::ErrorReaddressed { quoted: sent, outer }
}

/// Whether a packet may be the first of its connection: not a TCP segment from the middle of one, no ICMP answer.
fn starts(frame: &[u8], peek: &Peek) -> bool {
    use towpath_engine::wire::Protocol;
    match peek.protocol {
        Protocol::TCP => frame.get(peek.transport + 13).is_some_and(|flags| flags & (SYN | ACK) == SYN),
        Protocol::ICMP => frame.get(peek.transport).is_some_and(|kind| ICMP_QUERIES.contains(kind)),
        _ => true,
    }
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// Echo, timestamp, information, address mask (RFC 792, RFC 950).
const ICMP_QUERIES: [u8; 4] = [8, 13, 15, 17];
