//! ICMP errors about datagrams (RFC 1122, section 4.1.3.3; Linux v6.18: `net/ipv4/udp.c`, `__udp4_lib_err()`;
//! `net/ipv4/ping.c`, `ping_err()`).
//!
//! Only a socket that is connected to the one whose packet is quoted is told: others could not know which of their packets it
//! is about.

use core::net::IpAddr;

use super::RAW;
use crate::{
    engine::Engine,
    frame::DeviceId,
    ip::path_mtu::PathMtu,
    socket::{Readiness, SocketError, table::Entry},
    tcp::Ends,
    time::Instant,
    wire::Protocol,
};

impl Engine {
    /// Takes note of how small packets have to be that a socket has sent, if one has (Linux v6.18: `ipv4_sk_update_pmtu()`,
    /// `ip6_sk_update_pmtu()`).
    pub(in crate::socket) fn note_path_mtu(&mut self, now: Instant, protocol: Protocol, ends: &Ends, told_bytes: u32) {
        let places = [(protocol, ends.local.port()), (RAW, protocol.0.into())];
        if places.iter().any(|place| self.sockets.that_fits_best(*place, ends).is_some()) {
            self.note_mtu_towards(now, ends.remote.ip(), None, told_bytes);
        }
    }

    /// Takes note of how small packets to a host have to be, and gives what is known of that from now on.
    pub(in crate::socket) fn note_mtu_towards(
        &mut self,
        now: Instant,
        host: IpAddr,
        bound: Option<DeviceId>,
        told_bytes: u32,
    ) -> PathMtu {
        let before = self.path_mtu(now, host, bound);
        // Routers cut its packets: nobody needs to know more (Linux v6.18: `ip_mtu_locked()`).
        if before.is_locked {
            return before;
        }
        self.path_mtus.note(now, host, (told_bytes, before.bytes), &self.around.sysctls);
        self.path_mtu(now, host, bound)
    }

    /// Tells those whose packet is quoted, if they are connected and trying again would be of no use.
    pub(in crate::socket) fn deliver_datagram_error(
        &mut self,
        protocol: Protocol,
        ends: &Ends,
        error: SocketError,
        is_hard: bool,
    ) {
        for place in [(protocol, ends.local.port()), (RAW, protocol.0.into())] {
            let Some(index) = self.sockets.that_fits_best(place, ends) else { continue };
            if let Some(Entry::Datagram(datagram)) = self.sockets.entry_mut(index)
                && datagram.remote.is_some()
                && is_hard
            {
                datagram.error = Some(error);
                datagram.woken |= Readiness::ERROR;
                self.sockets.note_ready(index);
            }
        }
    }
}
