//! What can be read of a TCP segment in a frame.

use core::net::{IpAddr, SocketAddr};

use towpath_engine::wire::{SeqNum, TcpFlags, tcp_options::TcpOptions};

/// A TCP segment, as its headers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its flags.
    pub flags: TcpFlags,
    /// Its sequence number.
    pub seq: SeqNum,
    /// What it acknowledges.
    pub ack: SeqNum,
    /// The window, not scaled.
    pub window: u16,
    /// Bytes of payload.
    pub len: u32,
    /// What it tells by SACK.
    pub sack: Vec<(SeqNum, SeqNum)>,
    /// By how many bits its sender's windows are shifted, in a SYN.
    pub scale: Option<u8>,
    /// The network has marked it.
    pub is_marked: bool,
    /// A hash of its network packet but for what routers change, so that it is known again elsewhere.
    pub print: u64,
}

impl Segment {
    /// Reads an Ethernet frame with an IPv4 or IPv6 header without extensions; `None` when that is not TCP.
    #[must_use]
    pub fn of(frame: &[u8]) -> Option<Self> {
        let kind = frame.get(12..14)?;
        let network = frame.get(14..)?;
        let is_v4 = kind == [0x08, 0x00];
        let header_len = if is_v4 { usize::from(network.first()? & 0x0f) * 4 } else { 40 };
        let (protocol, total) = if is_v4 {
            (*network.get(9)?, usize::from(word(network, 2)?))
        } else {
            (*network.get(6)?, 40 + usize::from(word(network, 4)?))
        };
        if protocol != 6 || !(is_v4 || kind == [0x86, 0xdd]) {
            return None;
        }
        let address = |at: usize| -> Option<IpAddr> {
            if is_v4 {
                Some(IpAddr::from(<[u8; 4]>::try_from(network.get(12 + 4 * at..16 + 4 * at)?).ok()?))
            } else {
                Some(IpAddr::from(<[u8; 16]>::try_from(network.get(8 + 16 * at..24 + 16 * at)?).ok()?))
            }
        };
        let tcp = network.get(header_len..total.min(network.len()))?;
        let offset = usize::from(tcp.get(12)? >> 4) * 4;
        let number = |at: usize| Some(SeqNum(u32::from(word(tcp, at)?) << 16 | u32::from(word(tcp, at + 2)?)));
        let (mut sack, mut scale) = (Vec::new(), None);
        for option in TcpOptions::new(tcp.get(20..offset)?) {
            match option.kind {
                TcpOptions::SACK => sack = blocks(option.data),
                TcpOptions::WINDOW_SCALE => scale = option.data.first().copied(),
                _ => {}
            }
        }
        let traffic_class = if is_v4 { *network.get(1)? } else { network.get(1)? >> 4 };
        Some(Self {
            source: SocketAddr::new(address(0)?, word(tcp, 0)?),
            destination: SocketAddr::new(address(1)?, word(tcp, 2)?),
            flags: TcpFlags(*tcp.get(13)?),
            seq: number(4)?,
            ack: number(8)?,
            window: word(tcp, 14)?,
            len: (tcp.len() - offset) as u32,
            sack,
            scale,
            is_marked: traffic_class & 3 == 3,
            print: print(tcp),
        })
    }

    /// Behind its last byte, SYN and FIN counted.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        let control = [TcpFlags::SYN, TcpFlags::FIN].into_iter().filter(|flag| self.flags.contains(*flag));
        self.seq + (self.len + control.count() as u32)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn blocks(data: &[u8]) -> Vec<(SeqNum, SeqNum)> {
    let number = |bytes: &[u8]| SeqNum(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
    data.chunks_exact(8).map(|block| (number(&block[..4]), number(&block[4..]))).collect()
}

/// FNV-1a of the header and the first bytes: sequence numbers, acknowledgement and timestamps are among them.
fn print(tcp: &[u8]) -> u64 {
    let start = tcp.iter().take(PRINTED_BYTES);
    start.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

const PRINTED_BYTES: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_with_its_options() {
        for text in [
            "10.0.0.1:1000 > 10.0.0.2:80 tcp SA seq 7 ack 9 win 500 mss 1460 wscale 7 sackok",
            "fd00::1:1000 > fd00::2:80 tcp SA seq 7 ack 9 win 500 mss 1460 wscale 7 sackok",
        ] {
            let Ok(sketch) = text.parse::<towpath_engine::packet::Sketch>() else { panic!("{text} is a packet") };
            let mac = towpath_engine::wire::MacAddr([2, 0, 0, 0, 0, 1]);
            let segment = Segment::of(&sketch.frame(mac, mac)).expect("a segment");
            assert_eq!((segment.seq, segment.ack, segment.window), (SeqNum(7), SeqNum(9), 500));
            assert_eq!((segment.scale, segment.len, segment.end()), (Some(7), 0, SeqNum(8)));
            assert_eq!(segment.destination.port(), 80);
        }
    }

    #[test]
    fn nothing_that_is_cut_makes_it_panic() {
        let Ok(sketch) =
            "10.0.0.1:1000 > 10.0.0.2:80 tcp A seq 7 ack 9 win 500 len 30".parse::<towpath_engine::packet::Sketch>()
        else {
            panic!("it is a packet")
        };
        let mac = towpath_engine::wire::MacAddr([2, 0, 0, 0, 0, 1]);
        let frame = sketch.frame(mac, mac);
        for len in 0..frame.len() {
            let _ = Segment::of(&frame[..len]);
        }
    }
}
