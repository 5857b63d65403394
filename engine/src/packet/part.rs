//! Parts of a packet's payload as packets of their own, without moving bytes.

use super::{Gso, IpMut, Packet, Pool};
use crate::wire::Ipv6Header;

impl Packet {
    /// A packet with the same headers and facts, and `len` bytes of the payload from `from` on; both are counted as the
    /// length fields promise, and stay within it. What the payload has in fragments is shared; what lies in the block, at
    /// most 1.9 KB of all parts together, is copied. Length fields and IPv4's checksum are right, the transport checksum is
    /// the caller's.
    #[must_use]
    pub fn part(&self, pool: &mut Pool, from: usize, len: usize) -> Self {
        let whole = &*self.0;
        let from = from.min(self.payload_len());
        let len = len.min(self.payload_len() - from);
        let (data, payload, tail) =
            (usize::from(whole.data), usize::from(whole.layers.payload), usize::from(whole.tail));
        let mut block = pool.block();
        block.meta = whole.meta;
        block.layers = whole.layers;
        block.data = whole.data;
        block.bytes[data..payload].copy_from_slice(&whole.bytes[data..payload]);
        let linear = payload + from.min(tail - payload)..payload + (from + len).min(tail - payload);
        block.tail = (payload + linear.len()) as u16;
        block.tally.copied(linear.len());
        block.bytes[payload..payload + linear.len()].copy_from_slice(&whole.bytes[linear]);
        let mut start = tail - payload;
        for fragment in &whole.fragments {
            let end = start + fragment.bytes().len();
            let (first, last) = (from.max(start), (from + len).min(end));
            if first < last {
                block.fragments.push(fragment.within(first - start, last - start));
            }
            start = end;
        }
        let headers = u32::from(whole.layers.payload - whole.layers.l3);
        block.layers.network_len = headers + len as u32;
        block.meta.cut_bytes = (headers + len as u32).saturating_sub(block.present_from(whole.layers.l3));
        let mut part = Self(block);
        part.mend_lengths();
        part
    }

    /// Says of how many segments a super-packet consists whose payload has become shorter; of one, it is none.
    pub(crate) fn mend_gso(&mut self) {
        let len = self.payload_len();
        self.0.meta.gso = match self.0.meta.gso {
            Some(gso) if len > usize::from(gso.size) => {
                Some(Gso { segments: len.div_ceil(usize::from(gso.size)).try_into().unwrap_or(u16::MAX), ..gso })
            }
            Some(_) | None => None,
        };
    }

    /// Writes the length of the packet into IP's and UDP's headers, and mends IPv4's checksum.
    pub(super) fn mend_lengths(&mut self) {
        let (network_len, transport_len) = (self.0.layers.network_len, self.0.transport_len() as u16);
        if let Some(udp) = self.udp_mut() {
            udp.len.set(transport_len);
        }
        match self.ip_mut() {
            Some(IpMut::V4(ip)) => ip.set_total_len(network_len as u16),
            Some(IpMut::V6(ip)) => ip.payload_len.set(network_len as u16 - Ipv6Header::LEN as u16),
            None => {}
        }
    }
}
