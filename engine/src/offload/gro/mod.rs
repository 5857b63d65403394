//! Merging segments into super-packets as they arrive (`generic-receive-offload`), so that the path is walked once for many
//! of them.
//!
//! ```text
//!  frame ─► readable? ── no ──────────────────────────────────────────────────────► goes on at once
//!              │ yes
//!              ▼
//!           its flow's packet is held? ── yes ─► continues it? ── yes ─► its payload goes behind that one's ─┐
//!              │ no                                 │ no: that one goes on                                   │
//!              ▼                                    ▼                                                        ▼
//!           may be continued? ─ no ─► goes on   (as without)                        full, or the last? that one goes on
//!              │ yes
//!              ▼
//!           held until the poll ends, or a timer says so
//! ```
//!
//! Merged is only what [`gso`](super::gso) cuts into the very same frames again. A frame is read where the device has left it: the
//! payload of one that joins another is copied once, behind that one's, and no packet is made of it; what its sender
//! shares ([`crate::packet::Behind`]) is not copied.
//!
//! With `rx-gro-list` datagrams, and the segments of a TCP connection that no socket of this host has, are kept as they have come,
//! headers and checksums included ([`Packet::is_list`]). The same are merged as without, but of TCP those whose flags differ, and
//! those whose checksums are in different states; 64 of them at most.
//!
//! What a device merges by itself, with `rx-gro-hw` by the same rules and with `large-receive-offload` by looser ones (`lro`), is
//! merged here as well, when it comes: a poll is all that a device waits for more. What LRO does not take is merged as without.
//!
//! What is not merged here though Linux does: packets in tunnels (GRE, IPIP, VXLAN), and super-packets into lists.
//!
//! Linux v6.18: `net/core/gro.c`, `dev_gro_receive()`; `net/ipv4/tcp_offload.c`, `tcp_gro_receive()`; `net/ipv4/udp_offload.c`,
//! `udp_gro_receive_segment()`; `net/ipv4/af_inet.c`, `inet_gro_receive()`; `net/ipv6/ip6_offload.c`, `ipv6_gro_receive()`.

mod held;
mod lro;
mod segment;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use self::{
    held::Held,
    segment::{Read, Segment},
};
use crate::{
    ending::Dropped,
    frame::Frame,
    limits::{GRO_BUCKET_PACKETS_MAX, GRO_BUCKETS},
    packet::{Checksum, Packet, Pool},
    tcp::Ends,
    time::Instant,
    wire::checksum::Routines,
};

/// What one receive queue holds to be continued (Linux: `struct gro_node`).
#[derive(Debug, Default)]
pub struct Gro {
    /// By the frames' hash, in each the one that has come last behind the others.
    buckets: [Vec<Held>; GRO_BUCKETS],
    held: usize,
}

/// A frame that has arrived, and what is known of it before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The frame.
    pub frame: &'a Frame<'a>,
    /// Its number ([`crate::Ending::frame`]).
    pub number: u64,
    /// The device's hash of its flow; frames of different hashes are never merged. 0: it has none.
    pub hash: u32,
    /// What is merged, and how.
    pub merging: Merging,
    /// Whether it may be held; else it only ends what is held of its flow.
    pub may_wait: bool,
}

/// What a device lets be merged that it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merging {
    /// Segments of TCP, so that they can be cut again.
    pub tcp: bool,
    /// Segments of TCP, as devices do that look at less (`large-receive-offload`); those first.
    pub large: bool,
    /// UDP datagrams (`rx-udp-gro-forwarding`).
    pub udp: bool,
    /// Both, but frames are kept as they have come (`rx-gro-list`).
    pub lists: bool,
}

impl Merging {
    /// As with `generic-receive-offload` alone.
    pub const GRO: Self = Self { tcp: true, large: false, udp: false, lists: false };
}

/// What has become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// It goes on at once.
    Passed,
    /// Its packet waits for others that continue it.
    Held,
    /// Its payload has joined the packet of the frame of that number.
    Joined(u64),
}

