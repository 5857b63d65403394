//! Numbers of a script and numbers on the wire. Scripts count from each side's first number, but may give the SYNs another one; clocks of
//! timestamps likewise.

use std::collections::BTreeMap;

use super::{notation::flag_bits, wire::Way};
use crate::script::{Segment, TcpOption};

/// A connection: its ends, and how its numbers are counted.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// As packets of the host under test go.
    pub(super) way: Way,
    /// What is added to a number of the script to have that on the wire, for the host's own numbers; known from its first
    /// packet on.
    pub(super) own_offset: Option<u32>,
    /// What SYNs of the host count from in the script, and those of the other side.
    own_first: u32,
    peer_first: Option<u32>,
    /// Timestamps of the host that the script has named, and what they were on the wire.
    stamps: BTreeMap<u32, u32>,
    /// The first of them.
    pub(super) first_stamp: Option<(u32, u32)>,
}

impl Connection {
    pub(super) const fn new(way: Way) -> Self {
        Self { way, own_offset: None, own_first: 0, peer_first: None, stamps: BTreeMap::new(), first_stamp: None }
    }

    /// A segment of the script as it comes in.
    pub(super) fn incoming(&mut self, segment: &Segment) -> Segment {
        let own = self.own_offset.unwrap_or(0);
        let mut live = segment.clone();
        let (own_first, peer_first) =
            if is_syn(segment) { (self.own_first, *self.peer_first.get_or_insert(segment.start)) } else { (0, 0) };
        live.start = segment.start.wrapping_add(PEER_OFFSET).wrapping_sub(peer_first);
        live.ack = segment.ack.map(|ack| ack.wrapping_add(own).wrapping_sub(own_first));
        for option in live.options.iter_mut().flatten() {
            match option {
                TcpOption::Sack(blocks) => shift(blocks, own),
                TcpOption::Timestamps { echo, .. } => *echo = self.stamps.get(echo).copied().unwrap_or(*echo),
                TcpOption::Nop
                | TcpOption::End
                | TcpOption::Mss(_)
                | TcpOption::WindowScale(_)
                | TcpOption::SackPermitted
                | TcpOption::FastOpen { .. }
                | TcpOption::Md5(_) => {}
            }
        }
        live
    }

    /// A segment that has left, in the script's numbers; timestamps stay as they are.
    pub(super) fn outgoing(&self, segment: &Segment) -> Segment {
        let peer = PEER_OFFSET.wrapping_neg();
        let mut written = segment.clone();
        let (own_first, peer_first) =
            if is_syn(segment) { (self.own_first, self.peer_first.unwrap_or(0)) } else { (0, 0) };
        written.start = segment.start.wrapping_sub(self.own_offset.unwrap_or(0)).wrapping_add(own_first);
        written.ack = segment.ack.map(|ack| ack.wrapping_add(peer).wrapping_add(peer_first));
        for option in written.options.iter_mut().flatten() {
            if let TcpOption::Sack(blocks) = option {
                shift(blocks, peer);
            }
        }
        written
    }

    /// Notes the host's first segment, which the script has as `written`.
    pub(super) fn note_first(&mut self, written: &Segment, live: &Segment) {
        if self.own_offset.is_some() {
            return;
        }
        self.own_first = if is_syn(live) { written.start } else { 0 };
        self.own_offset = Some(live.start.wrapping_sub(written.start).wrapping_add(self.own_first));
    }

    /// Notes that the host's timestamp, which the script calls `written`, was `live`.
    pub(super) fn note_stamp(&mut self, written: u32, live: u32) {
        self.first_stamp.get_or_insert((written, live));
        self.stamps.insert(written, live);
    }
}

fn is_syn(segment: &Segment) -> bool {
    const SYN: u16 = 0x02;
    flag_bits(&segment.flags) & SYN != 0
}

fn shift(blocks: &mut [(u32, u32)], by: u32) {
    for (start, end) in blocks {
        *start = start.wrapping_add(by);
        *end = end.wrapping_add(by);
    }
}

/// Where numbers of the other side begin on the wire: not at zero, so that one that is not counted right stands out.
const PEER_OFFSET: u32 = 3_000_000_000;

/// The timestamps of a segment: value and echo.
pub(super) fn stamps(segment: &Segment) -> Option<(u32, u32)> {
    segment.options.iter().flatten().find_map(|option| match option {
        TcpOption::Timestamps { value, echo } => Some((*value, *echo)),
        TcpOption::Nop
        | TcpOption::End
        | TcpOption::Mss(_)
        | TcpOption::WindowScale(_)
        | TcpOption::SackPermitted
        | TcpOption::Sack(_)
        | TcpOption::FastOpen { .. }
        | TcpOption::Md5(_) => None,
    })
}
