//! What a helper is told, and what it answers.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::Protocol;

/// A direction of the master connection, the one whose payload is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the side that opened it.
    Original,
    /// From the side that was called.
    Reply,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address; in what a helper is told, of the connection's family.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// The packet whose payload is read: who sends and to whom, as the sender wrote it, before any translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The connection's protocol.
    pub protocol: Protocol,
    /// The packet's direction.
    pub direction: Direction,
    /// Who sends.
    pub source: Endpoint,
    /// Whom the sender addresses.
    pub destination: Endpoint,
    /// Set when this host itself asks everybody on a link of its own: the destination is the broadcast address of the network
    /// with this prefix length.
    pub broadcast_prefix: Option<u8>,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, with what the wishes ask for.
    #[default]
    Accept,
    /// It ends inside a command, and is dropped.
    Incomplete,
    /// It holds a command that cannot be right, which is not read. It goes on; in the mode `kernel` it is dropped.
    Malformed,
    /// The connection does not speak the helper's protocol and loses its helper.
    Foreign,
}

/// One side of an expected connection; what is missing may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// The address, or its first `prefix` bits.
    pub address: Option<IpAddr>,
    /// How many bits of the address count; all of them when missing.
    pub prefix: Option<u8>,
    /// The port.
    pub port: Option<u16>,
}

impl Pattern {
    /// An address at any port.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        Self { address: Some(address), prefix: None, port: None }
    }

    /// A port of an address.
    #[must_use]
    pub const fn endpoint(address: IpAddr, port: u16) -> Self {
        Self { address: Some(address), prefix: None, port: Some(port) }
    }
}

/// A place in the payload that names an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Offset of its first byte from the start of the payload.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
    /// The helper's own mark, which comes back in [`crate::Plugin::render`].
    pub token: u32,
}

/// A connection that the payload announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which of the manifest's classes it belongs to, counted from 0.
    pub class: u8,
    /// Its protocol.
    pub protocol: Protocol,
    /// Who opens it.
    pub source: Pattern,
    /// Whom it is opened to: address and port, as the payload names them.
    pub destination: Pattern,
    /// The direction of its first packet, seen from the master.
    pub direction: Direction,
    /// Whether it stays after its first use.
    pub permanent: bool,
    /// Where the payload names `destination`; `None` when nothing names it, and so nothing is rewritten.
    pub site: Option<Site>,
}

/// What an inspection found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The connections that the payload announces, in payload order; at most 16.
    pub wishes: Vec<Wish>,
    /// The connection's new state; `None` leaves it as it was. It counts where the packet goes on, even when it is
    /// [`Verdict::Malformed`] or a wish is refused: the payload was read. One that is dropped is shown again with the state as it was,
    /// and a call that fails leaves it, too.
    pub state: Option<Vec<u8>>,
}

impl Inspection {
    /// Nothing but a verdict.
    #[must_use]
    pub const fn of(verdict: Verdict) -> Self {
        Self { verdict, wishes: Vec::new(), state: None }
    }

    /// Nothing but a wish.
    #[must_use]
    pub fn wish(wish: Wish) -> Self {
        Self { wishes: Vec::from([wish]), ..Self::default() }
    }
}
