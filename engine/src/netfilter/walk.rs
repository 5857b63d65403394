//! What rules did with one packet, and how an established flow goes the same way without asking them again.
//!
//! A walk through the tables depends on a few things only: on what never changes in a direction of a connection
//! (addresses, ports, protocol, translations) and on some bits of each packet (TCP flags, marks, devices …) that the
//! rules on the way have looked at. While a packet goes its way, a [`Walk`] notes which rules matched, which of those
//! bits were looked at, and what they were. When nothing else had a say (no `limit`, no `length`, no change of the
//! packet), the walk is recorded under a number. A later packet of that connection and direction with the same bits
//! takes the record instead of the tables: one comparison and one counter, however many rules matched.
//!
//! Why not counters for each rule on the fast path: thousands of flows share few records, so that a record's counter is
//! in the cache, and a listing adds the records up. The sums are exact.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    conntrack::{Counter, State, Tracking},
    frame::DeviceId,
    limits::{WALK_RULES_MAX, WALKS_MAX},
    packet::Packet,
};

/// A recorded walk. The number of a record of replaced rules finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalkId(u32);

/// The bits of a packet that rules may have looked at and that may differ between packets of one direction of a
/// connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// No bits.
    pub(super) const NOTHING: Self = Self([0; 2]);
    /// What the packet is to its connection.
    pub(super) const STATE: Self = Self([0xff << 48, 0]);
    /// The device it came in by.
    pub(super) const INPUT: Self = Self([0, 0xffff << 32]);
    /// The device it goes out by.
    pub(super) const OUTPUT: Self = Self([0, 0xffff << 48]);
    /// Whether the packet is a fragment or has a broken transport header.
    pub(super) const SHAPE: Self = Self([0x03 << 56, 0]);
    /// Whom the link layer addressed.
    pub(super) const ADDRESSED: Self = Self([0x0c << 56, 0]);

    /// The packet mark.
    pub(super) const fn mark(mask: u32) -> Self {
        Self([mask as u64, 0])
    }

    /// The connection mark.
    pub(super) const fn connection_mark(mask: u32) -> Self {
        Self([0, mask as u64])
    }

    /// TCP flags.
    pub(super) const fn tcp_flags(mask: u8) -> Self {
        Self([(mask as u64) << 32, 0])
    }

    /// The type of service.
    pub(super) const fn tos(mask: u8) -> Self {
        Self([(mask as u64) << 40, 0])
    }

    /// Reads a packet that is tracked, with its connection's mark and its devices.
    #[must_use]
    pub fn of(packet: &Packet, connection_mark: u32, input: Option<DeviceId>, output: Option<DeviceId>) -> Self {
        let meta = packet.meta();
        let flags = packet.tcp().map_or(0, |tcp| tcp.flags.0);
        let tos = packet.ip().map_or(0, |ip| ip.tos());
        let fragment = packet.fragment_offset() != 0;
        let shape = u64::from(fragment) | u64::from(packet.transport() == crate::packet::Transport::Broken) << 1;
        let device = |id: Option<DeviceId>| id.map_or(0, |id| u64::from(id.0) + 1);
        Self([
            u64::from(meta.mark)
                | u64::from(flags) << 32
                | u64::from(tos) << 40
                | state_bits(meta.tracking) << 48
                | shape << 56
                | (meta.addressed as u64) << 58,
            u64::from(connection_mark) | device(input) << 32 | device(output) << 48,
        ])
    }

    const fn and(self, other: Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    const fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] == 0
    }
}

const fn state_bits(tracking: Tracking) -> u64 {
    match tracking {
        Tracking::Unseen => 0,
        Tracking::Template(_) => 1,
        Tracking::Untracked => 2,
        Tracking::Invalid => 3,
        Tracking::Tracked { state: State::New, .. } => 4,
        Tracking::Tracked { state: State::Established, .. } => 5,
        Tracking::Tracked { state: State::Related, .. } => 6,
    }
}

/// On what an answer depends beside what is fixed in a direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depends {
    /// On nothing more, or on these bits.
    On(Fingerprint),
    /// On more than a fingerprint holds: time, chance, sizes, changing state.
    Anything,
}

