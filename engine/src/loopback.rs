//! What this host sends to itself: over `lo`, back to the path's beginning; and a copy of what it sends to everybody on a link.
//!
//! Why a queue and not a call: a packet that answers a packet that answers one … would never come back. Linux puts it
//! behind the others, too (v6.18: `drivers/net/loopback.c`, `loopback_xmit()`; `net/core/dev.c`, `netif_rx()`).

use crate::{
    ending::{DropReason, Dropped, End},
    engine::Engine,
    frame::DeviceId,
    ip::{Fate, NextHop},
    limits::{LOOPBACK_QUEUE_MAX, LOOPBACK_ROUNDS_MAX},
    netfilter::Hook,
    packet::{Addressed, Packet},
    path::Way,
    sysctl::InterfaceSysctl,
    time::Instant,
    wire::{EtherType, MacAddr},
};

impl Engine {
    /// Sends a packet to this host itself, where it comes in by a device. It keeps its mark and what connection tracking has said
    /// of it.
    pub(crate) fn loop_back(&mut self, mut packet: Packet, device: DeviceId) -> Result<End, Dropped> {
        if self.looped.len() >= LOOPBACK_QUEUE_MAX || !self.looped_budget.has_room(packet.memory_bytes()) {
            return Err(packet.drop_for(DropReason::LoopbackQueueFull));
        }
        let ether_type = if packet.ipv6().is_some() { EtherType::IPV6 } else { EtherType::IPV4 };
        packet.set_ethernet(MacAddr::UNSPECIFIED, MacAddr::UNSPECIFIED, ether_type);
        let meta = packet.meta_mut();
        let addressed = if meta.is_looped { Addressed::Broadcast } else { Addressed::Host };
        // What it was sent for has ended; from here on it is a packet of this host.
        (meta.device, meta.addressed, meta.frame) = (Some(device), addressed, 0);
        self.looped.push(packet, &self.looped_budget);
        Ok(End::Transmitted(device))
    }

    /// Whether a packet is for everybody on a link of this host's.
    pub(crate) fn is_for_everybody(&self, packet: &Packet) -> bool {
        packet.ipv4().is_some_and(|ip| self.devices.is_broadcast(ip.destination().into()))
    }

    /// A copy of what this host sends to everybody on a link passes POSTROUTING first, and comes in by the link's device, where this
    /// host takes it. A rule that drops it drops the copy only.
    ///
    /// Linux v6.18: `net/ipv4/ip_output.c`, `ip_mc_output()`; `net/core/dev.c`, `dev_loopback_xmit()`.
    pub(crate) fn take_own_broadcast(&mut self, now: Instant, packet: &Packet, way: Way) {
        let mut copy = packet.copy(&mut self.pool);
        // No socket has sent the copy.
        let meta = copy.meta_mut();
        (meta.is_looped, meta.frame, meta.owner) = (true, 0, None);
        let waiting = core::mem::take(&mut self.noted);
        if let Err(Dropped { packet, reason }) = self.enter(Hook::Postrouting, now, copy, way) {
            self.stats.count_drop(reason);
            // Its connection is that of the packet itself, which goes on.
            packet.recycle(&mut self.pool);
        }
        self.noted = waiting;
    }

    /// Where a packet goes that has come in for everybody on a link, when that is not for this host to take but to forward.
    ///
    /// Linux v6.18: `net/ipv4/route.c`, `ip_route_input_slow()`, `IN_DEV_BFORWARD()`.
    pub(crate) fn broadcast_hop(&self, packet: &Packet) -> Option<NextHop> {
        let sysctls = &self.around.sysctls;
        if sysctls.bc_forwarding == 0 {
            return None;
        }
        let destination = packet.ip()?.destination();
        let input = self.devices.find(packet.meta().device?)?;
        if !input.tunables.holds(InterfaceSysctl::BcForwarding, sysctls)
            || !self.devices.is_directed_broadcast(destination)
        {
            return None;
        }
        match self.routes.from_here(&self.devices, destination, None) {
            Fate::Forward(hop) => Some(hop),
            Fate::Local | Fate::Nowhere(_) => None,
        }
    }

    /// Takes what this host has sent to itself, and what comes of it. Who answers himself for ever is stopped.
    pub(crate) fn drain_loopback(&mut self, now: Instant) {
        // What the frame has completed is asked for behind all that it has brought about.
        let datagram = self.noted.datagram;
        for _ in 0..LOOPBACK_ROUNDS_MAX {
            let Some(packet) = self.looped.next() else { break };
            self.noted.restart(0);
            let result = self.receive_looped(now, packet);
            self.settle(now, result);
            if !self.following.is_empty() {
                self.let_following_go(now);
            }
        }
        while let Some(packet) = self.looped.next() {
            self.settle(now, Err(packet.drop_for(DropReason::LoopbackQueueFull)));
        }
        self.noted.datagram = datagram;
        while let Some(connection) = self.answered_for.pop() {
            self.conntrack.release(now, connection, &mut self.around);
        }
    }
}
