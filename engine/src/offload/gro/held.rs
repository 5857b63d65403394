//! A packet that waits to be continued, and what continues it.

use zerocopy::FromBytes;

use super::segment::{Layout, Segment, TCP_FLAGS, UDP_CHECKSUM, pseudo_sum};
use crate::{
    limits::{GRO_BYTES_MAX, GRO_DATAGRAMS_MAX},
    packet::{Checksum, Gso, GsoKind, Packet, Pool},
    time::Instant,
    wire::{EthernetHeader, Ipv4Header, Ipv6Header, TcpFlags, TcpHeader, UdpHeader},
};

/// A packet that waits to be continued. Its layers have not been found yet, its headers lie in its linear bytes.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) packet: Packet,
    pub(super) layout: Layout,
    pub(super) payload_at: usize,
    hash: u32,
    /// Segments that it consists of.
    count: u16,
    /// Payload bytes of each of them; of the largest, if its device merges it.
    pub(super) size: usize,
    /// Whether all have the same IPv4 identification; decided by the second one.
    has_fixed_id: bool,
    /// Whether its frames are kept as they have come.
    is_list: bool,
    /// Whether its device merges it.
    is_large: bool,
    /// What its device has said of its checksum.
    checksum: Checksum,
    since: Instant,
}

/// What becomes of a segment, and of what is held of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The segment is in the packet that is held.
    pub(super) is_merged: bool,
    /// The packet that is held goes on.
    pub(super) ends_flow: bool,
    /// The segment, if it is not merged, is not held either.
    pub(super) is_alone: bool,
}

impl Held {
    /// The first segment of a packet.
    pub(super) fn new(now: Instant, packet: Packet, segment: &Segment<'_>, lists: bool) -> Self {
        let Segment { layout, payload_at, hash, count, checksum, is_large, .. } = *segment;
        let is_list = lists && segment.gso.is_none() && !is_large;
        let size = segment.gso.map_or(segment.payload_len(), |gso| gso.size.into());
        let has_fixed_id = segment.gso.is_some_and(|gso| gso.fixed_id);
        Self { packet, layout, payload_at, hash, count, size, has_fixed_id, is_list, is_large, checksum, since: now }
    }

    /// The number of its first frame.
    pub(super) fn number(&self) -> u64 {
        self.packet.meta().frame
    }