/// Packets that go on, in order; those of which not even the link header is whole are dropped.
pub type Leaving = Vec<Result<Packet, Dropped>>;

impl Gro {
    /// Takes a frame. What goes on because of it, and perhaps the frame itself, is put behind `leaving`.
    pub fn receive(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        pool: &mut Pool,
        routines: &Routines,
        leaving: &mut Leaving,
    ) -> Arrived {
        let segment = match Segment::read(arrival, routines, pool) {
            Read::Segment(segment) => segment,
            Read::Other { is_verified } => {
                leaving.push(packet_of(arrival, is_verified, pool));
                return Arrived::Passed;
            }
        };
        let bucket = &mut self.buckets[arrival.hash as usize % GRO_BUCKETS];
        let found = bucket.iter().rposition(|held| held.is_of_flow(&segment));
        let outcome = match found.and_then(|place| bucket.get_mut(place)) {
            Some(held) => held.meet(&segment, pool),
            None => segment.without_flow(),
        };
        let into = found.and_then(|place| bucket.get(place)).map_or(0, Held::number);
        if let Some(place) = found.filter(|_| outcome.ends_flow) {
            leaving.push(Ok(bucket.remove(place).into_packet()));
            self.held -= 1;
        }
        if outcome.is_merged {
            return Arrived::Joined(into);
        }
        let is_verified = segment.is_verified;
        if outcome.is_alone || !arrival.may_wait {
            leaving.push(packet_of(arrival, is_verified, pool));
            return Arrived::Passed;
        }
        match packet_of(arrival, is_verified, pool) {
            Ok(packet) => {
                if bucket.len() >= GRO_BUCKET_PACKETS_MAX {
                    leaving.push(Ok(bucket.remove(0).into_packet()));
                    self.held -= 1;
                }
                bucket.push(Held::new(now, packet, &segment, arrival.merging.lists));
                self.held += 1;
                Arrived::Held
            }
            Err(dropped) => {
                leaving.push(Err(dropped));
                Arrived::Passed
            }
        }
    }

    /// Lets packets go on, bucket by bucket, those first that have waited longest: all, or those that were there before the
    /// clock tick (of 4 ms, as `CONFIG_HZ` of 250 has it) in which `now` lies.
    pub fn flush(&mut self, now: Instant, only_old: bool, leaving: &mut Leaving) {
        if self.held == 0 {
            return;
        }
        for bucket in &mut self.buckets {
            let until = if only_old { bucket.iter().take_while(|held| held.is_old(now)).count() } else { bucket.len() };
            self.held -= until;
            leaving.extend(bucket.drain(..until).map(|held| Ok(held.into_packet())));
        }
    }

    /// How many packets are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Memory that they hold, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buckets.iter().flatten().map(Held::bytes).sum()
    }

    /// The numbers of the frames whose packets are held, in no order that means anything.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().flatten().map(Held::number)
    }
}

/// The ends of the connection that a frame may be merged of, if it is one of TCP, this host's being where it goes to.
pub(crate) fn tcp_ends_of(frame: &Frame<'_>) -> Option<Ends> {
    Segment::find(frame, 0)?.ends()
}

/// The packet of a frame, on its own.
fn packet_of(arrival: &Arrival<'_>, is_verified: bool, pool: &mut Pool) -> Result<Packet, Dropped> {
    let number = |packet: &mut Packet| packet.meta_mut().frame = arrival.number;
    match Packet::take(pool, arrival.frame) {
        Ok(mut packet) => {
            number(&mut packet);
            if is_verified && matches!(packet.meta().checksum, Checksum::None | Checksum::Complete(_)) {
                packet.meta_mut().checksum = Checksum::Unnecessary;
            }
            Ok(packet)
        }
        Err(mut dropped) => {
            number(&mut dropped.packet);
            Err(dropped)
        }
    }
}
