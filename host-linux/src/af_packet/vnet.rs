//! The vnet header that AF_PACKET puts before a frame: what the kernel knows about checksum and segmentation.

use towpath_engine::{Checksum, Gso, GsoKind};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, NativeEndian, U16, Unaligned};

/// The header of PACKET_VNET_HDR, in the machine's byte order
/// (Linux v6.18: `include/uapi/linux/virtio_net.h`, `struct virtio_net_hdr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct VnetHeader {
    /// [`NEEDS_CHECKSUM`], [`DATA_VALID`].
    flags: u8,
    /// How the frame is to be cut; 0 when it is not.
    gso_type: u8,
    /// Bytes of all headers, a hint for the receiver's layout; 0 when unknown.
    header_len: U16<NativeEndian>,
    /// Payload bytes of a segment.
    gso_size: U16<NativeEndian>,
    /// First byte that the checksum covers, from the start of the frame.
    checksum_start: U16<NativeEndian>,
    /// Where the checksum goes, from `checksum_start`.
    checksum_offset: U16<NativeEndian>,
}

const _: () = assert!(size_of::<VnetHeader>() == VnetHeader::BYTES);

/// The kernel speaks of an offload that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownOffload;

impl VnetHeader {
    /// Its length in bytes.
    pub(super) const BYTES: usize = 10;

    /// What it says about a frame of `frame_len` bytes.
    ///
    /// # Errors
    /// [`UnknownOffload`] when the segmentation type is none of [`GsoKind`], a segment would be empty, or the checksum
    /// would lie outside the frame.
    pub(super) fn parse(&self, frame_len: usize) -> Result<(Checksum, Option<Gso>), UnknownOffload> {
        Ok((self.parse_checksum(frame_len)?, self.parse_gso()?))
    }

    /// The header that says `checksum` and `gso` of a frame whose first bytes are `head`, all headers included;
    /// `tag_bytes` is the length of a VLAN tag that is inserted behind the Ethernet addresses.
    #[must_use]
    pub(super) fn emit(head: &[u8], tag_bytes: u16, checksum: Checksum, gso: Option<Gso>) -> Self {
        let mut header = Self::default();
        if let Checksum::Partial { start, offset } = checksum {
            header.flags = NEEDS_CHECKSUM;
            header.checksum_start.set(start.saturating_add(tag_bytes));
            header.checksum_offset.set(offset);
        }
        if let Some(gso) = gso {
            header.gso_type = emit_kind(gso.kind);
            header.gso_size.set(gso.size);
            header.header_len.set(headers_len(head, checksum, gso.kind).saturating_add(tag_bytes));
        }
        header
    }

    /// The same with the hint that all of the frame's `frame_len` bytes are headers: the kernel then lays out the whole of it in one piece, where
    /// what comes out of a ring would else be its slot's page, of which every receiver has to fetch the headers.
    #[must_use]
    pub(super) const fn in_one_piece(mut self, frame_len: u16) -> Self {
        self.header_len = U16::new(frame_len);
        self
    }

    fn parse_checksum(&self, frame_len: usize) -> Result<Checksum, UnknownOffload> {
        if self.flags & NEEDS_CHECKSUM != 0 {
            let (start, offset) = (self.checksum_start.get(), self.checksum_offset.get());
            let end = usize::from(start) + usize::from(offset) + size_of::<u16>();
            return if end <= frame_len { Ok(Checksum::Partial { start, offset }) } else { Err(UnknownOffload) };
        }
        Ok(if self.flags & DATA_VALID != 0 { Checksum::Unnecessary } else { Checksum::None })
    }

    fn parse_gso(&self) -> Result<Option<Gso>, UnknownOffload> {
        let kind = match self.gso_type {
            GSO_NONE => return Ok(None),
            GSO_TCP4 => GsoKind::Tcp4,
            GSO_TCP4_ECN => GsoKind::Tcp4Ecn,
            GSO_TCP6 => GsoKind::Tcp6,
            GSO_TCP6_ECN => GsoKind::Tcp6Ecn,
            GSO_UDP_SEGMENTS => GsoKind::Udp,
            _ => return Err(UnknownOffload),
        };
        match self.gso_size.get() {
            0 => Err(UnknownOffload),
            size => Ok(Some(Gso { kind, size, segments: 0, fixed_id: false })),
        }
    }
}

/// The checksum field holds only the pseudo-header's sum (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
const NEEDS_CHECKSUM: u8 = 1;
/// The checksum has been verified (`VIRTIO_NET_HDR_F_DATA_VALID`).
const DATA_VALID: u8 = 2;

// `VIRTIO_NET_HDR_GSO_*`. Type 3 is IP fragmentation of UDP, which Linux has not sent since v4.14.
const GSO_NONE: u8 = 0;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP_SEGMENTS: u8 = 5;
const GSO_ECN: u8 = 0x80;
const GSO_TCP4_ECN: u8 = GSO_TCP4 | GSO_ECN;
const GSO_TCP6_ECN: u8 = GSO_TCP6 | GSO_ECN;

