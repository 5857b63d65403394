//! From text.

use alloc::boxed::Box;
use core::str::FromStr;

use super::{
    ArpSketch, HeaderSketch, IcmpSketch, IpSketch, Kind, OptionsSketch, Payload, Ports, Sketch, TcpSketch,
    cursor::{Cursor, TextError},
    ends::Ends,
    options::SACK_BLOCKS_MAX,
};
use crate::{
    conntrack::Family,
    packet::text::message_name,
    wire::{Ipv6Header, MacAddr, Protocol, TcpFlags},
};

impl FromStr for Sketch {
    type Err = TextError;

    fn from_str(line: &str) -> Result<Self, TextError> {
        let mut cursor = Cursor::new(line);
        let sketch =
            if cursor.takes("arp") { Self::Arp(arp(&mut cursor)?) } else { Self::Ip(ip(&mut cursor, Depth::Outer)?) };
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

fn ip(cursor: &mut Cursor<'_>, depth: Depth) -> Result<IpSketch, TextError> {
    let ends = Ends::read(cursor)?;
    let protocol = protocol(cursor.peek());
    // A number says that there are none.
    let names_ports = matches!(cursor.peek(), "tcp" | "udp") || protocol.is_none();
    let has_ports = ends.may_have_ports() && (names_ports && !is_part(cursor) || !ends.may_be_bare());
    let header = ends.header(has_ports).ok_or_else(|| cursor.error("a protocol"))?;
    let ports = ends.ports().filter(|_| has_ports);
    let kind = kind(cursor, protocol, ports, header.family(), depth)?;
    let mut sketch = IpSketch { header, kind, payload: Payload::NONE };
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
            Kind::Icmp(icmp) if icmp.is_query() => {
                icmp.id.get_or_insert(0);
                icmp.sequence.get_or_insert(0);
            }
            Kind::Icmp(_) | Kind::Udp(_) | Kind::Fragment { .. } | Kind::Other(_) => {}
        }
    }
    Ok(sketch)
}

/// The protocol that a word names, or whose number it is.
fn protocol(word: &str) -> Option<Protocol> {
    let message = (word == message_name(Protocol::ICMPV6)).then_some(Protocol::ICMPV6);
    message.or_else(|| Protocol::by_name(word)).or_else(|| word.parse().ok().map(Protocol))
}

/// Whether the word `fragment` stands behind the next one.
fn is_part(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.next();
    ahead.peek() == "fragment"
}

fn kind(
    cursor: &mut Cursor<'_>,
    protocol: Option<Protocol>,
    ports: Option<Ports>,
    family: Family,
    depth: Depth,
) -> Result<Kind, TextError> {
    match (protocol, ports) {
        (Some(protocol), None) => {
            cursor.next();
            match protocol {
                Protocol::ICMP if family == Family::Ipv4 && cursor.takes("type") => icmp(cursor, family, depth),
                Protocol::ICMPV6 if family == Family::Ipv6 && cursor.takes("type") => icmp(cursor, family, depth),
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

fn icmp(cursor: &mut Cursor<'_>, family: Family, depth: Depth) -> Result<Kind, TextError> {
    let kind = cursor.value("an ICMP type")?;
    cursor.expect("code")?;
    let code = cursor.value("an ICMP code")?;
    let mut sketch = IcmpSketch { family, kind, code, id: None, sequence: None, mtu: None, about: None };
    let is_error = sketch.is_error();
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
                sketch.mtu = Some(match family {
                    Family::Ipv4 => cursor.number(u16::MAX.into(), "an MTU up to 65535")?,
                    Family::Ipv6 => cursor.number(u32::MAX, "an MTU up to 4294967295")?,
                });
            }
            "[" if is_error && depth == Depth::Outer => {
                cursor.next();
                if !cursor.takes("cut") {
                    let here = cursor.clone();
                    let about = ip(cursor, Depth::Quoted)?;
                    if about.header.family() != family {
                        return Err(here.error("a packet of the error's own family"));
                    }
                    sketch.about = Some(Box::new(about));
                }
                cursor.expect("]")?;
            }
            _ => return Ok(Kind::Icmp(sketch)),
        }
    }
}

/// Reads a fact that may stand behind the packet's kind.
fn fact(cursor: &mut Cursor<'_>, sketch: &mut IpSketch) -> Result<(), TextError> {
    if header_fact(cursor, &mut sketch.header)? {
        return Ok(());
    }
    let here = cursor.clone();
    let word = cursor.next();
    match (word, &mut sketch.kind) {
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

/// Reads a fact about the IP header; whether there was one.
fn header_fact(cursor: &mut Cursor<'_>, header: &mut HeaderSketch) -> Result<bool, TextError> {
    let here = cursor.clone();
    let word = cursor.next();
    match (word, header) {
        ("ttl", HeaderSketch::V4(header)) => header.ttl = Some(cursor.value("a TTL up to 255")?),
        ("tos", HeaderSketch::V4(header)) => {
            header.tos = Some(cursor.number(u8::MAX.into(), "a type of service up to 0xff")? as u8);
        }
        ("ipid", HeaderSketch::V4(header)) => {
            header.id = Some(cursor.number(u16::MAX.into(), "an identification up to 0xffff")? as u16);
        }
        ("df", HeaderSketch::V4(header)) => header.dont_fragment = Some(true),
        ("hoplimit", HeaderSketch::V6(header)) => header.hop_limit = Some(cursor.value("a hop limit up to 255")?),
        ("tc", HeaderSketch::V6(header)) => {
            header.traffic_class = Some(cursor.number(u8::MAX.into(), "a traffic class up to 0xff")? as u8);
        }
        ("flowlbl", HeaderSketch::V6(header)) => {
            header.flow_label = Some(cursor.number(Ipv6Header::FLOW_LABEL, "a flow label up to 0xfffff")?);
        }
        ("ipid", HeaderSketch::V6(header)) => {
            header.id = Some(cursor.number(u32::MAX, "an identification up to 0xffffffff")?);
        }
        ("ttl", HeaderSketch::V6(_)) => return Err(here.error("'hoplimit', which IPv6 has instead")),
        ("tos", HeaderSketch::V6(_)) => return Err(here.error("'tc', which IPv6 has instead")),
        ("hoplimit", HeaderSketch::V4(_)) => return Err(here.error("'ttl', which IPv4 has instead")),
        ("tc", HeaderSketch::V4(_)) => return Err(here.error("'tos', which IPv4 has instead")),
        _ => {
            *cursor = here;
            return Ok(false);
        }
    }
    Ok(true)
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
