//! What is written down about one packet's way, for `explain` and for records. Costs one branch a step when off.

use alloc::{string::String, vec::Vec};
use core::net::SocketAddr;

use crate::{
    conntrack::{Direction, Reasoning, State, Tuple, Zone},
    ending::DropReason,
    frame::DeviceId,
    limits::TRACE_STEPS_MAX,
    nat::Manip,
    netfilter::{Hook, RuleId, TableName},
    wire::ipv6_options::{OptionFault, OptionsHeader},
};

/// How much is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceLevel {
    /// Nothing.
    #[default]
    Off,
    /// Hooks, decisions and the rules that matched.
    Path,
    /// Also every rule that was tried and did not match, and why.
    Full,
}

/// One step on a packet's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A packet enters a hook; it is written down in the one notation. Packets that this host makes on the way
    /// (a REJECT's answer) enter hooks of their own.
    Hook(Hook, String),
    /// Connection tracking is asked about another zone than 0.
    Zone(Zone),
    /// Connection tracking has spoken.
    Conntrack(Option<(State, Direction)>, Reasoning),
    /// A rule was tried and did not match. The number counts its conditions from 0, header first (see
    /// [`crate::netfilter::RuleSet::part`]); the text says what was found instead and ends a sentence that starts with
    /// "packet".
    Missed(TableName, RuleId, u16, String),
    /// A rule matched.
    Matched(TableName, RuleId),
    /// No rule of a built-in chain decided; its policy did. True: ACCEPT.
    Policy(TableName, Hook, bool),
    /// The packet goes to an endpoint outside that stands for this one inside: whether whoever sends it may, as `towpath.nat.filtering`
    /// says.
    Admission(SocketAddr, bool),
    /// An end of the connection has been translated: what the packet's tuple was and what it is.
    Translated(Manip, Tuple, Tuple),
    /// The packet is for this host.
    RoutedLocal,
    /// The packet leaves by a device.
    Routed(DeviceId),
    /// Something a helper did, as a sentence.
    Helper(String),
    /// Something is wrong with options of IPv6.
    Options(OptionsHeader, OptionFault),
    /// Its device waits for segments that continue the packet.
    HeldToMerge,
    /// Its bytes go on in the packet of an earlier frame of its flow. What follows is that packet's way, if it goes on now.
    Joined,
    /// A packet that was held goes on before the one at hand; it is written down in the one notation, and the next steps are its own
    /// until a hook is entered or the one at hand is dropped.
    Released(String),
    /// The packet's way ended.
    Dropped(DropReason),
}

/// The steps of the packet that is being handled.
#[derive(Debug, Default)]
pub struct Trace {
    level: TraceLevel,
    steps: Vec<Step>,
    /// The level that holds again when nothing is muted any more.
    muted: Option<TraceLevel>,
}

impl Trace {
    /// How much is written down from now on.
    pub fn set_level(&mut self, level: TraceLevel) {
        self.level = level;
        self.steps.clear();
    }

    /// How much is written down.
    #[must_use]
    pub const fn level(&self) -> TraceLevel {
        self.level
    }

    /// Whether anything is written down.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !matches!(self.level, TraceLevel::Off)
    }

    /// Writes nothing down while a packet is led on that is not of the frame at hand, and again afterwards.
    pub(crate) fn mute(&mut self, on: bool) {
        if on && self.muted.is_none() {
            self.muted = Some(core::mem::take(&mut self.level));
        } else if !on && let Some(level) = self.muted.take() {
            self.level = level;
        }
    }

    /// Whether rules that did not match are written down too.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.level, TraceLevel::Full)
    }

    /// Writes a step down. It is made only when it will be kept: never when off, and not beyond `TRACE_STEPS_MAX`.
    #[inline(always)]
    pub fn push(&mut self, step: impl FnOnce() -> Step) {
        if self.is_on() {
            self.keep(step);
        }
    }

    #[cold]
    fn keep(&mut self, step: impl FnOnce() -> Step) {
        if self.steps.len() < TRACE_STEPS_MAX {
            self.steps.push(step());
        }
    }

    /// The steps so far; what follows starts anew.
    pub fn take(&mut self) -> Vec<Step> {
        core::mem::take(&mut self.steps)
    }
}