    /// Memory that it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.packet.memory_bytes()
    }

    /// Whether it was there before the clock tick in which `now` lies.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.since.as_nanos() / TICK_NANOS != now.as_nanos() / TICK_NANOS
    }

    /// Whether a segment belongs to its flow: same link, tags and stations, same addresses, same ports.
    pub(super) fn is_of_flow(&self, segment: &Segment<'_>) -> bool {
        let (own, other, layout) = (self.packet.linear(), segment.bytes, self.layout);
        let same = |from: usize, to: usize| own.get(from..to) == other.get(from..to);
        let (network, transport) = (layout.network, layout.transport);
        self.hash == segment.hash
            && layout == segment.layout
            && self.packet.meta().vlan == segment.vlan
            && same(transport, transport + PORTS_BYTES)
            && same(0, network)
            && match layout.is_v6 {
                false => same(network + V4_ADDRESSES, transport),
                true => {
                    let first = |bytes: &[u8]| bytes.get(network..)?.first_chunk().copied().map(u32::from_be_bytes);
                    let differ = first(own).unwrap_or(0) ^ first(other).unwrap_or(u32::MAX);
                    differ & !V6_CLASS == 0
                        && own.get(network + V6_NEXT_HEADER) == other.get(network + V6_NEXT_HEADER)
                        && same(network + V6_ADDRESSES, transport)
                }
            }
    }

    /// Takes a segment of its flow, if that continues it.
    pub(super) fn meet(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Outcome {
        match (self.is_large, segment.is_large) {
            (true, true) => self.meet_large(segment, pool),
            (false, false) if self.layout.is_udp => self.meet_datagram(segment, pool),
            (false, false) => self.meet_segment(segment, pool),
            // What the one has merged the other does not continue.
            (true, false) | (false, true) => Outcome { ends_flow: true, ..segment.without_flow() },
        }
    }

    /// Linux v6.18: `net/ipv4/tcp_offload.c`, `tcp_gro_receive()`.
    fn meet_segment(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Outcome {
        let differs = self.tcp_differs(segment) || self.network_differs(segment) || self.list_differs(segment);
        let is_merged = !differs && self.absorb(segment, pool);
        let is_last = segment.is_last(if is_merged { self.size } else { 1 });
        if is_merged {
            let at = self.layout.transport + TCP_FLAGS;
            let ends = segment.flags().0 & TcpFlags::FIN.union(TcpFlags::PSH).0;
            self.packet.linear_mut()[at] |= ends;
        }
        Outcome { is_merged, ends_flow: !is_merged || is_last, is_alone: segment.is_barred || is_last }
    }

    /// Linux v6.18: `net/ipv4/udp_offload.c`, `udp_gro_receive_segment()`.
    fn meet_datagram(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Outcome {
        let len = segment.payload_len();
        let continues = len <= self.size && !self.network_differs(segment);
        if continues && self.is_list && !self.is_summed_as(segment) {
            return Outcome { is_merged: false, ends_flow: false, is_alone: true };
        }
        let is_merged = continues && self.absorb(segment, pool);
        let ends_flow = !is_merged || len != self.size || self.count >= GRO_DATAGRAMS_MAX;
        Outcome { is_merged, ends_flow, is_alone: segment.is_barred }
    }

    /// Whether TCP's header forbids that a segment continues the packet: all but sequence number, checksum, PSH and FIN has to be
    /// the same, options and window among it. Of one that says that the congestion window was reduced the wire has to see
    /// exactly one.
    fn tcp_differs(&self, segment: &Segment<'_>) -> bool {
        let at = self.layout.transport;
        let headers =
            (TcpHeader::ref_from_prefix(&self.packet.linear()[at..]), TcpHeader::ref_from_prefix(&segment.bytes[at..]));
        let (Ok((own, _)), Ok((other, _))) = headers else { return true };
        let options = at + TcpHeader::LEN..segment.payload_at;
        let ends = TcpFlags::FIN.union(TcpFlags::PSH);
        let len = segment.payload_len();
        let has_other_size = match segment.gso {
            Some(gso) => usize::from(gso.size) != self.size,
            None => len == 0 || len > self.size,
        };
        let next = own.seq.get().wrapping_add((self.packet.len() - self.payload_at) as u32);
        other.flags.contains(TcpFlags::CWR)
            || other.flags.without(ends) != own.flags.without(ends)
            || other.data_offset != own.data_offset
            || other.window != own.window
            || other.ack != own.ack
            || self.packet.linear().get(options.clone()) != segment.bytes.get(options)
            || has_other_size
            || other.seq.get() != next
    }

    /// Whether a segment of TCP cannot be in the list: all flags have to be the same there.
    fn list_differs(&self, segment: &Segment<'_>) -> bool {
        let flags = self.packet.linear().get(self.layout.transport + TCP_FLAGS).copied();
        self.is_list
            && (flags != Some(segment.flags().0)
                || segment.gso.is_some()
                || !self.is_summed_as(segment)
                || self.count >= GRO_DATAGRAMS_MAX)
    }

    /// Whether as much is known of a segment's checksum.
    fn is_summed_as(&self, segment: &Segment<'_>) -> bool {
        let kind = |checksum| match checksum {
            Checksum::None | Checksum::Unnecessary => 0,
            Checksum::Complete(_) => 1,
            Checksum::Partial { .. } => 2,
        };
        kind(self.checksum) == kind(segment.checksum)
    }

    /// Whether the IP header forbids it: hops, type of service and "don't fragment" have to be the same, and IPv4's identifications
    /// either count up or are all the same.
    ///
    /// Linux v6.18: `include/net/gro.h`, `inet_gro_flush()`, `ipv6_gro_flush()`.
    fn network_differs(&mut self, segment: &Segment<'_>) -> bool {
        let at = self.layout.network;
        let (own, other) = (&self.packet.linear()[at..], &segment.bytes[at..]);
        if self.layout.is_v6 {
            let (Ok((own, _)), Ok((other, _))) = (Ipv6Header::ref_from_prefix(own), Ipv6Header::ref_from_prefix(other))
            else {
                return true;
            };
            return own.traffic_class() != other.traffic_class() || own.hop_limit != other.hop_limit;
        }
        let (Ok((own, _)), Ok((other, _))) = (Ipv4Header::ref_from_prefix(own), Ipv4Header::ref_from_prefix(other))
        else {
            return true;
        };
        if own.ttl != other.ttl || own.tos != other.tos || own.dont_fragment() != other.dont_fragment() {
            return true;
        }
        let step = other.id.get().wrapping_sub(own.id.get());
        if self.count == 1 && step == 0 {
            self.has_fixed_id = true;
        }
        step != if self.has_fixed_id { 0 } else { self.count }
    }

    /// Puts a segment's payload behind the packet's, unless it would become too long.
    ///
    /// Linux v6.18: `net/core/gro.c`, `skb_gro_receive()`.
    pub(super) fn absorb(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> bool {
        let headers = segment.layout.network..segment.payload_at;
        let kept = if self.is_list { headers.len() } else { 0 };
        if segment.is_barred || self.packet.len() - EthernetHeader::LEN + segment.payload_len() + kept >= GRO_BYTES_MAX
        {
            return false;
        }
        if self.is_list {
            self.packet.keep_headers(&segment.bytes[headers]);
        }
        segment.join(&mut self.packet, pool);
        self.count = self.count.saturating_add(segment.count);
        true
    }

    /// The packet. One of several segments says so, and leaves its checksum to the device. Datagrams that all had one IPv4
    /// identification are numbered anew when they are cut again, as Linux does; segments are not.
    pub(super) fn into_packet(self) -> Packet {
        let Self { mut packet, layout, count, size, has_fixed_id, is_list, is_large, .. } = self;
        if count == 1 {
            return packet;
        }
        let len = packet.len();
        let transport_len = len - layout.transport;
        let bytes = packet.linear_mut();
        let network = &mut bytes[layout.network..];
        if layout.is_v6 {
            if let Ok((ip, _)) = Ipv6Header::mut_from_prefix(network) {
                ip.payload_len.set((len - layout.network - Ipv6Header::LEN) as u16);
            }
        } else if let Ok((ip, _)) = Ipv4Header::mut_from_prefix(network) {
            ip.set_total_len((len - layout.network) as u16);
        }
        if is_large {
            Self::mark_large(&mut packet, size);
            return packet;
        }
        if let (true, Ok((udp, _))) = (layout.is_udp, UdpHeader::mut_from_prefix(&mut bytes[layout.transport..])) {
            udp.len.set(transport_len as u16);
        }
        let offset = if layout.is_udp { UDP_CHECKSUM } else { TCP_CHECKSUM };
        if !is_list {
            let sum = pseudo_sum(bytes, layout, transport_len).to_be_bytes();
            bytes[layout.transport + offset..][..sum.len()].copy_from_slice(&sum);
        }
        let kind = match (layout.is_udp, layout.is_v6) {
            (true, _) => GsoKind::Udp,
            (false, false) => GsoKind::Tcp4,
            (false, true) => GsoKind::Tcp6,
        };
        let meta = packet.meta_mut();
        if !is_list {
            meta.checksum = Checksum::Partial { start: layout.transport as u16, offset: offset as u16 };
        }
        let known = meta.gso.map_or(kind, |gso| gso.kind);
        meta.gso = Some(Gso {
            kind: known,
            size: size as u16,
            segments: count,
            fixed_id: has_fixed_id && !layout.is_udp && !is_list,
        });
        packet
    }
}

/// Both ports.
const PORTS_BYTES: usize = 4;
/// Where the addresses stand in an IPv4 header.
const V4_ADDRESSES: usize = 12;
/// Where they stand in an IPv6 header.
const V6_ADDRESSES: usize = 8;
/// Where the next header is named in an IPv6 header.
const V6_NEXT_HEADER: usize = 6;
/// The traffic class in the first word of an IPv6 header.
const V6_CLASS: u32 = 0x0ff0_0000;
/// Where the checksum stands in a TCP header.
const TCP_CHECKSUM: usize = 16;
/// The clock's tick.
const TICK_NANOS: u64 = 4_000_000;
