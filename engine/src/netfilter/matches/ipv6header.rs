//! `-m ipv6header`: which extension headers an IPv6 packet has (Linux v6.18: `net/ipv6/netfilter/ip6t_ipv6header.c`,
//! `ipv6header_mt6()`; names as iptables 1.8.9 has them, `extensions/libip6t_ipv6header.c`).

use alloc::string::String;

use super::{Answer, Matching, extension};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::Depends,
    },
    packet::Packet,
    wire::{Ipv6Header, Protocol, ipv6::is_extension},
};

/// Headers that have to be there, all of them and no others, or, `soft`, at least these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Headers {
    wanted: Not<u8>,
    soft: bool,
}

/// The bit of each header, its number, and its names: the one that is printed first.
#[rustfmt::skip]
static NAMES: [(u8, u8, &[&str]); 8] = [
    (0x80, 0,   &["hop-by-hop", "hop"]),
    (0x40, 60,  &["ipv6-opts", "dst"]),
    (0x20, 43,  &["ipv6-route", "route"]),
    (0x10, 44,  &["ipv6-frag", "frag"]),
    (0x08, 51,  &["ah", "auth"]),
    (0x04, 50,  &["esp"]),
    (0x02, 59,  &["ipv6-nonxt", "none"]),
    (0x01, 255, &["protocol", "prot"]),
];

impl Matching for Headers {
    const SPEC: &'static Spec =
        &Spec { name: "ipv6header", options: &[Opt::value(&["header"]).inverting(), Opt::flag(&["soft"])] };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("header", "`--header NAMES`")?;
        let wanted = Not { inverted: item.inverted, what: parse_headers(item.value())? };
        Ok(Self { wanted, soft: given.has("soft") })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.wanted.inverted);
        out.push_str(" --header ");
        print_headers(self.wanted.what, out);
        out.push_str(if self.soft { " --soft" } else { "" });
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Not { inverted, what } = self.wanted;
        match headers(view.packet) {
            Err(answer) => answer,
            Ok(found) if self.soft && inverted => Answer::from(found & what == 0),
            Ok(found) if self.soft => Answer::from(found & what == what),
            Ok(found) => Answer::from((found == what) != inverted),
        }
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let mut text = String::from("has ");
        print_headers(headers(view.packet).unwrap_or(0), &mut text);
        text
    }
}

/// The bits of the headers that a packet has. What follows an extension header that is longer than the packet is taken for
/// an upper layer, as in Linux.
fn headers(packet: &Packet) -> Result<u8, Answer> {
    let Some(ip) = packet.ipv6() else { return Err(Answer::No) };
    let mut bytes = packet.network_bytes().get(Ipv6Header::LEN..).unwrap_or_default();
    let (mut found, mut protocol) = (0, ip.next_header());
    loop {
        match (protocol, bytes) {
            (Protocol::NO_NEXT, _) => return Ok(found | bit(protocol)),
            (Protocol::ESP, [_, _, ..]) => return Ok(found | bit(protocol)),
            (_, _) if protocol != Protocol::ESP && !is_extension(protocol) => return Ok(found | UPPER_LAYER),
            (_, &[next, len, ..]) => {
                found |= bit(protocol);
                let rest = bytes.get(extension::header_len(protocol, len)..);
                protocol = Protocol(next);
                match rest {
                    Some(rest) => bytes = rest,
                    None if matches!(protocol, Protocol::NO_NEXT | Protocol::ESP) => return Ok(found),
                    None => return Ok(found | UPPER_LAYER),
                }
            }
            (_, _) => return Err(Answer::No),
        }
    }
}

fn bit(protocol: Protocol) -> u8 {
    NAMES.iter().find(|(_, number, _)| *number == protocol.0).map_or(0, |(bit, ..)| *bit)
}

fn parse_headers(word: &Word) -> Result<u8, Flaw> {
    let one = |text: &str| {
        let number = values::number(text);
        let named = |(_, known, names): &&(u8, u8, &[&str])| names.contains(&text) || number == Some((*known).into());
        let found = NAMES.iter().find(named).map(|(bit, ..)| *bit);
        found.ok_or_else(|| word.bad("extension headers by name or number, with commas between them"))
    };
    word.text.split(',').try_fold(0, |bits, text| Ok(bits | one(text)?))
}

/// The bits of headers as they are printed: names with commas between them.
pub(in crate::netfilter) fn header_bits(names: &str) -> u8 {
    let bit = |name: &str| NAMES.iter().find(|(_, _, known)| known[0] == name).map_or(0, |(bit, ..)| *bit);
    names.split(',').map(bit).sum()
}

fn print_headers(bits: u8, out: &mut String) {
    let names = NAMES.iter().filter(|(bit, ..)| bits & bit != 0).map(|(_, _, names)| names[0]);
    for (index, name) in names.enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(name);
    }
}

/// Something else follows.
const UPPER_LAYER: u8 = 0x01;
