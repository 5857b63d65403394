//! What rules did with one packet, and how an established flow goes the same way without asking them again.
//!
//! What a table does with a packet depends on a few things only: on what never changes in a direction of a connection
//! (addresses, ports, protocol, translations) and on some bits of each packet (TCP flags, marks, devices …) that the
//! rules on the way have looked at. While a packet goes its way, its [`Walk`] notes for each table at each hook which
//! rules matched, which of those bits were looked at, and what they were. At the way's end that is recorded:
//!
//! ```text
//!  connection ──► flow ─┬─ original ──► mangle PREROUTING ──► mangle FORWARD ──► filter FORWARD ──► mangle POSTROUTING
//!                       └─ reply ─────► …                          each: bits looked at, what they were, a counter
//! ```
//!
//! A later packet of that connection and direction takes the visits of the record one by one instead of asking the
//! tables: one comparison and one counter each, however many rules there are. A visit in which something else had a say
//! (a `limit`, a `length`, a target that changes the packet) stands in the record as one in which rules are asked each
//! time. A packet that comes to another table, or has other bits, is asked about from there on, and the next one is
//! recorded anew.
//!
//! Why a record for each visit and not for the whole way: a packet may be dropped between two tables (its TTL runs out),
//! and then only the rules before have counted.
//!
//! Beside the visits, the record of a packet that was forwarded holds its [`Course`]: where it came in and how it went on.
//! One whose visits may all be repeated, and whose course is known, spares a later packet the whole way (`repeat.rs`).
//!
//! Why not counters for each rule on the fast path: thousands of flows share few records, so that a record's counter is
//! in the cache, and a listing adds the records up. The sums are exact.

mod course;
mod fingerprint;
mod records;
#[cfg(test)]
mod tests;

pub use course::Course;
use course::CourseId;
pub(super) use fingerprint::Depends;
pub use fingerprint::Fingerprint;
pub(super) use records::Walks;

use serde::{Deserialize, Serialize};

use super::{Hook, TableName};
use crate::{conntrack::Tracking, frame::DeviceId, limits::WALK_RULES_MAX};

/// How rules let the packets of a connection through, both directions. The number of a record of replaced rules finds
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalkId(u32);

impl WalkId {
    /// Nothing is known yet.
    pub const NONE: Self = Self(0);
}

/// What rules do with the packet at hand: what is to be repeated of an earlier packet's walk, or what is noted of its own.
#[derive(Clone, Debug)]
pub struct Walk {
    plan: Plan,
    /// The course that the packet before has taken.
    course: CourseId,
    /// The tables so far, the one that is being walked included.
    visits: [Visit; VISITS_MAX],
    visits_len: u8,
    /// The rules and policies that counted, in order, visit by visit.
    counted: [u32; WALK_RULES_MAX],
    counted_len: u8,
}

/// What is done at the next table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Rules are asked, and nothing is noted.
    Ask,
    /// Rules are asked, and what they do is noted.
    Note,
    /// What a record says is done.
    Repeat(Next),
    /// The record did not fit: rules are asked, and the record is taken from the connection at the end.
    Misfit,
}

/// The next visit of a record; [`Next::END`]: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next(u32);

impl Next {
    const END: Self = Self(u32::MAX);
}

/// What a table did with a packet at a hook.
#[derive(Clone, Copy, Debug)]
struct Visit {
    place: Place,
    /// Whether another packet with the same bits must fare alike.
    repeatable: bool,
    /// Behind the last of its rules in [`Walk::counted`].
    counted_end: u8,
    looked_at: Fingerprint,
    seen: Fingerprint,
    /// Bits that are the same for every packet at this table and hook.
    constant: Fingerprint,
}

/// A table at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u8);

impl Place {
    const fn new(table: TableName, hook: Hook) -> Self {
        Self((table as u8) << 4 | hook as u8)
    }
}

