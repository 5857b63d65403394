//! Connection tracking: which flow a packet belongs to, and what that says of it.
//!
//! ```text
//!             track                        …  rules, NAT …                    confirm
//!  packet ──► key ─► table ─┬─ found ────► tcp · tracker ──► judged ──────► enters the table, tells
//!                           └─ creation ─► unconfirmed ┘            └─ dropped: release
//!  wheel ───► removal: tells, leaves the table, is freed with the next packet
//! ```
//!
//! | file | what |
//! |---|---|
//! | `track`; `usual` | a packet's way through all of it: read it first; the short way that most take |
//! | `key`, `tuple`, `zone` | which flow a packet belongs to |
//! | `tcp`, `tcp_states`, `tcp_window`, `segment`; `sctp`, `sctp_states`; `udplite`, `tracker`; `timeouts`, `timeout_policy` | what a protocol says of it |
//! | `ahead` | what a batch will need is touched ahead of it |
//! | `creation`, `confirm`, `removal`, `lookup` | a connection's life |
//! | `table`: `hash`, `index`, `slab`, `beside` | where connections are found, and lie, and what is known of some only; when they run out says [`timer`](crate::timer) |
//! | `sources` | who already sends from where, for NAT |
//! | `snapshot` | all of it as a record |
//! | `entry`, `labels`, `text`, `xml`, `save`, `reasoning`, `statistics` | what is told |
//! | `expect`, `helper`, `calling` | connections that are announced by others |

mod ahead;
mod beside;
pub mod calling;
mod client;
mod confirm;
pub mod conn;
mod creation;
pub mod entry;
pub mod expect;
mod hash;
pub mod helper;
mod index;
mod key;
pub mod labels;
mod lookup;
mod mappings;
pub mod reasoning;
mod removal;
pub mod revision;
pub mod save;
pub mod sctp;
pub mod sctp_states;
mod segment;
mod slab;
pub(crate) mod snapshot;
mod sources;
mod statistics;
mod table;
mod tcp;
pub mod tcp_states;
pub mod tcp_window;
pub mod text;
pub mod timeout_policy;
mod timeouts;
mod track;
mod tracker;
pub mod tuple;
pub(crate) mod udplite;
mod usual;
pub mod xml;
pub mod zone;

pub use calling::{HelperEvent, LineStarts, Streams};
pub use conn::{Changes, ConnId, Connection, Counter, Extension, ProtocolState, Status};
pub(crate) use creation::room;
pub use entry::{Entry, Life, SctpEntry, TcpEntry, TcpSideEntry};
pub use expect::{Expectation, ExpectationEntry, ExpectationId, Expectations, HelperId};
pub use reasoning::{Invalid, Reasoning};
pub use revision::Revision;
pub use sctp_states::SctpState;
pub use statistics::Statistics;
pub use tcp_states::TcpState;
pub use timeout_policy::{TimeoutId, TimeoutKind, TimeoutPolicies, TimeoutPolicy, TimeoutPolicyError};
pub(crate) use track::is_verified;
pub use tuple::{Address, Direction, Family, Tuple};
pub use zone::{Reach, Zone};

use alloc::{collections::BTreeMap, vec::Vec};

use calling::Remembered;
use entry::HelperNames;
use mappings::Mappings;
use sources::Sources;
use table::Table;

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

    /// Whether a rule of the raw table may say how the packet is to be tracked, or that it is not: nobody has spoken yet, or
    /// it is INVALID, as one may be that comes by lo and was so in OUTPUT (Linux: `skb->_nfct` is 0 in both).
    #[must_use]
    pub const fn may_be_told(self) -> bool {
        match self {
            Self::Unseen | Self::Invalid => true,
            Self::Template(_) | Self::Untracked | Self::Tracked { .. } => false,
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

/// What is worked out once of a packet to find its connection by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// The tuple with which it came.
    pub tuple: Tuple,
    /// The tuple's keyed hash in zone 0.
    hash: FlowHash,
    hint: Option<FlowHint>,
}

/// A tuple's keyed hash in zone 0, once somebody has needed it. The number that says that nobody has is a hash as well, of one
/// tuple in 2⁶⁴, which is worked out again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FlowHash(u64);

impl FlowHash {
    const UNKNOWN: Self = Self(0);

    #[inline]
    fn or_else(self, work_out: impl FnOnce() -> u64) -> u64 {
        if self == Self::UNKNOWN { work_out() } else { self.0 }
    }
}

/// Where a packet's connection probably lies: what was found by its hash alone, or what its frame has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FlowHint {
    slot: u32,
    direction: Direction,
}

/// A `-j CT` rule's settings: their index in the rule set that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(pub u32);

impl TemplateId {
    /// No rule has said anything, and none can any more. No rule set has so many that this is one of them.
    pub const CLOSED: Self = Self(u32::MAX);
}

/// How a `-j CT` rule wants a packet tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The helper to attach when the packet starts a connection.
    pub helper: Option<HelperId>,
    /// The zone to look in.
    pub zone: ZoneChoice,
    /// Which events the connection tells, when not all.
    pub events: Option<EventMask>,
    /// The policy that says how long it is remembered, where the tunables do not.
    pub timeouts: Option<TimeoutId>,
}

impl Template {
    /// What is said of packets about which nothing is said.
    pub const NONE: Self = Self { helper: None, zone: ZoneChoice::DEFAULT, events: None, timeouts: None };
}

/// Which zone a `-j CT` rule means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneChoice {
    /// This one.
    Named(Zone),
    /// The one whose number is the low half of the packet's mark, in these directions.
    OfMark(Reach),
}

impl ZoneChoice {
    /// The zone of packets about which nothing is said.
    pub const DEFAULT: Self = Self::Named(Zone::DEFAULT);

    /// The zone of a packet with this mark (Linux: `nf_ct_zone_tmpl()`).
    #[must_use]
    pub const fn of(self, mark: u32) -> Zone {
        match self {
            Self::Named(zone) => zone,
            Self::OfMark(reach) => Zone::new(mark as u16, reach),
        }
    }
}

impl Default for ZoneChoice {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which events a connection and its expectations tell (Linux: `struct nf_conntrack_ecache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EventMask {
    /// Of the connection: an event is told when it holds one of these changes.
    pub connection: Changes,
    /// Whether new expectations are told.
    pub new_expectations: bool,
}

impl EventMask {
    /// None.
    pub(crate) const NOTHING: Self = Self { connection: Changes(0), new_expectations: false };
}

/// All connections and expectations.
#[derive(Debug)]
pub struct Conntrack {
    table: Table,
    expectations: Expectations,
    sources: Sources,
    mappings: Mappings,
    remembered: Remembered,
    /// How many connections a connection has announced that are there, by its slot; none: no entry.
    announced: BTreeMap<u32, u32>,
    /// Slots of connections that have left the table and can still be read.
    dying: Vec<u32>,
    /// The number given to a connection last.
    serials: u64,
    statistics: Statistics,
    helper_names: HelperNames,
    timeout_policies: TimeoutPolicies,
}
