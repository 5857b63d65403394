//! Packets that a stage keeps, and where they go on.
//!
//! A stage that may keep packets gives [`Walked::Held`] instead of the packet, and has it in a room of its own, as [`Held`]:
//! packet, place and way are all that its walk needs. Later the engine takes it from there and leads it on
//! ([`crate::Engine::lead_on`] in `path.rs`, inside of [`crate::Engine::let_go`], which is its frame's second ending); from the
//! stage that has kept it, which is asked once more, or from the next one.

use crate::{
    ending::Holder,
    netfilter::{Hook, Stage},
    packet::Packet,
    path::Way,
};

/// A packet that a stage keeps.
#[derive(Debug)]
pub(crate) struct Held {
    /// It.
    pub(crate) packet: Packet,
    /// Where it goes on.
    pub(crate) place: Place,
    /// Where it comes from and goes to.
    pub(crate) way: Way,
}

/// A place on the path: before one of a hook's stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The hook.
    pub(crate) hook: Hook,
    /// Which of [`Hook::stages`] comes next; behind the last one, when it is their number.
    pub(crate) stage: usize,
}

impl Place {
    /// Where PREROUTING goes on behind connection tracking.
    pub(crate) const SINCE_TRACKED: Self = Self { hook: Hook::Prerouting, stage: STAGES_UNTIL_TRACKED };

    /// Where POSTROUTING asks helpers.
    pub(crate) const HELPER: Self = Self { hook: Hook::Postrouting, stage: STAGES_UNTIL_HELPED };

    /// The first one at a hook.
    pub(crate) const fn start(hook: Hook) -> Self {
        Self { hook, stage: 0 }
    }

    /// The one behind the stage that comes next here.
    pub(crate) const fn next(self) -> Self {
        Self { stage: self.stage + 1, ..self }
    }
}

/// How far a packet has come.
#[derive(Debug)]
pub(crate) enum Walked {
    /// It goes on.
    On(Packet),
    /// Somebody keeps it.
    Held(Holder),
}

const STAGES_UNTIL_TRACKED: usize = 2;
const STAGES_UNTIL_HELPED: usize = 2;
const _: () = assert!(matches!(Hook::Postrouting.stages()[STAGES_UNTIL_HELPED], Stage::Helper));
const _: () =
    assert!(matches!(Hook::Prerouting.stages().split_at(STAGES_UNTIL_TRACKED).0, [Stage::Raw, Stage::Conntrack]));
