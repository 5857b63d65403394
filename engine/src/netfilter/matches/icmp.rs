//! `-m icmp`: type and code of a message (Linux v6.18: `net/netfilter/xt_tcpudp.c`, `icmp_match()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::{Depends, Fingerprint},
    },
    wire::{IcmpHeader, Protocol},
};

/// One type with one code or all, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Icmp {
    kind: Kind,
    inverted: bool,
}

/// What a name or number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Type(u8),
    Code(u8, u8),
}

impl Matching for Icmp {
    const SPEC: &'static Spec = &Spec { name: "icmp", options: &[Opt::value(&["icmp-type"]).inverting()] };
    const FAMILY: Option<Family> = Some(Family::Ipv4);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::ICMP], "-m icmp", given.column, "`-p icmp`")?;
        let item = given.need("icmp-type", "`--icmp-type TYPE[/CODE]`")?;
        Ok(Self { kind: Kind::parse(item.value())?, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let text = match self.kind {
            Kind::Any => " --icmp-type any".into(),
            Kind::Type(kind) => format!(" --icmp-type {kind}"),
            Kind::Code(kind, code) => format!(" --icmp-type {kind}/{code}"),
        };
        out.push_str(&text);
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        match view.packet.transport_bytes() {
            bytes @ &[kind, code, ..] if bytes.len() >= IcmpHeader::LEN => {
                Answer::from(self.kind.holds(kind, code) != self.inverted)
            }
            _ => Answer::Drop,
        }
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::SHAPE)
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        match view.packet.transport_bytes() {
            [kind, code, ..] if facts.fragment_offset == 0 => format!("has type {kind} code {code}"),
            _ => "is a fragment without type".into(),
        }
    }
}

impl Kind {
    const fn holds(self, kind: u8, code: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Type(asked) => asked == kind,
            Self::Code(asked, asked_code) => asked == kind && asked_code == code,
        }
    }

    /// Reads `type`, `type/code` or a name, of which a start that fits one name only suffices.
    fn parse(word: &Word) -> Result<Self, Flaw> {
        let number = |text| values::number(text).and_then(|value| u8::try_from(value).ok());
        let numeric = match word.text.split_once('/') {
            Some((kind, code)) => number(kind).zip(number(code)).map(|(kind, code)| Self::of_code(kind, code)),
            None => number(&word.text).map(Self::of_type),
        };
        if let Some(kind) = numeric {
            return Ok(kind);
        }
        let mut found = NAMES.iter().filter(|(name, _)| values::starts(name, &word.text));
        let whole = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
        match (whole, found.next(), found.next()) {
            (Some((_, kind)), ..) | (None, Some((_, kind)), None) => Ok(*kind),
            (None, Some(_), Some(_)) => Err(word.bad("the start of one ICMP type's name only; write it in full")),
            (None, None, _) => {
                let names = NAMES.iter().map(|(name, _)| *name);
                Err(Fault::unknown(Noun::Flag, &word.text, names).at(word.column))
            }
        }
    }

    const fn of_code(kind: u8, code: u8) -> Self {
        if kind == 0xff { Self::Any } else { Self::Code(kind, code) }
    }

    /// The kernel takes 255 for "any".
    const fn of_type(kind: u8) -> Self {
        if kind == 0xff { Self::Any } else { Self::Type(kind) }
    }
}

/// The type and code that a name in a set stands for (ipset: `icmp_names`).
pub(in crate::netfilter) fn icmp_number(name: &str) -> Option<(u8, u8)> {
    match NAMES.iter().find(|(known, _)| *known == name)?.1 {
        Kind::Any => None,
        Kind::Type(kind) => Some((kind, 0)),
        Kind::Code(kind, code) => Some((kind, code)),
    }
}

/// The name that sets have for a type and code.
pub(in crate::netfilter) fn icmp_names(kind: u8, code: u8) -> Option<&'static str> {
    let exact = NAMES.iter().find(|(_, known)| *known == Kind::Code(kind, code));
    let of_type = || NAMES.iter().find(|(_, known)| code == 0 && *known == Kind::Type(kind));
    exact.or_else(of_type).map(|(name, _)| *name)
}

#[rustfmt::skip]
static NAMES: [(&str, Kind); 40] = [
    ("any",                        Kind::Any),
    ("echo-reply",                 Kind::Type(0)),
    ("pong",                       Kind::Type(0)),
    ("destination-unreachable",    Kind::Type(3)),
    ("network-unreachable",        Kind::Code(3, 0)),
    ("host-unreachable",           Kind::Code(3, 1)),
    ("protocol-unreachable",       Kind::Code(3, 2)),
    ("port-unreachable",           Kind::Code(3, 3)),
    ("fragmentation-needed",       Kind::Code(3, 4)),
    ("source-route-failed",        Kind::Code(3, 5)),
    ("network-unknown",            Kind::Code(3, 6)),
    ("host-unknown",               Kind::Code(3, 7)),
    ("network-prohibited",         Kind::Code(3, 9)),
    ("host-prohibited",            Kind::Code(3, 10)),
    ("TOS-network-unreachable",    Kind::Code(3, 11)),
    ("TOS-host-unreachable",       Kind::Code(3, 12)),
    ("communication-prohibited",   Kind::Code(3, 13)),
    ("host-precedence-violation",  Kind::Code(3, 14)),
    ("precedence-cutoff",          Kind::Code(3, 15)),
    ("source-quench",              Kind::Type(4)),
    ("redirect",                   Kind::Type(5)),
    ("network-redirect",           Kind::Code(5, 0)),
    ("host-redirect",              Kind::Code(5, 1)),
    ("TOS-network-redirect",       Kind::Code(5, 2)),
    ("TOS-host-redirect",          Kind::Code(5, 3)),
    ("echo-request",               Kind::Type(8)),
    ("ping",                       Kind::Type(8)),
    ("router-advertisement",       Kind::Type(9)),
    ("router-solicitation",        Kind::Type(10)),
    ("time-exceeded",              Kind::Type(11)),
    ("ttl-exceeded",               Kind::Type(11)),
    ("ttl-zero-during-transit",    Kind::Code(11, 0)),
    ("ttl-zero-during-reassembly", Kind::Code(11, 1)),
    ("parameter-problem",          Kind::Type(12)),
    ("ip-header-bad",              Kind::Code(12, 0)),
    ("required-option-missing",    Kind::Code(12, 1)),
    ("timestamp-request",          Kind::Type(13)),
    ("timestamp-reply",            Kind::Type(14)),
    ("address-mask-request",       Kind::Type(17)),
    ("address-mask-reply",         Kind::Type(18)),
];
