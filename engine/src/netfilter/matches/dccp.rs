//! `-m dccp`: ports, types of packet, options (RFC 4340; Linux v6.18: `net/netfilter/xt_dccp.c`, `dccp_mt()`; reading and printing
//! as iptables 1.8.9 does, `extensions/libxt_dccp.c`).
//!
//! Refused are ranges of ports that fall and ports beyond the last, of which `iptables` makes rules that hold of nothing or of
//! another port, and lists of types that are empty, which it saves so that it cannot read them.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, Matching, PortSets, ports::ANY_PORT};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not, print_ports},
            values,
        },
        walk::Depends,
    },
    packet::Packet,
    wire::Protocol,
};

/// What is asked of a DCCP packet. Everything given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Dccp {
    source: Option<Not<(u16, u16)>>,
    destination: Option<Not<(u16, u16)>>,
    /// One bit for each type of packet.
    types: Option<Not<u16>>,
    option: Option<Not<u8>>,
}

impl Matching for Dccp {
    const SPEC: &'static Spec = &Spec {
        name: "dccp",
        options: &[
            Opt::value(&["source-port", "sport"]).inverting(),
            Opt::value(&["destination-port", "dport"]).inverting(),
            Opt::value(&["dccp-types"]).inverting(),
            Opt::value(&["dccp-option"]).inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::DCCP], "-m dccp", given.column, "`-p dccp`")?;
        let option = |word: &Word| values::ranged(word, 1, 255, "a DCCP option's number from 1 to 255");
        Ok(Self {
            // The tool takes the services of any protocol.
            source: asked(given, "source-port", |word| values::ports(word, None))?,
            destination: asked(given, "destination-port", |word| values::ports(word, None))?,
            types: asked(given, "dccp-types", parse_types)?,
            option: asked(given, "dccp-option", |word| Ok(option(word)? as u8))?,
        })
    }

    fn print(&self, out: &mut String) {
        for (name, range) in [("sport", self.source), ("dport", self.destination)] {
            range.into_iter().for_each(|range| print_ports(out, name, range));
        }
        if let Some(Not { inverted, what }) = self.types {
            print_not(out, inverted);
            out.push_str(" --dccp-types ");
            let names: Vec<&str> = TYPES.iter().filter(|(_, bits)| what & bits != 0).map(|(name, _)| *name).collect();
            out.push_str(&names.join(","));
        }
        if let Some(Not { inverted, what }) = self.option {
            print_not(out, inverted);
            let _ = write!(out, " --dccp-option {what}");
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        let Some(header) = Header::of(view.packet) else { return Answer::Drop };
        let holds = |asked: Option<Not<(u16, u16)>>, port| asked.is_none_or(|asked| asked.holds(&port));
        let is_type = self.types.is_none_or(|types| (types.what & 1 << header.kind != 0) != types.inverted);
        if !holds(self.source, header.source) || !holds(self.destination, header.destination) || !is_type {
            return Answer::No;
        }
        match self.option {
            None => Answer::Yes,
            Some(Not { inverted, what }) => match header.has_option(view.packet, what) {
                Some(found) => Answer::from(found != inverted),
                None if inverted => Answer::Doomed,
                None => Answer::Drop,
            },
        }
    }

    fn covers(&self, narrower: &Self) -> bool {
        let kinds = |types: Option<Not<u16>>| {
            types.map_or(u16::MAX, |types| if types.inverted { !types.what } else { types.what })
        };
        let types = kinds(narrower.types) & !kinds(self.types) == 0;
        let option = self.option.is_none() || self.option == narrower.option;
        self.port_sets().cover(narrower.port_sets()) && types && option
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match Header::of(view.packet) {
            Some(Header { source, destination, kind, .. }) => {
                let name = TYPES.iter().find(|(_, bits)| bits & 1 << kind != 0).map_or("", |(name, _)| name);
                format!("has ports {source} and {destination} and type {name}")
            }
            None => "has no DCCP header".into(),
        }
    }
}

impl Dccp {
    /// Which ports it asks for.
    pub(super) fn port_sets(&self) -> PortSets {
        let sides = [self.source, self.destination].map(|side| side.unwrap_or(ANY_PORT));
        PortSets { sides, is_all: self.types.is_none() && self.option.is_none() }
    }
}

