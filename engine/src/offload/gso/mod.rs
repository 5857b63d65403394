//! Cutting super-packets into the segments that the wire sees, as a device does that can (`tx-tcp-segmentation` and its
//! like; see [`Features`](crate::device::Features)).
//!
//! Segments share the payload of the whole. They are made one at a time, so that one super-packet of the smallest
//! segments takes no more memory than there is room for where they go.
//!
//! Linux v6.18: `net/core/gso.c`; `net/ipv4/tcp_offload.c`, `tcp_gso_segment()`; `net/ipv4/udp_offload.c`,
//! `__udp_gso_segment()`; `net/ipv4/af_inet.c`, `inet_gso_segment()`; `net/ipv6/ip6_offload.c`, `ipv6_gso_segment()`.

use super::checksum;
use crate::{
    packet::{Gso, GsoKind, Packet, Pool, Transport},
    wire::TcpFlags,
};

/// The segments of a super-packet, in order.
#[derive(Debug)]
pub struct Segments<'a> {
    whole: &'a Packet,
    gso: Gso,
    /// How many have been made.
    made: u32,
    /// Payload bytes that are in them.
    done: usize,
}

impl<'a> Segments<'a> {
    /// The segments of a packet; `None` when it is none that has to be cut.
    #[must_use]
    pub fn of(whole: &'a Packet) -> Option<Self> {
        let gso = whole.meta().gso.filter(|gso| gso.size > 0)?;
        Some(Self { whole, gso, made: 0, done: 0 })
    }

    /// Whether there is another one.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.made == 0 || self.done < self.whole.payload_len()
    }

    /// The next segment; its transport checksum is left to the device (see [`checksum::complete`]).
    pub fn next(&mut self, pool: &mut Pool) -> Option<Packet> {
        if !self.has_more() {
            return None;
        }
        let left = self.whole.payload_len() - self.done;
        let len = left.min(self.gso.size.into());
        let mut segment = self.whole.part(pool, self.done, len);
        let is_last = len == left;
        segment.meta_mut().gso = None;
        if self.whole.is_list() {
            self.restore_headers(&mut segment);
        } else {
            self.write_headers(&mut segment, is_last);
            checksum::leave_to_device(&mut segment);
        }
        self.made += 1;
        self.done += len;
        Some(segment)
    }

    /// Those of a frame that was kept as it came, which is numbered anew all the same.
    fn restore_headers(&self, segment: &mut Packet) {
        if self.made == 0 {
            return;
        }
        segment.take_headers_of(self.whole, self.made as usize);
        let first = self.whole.ipv4().map_or(0, |ip| ip.id.get());
        if let Some(ip) = segment.ipv4_mut() {
            ip.set_id(first.wrapping_add(self.made as u16));
        }
    }

    /// What tells one segment from another: TCP's sequence number and flags, IPv4's identification.
    fn write_headers(&self, segment: &mut Packet, is_last: bool) {
        let (is_first, done) = (self.made == 0, self.done as u32);
        if let Some(tcp) = segment.tcp_mut() {
            tcp.seq.set(tcp.seq.get().wrapping_add(done));
            if !is_last {
                tcp.flags = tcp.flags.without(TcpFlags::FIN.union(TcpFlags::PSH));
            }
            // The congestion window was reduced once (RFC 3168, section 6.1.2).
            if !is_first {
                tcp.flags = tcp.flags.without(TcpFlags::CWR);
            }
        }
        if let Some(ip) = segment.ipv4_mut().filter(|_| !is_first && !self.gso.fixed_id) {
            ip.set_id(ip.id.get().wrapping_add(self.made as u16));
        }
    }
}

/// Whether what a device says of a super-packet can be: there is a transport header of the kind, and it is not a
/// fragment.
#[must_use]
pub fn is_right(packet: &Packet, kind: GsoKind) -> bool {
    let fits = match (kind, packet.transport()) {
        (GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Lro, Transport::Tcp) => packet.ipv4().is_some(),
        (GsoKind::Tcp6 | GsoKind::Tcp6Ecn, Transport::Tcp) => packet.ipv6().is_some(),
        (GsoKind::Udp, Transport::Udp) => true,
        (GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Tcp6 | GsoKind::Tcp6Ecn | GsoKind::Udp | GsoKind::Lro, _) => false,
    };
    fits && !packet.is_fragment()
}

#[cfg(test)]
mod tests;
