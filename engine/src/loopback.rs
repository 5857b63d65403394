//! What this host sends to itself: over `lo`, back to the path's beginning; and a copy of what it sends to everybody on a link.
//!
//! Why a queue and not a call: a packet that answers a packet that answers one … would never come back. Linux puts it
//! behind the others, too (v6.18: `drivers/net/loopback.c`, `loopback_xmit()`; `net/core/dev.c`, `netif_rx()`).

use core::net::{IpAddr, Ipv4Addr};

use crate::{
    device::LOOPBACK_MTU_BYTES,
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
        // What it was sent for has ended, unless its arrival is a part of that; from here on it is a packet of this host.
        let frame = if self.hears_host && meta.is_of_machine && !meta.is_looped { meta.frame } else { 0 };
        (meta.device, meta.addressed, meta.frame) = (Some(device), addressed, frame);
        self.noted.goes_on |= frame != 0;
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
            self.end_looped(now, packet, Self::receive_looped);
            if !self.following.is_empty() {
                self.let_following_go(now);
            }
        }
        while let Some(packet) = self.looped.next() {
            self.end_looped(now, packet, |_, _, packet| Err(packet.drop_for(DropReason::LoopbackQueueFull)));
        }
        self.noted.datagram = datagram;
        while let Some(connection) = self.answered_for.pop() {
            self.conntrack.release(now, connection, &mut self.around);
        }
    }

    /// Leads a packet that this host has sent to itself to its end, which is that of the frame that it came in where there is one.
    fn end_looped(
        &mut self,
        now: Instant,
        packet: Packet,
        lead: impl FnOnce(&mut Self, Instant, Packet) -> Result<End, Dropped>,
    ) {
        let (frame, tracking) = (packet.meta().frame, packet.meta().tracking);
        self.noted.restart(frame);
        self.noted.goes_on = false;
        if frame != 0 {
            self.noted.tracked_as(tracking);
        }
        let result = lead(self, now, packet);
        let outcome = self.settle(now, result);
        if frame != 0 {
            self.note_ending(outcome);
        }
    }

    /// Whether what the programs of a machine say to each other comes by `lo`, as somebody has heard it there: each such packet sets out,
    /// and arrives at this host whatever its own addresses are, unless a rule sends it to somebody else. The programs take it, and whoever
    /// answers is among them: nobody here does, but rules. A frame has one ending, that of its packet's arrival.
    ///
    /// Like [`crate::Command::ServeHost`], whose frames these are otherwise, it is in no snapshot.
    pub const fn set_hearing_host(&mut self, on: bool) {
        self.hears_host = on;
    }

    /// Whether a packet is one that a program of the machine has said to another.
    pub(crate) fn is_heard(&self, packet: &Packet) -> bool {
        self.hears_host && packet.meta().is_of_machine
    }

    /// A program of the machine takes what another one has said.
    pub(crate) fn take_heard(&mut self, packet: Packet) -> End {
        packet.recycle(&mut self.pool);
        self.stats.delivered += 1;
        End::Delivered
    }
}

/// A packet of this host to itself, and the way there.
pub(crate) fn to_itself(packet: Packet) -> (Packet, NextHop) {
    let neighbour = packet.ip().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.destination());
    (packet, NextHop { device: DeviceId::LOOPBACK, neighbour, mtu_bytes: LOOPBACK_MTU_BYTES })
}

/// Whether a packet is for that address.
pub(crate) fn goes_to(packet: &Packet, address: IpAddr) -> bool {
    packet.ip().is_some_and(|ip| ip.destination() == address)
}
