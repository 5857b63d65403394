//! A segment that has come, taken apart once.

use core::net::SocketAddr;

use super::ecn::Codepoint;
use crate::{
    packet::Packet,
    wire::{OptionsOut, SackBlocks, SeqNum, TcpFlags, Timestamps, tcp_options::TcpOptions},
};

/// Who talks to whom, as this host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// This host's end.
    pub local: SocketAddr,
    /// The other one.
    pub remote: SocketAddr,
}

impl Ends {
    /// Those of a segment of TCP or a datagram of UDP that has come; `None` of anything else.
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        let ip = packet.ip()?;
        let (source, destination) = match (packet.tcp(), packet.udp()) {
            (Some(tcp), _) => (tcp.source_port, tcp.destination_port),
            (None, Some(udp)) => (udp.source_port, udp.destination_port),
            (None, None) => return None,
        };
        Some(Self {
            local: SocketAddr::new(ip.destination(), destination.get()),
            remote: SocketAddr::new(ip.source(), source.get()),
        })
    }
}

/// What a segment says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(super) seq: SeqNum,
    pub(super) ack: SeqNum,
    pub(super) flags: TcpFlags,
    /// As it stands in the header.
    pub(super) window: u16,
    /// How far the urgent pointer reaches, if it counts.
    pub(super) urgent: Option<u16>,
    /// Payload bytes.
    pub(super) len: u32,
    /// Of how many segments they are, which have come as one packet.
    pub(super) count: u32,
    /// Payload bytes of each of them but the last.
    pub(super) size: u32,
    pub(super) timestamps: Option<Timestamps>,
    pub(super) sack: SackBlocks,
    /// Only of a SYN: what its options ask for.
    pub(super) offers: Offers,
    /// Whether the network may mark it, and has (RFC 3168).
    pub(super) codepoint: Codepoint,
    /// The traffic class of its packet, and the mark.
    pub(super) tos: u8,
    pub(super) mark: u32,
}

/// What a SYN offers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offers {
    /// The MSS it names.
    pub(super) mss_bytes: Option<u16>,
    /// The shift of its windows, 0 to 14.
    pub(super) window_scale: Option<u8>,
    pub(super) sack: bool,
}

impl Segment {
    /// What a packet's TCP header says, and from whom it is to whom; `None` when it has none.
    pub(crate) fn of(packet: &Packet) -> Option<(Self, Ends)> {
        let (ip, tcp) = (packet.ip()?, packet.tcp()?);
        let ends = Ends::of(packet)?;
        let len = packet.payload_len() as u32;
        let (count, size) = packet.meta().gso.map_or((1, len), |gso| (gso.segments.max(1).into(), gso.size.into()));
        let mut segment = Self {
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags,
            window: tcp.window.get(),
            urgent: tcp.flags.contains(TcpFlags::URG).then(|| tcp.urgent.get()),
            len,
            count,
            size,
            timestamps: None,
            sack: SackBlocks::default(),
            offers: Offers::default(),
            codepoint: Codepoint::of(ip.tos()),
            tos: ip.tos(),
            mark: packet.meta().mark,
        };
        let is_syn = segment.has(TcpFlags::SYN);
        for option in packet.tcp_options() {
            segment.take_option(option.kind, option.data, is_syn);
        }
        Some((segment, ends))
    }

    fn take_option(&mut self, kind: u8, data: &[u8], is_syn: bool) {
        match (kind, data) {
            (TcpOptions::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                self.timestamps = Some(Timestamps { value, echo });
            }
            (TcpOptions::MSS, &[high, low]) if is_syn => {
                self.offers.mss_bytes = Some(u16::from_be_bytes([high, low])).filter(|mss| *mss > 0);
            }
            // RFC 7323, section 2.3: a larger one counts as 14.
            (TcpOptions::WINDOW_SCALE, &[scale]) if is_syn => {
                self.offers.window_scale = Some(scale.min(WINDOW_SCALE_MAX))
            }
            (TcpOptions::SACK_PERMITTED, &[]) if is_syn => self.offers.sack = true,
            (TcpOptions::SACK, data) if !is_syn => self.sack = SackBlocks::parse(data),
            _ => {}
        }
    }

    /// Its control bits.
    pub(crate) const fn flags(&self) -> TcpFlags {
        self.flags
    }

    /// Whether it has any data.
    pub(crate) const fn has_payload(&self) -> bool {
        self.len > 0
    }

    pub(super) const fn has(&self, flags: TcpFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Behind its last byte, SYN and FIN counted.
    pub(super) fn end(&self) -> SeqNum {
        let control = u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN));
        self.seq + self.len + control
    }
}

/// The largest shift of windows (RFC 7323, section 2.3).
pub(super) const WINDOW_SCALE_MAX: u8 = 14;

/// What both ends have agreed on with their SYNs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    pub(super) scaling: bool,
    /// By how many bits the other end's windows are shifted.
    pub(super) send_scale: u8,
    /// By how many bits this end's windows are shifted.
    pub(super) receive_scale: u8,
    /// Explicit congestion notification (RFC 3168).
    pub(super) ecn: bool,
    /// What is added to the clock in timestamps.
    pub(super) timestamp_offset: u32,
}

impl Agreed {
    /// Bytes of options in every segment.
    pub(super) const fn options_bytes(&self) -> u32 {
        if self.timestamps { OptionsOut::TIMESTAMPS_BYTES as u32 } else { 0 }
    }
}
