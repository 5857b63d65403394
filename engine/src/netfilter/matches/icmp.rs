//! `-m icmp`: type and code of a message (Linux v6.18: `net/netfilter/xt_tcpudp.c`, `icmp_match()`).

use alloc::{format, string::String};

use super::{
    Answer, Matching,
    icmp_kind::{self, Kind},
};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::print_not,
            values,
        },
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// One type with one code or all, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Icmp {
    kind: Kind,
    /// The code beside a type that stands for any: it is listed, and nothing else.
    code: Option<u8>,
    inverted: bool,
}

impl Matching for Icmp {
    const SPEC: &'static Spec = &Spec { name: "icmp", options: &[Opt::value(&["icmp-type"]).inverting()] };
    const FAMILY: Option<Family> = Some(Family::Ipv4);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::ICMP], "-m icmp", given.column, "`-p icmp`")?;
        let item = given.need("icmp-type", "`--icmp-type TYPE[/CODE]`")?;
        let kind =
            Kind::parse(item.value(), &NAMES, "the start of one ICMP type's name only; write it in full", numbered)?;
        let code = item.value().text.split_once('/').and_then(|(_, code)| values::number(code));
        let code = code.filter(|_| kind == Kind::Any).map(|code| code as u8);
        Ok(Self { kind, code, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --icmp-type {}", self.kind.text()));
    }

    fn print_listed(&self, out: &mut String) {
        self.print(out);
        if let Some(code) = self.code {
            out.push_str(&format!("/{code}"));
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        self.kind.test(self.inverted, facts, view)
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.kind.covers(self.inverted, narrower.kind, narrower.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::SHAPE)
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        icmp_kind::found(facts, view)
    }
}

/// The kernel takes a type of 255 for "any".
const fn numbered(kind: u8, code: Option<u8>) -> Kind {
    if kind == 0xff { Kind::Any } else { Kind::numbered(kind, code) }
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
