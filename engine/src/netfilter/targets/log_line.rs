//! The line that `-j LOG` writes, field by field as the kernel does (format: Linux v6.18:
//! `net/netfilter/nf_log_syslog.c`, `nf_log_ip_packet()`, `nf_log_ip6_packet()`).

use alloc::string::String;
use core::{
    fmt::{self, Write},
    net::Ipv4Addr,
};

use zerocopy::FromBytes;

use crate::{
    netfilter::View,
    wire::{
        IcmpHeader, Icmpv6Header, Icmpv6Type, Ipv4Header, Ipv6Header, Protocol, TcpFlags, TcpHeader, UdpHeader,
        icmp::IcmpType,
        ipv6::{FragmentHeader, is_extension},
    },
};

/// What a line tells beside the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) tcp_sequence: bool,
    pub(super) tcp_options: bool,
    pub(super) ip_options: bool,
    /// The owner of the socket that a packet was sent from.
    pub(super) uid: bool,
    /// The link header's addresses by name instead of its bytes.
    pub(super) mac_decode: bool,
}

impl Details {
    /// What the kernel tells of traced packets (Linux: `NF_LOG_DEFAULT_MASK`).
    pub(super) const TRACE: Self =
        Self { tcp_sequence: true, tcp_options: true, ip_options: true, uid: true, mac_decode: false };
}

/// The line for the view's packet, with the blank that the kernel leaves at its end.
pub(super) fn line(prefix: &str, details: Details, view: &View<'_>) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_line(&mut out, prefix, details, view);
    out
}

fn write_line(out: &mut String, prefix: &str, details: Details, view: &View<'_>) -> fmt::Result {
    let name = |id| view.devices.find(id).map_or("", |device| device.name.as_str());
    let (input, output) = (view.input.map_or("", name), view.output.map_or("", name));
    write!(out, "{prefix}IN={input} OUT={output} ")?;
    if view.input.is_some() {
        write_link(out, details, view)?;
    }
    let network = view.packet.network_bytes();
    // Behind the linear bytes nothing is looked at, but lengths count everything.
    let present = network.len() + view.packet.fragments().map(<[u8]>::len).sum::<usize>();
    let part = Part { bytes: network, present };
    match view.packet.ipv6() {
        Some(_) => write_ipv6(out, details, part, false)?,
        None => write_ipv4(out, details, part, false)?,
    }
    if let Some(owner) = view.packet.meta().owner.filter(|_| details.uid) {
        write!(out, "UID={} GID={} ", owner.user, owner.group)?;
    }
    match view.packet.meta().mark {
        0 => Ok(()),
        mark => write!(out, "MARK={mark:#x} "),
    }
}

fn write_link(out: &mut String, details: Details, view: &View<'_>) -> fmt::Result {
    let Some(ethernet) = view.packet.ethernet() else { return out.write_str("MAC= ") };
    if details.mac_decode {
        write!(out, "MACSRC={} MACDST={} ", ethernet.source, ethernet.destination)?;
        if let Some(tag) = view.packet.meta().vlan {
            write!(out, "VPROTO={:04x} VID={} ", tag.tpid, tag.tci & 0x0fff)?;
        }
        return write!(out, "MACPROTO={:04x} ", ethernet.ether_type.get());
    }
    let [high, low] = ethernet.ether_type.get().to_be_bytes();
    write!(out, "MAC={}:{}:{high:02x}:{low:02x} ", ethernet.destination, ethernet.source)
}

/// Bytes of a packet from some header on, and how many there are with those that lie elsewhere.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    present: usize,
}

impl<'a> Part<'a> {
    fn after(self, len: usize) -> Self {
        Part { bytes: self.bytes.get(len..).unwrap_or_default(), present: self.present.saturating_sub(len) }
    }

    fn incomplete(self, out: &mut String) -> fmt::Result {
        write!(out, "INCOMPLETE [{} bytes] ", self.present)
    }

    /// The header at its start, when all of it is there.
    fn header<T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable>(self) -> Option<&'a T> {
        T::ref_from_prefix(self.bytes).ok().map(|(header, _)| header)
    }
}