impl Visit {
    const NONE: Self = Self {
        place: Place(0),
        repeatable: false,
        counted_end: 0,
        looked_at: Fingerprint::NOTHING,
        seen: Fingerprint::NOTHING,
        constant: Fingerprint::NOTHING,
    };
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

impl Walk {
    /// The walk of a packet of which nothing is known and nothing is to be noted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            plan: Plan::Ask,
            course: CourseId::None,
            visits: [Visit::NONE; VISITS_MAX],
            visits_len: 0,
            counted: [0; WALK_RULES_MAX],
            counted_len: 0,
        }
    }

    /// The same for the next packet.
    pub const fn restart(&mut self) {
        (self.plan, self.course) = (Plan::Ask, CourseId::None);
    }

    /// Asks rules from now on, since the record that was to be repeated is gone.
    pub(super) fn lose_record(&mut self) {
        if matches!(self.plan, Plan::Repeat(_)) {
            self.plan = Plan::Ask;
        }
    }

    /// Whether rules were asked, and what they did is to be remembered.
    #[cfg(test)]
    pub(super) const fn is_news(&self) -> bool {
        matches!(self.plan, Plan::Note | Plan::Misfit)
    }

    /// Notes what rules do from now on.
    const fn start_noting(&mut self) {
        (self.plan, self.visits_len, self.counted_len) = (Plan::Note, 0, 0);
    }

    /// Starts a table. Before routing no packet has a device to leave by, and before tracking no packet has a state or a
    /// connection mark: what rules find there, they find for every packet.
    pub(super) fn start_table(
        &mut self,
        (table, hook): (TableName, Hook),
        output: Option<DeviceId>,
        tracking: Tracking,
    ) {
        if self.plan != Plan::Note {
            return;
        }
        let Some(visit) = self.visits.get_mut(usize::from(self.visits_len)) else {
            self.plan = Plan::Ask;
            return;
        };
        self.visits_len += 1;
        *visit =
            Visit { place: Place::new(table, hook), repeatable: true, counted_end: self.counted_len, ..Visit::NONE };
        if output.is_none() {
            visit.constant = visit.constant.or(Fingerprint::OUTPUT);
        }
        if matches!(tracking, Tracking::Unseen | Tracking::Template(_)) {
            visit.constant = visit.constant.or(Fingerprint::STATE).or(Fingerprint::connection_mark(u32::MAX));
        }
    }

    /// The table that is being walked, when it is noted and can still be repeated.
    #[inline]
    fn open_visit(&mut self) -> Option<&mut Visit> {
        if self.plan != Plan::Note {
            return None;
        }
        self.visits[..usize::from(self.visits_len)].last_mut().filter(|visit| visit.repeatable)
    }

    /// Makes the table that is being walked one in which rules are asked each time.
    pub(super) fn spoil(&mut self) {
        if let Some(visit) = self.open_visit() {
            visit.repeatable = false;
            let before = usize::from(self.visits_len).checked_sub(2).map(|index| self.visits[index].counted_end);
            self.counted_len = before.unwrap_or(0);
            self.visits[usize::from(self.visits_len) - 1].counted_end = self.counted_len;
        }
    }

    /// Notes that a rule or policy counted.
    #[inline]
    pub(super) fn count(&mut self, index: u32) {
        if self.open_visit().is_none() {
            return;
        }
        match self.counted.get_mut(usize::from(self.counted_len)) {
            Some(place) => {
                *place = index;
                self.counted_len += 1;
                self.visits[usize::from(self.visits_len) - 1].counted_end = self.counted_len;
            }
            None => self.spoil(),
        }
    }

    /// The bits that are to be noted, of those that a rule looks at.
    #[inline]
    pub(super) fn asks_for(&mut self, depends: Depends) -> Option<Fingerprint> {
        match (self.open_visit(), depends) {
            (None, _) => None,
            (Some(_), Depends::Anything) => {
                self.spoil();
                None
            }
            (Some(visit), Depends::On(bits)) => {
                let new = bits.without(visit.looked_at).without(visit.constant);
                (!new.is_empty()).then_some(new)
            }
        }
    }

    /// Notes that rules looked at some bits, and what they were.
    pub(super) fn note(&mut self, looked_at: Fingerprint, seen: Fingerprint) {
        if let Some(visit) = self.open_visit() {
            visit.looked_at = visit.looked_at.or(looked_at);
            visit.seen = visit.seen.or(seen);
        }
    }

    /// The visits with the rules that counted in each.
    fn noted(&self) -> impl DoubleEndedIterator<Item = (&Visit, &[u32])> {
        let visits = &self.visits[..usize::from(self.visits_len)];
        visits.iter().enumerate().map(|(index, visit)| {
            let start = index.checked_sub(1).map_or(0, |before| visits[before].counted_end);
            (visit, &self.counted[usize::from(start)..usize::from(visit.counted_end)])
        })
    }
}

/// Tables on a packet's way between connection tracking and its end: mangle at three hooks, filter at one.
const VISITS_MAX: usize = 4;
