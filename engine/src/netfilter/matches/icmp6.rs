//! `-m icmp6`: type and code of an ICMPv6 message (Linux v6.18: `net/ipv6/netfilter/ip6_tables.c`, `icmp6_match()`).

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
    wire::{Icmpv6Header, Protocol},
};

/// One type with one code or all, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Icmp6 {
    kind: u8,
    /// `None`: any.
    code: Option<u8>,
    inverted: bool,
}

impl Matching for Icmp6 {
    const SPEC: &'static Spec = &Spec { name: "icmp6", options: &[Opt::value(&["icmpv6-type"]).inverting()] };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::ICMPV6], "-m icmp6", given.column, "`-p icmpv6`")?;
        let item = given.need("icmpv6-type", "`--icmpv6-type TYPE[/CODE]`")?;
        let (kind, code) = parse_type(item.value())?;
        Ok(Self { kind, code, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let text = match self.code {
            None => format!(" --icmpv6-type {}", self.kind),
            Some(code) => format!(" --icmpv6-type {}/{code}", self.kind),
        };
        out.push_str(&text);
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        match view.packet.transport_bytes() {
            bytes @ &[kind, code, ..] if bytes.len() >= Icmpv6Header::LEN => {
                let holds = kind == self.kind && self.code.is_none_or(|asked| asked == code);
                Answer::from(holds != self.inverted)
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

/// Reads `type`, `type/code` or a name, of which a start that fits one name only suffices.
fn parse_type(word: &Word) -> Result<(u8, Option<u8>), Flaw> {
    let number = |text| values::number(text).and_then(|value| u8::try_from(value).ok());
    let numeric = match word.text.split_once('/') {
        Some((kind, code)) => number(kind).zip(number(code)).map(|(kind, code)| (kind, Some(code))),
        None => number(&word.text).map(|kind| (kind, None)),
    };
    if let Some(found) = numeric {
        return Ok(found);
    }
    let mut found = NAMES.iter().filter(|(name, ..)| values::starts(name, &word.text));
    let whole = NAMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&word.text));
    match (whole, found.next(), found.next()) {
        (Some(&(_, kind, code)), ..) | (None, Some(&(_, kind, code)), None) => Ok((kind, code)),
        (None, Some(_), Some(_)) => Err(word.bad("the start of one ICMPv6 type's name only; write it in full")),
        (None, None, _) => {
            let names = NAMES.iter().map(|(name, ..)| *name);
            Err(Fault::unknown(Noun::Flag, &word.text, names).at(word.column))
        }
    }
}

#[rustfmt::skip]
static NAMES: [(&str, u8, Option<u8>); 28] = [
    ("destination-unreachable",      1, None),
    ("no-route",                     1, Some(0)),
    ("communication-prohibited",     1, Some(1)),
    ("beyond-scope",                 1, Some(2)),
    ("address-unreachable",          1, Some(3)),
    ("port-unreachable",             1, Some(4)),
    ("failed-policy",                1, Some(5)),
    ("reject-route",                 1, Some(6)),
    ("packet-too-big",               2, None),
    ("time-exceeded",                3, None),
    ("ttl-exceeded",                 3, None),
    ("ttl-zero-during-transit",      3, Some(0)),
    ("ttl-zero-during-reassembly",   3, Some(1)),
    ("parameter-problem",            4, None),
    ("bad-header",                   4, Some(0)),
    ("unknown-header-type",          4, Some(1)),
    ("unknown-option",               4, Some(2)),
    ("echo-request",               128, None),
    ("ping",                       128, None),
    ("echo-reply",                 129, None),
    ("pong",                       129, None),
    ("router-solicitation",        133, None),
    ("router-advertisement",       134, None),
    ("neighbour-solicitation",     135, None),
    ("neighbor-solicitation",      135, None),
    ("neighbour-advertisement",    136, None),
    ("neighbor-advertisement",     136, None),
    ("redirect",                   137, None),
];