/// Writes an IP header and what follows it. `quoted`: it stands inside an ICMP error.
fn write_ipv4(out: &mut String, details: Details, part: Part<'_>, quoted: bool) -> fmt::Result {
    let Some(ip) = part.header::<Ipv4Header>() else { return out.write_str("TRUNCATED") };
    let fragment = ip.flags_fragment.get();
    write!(out, "SRC={} DST={} ", ip.source(), ip.destination())?;
    write!(out, "LEN={} TOS=0x{:02X} PREC=0x{:02X} ", ip.total_len, ip.tos & 0x1e, ip.tos & 0xe0)?;
    write!(out, "TTL={} ID={} ", ip.ttl, ip.id)?;
    for (bit, name) in [(0x8000, "CE "), (Ipv4Header::DONT_FRAGMENT, "DF "), (Ipv4Header::MORE_FRAGMENTS, "MF ")] {
        if fragment & bit != 0 {
            out.write_str(name)?;
        }
    }
    let offset = fragment & Ipv4Header::FRAGMENT_OFFSET;
    if offset != 0 {
        write!(out, "FRAG:{offset} ")?;
    }
    if details.ip_options && ip.header_len() > Ipv4Header::LEN {
        match part.bytes.get(Ipv4Header::LEN..ip.header_len()) {
            Some(options) => write_options(out, options)?,
            None => return out.write_str("TRUNCATED"),
        }
    }
    let transport = part.after(ip.header_len());
    match ip.protocol() {
        Protocol::TCP => write_tcp(out, details, transport, offset != 0),
        Protocol::UDP => write_udp(out, "UDP", transport, offset != 0),
        Protocol::UDPLITE => write_udp(out, "UDPLITE", transport, offset != 0),
        Protocol::ICMP => write_icmp(out, details, transport, offset != 0, quoted),
        Protocol::AH if offset != 0 => Ok(()),
        Protocol::AH => write_spi(out, "AH", transport, AH_LEN, 4),
        Protocol::ESP if offset != 0 => out.write_str("PROTO=ESP "),
        Protocol::ESP => write_spi(out, "ESP", transport, ESP_LEN, 0),
        Protocol(number) => write!(out, "PROTO={number} "),
    }
}

/// Writes an IPv6 header, its extension headers and what follows them. `quoted`: it stands inside an ICMPv6 error.
fn write_ipv6(out: &mut String, details: Details, part: Part<'_>, quoted: bool) -> fmt::Result {
    let Some(ip) = part.header::<Ipv6Header>() else { return out.write_str("TRUNCATED") };
    write!(out, "SRC={} DST={} ", Full(ip.source), Full(ip.destination))?;
    let len = usize::from(ip.payload_len.get()) + Ipv6Header::LEN;
    write!(out, "LEN={len} TC={} HOPLIMIT={} FLOWLBL={} ", ip.traffic_class(), ip.hop_limit, ip.flow_label())?;
    let Some(Behind { protocol, part, fragment }) = write_extensions(out, details, ip.next_header(), part)? else {
        return Ok(());
    };
    match protocol {
        Protocol::TCP => write_tcp(out, details, part, fragment),
        Protocol::UDP => write_udp(out, "UDP", part, fragment),
        Protocol::UDPLITE => write_udp(out, "UDPLITE", part, fragment),
        Protocol::ICMPV6 => write_icmpv6(out, details, part, fragment, quoted),
        Protocol(number) => write!(out, "PROTO={number} "),
    }
}

/// What follows extension headers.
struct Behind<'a> {
    protocol: Protocol,
    part: Part<'a>,
    /// It belongs to a fragment that is not the first.
    fragment: bool,
}

/// Writes the extension headers behind the IPv6 header at the start of `part`; `None` when the line ends with them.
fn write_extensions<'a>(
    out: &mut String,
    details: Details,
    first: Protocol,
    part: Part<'a>,
) -> Result<Option<Behind<'a>>, fmt::Error> {
    let mut behind = Behind { protocol: first, part: part.after(Ipv6Header::LEN), fragment: false };
    while behind.protocol == Protocol::ESP || (is_extension(behind.protocol) && behind.protocol != Protocol::NO_NEXT) {
        let rest = behind.part;
        let Some(&[next, len]) = rest.bytes.first_chunk() else {
            out.write_str("TRUNCATED")?;
            return Ok(None);
        };
        let aloud = details.ip_options;
        if aloud {
            out.write_str("OPT ( ")?;
        }
        let header_len = match behind.protocol {
            Protocol::FRAGMENT => {
                let Some(header) = rest.header::<FragmentHeader>() else {
                    out.write_str("FRAG:TRUNCATED ")?;
                    return Ok(None);
                };
                write!(out, "FRAG:{} ", header.offset())?;
                out.write_str(if header.more() { "INCOMPLETE " } else { "" })?;
                write!(out, "ID:{:08x} ", header.id.get())?;
                behind.fragment |= header.offset() > 0;
                FragmentHeader::LEN
            }
            Protocol::AH | Protocol::ESP => {
                let is_last = behind.protocol == Protocol::ESP;
                if aloud && !write_security(out, is_last, rest, behind.fragment)? || is_last {
                    return Ok(None);
                }
                (usize::from(len) + 2) * 4
            }
            _ if behind.fragment => {
                out.write_str(if aloud { ")" } else { "" })?;
                return Ok(None);
            }
            _ => (usize::from(len) + 1) * 8,
        };
        if aloud {
            out.write_str(") ")?;
        }
        behind.protocol = Protocol(next);
        behind.part = rest.after(header_len);
    }
    Ok(Some(behind))
}

