//! Sockets: what users of the engine hold.
//!
//! ```text
//!  user ── open, socket(id).bind · listen · accept · connect · send · receive · shut · close ──► table ──► tcp
//!  user ◄── poll_socket: became readable, writable …          packet for this host ── find ──┘        │
//!                                                             path: OUTPUT, POSTROUTING ◄── outbox ◄──┘
//! ```
//!
//! A socket lives in the engine; its user holds a [`SocketId`], and borrows it for a call with [`Engine::socket`](crate::Engine::socket)
//! (a handle of a closed socket finds nothing, whoever has its place now). Calls never wait: what would block is
//! [`SocketError::WouldBlock`], and [`Engine::poll_socket`](crate::Engine::poll_socket) tells when it is worth another try. It tells of changes, once
//! each, as an edge-triggered `epoll` does; [`Socket::readiness`] tells what is, as `poll` does. Calls are inputs as frames
//! are: the same calls at the same times give the same outputs.
//!
//! One table finds who a packet is for: by both ends with a keyed hash (connections, handshakes, what is left of connections),
//! then by the local port (listeners), where the address that fits best wins. A socket of IPv6 that is bound to `::` takes
//! IPv4 too, unless it says `IPV6_V6ONLY`; addresses of its peers are those of IPv4 then, not mapped ones.
//!
//! Bytes are copied twice, from the user into shared blocks and out of received packets to the user. In between nothing is
//! copied: segments, and those sent again, refer to the blocks; what has come is queued as the packet that it came in.
//!
//! | file | what |
//! |---|---|
//! | [`face`], `begin` | the calls |
//! | `again` | sockets that are connected again |
//! | `fast_open` | connections that begin with data |
//! | [`options`], [`readiness`], [`error`] | their values |
//! | `table`, `ports` | all sockets, and which port is whose |
//! | [`datagram`] | sockets of UDP, pings and whole protocols; services |
//! | `deliver` | between the path and the table: the only file here that knows the engine, beside the calls |
//! | `urgent` | the byte that is read out of turn |
//! | `listing` | what there is of sockets, for who looks from outside |
//! | `unreachable` | ICMP errors about what sockets have sent |
//! | `going_on` | what becomes of sockets when their engine goes on from a snapshot |
//! | `send_queue`, `receive_queue` | bytes that wait |
//!
//! A snapshot of an engine holds no sockets: who used them is elsewhere. To the other ends of a restored engine it is as if the host
//! had been started again, and they are reset when they go on. An engine that goes on from a snapshot itself keeps its sockets,
//! since their users are there.

mod again;
mod begin;
pub mod datagram;
mod deliver;
pub mod error;
pub mod face;
mod fast_open;
mod going_on;
mod listing;
pub mod options;
mod ports;
pub mod readiness;
mod receive_queue;
mod send_queue;
mod table;
mod unreachable;
mod urgent;

pub use datagram::{DatagramKind, QueuedError, Received, ServiceAnswer, UdpService};
pub use error::SocketError;
pub use face::{SendFlags, Socket, SocketSettings};
pub use listing::{SocketEntry, SocketKind};
pub use options::SocketOption;
pub use readiness::Readiness;
pub use table::{SocketId, Sockets};

pub(crate) use again::Origin;
pub(crate) use options::SEND_BUFFER_MIN;
pub(crate) use receive_queue::{Piece, ReceiveQueue};
pub(crate) use send_queue::SendQueue;
pub(crate) use table::{SocketsRecord, Taken};
pub(crate) use unreachable::quoted_by;

pub use crate::conntrack::Family;
