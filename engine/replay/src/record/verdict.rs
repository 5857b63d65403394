//! What became of a packet, in one word.

use towpath_engine::{
    DropReason, End, Ending, Outcome,
    conntrack::Tracking,
    ending::Holder,
    netfilter::{Hook, Stage},
};

use super::Tint;

/// What became of a packet, in the words of `kernel-oracle/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It left by a device.
    Forwarded,
    /// It was for the gateway itself, or for a program of its machine.
    LocalIn,
    /// It was dropped in PREROUTING behind connection tracking, by routing, or because of its TTL or size; or in OUTPUT.
    DroppedBeforeForward,
    /// It was dropped in FORWARD.
    DroppedForward,
    /// It was dropped in INPUT.
    DroppedInput,
    /// It was dropped in POSTROUTING.
    DroppedPostrouting,
    /// It was dropped by a helper, or its connection could not be entered into the table.
    DroppedLate,
    /// It was dropped in the raw table or by connection tracking.
    DroppedConntrack,
    /// It is a fragment, and is kept or thrown away by reassembly.
    HeldFragment,
    /// It ends inside a line that a helper has to see whole, and waits for the rest.
    HeldLine,
    /// Its device waits for segments that continue it.
    HeldGro,
    /// Its bytes went on in another packet: a later one, which has completed the datagram that it was a part of, or an earlier one,
    /// which it continues.
    Joined,
    /// It did not reach the first hook: no IPv4, damaged, or not for this station.
    NoHook,
    /// It was not fed in.
    NotInjected,
}

impl Verdict {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Forwarded,
        Self::LocalIn,
        Self::DroppedBeforeForward,
        Self::DroppedForward,
        Self::DroppedInput,
        Self::DroppedPostrouting,
        Self::DroppedLate,
        Self::DroppedConntrack,
        Self::HeldFragment,
        Self::HeldLine,
        Self::HeldGro,
        Self::Joined,
        Self::NoHook,
        Self::NotInjected,
    ];

    /// The word for an ending of a packet that came in by a device.
    #[must_use]
    pub fn of(ending: &Ending) -> Self {
        match (ending.outcome, ending.place) {
            (Outcome::Ended(End::Transmitted(_) | End::Held(Holder::Neighbour)), _) => Self::Forwarded,
            (Outcome::Ended(End::Delivered), _)
            | (Outcome::Dropped(DropReason::NoSocket | DropReason::TransportChecksum), _) => Self::LocalIn,
            (Outcome::Ended(End::Held(Holder::Defrag)), _) => Self::HeldFragment,
            (Outcome::Ended(End::Held(Holder::Helper)), _) => Self::HeldLine,
            (Outcome::Ended(End::Held(Holder::Gro)), _) => Self::HeldGro,
            (Outcome::Dropped(reason), None) if reason.is_of_fragment() => Self::HeldFragment,
            (Outcome::Ended(End::Joined), _) => Self::Joined,
            (Outcome::Ended(End::Consumed), _) => Self::NoHook,
            (Outcome::Dropped(_), None) if ending.tracking == Tracking::Unseen => Self::NoHook,
            (Outcome::Dropped(_), None) => Self::DroppedBeforeForward,
            (Outcome::Dropped(_), Some((hook, stage))) => match (hook, stage) {
                (Hook::Prerouting, Stage::Raw | Stage::Conntrack) => Self::DroppedConntrack,
                (Hook::Prerouting | Hook::Output, _) => Self::DroppedBeforeForward,
                (Hook::Input | Hook::Postrouting, Stage::Helper | Stage::Confirm) => Self::DroppedLate,
                (Hook::Input, _) => Self::DroppedInput,
                (Hook::Forward, _) => Self::DroppedForward,
                (Hook::Postrouting, _) => Self::DroppedPostrouting,
            },
        }
    }

    /// Whether the packet found its place: it left, was for the gateway, or is kept to be put together.
    #[must_use]
    pub const fn is_pass(self) -> bool {
        matches!(
            self,
            Self::Forwarded | Self::LocalIn | Self::HeldFragment | Self::HeldLine | Self::HeldGro | Self::Joined
        )
    }

    /// What it means to people.
    pub(crate) const fn tint(self) -> Tint {
        match self {
            Self::Forwarded | Self::LocalIn => Tint::Good,
            Self::HeldFragment | Self::HeldLine | Self::HeldGro | Self::Joined | Self::NoHook | Self::NotInjected => {
                Tint::Quiet
            }
            Self::DroppedBeforeForward
            | Self::DroppedForward
            | Self::DroppedInput
            | Self::DroppedPostrouting
            | Self::DroppedLate
            | Self::DroppedConntrack => Tint::Bad,
        }
    }

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forwarded => "FORWARDED",
            Self::LocalIn => "LOCAL_IN",
            Self::DroppedBeforeForward => "DROPPED_BEFORE_FORWARD",
            Self::DroppedForward => "DROPPED_FORWARD",
            Self::DroppedInput => "DROPPED_INPUT",
            Self::DroppedPostrouting => "DROPPED_POSTROUTING",
            Self::DroppedLate => "DROPPED_LATE",
            Self::DroppedConntrack => "DROPPED_CONNTRACK",
            Self::HeldFragment => "HELD_FRAGMENT",
            Self::HeldLine => "HELD_LINE",
            Self::HeldGro => "HELD_GRO",
            Self::Joined => "JOINED",
            Self::NoHook => "NO_HOOK",
            Self::NotInjected => "NOT_INJECTED",
        }
    }
}
