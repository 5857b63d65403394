//! Making packets, and changing their size.

use alloc::vec::Vec;
use core::ops::Range;

use zerocopy::IntoBytes;

use super::{Checksum, Network, Packet, Pool, buf::Fragment, meta::Meta, parse::find_transport};
use crate::{
    ending::DropReason,
    limits::LINEAR_BYTES_MAX,
    wire::{ArpPacket, EtherType, EthernetHeader, Ipv4Header, Ipv6Header, MacAddr, Protocol, checksum},
};

/// What a packet made here consists of, network layer and up.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The IP header; its length, and IPv4's checksum, are filled in.
    pub ip: Head,
    /// What follows it, checksum included; at most 1900 bytes.
    pub transport: &'a [u8],
}

/// An IP header of either family, without options or extension headers.
#[derive(Clone, Copy, Debug)]
pub enum Head {
    /// IPv4.
    V4(Ipv4Header),
    /// IPv6.
    V6(Ipv6Header),
}

impl From<Ipv4Header> for Head {
    fn from(header: Ipv4Header) -> Self {
        Self::V4(header)
    }
}

impl From<Ipv6Header> for Head {
    fn from(header: Ipv6Header) -> Self {
        Self::V6(header)
    }
}

impl Head {
    /// The bytes of a packet with this header and what follows it.
    #[must_use]
    pub fn before(self, transport: &[u8]) -> Vec<u8> {
        let (header, header_len) = self.finish(transport.len());
        [&header[..header_len], transport].concat()
    }

    /// The header's bytes with the length of what follows filled in.
    fn finish(self, transport_len: usize) -> ([u8; Ipv6Header::LEN], usize) {
        let mut bytes = [0; Ipv6Header::LEN];
        match self {
            Self::V4(mut ip) => {
                ip.version_ihl = 0x45;
                ip.total_len.set((Ipv4Header::LEN + transport_len) as u16);
                ip.checksum = [0; 2];
                ip.checksum = (!checksum::sum(ip.as_bytes())).to_be_bytes();
                bytes[..Ipv4Header::LEN].copy_from_slice(ip.as_bytes());
                (bytes, Ipv4Header::LEN)
            }
            Self::V6(mut ip) => {
                ip.payload_len.set(transport_len as u16);
                bytes.copy_from_slice(ip.as_bytes());
                (bytes, Ipv6Header::LEN)
            }
        }
    }
}

impl Packet {
    /// A packet of this host, without a link header yet.
    ///
    /// # Panics
    /// When `transport` is longer than a block's linear part; callers build bounded packets.
    #[must_use]
    pub fn compose(pool: &mut Pool, draft: &Draft<'_>) -> Self {
        let mut packet = Self::compose_headers(pool, draft, 0);
        packet.find_composed();
        packet
    }

    /// The same as far as it is in `draft`; `payload_len` bytes are to follow before its layers are found.
    pub(super) fn compose_headers(pool: &mut Pool, draft: &Draft<'_>, payload_len: usize) -> Self {
        let mut block = pool.block();
        let (header, header_len) = draft.ip.finish(draft.transport.len() + payload_len);
        let total = header_len + draft.transport.len();
        assert!(total <= LINEAR_BYTES_MAX, "a composed packet of {total} bytes fits a block");
        let start = usize::from(block.data);
        block.bytes[start..start + header_len].copy_from_slice(&header[..header_len]);
        block.bytes[start + header_len..start + total].copy_from_slice(draft.transport);
        block.tail += total as u16;
        Self(block)
    }

    /// Finds the layers of a packet that was made here.
    pub(super) fn find_composed(&mut self) {
        let data = self.0.data;
        let ether_type = if self.0.bytes[usize::from(data)] >> 4 == 6 { EtherType::IPV6 } else { EtherType::IPV4 };
        let found = self.find_network(ether_type, data);
        assert!(found.is_ok(), "a composed packet has a right header: {found:?}");
    }

    /// An ARP packet of this host, without a link header yet.
    #[must_use]
    pub fn compose_arp(pool: &mut Pool, arp: &[u8]) -> Self {
        let mut block = pool.block();
        let start = usize::from(block.data);
        block.bytes[start..start + arp.len()].copy_from_slice(arp);
        block.tail += arp.len() as u16;
        let mut packet = Self(block);
        let found = packet.find_network(EtherType::ARP, packet.0.data);
        assert!(found.is_ok(), "a composed ARP packet is right: {found:?}");
        packet
    }

    /// What this host says by a slow protocol, without a link header yet.
    #[must_use]
    pub fn compose_slow(pool: &mut Pool, bytes: &[u8]) -> Self {
        let mut block = pool.block();
        let start = usize::from(block.data);
        block.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        block.tail += bytes.len() as u16;
        let mut packet = Self(block);
        let found = packet.find_network(EtherType::SLOW_PROTOCOLS, packet.0.data);
        assert!(found.is_ok(), "nothing is looked at: {found:?}");
        packet
    }

