//! IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::big_endian::{U16, U32},
};

use super::{ethernet::MacAddr, ipv4::Protocol};

/// An IPv6 header (RFC 8200, section 3). Extension headers may follow; see [`Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Ipv6Header {
    /// Version (6) in the high four bits, then eight of traffic class, then twenty of flow label.
    pub version_class_label: U32,
    /// Bytes behind this header, extension headers included.
    pub payload_len: U16,
    /// What follows: an extension header or the upper layer; see [`Protocol`].
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// From whom.
    pub source: [u8; 16],
    /// To whom.
    pub destination: [u8; 16],
}

const _: () = assert!(size_of::<Ipv6Header>() == Ipv6Header::LEN);

impl Ipv6Header {
    /// Its length in bytes.
    pub const LEN: usize = 40;
    /// The least MTU of a link (RFC 8200, section 5).
    pub const MTU_MIN: u32 = 1280;
    /// The flow label's bits in [`Self::version_class_label`].
    pub const FLOW_LABEL: u32 = 0x000f_ffff;

    /// The version field; 6 in every header that a parsed packet holds.
    #[must_use]
    pub fn version(&self) -> u8 {
        (self.version_class_label.get() >> 28) as u8
    }

    /// Traffic class: DSCP in the high six bits, ECN in the low two (RFC 2474, RFC 3168).
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        (self.version_class_label.get() >> 20) as u8
    }

    /// The flow label (RFC 6437).
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        self.version_class_label.get() & Self::FLOW_LABEL
    }

    /// From whom.
    #[must_use]
    pub const fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.source)
    }

    /// To whom.
    #[must_use]
    pub const fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.destination)
    }

    /// What follows this header.
    #[must_use]
    pub const fn next_header(&self) -> Protocol {
        Protocol(self.next_header)
    }

    /// Sets traffic class and flow label, of which the low twenty bits count.
    pub fn set_class_label(&mut self, class: u8, label: u32) {
        self.version_class_label.set(6 << 28 | u32::from(class) << 20 | label & Self::FLOW_LABEL);
    }

    /// Sets the traffic class; the flow label stays.
    pub fn set_traffic_class(&mut self, class: u8) {
        self.set_class_label(class, self.flow_label());
    }
}

/// A fragment header (RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FragmentHeader {
    /// The first header of the part that is cut.
    pub next_header: u8,
    /// Zero.
    pub reserved: u8,
    /// Offset in units of 8 bytes in the high thirteen bits, two reserved ones, "more fragments" in the lowest.
    pub offset_more: U16,
    /// Shared by the fragments of one packet.
    pub id: U32,
}

const _: () = assert!(size_of::<FragmentHeader>() == FragmentHeader::LEN);

impl FragmentHeader {
    /// Its length in bytes.
    pub const LEN: usize = 8;
    /// "More fragments" in [`Self::offset_more`].
    pub const MORE_FRAGMENTS: u16 = 0x0001;
    /// The offset's bits in [`Self::offset_more`]; taken for a number of bytes, they are the offset.
    pub const FRAGMENT_OFFSET: u16 = 0xfff8;

    /// Where in the packet's fragmentable part this part starts, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        usize::from(self.offset_more.get() & Self::FRAGMENT_OFFSET)
    }

    /// The header at the start of `bytes`; `None` when they are too few.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }

    /// [`Self::offset_more`] of the header at the start of `bytes`, which may end behind it; `None` when they end before.
    #[must_use]
    pub const fn word(bytes: &[u8]) -> Option<u16> {
        match *bytes {
            [_, _, high, low, ..] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }

    /// Whether others follow.
    #[must_use]
    pub fn more(&self) -> bool {
        self.offset_more.get() & Self::MORE_FRAGMENTS != 0
    }
}

/// What a walk over extension headers has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The upper layer; behind a later fragment's header, what that header names; of a chain that is broken, the
    /// extension header at which it breaks.
    pub protocol: Protocol,
    /// Bytes of all extension headers.
    pub len: usize,
    /// Where the last fragment header stands among them, of which four bytes are there at least.
    pub fragment: Option<usize>,
    /// Where the byte stands that names the upper layer, from the start of the IPv6 header.
    pub named_at: usize,
    /// How it ends.
    pub end: ChainEnd,
}

/// How a chain of extension headers ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainEnd {
    /// At the upper layer.
    Upper,
    /// At a header that says that nothing follows.
    Nothing,
    /// At the header of a fragment that is not the first.
    LaterFragment,
    /// Before an extension header that is named: the packet ends too early.
    Broken,
}

