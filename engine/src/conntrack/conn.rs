//! A tracked connection.

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use super::{
    tcp_window::TcpTracking,
    tuple::{Direction, Tuple},
    zone::{Reach, Zone},
};
use crate::{
    limits::HELPED_BYTES_MAX,
    nat::{SequenceAdjustment, sequence::Moved},
    netfilter::WalkId,
    time::Instant,
    timer::{Links, PLACE_NONE},
};

/// A connection's place in the table. A place that is used again gets a new generation, so that an old identifier
/// finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnId {
    /// Which slot.
    pub slot: u32,
    /// Which use of it.
    pub generation: u32,
}

/// A tracked connection (Linux: `struct nf_conn`).
///
/// What every packet needs stands first, then what only TCP needs, then what is needed at the start and the end; 192 bytes in
/// all, three cache lines. What it has carried lies elsewhere (`beside.rs`).
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Connection {
    /// The way of the first packet, as it was before any translation.
    pub original: Tuple,
    /// The way back, as the answers arrive here.
    pub reply: Tuple,
    /// The number of its [`zone`](Self::zone); of which directions it is one says the status.
    pub(super) zone_id: u16,
    /// What has changed and was not told yet.
    pub changes: Changes,
    /// What has happened to it.
    pub status: Status,
    /// Which of the wheel's lists it stands in; `PLACE_NONE`: none.
    pub(super) place: u16,
    /// How often its slot was taken or freed.
    pub(super) generation: u32,
    /// The connection mark; [`Self::set_mark`] changes it.
    pub mark: u32,
    /// How rules let its packets through, each direction.
    pub walks: WalkId,
    /// When it is forgotten if nothing refreshes it. Of an unconfirmed one: its timeout, counted from
    /// [`Instant::ZERO`].
    pub expires: Instant,
    /// What few connections have.
    pub extension: Option<Box<Extension>>,
    /// What its protocol's tracker remembers.
    pub protocol: ProtocolState,
    /// A number that no other connection of this engine ever has, from 1 in order of confirmation; 0 before.
    pub serial: u64,
    /// Its neighbours in a list of slots.
    pub(super) links: Links,
}

const _: () = assert!(size_of::<Connection>() == 192);

/// How long a connection lasts after it was refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Lasting {
    /// As before, or longer: it may stay where it is in the wheel.
    AtLeastAsLong,
    /// Less long: [`Table::lowered`](super::table::Table::lowered) has to know.
    LessLong,
}

/// What the table has to know of a packet that a connection has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) lasting: Lasting,
    /// Its packets and bytes are counted.
    pub(super) is_counted: bool,
}

/// What a protocol's tracker remembers of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolState {
    /// TCP.
    Tcp(TcpTracking),
    /// UDP and UDP-Lite.
    Udp {
        /// When a flow that is answered and still talks becomes a stream: 2 s after its start.
        stream_at: Instant,
    },
    /// SCTP.
    Sctp(super::sctp::SctpTracking),
    /// ICMP queries.
    Icmp,
    /// GRE.
    Gre {
        /// Seconds that it lasts until it is answered.
        unreplied_secs: u32,
        /// Seconds that it lasts then.
        replied_secs: u32,
    },
    /// Anything else: addresses only.
    Generic,
}

/// What has changed about a connection since it was told last: the bits of `IPCT_*` (Linux v6.18:
/// `include/uapi/linux/netfilter/nf_conntrack_common.h`, `enum ip_conntrack_events`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes(pub u16);

