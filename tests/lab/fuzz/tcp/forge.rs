//! Frames that nobody has sent: segments like those of a connection, but not quite, and what routers say about them.

use towpath_engine::{
    tcp::TcpInfo,
    wire::{Protocol, checksum},
};

use super::input::Input;
use crate::network::ETHERNET_BYTES as ETHERNET;

const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;

/// The TCP header of a frame, as far as it is looked at.
#[derive(Clone, Copy, Debug)]
struct Seen<'a> {
    /// All before it.
    outer: &'a [u8],
    tcp: &'a [u8],
    payload_len: u32,
}

impl<'a> Seen<'a> {
    /// Of a frame of an engine, of which the end may be missing.
    fn of(frame: &'a [u8]) -> Option<Self> {
        let is_v4 = frame.get(ETHERNET)? >> 4 == 4;
        let at = ETHERNET + if is_v4 { IPV4 } else { IPV6 };
        let protocol = if is_v4 { frame.get(ETHERNET + 9)? } else { frame.get(ETHERNET + 6)? };
        let tcp = frame.get(at..)?;
        if Protocol(*protocol) != Protocol::TCP || tcp.len() < TCP {
            return None;
        }
        let header_len = usize::from(tcp[12] >> 4) * 4;
        let len = if is_v4 { be16(frame, ETHERNET + 2) - IPV4 as u32 } else { be16(frame, ETHERNET + 4) };
        let tcp = tcp.get(..header_len)?;
        Some(Self { outer: &frame[..at], tcp, payload_len: len.saturating_sub(header_len as u32) })
    }

    fn seq(&self) -> u32 {
        be16(self.tcp, 4) << 16 | be16(self.tcp, 6)
    }

    fn ack(&self) -> u32 {
        be16(self.tcp, 8) << 16 | be16(self.tcp, 10)
    }

    fn timestamps(&self) -> Option<[u32; 2]> {
        let mut rest = self.tcp.get(TCP..)?;
        loop {
            match rest {
                [1, tail @ ..] => rest = tail,
                [8, 10, tail @ ..] if tail.len() >= 8 => {
                    return Some([be16(tail, 0) << 16 | be16(tail, 2), be16(tail, 4) << 16 | be16(tail, 6)]);
                }
                [kind, len, ..] if *kind > 1 && *len > 1 => rest = rest.get(usize::from(*len)..)?,
                _ => return None,
            }
        }
    }
}

