//! Which flows two gateways treat in different ways.
//!
//! The same captures are led through both. A flow differs when something differs about one of its packets: what became of
//! it, what it is to connection tracking, how its connection is translated, how long that lives, or who decided. Flows
//! that differ for the same reason are put together: what was different first, and which rule was the cause before and
//! after.
//!
//! A connection that another one has announced is translated by the rule that has translated that one.
//!
//! Rules are the same when they say the same, wherever they stand and whatever their comments are.

mod groups;
mod made;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use towpath_engine::{DeviceId, Frame, Packet, conntrack::Tuple, packet::Pool};

use self::made::Translators;
pub use self::{
    groups::{Example, Group},
    made::{Aspect, Cause, Made},
};
use crate::{
    capture::{Capture, CaptureError},
    limits::{BATCH_PACKETS, FLOWS_COMPARED_MAX},
    record::{Record, notation::Notation},
    replay::Replay,
};

/// Two gateways that are compared, over any number of captures.
#[derive(Debug)]
pub struct Diff {
    groups: Vec<Group>,
    counts: Counts,
    /// Flows of one capture that are told apart.
    flows_max: usize,
}

/// Nothing has been compared yet.
impl Default for Diff {
    fn default() -> Self {
        Self { groups: Vec::new(), counts: Counts::default(), flows_max: FLOWS_COMPARED_MAX }
    }
}

/// How much has been compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Captures.
    pub captures: u64,
    /// Packets.
    pub packets: u64,
    /// Flows; each direction belongs to the same.
    pub flows: u64,
    /// Packets of further flows, which are too many to be told apart ([`FLOWS_COMPARED_MAX`]): compared, each by itself.
    pub packets_beyond: u64,
    /// Flows that differ.
    pub flows_that_differ: u64,
}

/// What is known of a capture's flows.
struct Flows {
    /// Which group each belongs to; `None`: it has not differed so far.
    groups: BTreeMap<Tuple, Option<usize>>,
    /// Who has translated them before, and who does now.
    translators: [Translators; 2],
}

impl Diff {
    /// Compares what two gateways, just set up with [`Detail::Path`](crate::replay::Detail::Path), make of a capture.
    ///
    /// # Errors
    /// When the capture is damaged; everything before the damage has been compared.
    pub fn capture(
        &mut self,
        name: &str,
        [old, new]: [&mut Replay; 2],
        capture: &mut Capture<'_>,
    ) -> Result<(), CaptureError> {
        self.counts.captures += 1;
        let translators = [(); 2].map(|()| Translators::new(self.flows_max));
        let mut flows = Flows { groups: BTreeMap::new(), translators };
        let mut pool = Pool::new();
        let result = loop {
            let batch = match capture.next_batch(BATCH_PACKETS) {
                Ok(batch) if batch.is_empty() => break Ok(()),
                Ok(batch) => batch,
                Err(error) => break Err(error),
            };
            old.learn(&batch);
            new.learn(&batch);
            for packet in batch.packets() {
                self.packet(name, &old.handle(&packet), &new.handle(&packet), (&mut flows, &mut pool));
            }
        };
        self.counts.flows += flows.groups.len() as u64;
        self.counts.flows_that_differ += flows.groups.values().flatten().count() as u64;
        result
    }

    /// How much has been compared.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What differs, most flows first.
    #[must_use]
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|group| core::cmp::Reverse((group.flows, group.packets)));
        groups
    }

    fn packet(&mut self, capture: &str, old: &Record<'_>, new: &Record<'_>, (flows, pool): (&mut Flows, &mut Pool)) {
        self.counts.packets += 1;
        let flow = flow_of(old, pool);
        let Flows { groups, translators: [translator_before, translator_after] } = flows;
        if let Some(flow) = flow.filter(|flow| !groups.contains_key(flow)) {
            if groups.len() < self.flows_max {
                groups.insert(flow, None);
            } else {
                self.counts.packets_beyond += 1;
            }
        }
        let (before, after) = (Made::of(old, translator_before), Made::of(new, translator_after));
        let aspects = before.aspects(&after);
        if aspects.is_empty() {
            return;
        }
        let known = flow.and_then(|flow| groups.get_mut(&flow));
        let index = match known.as_deref() {
            Some(Some(index)) => *index,
            // What is different first is the cause of what follows.
            Some(None) | None => {
                let text = Notation::new().of(old.captured, old.wire_len);
                let example = Example { capture: capture.to_owned(), packet: old.number, text, before, after };
                let index = groups::place(&mut self.groups, aspects, example);
                self.groups[index].flows += u64::from(known.is_some());
                if let Some(known) = known {
                    *known = Some(index);
                }
                index
            }
        };
        self.groups[index].packets += 1;
    }
}

/// The flow of a packet as it was captured, the same for both directions.
fn flow_of(record: &Record<'_>, pool: &mut Pool) -> Option<Tuple> {
    let frame = Frame { wire_len: record.wire_len, ..Frame::new(DeviceId(0), record.captured) };
    let packet = Packet::parse(pool, &frame).unwrap_or_else(|dropped| dropped.packet);
    let tuple = Tuple::about(&packet);
    packet.recycle(pool);
    let tuple = tuple?;
    Some(tuple.inverted().map_or(tuple, |inverse| inverse.min(tuple)))
}
