//! What a connection is lent while it works: it knows nothing of the engine.

use alloc::vec::Vec;

use super::{destinations::Destinations, fastopen::FastOpen, memory::Memory, secrets::Secrets};
use crate::{
    device::TransmitQueue,
    packet::{Packet, Pool},
    sysctl::Sysctls,
    time::Instant,
};

/// What a connection is lent while it works on a segment, a call or a deadline.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) now: Instant,
    pub(crate) sysctls: &'a Sysctls,
    pub(crate) pool: &'a mut Pool,
    /// Packets that it sends.
    pub(crate) outbox: &'a mut Vec<Packet>,
    pub(crate) secrets: &'a Secrets,
    pub(crate) challenges: &'a mut Challenges,
    pub(crate) fast_open: &'a mut FastOpen,
    /// What is remembered of other hosts.
    pub(crate) destinations: &'a mut Destinations,
    /// What all connections hold together.
    pub(crate) memory: &'a mut Memory,
    /// What waits to leave, to know whether more is taken.
    pub(crate) transmits: &'a TransmitQueue,
}

/// How many challenge ACKs were sent this second (RFC 5961, section 7).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challenges {
    second: u64,
    sent: u32,
}

impl Challenges {
    /// Whether one more may be sent.
    pub(super) const fn allow(&mut self, now: Instant, sysctls: &Sysctls) -> bool {
        if sysctls.tcp_challenge_ack_limit == i32::MAX as u32 {
            return true;
        }
        if self.second != now.as_secs() {
            *self = Self { second: now.as_secs(), sent: 0 };
        }
        if self.sent >= sysctls.tcp_challenge_ack_limit {
            return false;
        }
        self.sent += 1;
        true
    }
}