impl Depends {
    /// On nothing more.
    pub(super) const FLOW: Self = Self::On(Fingerprint::NOTHING);

    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::On(one), Self::On(other)) => Self::On(one.or(other)),
            (Self::Anything, _) | (_, Self::Anything) => Self::Anything,
        }
    }
}

/// What rules did with one packet so far, through all tables and hooks. Made anew for each packet.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The rules and policies that counted, in order.
    counted: [u32; WALK_RULES_MAX],
    len: u8,
    /// Whether another packet with the same bits must go the same way.
    repeatable: bool,
    looked_at: Fingerprint,
    seen: Fingerprint,
    /// Bits that are the same for every packet at the table that is being walked.
    constant: Fingerprint,
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

impl Walk {
    /// A packet's walk before its first table.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counted: [0; WALK_RULES_MAX],
            len: 0,
            repeatable: true,
            looked_at: Fingerprint::NOTHING,
            seen: Fingerprint::NOTHING,
            constant: Fingerprint::NOTHING,
        }
    }

    /// Starts the walk of the next packet.
    pub const fn restart(&mut self) {
        (self.len, self.repeatable) = (0, true);
        (self.looked_at, self.seen, self.constant) = (Fingerprint::NOTHING, Fingerprint::NOTHING, Fingerprint::NOTHING);
    }

    /// Whether it can be recorded: everything that had a say so far is in the connection or in the fingerprint.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Makes it unfit for recording: something else than rules had a say in this packet's way.
    pub const fn spoil(&mut self) {
        self.repeatable = false;
    }

    /// Starts a table. Before routing no packet has a device to leave by, and before tracking no packet has a state or a
    /// connection mark: what rules find there, they find for every packet.
    pub(super) fn start_table(&mut self, output: Option<DeviceId>, tracking: Tracking) {
        self.constant = Fingerprint::NOTHING;
        if output.is_none() {
            self.constant = self.constant.or(Fingerprint::OUTPUT);
        }
        if matches!(tracking, Tracking::Unseen | Tracking::Template(_)) {
            self.constant = self.constant.or(Fingerprint::STATE).or(Fingerprint::connection_mark(u32::MAX));
        }
    }

    pub(super) fn count(&mut self, index: u32) {
        match self.counted.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = index;
                self.len += 1;
            }
            None => self.repeatable = false,
        }
    }

    /// Notes that rules looked at some bits; `now` gives the packet's.
    pub(super) fn look(&mut self, depends: Depends, now: impl FnOnce() -> Fingerprint) {
        match depends {
            Depends::Anything => self.repeatable = false,
            Depends::On(bits) => {
                let new = bits.without(self.looked_at).without(self.constant);
                if self.repeatable && !new.is_empty() {
                    self.seen = self.seen.or(now().and(new));
                    self.looked_at = self.looked_at.or(new);
                }
            }
        }
    }
}

/// All recorded walks of a rule set.
#[derive(Clone, Debug, Default)]
pub(super) struct Walks {
    /// The number of the first record; what is below belongs to former rules.
    base: u32,
    records: Vec<Record>,
    by_content: BTreeMap<Key, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    counted: Box<[u32]>,
    looked_at: Fingerprint,
    seen: Fingerprint,
}

#[derive(Clone, Debug)]
struct Record {
    looked_at: Fingerprint,
    seen: Fingerprint,
    counter: Counter,
    counted: Box<[u32]>,
}

impl Walks {
    /// The number of a walk that ends in acceptance; `None` when it cannot be repeated or [`WALKS_MAX`] are there.
    pub(super) fn record(&mut self, walk: &Walk) -> Option<WalkId> {
        if !walk.repeatable {
            return None;
        }
        let counted = Box::from(&walk.counted[..usize::from(walk.len)]);
        let key = Key { counted, looked_at: walk.looked_at, seen: walk.seen };
        if let Some(&index) = self.by_content.get(&key) {
            return Some(WalkId(self.base.wrapping_add(index)));
        }
        if self.records.len() >= WALKS_MAX {
            return None;
        }
        let index = self.records.len() as u32;
        self.records.push(Record {
            looked_at: key.looked_at,
            seen: key.seen,
            counter: Counter::default(),
            counted: key.counted.clone(),
        });
        self.by_content.insert(key, index);
        Some(WalkId(self.base.wrapping_add(index)))
    }

