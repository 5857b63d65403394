//! Records: what became of each packet of a capture. Schema `towpath.record/1`.
//!
//! As JSON ([`JsonRecords`]) a replay is a line with one object about the replay itself, then one a packet, in the
//! capture's order. The same capture, gateway and helpers give the same bytes, on every machine.
//!
//! # The first line
//!
//! | field | what it is |
//! |---|---|
//! | `schema` | `"towpath.record/1"`. A change of meaning makes it `/2`; fields may be added without one |
//! | `devices` | names of the gateway's interfaces, in the order of their numbers |
//! | `helpers` | what was loaded: `name`, and the `component`'s SHA-256 (null: compiled in). What helpers answer is an input of the replay |
//!
//! # A packet
//!
//! | field | what it is |
//! |---|---|
//! | `n` | its number in the capture, from 1 |
//! | `ts` | its time, in nanoseconds since the Unix epoch |
//! | `dev` | the interface it came in by; `lo`: a program of the machine itself has sent it; null: it was not fed in |
//! | `pkt` | the packet that the gateway saw, in the one notation |
//! | `was` | the packet that was captured, when it is not the same |
//! | `unknown` | true: what the gateway would have seen instead cannot be told, for want of the connection's start, of a datagram's first part, or because connections of several zones have it |
//! | `state` | `NEW`, `ESTABLISHED`, `RELATED`, `INVALID`, `UNTRACKED`; null: connection tracking did not see it |
//! | `dir` | `ORIGINAL` or `REPLY`; null: it belongs to no connection |
//! | `verdict` | one word of [`Verdict`] |
//! | `reason` | the drop reason's name, or why it was not fed in; null: neither |
//! | `rule` | the rule that decided: `file`, `line`, `table`, `chain`, `text`; null: none |
//! | `path` | its steps; each has `step` and what belongs to it (see [`mod@step`]). Empty when the path was not asked for |
//! | `out` | what came out: `dev`, `pkt`, `len` in bytes, and `hex` when asked for |
//! | `events` | what was told, in order. `event` is `NEW`, `UPDATE`, `DESTROY`, `EXP_NEW`, `EXP_UPDATE`, `EXP_DESTROY` with the fields of a connection or expectation, `LOG` with `level` and `line`, or `HELPER` with `helper` and `text`. `ts` is there when it happened before the packet's time: a timer |
//! | `ct` | the connection after the packet; null: it belongs to none |
//! | `late` | packets before it that were held and have gone on since: `n`, `verdict`, `reason`. Missing when there are none |
//!
//! Connections and expectations have the names and words of [`crate::schema`].

mod colour;
mod decision;
mod flows;
mod json;
pub(crate) mod notation;
mod pcapng;
pub mod step;
mod summary;
mod text;
mod verdict;

use core::fmt;

use towpath_engine::{
    DeviceId, DropReason, Ending, Engine, Event, Instant, Outcome, Transmit,
    conntrack::{Direction, Entry, Tracking},
    netfilter::RuleInfo,
    trace::Step,
};

pub use self::{
    colour::Colour,
    decision::Decision,
    flows::{FlowList, Flows},
    json::JsonRecords,
    pcapng::{ASIDE, PcapngRecords},
    summary::Summary,
    text::TextRecords,
    verdict::Verdict,
};
pub(crate) use self::{
    colour::Tint,
    step::{direction_word, helper_event},
    text::seconds,
};
use crate::{capture::Unreadable, replay, tags};

/// What became of one packet. Borrows from the replay until the next packet.
pub struct Record<'r> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured.
    pub time: Instant,
    /// What became of it.
    pub fate: Fate,
    /// Whether the gateway saw what was captured.
    pub seen: Seen,
    /// What was captured, as an Ethernet frame.
    pub captured: &'r [u8],
    /// What the gateway saw.
    pub frame: &'r [u8],
    /// The length of that on the wire, in bytes.
    pub wire_len: u32,
    /// What came out.
    pub out: &'r [Transmit],
    /// What was told, and when.
    pub events: &'r [(Instant, Event)],
    /// The packet's steps, when they were asked for.
    pub path: &'r [Step],
    /// How packets went on that were held: because of this one, or because time has passed since the one before.
    pub late: &'r [Late],
    /// The gateway after the packet.
    pub engine: &'r Engine,
}

/// How a packet went on that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// The verdict while it was held.
    pub before: Verdict,
    /// How it ended, or who holds it now.
    pub ending: Ending,
}

/// What became of a captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went in by a device, and ended.
    Fed(DeviceId, Ending),
    /// It did not go in.
    NotFed(NotFed),
}

