//! From text.

use alloc::boxed::Box;
use core::{net::Ipv4Addr, str::FromStr};

use super::{
    ArpSketch, IcmpSketch, Ipv4Sketch, Kind, OptionsSketch, Payload, Ports, Sketch, TcpSketch,
    cursor::{Cursor, TextError},
    options::SACK_BLOCKS_MAX,
};
use crate::wire::{MacAddr, Protocol, TcpFlags, icmp::IcmpType};

impl FromStr for Sketch {
    type Err = TextError;

    fn from_str(line: &str) -> Result<Self, TextError> {
        let mut cursor = Cursor::new(line);
        let sketch = if cursor.takes("arp") {
            Self::Arp(arp(&mut cursor)?)
        } else {
            Self::Ipv4(ipv4(&mut cursor, Depth::Outer)?)
        };
        if cursor.peek().is_empty() { Ok(sketch) } else { Err(cursor.error("a fact about the packet")) }
    }
}

/// Whether a packet or what an ICMP error quotes of one is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Quoted,
}

fn arp(cursor: &mut Cursor<'_>) -> Result<ArpSketch, TextError> {
    if cursor.takes("who-has") {
        let target = cursor.value("an IPv4 address")?;
        cursor.expect("tell")?;
        return Ok(ArpSketch::Request { target, sender: cursor.value("an IPv4 address")? });
    }
    let sender = cursor.value("'who-has' or an IPv4 address")?;
    cursor.expect("is-at")?;
    let mac = mac(cursor.peek()).ok_or_else(|| cursor.error("an Ethernet address"))?;
    cursor.next();
    Ok(ArpSketch::Reply { sender, mac })
}

fn mac(text: &str) -> Option<MacAddr> {
    let mut octets = [0; 6];
    let mut words = text.split(':');
    for octet in &mut octets {
        *octet = u8::from_str_radix(words.next()?, 16).ok()?;
    }
    words.next().is_none().then_some(MacAddr(octets))
}

fn ipv4(cursor: &mut Cursor<'_>, depth: Depth) -> Result<Ipv4Sketch, TextError> {
    let (source, from) = end(cursor)?;
    cursor.expect(">")?;
    let (destination, to) = end(cursor)?;
    let ports = || match (from, to) {
        (Some(source), Some(destination)) => Some(Ports { source, destination }),
        (Some(_) | None, _) => None,
    };
    let kind = kind(cursor, ports(), depth)?;
    let mut sketch = Ipv4Sketch {
        source,
        destination,
        kind,
        payload: Payload::NONE,
        ttl: None,
        tos: None,
        id: None,
        dont_fragment: None,
    };
    while !matches!(cursor.peek(), "" | "]") {
        fact(cursor, &mut sketch)?;
    }
    // Outside of quotes, what is not written is 0.
    if depth == Depth::Outer {
        match &mut sketch.kind {
            Kind::Tcp(tcp) => {
                tcp.seq.get_or_insert(0);
                tcp.ack.get_or_insert(0);
            }
            Kind::Icmp(icmp) if IcmpType(icmp.kind).inverse().is_some() => {
                icmp.id.get_or_insert(0);
                icmp.sequence.get_or_insert(0);
            }
            Kind::Icmp(_) | Kind::Udp(_) | Kind::Fragment { .. } | Kind::Other(_) => {}
        }
    }
    Ok(sketch)
}

/// An address, with a port or without.
fn end(cursor: &mut Cursor<'_>) -> Result<(Ipv4Addr, Option<u16>), TextError> {
    let (address, port) = match cursor.peek().split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (cursor.peek(), None),
    };
    let address = address.parse().map_err(|_| cursor.error("an IPv4 address, with a port or without"))?;
    let port = port.map(str::parse).transpose().map_err(|_| cursor.error("a port from 0 to 65535"))?;
    cursor.next();
    Ok((address, port))
}

fn kind(cursor: &mut Cursor<'_>, ports: Option<Ports>, depth: Depth) -> Result<Kind, TextError> {
    let word = cursor.peek();
    let protocol = match (Protocol::by_name(word), word.parse()) {
        (Some(protocol), _) => Some(protocol),
        (None, Ok(number)) => Some(Protocol(number)),
        (None, Err(_)) => None,
    };
    match (protocol, ports) {
        (Some(protocol), None) => {
            cursor.next();
            match protocol {
                Protocol::ICMP if cursor.takes("type") => icmp(cursor, depth).map(Kind::Icmp),
                protocol => Ok(Kind::Other(protocol)),
            }
        }
        (Some(Protocol::UDP), Some(ports)) => {
            cursor.next();
            Ok(Kind::Udp(ports))
        }
        (Some(Protocol::TCP) | None, Some(ports)) => {
            let named = cursor.takes("tcp");
            let flags = flags(cursor.peek());
            if flags.is_some() {
                cursor.next();
            } else if !named {
                return Err(cursor.error("a protocol, or TCP flags of the letters FSRPAUEC"));
            }
            let flags = flags.unwrap_or_default();
            let options = OptionsSketch::default();
            Ok(Kind::Tcp(TcpSketch { ports, flags, seq: None, ack: None, window: None, options }))
        }
        (Some(_), Some(_)) => Err(cursor.error("'tcp' or 'udp' between ports")),
        (None, None) => Err(cursor.error("a protocol")),
    }
}

