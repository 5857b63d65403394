//! A frame, read where it lies.

use core::net::{IpAddr, SocketAddr};

use zerocopy::FromBytes;

use super::{Arrival, held::Outcome, lro};
use crate::{
    frame::Frame,
    limits::HEADER_BYTES_MAX,
    packet::{Behind, Checksum, Gso, GsoKind, Packet, Pool, VlanTag},
    tcp::Ends,
    wire::{
        EtherType, EthernetHeader, Ipv4Header, Ipv6Header, Protocol, TcpFlags, TcpHeader, UdpHeader,
        checksum::{self, Routines},
    },
};

/// Where the headers of a frame start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The IP header.
    pub(super) network: usize,
    /// TCP's or UDP's.
    pub(super) transport: usize,
    /// Whether it is IPv6.
    pub(super) is_v6: bool,
    /// Whether it is UDP.
    pub(super) is_udp: bool,
}

/// A frame that may continue another, or be continued.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    /// All of it, or its headers and some more.
    pub(super) bytes: &'a [u8],
    /// What follows.
    behind: Behind<'a>,
    /// Where what starts.
    pub(super) layout: Layout,
    /// Where the payload starts.
    pub(super) payload_at: usize,
    /// The tag beside the bytes.
    pub(super) vlan: Option<VlanTag>,
    /// The flow's hash.
    pub(super) hash: u32,
    /// What the device says of its checksum.
    pub(super) checksum: Checksum,
    /// Set on a super-packet.
    pub(super) gso: Option<Gso>,
    /// How many segments it stands for.
    pub(super) count: u16,
    /// Whether its device merges it.
    pub(super) is_large: bool,
    /// Whether its IP header, or what follows the packet, forbids that it is merged.
    pub(super) is_barred: bool,
    /// Whether its checksum has been found right.
    pub(super) is_verified: bool,
}

/// What a frame is to merging.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// It may be merged, or ends what is held of its flow.
    Segment(Segment<'a>),
    /// It has nothing to do with what is held, though it may be of the same flow.
    Other {
        /// Whether its checksum has been found right.
        is_verified: bool,
    },
}

