//! Packets between notation and bytes. Numbers here are those on the wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use towpath_engine::wire::{Protocol, checksum};

use super::notation::{flag_bits, flag_letters};
use crate::script::{Segment, TcpOption};

/// Who sends a packet to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) from: (IpAddr, u16),
    pub(super) to: (IpAddr, u16),
}

/// A TCP packet that has left.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) way: Way,
    /// The ECN bits of its IP header.
    pub(super) ecn: u8,
    pub(super) segment: Segment,
}

/// Writes a packet: zeros for payload, and checksums that are right.
pub(super) fn write(way: Way, ecn: u8, segment: &Segment) -> Vec<u8> {
    let options = write_options(segment.options.as_deref().unwrap_or_default());
    let header_words = (20 + options.len()) / 4;
    let flags = flag_bits(&segment.flags);
    let mut tcp = Vec::with_capacity(20 + options.len() + segment.len as usize);
    tcp.extend_from_slice(&way.from.1.to_be_bytes());
    tcp.extend_from_slice(&way.to.1.to_be_bytes());
    tcp.extend_from_slice(&segment.start.to_be_bytes());
    tcp.extend_from_slice(&segment.ack.unwrap_or(0).to_be_bytes());
    tcp.extend_from_slice(&((header_words as u16) << 12 | flags).to_be_bytes());
    tcp.extend_from_slice(&segment.window.unwrap_or(0).to_be_bytes());
    tcp.extend_from_slice(&[0, 0]);
    tcp.extend_from_slice(&segment.urgent.unwrap_or(0).to_be_bytes());
    tcp.extend_from_slice(&options);
    tcp.resize(tcp.len() + segment.len as usize, 0);
    let sum = !checksum::add(pseudo_header(way, tcp.len()), checksum::sum(&tcp));
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut packet = ip_header(way, ecn, Protocol::TCP, tcp.len());
    packet.extend_from_slice(&tcp);
    packet
}

pub(super) fn ip_header(way: Way, ecn: u8, protocol: Protocol, payload_bytes: usize) -> Vec<u8> {
    match (way.from.0, way.to.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let len = (20 + payload_bytes) as u16;
            let mut header = vec![0x45, ecn];
            header.extend_from_slice(&len.to_be_bytes());
            header.extend_from_slice(&[0, 0, 0x40, 0, 255, protocol.0, 0, 0]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            let sum = !checksum::sum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (from, to) => {
            let mut header = vec![0x60, ecn << 4, 0, 0];
            header.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
            header.extend_from_slice(&[protocol.0, 255]);
            header.extend_from_slice(&of_v6(from).octets());
            header.extend_from_slice(&of_v6(to).octets());
            header
        }
    }
}

fn pseudo_header(way: Way, len: usize) -> u16 {
    match (way.from.0, way.to.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => checksum::pseudo_header_v4(from, to, Protocol::TCP, len as u16),
        (from, to) => checksum::pseudo_header_v6(of_v6(from), of_v6(to), Protocol::TCP, len as u32),
    }
}

pub(super) const fn of_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// Options one behind the other; zeros fill up the last word.
fn write_options(options: &[TcpOption]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        let (kind, data): (u8, Vec<u8>) = match option {
            TcpOption::Nop | TcpOption::End => {
                bytes.push(u8::from(*option == TcpOption::Nop));
                continue;
            }
            TcpOption::Mss(mss) => (2, mss.to_be_bytes().to_vec()),
            TcpOption::WindowScale(shift) => (3, vec![*shift]),
            TcpOption::SackPermitted => (4, Vec::new()),
            TcpOption::Sack(blocks) => {
                (5, blocks.iter().flat_map(|(start, end)| [start.to_be_bytes(), end.to_be_bytes()].concat()).collect())
            }
            TcpOption::Timestamps { value, echo } => (8, [value.to_be_bytes(), echo.to_be_bytes()].concat()),
            TcpOption::Md5(digest) => (19, digest.clone()),
            TcpOption::FastOpen { experimental: false, cookie } => (34, cookie.clone()),
            TcpOption::FastOpen { experimental: true, cookie } => (254, [&[0xf9, 0x89], &cookie[..]].concat()),
        };
        bytes.extend_from_slice(&[kind, data.len() as u8 + 2]);
        bytes.extend_from_slice(&data);
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Reads a packet that has left; the error says what is wrong with it. `None`: it is none of TCP.
pub(super) fn read(packet: &[u8]) -> Option<Result<Observed, &'static str>> {
    let (way, ecn, tcp, sound) = match packet.first()? >> 4 {
        4 => {
            let (header, tcp) = packet.split_at_checked(20)?;
            (header[9] == Protocol::TCP.0).then_some(())?;
            let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(*header[at..].first_chunk::<4>()?)));
            let sound = header[0] == 0x45
                && usize::from(u16::from_be_bytes([header[2], header[3]])) == packet.len()
                && checksum::sum(header) == 0xffff;
            ((address(12)?, address(16)?), header[1] & 3, tcp, sound)
        }
        6 => {
            let (header, tcp) = packet.split_at_checked(40)?;
            (header[6] == Protocol::TCP.0).then_some(())?;
            let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(*header[at..].first_chunk::<16>()?)));
            let sound = usize::from(u16::from_be_bytes([header[4], header[5]])) == tcp.len();
            ((address(8)?, address(24)?), header[1] >> 4 & 3, tcp, sound)
        }
        _ => return None,
    };
    if !sound {
        return Some(Err("its IP header has a wrong length or checksum"));
    }
    Some(read_tcp(way, ecn, tcp))
}

