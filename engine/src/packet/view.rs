//! Views of a packet's layers. They cannot fail beyond "there is none": parsing has found them.

use alloc::{borrow::Cow, vec::Vec};

use zerocopy::FromBytes;

use super::{Gso, GsoKind, Network, Packet, Transport};
use crate::wire::{
    ArpPacket, EthernetHeader, IcmpHeader, Icmpv6Header, Ipv4Header, Ipv6Header, Protocol, TcpHeader, UdpHeader,
    ipv6::FragmentHeader, tcp_options::TcpOptions,
};

/// What translation changes of TCP or UDP over IPv4.
pub(crate) struct PlainEnds<'a> {
    pub(crate) ip: &'a mut Ipv4Header,
    /// Source and destination.
    pub(crate) ports: &'a mut [[u8; 2]; 2],
    /// That of the transport header.
    pub(crate) checksum: &'a mut [u8; 2],
    /// Else it is TCP.
    pub(crate) is_udp: bool,
}

impl Packet {
    /// The linear bytes from the first header on.
    #[must_use]
    pub fn linear(&self) -> &[u8] {
        &self.0.bytes[usize::from(self.0.data)..usize::from(self.0.tail)]
    }

    /// The payload behind the linear bytes, in order.
    pub fn fragments(&self) -> impl Iterator<Item = &[u8]> {
        self.0.fragments.iter().map(super::buf::Fragment::bytes)
    }

    /// Bytes present, from the first header to the end.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.present_from(self.0.data) as usize
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which network header it has.
    #[must_use]
    pub fn network(&self) -> Network {
        self.0.layers.network
    }

