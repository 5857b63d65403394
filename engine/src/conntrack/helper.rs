//! The trait a helper plugin stands behind, and the manifest that binds it.
//!
//! A helper reads the payload of a connection and says which further connections it announces ("wishes"). It owns
//! nothing: the engine keeps its state as bytes, picks translated endpoints, books length changes and enforces the
//! manifest at every call. The engine knows nothing of WebAssembly; the host wraps a component in this trait.

use alloc::{string::String, vec::Vec};
use core::{net::IpAddr, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::tuple::Direction;
use crate::wire::ipv4::Protocol;

/// A conntrack helper (Linux: `struct nf_conntrack_helper`).
///
/// Calls are pure: the same arguments give the same answer, and nothing is remembered between them but what the
/// answer puts into `state`. An engine with its helpers may be made by one thread and run by another.
pub trait Helper: Send {
    /// What the helper is, where it may be attached and what it may do. Constant over its life.
    fn manifest(&self) -> &Manifest;

    /// What it says of itself, when its operator has tightened that to [`Helper::manifest`]: who breaks this one has failed,
    /// while a payload can make an honest helper wish for more than the operator leaves.
    fn declared(&self) -> &Manifest {
        self.manifest()
    }

    /// SHA-256 of the component, or zeros for one that is compiled in. Records name it, because what a helper answers
    /// is an input of a replay.
    fn component_hash(&self) -> [u8; 32];

    /// Reads a payload that holds one of the manifest's triggers (or any, when it declares none).
    ///
    /// # Errors
    /// When the helper trapped, ran out of fuel or memory, or answered nonsense; the manifest's trap policy follows.
    fn inspect(&mut self, context: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure>;

    /// Gives the bytes to put at `site` so that the payload names `translated` instead of what it named: 1 to
    /// [`HELPER_SITE_BYTES_MAX`](crate::limits::HELPER_SITE_BYTES_MAX), and where payloads are lines no CR, LF or NUL among them.
    /// `state` is what the inspection that gave the site has left.
    ///
    /// # Errors
    /// As for [`Helper::inspect`].
    fn render(
        &mut self,
        context: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure>;
}

/// What a helper is told about the packet whose payload it reads: the master's tuple in the packet's direction, as its
/// sender wrote it, before any translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperContext {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The packet's direction in the master connection.
    pub direction: Direction,
    /// Who sends.
    pub source: HelperEndpoint,
    /// Whom the sender addresses.
    pub destination: HelperEndpoint,
    /// Set when this host itself asks everybody on a link of its own: the destination is the broadcast address of the network
    /// with this prefix length.
    pub broadcast_prefix: Option<u8>,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperEndpoint {
    /// The address; its family is the master's.
    pub address: IpAddr,
    /// The port, 0 to 65535.
    pub port: u16,
}

/// What [`Helper::inspect`] answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What becomes of the packet.
    pub verdict: HelperVerdict,
    /// The connections that the payload announces, in payload order.
    pub wishes: Vec<Wish>,
    /// The new state, at most [`Manifest::state_bytes_max`] bytes; `None` leaves it as it was. It counts where the packet goes on, even
    /// when that is [`HelperVerdict::Malformed`] or a wish is refused; one that is dropped is shown again with the state as it was. A call
    /// that fails leaves it, too.
    pub state: Option<Vec<u8>>,
}

/// A helper's verdict on the packet it has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HelperVerdict {
    /// The packet goes on, with what the wishes ask for.
    #[default]
    Accept,
    /// The payload ends inside a command: the packet is dropped ("partial matching" in Linux).
    Incomplete,
    /// A command that cannot be right: the packet goes on and the command is not read. In [`HelperMode::Kernel`] it is dropped, as in
    /// Linux, where a line that came in pieces may be whole when it comes again.
    Malformed,
    /// The connection does not speak the helper's protocol: the packet goes on, and the connection loses its helper, unless the
    /// mode is [`HelperMode::Kernel`], in which what is wished for counts as if it did.
    Foreign,
}

/// A connection that the payload announces (Linux: what a helper hands to `nf_ct_expect_related()`).
///
/// Addresses are as the payload and the context name them; the engine turns the master's own endpoints into what the
/// opener of the expected connection will see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Index into [`Manifest::classes`].
    pub class: u8,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Who opens it.
    pub source: Pattern,
    /// Whom it is opened to. The address must be an endpoint of the master unless the class is `loose`.
    pub destination: Pattern,
    /// The direction of the expected connection's first packet, relative to the master.
    pub direction: Direction,
    /// Stays after its first use (Linux: `NF_CT_EXPECT_PERMANENT`).
    pub permanent: bool,
    /// Where the payload names `destination`; `None` when nothing names it and so nothing is rewritten.
    pub site: Option<Site>,
}

/// One side of an expected tuple; what is `None` may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// The address, or its first `prefix` bits.
    pub address: Option<IpAddr>,
    /// Length of the address's mask in bits; the whole address when `None`.
    pub prefix: Option<u8>,
    /// The port.
    pub port: Option<u16>,
}

