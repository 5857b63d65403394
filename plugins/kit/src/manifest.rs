//! What a helper asks to be allowed.

use alloc::{string::String, vec::Vec};
use core::ops::RangeInclusive;

use crate::Direction;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What a helper is and what it may do. The operator can tighten it; the engine enforces it at every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The name that rules use: 1 to 15 characters of `a-z 0-9 - _`.
    pub name: String,
    /// Where it may be attached: 1 to 16 places.
    pub attach: Vec<AttachPoint>,
    /// How payloads are cut before it sees them.
    pub framing: Framing,
    /// Byte strings, one of which a payload must hold; at most 32. None at all: every payload is shown.
    pub triggers: Vec<Trigger>,
    /// With which words the first line may begin of the side that has opened the connection, compared without regard to ASCII case: at most
    /// 96 of 1 to 16 bytes. Name those only that a client says before it is known to its server. That line is not shown, and a
    /// connection that begins otherwise loses the helper. Empty: it may begin with any text, as it must where packets stand for themselves.
    pub openings: Vec<Vec<u8>>,
    /// The kinds of connections it may expect: 1 to 8.
    pub classes: Vec<ExpectClass>,
    /// How many bytes one rewrite may add or remove; 0 forbids rewriting.
    pub rewrite_bytes_max: u16,
    /// How many bytes of state it may keep per connection, at most 1024.
    pub state_bytes_max: u16,
    /// Fuel for one call, about one unit a WebAssembly instruction: 1000 to 100 million.
    pub fuel_per_call: u64,
    /// How large its linear memory may grow, in bytes: 64 KB to 16 MB.
    pub memory_bytes_max: u32,
    /// What a failed call costs.
    pub on_failure: FailurePolicy,
}

/// A place where a helper may be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    /// The master's protocol.
    pub protocol: Protocol,
    /// The master's destination ports.
    pub ports: RangeInclusive<u16>,
}

/// How payloads are cut before a helper sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each packet stands for itself.
    Packet,
    /// A TCP stream of lines, each shown alone.
    Lines,
    /// The same; where helpers are to behave as Linux's, each segment as it is.
    LooseLines,
}

/// A byte string that a payload must hold for the helper to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The bytes, 1 to 16 of them, compared without regard to ASCII case.
    pub bytes: Vec<u8>,
    /// Where they must stand.
    pub anchor: Anchor,
}

/// Where a trigger must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At the start of the payload or right after a newline.
    LineStart,
    /// Anywhere.
    Anywhere,
}

/// A kind of expected connection and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectClass {
    /// Its name, for listings: 1 to 15 characters of `a-z 0-9 - _`.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The direction of its first packet, seen from the master; `None`: either.
    pub direction: Option<Direction>,
    /// Who may open it.
    pub opener: Opener,
    /// The destination ports.
    pub ports: RangeInclusive<u16>,
    /// Whether it may lead to hosts that are no endpoint of the master.
    pub loose: bool,
    /// Whether it may stay after its first use.
    pub permanent: bool,
    /// Whether the master, too, is forgotten after `timeout_seconds`, counted from the wish.
    pub ends_master: bool,
    /// How many may wait at once for one master, 1 to 255; a further one replaces the oldest.
    pub expected_max: u16,
    /// How long one waits, 1 to 86400.
    pub timeout_seconds: u32,
}

/// Who may open an expected connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The other end of the payload.
    Peer,
    /// Any station of the network that this host has asked.
    Network,
    /// Anybody.
    Anyone,
}

/// What a failed call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The packet goes on unread.
    Pass,
    /// The packet is dropped.
    Drop,
    /// The packet goes on and the connection loses its helper.
    Detach,
}