/// Writes the security parameter index of AH or ESP; false when the line ends here.
fn write_security(out: &mut String, is_esp: bool, part: Part<'_>, fragment: bool) -> Result<bool, fmt::Error> {
    let (name, len, at) = if is_esp { ("ESP ", ESP_LEN, 0) } else { ("AH ", AH_LEN, 4) };
    out.write_str(name)?;
    if fragment {
        out.write_char(')')?;
        return Ok(false);
    }
    match part.bytes.get(..len).and_then(|header| header.get(at..)?.first_chunk::<4>()) {
        Some(spi) => {
            write!(out, "SPI={:#x} ", u32::from_be_bytes(*spi))?;
            out.write_str(if is_esp { ")" } else { "" })?;
            Ok(true)
        }
        None => {
            write!(out, "INCOMPLETE [{} bytes] )", part.present)?;
            Ok(false)
        }
    }
}

fn write_icmpv6(out: &mut String, details: Details, part: Part<'_>, fragment: bool, quoted: bool) -> fmt::Result {
    out.write_str("PROTO=ICMPv6 ")?;
    if fragment {
        return Ok(());
    }
    let Some(icmp) = part.header::<Icmpv6Header>() else { return part.incomplete(out) };
    write!(out, "TYPE={} CODE={} ", icmp.kind, icmp.code)?;
    let number = u32::from_be_bytes(icmp.rest);
    match icmp.icmp_type() {
        Icmpv6Type::ECHO_REQUEST | Icmpv6Type::ECHO_REPLY => {
            write!(out, "ID={} SEQ={} ", icmp.id(), icmp.sequence())
        }
        Icmpv6Type::UNREACHABLE | Icmpv6Type::TOO_BIG | Icmpv6Type::TIME_EXCEEDED | Icmpv6Type::PARAMETER_PROBLEM => {
            if icmp.icmp_type() == Icmpv6Type::PARAMETER_PROBLEM {
                write!(out, "POINTER={number:08x} ")?;
            }
            if !quoted {
                out.write_char('[')?;
                write_ipv6(out, details, part.after(Icmpv6Header::LEN), true)?;
                out.write_str("] ")?;
            }
            if icmp.icmp_type() == Icmpv6Type::TOO_BIG { write!(out, "MTU={number} ") } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// An IPv6 address in full, as the kernel writes it here: eight groups of four digits.
struct Full([u8; 16]);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (groups, _) = self.0.as_chunks::<2>();
        for (index, [high, low]) in groups.iter().enumerate() {
            write!(f, "{}{high:02x}{low:02x}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

fn write_options(out: &mut String, options: &[u8]) -> fmt::Result {
    out.write_str("OPT (")?;
    options.iter().try_for_each(|byte| write!(out, "{byte:02X}"))?;
    out.write_str(") ")
}

fn write_tcp(out: &mut String, details: Details, part: Part<'_>, fragment: bool) -> fmt::Result {
    out.write_str("PROTO=TCP ")?;
    if fragment {
        return Ok(());
    }
    let Some(tcp) = part.header::<TcpHeader>() else { return part.incomplete(out) };
    write!(out, "SPT={} DPT={} ", tcp.source_port, tcp.destination_port)?;
    if details.tcp_sequence {
        write!(out, "SEQ={} ACK={} ", tcp.seq, tcp.ack)?;
    }
    write!(out, "WINDOW={} RES={:#04x} ", tcp.window, (tcp.data_offset & 0x0f) << 2)?;
    for (flag, name) in FLAGS {
        if tcp.flags.contains(flag) {
            out.write_str(name)?;
        }
    }
    write!(out, "URGP={} ", tcp.urgent)?;
    if details.tcp_options && tcp.header_len() > TcpHeader::LEN {
        return match part.bytes.get(TcpHeader::LEN..tcp.header_len()) {
            Some(options) => write_options(out, options),
            None => out.write_str("OPT (TRUNCATED)"),
        };
    }
    Ok(())
}

fn write_udp(out: &mut String, name: &str, part: Part<'_>, fragment: bool) -> fmt::Result {
    write!(out, "PROTO={name} ")?;
    if fragment {
        return Ok(());
    }
    match part.header::<UdpHeader>() {
        Some(udp) => write!(out, "SPT={} DPT={} LEN={} ", udp.source_port, udp.destination_port, udp.len),
        None => part.incomplete(out),
    }
}

fn write_icmp(out: &mut String, details: Details, part: Part<'_>, fragment: bool, quoted: bool) -> fmt::Result {
    out.write_str("PROTO=ICMP ")?;
    if fragment {
        return Ok(());
    }
    let Some(icmp) = part.header::<IcmpHeader>() else { return part.incomplete(out) };
    write!(out, "TYPE={} CODE={} ", icmp.kind, icmp.code)?;
    let needed = NEEDED.iter().find(|(kind, _)| *kind == icmp.icmp_type()).map_or(0, |(_, bytes)| *bytes);
    if part.present < needed {
        return part.incomplete(out);
    }
    match icmp.icmp_type() {
        IcmpType::ECHO_REPLY | IcmpType::ECHO_REQUEST => write!(out, "ID={} SEQ={} ", icmp.id(), icmp.sequence()),
        IcmpType::PARAMETER_PROBLEM => write!(out, "PARAMETER={} ", icmp.rest[0]),
        kind if kind.is_error() => {
            if kind == IcmpType::REDIRECT {
                write!(out, "GATEWAY={} ", Ipv4Addr::from_octets(icmp.rest))?;
            }
            if !quoted {
                out.write_char('[')?;
                write_ipv4(out, details, part.after(IcmpHeader::LEN), true)?;
                out.write_str("] ")?;
            }
            match (kind, icmp.code) {
                (IcmpType::UNREACHABLE, FRAGMENTATION_NEEDED) => write!(out, "MTU={} ", icmp.sequence()),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Writes the security parameter index that stands `at` bytes into a header of `len` bytes.
fn write_spi(out: &mut String, name: &str, part: Part<'_>, len: usize, at: usize) -> fmt::Result {
    write!(out, "PROTO={name} ")?;
    let spi = part.bytes.get(..len).and_then(|header| header.get(at..)?.first_chunk::<4>());
    match spi {
        Some(spi) => write!(out, "SPI={:#x} ", u32::from_be_bytes(*spi)),
        None => part.incomplete(out),
    }
}

/// Bytes of the fixed parts of AH (RFC 4302) and ESP (RFC 4303).
const AH_LEN: usize = 12;
const ESP_LEN: usize = 8;

const FRAGMENTATION_NEEDED: u8 = 4;

/// In the order of writing.
static FLAGS: [(TcpFlags, &str); 8] = [
    (TcpFlags::CWR, "CWR "),
    (TcpFlags::ECE, "ECE "),
    (TcpFlags::URG, "URG "),
    (TcpFlags::ACK, "ACK "),
    (TcpFlags::PSH, "PSH "),
    (TcpFlags::RST, "RST "),
    (TcpFlags::SYN, "SYN "),
    (TcpFlags::FIN, "FIN "),
];

/// Bytes that a message must have for the kernel to say more than its type.
#[rustfmt::skip]
static NEEDED: [(IcmpType, usize); 11] = [
    (IcmpType::ECHO_REPLY,          4),
    (IcmpType::UNREACHABLE,        28),
    (IcmpType::SOURCE_QUENCH,      28),
    (IcmpType::REDIRECT,           28),
    (IcmpType::ECHO_REQUEST,        4),
    (IcmpType::TIME_EXCEEDED,      28),
    (IcmpType::PARAMETER_PROBLEM,  28),
    (IcmpType::TIMESTAMP,          20),
    (IcmpType::TIMESTAMP_REPLY,    20),
    (IcmpType::ADDRESS_MASK,       12),
    (IcmpType::ADDRESS_MASK_REPLY, 12),
];