    /// A packet of this host from its IPv4 or IPv6 header on, without a link header; its version says which.
    ///
    /// # Errors
    /// As [`Packet::parse`], and [`DropReason::FrameTooLong`] beyond 65 535 bytes, of which IPv6 does not count its header.
    pub fn from_network_bytes(pool: &mut Pool, bytes: &[u8]) -> Result<Self, DropReason> {
        let (ether_type, uncounted) = match bytes.first() {
            Some(version) if version >> 4 == 6 => (EtherType::IPV6, Ipv6Header::LEN),
            Some(_) | None => (EtherType::IPV4, 0),
        };
        if bytes.len() > usize::from(u16::MAX) + uncounted {
            return Err(DropReason::FrameTooLong);
        }
        let mut packet = Self(pool.block());
        packet.append(bytes);
        let found = packet.find_network(ether_type, packet.0.data);
        match found {
            Ok(()) => Ok(packet),
            Err(reason) => {
                packet.recycle(pool);
                Err(reason)
            }
        }
    }

    /// Finds its layers again, after the transport header or lengths were changed.
    ///
    /// # Errors
    /// As [`Packet::parse`].
    pub fn reparse(&mut self) -> Result<(), DropReason> {
        let ether_type = match self.0.layers.network {
            Network::Ipv6 => EtherType::IPV6,
            Network::Arp => EtherType::ARP,
            Network::Ipv4 | Network::Other => EtherType::IPV4,
        };
        self.find_network(ether_type, self.0.layers.l3)
    }

    /// Finds the end of its transport header again, after that header was changed. What stands before it is not looked
    /// at: a header whose options were written to has no right checksum until it leaves.
    ///
    /// # Errors
    /// As [`Packet::parse`], of the transport header.
    pub fn reparse_transport(&mut self) -> Result<(), DropReason> {
        let protocol = Protocol(self.0.layers.protocol);
        find_transport(&mut self.0, protocol)
    }

    /// A second packet with the same bytes, layers and facts; fragments are shared.
    #[must_use]
    pub fn copy(&self, pool: &mut Pool) -> Self {
        let mut block = pool.block();
        block.meta = self.0.meta;
        block.layers = self.0.layers;
        block.data = self.0.data;
        block.tail = self.0.tail;
        let present = usize::from(self.0.data)..usize::from(self.0.tail);
        block.bytes[present.clone()].copy_from_slice(&self.0.bytes[present]);
        block.tally.copied(usize::from(self.0.tail.saturating_sub(self.0.layers.payload)));
        block.fragments.extend_from_slice(&self.0.fragments);
        block.pieces.clone_from(&self.0.pieces);
        block.list.clone_from(&self.0.list);
        Self(block)
    }

    /// Whether bytes stand behind the end of its datagram of UDP.
    #[must_use]
    pub fn is_longer_than_datagram(&self) -> bool {
        self.udp().is_some_and(|udp| usize::from(udp.len.get()) < self.transport_len())
    }

    /// Takes off what stands behind the end of its datagram of UDP. Headers go on saying what they said (Linux v6.18: `net/ipv4/udp.c`,
    /// `__udp4_lib_rcv()`, `pskb_trim_rcsum()`).
    pub fn end_with_datagram(&mut self) {
        if !self.is_longer_than_datagram() {
            return;
        }
        let len = self.udp().map_or(0, |udp| u32::from(udp.len.get()));
        let block = &mut *self.0;
        block.layers.network_len = u32::from(block.layers.l4 - block.layers.l3) + len;
        let present = block.present_from(block.layers.l3);
        block.trim_padding(present);
    }

    /// Forgets everything known about it but its bytes.
    pub fn scrub(&mut self) {
        self.0.meta = Meta::default();
        (self.0.pieces, self.0.list) = (None, None);
    }

    /// Takes IPv6's extension headers out; the link header is off.
    pub fn strip_extensions(&mut self) {
        let block = &mut *self.0;
        let (l3, l4) = (usize::from(block.layers.l3), usize::from(block.layers.l4));
        let extensions = (l4 - l3).saturating_sub(Ipv6Header::LEN);
        if block.layers.network != Network::Ipv6 || extensions == 0 {
            return;
        }
        block.bytes.copy_within(l3..l3 + Ipv6Header::LEN, l3 + extensions);
        block.layers.l3 += extensions as u16;
        block.start_at(block.layers.l3);
        block.layers.network_len -= extensions as u32;
        block.layers.fragment = 0;
        let (protocol, payload_len) = (block.layers.protocol, block.layers.network_len as usize - Ipv6Header::LEN);
        if let Some(ip) = self.ipv6_mut() {
            ip.next_header = protocol;
            ip.payload_len.set(payload_len as u16);
        }
    }