const fn emit_kind(kind: GsoKind) -> u8 {
    match kind {
        GsoKind::Tcp4 => GSO_TCP4,
        GsoKind::Tcp4Ecn => GSO_TCP4_ECN,
        GsoKind::Tcp6 => GSO_TCP6,
        GsoKind::Tcp6Ecn => GSO_TCP6_ECN,
        GsoKind::Udp => GSO_UDP_SEGMENTS,
        // It never leaves the engine as a whole.
        GsoKind::Lro => GSO_NONE,
    }
}

/// Bytes of all headers. The kernel lays out exactly these linearly and the payload in pages; without the hint it
/// would ask for 64 KB in one piece (Linux v6.18: `net/packet/af_packet.c`, `packet_alloc_skb()`).
fn headers_len(head: &[u8], checksum: Checksum, kind: GsoKind) -> u16 {
    let Checksum::Partial { start, .. } = checksum else {
        return head.len().min(HEADERS_BYTES_MAX) as u16;
    };
    let transport = match kind {
        GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Tcp6 | GsoKind::Tcp6Ecn | GsoKind::Lro => {
            let data_offset = head.get(usize::from(start) + TCP_DATA_OFFSET_AT).copied().unwrap_or(0);
            u16::from(data_offset >> 4) * 4
        }
        GsoKind::Udp => UDP_HEADER_BYTES,
    };
    (usize::from(start) + usize::from(transport)).min(head.len()) as u16
}

/// Where the TCP header holds its own length, in words in the high nibble (RFC 9293, 3.1).
const TCP_DATA_OFFSET_AT: usize = 12;
const UDP_HEADER_BYTES: u16 = 8;
/// Ethernet, two tags, IP and TCP with all options fit.
const HEADERS_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME_LEN: usize = 1514;

    #[test]
    fn an_empty_header_says_nothing() {
        assert_eq!(VnetHeader::default().parse(FRAME_LEN), Ok((Checksum::None, None)));
    }

    #[test]
    fn a_verified_checksum_is_unnecessary_to_verify() {
        let header = VnetHeader { flags: DATA_VALID, ..VnetHeader::default() };
        assert_eq!(header.parse(FRAME_LEN), Ok((Checksum::Unnecessary, None)));
    }

    #[test]
    fn a_checksum_outside_the_frame_is_refused() {
        let header = VnetHeader::emit(&[0; 60], 0, Checksum::Partial { start: 34, offset: 16 }, None);
        assert!(header.parse(52).is_ok());
        assert_eq!(header.parse(51), Err(UnknownOffload));
    }

    #[test]
    fn unknown_segmentation_and_empty_segments_are_refused() {
        for gso_type in [2, 3, 6, GSO_ECN, GSO_UDP_SEGMENTS | GSO_ECN] {
            let header = VnetHeader { gso_type, gso_size: 1448.into(), ..VnetHeader::default() };
            assert_eq!(header.parse(FRAME_LEN), Err(UnknownOffload), "type {gso_type}");
        }
        let header = VnetHeader { gso_type: GSO_TCP4, ..VnetHeader::default() };
        assert_eq!(header.parse(FRAME_LEN), Err(UnknownOffload));
    }

    #[test]
    fn the_header_length_ends_where_the_payload_of_a_super_packet_begins() {
        let mut head = [0; 500];
        head[34 + TCP_DATA_OFFSET_AT] = 0x80; // eight words: twelve bytes of options
        let checksum = Checksum::Partial { start: 34, offset: 16 };
        let gso = |kind| Some(Gso { kind, size: 1448, segments: 0, fixed_id: false });
        let len = |kind, tag_bytes| VnetHeader::emit(&head, tag_bytes, checksum, gso(kind)).header_len.get();
        assert_eq!(len(GsoKind::Tcp4, 0), 34 + 32);
        assert_eq!(len(GsoKind::Tcp4, 4), 34 + 32 + 4);
        assert_eq!(len(GsoKind::Udp, 0), 34 + 8);
        assert_eq!(VnetHeader::emit(&head, 0, Checksum::None, gso(GsoKind::Tcp4)).header_len.get(), 256);
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_again(
            start in 0..1000_u16,
            offset in 0..500_u16,
            partial: bool,
            kind in prop::option::of(0..5_usize),
            size in 1..=u16::MAX,
        ) {
            let kinds = [GsoKind::Tcp4, GsoKind::Tcp4Ecn, GsoKind::Tcp6, GsoKind::Tcp6Ecn, GsoKind::Udp];
            let checksum = if partial { Checksum::Partial { start, offset } } else { Checksum::None };
            let gso = kind.map(|index| Gso { kind: kinds[index], size, segments: 0, fixed_id: false });
            let header = VnetHeader::emit(&[0; 200], 0, checksum, gso);
            prop_assert_eq!(header.parse(FRAME_LEN), Ok((checksum, gso)));
        }

        #[test]
        fn no_header_makes_the_parser_panic(bytes: [u8; VnetHeader::BYTES], frame_len in 0..70_000_usize) {
            let header = VnetHeader::read_from_bytes(&bytes).unwrap();
            if let Ok((Checksum::Partial { start, offset }, _)) = header.parse(frame_len) {
                prop_assert!(usize::from(start) + usize::from(offset) + 2 <= frame_len);
            }
        }
    }
}
