//! Recorded walks: a forest of visits that flows share, and the flows' numbers.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::{Course, CourseId, Fingerprint, Next, Place, Plan, Visit, Walk, WalkId};
use crate::{
    conntrack::{Conntrack, Counter, Direction},
    limits::{COURSES_MAX, WALKS_MAX},
    netfilter::{TableName, view::View},
    packet::Packet,
};

/// All recorded walks of a rule set.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Walks {
    /// The number of the first flow; what is below belongs to former rules.
    base: u32,
    flows: Vec<Flow>,
    flow_index: HashTable<u32>,
    /// Few: as many as there are routes and devices, at most.
    courses: Vec<Course>,
    records: Vec<Record>,
    record_index: HashTable<u32>,
    /// The rules that count for each record, one after the other.
    counted: Vec<u32>,
}

impl Default for Walks {
    fn default() -> Self {
        Self {
            base: WalkId::NONE.0 + 1,
            flows: Vec::new(),
            flow_index: HashTable::new(),
            courses: Vec::new(),
            records: Vec::new(),
            record_index: HashTable::new(),
            counted: Vec::new(),
        }
    }
}

/// What is known of a connection's packets, original and reply.
type Flow = [Way; 2];

/// What is known of the packets of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    /// The first visit; `None`: not known yet.
    first: Option<Next>,
    course: CourseId,
}

/// A visit that is repeated: one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Record {
    looked_at: Fingerprint,
    seen: Fingerprint,
    counter: Counter,
    next: Next,
    place: Place,
    /// Else rules are asked.
    repeatable: bool,
    counted_len: u8,
    /// Index of its first rule in [`Walks::counted`].
    counted_start: u32,
}

const _: () = assert!(size_of::<Record>() == 64);

impl Walks {
    /// What is to be done with a packet of an established flow: its record repeated, or a new one made.
    #[inline]
    pub(in crate::netfilter) fn plan(&self, id: WalkId, direction: Direction, walk: &mut Walk) {
        let way = self.flow(id).map_or(Way::default(), |flow| flow[direction.index()]);
        walk.course = way.course;
        match way.first {
            Some(first) => walk.plan = Plan::Repeat(first),
            None => walk.start_noting(),
        }
    }

    /// The course that packets before have taken, when this one may be let through all tables as they were: each visit can
    /// be repeated, and the packet is in each what they were.
    #[inline]
    pub(in crate::netfilter) fn course(&self, walk: &Walk, packet: &Packet, conntrack: &Conntrack) -> Option<&Course> {
        let Plan::Repeat(first) = walk.plan else { return None };
        let course = self.course_of(walk.course)?;
        let fits = |record: &Record| {
            let read = |bits: Fingerprint| bits.read_of(packet, Some(course.input), Some(course.output), conntrack);
            record.repeatable && (record.looked_at.is_empty() || read(record.looked_at) == record.seen)
        };
        self.chain(first).all(fits).then_some(course)
    }

    fn chain(&self, first: Next) -> impl Iterator<Item = &Record> {
        core::iter::successors(self.records.get(first.0 as usize), |record| self.records.get(record.next.0 as usize))
    }

    /// Counts a packet at all tables that it is let through as [`Self::course`] has allowed.
    #[inline]
    pub(in crate::netfilter) fn count(&mut self, walk: &Walk, bytes: u64) {
        let Plan::Repeat(Next(mut at)) = walk.plan else { return };
        while let Some(record) = self.records.get_mut(at as usize) {
            record.counter.count(1, bytes);
            at = record.next.0;
        }
    }

    /// Lets a packet pass a table as its record says, and counts it there; false: rules must be asked.
    #[inline]
    pub(in crate::netfilter) fn repeat(&mut self, table: TableName, view: &mut View<'_>) -> bool {
        let Plan::Repeat(Next(next)) = view.walk.plan else { return false };
        let place = Place::new(table, view.hook);
        let Some(record) = self.records.get_mut(next as usize).filter(|record| record.place == place) else {
            view.walk.plan = Plan::Misfit;
            return false;
        };
        if !record.looked_at.is_empty() && record.looked_at.read(view) != record.seen {
            view.walk.plan = Plan::Misfit;
            return false;
        }
        view.walk.plan = Plan::Repeat(record.next);
        if record.repeatable {
            record.counter.count(1, view.packet.network_len() as u64);
        }
        record.repeatable
    }

    /// Whether the end of a packet's way tells something about the connection's later packets that was not known.
    /// `course` is the one that the packet has taken; `None`: it does not pass through.
    #[inline]
    pub(in crate::netfilter) fn is_news(&self, walk: &Walk, course: Option<&Course>) -> bool {
        match walk.plan {
            Plan::Ask => false,
            Plan::Note | Plan::Misfit => true,
            Plan::Repeat(Next::END) if walk.course == CourseId::NoRoom => false,
            Plan::Repeat(next) => next != Next::END || course != self.course_of(walk.course),
        }
    }