    /// Takes the link header off.
    pub fn strip_link(&mut self) {
        let l3 = self.0.layers.l3;
        self.0.start_at(l3);
    }

    /// Takes the options out of the IPv4 header, and the link header off; the caller fills the header's checksum.
    pub fn strip_options(&mut self) {
        let block = &mut *self.0;
        let (l3, l4) = (usize::from(block.layers.l3), usize::from(block.layers.l4));
        let surplus = (l4 - l3).saturating_sub(Ipv4Header::LEN);
        if block.layers.network != Network::Ipv4 || surplus == 0 {
            return;
        }
        block.bytes.copy_within(l3..l3 + Ipv4Header::LEN, l3 + surplus);
        block.layers.l3 += surplus as u16;
        block.layers.network_len -= surplus as u32;
        block.start_at(block.layers.l3);
        let total = block.layers.network_len as u16;
        if let Some(ip) = self.ipv4_mut() {
            ip.version_ihl = 0x45;
            ip.total_len.set(total);
        }
    }

    /// Puts options into the IPv4 header of a packet without any, and without a link header; the caller fills the header's checksum.
    /// They are 40 bytes at most, a multiple of four.
    pub fn insert_options(&mut self, options: &[u8]) {
        let block = &mut *self.0;
        let l3 = usize::from(block.layers.l3);
        let start = l3 - options.len();
        block.bytes.copy_within(l3..l3 + Ipv4Header::LEN, start);
        block.bytes[start + Ipv4Header::LEN..l3 + Ipv4Header::LEN].copy_from_slice(options);
        block.layers.l3 = start as u16;
        block.layers.network_len += options.len() as u32;
        block.start_at(block.layers.l3);
        let total = block.layers.network_len as u16;
        if let Some(ip) = self.ipv4_mut() {
            ip.version_ihl = 0x40 | ((Ipv4Header::LEN + options.len()) / 4) as u8;
            ip.total_len.set(total);
        }
    }

    /// The options of the IPv4 header, with that header before them; `None` where there are none.
    pub fn options_mut(&mut self) -> Option<&mut [u8]> {
        let has_options = self.has_options();
        let block = &mut *self.0;
        let header = usize::from(block.layers.l3)..usize::from(block.layers.l4);
        has_options.then(|| &mut block.bytes[header])
    }

    /// Computes the IPv4 header's checksum anew, options included.
    pub fn fill_ip_checksum(&mut self) {
        let Some(ip) = self.ipv4_mut() else { return };
        ip.checksum = [0; 2];
        let checksum = !checksum::sum(self.network_header());
        if let Some(ip) = self.ipv4_mut() {
            ip.checksum = checksum.to_be_bytes();
        }
    }

    /// Says that the transport checksum is not filled in yet; its field lies at `offset` of the transport header.
    pub fn leave_checksum_at(&mut self, offset: u16) {
        let start = self.0.layers.l4 - self.0.data;
        self.0.meta.checksum = Checksum::Partial { start, offset };
    }

    /// Puts an Ethernet header before the network header, over the one it had.
    pub fn set_ethernet(&mut self, destination: MacAddr, source: MacAddr, ether_type: EtherType) {
        let block = &mut *self.0;
        let header = EthernetHeader { destination, source, ether_type: ether_type.0.into() };
        let start = usize::from(block.layers.l3) - EthernetHeader::LEN;
        block.bytes[start..start + EthernetHeader::LEN].copy_from_slice(header.as_bytes());
        block.start_at(start as u16);
    }

    /// Changes who a frame is from, and who says something in ARP.
    pub(crate) fn set_senders(&mut self, source: Option<MacAddr>, says: Option<MacAddr>) {
        let block = &mut *self.0;
        if let Some(source) = source {
            let at = usize::from(block.data) + EthernetHeader::SOURCE_AT;
            block.bytes[at..at + source.0.len()].copy_from_slice(&source.0);
        }
        if let Some(says) = says {
            let at = usize::from(block.layers.l3) + ArpPacket::SENDER_MAC_AT;
            block.bytes[at..at + says.0.len()].copy_from_slice(&says.0);
        }
    }