/// Where a payload names an endpoint, and in which of the helper's notations. It lies behind the trigger for which the payload is
/// shown; where payloads are lines it holds no CR or LF. It may hold a NUL, which is gone when it is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Offset of its first byte from the start of the payload.
    pub offset: u32,
    /// Its length in bytes; `offset + length` must not exceed the payload's length. One longer than
    /// [`HELPER_SITE_BYTES_MAX`](crate::limits::HELPER_SITE_BYTES_MAX) is not written to.
    pub length: u32,
    /// The helper's own mark (for FTP: PORT, EPRT, 227 or 229); comes back in [`Helper::render`].
    pub token: u32,
}

/// Why a call of a helper failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelperFailure {
    /// The code trapped (unreachable, out of bounds, stack overflow).
    Trap,
    /// The call used up [`Manifest::fuel_per_call`].
    Fuel,
    /// The call wanted more than [`Manifest::memory_bytes_max`].
    Memory,
    /// The answer breaks the contract (a site outside the payload, an unknown class, too much state).
    Contract,
}

/// What a helper may do. Declared by the helper, tightened by the operator, enforced by the engine at every call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name rules use in `-j CT --helper NAME`: 1 to 15 bytes (Linux: `NF_CT_HELPER_NAME_LEN`).
    pub name: String,
    /// Where it may be attached; replay without configuration attaches it exactly there.
    /// Empty: by rules alone.
    pub attach: Vec<AttachPoint>,
    /// How payloads are cut before they are shown to it.
    pub framing: Framing,
    /// Byte strings, one of which a payload must hold to be shown at all. Empty: every payload is shown.
    pub triggers: Vec<Trigger>,
    /// With which word the first line begins of the side that opened the connection, compared without regard to ASCII case: at most 96 of
    /// 1 to 16 bytes, and none for [`Framing::Packet`]. A word ends with a blank or with its line; blank lines may come before. That
    /// line is not shown, and nothing that the other side says before it. A connection that begins otherwise, or whose beginning was not
    /// read or is not remembered, or of which lines with triggers go unread for their length or number or behind bytes that are missing,
    /// loses the helper and all that it has announced, but not in [`HelperMode::Kernel`]; of the other side, that side is shown no more.
    /// Empty: it may begin with any text.
    pub openings: Vec<Vec<u8>>,
    /// Kinds of expectations with their bounds; at least one.
    pub classes: Vec<ExpectClass>,
    /// How many bytes one rewrite may add or remove; 0 forbids rewriting.
    pub rewrite_bytes_max: u16,
    /// Bound of the state it may keep per connection.
    pub state_bytes_max: u16,
    /// Fuel for one call, in the runtime's units (wasmtime: about one a wasm instruction).
    pub fuel_per_call: u64,
    /// Bound of its linear memory.
    pub memory_bytes_max: u32,
    /// What happens to the packet and the connection when a call fails.
    pub on_failure: FailurePolicy,
}

/// A place a helper may be attached to: a protocol and the master's destination ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachPoint {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The responder's ports.
    pub ports: RangeInclusive<u16>,
}

/// How payloads are cut for a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Each packet stands for itself (UDP; also TCP helpers that search anywhere).
    Packet,
    /// A TCP stream of lines: each is shown alone, when it is whole. In [`HelperMode::Kernel`], a segment as it is, and only one that
    /// starts where a line starts.
    Lines,
    /// The same, but in [`HelperMode::Kernel`] every segment as it is.
    LooseLines,
}

/// A byte string that a payload must hold for the helper to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The bytes, compared without regard to ASCII case; 1 to 16 of them.
    pub bytes: Vec<u8>,
    /// Where they must stand.
    pub anchor: Anchor,
}

/// Where a trigger must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anchor {
    /// At the start of the payload or right after a newline. A payload that ends inside the trigger counts as a hit.
    LineStart,
    /// Anywhere.
    Anywhere,
}

/// A kind of expectation and its bounds (Linux: `struct nf_conntrack_expect_policy`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectClass {
    /// Its name, for listings: of 1 to 15 characters like a helper's.
    pub name: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The direction of its first packet, relative to the master; `None`: either.
    pub direction: Option<Direction>,
    /// Who may open it.
    pub opener: Opener,
    /// Destination ports.
    pub ports: RangeInclusive<u16>,
    /// Whether it may lead to hosts that are no endpoint of the master.
    pub loose: bool,
    /// Whether it may stay after its first use.
    pub permanent: bool,
    /// Whether the master, too, is forgotten after `timeout`, counted from the wish.
    pub ends_master: bool,
    /// How many may wait at once for one master; a further one replaces the oldest.
    pub expected_max: u16,
    /// How long one waits.
    pub timeout: Duration,
}

/// Who may open an expected connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opener {
    /// The other end of the payload.
    Peer,
    /// Any station of the network that this host has asked.
    Network,
    /// Anybody.
    Anyone,
}

/// How strictly payloads and wishes are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelperMode {
    /// Helpers see whole lines one by one, and a payload can name no port below 1024 other than the master's own.
    #[default]
    Guarded,
    /// The same, but such ports are allowed: an operator has said so.
    ServicePorts,
    /// As Linux: helpers see segments as they are, and those ports are allowed.
    Kernel,
}

/// What a failed call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailurePolicy {
    /// The packet goes on unread.
    Pass,
    /// The packet is dropped.
    Drop,
    /// The packet goes on and the connection loses its helper.
    Detach,
}