/// TCP flags; none is no word.
fn flags(word: &str) -> Option<TcpFlags> {
    const LETTERS: &str = "FSRPAUEC";
    let bits = word.chars().map(|letter| LETTERS.find(letter).map(|bit| TcpFlags(1 << bit)));
    let flags = bits.sum::<Option<Bits>>()?.0;
    (!word.is_empty()).then_some(flags)
}

/// Flags that are added up.
struct Bits(TcpFlags);

impl core::iter::Sum<TcpFlags> for Bits {
    fn sum<I: Iterator<Item = TcpFlags>>(flags: I) -> Self {
        Self(flags.fold(TcpFlags::default(), TcpFlags::union))
    }
}

fn icmp(cursor: &mut Cursor<'_>, depth: Depth) -> Result<IcmpSketch, TextError> {
    let kind = cursor.value("an ICMP type")?;
    cursor.expect("code")?;
    let code = cursor.value("an ICMP code")?;
    let mut sketch = IcmpSketch { kind, code, id: None, sequence: None, mtu: None, about: None };
    let is_error = IcmpType(kind).is_error();
    loop {
        match cursor.peek() {
            "id" if !is_error => {
                cursor.next();
                sketch.id = Some(cursor.value("an identifier")?);
            }
            "seq" if !is_error => {
                cursor.next();
                sketch.sequence = Some(cursor.value("a sequence number up to 65535")?);
            }
            "mtu" if is_error => {
                cursor.next();
                sketch.mtu = Some(cursor.value("an MTU up to 65535")?);
            }
            "[" if is_error && depth == Depth::Outer => {
                cursor.next();
                if !cursor.takes("cut") {
                    sketch.about = Some(Box::new(ipv4(cursor, Depth::Quoted)?));
                }
                cursor.expect("]")?;
            }
            _ => return Ok(sketch),
        }
    }
}

/// Reads a fact that may stand behind the packet's kind.
fn fact(cursor: &mut Cursor<'_>, sketch: &mut Ipv4Sketch) -> Result<(), TextError> {
    let here = cursor.clone();
    let word = cursor.next();
    match (word, &mut sketch.kind) {
        ("ttl", _) => sketch.ttl = Some(cursor.value("a TTL up to 255")?),
        ("tos", _) => sketch.tos = Some(cursor.number(u8::MAX.into(), "a type of service up to 0xff")? as u8),
        ("ipid", _) => sketch.id = Some(cursor.number(u16::MAX.into(), "an identification up to 0xffff")? as u16),
        ("df", _) => sketch.dont_fragment = Some(true),
        ("data", _) => sketch.payload = Payload::Bytes(cursor.quoted_bytes()?),
        ("len", _) => match cursor.value("a length up to 65515")? {
            len @ 0..=PAYLOAD_BYTES_MAX => sketch.payload = Payload::Length(len),
            _ => return Err(here.error("a length up to 65515")),
        },
        ("fragment", Kind::Other(protocol)) => {
            let offset: u16 = cursor.value("a multiple of 8 up to 65528")?;
            if !offset.is_multiple_of(8) {
                return Err(here.error("a multiple of 8 up to 65528"));
            }
            sketch.kind = Kind::Fragment { protocol: *protocol, offset, more: cursor.takes("more") };
        }
        (_, Kind::Tcp(tcp)) => return tcp_fact(word, cursor, &here, tcp),
        (_, Kind::Udp(_) | Kind::Icmp(_) | Kind::Other(_) | Kind::Fragment { .. }) => {
            return Err(here.error("a fact about such a packet"));
        }
    }
    Ok(())
}

fn tcp_fact(word: &str, cursor: &mut Cursor<'_>, here: &Cursor<'_>, tcp: &mut TcpSketch) -> Result<(), TextError> {
    let options = &mut tcp.options;
    match word {
        "seq" => tcp.seq = Some(cursor.value("a sequence number")?),
        "ack" => tcp.ack = Some(cursor.value("an acknowledgement number")?),
        "win" => tcp.window = Some(cursor.value("a window up to 65535")?),
        "mss" => options.mss = Some(cursor.value("a segment size up to 65535")?),
        "wscale" => options.window_scale = Some(cursor.value("a number of bits")?),
        "sackok" => options.sack_permitted = true,
        "ts" => options.timestamps = Some(pair(cursor, '/', "two numbers with / between them")?),
        "sack" => {
            let expected = "up to four pairs of numbers such as 10-20,30-40";
            for block in cursor.peek().split(',') {
                options.sack.push(pair_of(block, '-').ok_or_else(|| cursor.error(expected))?);
            }
            if options.sack.len() > SACK_BLOCKS_MAX {
                return Err(cursor.error(expected));
            }
            cursor.next();
        }
        _ => return Err(here.error("a fact about a TCP segment")),
    }
    if options.bytes().len() > OPTION_BYTES_MAX {
        return Err(here.error("no more than 40 bytes of options"));
    }
    Ok(())
}

fn pair(cursor: &mut Cursor<'_>, between: char, expected: &'static str) -> Result<(u32, u32), TextError> {
    let pair = pair_of(cursor.peek(), between).ok_or_else(|| cursor.error(expected))?;
    cursor.next();
    Ok(pair)
}

fn pair_of(text: &str, between: char) -> Option<(u32, u32)> {
    let (one, other) = text.split_once(between)?;
    Some((one.parse().ok()?, other.parse().ok()?))
}

/// What fits a packet behind its IP header.
const PAYLOAD_BYTES_MAX: usize = 65_515;
/// What fits a TCP header behind its fixed part.
const OPTION_BYTES_MAX: usize = 40;