impl<'a> Segment<'a> {
    /// Reads a frame.
    pub(super) fn read(arrival: &Arrival<'a>, routines: &Routines, pool: &mut Pool) -> Read<'a> {
        let Some(mut segment) = Self::find(arrival.frame, arrival.hash) else {
            return Read::Other { is_verified: false };
        };
        segment.is_large = arrival.merging.large && !segment.is_barred && lro::takes(&segment);
        // It still ends what its device holds of its flow.
        segment.is_barred |= !(segment.layout.is_udp || segment.is_large || arrival.merging.tcp);
        let (is_udp, transport) = (segment.layout.is_udp, &segment.bytes[segment.layout.transport..]);
        let is_summed = matches!(arrival.frame.checksum, Checksum::Unnecessary | Checksum::Partial { .. });
        let is_left_out = is_udp && transport.get(UDP_CHECKSUM..UDP_CHECKSUM + 2) == Some(&[0, 0]);
        // Who is going to pass anyway is not summed for that.
        let is_verified = !segment.is_barred && (is_summed || is_left_out || segment.is_right(routines, pool));
        if !segment.is_barred && !is_verified {
            return Read::Other { is_verified };
        }
        let mut is_mergeable = true;
        if is_udp {
            let len = UdpHeader::ref_from_prefix(transport).map_or(0, |(udp, _)| usize::from(udp.len.get()));
            is_mergeable = (arrival.merging.udp || arrival.merging.lists)
                && !is_left_out
                && len > UdpHeader::LEN
                && len == segment.transport_len();
        }
        match is_mergeable {
            true => Read::Segment(Self { is_verified, ..segment }),
            false => Read::Other { is_verified },
        }
    }

    /// Finds the headers, and who may not be merged whatever the transport says.
    pub(super) fn find(frame: &Frame<'a>, hash: u32) -> Option<Self> {
        let Frame { bytes, behind, vlan, checksum, .. } = *frame;
        let whole = frame.len();
        if frame.wire_len as usize > whole {
            return None;
        }
        let (ether_type, network) = network_of(bytes)?;
        let (protocol, transport, mut is_barred) = match ether_type {
            EtherType::IPV4 => find_v4(bytes, network, whole)?,
            EtherType::IPV6 => find_v6(bytes, network, whole)?,
            _ => return None,
        };
        let is_udp = protocol == Protocol::UDP;
        let header_len = match is_udp {
            true => UdpHeader::LEN,
            false => TcpHeader::ref_from_prefix(bytes.get(transport..)?).ok()?.0.header_len(),
        };
        let payload_at = transport + header_len;
        // What is held has all its headers in one piece.
        if !is_udp && header_len < TcpHeader::LEN || payload_at > bytes.len().min(HEADER_BYTES_MAX) {
            return None;
        }
        let layout = Layout { network, transport, is_v6: ether_type == EtherType::IPV6, is_udp };
        let len = whole - payload_at;
        let gso = frame.gso.filter(|gso| len > usize::from(gso.size));
        if let Some(gso) = gso {
            if gso.size == 0 || !fits(gso.kind, layout) {
                return None;
            }
            is_barred |= is_udp || gso.kind == GsoKind::Lro;
        }
        let count = gso.map_or(1, |gso| len.div_ceil(usize::from(gso.size))) as u16;
        let (is_large, is_verified) = (false, false);
        #[rustfmt::skip]
        let segment = Self {
            bytes, behind, layout, payload_at, vlan, hash, checksum, gso, count, is_large, is_barred, is_verified,
        };
        Some(segment)
    }

    /// The ends of a connection that it is of, this host's being where it goes to.
    pub(super) fn ends(&self) -> Option<Ends> {
        let Layout { network, transport, is_v6, is_udp } = self.layout;
        let ends = |source: IpAddr, destination: IpAddr| {
            let (tcp, _) = TcpHeader::ref_from_prefix(&self.bytes[transport..]).ok()?;
            let local = SocketAddr::new(destination, tcp.destination_port.get());
            Some(Ends { local, remote: SocketAddr::new(source, tcp.source_port.get()) })
        };
        let bytes = &self.bytes[network..];
        match (is_udp, is_v6) {
            (true, _) => None,
            (false, false) => {
                let (ip, _) = Ipv4Header::ref_from_prefix(bytes).ok()?;
                ends(ip.source().into(), ip.destination().into())
            }
            (false, true) => {
                let (ip, _) = Ipv6Header::ref_from_prefix(bytes).ok()?;
                ends(ip.source().into(), ip.destination().into())
            }
        }
    }

    /// Bytes of the payload, and of what else follows the headers.
    pub(super) fn payload_len(&self) -> usize {
        self.bytes.len() - self.payload_at + self.behind.len()
    }

    /// Bytes from the transport header on.
    fn transport_len(&self) -> usize {
        self.bytes.len() - self.layout.transport + self.behind.len()
    }

    /// Puts the payload behind a packet's last byte.
    pub(super) fn join(&self, packet: &mut Packet, pool: &mut Pool) {
        let linear = &self.bytes[self.payload_at..];
        if !linear.is_empty() {
            packet.extend(pool, linear);
        }
        packet.share(pool, self.behind);
    }

    /// TCP's control bits; none of UDP.
    pub(super) fn flags(&self) -> TcpFlags {
        match self.layout.is_udp {
            true => TcpFlags::default(),
            false => TcpFlags(self.bytes[self.layout.transport + TCP_FLAGS]),
        }
    }

    /// What becomes of it when nothing of its flow is held.
    pub(super) fn without_flow(&self) -> Outcome {
        let is_alone = self.is_barred || (!self.layout.is_udp && self.is_last(1));
        Outcome { is_merged: false, ends_flow: false, is_alone }
    }

    /// Whether nothing can continue it: it is shorter than its flow's other segments, which have `size` bytes, or its flags say
    /// that it ends something. TCP only.
    pub(super) fn is_last(&self, size: usize) -> bool {
        let len = self.payload_len();
        let is_short = match self.gso {
            Some(gso) => len != usize::from(self.count) * usize::from(gso.size),
            None => len < size,
        };
        is_short || self.flags().intersects(ENDING_FLAGS)
    }

    /// Whether its checksum is right.
    fn is_right(&self, routines: &Routines, pool: &mut Pool) -> bool {
        let transport = &self.bytes[self.layout.transport..];
        let (mut sum, mut len) = ((routines.sum)(transport), transport.len());
        for part in self.behind.parts() {
            sum = checksum::append(sum, len, (routines.sum)(part));
            len += part.len();
        }
        pool.count_sum(len);
        checksum::add(pseudo_sum(self.bytes, self.layout, len), sum) == 0xffff
    }
}

/// The sum of the pseudo-header of a frame whose transport header and payload have `len` bytes.
pub(super) fn pseudo_sum(bytes: &[u8], layout: Layout, len: usize) -> u16 {
    let protocol = if layout.is_udp { Protocol::UDP } else { Protocol::TCP };
    let network = &bytes[layout.network..];
    if layout.is_v6 {
        let sum =
            |(ip, _): (&Ipv6Header, _)| checksum::pseudo_header_v6(ip.source(), ip.destination(), protocol, len as u32);
        Ipv6Header::ref_from_prefix(network).map_or(0, sum)
    } else {
        let sum =
            |(ip, _): (&Ipv4Header, _)| checksum::pseudo_header_v4(ip.source(), ip.destination(), protocol, len as u16);
        Ipv4Header::ref_from_prefix(network).map_or(0, sum)
    }
}

/// The type behind the tags between a frame's bytes, and where that begins.
fn network_of(bytes: &[u8]) -> Option<(EtherType, usize)> {
    let mut at = EthernetHeader::LEN;
    loop {
        let ether_type = EtherType(u16::from_be_bytes(*bytes.get(at - 2..)?.first_chunk()?));
        match ether_type {
            EtherType::VLAN | EtherType::SERVICE_VLAN => at += TAG_BYTES,
            _ => return Some((ether_type, at)),
        }
    }
}

/// The upper layer, where it starts, and whether the header of a frame of `whole` bytes forbids that the packet is merged; `None` of a
/// packet whose header is of another form than that of all others.
fn find_v4(bytes: &[u8], at: usize, whole: usize) -> Option<(Protocol, usize, bool)> {
    let (ip, _) = Ipv4Header::ref_from_prefix(bytes.get(at..)?).ok()?;
    let transport = at + Ipv4Header::LEN;
    let is_usual = ip.version_ihl == 0x45 && !ip.is_fragment() && is_upper(ip.protocol());
    if !is_usual || checksum::sum_of_header(&bytes[at..transport]) != 0xffff {
        return None;
    }
    let is_whole = usize::from(ip.total_len.get()) == whole - at;
    let is_barred = !is_whole || ip.flags_fragment.get() & !Ipv4Header::DONT_FRAGMENT != 0;
    Some((ip.protocol(), transport, is_barred))
}

/// The same of IPv6, behind extension headers that all segments of a flow may have.
fn find_v6(bytes: &[u8], at: usize, whole: usize) -> Option<(Protocol, usize, bool)> {
    let (ip, _) = Ipv6Header::ref_from_prefix(bytes.get(at..)?).ok()?;
    let (mut protocol, mut transport) = (ip.next_header(), at + Ipv6Header::LEN);
    while matches!(protocol, Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::DESTINATION_OPTIONS) {
        let &[next, len] = bytes.get(transport..)?.first_chunk()?;
        protocol = Protocol(next);
        transport += (usize::from(len) + 1) * EXTENSION_UNIT;
    }
    let is_barred = usize::from(ip.payload_len.get()) + Ipv6Header::LEN != whole - at;
    (ip.version() == 6 && is_upper(protocol)).then_some((protocol, transport, is_barred))
}

const fn is_upper(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP)
}

const fn fits(kind: GsoKind, layout: Layout) -> bool {
    match kind {
        GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Lro => !layout.is_udp && !layout.is_v6,
        GsoKind::Tcp6 | GsoKind::Tcp6Ecn => !layout.is_udp && layout.is_v6,
        GsoKind::Udp => layout.is_udp,
    }
}

/// Bytes of a tag.
const TAG_BYTES: usize = 4;
/// Extension headers are as many of these long as they say, and one more (RFC 8200, section 4).
const EXTENSION_UNIT: usize = 8;
/// Where the control bits stand in a TCP header.
pub(super) const TCP_FLAGS: usize = 13;
/// Where the checksum stands in a UDP header.
pub(super) const UDP_CHECKSUM: usize = 6;
/// Nothing is put behind a segment that has one of these.
const ENDING_FLAGS: TcpFlags =
    TcpFlags::URG.union(TcpFlags::PSH).union(TcpFlags::RST).union(TcpFlags::SYN).union(TcpFlags::FIN);