/// What the generic header says (RFC 4340, section 5.1).
struct Header {
    source: u16,
    destination: u16,
    /// Bytes before the payload, as the header says.
    len: usize,
    /// 0 to 15.
    kind: u8,
    /// Sequence numbers have 48 bits.
    extended: bool,
}

impl Header {
    fn of(packet: &Packet) -> Option<Self> {
        let bytes = packet.transport_bytes().first_chunk::<BASIC_BYTES>()?;
        let [a, b, c, d, words, _, _, _, kind, ..] = *bytes;
        Some(Self {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
            len: usize::from(words) * 4,
            kind: kind >> 1 & 0xf,
            extended: kind & 1 != 0,
        })
    }

    /// Where the options start (Linux v6.18: `include/linux/dccp.h`, `__dccp_hdr_len()`).
    fn options_start(&self) -> usize {
        let extension = if self.extended { 4 } else { 0 };
        let of_kind = match self.kind {
            REQUEST => 4,
            DATA => 0,
            ACK..=CLOSE | SYNC | SYNCACK => 8,
            // Response, reset, and what is none.
            _ => 12,
        };
        BASIC_BYTES + extension + of_kind
    }

    /// Whether the options hold one of that number; `None` when they are cut off, or the header says that it ends before them.
    fn has_option(&self, packet: &Packet, wanted: u8) -> Option<bool> {
        let start = self.options_start();
        let len = self.len.checked_sub(start)?;
        let bytes = packet.transport_bytes();
        let mut options = bytes.get(start..).and_then(|rest| rest.get(..len)).or((len == 0).then_some(&[][..]))?;
        while let [number, rest @ ..] = options {
            if *number == wanted {
                return Some(true);
            }
            let skipped = match rest.first() {
                Some(&bytes) if *number >= FIRST_WITH_LENGTH => usize::from(bytes.max(1)),
                Some(_) | None => 1,
            };
            options = options.get(skipped..).unwrap_or_default();
        }
        Some(false)
    }
}

fn asked<T>(given: &Given<'_>, name: &str, read: impl Fn(&Word) -> Result<T, Flaw>) -> Result<Option<Not<T>>, Flaw> {
    let item = given.find(name);
    item.map(|item| Ok(Not { inverted: item.inverted, what: read(item.value())? })).transpose()
}

fn parse_types(word: &Word) -> Result<u16, Flaw> {
    let mut types = 0;
    for name in word.text.split(',').filter(|name| !name.is_empty()) {
        types |= match TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, bits)) => bits,
            None => return Err(Fault::unknown(Noun::Flag, name, TYPES.iter().map(|(name, _)| *name)).at(word.column)),
        };
    }
    if types == 0 { Err(word.bad("a list of types of DCCP packets, such as `REQUEST,RESPONSE`")) } else { Ok(types) }
}

/// The bits of a type that a name stands for.
pub(in crate::netfilter) fn type_bits(name: &str) -> u16 {
    TYPES.iter().find(|(known, _)| *known == name).map_or(0, |(_, bits)| *bits)
}

/// Names, and one bit for each type's number (RFC 4340, section 5.1); the last one stands for all that are reserved.
#[rustfmt::skip]
static TYPES: [(&str, u16); 11] = [
    ("REQUEST",  1 << REQUEST),
    ("RESPONSE", 1 << 1),
    ("DATA",     1 << DATA),
    ("ACK",      1 << ACK),
    ("DATAACK",  1 << 4),
    ("CLOSEREQ", 1 << 5),
    ("CLOSE",    1 << CLOSE),
    ("RESET",    1 << 7),
    ("SYNC",     1 << SYNC),
    ("SYNCACK",  1 << SYNCACK),
    ("INVALID",  0xfc00),
];

const REQUEST: u8 = 0;
const DATA: u8 = 2;
const ACK: u8 = 3;
const CLOSE: u8 = 6;
const SYNC: u8 = 8;
const SYNCACK: u8 = 9;

/// The header up to the low bits of the sequence number.
const BASIC_BYTES: usize = 12;

/// Options from this number on hold their length, theirs and its own bytes included (RFC 4340, section 5.8); Linux takes those
/// from 2 to 31 for such, too.
const FIRST_WITH_LENGTH: u8 = 2;
