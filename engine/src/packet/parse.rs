//! Finds the layers of a packet, once. After this, views cannot fail and nothing is validated again.

use zerocopy::FromBytes;

use super::{
    Packet, Pool,
    buf::Block,
    meta::{Addressed, Checksum, Gso},
};
use crate::{
    ending::{DropReason, Dropped},
    frame::{DeviceId, Frame},
    limits::{FRAME_BYTES_MAX, HEADER_BYTES_MAX, HEADROOM_BYTES, LINEAR_BYTES_MAX},
    offload::gso,
    wire::{
        ArpPacket, EtherType, EthernetHeader, IcmpHeader, Icmpv6Header, Ipv4Header, Ipv6Header, Protocol, TcpHeader,
        UdpHeader, checksum,
        ipv6::{Chain, ChainEnd, FragmentHeader},
    },
};

/// Where the layers of a packet lie, as offsets into its block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layers {
    pub(super) network: Network,
    pub(super) transport: Transport,
    /// What follows the network header and its extensions.
    pub(super) protocol: u8,
    /// First byte of the network header.
    pub(super) l3: u16,
    /// First byte behind the network header and its extensions.
    pub(super) l4: u16,
    /// First byte behind the transport header; `l4` when there is none.
    pub(super) payload: u16,
    /// Bytes of the network packet from `l3` on, as its length field promises; they may be cut off.
    pub(super) network_len: u32,
    /// IPv6's fragment header; 0: there is none.
    pub(super) fragment: u16,
}

/// The network header of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// None that the engine reads; of what has come in, a slow protocol, which is between both ends of a link.
    #[default]
    Other,
    /// IPv4, whole.
    Ipv4,
    /// IPv6; the header is whole, its extensions may not be.
    Ipv6,
    /// ARP for IPv4 over Ethernet, whole.
    Arp,
}

/// The transport header of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// None that the engine reads: another protocol, or a fragment that is not the first.
    #[default]
    Other,
    /// TCP, whole with its options.
    Tcp,
    /// UDP, whole.
    Udp,
    /// ICMP, whole.
    Icmp,
    /// ICMPv6, whole.
    Icmpv6,
    /// One of those four, but the packet ends inside it or its lengths cannot be right; or IPv6 that ends inside an
    /// extension header.
    Broken,
}

impl Packet {
    /// Takes a frame over and finds its layers.
    ///
    /// # Errors
    /// With a reason when the frame is longer than [`FRAME_BYTES_MAX`], ends inside a link or network header, has a VLAN tag
    /// between its bytes, or has a network header that a host must not take (RFC 1122, 3.2.1; Linux v6.18:
    /// `net/ipv4/ip_input.c`, `ip_rcv_core()`), or is said to be a super-packet that it cannot be. Transport headers that
    /// are not right are no error here: conntrack calls such packets INVALID.
    pub fn parse(pool: &mut Pool, frame: &Frame<'_>) -> Result<Self, Dropped> {
        Self::take(pool, frame)?.found()
    }