impl Chain {
    /// Walks the extension headers at the start of `bytes`, of which the first one is of type `next`.
    ///
    /// Ends with the bytes, since every header takes 8 of them at least (Linux v6.18: `net/ipv6/exthdrs_core.c`,
    /// `ipv6_skip_exthdr()`).
    #[must_use]
    pub fn walk(next: Protocol, bytes: &[u8]) -> Self {
        let mut chain = Self { protocol: next, len: 0, fragment: None, named_at: NEXT_HEADER_AT, end: ChainEnd::Upper };
        while is_extension(chain.protocol) {
            if chain.protocol == Protocol::NO_NEXT {
                return Self { end: ChainEnd::Nothing, ..chain };
            }
            // Like Linux, a walk needs no more of a header than what leads on; what would follow behind the end is not there.
            let is_fragment = chain.protocol == Protocol::FRAGMENT;
            let (next, len, offset) = match *bytes.get(chain.len..).unwrap_or_default() {
                [next, len, high, low, ..] => (next, len, u16::from_be_bytes([high, low])),
                [next, len, ..] if !is_fragment => (next, len, 0),
                _ => return Self { end: ChainEnd::Broken, ..chain },
            };
            let header_len = match chain.protocol {
                Protocol::FRAGMENT => FragmentHeader::LEN,
                Protocol::AH => (usize::from(len) + 2) * 4,
                _ => (usize::from(len) + 1) * 8,
            };
            let is_later = is_fragment && offset & FragmentHeader::FRAGMENT_OFFSET != 0;
            if is_fragment {
                chain.fragment = Some(chain.len);
            }
            chain.named_at = Ipv6Header::LEN + chain.len;
            chain.protocol = Protocol(next);
            chain.len = bytes.len().min(chain.len + header_len);
            if is_later {
                return Self { end: ChainEnd::LaterFragment, ..chain };
            }
        }
        chain
    }
}

/// Where the first fragment header stands that the extension headers before it lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentAt {
    /// Bytes of extension headers before it.
    pub offset: usize,
    /// Where the byte stands that names it, from the start of the IPv6 header.
    pub named_at: usize,
}

impl FragmentAt {
    /// Finds it behind an IPv6 header that names `next`, in the bytes that follow; they may end before it, or inside it.
    /// `None`: no fragment header is named, or the header that names it ends too early.
    ///
    /// Linux v6.18: `net/ipv6/netfilter/nf_conntrack_reasm.c`, `find_prev_fhdr()`.
    #[must_use]
    pub fn find(next: Protocol, bytes: &[u8]) -> Option<Self> {
        let (mut offset, mut named_at, mut protocol) = (0, NEXT_HEADER_AT, next);
        while protocol != Protocol::FRAGMENT {
            let &[next, len, ..] = bytes.get(offset..)? else { return None };
            named_at = Ipv6Header::LEN + offset;
            offset += match protocol {
                Protocol::NO_NEXT => return None,
                Protocol::AH => (usize::from(len) + 2) * 4,
                _ if is_extension(protocol) => (usize::from(len) + 1) * 8,
                _ => return None,
            };
            protocol = Protocol(next);
        }
        (offset <= bytes.len()).then_some(Self { offset, named_at })
    }
}

/// Whether the bytes behind an IPv6 header that names `next` end inside a routing header before it says how many stations are left,
/// which a search for the upper layer wants to know, and a walk over the headers does not.
///
/// Linux v6.18: `net/ipv6/exthdrs_core.c`, `ipv6_find_hdr()`, next to `ipv6_skip_exthdr()`.
#[must_use]
pub fn ends_inside_route(next: Protocol, bytes: &[u8]) -> bool {
    let (mut at, mut protocol) = (0, next);
    while is_extension(protocol) {
        let Some(&[next, len, ref rest @ ..]) = bytes.get(at..) else { return false };
        if protocol == Protocol::ROUTING && rest.len() < 2 {
            return true;
        }
        at += match protocol {
            Protocol::NO_NEXT => return false,
            Protocol::FRAGMENT => FragmentHeader::LEN,
            Protocol::AH => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        protocol = Protocol(next);
    }
    false
}

/// Whether it is an extension header, which conntrack and rules look behind (Linux v6.18: `net/ipv6/exthdrs_core.c`,
/// `ipv6_ext_hdr()`). ESP is none: what follows it cannot be read.
#[must_use]
pub const fn is_extension(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::HOP_BY_HOP
            | Protocol::ROUTING
            | Protocol::FRAGMENT
            | Protocol::AH
            | Protocol::NO_NEXT
            | Protocol::DESTINATION_OPTIONS
    )
}

/// The link-local address that an Ethernet address gives (RFC 4291, appendix A: modified EUI-64).
#[must_use]
pub const fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from_octets([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f])
}

/// The group that the owner of an address listens to for solicitations (RFC 4291, section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from_octets([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

