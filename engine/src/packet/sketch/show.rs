//! To text.

use core::fmt;

use super::{ArpSketch, IcmpSketch, Ipv4Sketch, Kind, OptionsSketch, Payload, Sketch, TcpSketch};
use crate::wire::icmp::IcmpType;

impl fmt::Display for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp(ArpSketch::Request { target, sender }) => write!(f, "arp who-has {target} tell {sender}"),
            Self::Arp(ArpSketch::Reply { sender, mac }) => write!(f, "arp {sender} is-at {mac}"),
            Self::Ipv4(sketch) => write(f, sketch, false),
        }
    }
}

fn write(f: &mut fmt::Formatter<'_>, sketch: &Ipv4Sketch, quoted: bool) -> fmt::Result {
    let (source, destination) = (sketch.source, sketch.destination);
    match &sketch.kind {
        Kind::Tcp(tcp) => {
            write!(f, "{source}:{} > {destination}:{} tcp", tcp.ports.source, tcp.ports.destination)?;
            write_tcp(f, tcp, quoted)?;
        }
        Kind::Udp(ports) => write!(f, "{source}:{} > {destination}:{} udp", ports.source, ports.destination)?,
        Kind::Icmp(icmp) => {
            write!(f, "{source} > {destination} icmp type {} code {}", icmp.kind, icmp.code)?;
            write_icmp(f, icmp, quoted)?;
        }
        Kind::Fragment { protocol, offset, more } => {
            write!(f, "{source} > {destination} {protocol} fragment {offset}{}", if *more { " more" } else { "" })?;
        }
        Kind::Other(protocol) => write!(f, "{source} > {destination} {protocol}")?,
    }
    write_number(f, "ttl", sketch.ttl)?;
    if let Some(tos) = sketch.tos {
        write!(f, " tos {tos:#x}")?;
    }
    write_number(f, "ipid", sketch.id)?;
    if sketch.dont_fragment == Some(true) {
        f.write_str(" df")?;
    }
    if quoted { Ok(()) } else { write_payload(f, &sketch.payload) }
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
        None if IcmpType(icmp.kind).is_error() && !quoted => f.write_str(" [cut]"),
        None => Ok(()),
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, word: &str, number: Option<impl fmt::Display>) -> fmt::Result {
    number.map_or(Ok(()), |number| write!(f, " {word} {number}"))
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