    /// Replaces `range` of the payload, counted from its first byte, by `with`. Adjusts the IP (and UDP) length and
    /// IPv4's checksum; the transport checksum is recomputed by the caller. A payload that does not fit the block, or
    /// lay in fragments already, lies in one fragment afterwards.
    ///
    /// # Errors
    /// [`DropReason::RewriteTooLong`] when the packet would not fit an IP length, or the range ends behind what is
    /// there; the packet is unchanged then.
    pub fn splice_payload(&mut self, range: Range<usize>, with: &[u8]) -> Result<(), DropReason> {
        let block = &mut *self.0;
        // Whoever rewrites a payload lays it together first (Linux: `skb_linearize()`).
        if let Some(pieces) = &mut block.pieces {
            pieces.pull(usize::MAX);
        }
        let payload = usize::from(block.layers.payload);
        let present = block.present_from(block.layers.payload) as usize;
        let network_len = (block.layers.network_len as usize + with.len()).saturating_sub(range.len());
        if range.start > range.end || range.end > present || network_len > usize::from(u16::MAX) {
            return Err(DropReason::RewriteTooLong);
        }
        let (start, end, tail) = (payload + range.start, payload + range.end, usize::from(block.tail));
        let new_tail = (tail + with.len()).saturating_sub(range.len());
        if block.fragments.is_empty() && new_tail <= block.bytes.len() {
            // What stands behind it moves only when it is longer or shorter.
            block.tally.copied(with.len() + if range.len() == with.len() { 0 } else { tail - end });
            block.bytes.copy_within(end..tail, start + with.len());
            block.bytes[start..start + with.len()].copy_from_slice(with);
            block.tail = new_tail as u16;
        } else {
            let mut whole = Vec::with_capacity(present + with.len());
            whole.extend_from_slice(&block.bytes[payload..tail]);
            block.fragments.drain(..).for_each(|part| whole.extend_from_slice(part.bytes()));
            block.tally.copied(whole.len() + with.len());
            drop(whole.splice(range, with.iter().copied()));
            block.tail = block.layers.payload;
            block.fragments.push(Fragment::of(whole));
        }
        block.layers.network_len = network_len as u32;
        self.mend_lengths();
        self.forget_list();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;
    use zerocopy::FromZeros;

    use super::*;
    use crate::{
        frame::{DeviceId, Frame},
        wire::{Protocol, UdpHeader},
    };

    /// A received UDP packet; a long one lies in fragments.
    fn received(payload: &[u8]) -> Packet {
        let len = UdpHeader::LEN + payload.len();
        let udp = UdpHeader { len: (len as u16).into(), ..UdpHeader::new_zeroed() };
        let mut ip = Ipv4Header::new_zeroed();
        ip.version_ihl = 0x45;
        ip.total_len.set((Ipv4Header::LEN + len) as u16);
        ip.protocol = Protocol::UDP.0;
        ip.checksum = (!checksum::sum(ip.as_bytes())).to_be_bytes();
        let mut bytes = vec![0; EthernetHeader::LEN - 2];
        bytes.extend(EtherType::IPV4.0.to_be_bytes());
        bytes.extend([ip.as_bytes(), udp.as_bytes(), payload].concat());
        Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &bytes)).expect("it is right")
    }

    fn payload(packet: &Packet) -> Vec<u8> {
        Vec::from(&packet.whole_transport()[UdpHeader::LEN..])
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut packet = received(&[7; 100]);
        let before = Vec::from(packet.network_bytes());
        for (range, len) in [(0..101, 1), (101..101, 1), (0..0, 65_500)] {
            assert_eq!(packet.splice_payload(range, &vec![0; len]), Err(DropReason::RewriteTooLong));
        }
        assert_eq!(packet.network_bytes(), before);
        assert_eq!(packet.splice_payload(100..100, &[]), Ok(()));
    }

    proptest! {
        #[test]
        fn splicing_is_what_a_vector_does_wherever_the_bytes_lie(
            len in prop_oneof![0_usize..200, 1700_usize..2100, 3000_usize..3010],
            start in 0_usize..4000, taken in 0_usize..300, with in proptest::collection::vec(any::<u8>(), 0..300),
            twice: bool,
        ) {
            let mut model = Vec::from_iter((0..len).map(|index| index as u8));
            let mut packet = received(&model);
            for _ in 0..=usize::from(twice) {
                let start = start.min(model.len());
                let range = start..(start + taken).min(model.len());
                prop_assert_eq!(packet.splice_payload(range.clone(), &with), Ok(()));
                drop(model.splice(range, with.iter().copied()));
                prop_assert_eq!(payload(&packet), &model[..]);
                prop_assert_eq!(packet.payload_len(), model.len());
                prop_assert_eq!(packet.udp().map(|udp| usize::from(udp.len.get())), Some(UdpHeader::LEN + model.len()));
                prop_assert_eq!(packet.network_len(), Ipv4Header::LEN + UdpHeader::LEN + model.len());
                prop_assert_eq!(packet.len(), EthernetHeader::LEN + packet.network_len());
                prop_assert_eq!(checksum::sum(packet.network_header()), 0xffff);
            }
        }
    }
}