    /// Which transport header it has.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.layers.transport
    }

    /// What follows the network header and its extensions, whether or not it is whole. Of a later fragment of IPv6 what
    /// its fragment header names; of IPv6 that ends inside an extension header, that header.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol(self.0.layers.protocol)
    }

    /// Bytes from the network header to the network packet's end, as its length field says; a capture may have cut some.
    #[must_use]
    pub fn network_len(&self) -> usize {
        self.0.layers.network_len as usize
    }

    /// Whether it can be sent over a link with that MTU: as it is, or by the device's segmentation.
    #[must_use]
    pub fn fits(&self, mtu_bytes: u32) -> bool {
        let len = match self.0.meta.gso {
            None => self.network_len(),
            Some(gso) => usize::from(self.0.layers.payload - self.0.layers.l3) + usize::from(gso.size),
        };
        len <= mtu_bytes as usize
    }

    /// Whether it can be forwarded over a link with that MTU as other packets of its flow are: it fits, and somebody may cut it.
    #[inline(always)]
    pub(crate) fn may_pass(&self, mtu_bytes: u32) -> bool {
        match self.0.meta.gso {
            None => self.network_len() <= mtu_bytes as usize,
            Some(_) => !self.is_uncuttable() && self.fits(mtu_bytes),
        }
    }

    /// Whether its device has merged it so that nobody may cut it.
    #[inline(always)]
    pub(crate) const fn is_uncuttable(&self) -> bool {
        matches!(self.0.meta.gso, Some(Gso { kind: GsoKind::Lro, .. }))
    }

    /// Bytes of the transport header and payload, as the network header promises.
    #[must_use]
    pub fn transport_len(&self) -> usize {
        self.0.transport_len()
    }

    /// Bytes behind the transport header, as the length fields promise.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.transport_len() - usize::from(self.0.layers.payload - self.0.layers.l4)
    }

    /// The Ethernet header; `None` on a packet made here that has not been given one yet.
    #[must_use]
    pub fn ethernet(&self) -> Option<&EthernetHeader> {
        let has_one = usize::from(self.0.layers.l3) >= usize::from(self.0.data) + EthernetHeader::LEN;
        has_one.then(|| self.view(self.0.data))?
    }

    /// The ARP packet.
    #[must_use]
    pub fn arp(&self) -> Option<&ArpPacket> {
        (self.0.layers.network == Network::Arp).then(|| self.view(self.0.layers.l3))?
    }

    /// The IPv4 header.
    #[must_use]
    pub fn ipv4(&self) -> Option<&Ipv4Header> {
        (self.0.layers.network == Network::Ipv4).then(|| self.view(self.0.layers.l3))?
    }

    /// The IPv4 header, to change. Whoever changes it mends its checksum.
    pub fn ipv4_mut(&mut self) -> Option<&mut Ipv4Header> {
        (self.0.layers.network == Network::Ipv4).then(|| self.view_mut(self.0.layers.l3))?
    }

    /// The IPv6 header.
    #[must_use]
    pub fn ipv6(&self) -> Option<&Ipv6Header> {
        (self.0.layers.network == Network::Ipv6).then(|| self.view(self.0.layers.l3))?
    }

    /// The IPv6 header, to change. Whoever changes it keeps in mind that its addresses are part of transport checksums.
    pub fn ipv6_mut(&mut self) -> Option<&mut Ipv6Header> {
        (self.0.layers.network == Network::Ipv6).then(|| self.view_mut(self.0.layers.l3))?
    }

    /// IPv6's fragment header, the last one, if all of it is there.
    #[must_use]
    pub fn fragment_header(&self) -> Option<&FragmentHeader> {
        FragmentHeader::read(self.fragment_bytes()?)
    }

    /// What IPv6's fragment header says of the part: [`FragmentHeader::offset_more`], which is there though the packet ends behind it.
    #[must_use]
    pub fn fragment_word(&self) -> Option<u16> {
        FragmentHeader::word(self.fragment_bytes()?)
    }

    fn fragment_bytes(&self) -> Option<&[u8]> {
        let at = usize::from(self.0.layers.fragment);
        (at != 0).then(|| self.0.bytes.get(at..usize::from(self.0.tail)))?
    }

    /// The network header with its options or extension headers.
    #[must_use]
    #[inline]
    pub fn network_header(&self) -> &[u8] {
        &self.0.bytes[usize::from(self.0.layers.l3)..usize::from(self.0.layers.l4)]
    }

    /// Whether its IPv4 header has options.
    #[must_use]
    #[inline]
    pub fn has_options(&self) -> bool {
        self.0.layers.network == Network::Ipv4 && self.network_header_len() > Ipv4Header::LEN
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn network_header_len(&self) -> usize {
        usize::from(self.0.layers.l4 - self.0.layers.l3)
    }

    /// The linear bytes from the network header on: headers and, unless it lies in fragments, the payload.
    #[must_use]
    #[inline]
    pub fn network_bytes(&self) -> &[u8] {
        &self.0.bytes[usize::from(self.0.layers.l3)..usize::from(self.0.tail)]
    }

    /// Copies the network packet's first bytes, wherever they lie, and tells how many there were.
    pub fn copy_network(&self, to: &mut [u8]) -> usize {
        let mut copied = 0;
        for part in core::iter::once(self.network_bytes()).chain(self.fragments()) {
            let len = part.len().min(to.len() - copied);
            to[copied..copied + len].copy_from_slice(&part[..len]);
            copied += len;
        }
        self.count_copy(copied.saturating_sub(usize::from(self.0.layers.payload - self.0.layers.l3)));
        copied
    }

    /// The linear bytes from the transport header on.
    #[must_use]
    pub fn transport_bytes(&self) -> &[u8] {
        &self.0.bytes[usize::from(self.0.layers.l4)..usize::from(self.0.tail)]
    }

    /// All bytes from the transport header on, wherever they lie; copied together when some lie in fragments.
    #[must_use]
    pub fn whole_transport(&self) -> Cow<'_, [u8]> {
        let linear = self.transport_bytes();
        if self.0.fragments.is_empty() {
            return Cow::Borrowed(linear);
        }
        let mut bytes = Vec::from(linear);
        self.fragments().for_each(|part| bytes.extend_from_slice(part));
        self.count_copy(bytes.len());
        Cow::Owned(bytes)
    }

    /// The linear bytes from the transport header on, to change. Whoever changes them mends the checksums.
    pub fn transport_bytes_mut(&mut self) -> &mut [u8] {
        let block = &mut *self.0;
        &mut block.bytes[usize::from(block.layers.l4)..usize::from(block.tail)]
    }

    /// The TCP header.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpHeader> {
        (self.0.layers.transport == Transport::Tcp).then(|| self.view(self.0.layers.l4))?
    }

    /// The ports of TCP or UDP, source and destination.
    #[inline]
    pub(crate) fn ports(&self) -> Option<[u16; 2]> {
        let has_ports = matches!(self.0.layers.transport, Transport::Tcp | Transport::Udp);
        let ports: &[[u8; 2]; 2] = has_ports.then(|| self.view(self.0.layers.l4))??;
        Some(ports.map(u16::from_be_bytes))
    }

    /// The TCP header, to change. Whoever changes it mends its checksum.
    pub fn tcp_mut(&mut self) -> Option<&mut TcpHeader> {
        (self.0.layers.transport == Transport::Tcp).then(|| self.view_mut(self.0.layers.l4))?
    }

    /// The TCP options; none on another packet.
    #[must_use]
    pub fn tcp_options(&self) -> TcpOptions<'_> {
        let layers = &self.0.layers;
        match layers.transport {
            Transport::Tcp => {
                TcpOptions::new(&self.0.bytes[usize::from(layers.l4) + TcpHeader::LEN..usize::from(layers.payload)])
            }
            Transport::Other | Transport::Udp | Transport::Icmp | Transport::Icmpv6 | Transport::Broken => {
                TcpOptions::new(&[])
            }
        }
    }

    /// The UDP header.
    #[must_use]
    pub fn udp(&self) -> Option<&UdpHeader> {
        (self.0.layers.transport == Transport::Udp).then(|| self.view(self.0.layers.l4))?
    }

    /// The UDP header, to change. Whoever changes it mends its checksum.
    pub fn udp_mut(&mut self) -> Option<&mut UdpHeader> {
        (self.0.layers.transport == Transport::Udp).then(|| self.view_mut(self.0.layers.l4))?
    }

    /// What translation changes of TCP or UDP over IPv4; `None` of other packets.
    pub(crate) fn plain_ends_mut(&mut self) -> Option<PlainEnds<'_>> {
        let block = &mut *self.0;
        let (l3, l4) = (usize::from(block.layers.l3), usize::from(block.layers.l4));
        let (checksum_at, is_udp) = match block.layers.transport {
            Transport::Tcp => (TCP_CHECKSUM, false),
            Transport::Udp => (UDP_CHECKSUM, true),
            Transport::Other | Transport::Icmp | Transport::Icmpv6 | Transport::Broken => return None,
        };
        if block.layers.network != Network::Ipv4 {
            return None;
        }
        let (network, transport) = block.bytes[l3..usize::from(block.tail)].split_at_mut_checked(l4 - l3)?;
        let (ip, _) = Ipv4Header::mut_from_prefix(network).ok()?;
        let (ports, rest) = transport.split_first_chunk_mut::<4>()?;
        let checksum = rest.get_mut(checksum_at - 4..checksum_at - 2)?.first_chunk_mut()?;
        let ports = <[[u8; 2]; 2]>::mut_from_bytes(ports).ok()?;
        Some(PlainEnds { ip, ports, checksum, is_udp })
    }

    /// The ICMP header.
    #[must_use]
    pub fn icmp(&self) -> Option<&IcmpHeader> {
        (self.0.layers.transport == Transport::Icmp).then(|| self.view(self.0.layers.l4))?
    }

    /// The ICMP header, to change. Whoever changes it mends its checksum.
    pub fn icmp_mut(&mut self) -> Option<&mut IcmpHeader> {
        (self.0.layers.transport == Transport::Icmp).then(|| self.view_mut(self.0.layers.l4))?
    }

    /// The ICMPv6 header.
    #[must_use]
    pub fn icmpv6(&self) -> Option<&Icmpv6Header> {
        (self.0.layers.transport == Transport::Icmpv6).then(|| self.view(self.0.layers.l4))?
    }

    /// The ICMPv6 header, to change. Whoever changes it mends its checksum.
    pub fn icmpv6_mut(&mut self) -> Option<&mut Icmpv6Header> {
        (self.0.layers.transport == Transport::Icmpv6).then(|| self.view_mut(self.0.layers.l4))?
    }

    /// The payload behind the transport header when all of it is linear; `None` when some lies in fragments.
    #[must_use]
    #[inline(always)]
    pub fn linear_payload(&self) -> Option<&[u8]> {
        let start = usize::from(self.0.layers.payload);
        self.0.fragments.is_empty().then(|| &self.0.bytes[start..usize::from(self.0.tail)])
    }

    /// A header that was found at that place of the block: it ends before the linear bytes do, so that this need not be
    /// asked again.
    #[inline]
    fn view<T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable>(&self, at: u16) -> Option<&T> {
        let at = usize::from(at);
        T::ref_from_bytes(self.0.bytes.get(at..at + size_of::<T>())?).ok()
    }

    #[inline]
    fn view_mut<T: FromBytes + zerocopy::IntoBytes + zerocopy::KnownLayout>(&mut self, at: u16) -> Option<&mut T> {
        let at = usize::from(at);
        T::mut_from_bytes(self.0.bytes.get_mut(at..at + size_of::<T>())?).ok()
    }
}

/// Where the checksum stands in a TCP header.
const TCP_CHECKSUM: usize = 16;
/// Where it stands in a UDP header.
const UDP_CHECKSUM: usize = 6;