/// The Ethernet address of a group (RFC 2464, section 7).
#[must_use]
pub const fn group_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// Where [`Ipv6Header::next_header`] stands.
pub(crate) const NEXT_HEADER_AT: usize = 6;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_is_walked_to_its_upper_layer() {
        let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
        let destination = [44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let first_fragment = [17, 0, 0, 1, 0, 0, 0, 9];
        let bytes = [&hop_by_hop[..], &destination, &first_fragment, &[1, 2, 3, 4]].concat();
        let chain = Chain::walk(Protocol::HOP_BY_HOP, &bytes);
        let expected =
            Chain { protocol: Protocol::UDP, len: 32, fragment: Some(24), named_at: 64, end: ChainEnd::Upper };
        assert_eq!(chain, expected);
    }

    #[test]
    fn a_chain_ends_at_a_later_fragment_at_nothing_and_where_the_bytes_end() {
        let later = [6, 0, 0, 8, 0, 0, 0, 9];
        let chain = Chain::walk(Protocol::FRAGMENT, &later);
        assert_eq!((chain.end, chain.protocol, chain.len), (ChainEnd::LaterFragment, Protocol::TCP, 8));
        assert_eq!(Chain::walk(Protocol::NO_NEXT, &later).end, ChainEnd::Nothing);
        for bytes in [&later[..1], &[]] {
            let chain = Chain::walk(Protocol::ROUTING, bytes);
            assert_eq!((chain.end, chain.protocol), (ChainEnd::Broken, Protocol::ROUTING));
        }
        assert_eq!(Chain::walk(Protocol::FRAGMENT, &later[..3]).end, ChainEnd::Broken);
        // Four bytes say where a fragment starts, and what follows.
        let chain = Chain::walk(Protocol::FRAGMENT, &later[..4]);
        assert_eq!((chain.end, chain.protocol, chain.len), (ChainEnd::LaterFragment, Protocol::TCP, 4));
        let first = [6, 0, 0, 1, 0, 0, 0];
        let chain = Chain::walk(Protocol::FRAGMENT, &first);
        assert_eq!((chain.end, chain.protocol, chain.len), (ChainEnd::Upper, Protocol::TCP, 7));
        let nested = [[44, 0, 0, 1, 0, 0, 0, 8], later].concat();
        let chain = Chain::walk(Protocol::FRAGMENT, &nested);
        assert_eq!((chain.end, chain.fragment), (ChainEnd::LaterFragment, Some(8)));
        // Of a header that is not all there, the upper layer is known, and nothing is left of it.
        let chain = Chain::walk(Protocol::ROUTING, &[17, 4, 0, 0]);
        assert_eq!((chain.end, chain.protocol, chain.len), (ChainEnd::Upper, Protocol::UDP, 4));
        let authentication = [6, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1];
        assert_eq!(Chain::walk(Protocol::AH, &authentication).len, 12);
    }

    #[test]
    fn a_route_is_cut_short_before_it_tells_of_stations() {
        let route = [6, 0, 0, 1];
        assert!((2..4).all(|len| ends_inside_route(Protocol::ROUTING, &route[..len])));
        assert!([0, 1, 4].iter().all(|&len| !ends_inside_route(Protocol::ROUTING, &route[..len])));
        let behind_options = [43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0];
        assert!(ends_inside_route(Protocol::DESTINATION_OPTIONS, &behind_options));
        assert!(!ends_inside_route(Protocol::NO_NEXT, &behind_options));
    }

    #[test]
    fn addresses_follow_from_addresses() {
        let ip = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
        assert_eq!(link_local(MacAddr([2, 0, 0, 0, 1, 1])), ip("fe80::ff:fe00:101"));
        let host = ip("2001:db8::abcd:ef01");
        assert_eq!(solicited_node(host), ip("ff02::1:ffcd:ef01"));
        assert_eq!(group_mac(solicited_node(host)), MacAddr([0x33, 0x33, 0xff, 0xcd, 0xef, 0x01]));
    }

    proptest! {
        #[test]
        fn class_and_label_are_told_apart(class: u8, other: u8, label in 0_u32..=Ipv6Header::FLOW_LABEL) {
            let mut header = Ipv6Header::read_from_bytes(&[0; Ipv6Header::LEN]).expect("all zero");
            header.set_class_label(class, label);
            prop_assert_eq!((header.version(), header.traffic_class(), header.flow_label()), (6, class, label));
            header.set_traffic_class(other);
            prop_assert_eq!((header.version(), header.traffic_class(), header.flow_label()), (6, other, label));
        }

        #[test]
        fn any_chain_is_walked_within_its_bytes(first: u8, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let chain = Chain::walk(Protocol(first), &bytes);
            prop_assert!(chain.len <= bytes.len());
            prop_assert!(chain.fragment.is_none_or(|at| at + 4 <= chain.len));
            prop_assert!(chain.named_at < Ipv6Header::LEN + chain.len.max(1));
        }

        #[test]
        fn a_chain_of_whole_headers_reaches_the_upper_layer(lens in proptest::collection::vec(0_u8..4, 0..8)) {
            let mut bytes = Vec::new();
            for (index, len) in lens.iter().enumerate() {
                let next = if index + 1 == lens.len() { Protocol::TCP } else { Protocol::DESTINATION_OPTIONS };
                let start = bytes.len();
                bytes.extend([next.0, *len]);
                bytes.resize(start + (usize::from(*len) + 1) * 8, 0);
            }
            let first = if lens.is_empty() { Protocol::TCP } else { Protocol::DESTINATION_OPTIONS };
            let chain = Chain::walk(first, &bytes);
            prop_assert_eq!((chain.end, chain.protocol, chain.len), (ChainEnd::Upper, Protocol::TCP, bytes.len()));
        }
    }
}
