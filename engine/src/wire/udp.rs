//! UDP (RFC 768).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

/// A UDP header; the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct UdpHeader {
    /// From which port.
    pub source_port: U16,
    /// To which port.
    pub destination_port: U16,
    /// Length of header and payload in bytes; at least 8.
    pub len: U16,
    /// Over pseudo-header, header and payload; 0 means none was computed.
    pub checksum: [u8; 2],
}

const _: () = assert!(size_of::<UdpHeader>() == UdpHeader::LEN);

impl UdpHeader {
    /// Its length in bytes.
    pub const LEN: usize = 8;
}