/// Why a captured packet was not fed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFed {
    /// The gateway itself has sent it.
    OwnOutput,
    /// Its link layer is not read.
    Unreadable(Unreadable),
    /// No interface leads to its source.
    Nowhere,
    /// A machine has sent it to itself, and the gateway has none of its own.
    ToItself,
}

impl NotFed {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnOutput => "OwnOutput",
            Self::Unreadable(_) => "Unreadable",
            Self::Nowhere => "NoInterface",
            Self::ToItself => "NoHost",
        }
    }
}

/// Whether the gateway saw what was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Just that.
    AsCaptured,
    /// The same with other addresses: the capture's end of the connection knows it by other ones.
    Readdressed,
    /// Nobody can tell, for a reason.
    Unknown(Unmapped),
}

/// Why it cannot be told what the gateway saw of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// Its connection's start is not in the capture.
    StartMissing,
    /// It is a part of a datagram whose first part, which names the ports, has not come before it.
    FirstPartMissing,
    /// Connections of several zones have its addresses and ports, each translated in its own way.
    SeveralZones,
}

impl Unmapped {
    /// The reason as a part of a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::StartMissing => "its connection's start is not in the capture",
            Self::FirstPartMissing => "its datagram's first part has not come before it",
            Self::SeveralZones => "connections of several zones have its addresses and ports",
        }
    }
}

impl Late {
    /// What became of it, in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.ending)
    }

    /// Why it was dropped.
    #[must_use]
    pub const fn drop_reason(&self) -> Option<DropReason> {
        match self.ending.outcome {
            Outcome::Dropped(reason) => Some(reason),
            Outcome::Ended(_) => None,
        }
    }
}

impl fmt::Display for NotFed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnOutput => out.write_str("The gateway itself has sent it."),
            Self::Unreadable(why) => why.fmt(out),
            Self::Nowhere => out.write_str("No interface leads to its source."),
            Self::ToItself => out.write_str(
                "A machine has sent it to itself, and the gateway has no machine of its own ([host] in gateway.toml).",
            ),
        }
    }
}

impl Record<'_> {
    /// The interface it came in by.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self.fate {
            Fate::Fed(device, _) => self.device_name(device),
            Fate::NotFed(_) => None,
        }
    }

    /// A device's name.
    #[must_use]
    pub fn device_name(&self, device: DeviceId) -> Option<&str> {
        self.engine.devices().find(device).map(|device| device.name.as_str())
    }

    /// What it is to connection tracking, in a word.
    #[must_use]
    pub fn state(&self) -> Option<&'static str> {
        self.ending().and_then(|ending| ending.tracking.word())
    }

    /// Its direction in its connection.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self.ending()?.tracking {
            Tracking::Tracked { direction, .. } => Some(direction),
            Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => None,
        }
    }

    /// What became of it, in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.fate {
            Fate::Fed(_, ending) => Verdict::of(&ending),
            Fate::NotFed(_) => Verdict::NotInjected,
        }
    }

    /// Why it was dropped or not fed in.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self.fate {
            Fate::Fed(..) => self.drop_reason().map(DropReason::name),
            Fate::NotFed(why) => Some(why.name()),
        }
    }

    /// Why it was dropped.
    #[must_use]
    pub fn drop_reason(&self) -> Option<DropReason> {
        match self.ending()?.outcome {
            Outcome::Dropped(reason) => Some(reason),
            Outcome::Ended(_) => None,
        }
    }

    /// The rule that dropped it.
    #[must_use]
    pub fn rule(&self) -> Option<RuleInfo> {
        self.engine.rules().find(self.ending()?.rule?)
    }

    /// Its connection, as it is now.
    #[must_use]
    pub fn connection(&self) -> Option<Entry> {
        self.engine.conntrack().entry(self.engine.now(), self.ending()?.tracking.connection()?)
    }

    fn ending(&self) -> Option<&Ending> {
        match &self.fate {
            Fate::Fed(_, ending) => Some(ending),
            Fate::NotFed(_) => None,
        }
    }
}

/// The bytes of a frame that came out, its transport checksum filled in and its tag put in as the device would.
pub fn bytes_out(transmit: &Transmit, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(transmit.head());
    transmit.fragments().for_each(|part| into.extend_from_slice(part));
    if let towpath_engine::Checksum::Partial { start, offset } = transmit.checksum() {
        replay::fill(into, start, offset);
    }
    if let Some(tag) = transmit.vlan() {
        tags::insert(into, tag);
    }
}
