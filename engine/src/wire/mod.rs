//! Headers and checksums: one file a protocol, no state. Every header is a `zerocopy` struct that reads like the RFC's
//! figure, so that view, builder and size are one thing.

pub mod arp;
pub mod checksum;
pub mod crc32c;
pub mod ethernet;
pub mod fast_open;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv4_options;
pub mod ipv6;
pub mod ipv6_options;
pub mod lacp;
pub mod ndp;
pub mod sctp;
pub mod seq;
pub mod tcp;
pub mod tcp_layout;
pub mod tcp_options;
pub mod udp;

pub use arp::ArpPacket;
pub use ethernet::{EtherType, EthernetHeader, MacAddr};
pub use fast_open::{FastOpenCookie, FastOpenOption};
pub use icmp::IcmpHeader;
pub use icmpv6::{Icmpv6Header, Icmpv6Type};
pub use ipv4::{Ipv4Header, Protocol};
pub use ipv6::Ipv6Header;
pub use seq::SeqNum;
pub use tcp::{TcpFlags, TcpHeader};
pub use tcp_layout::{OptionsOut, SackBlocks, Timestamps};
pub use udp::UdpHeader;
