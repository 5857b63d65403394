//! To text.

use core::fmt;

use super::{ArpSketch, HeaderSketch, IcmpSketch, IpSketch, Kind, OptionsSketch, Payload, Sketch, TcpSketch};
use crate::{conntrack::Family, packet::text::message_name, wire::Protocol};

impl fmt::Display for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp(ArpSketch::Request { target, sender }) => write!(f, "arp who-has {target} tell {sender}"),
            Self::Arp(ArpSketch::Reply { sender, mac }) => write!(f, "arp {sender} is-at {mac}"),
            Self::Ip(sketch) => write(f, sketch, false),
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, sketch: &IpSketch, quoted: bool) -> fmt::Result {
    let (source, destination) = (sketch.header.source(), sketch.header.destination());
    match &sketch.kind {
        Kind::Tcp(tcp) => {
            write!(f, "{source}:{} > {destination}:{} tcp", tcp.ports.source, tcp.ports.destination)?;
            write_tcp(f, tcp, quoted)?;
        }
        Kind::Udp(ports) => write!(f, "{source}:{} > {destination}:{} udp", ports.source, ports.destination)?,
        Kind::Icmp(icmp) => {
            let name = message_name(icmp.protocol());
            write!(f, "{source} > {destination} {name} type {} code {}", icmp.kind, icmp.code)?;
            write_icmp(f, icmp, quoted)?;
        }
        Kind::Fragment { protocol, offset, more } => {
            write!(f, "{source} > {destination} {protocol} fragment {offset}{}", if *more { " more" } else { "" })?;
        }
        // With its name, the addresses could be read with ports.
        Kind::Other(protocol @ (Protocol::TCP | Protocol::UDP)) if sketch.header.family() == Family::Ipv6 => {
            write!(f, "{source} > {destination} {}", protocol.0)?;
        }
        Kind::Other(protocol) => write!(f, "{source} > {destination} {protocol}")?,
    }
    write_header(f, &sketch.header)?;
    if quoted { Ok(()) } else { write_payload(f, &sketch.payload) }
}

fn write_header(f: &mut fmt::Formatter<'_>, header: &HeaderSketch) -> fmt::Result {
    match header {
        HeaderSketch::V4(header) => {
            write_number(f, "ttl", header.ttl)?;
            write_bits(f, "tos", header.tos)?;
            write_number(f, "ipid", header.id)?;
            if header.dont_fragment == Some(true) { f.write_str(" df") } else { Ok(()) }
        }
        HeaderSketch::V6(header) => {
            write_number(f, "hoplimit", header.hop_limit)?;
            write_bits(f, "tc", header.traffic_class)?;
            write_bits(f, "flowlbl", header.flow_label)?;
            write_number(f, "ipid", header.id)
        }
    }
}

fn write_tcp(f: &mut fmt::Formatter<'_>, tcp: &TcpSketch, quoted: bool) -> fmt::Result {
    if !quoted {
        write!(f, " {}", tcp.flags)?;
    }
    write_number(f, "seq", tcp.seq)?;
    if !quoted {
        write_number(f, "ack", tcp.ack)?;
    }
    write_number(f, "win", tcp.window)?;
    let OptionsSketch { mss, window_scale, sack_permitted, timestamps, sack } = &tcp.options;
    write_number(f, "mss", *mss)?;
    write_number(f, "wscale", *window_scale)?;
    if *sack_permitted {
        f.write_str(" sackok")?;
    }
    if let Some((value, echo)) = timestamps {
        write!(f, " ts {value}/{echo}")?;
    }
    for (index, (left, right)) in sack.iter().enumerate() {
        write!(f, "{}{left}-{right}", if index == 0 { " sack " } else { "," })?;
    }
    Ok(())
}

fn write_icmp(f: &mut fmt::Formatter<'_>, icmp: &IcmpSketch, quoted: bool) -> fmt::Result {
    write_number(f, "id", icmp.id)?;
    write_number(f, "seq", icmp.sequence.filter(|_| !quoted))?;
    write_number(f, "mtu", icmp.mtu)?;
    match &icmp.about {
        Some(about) => {
            f.write_str(" [")?;
            write(f, about, true)?;
            f.write_str("]")
        }
        None if icmp.is_error() && !quoted => f.write_str(" [cut]"),
        None => Ok(()),
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, word: &str, number: Option<impl fmt::Display>) -> fmt::Result {
    number.map_or(Ok(()), |number| write!(f, " {word} {number}"))
}

fn write_bits(f: &mut fmt::Formatter<'_>, word: &str, bits: Option<impl fmt::LowerHex>) -> fmt::Result {
    bits.map_or(Ok(()), |bits| write!(f, " {word} {bits:#x}"))
}

fn write_payload(f: &mut fmt::Formatter<'_>, payload: &Payload) -> fmt::Result {
    match payload {
        Payload::Length(0) => Ok(()),
        Payload::Length(len) => write!(f, " len {len}"),
        Payload::Bytes(bytes) if bytes.is_empty() => Ok(()),
        // Longer ones say nothing to a reader.
        Payload::Bytes(bytes) if bytes.len() > SHOWN_BYTES_MAX => write!(f, " len {}", bytes.len()),
        Payload::Bytes(bytes) => {
            f.write_str(" data \"")?;
            for &byte in bytes {
                match byte {
                    b'\r' => f.write_str("\\r")?,
                    b'\n' => f.write_str("\\n")?,
                    b'\\' => f.write_str("\\\\")?,
                    b'"' => f.write_str("\\\"")?,
                    b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                    byte => write!(f, "\\x{byte:02x}")?,
                }
            }
            f.write_str("\"")
        }
    }
}

/// Payloads up to this length are shown as they are.
const SHOWN_BYTES_MAX: usize = 256;
