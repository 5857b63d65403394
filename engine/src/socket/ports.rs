//! Which addresses and ports a socket may have (Linux v6.18: `net/ipv4/inet_connection_sock.c`, `inet_csk_bind_conflict()`,
//! `inet_csk_find_open_port()`; `net/ipv4/inet_hashtables.c`, `__inet_hash_connect()`).

use core::net::{IpAddr, SocketAddr};

use super::{
    options::Options,
    table::{Entry, Sockets},
};
use crate::{
    sysctl::Sysctls,
    tcp::Ends,
    time::Instant,
    wire::{Protocol, SeqNum},
};

/// A port for a connection that asked for none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) port: u16,
    /// Set when it takes the place of a connection in TIME_WAIT: where its sequence numbers begin.
    pub(super) replaces: Option<(u32, SeqNum)>,
}

impl Sockets {
    /// Whether a socket may be bound to an address.
    pub(super) fn may_bind(&self, protocol: Protocol, local: SocketAddr, options: &Options) -> bool {
        let is_shared = |index: &u32| {
            let (other, settings, listens) = match self.entry(*index) {
                Entry::Idle(idle) => (idle.local, &idle.options, false),
                Entry::Listener(listener) => (Some(listener.local), &listener.settings, true),
                Entry::Connection(connection) => (Some(connection.ends.local), &connection.settings, false),
                Entry::Datagram(datagram) => (datagram.local, &datagram.options, false),
                Entry::Free | Entry::Request(_) | Entry::TimeWait(_) => return true,
            };
            let Some(other) = other else { return true };
            if !overlap((local, options.only_v6), (other, settings.only_v6)) {
                return true;
            }
            let by_address = options.reuse_address && settings.reuse_address && !listens;
            by_address || (options.reuse_port && settings.reuse_port)
        };
        let there = self.bound_to(protocol, local.port());
        let is_used = protocol == Protocol::TCP && self.used.contains_key(&local.port());
        there.iter().all(is_shared) && (!is_used || options.reuse_address || options.reuse_port || !there.is_empty())
    }

    /// Whether a socket may listen at its address: nobody else does, unless they share it.
    pub(super) fn may_listen(&self, local: SocketAddr, options: &Options) -> bool {
        self.bound_to(Protocol::TCP, local.port()).iter().all(|index| match self.entry(*index) {
            Entry::Listener(other) => {
                let both_share = options.reuse_port && other.settings.reuse_port;
                both_share || !overlap((local, options.only_v6), (other.local, other.settings.only_v6))
            }
            Entry::Free
            | Entry::Idle(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::TimeWait(_)
            | Entry::Datagram(_) => true,
        })
    }

    /// A port for a socket that is bound without one: any of the range that is free, odd ones first, so that even ones are left
    /// to connections.
    pub(super) fn free_port(
        &mut self,
        protocol: Protocol,
        address: IpAddr,
        options: &Options,
        sysctls: &Sysctls,
    ) -> Option<u16> {
        let (low, count) = range(sysctls);
        let start = self.random.below(count);
        let of_parity =
            |odd: bool| (0..count).map(move |at| low + (start + at) % count).filter(move |port| (port % 2 == 1) == odd);
        let free = |port: &u32| self.may_bind(protocol, SocketAddr::new(address, *port as u16), options);
        let found = of_parity(true).find(free).or_else(|| of_parity(false).find(free));
        found.map(|port| port as u16)
    }

    /// A port for a connection from an address to a peer: the search begins where a keyed hash of both says (RFC 6056, section
    /// 3.3.4, double hash).
    pub(super) fn port_towards(
        &mut self,
        now: Instant,
        sysctls: &Sysctls,
        local: IpAddr,
        remote: SocketAddr,
    ) -> Option<Chosen> {
        let (low, count) = range(sysctls);
        let hash = self.secrets.port_offset(local, remote);
        let step = (hash >> 8) as usize % self.port_steps.len();
        let offset = hash.wrapping_add(self.port_steps[step]) % count;
        for parity in [0, 1] {
            for at in (0..count).step_by(2) {
                let port = (low + ((offset & !1) + at + parity) % count) as u16;
                if !self.bound_to(Protocol::TCP, port).is_empty() {
                    continue;
                }
                let ends = Ends { local: SocketAddr::new(local, port), remote };
                if let Some(replaces) = self.is_free(now, sysctls, &ends) {
                    self.port_steps[step] = self.port_steps[step].wrapping_add(at + 2);
                    return Some(Chosen { port, replaces });
                }
            }
        }
        None
    }

    /// Whether a connection may have these ends; perhaps in the place of one in TIME_WAIT.
    #[expect(clippy::option_option, reason = "free, free in another's place, or not free")]
    pub(super) fn is_free(&self, now: Instant, sysctls: &Sysctls, ends: &Ends) -> Option<Option<(u32, SeqNum)>> {
        let Some(index) = self.find(ends) else { return Some(None) };
        match self.entry(index) {
            Entry::TimeWait(rest) => rest.gives_way(now, sysctls).map(|initial| Some((index, initial))),
            Entry::Free
            | Entry::Idle(_)
            | Entry::Listener(_)
            | Entry::Connection(_)
            | Entry::Request(_)
            | Entry::Datagram(_) => None,
        }
    }
}

/// The first port of the range, and how many there are.
fn range(sysctls: &Sysctls) -> (u32, u32) {
    let [low, high] = sysctls.ip_local_port_range;
    (low, high.saturating_sub(low) + 1)
}

/// Whether some packet would be for both addresses.
fn overlap((one, one_only_v6): (SocketAddr, bool), (other, other_only_v6): (SocketAddr, bool)) -> bool {
    match (one.ip(), other.ip()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
        (IpAddr::V6(one), IpAddr::V6(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
        (IpAddr::V6(one), IpAddr::V4(_)) => one.is_unspecified() && !one_only_v6,
        (IpAddr::V4(_), IpAddr::V6(other)) => other.is_unspecified() && !other_only_v6,
    }
}