    /// Takes a frame's bytes over, the only copy on the path, and finds its link header. What its sender shares is not copied.
    #[inline(always)]
    pub(crate) fn take(pool: &mut Pool, frame: &Frame<'_>) -> Result<Self, Dropped> {
        let mut block = pool.block();
        block.meta.device = Some(frame.device);
        block.meta.queue = frame.queue;
        // Of most frames none of these is said, as a new block has it. Whoever has just written one would wait until a wide copy can read it.
        if frame.checksum != Checksum::None {
            block.meta.checksum = frame.checksum;
        }
        if frame.gso.is_some() {
            block.meta.gso = frame.gso;
        }
        if frame.vlan.is_some() {
            block.meta.vlan = frame.vlan;
        }
        block.meta.cut_bytes = frame.wire_len.saturating_sub(frame.bytes.len() as u32);
        let is_long = frame.bytes.len() > LINEAR_BYTES_MAX;
        let linear = if is_long { &frame.bytes[..HEADER_BYTES_MAX] } else { frame.bytes };
        block.bytes[HEADROOM_BYTES..HEADROOM_BYTES + linear.len()].copy_from_slice(linear);
        block.tail = (HEADROOM_BYTES + linear.len()) as u16;
        let mut packet = Self(block);
        if is_long {
            let end = frame.bytes.len().min(FRAME_BYTES_MAX);
            packet.0.fragments.push(pool.fragment(&frame.bytes[HEADER_BYTES_MAX..end]));
            if end < frame.bytes.len() {
                return Err(packet.drop_for(DropReason::FrameTooLong));
            }
        }
        if !frame.behind.is_empty()
            && let Err(reason) = packet.share_rest_of(pool, frame)
        {
            return Err(packet.drop_for(reason));
        }
        match packet.find_link() {
            Ok(()) => Ok(packet),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }

    #[inline]
    fn find_link(&mut self) -> Result<(), DropReason> {
        let block = &mut *self.0;
        let Ok((ethernet, _)) = EthernetHeader::ref_from_prefix(linear(block, block.data)) else {
            return Err(DropReason::LinkTruncated);
        };
        block.meta.addressed = match ethernet.destination {
            mac if !mac.is_group() => Addressed::Host,
            mac if mac.is_broadcast() => Addressed::Broadcast,
            _ => Addressed::Multicast,
        };
        block.layers.l3 = block.data + EthernetHeader::LEN as u16;
        Ok(())
    }

    /// Finds the layers behind the link header, once the tags are off.
    #[inline(always)]
    pub(crate) fn found(mut self) -> Result<Self, Dropped> {
        match self.find_layers() {
            Ok(()) => Ok(self),
            Err(reason) => Err(self.drop_for(reason)),
        }
    }

    #[inline(always)]
    fn find_layers(&mut self) -> Result<(), DropReason> {
        let ether_type = self.ethernet().map_or(0, |ethernet| ethernet.ether_type.get());
        self.find_network(EtherType(ether_type), self.0.layers.l3)?;
        self.ipv6().filter(|_| self.meta().device != Some(DeviceId::LOOPBACK)).map_or(Ok(()), may_be_on_a_wire)?;
        match self.0.meta.gso {
            None => Ok(()),
            Some(gso) => self.check_offload(gso),
        }
    }

    /// Whether what is said of a super-packet can be. One whose payload is a single segment is none (Linux v6.18:
    /// `include/linux/virtio_net.h`, `virtio_net_hdr_to_skb()`).
    fn check_offload(&mut self, gso: Gso) -> Result<(), DropReason> {
        if gso.size == 0 || !gso::is_right(self, gso.kind) {
            return Err(DropReason::OffloadUnknown);
        }
        if self.payload_len() <= usize::from(gso.size) {
            self.0.meta.gso = None;
        }
        Ok(())
    }

    /// Finds the layers of a network packet of type `ether_type` that starts at `l3` of the block.
    #[inline(always)]
    pub(super) fn find_network(&mut self, ether_type: EtherType, l3: u16) -> Result<(), DropReason> {
        let block = &mut *self.0;
        block.layers = Layers { l3, l4: l3, payload: l3, ..Layers::default() };
        match ether_type {
            EtherType::IPV4 => find_ipv4(block),
            EtherType::IPV6 => find_ipv6(block),
            EtherType::ARP => find_arp(block),
            EtherType::SLOW_PROTOCOLS => {
                block.layers.network_len = block.present_from(l3);
                Ok(())
            }
            EtherType::VLAN | EtherType::SERVICE_VLAN => Err(DropReason::VlanUnknown),
            _ => Err(DropReason::LinkProtocolUnknown),
        }
    }
}

#[inline(never)]
fn find_arp(block: &mut Block) -> Result<(), DropReason> {
    match ArpPacket::ref_from_prefix(linear(block, block.layers.l3)) {
        Ok((arp, _)) if arp.is_ipv4_over_ethernet() => {
            block.layers.network = Network::Arp;
            block.layers.network_len = ArpPacket::LEN as u32;
            Ok(())
        }
        Ok(_) | Err(_) => Err(DropReason::ArpMalformed),
    }
}

#[inline(always)]
fn find_ipv4(block: &mut Block) -> Result<(), DropReason> {
    let l3 = block.layers.l3;
    let bytes = linear(block, l3);
    let Ok((ip, _)) = Ipv4Header::ref_from_prefix(bytes) else {
        return Err(cut_or(block, DropReason::IpTruncated));
    };
    let header_len = ip.header_len();
    if ip.version() != 4 || header_len < Ipv4Header::LEN {
        return Err(DropReason::IpHeaderMalformed);
    }
    let Some(header) = bytes.get(..header_len) else {
        return Err(cut_or(block, DropReason::IpTruncated));
    };
    if checksum::sum_of_header(header) != 0xffff {
        return Err(DropReason::IpChecksum);
    }
    let network_len = u32::from(ip.total_len.get());
    let present = block.present_from(l3);
    if present + block.meta.cut_bytes < network_len {
        return Err(DropReason::IpTruncated);
    }
    if (network_len as usize) < header_len {
        return Err(DropReason::IpHeaderMalformed);
    }
    let (protocol, offset) = (ip.protocol(), ip.fragment_offset());
    block.layers.network = Network::Ipv4;
    block.layers.protocol = protocol.0;
    block.layers.l4 = l3 + header_len as u16;
    block.layers.payload = block.layers.l4;
    block.layers.network_len = network_len;
    block.trim_padding(present);
    if offset == 0 { find_transport(block, protocol) } else { Ok(()) }
}

/// Why the walk over extension headers cannot take long: it goes forward by 8 bytes at least, and only over the linear
/// bytes, which of a long packet are 256.
#[inline(never)]
fn find_ipv6(block: &mut Block) -> Result<(), DropReason> {
    let l3 = block.layers.l3;
    let Ok((ip, _)) = Ipv6Header::ref_from_prefix(linear(block, l3)) else {
        return Err(cut_or(block, DropReason::IpTruncated));
    };
    if ip.version() != 6 {
        return Err(DropReason::IpHeaderMalformed);
    }
    let next = ip.next_header();
    let stated_len = (Ipv6Header::LEN as u32) + u32::from(ip.payload_len.get());
    let present = block.present_from(l3);
    // Whose length may stand in an option is what the frame holds (RFC 2675; Linux v6.18: `ip6_rcv_core()`).
    let is_of_frame = stated_len == Ipv6Header::LEN as u32 && next == Protocol::HOP_BY_HOP;
    let network_len = if is_of_frame { present + block.meta.cut_bytes } else { stated_len };
    if present + block.meta.cut_bytes < network_len {
        return Err(DropReason::IpTruncated);
    }
    block.layers.network = Network::Ipv6;
    block.layers.network_len = network_len;
    block.trim_padding(present);
    let extensions = l3 + Ipv6Header::LEN as u16;
    let bytes = linear(block, extensions);
    let chain = Chain::walk(next, bytes);
    let is_short = chain.fragment.is_some_and(|at| at + FragmentHeader::LEN > bytes.len());
    block.layers.protocol = chain.protocol.0;
    block.layers.l4 = extensions + chain.len as u16;
    block.layers.payload = block.layers.l4;
    block.layers.fragment = chain.fragment.map_or(0, |at| extensions + at as u16);
    if (is_short || chain.end == ChainEnd::Broken) && block.meta.cut_bytes > 0 {
        return Err(DropReason::CaptureCut);
    }
    match chain.end {
        ChainEnd::Upper => find_transport(block, chain.protocol),
        ChainEnd::Nothing | ChainEnd::LaterFragment => Ok(()),
        ChainEnd::Broken => {
            block.layers.transport = Transport::Broken;
            Ok(())
        }
    }
}

/// Addresses that no packet on a link but `lo` may have (RFC 4291, sections 2.5.3 and 2.7; Linux v6.18: `net/ipv6/ip6_input.c`,
/// `ip6_rcv_core()`).
const fn may_be_on_a_wire(ip: &Ipv6Header) -> Result<(), DropReason> {
    let (source, destination) = (ip.source(), ip.destination());
    if source.is_loopback() || source.is_multicast() {
        return Err(DropReason::IpSourceInvalid);
    }
    // Groups of the reserved scope and of the interface itself.
    let scope = destination.octets()[1] & 0x0f;
    if destination.is_loopback() || (destination.is_multicast() && scope <= 1) {
        return Err(DropReason::IpDestinationInvalid);
    }
    Ok(())
}

/// Finds the transport header; one that is broken is noted, one that the capture has cut off is an error.
#[inline(always)]
pub(super) fn find_transport(block: &mut Block, protocol: Protocol) -> Result<(), DropReason> {
    let bytes = linear(block, block.layers.l4);
    let (transport, len) = match protocol {
        Protocol::TCP => match TcpHeader::ref_from_prefix(bytes) {
            Ok((tcp, _)) if (TcpHeader::LEN..=bytes.len()).contains(&tcp.header_len()) => {
                (Transport::Tcp, tcp.header_len())
            }
            Ok(_) | Err(_) => (Transport::Broken, 0),
        },
        Protocol::UDP => match UdpHeader::ref_from_prefix(bytes) {
            Ok((udp, _)) if (UdpHeader::LEN..=block.transport_len()).contains(&usize::from(udp.len.get())) => {
                (Transport::Udp, UdpHeader::LEN)
            }
            Ok(_) | Err(_) => (Transport::Broken, 0),
        },
        Protocol::ICMP if block.layers.network == Network::Ipv4 => match IcmpHeader::ref_from_prefix(bytes) {
            Ok(_) => (Transport::Icmp, IcmpHeader::LEN),
            Err(_) => (Transport::Broken, 0),
        },
        Protocol::ICMPV6 if block.layers.network == Network::Ipv6 => match Icmpv6Header::ref_from_prefix(bytes) {
            Ok(_) => (Transport::Icmpv6, Icmpv6Header::LEN),
            Err(_) => (Transport::Broken, 0),
        },
        _ => (Transport::Other, 0),
    };
    if transport == Transport::Broken && block.present_from(block.layers.l4) < block.transport_len() as u32 {
        return Err(DropReason::CaptureCut);
    }
    block.layers.transport = transport;
    block.layers.payload = block.layers.l4 + len as u16;
    Ok(())
}

/// The linear bytes from offset `from` of the block on.
fn linear(block: &Block, from: u16) -> &[u8] {
    &block.bytes[usize::from(from)..usize::from(block.tail)]
}

/// The reason for a header that ends too early: the capture's cut, when there was one.
fn cut_or(block: &Block, reason: DropReason) -> DropReason {
    if block.meta.cut_bytes > 0 { DropReason::CaptureCut } else { reason }
}