fn be16(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// A segment that seems to come from who has sent `sent`; `heard` is what he was sent, and `info` what its receiver knows.
pub(super) fn segment(
    input: &mut Input<'_>,
    sent: &[u8],
    heard: Option<&[u8]>,
    info: Option<TcpInfo>,
) -> Option<Vec<u8>> {
    let sent = Seen::of(sent)?;
    let heard = heard.and_then(Seen::of);
    let (expected, acked) = heard.map_or((sent.seq(), sent.ack()), |heard| (heard.ack(), heard.seq()));
    let window = info.map_or(0, |info| info.rcv_wnd);
    let how = input.byte();
    let seq = match how % 4 {
        0 => expected,
        1 => sent.seq().wrapping_add(sent.payload_len),
        2 => expected.wrapping_add(window),
        _ => sent.seq(),
    };
    let ack = match how >> 2 & 3 {
        0 => sent.ack(),
        1 => acked.wrapping_add(heard.map_or(0, |heard| heard.payload_len)),
        2 => acked,
        _ => 0,
    };
    let [seq, ack] = [seq, ack].map(|place| place.wrapping_add(off(input)));
    let flags = input.of(&FLAGS);
    let len = input.of(&[0, 0, 0, 1, 2, 100, 536, 1000, 1448, 9000]);
    let told = input.of(&[0, 1, 100, 1000, 29_200, 65_535]);
    let options = options(input, &sent, acked);
    let mut tcp = sent.tcp[..TCP].to_vec();
    tcp[4..8].copy_from_slice(&seq.to_be_bytes());
    tcp[8..12].copy_from_slice(&ack.to_be_bytes());
    tcp[12] = ((TCP + options.len()) as u8 / 4) << 4;
    tcp[13] = flags;
    tcp[14..16].copy_from_slice(&u16::to_be_bytes(told));
    tcp[16..18].fill(0);
    let urgent: u16 = if flags & URG == 0 { 0 } else { input.of(&[0, 1, 2, 100, 1000, 65_535]) };
    tcp[18..20].copy_from_slice(&urgent.to_be_bytes());
    if how & 0x80 != 0 {
        // Somebody else asks.
        tcp[1] = input.byte();
    }
    tcp.extend(options);
    tcp.resize(tcp.len() + len, 0x55);
    Some(packet(sent.outer, Protocol::TCP, &tcp))
}

/// How far a number is off its place.
fn off(input: &mut Input<'_>) -> u32 {
    match input.below(16) {
        0..5 => 0,
        5 => 1,
        6 => 1_u32.wrapping_neg(),
        7 => 100,
        8 => 1000,
        9 => 1448,
        10 => 1448_u32.wrapping_neg(),
        11 => 65_535,
        12 => 65_536_u32.wrapping_neg(),
        13 => 1 << 31,
        14 => u32::from(input.byte()),
        _ => input.number(),
    }
}

/// The options of a forged segment; 40 bytes at most, and a multiple of 4.
fn options(input: &mut Input<'_>, sent: &Seen<'_>, acked: u32) -> Vec<u8> {
    let how = input.byte();
    let mut options = Vec::new();
    if how & 1 == 0
        && let Some([value, echo]) = sent.timestamps()
    {
        let [value, echo] =
            if how & 2 == 0 { [value, echo] } else { [value.wrapping_add(off(input)), echo.wrapping_add(off(input))] };
        options.extend([1, 1, 8, 10]);
        options.extend(value.to_be_bytes());
        options.extend(echo.to_be_bytes());
    }
    match how >> 2 & 7 {
        1 | 2 => {
            let blocks = 1 + input.below(3);
            options.extend([1, 1, 5, 2 + 8 * blocks as u8]);
            for _ in 0..blocks {
                let start = acked.wrapping_add(off(input)).wrapping_add(u32::from(input.byte()) * 100);
                let end = start.wrapping_add(off(input)).wrapping_add(u32::from(input.byte()) * 100);
                options.extend(start.to_be_bytes());
                options.extend(end.to_be_bytes());
            }
        }
        3 => options.extend([2, 4, input.byte(), input.byte(), 4, 2, 3, 3, input.byte(), 1, 1, 1]),
        4 => options.extend([34, 10, 1, 2, 3, 4, 5, 6, 7, input.byte(), 1, 1]),
        5 => options.extend(input.number().to_be_bytes()),
        _ => {}
    }
    options
}

/// What a router says about a frame that it got.
pub(super) fn error(input: &mut Input<'_>, sent: &[u8]) -> Option<Vec<u8>> {
    let seen = Seen::of(sent)?;
    let is_v4 = seen.outer[ETHERNET] >> 4 == 4;
    let mut quoted = seen.outer[ETHERNET..].to_vec();
    quoted.extend(&seen.tcp[..8]);
    let seq = seen.seq().wrapping_add(off(input));
    let at = quoted.len() - 4;
    quoted[at..].copy_from_slice(&seq.to_be_bytes());
    let (kind, code) = if is_v4 {
        (input.of(&[3, 3, 3, 11, 12, 4, 5]), input.byte() % 17)
    } else {
        (1 + input.byte() % 4, input.byte() % 8)
    };
    let number = input.of(&[0, 68, 100, 552, 576, 1000, 1280, 1400, 1500, 65_535]);
    let mut message = vec![kind, code, 0, 0];
    message.extend(u32::to_be_bytes(number));
    message.extend(quoted);
    let mut outer = seen.outer.to_vec();
    // It goes back to where the frame has come from.
    let (addresses, len) = if is_v4 { (ETHERNET + 12, 4) } else { (ETHERNET + 8, 16) };
    let (source, destination) = outer[addresses..addresses + 2 * len].split_at_mut(len);
    source.swap_with_slice(destination);
    let protocol = if is_v4 { Protocol::ICMP } else { Protocol::ICMPV6 };
    if is_v4 {
        let sum = !checksum::sum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    Some(packet(&outer, protocol, &message))
}

/// A frame with the headers of another one.
fn packet(outer: &[u8], protocol: Protocol, inner: &[u8]) -> Vec<u8> {
    let mut frame = outer.to_vec();
    let len = inner.len() as u16;
    if frame[ETHERNET] >> 4 == 4 {
        frame[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&(len + IPV4 as u16).to_be_bytes());
        frame[ETHERNET + 9] = protocol.0;
        frame[ETHERNET + 10..ETHERNET + 12].fill(0);
        let sum = !checksum::sum(&frame[ETHERNET..ETHERNET + IPV4]);
        frame[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
    } else {
        frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&len.to_be_bytes());
        frame[ETHERNET + 6] = protocol.0;
    }
    frame.extend_from_slice(inner);
    frame
}

const URG: u8 = 0x20;
/// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
const FLAGS: [u8; 18] =
    [0x10, 0x10, 0x10, 0x10, 0x18, 0x11, 0x02, 0x12, 0x04, 0x14, 0x01, 0x00, 0x30, 0x50, 0x90, 0xc2, 0x13, 0xff];