fn read_tcp(addresses: (IpAddr, IpAddr), ecn: u8, tcp: &[u8]) -> Result<Observed, &'static str> {
    let header: &[u8; 20] = tcp.first_chunk().ok_or("its TCP header is cut off")?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let header_len = usize::from(header[12] >> 4) * 4;
    let options = tcp.get(20..header_len).ok_or("its TCP header has a wrong length")?;
    let way = Way { from: (addresses.0, half(0)), to: (addresses.1, half(2)) };
    if checksum::add(pseudo_header(way, tcp.len()), checksum::sum(tcp)) != 0xffff {
        return Err("its TCP checksum is wrong");
    }
    let flags = half(12) & 0x1ff;
    let segment = Segment {
        flags: flag_letters(flags),
        start: word(4),
        len: (tcp.len() - header_len) as u32,
        ack: (flags & 0x10 != 0).then(|| word(8)),
        window: Some(half(14)),
        urgent: (flags & 0x20 != 0).then(|| half(18)),
        options: Some(read_options(options)?),
    };
    Ok(Observed { way, ecn, segment })
}

fn read_options(mut bytes: &[u8]) -> Result<Vec<TcpOption>, &'static str> {
    const WRONG: &str = "a TCP option has a wrong length";
    let mut options = Vec::new();
    while let [kind, rest @ ..] = bytes {
        if *kind <= 1 {
            options.push(if *kind == 1 { TcpOption::Nop } else { TcpOption::End });
            bytes = rest;
            continue;
        }
        let len = usize::from(*rest.first().ok_or(WRONG)?);
        let data = bytes.get(2..len).ok_or(WRONG)?;
        bytes = &bytes[len..];
        options.push(read_option(*kind, data).ok_or(WRONG)?);
    }
    Ok(options)
}

fn read_option(kind: u8, data: &[u8]) -> Option<TcpOption> {
    let word = |at: usize| data[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    Some(match (kind, data) {
        (2, &[high, low]) => TcpOption::Mss(u16::from_be_bytes([high, low])),
        (3, &[shift]) => TcpOption::WindowScale(shift),
        (4, []) => TcpOption::SackPermitted,
        (5, _) if data.len().is_multiple_of(8) => TcpOption::Sack(
            (0..data.len()).step_by(8).map(|at| Some((word(at)?, word(at + 4)?))).collect::<Option<_>>()?,
        ),
        (8, _) if data.len() == 8 => TcpOption::Timestamps { value: word(0)?, echo: word(4)? },
        (19, _) => TcpOption::Md5(data.to_vec()),
        (34, _) => TcpOption::FastOpen { experimental: false, cookie: data.to_vec() },
        (254, [0xf9, 0x89, cookie @ ..]) => TcpOption::FastOpen { experimental: true, cookie: cookie.to_vec() },
        _ => return None,
    })
}