    /// The number under which a connection finds its walks from now on: `former` with what a packet that got through all
    /// tables in that direction, and has taken that course, has shown. When [`WALKS_MAX`] are there already, nothing new
    /// is remembered.
    pub(in crate::netfilter) fn record(
        &mut self,
        walk: &Walk,
        former: WalkId,
        direction: Direction,
        course: Option<Course>,
    ) -> WalkId {
        let mut flow = self.flow(former).copied().unwrap_or_default();
        let known = flow[direction.index()].first;
        let first = match walk.plan {
            Plan::Ask => return former,
            Plan::Repeat(Next::END) => known,
            // A visit that did not come is as good as one that did not fit.
            Plan::Misfit | Plan::Repeat(_) => None,
            Plan::Note => {
                let chain =
                    walk.noted().rev().try_fold(Next::END, |next, (visit, counted)| self.intern(visit, counted, next));
                let Some(first) = chain else { return former };
                Some(first)
            }
        };
        let course = course.filter(|_| first.is_some()).map_or(CourseId::None, |course| self.number_of(course));
        flow[direction.index()] = Way { first, course };
        self.number(flow)
    }

    /// The number of a course, a new one if it has none.
    fn number_of(&mut self, course: Course) -> CourseId {
        let known = self.courses.iter().position(|other| *other == course);
        let number = known.unwrap_or(self.courses.len());
        if number >= COURSES_MAX {
            return CourseId::NoRoom;
        }
        if known.is_none() {
            self.courses.push(course);
        }
        CourseId::Number(number as u32)
    }

    fn course_of(&self, id: CourseId) -> Option<&Course> {
        match id {
            CourseId::Number(number) => self.courses.get(number as usize),
            CourseId::None | CourseId::NoRoom => None,
        }
    }

    fn flow(&self, id: WalkId) -> Option<&Flow> {
        self.flows.get(id.0.wrapping_sub(self.base) as usize)
    }

    fn number(&mut self, flow: Flow) -> WalkId {
        let word = |way: &Way| way.first.map_or(0, |Next(at)| u64::from(at) + 1) | way.course.word() << 40;
        let hash = |flow: &Flow| flow.iter().fold(0, |hash, way| mix(hash, word(way)));
        let flows = &self.flows;
        let known = self.flow_index.find(hash(&flow), |&index| flows[index as usize] == flow);
        if let Some(&index) = known {
            return WalkId(self.base.wrapping_add(index));
        }
        if self.flows.len() >= WALKS_MAX {
            return WalkId::NONE;
        }
        let index = self.flows.len() as u32;
        self.flows.push(flow);
        let flows = &self.flows;
        self.flow_index.insert_unique(hash(&flow), index, |&index| hash(&flows[index as usize]));
        WalkId(self.base.wrapping_add(index))
    }

    /// The record of a visit that another one follows, made if there is none; `None` when there is no room.
    fn intern(&mut self, visit: &Visit, counted: &[u32], next: Next) -> Option<Next> {
        let hash = hash_of((visit.place, visit.repeatable, next), (visit.looked_at, visit.seen), counted);
        let (records, all) = (&self.records, &self.counted);
        let known = self.record_index.find(hash, |&index| {
            let record = &records[index as usize];
            (record.place, record.repeatable, record.next) == (visit.place, visit.repeatable, next)
                && (record.looked_at, record.seen) == (visit.looked_at, visit.seen)
                && record.counted(all) == counted
        });
        if let Some(&index) = known {
            return Some(Next(index));
        }
        if self.records.len() >= WALKS_MAX {
            return None;
        }
        let index = self.records.len() as u32;
        self.records.push(Record {
            looked_at: visit.looked_at,
            seen: visit.seen,
            counter: Counter::default(),
            next,
            place: visit.place,
            repeatable: visit.repeatable,
            counted_len: counted.len() as u8,
            counted_start: self.counted.len() as u32,
        });
        self.counted.extend_from_slice(counted);
        let (records, all) = (&self.records, &self.counted);
        self.record_index.insert_unique(hash, index, |&index| records[index as usize].hash(all));
        Some(Next(index))
    }

    /// Adds what was counted for records to the counters of rules, and starts with new numbers: former ones find
    /// nothing any more.
    pub(in crate::netfilter) fn forget(&mut self, counters: &mut [Counter]) {
        self.add_to(counters);
        self.base = self.base.wrapping_add(self.flows.len() as u32);
        self.flows.clear();
        self.flow_index.clear();
        self.courses.clear();
        self.records.clear();
        self.record_index.clear();
        self.counted.clear();
    }

    /// Makes its numbers start where those of `former` end.
    pub(in crate::netfilter) fn follow(&mut self, former: &Self) {
        self.base = former.base.wrapping_add(former.flows.len() as u32);
    }

    /// Adds what was counted for records to the counters of rules.
    pub(in crate::netfilter) fn add_to(&self, counters: &mut [Counter]) {
        for record in &self.records {
            for &index in record.counted(&self.counted) {
                if let Some(counter) = counters.get_mut(index as usize) {
                    counter.count(record.counter.packets, record.counter.bytes);
                }
            }
        }
    }
}

impl Record {
    fn counted<'a>(&self, all: &'a [u32]) -> &'a [u32] {
        let start = self.counted_start as usize;
        &all[start..start + usize::from(self.counted_len)]
    }

    fn hash(&self, all: &[u32]) -> u64 {
        hash_of((self.place, self.repeatable, self.next), (self.looked_at, self.seen), self.counted(all))
    }
}

fn hash_of(
    (Place(place), repeatable, Next(next)): (Place, bool, Next),
    (looked_at, seen): (Fingerprint, Fingerprint),
    counted: &[u32],
) -> u64 {
    let head = u64::from(place) | u64::from(repeatable) << 8 | u64::from(next) << 32;
    let bits = looked_at.words().into_iter().chain(seen.words());
    bits.chain(counted.iter().map(|&index| u64::from(index))).fold(head, mix)
}

/// Why no key: rules decide what there is to hash, not packets.
const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}