impl Changes {
    /// It is new.
    pub const NEW: Self = Self(1 << 0);
    /// It is new, and another one has announced it.
    pub const RELATED: Self = Self(1 << 1);
    /// It is gone.
    pub const DESTROY: Self = Self(1 << 2);
    /// It has been answered.
    pub const REPLY: Self = Self(1 << 3);
    /// It has become one that is not dropped early.
    pub const ASSURED: Self = Self(1 << 4);
    /// What its protocol's tracker remembers.
    pub const PROTOCOL: Self = Self(1 << 5);
    /// Its helper.
    pub const HELPER: Self = Self(1 << 6);
    /// Its mark.
    pub const MARK: Self = Self(1 << 7);
    /// Its sequence adjustment.
    pub const SEQUENCE: Self = Self(1 << 8);
    /// Its security mark; there are none here.
    pub const SECURITY_MARK: Self = Self(1 << 9);
    /// Its labels.
    pub const LABELS: Self = Self(1 << 10);

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether nothing has changed.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Packets and bytes of one direction (`net.netfilter.nf_conntrack_acct`); wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes from the network header on.
    pub bytes: u64,
}

impl Counter {
    /// Counts packets of so many bytes together.
    #[inline]
    pub(crate) const fn count(&mut self, packets: u64, bytes: u64) {
        self.packets = self.packets.wrapping_add(packets);
        self.bytes = self.bytes.wrapping_add(bytes);
    }
}

/// What few connections have: helpers, masters, payload rewriting (Linux: `struct nf_ct_ext`).
///
/// What every packet of a connection with a helper needs stands first, in one cache line.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub struct Extension {
    /// How far a helper has read its stream; [`Self::line_starts`] is what Linux remembers instead.
    pub streams: super::Streams,
    /// What rewriting has changed; `None`: nothing, so that its numbers are those that its ends say.
    pub moved: Option<Box<Moved>>,
    /// The policy that says how long it is remembered, where the tunables do not.
    pub timeouts: Option<super::TimeoutId>,
    /// The helper that reads its payload.
    pub helper: Option<super::HelperId>,
    /// Which events it tells, when not all.
    pub events: Option<super::EventMask>,
    /// What that helper remembers; the engine only keeps it.
    pub helper_state: Vec<u8>,
    /// Where lines start that the helper may read, original and reply: sequence numbers right after the newlines
    /// seen last.
    pub line_starts: [super::LineStarts; 2],
    /// Who announced this connection.
    pub master: Option<ConnId>,
    /// The original tuple of the one who announced it, which listings show even after that one is gone.
    pub master_tuple: Option<Tuple>,
    /// Bits that rules have set (`-m connlabel`), the lowest one is label 0.
    pub labels: u128,
}

const _: () = assert!(size_of::<Extension>() <= HELPED_BYTES_MAX && core::mem::offset_of!(Extension, events) <= 64);

impl Extension {
    /// How rewriting has moved its sequence numbers, original and reply.
    #[must_use]
    pub fn adjustments(&self) -> [SequenceAdjustment; 2] {
        self.moved.as_ref().map_or_else(Default::default, |moved| moved.adjustments)
    }
}

/// What has happened to a connection: the bits of `IPS_*` (Linux v6.18:
/// `include/uapi/linux/netfilter/nf_conntrack_common.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status(pub u16);

impl Status {
    /// It was announced by another connection.
    pub const EXPECTED: Self = Self(1 << 0);
    /// Both directions have been heard.
    pub const SEEN_REPLY: Self = Self(1 << 1);
    /// It is not dropped early.
    pub const ASSURED: Self = Self(1 << 2);
    /// It stands in the table.
    pub const CONFIRMED: Self = Self(1 << 3);
    /// Its source is translated.
    pub const SRC_NAT: Self = Self(1 << 4);
    /// Its destination is translated.
    pub const DST_NAT: Self = Self(1 << 5);
    /// Its sequence numbers have moved.
    pub const SEQ_ADJUST: Self = Self(1 << 6);
    /// Its source's translation is settled, even if there is none.
    pub const SRC_NAT_DONE: Self = Self(1 << 7);
    /// Its destination's translation is settled, even if there is none.
    pub const DST_NAT_DONE: Self = Self(1 << 8);
    /// It is leaving the table.
    pub const DYING: Self = Self(1 << 9);
    /// Its timeout is fixed.
    pub const FIXED_TIMEOUT: Self = Self(1 << 10);
    /// A helper was attached by a rule.
    pub const HELPER: Self = Self(1 << 13);

