//! SCTP's common header, which its chunks follow (RFC 9260, section 3.1): ports, tag, checksum.

use core::ops::Range;

/// Its length in bytes.
pub const SCTP_HEADER_LEN: usize = 12;

/// Where its checksum stands, a [CRC-32C](super::crc32c).
pub const SCTP_CHECKSUM: Range<usize> = 8..12;
