//! What is noted about the packet at hand, beside what the packet carries itself.

use crate::{
    conntrack::{Tracking, Tuple},
    ending::{Ending, Outcome},
    netfilter::{Hook, RuleId, Stage, Walk},
    packet::Packet,
};

/// What is noted about the packet at hand, from its arrival to its ending.
///
/// The engine holds one, since it takes one packet its whole way before it looks at the next. A packet that this host
/// makes on the way has one of its own for as long as it is at hand.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The number of the frame that it came in, from 1; 0 when it was made here.
    pub(crate) frame: u64,
    /// The last stage that it came to.
    pub(crate) place: Option<(Hook, Stage)>,
    /// The rule that has dropped it.
    pub(crate) rule: Option<RuleId>,
    /// What connection tracking has said of it first.
    pub(crate) tracked: Tracking,
    /// The tuple with which it came to connection tracking first, when it was put together here.
    pub(crate) datagram: Option<Tuple>,
    /// What its sender is told besides, when it is dropped for something: the MTU that it found too small, in bytes, or which byte of
    /// it is wrong; 0: nothing.
    pub(crate) told: u32,
    /// It is on its way to this host by `lo`, where the rest of its way begins, and ends it; false again as soon as that begins.
    pub(crate) goes_on: bool,
    /// What is to be repeated of an earlier packet's walk, or what rules did with this one.
    pub(crate) walk: Walk,
}

impl Noted {
    /// What is still known of a packet that was held.
    pub(crate) fn of_held(packet: &Packet) -> Self {
        Self { frame: packet.meta().frame, tracked: packet.meta().tracking, ..Self::default() }
    }

    /// Forgets the packet before; the next one has come in the frame of that number.
    pub(crate) fn restart(&mut self, number: u64) {
        let Self { frame, place, rule, tracked, datagram, told, goes_on: _, walk } = self;
        (*frame, *place, *rule, *tracked, *datagram, *told) = (number, None, None, Tracking::Unseen, None, 0);
        walk.restart();
    }

    /// Remembers what connection tracking says, unless it has spoken before.
    pub(crate) const fn tracked_as(&mut self, tracking: Tracking) {
        if matches!(self.tracked, Tracking::Unseen) {
            self.tracked = tracking;
        }
    }

    /// Remembers what connection tracking has said of the answer to it, if it said nothing of the packet itself.
    pub(crate) const fn answered(&mut self, answer: &Self) {
        if matches!(self.tracked, Tracking::Unseen) {
            self.tracked = answer.tracked;
        }
    }

    /// How the packet has ended, for those who asked.
    pub(crate) const fn ending(&self, outcome: Outcome) -> Ending {
        Ending { frame: self.frame, outcome, tracking: self.tracked, place: self.place, rule: self.rule }
    }
}
