//! Connection tracking: which flow a packet belongs to, and what that says of it.

pub mod calling;
pub mod conn;
pub mod entry;
pub mod expect;
pub mod helper;
pub mod reasoning;
pub mod sources;
pub mod tcp_window;
pub mod tuple;

pub use calling::{HelperEvent, LineStarts};
pub use conn::{ConnId, Connection, Counter, Status};
pub use entry::Entry;
pub use expect::{Expectation, ExpectationEntry, ExpectationId, Expectations, HelperId};
pub use reasoning::Reasoning;
pub use tuple::{Address, Direction, Family, Tuple};

use crate::{
    ending::DropReason, event::Events, packet::Packet, random::Random, sysctl::Sysctls, time::Instant, trace::Trace,
    wire::checksum::Routines,
};

/// What connection tracking says of a packet (Linux: `skb->_nfct`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// Not asked yet.
    #[default]
    Unseen,
    /// Not asked yet, but a rule of the raw table has said how to (`-j CT`).
    Template(TemplateId),
    /// A rule said not to ask (`-j NOTRACK`).
    Untracked,
    /// It fits no connection and may start none.
    Invalid,
    /// It belongs to a connection.
    Tracked {
        /// Which.
        connection: ConnId,
        /// What it is to it.
        state: State,
        /// Which way it goes.
        direction: Direction,
    },
}

impl Tracking {
    /// The connection, when there is one.
    #[must_use]
    pub const fn connection(self) -> Option<ConnId> {
        match self {
            Self::Tracked { connection, .. } => Some(connection),
            Self::Unseen | Self::Template(_) | Self::Untracked | Self::Invalid => None,
        }
    }

    /// The word rules and records use: `NEW`, `ESTABLISHED`, `RELATED`, `INVALID` or `UNTRACKED`; `None` when
    /// connection tracking has not been asked.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Unseen | Self::Template(_) => None,
            Self::Untracked => Some("UNTRACKED"),
            Self::Invalid => Some("INVALID"),
            Self::Tracked { state, .. } => Some(state.word()),
        }
    }
}

/// What a packet is to its connection (Linux: `enum ip_conntrack_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No answer has been seen yet.
    New,
    /// Both ends have been heard.
    Established,
    /// Another connection announced it, or it is an error about one.
    Related,
}

impl State {
    /// The word rules and records use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Established => "ESTABLISHED",
            Self::Related => "RELATED",
        }
    }
}

/// A `-j CT` rule's settings: their index in the rule set that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(pub u16);

/// How a `-j CT` rule wants a packet tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The helper to attach when the packet starts a connection.
    pub helper: Option<HelperId>,
    /// The zone to look in.
    pub zone: u16,
}

/// What tracking needs from the rest of the engine.
#[derive(Debug)]
pub struct Context<'a> {
    /// The tunables.
    pub sysctls: &'a Sysctls,
    /// Checksum routines.
    pub routines: &'a Routines,
    /// The engine's source of chance.
    pub random: &'a mut Random,
    /// Where changes are told.
    pub events: &'a mut Events,
    /// What is written down for `explain`.
    pub trace: &'a mut Trace,
}

/// All connections and expectations.
#[derive(Debug, Default)]
pub struct Conntrack {
    expectations: Expectations,
}

impl Conntrack {
    /// An empty table whose hash is keyed by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let _ = seed;
        Self { expectations: Expectations::default() }
    }

    /// What is expected.
    #[must_use]
    pub const fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    /// What is expected, to change.
    pub(crate) const fn expectations_mut(&mut self) -> &mut Expectations {
        &mut self.expectations
    }

    /// Touches what the packets of a batch will need, so that cache misses overlap.
    pub fn prefetch(&mut self, batch: &mut [Packet]) {}

    /// Takes a TCP connection as closed, because this host has reset it.
    pub fn set_closing(&mut self, now: Instant, id: ConnId, sysctls: &Sysctls) {}

    /// Forgets all connections and expectations, and tells so.
    pub fn flush(&mut self, now: Instant, context: &mut Context<'_>) {}

    /// Finds or makes the packet's connection and judges the packet; the answer is in `packet.meta().tracking`.
    ///
    /// Gives the expectation that a new connection fulfils, for NAT to follow.
    ///
    /// # Errors
    /// When the packet must be dropped: the table is full.
    pub fn track(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        template: Template,
        context: &mut Context<'_>,
    ) -> Result<Option<Expectation>, DropReason> {
        Ok(None)
    }

    /// Puts the packet's connection into the table if it is not there yet, and tells what changed.
    ///
    /// # Errors
    /// [`DropReason::ConntrackClash`] when another connection has one of its tuples by now.
    pub fn confirm(&mut self, now: Instant, packet: &Packet, context: &mut Context<'_>) -> Result<(), DropReason> {
        Ok(())
    }

    /// Forgets the connection of a packet that was dropped, unless it stands in the table.
    pub fn release(&mut self, packet: &Packet) {}

    /// The connection of that identifier; `None` when it is gone.
    #[must_use]
    pub fn connection(&self, id: ConnId) -> Option<&Connection> {
        None
    }

    /// The same, to change.
    pub fn connection_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        None
    }

    /// The connection in the table that has this tuple, and in which direction.
    #[must_use]
    pub fn find(&self, now: Instant, zone: u16, tuple: &Tuple) -> Option<(ConnId, Direction)> {
        None
    }

    /// Takes a connection out of the table, with its expectations, and tells so.
    pub fn kill(&mut self, now: Instant, id: ConnId, context: &mut Context<'_>) {}

    /// Forgets what has run out.
    pub fn handle_timeout(&mut self, now: Instant, context: &mut Context<'_>) {}

    /// When something may run out next.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }
}