    /// Counts a packet for the record when its bits fit; false: the tables must be asked.
    pub(super) fn repeat(&mut self, id: WalkId, fingerprint: Fingerprint, bytes: u64) -> bool {
        match self.records.get_mut(id.0.wrapping_sub(self.base) as usize) {
            Some(record) if fingerprint.and(record.looked_at) == record.seen => {
                record.counter.packets += 1;
                record.counter.bytes += bytes;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Adds what was counted for records to the counters of rules, and starts with new numbers: former ones find
    /// nothing any more.
    pub(super) fn forget(&mut self, counters: &mut [Counter]) {
        self.add_to(counters);
        self.base = self.base.wrapping_add(self.records.len() as u32);
        self.records.clear();
        self.by_content.clear();
    }

    /// Makes its numbers start where those of `former` end.
    pub(super) fn follow(&mut self, former: &Self) {
        self.base = former.base.wrapping_add(former.records.len() as u32);
    }

    /// Adds what was counted for records to the counters of rules.
    pub(super) fn add_to(&self, counters: &mut [Counter]) {
        for record in &self.records {
            for &index in &record.counted {
                if let Some(counter) = counters.get_mut(index as usize) {
                    counter.packets += record.counter.packets;
                    counter.bytes += record.counter.bytes;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn walk(counted: &[u32], depends: Depends, now: Fingerprint) -> Walk {
        let mut walk = Walk::new();
        walk.look(depends, || now);
        counted.iter().for_each(|&index| walk.count(index));
        walk
    }

    #[test]
    fn a_record_counts_for_all_its_rules_and_equal_walks_share_it() {
        let mut walks = Walks::default();
        let one = walks.record(&walk(&[0, 2], Depends::FLOW, Fingerprint::default())).expect("repeatable");
        assert_eq!(walks.record(&walk(&[0, 2], Depends::FLOW, Fingerprint::default())), Some(one));
        assert!(walks.repeat(one, Fingerprint::mark(u32::MAX), 100));
        assert!(walks.repeat(one, Fingerprint::default(), 60));
        let mut counters = vec![Counter::default(); 3];
        walks.add_to(&mut counters);
        let both = Counter { packets: 2, bytes: 160 };
        assert_eq!(counters, [both, Counter::default(), both]);
    }

    #[test]
    fn a_record_holds_only_for_packets_with_the_bits_that_were_looked_at() {
        let mut walks = Walks::default();
        let (syn, ack) = (Fingerprint::tcp_flags(0x02), Fingerprint::tcp_flags(0x10));
        let looked = Depends::On(Fingerprint::tcp_flags(0x06));
        let id = walks.record(&walk(&[1], looked, ack)).expect("repeatable");
        assert!(walks.repeat(id, ack.or(Fingerprint::mark(u32::MAX)), 1));
        assert!(!walks.repeat(id, syn, 1));
    }

    #[test]
    fn numbers_of_former_rules_find_nothing() {
        let mut walks = Walks::default();
        let old = walks.record(&walk(&[0], Depends::FLOW, Fingerprint::default())).expect("repeatable");
        let mut next = Walks::default();
        next.follow(&walks);
        let new = next.record(&walk(&[0], Depends::FLOW, Fingerprint::default())).expect("repeatable");
        assert_ne!(old, new);
        assert!(!next.repeat(old, Fingerprint::default(), 1));
        let mut counters = vec![Counter::default(); 1];
        assert!(walks.repeat(old, Fingerprint::default(), 7));
        walks.forget(&mut counters);
        assert!(!walks.repeat(old, Fingerprint::default(), 7));
        assert_eq!(counters[0], Counter { packets: 1, bytes: 7 });
    }

    #[test]
    fn a_walk_that_depends_on_anything_or_matched_too_much_is_not_recorded() {
        let mut walks = Walks::default();
        assert_eq!(walks.record(&walk(&[0], Depends::Anything, Fingerprint::default())), None);
        assert_eq!(walks.record(&walk(&[0; WALK_RULES_MAX + 1], Depends::FLOW, Fingerprint::default())), None);
        assert!(walks.record(&walk(&[0; WALK_RULES_MAX], Depends::FLOW, Fingerprint::default())).is_some());
    }
}
