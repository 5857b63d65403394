//! `-j TCPMSS`: lowers the segment size that a SYN offers (Linux v6.18: `net/netfilter/xt_TCPMSS.c`,
//! `tcpmss_mangle_packet()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::{
    conntrack::Family,
    netfilter::{
        Hook, RuleId, Verdict, View,
        error::Flaw,
        matches::Match,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
    },
    packet::{Checksum, Packet},
    wire::{Ipv4Header, Ipv6Header, Protocol, TcpHeader, checksum, tcp_options::TcpOptions},
};

/// What is offered at most.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) enum Tcpmss {
    /// This many bytes.
    Set(u16),
    /// What fits into the MTUs of the ways there and back without options.
    ClampToPathMtu,
}

impl Targeting for Tcpmss {
    const SPEC: &'static Spec =
        &Spec { name: "TCPMSS", options: &[Opt::value(&["set-mss"]), Opt::flag(&["clamp-mss-to-pmtu"])] };

    fn hooks(&self) -> &'static [Hook] {
        match self {
            Self::Set(_) => &Hook::ALL,
            Self::ClampToPathMtu => &[Hook::Forward, Hook::Output, Hook::Postrouting],
        }
    }

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::TCP], "-j TCPMSS", given.column, "`-p tcp` in the same rule")?;
        given.exclusive(&["set-mss", "clamp-mss-to-pmtu"])?;
        let asks_for_syn = |condition: &Match| matches!(condition, Match::Tcp(tcp) if tcp.asks_for_syn());
        if !given.matches.iter().any(asks_for_syn) {
            return Err(given.needs("`--syn` or `--tcp-flags SYN,RST SYN` in the same rule"));
        }
        if given.has("clamp-mss-to-pmtu") {
            return Ok(Self::ClampToPathMtu);
        }
        let item = given.need("set-mss", "`--set-mss BYTES` or `--clamp-mss-to-pmtu`")?;
        let (max, wants) = match given.family {
            Family::Ipv4 => (MSS_MAX, "a number of bytes from 0 to 65515"),
            Family::Ipv6 => (MSS_MAX_V6, "a number of bytes from 0 to 65495"),
        };
        let bytes = values::ranged(item.value(), 0, max, wants)?;
        Ok(Self::Set(bytes as u16))
    }

    fn print(&self, out: &mut String) {
        match self {
            Self::Set(bytes) => out.push_str(&format!(" --set-mss {bytes}")),
            Self::ClampToPathMtu => out.push_str(" --clamp-mss-to-pmtu"),
        }
    }

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        if view.packet.fragment_offset() != 0 {
            return Next::Rule;
        }
        // Linux v6.18: `net/netfilter/xt_TCPMSS.c`, `tcpmss_mangle_packet()`, `skb_ensure_writable()` of all of it.
        if let Some(pieces) = view.packet.pieces_mut() {
            pieces.pull(usize::MAX);
        }
        let lowered = self.most(view).and_then(|most| lower(view.packet, most));
        match lowered {
            Some(()) => Next::Rule,
            None => Next::Done(Verdict::Drop(rule)),
        }
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

impl Tcpmss {
    /// The most that may be offered; `None` when the MTUs leave no room.
    fn most(&self, view: &View<'_>) -> Option<u16> {
        match self {
            Self::Set(bytes) => Some(*bytes),
            Self::ClampToPathMtu => {
                let mtu = |id| view.devices.find(id).map_or(u32::MAX, |device| device.mtu_bytes);
                let least = view.output.map_or(u32::MAX, mtu).min(view.input.map_or(u32::MAX, mtu));
                let room = least.checked_sub(headers(view.packet)).filter(|room| *room > 0)?;
                Some(u16::try_from(room).unwrap_or(u16::MAX))
            }
        }
    }
}

/// Lowers the option to `most`, or adds it where there is none and no data follows. `None`: the header is broken.
fn lower(packet: &mut Packet, most: u16) -> Option<()> {
    let header_len = packet.tcp()?.header_len();
    let partial = matches!(packet.meta().checksum, Checksum::Partial { .. });
    if let Some((at, offered)) = find(packet.transport_bytes().get(..header_len)?) {
        if offered > most {
            let bytes = packet.transport_bytes_mut();
            bytes[at + 2..at + 4].copy_from_slice(&most.to_be_bytes());
            let tcp = packet.tcp_mut()?;
            if !partial {
                tcp.checksum = checksum::update(tcp.checksum, offered.to_be_bytes(), most.to_be_bytes());
            }
        }
        return Some(());
    }
    let has_data = packet.transport_len() > header_len;
    if has_data || header_len >= HEADER_LEN_MAX {
        return Some(());
    }
    // What a sender who offers nothing means (RFC 9293, section 3.7.1).
    let [high, low] = most.min(default_mss(packet)).to_be_bytes();
    add(packet, [TcpOptions::MSS, OPTION_LEN, high, low], partial)
}

/// The place of the option from the header's start, and what it offers. The walk is the kernel's: kinds 0 and 1 take
/// one byte, and so does a length of 0.
fn find(header: &[u8]) -> Option<(usize, u16)> {
    let mut at = TcpHeader::LEN;
    while let Some(&[kind, len, high, low]) = header.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        if kind == TcpOptions::MSS && len == OPTION_LEN {
            return Some((at, u16::from_be_bytes([high, low])));
        }
        at += if kind <= TcpOptions::NOP { 1 } else { usize::from(len.max(1)) };
    }
    None
}

/// Adds an option before the others and mends lengths and checksums.
fn add(packet: &mut Packet, option: [u8; 4], partial: bool) -> Option<()> {
    let before = packet.transport_len() as u16;
    packet.splice_payload(0..0, &[0; 4]).ok()?;
    let bytes = packet.transport_bytes_mut();
    let end = bytes.len();
    bytes.copy_within(TcpHeader::LEN..end - 4, TcpHeader::LEN + 4);
    bytes[TcpHeader::LEN..TcpHeader::LEN + 4].copy_from_slice(&option);
    let tcp = packet.tcp_mut()?;
    let old_offset = [tcp.data_offset, tcp.flags.0];
    tcp.data_offset += 1 << 4;
    let new_offset = [tcp.data_offset, tcp.flags.0];
    let (old_len, new_len) = (before.to_be_bytes(), (before + 4).to_be_bytes());
    tcp.checksum = if partial {
        // Only the pseudo-header stands in the field, not complemented.
        let sum = u16::from_be_bytes(tcp.checksum);
        checksum::add(checksum::add(sum, !before), before + 4).to_be_bytes()
    } else {
        let with_len = checksum::update(tcp.checksum, old_len, new_len);
        let with_option = checksum::update(with_len, [0; 4], option);
        checksum::update(with_option, old_offset, new_offset)
    };
    packet.reparse_transport().ok()
}

/// Bytes of an IP and a TCP header without options.
fn headers(packet: &Packet) -> u32 {
    let ip = if packet.ipv6().is_some() { Ipv6Header::LEN } else { Ipv4Header::LEN };
    (ip + TcpHeader::LEN) as u32
}

/// What a sender means that offers nothing: what fits the least packet that every link carries (RFC 9293, 3.7.1).
fn default_mss(packet: &Packet) -> u16 {
    if packet.ipv6().is_some() { 1220 } else { 536 }
}

const MSS_MAX: u64 = u16::MAX as u64 - Ipv4Header::LEN as u64;
const MSS_MAX_V6: u64 = u16::MAX as u64 - Ipv6Header::LEN as u64;
const HEADER_LEN_MAX: usize = 60;
const OPTION_LEN: u8 = 4;
