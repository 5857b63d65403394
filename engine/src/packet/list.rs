//! Packets whose frames were kept as they came (`rx-gro-list`): the headers of all but the first.
//!
//! They pass as one packet, whose own headers are the first frame's, and are frames again when they leave. Of what has been changed on
//! the way the others take the addresses and the ports, and their identifications count from the first one's; all else stays what it
//! was, hops included, and so do their checksums but for the addresses and ports: nobody sums them.
//!
//! Linux v6.18: `net/core/skbuff.c`, `skb_segment_list()`; `net/ipv4/udp_offload.c`, `__udp_gso_segment_list()`;
//! `net/ipv4/tcp_offload.c`, `__tcp4_gso_segment_list()`; `net/ipv4/af_inet.c`, `inet_gso_segment()`.

use alloc::vec::Vec;

use super::{Ip, Packet, Transport};
use crate::wire::{Ipv4Header, Ipv6Header, checksum};

/// The headers of a packet's frames behind the first one, network and transport header of each.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    headers: Vec<u8>,
    /// Bytes of each; all have as many.
    len: usize,
}

impl List {
    /// Memory that it takes.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.headers.capacity()
    }
}

impl Packet {
    /// Whether it is several frames that were kept as they came.
    #[must_use]
    #[inline]
    pub fn is_list(&self) -> bool {
        self.0.list.is_some()
    }

    /// Keeps the headers of another frame, whose payload was put behind the packet's.
    pub(crate) fn keep_headers(&mut self, headers: &[u8]) {
        let list = self.0.list.get_or_insert_default();
        debug_assert!(list.len == 0 || list.len == headers.len(), "frames of one layout");
        list.len = headers.len();
        list.headers.extend_from_slice(headers);
    }

    /// Lets it be an ordinary super-packet, whose segments have its own headers and checksums that are left to the device: its payload
    /// is no longer what has come.
    pub(crate) fn forget_list(&mut self) {
        if self.0.list.take().is_none() {
            return;
        }
        match self.transport() {
            Transport::Tcp => self.leave_checksum_at(TCP_CHECKSUM as u16),
            Transport::Udp => self.leave_checksum_at(UDP_CHECKSUM as u16),
            Transport::Icmp | Transport::Icmpv6 | Transport::Other | Transport::Broken => {}
        }
    }

    /// Gives a part of a list the headers that its frame has come with, `index` from 1 on; the addresses and the ports are those of
    /// `whole`. Nothing happens when there are none of that length.
    pub(crate) fn take_headers_of(&mut self, whole: &Self, index: usize) {
        let Some(list) = whole.0.list.as_deref() else { return };
        let from = list.len * (index - 1);
        let block = &mut *self.0;
        let own = usize::from(block.layers.l3)..usize::from(block.layers.payload);
        let Some(kept) = list.headers.get(from..from + list.len).filter(|kept| kept.len() == own.len()) else { return };
        block.bytes[own].copy_from_slice(kept);
        let (addresses, field) = match whole.ip() {
            Some(Ip::V4(_)) => (Ipv4Header::ADDRESSES..Ipv4Header::LEN, self.transport()),
            Some(Ip::V6(_)) => (V6_ADDRESSES..Ipv6Header::LEN, self.transport()),
            None => return,
        };
        let field = if field == Transport::Tcp { TCP_CHECKSUM } else { UDP_CHECKSUM };
        let (l3, l4) = (usize::from(self.0.layers.l3), usize::from(self.0.layers.l4));
        let (theirs, ports) = (whole.network_header(), whole.transport_bytes());
        let places = [(l3 + addresses.start, &theirs[addresses]), (l4, &ports[..PORTS_BYTES])];
        let is_partial = matches!(self.meta().checksum, super::Checksum::Partial { .. });
        let mut sum = u16::from_be_bytes([self.0.bytes[l4 + field], self.0.bytes[l4 + field + 1]]);
        for (nth, (at, after)) in places.into_iter().enumerate() {
            let before = &mut self.0.bytes[at..at + after.len()];
            if before == after {
                continue;
            }
            let change = checksum::add(checksum::sum(after), !checksum::sum(before));
            before.copy_from_slice(after);
            // Of what is left to the device the field has the addresses' sum itself, and nothing of the ports.
            match (is_partial, nth) {
                (true, 0) => sum = checksum::add(sum, change),
                (true, _) => {}
                (false, _) => sum = !checksum::add(!sum, change),
            }
        }
        if sum == 0 && field == UDP_CHECKSUM {
            sum = 0xffff;
        }
        self.0.bytes[l4 + field..][..2].copy_from_slice(&sum.to_be_bytes());
        // Whose identification and length are set after this, its own checksum follows from.
        self.fill_ip_checksum();
    }
}

const PORTS_BYTES: usize = 4;
/// Where the addresses stand in an IPv6 header.
const V6_ADDRESSES: usize = 8;
/// Where the checksum stands in a TCP header.
const TCP_CHECKSUM: usize = 16;
/// Where it stands in a UDP header.
const UDP_CHECKSUM: usize = 6;
