//! Captures: bytes in, packets out, without copying and without holding more than a window of them, or a few.
//!
//! [`Capture`] reads pcap and pcapng, both also inside gzip, from a slice, a stream (a page), or a stream that is read ahead in the
//! background (a program). Packets come in batches that borrow their bytes; link layers other than Ethernet get a made-up Ethernet header
//! ([`link`] says which). A damaged capture gives everything before the damage, then one [`CaptureError`].
//!
//! Why not pcap-file's readers: they spend about 120 ns a packet, of which 5 are needed, allocate for every packet
//! with options, and are all or nothing: a name that is not UTF-8, a resolution finer than a nanosecond, a packet
//! longer than its snap length, or one damaged option loses the packet and all that follow. So the records are read
//! here. pcap-file still reads the classic header, names the link types and writes what [`crate::write`] writes; the
//! tests compare its packets with ours.

pub mod link;

mod background;
mod batch;
mod error;
mod input;
mod interface;
mod order;
mod packet;
mod pcap;
mod pcapng;
mod reader;
mod record;

pub use self::{
    batch::Batch,
    error::{CaptureError, CaptureErrorKind},
    interface::{Interface, InterfaceId},
    packet::{CapturedPacket, Content, LinkType, PacketDirection, Unreadable},
    reader::Capture,
};

#[cfg(test)]
mod forge;
#[cfg(test)]
pub(crate) use self::{forge::Forge, order::Order};
#[cfg(test)]
mod tests;