    /// Its zone is one of the original direction only. Our own, as the next: Linux keeps it beside the zone's number
    /// (`struct nf_conntrack_zone`); its own bits of these places are never seen on a connection.
    pub const ZONE_OF_ORIGINAL: Self = Self(1 << 11);
    /// Its zone is one of the reply direction only.
    pub const ZONE_OF_REPLY: Self = Self(1 << 12);

    /// Its packets and bytes are counted. Our own: Linux has an extension for the counters (`struct nf_conn_acct`).
    pub const COUNTED: Self = Self(1 << 14);
    /// Its source is the address of the device it leaves by. Our own: Linux keeps the device's index
    /// (`struct nf_conn_nat`).
    pub const MASQUERADED: Self = Self(1 << 15);

    /// Source or destination is translated.
    pub const NAT: Self = Self(Self::SRC_NAT.0 | Self::DST_NAT.0);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Sets the bits of `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears the bits of `other`.
    pub const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// The names of the bits that are set, as conntrack's events and records write them, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        STATUS_NAMES.iter().filter(move |(bit, _)| self.contains(*bit)).map(|(_, name)| *name)
    }
}

#[rustfmt::skip]
static STATUS_NAMES: [(Status, &str); 12] = [
    (Status::EXPECTED,      "EXPECTED"),
    (Status::SEEN_REPLY,    "SEEN_REPLY"),
    (Status::ASSURED,       "ASSURED"),
    (Status::CONFIRMED,     "CONFIRMED"),
    (Status::SRC_NAT,       "SRC_NAT"),
    (Status::DST_NAT,       "DST_NAT"),
    (Status::SEQ_ADJUST,    "SEQ_ADJUST"),
    (Status::SRC_NAT_DONE,  "SRC_NAT_DONE"),
    (Status::DST_NAT_DONE,  "DST_NAT_DONE"),
    (Status::DYING,         "DYING"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
    (Status::HELPER,        "HELPER"),
];

impl Connection {
    /// A connection that nothing is known of but its ends.
    pub(crate) fn new(original: Tuple, reply: Tuple, zone: Zone) -> Self {
        Self {
            original,
            reply,
            zone_id: zone.id,
            changes: Changes::default(),
            status: zone.reach.bit(),
            place: PLACE_NONE,
            generation: 0,
            mark: 0,
            walks: WalkId::NONE,
            expires: Instant::ZERO,
            extension: None,
            protocol: ProtocolState::Generic,
            serial: 0,
            links: Links::NONE,
        }
    }

    /// The tuple of one direction.
    #[must_use]
    pub const fn tuple(&self, direction: Direction) -> &Tuple {
        match direction {
            Direction::Original => &self.original,
            Direction::Reply => &self.reply,
        }
    }

    /// Its zone.
    #[must_use]
    pub const fn zone(&self) -> Zone {
        let reach = if self.status.contains(Status::ZONE_OF_ORIGINAL) {
            Reach::Original
        } else if self.status.contains(Status::ZONE_OF_REPLY) {
            Reach::Reply
        } else {
            Reach::Both
        };
        Zone { id: self.zone_id, reach }
    }

    /// The number of its zone in one direction.
    #[inline]
    pub(super) const fn zone_of(&self, direction: Direction) -> u16 {
        let other = match direction {
            Direction::Original => Status::ZONE_OF_REPLY,
            Direction::Reply => Status::ZONE_OF_ORIGINAL,
        };
        if self.status.contains(other) { 0 } else { self.zone_id }
    }

    /// Whether it stands in the table.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.status.contains(Status::CONFIRMED)
    }

    /// Whether its time is over: it is treated as gone, though it may still stand in the table.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.is_confirmed() && self.expires <= now
    }

    /// Lets it last for so many seconds from now on, unless its timeout is fixed; one that is not confirmed is only told how
    /// long it will have.
    #[inline]
    pub(super) fn lasts(&mut self, now: Instant, secs: u32) -> Lasting {
        if self.status.contains(Status::FIXED_TIMEOUT) {
            return Lasting::AtLeastAsLong;
        }
        self.lasts_until(if self.is_confirmed() { now } else { Instant::ZERO }.after_secs(secs))
    }

    #[inline(always)]
    fn lasts_until(&mut self, expires: Instant) -> Lasting {
        let before = core::mem::replace(&mut self.expires, expires);
        if expires < before { Lasting::LessLong } else { Lasting::AtLeastAsLong }
    }

    /// Whether it stands in the table, is answered and assured, and its timeout is not fixed: the next packet changes none of that.
    #[inline]
    pub(super) const fn is_settled(&self) -> bool {
        const SETTLED: u16 = Status::CONFIRMED.0 | Status::SEEN_REPLY.0 | Status::ASSURED.0;
        const NEITHER: u16 = Status::DYING.0 | Status::FIXED_TIMEOUT.0;
        self.status.0 & (SETTLED | NEITHER) == SETTLED
    }

    /// Takes a packet of a settled one, after which it lasts for so many seconds from now on.
    #[inline(always)]
    pub(super) fn prolong(&mut self, now: Instant, secs: u32) -> Taken {
        Taken { lasting: self.lasts_until(now.after_secs(secs)), is_counted: self.status.contains(Status::COUNTED) }
    }

    /// Takes a packet, after which it lasts for so many seconds from now on.
    #[inline(always)]
    pub(super) fn take(&mut self, now: Instant, direction: Direction, secs: u32) -> Taken {
        if direction == Direction::Reply {
            self.has_been_answered();
        }
        Taken { lasting: self.lasts(now, secs), is_counted: self.status.contains(Status::COUNTED) }
    }

    /// An answer has come.
    #[inline]
    pub(super) const fn has_been_answered(&mut self) {
        if !self.status.contains(Status::SEEN_REPLY) {
            self.status.insert(Status::SEEN_REPLY);
            self.changes.insert(Changes::REPLY);
        }
    }

    /// Its identifier, when it lies in that slot.
    pub(super) const fn id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    /// Sets the connection mark, and remembers to tell if that changes it.
    pub const fn set_mark(&mut self, mark: u32) {
        if self.mark != mark {
            self.mark = mark;
            self.changes.insert(Changes::MARK);
        }
    }

    /// Whether an event with these changes is told.
    #[must_use]
    pub fn tells(&self, changes: Changes) -> bool {
        let mask = self.extension.as_ref().and_then(|extension| extension.events);
        mask.is_none_or(|mask| changes.intersects(mask.connection))
    }

    /// Bits that rules have set (`-m connlabel`).
    #[must_use]
    pub fn labels(&self) -> u128 {
        self.extension.as_ref().map_or(0, |extension| extension.labels)
    }

    /// Who announced it.
    #[must_use]
    pub fn master(&self) -> Option<ConnId> {
        self.extension.as_ref()?.master
    }

    /// The helper that reads its payload.
    #[must_use]
    pub fn helper(&self) -> Option<super::HelperId> {
        self.extension.as_ref()?.helper
    }

    /// What rewriting has changed of it, made when it is not there yet.
    pub(crate) fn moved_mut(&mut self) -> &mut Moved {
        self.extension_mut().moved.get_or_insert_default()
    }

    /// What few connections have, made when it is not there yet.
    pub fn extension_mut(&mut self) -> &mut Extension {
        self.extension.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_round() {
        let mut counter = Counter { packets: u64::MAX, bytes: u64::MAX - 9 };
        counter.count(1, 20);
        assert_eq!(counter, Counter { packets: 0, bytes: 10 });
    }
}
