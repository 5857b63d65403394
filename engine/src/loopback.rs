//! What this host sends to itself: over `lo`, back to the path's beginning.
//!
//! Why a queue and not a call: a packet that answers a packet that answers one … would never come back. Linux puts it
//! behind the others, too (v6.18: `drivers/net/loopback.c`, `loopback_xmit()`; `net/core/dev.c`, `netif_rx()`).

use crate::{
    ending::{DropReason, Dropped, End},
    engine::Engine,
    frame::DeviceId,
    limits::{LOOPBACK_QUEUE_MAX, LOOPBACK_ROUNDS_MAX},
    packet::{Addressed, Packet},
    time::Instant,
    wire::{EtherType, MacAddr},
};

impl Engine {
    /// Sends a packet to this host itself. It keeps its mark and what connection tracking has said of it.
    pub(crate) fn loop_back(&mut self, mut packet: Packet) -> Result<End, Dropped> {
        if self.looped.len() >= LOOPBACK_QUEUE_MAX || !self.looped_budget.has_room(packet.memory_bytes()) {
            return Err(packet.drop_for(DropReason::LoopbackQueueFull));
        }
        let ether_type = if packet.ipv6().is_some() { EtherType::IPV6 } else { EtherType::IPV4 };
        packet.set_ethernet(MacAddr::UNSPECIFIED, MacAddr::UNSPECIFIED, ether_type);
        let meta = packet.meta_mut();
        // What it was sent for has ended; from here on it is a packet of this host.
        (meta.device, meta.addressed, meta.frame) = (Some(DeviceId::LOOPBACK), Addressed::Host, 0);
        self.looped.push(packet, &self.looped_budget);
        Ok(End::Transmitted(DeviceId::LOOPBACK))
    }

    /// Takes what this host has sent to itself, and what comes of it. Who answers himself for ever is stopped.
    pub(crate) fn drain_loopback(&mut self, now: Instant) {
        for _ in 0..LOOPBACK_ROUNDS_MAX {
            let Some(packet) = self.looped.next() else { return };
            self.noted.restart(0);
            let result = self.receive_looped(now, packet);
            self.settle(now, result);
        }
        while let Some(packet) = self.looped.next() {
            self.settle(now, Err(packet.drop_for(DropReason::LoopbackQueueFull)));
        }
    }
}
