//! `-m icmp6`: type and code of an ICMPv6 message (Linux v6.18: `net/ipv6/netfilter/ip6_tables.c`, `icmp6_match()`).

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
        },
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// One type with one code or all, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Icmp6 {
    kind: Kind,
    inverted: bool,
}

impl Icmp6 {
    /// Whether a message of that type may match.
    pub(in crate::netfilter) fn may_be(&self, kind: u8) -> bool {
        match self.kind {
            Kind::Any => !self.inverted,
            Kind::Type(asked) => (asked == kind) != self.inverted,
            Kind::Code(asked, _) => self.inverted || asked == kind,
        }
    }
}

impl Matching for Icmp6 {
    const SPEC: &'static Spec = &Spec { name: "icmp6", options: &[Opt::value(&["icmpv6-type"]).inverting()] };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::ICMPV6], "-m icmp6", given.column, "`-p icmpv6`")?;
        let item = given.need("icmpv6-type", "`--icmpv6-type TYPE[/CODE]`")?;
        let kind = Kind::parse(
            item.value(),
            &NAMES,
            "the start of one ICMPv6 type's name only; write it in full",
            Kind::numbered,
        )?;
        Ok(Self { kind, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --icmpv6-type {}", self.kind.text()));
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

#[rustfmt::skip]
static NAMES: [(&str, Kind); 28] = [
    ("destination-unreachable",    Kind::Type(1)),
    ("no-route",                   Kind::Code(1, 0)),
    ("communication-prohibited",   Kind::Code(1, 1)),
    ("beyond-scope",               Kind::Code(1, 2)),
    ("address-unreachable",        Kind::Code(1, 3)),
    ("port-unreachable",           Kind::Code(1, 4)),
    ("failed-policy",              Kind::Code(1, 5)),
    ("reject-route",               Kind::Code(1, 6)),
    ("packet-too-big",             Kind::Type(2)),
    ("time-exceeded",              Kind::Type(3)),
    ("ttl-exceeded",               Kind::Type(3)),
    ("ttl-zero-during-transit",    Kind::Code(3, 0)),
    ("ttl-zero-during-reassembly", Kind::Code(3, 1)),
    ("parameter-problem",          Kind::Type(4)),
    ("bad-header",                 Kind::Code(4, 0)),
    ("unknown-header-type",        Kind::Code(4, 1)),
    ("unknown-option",             Kind::Code(4, 2)),
    ("echo-request",               Kind::Type(128)),
    ("ping",                       Kind::Type(128)),
    ("echo-reply",                 Kind::Type(129)),
    ("pong",                       Kind::Type(129)),
    ("router-solicitation",        Kind::Type(133)),
    ("router-advertisement",       Kind::Type(134)),
    ("neighbour-solicitation",     Kind::Type(135)),
    ("neighbor-solicitation",      Kind::Type(135)),
    ("neighbour-advertisement",    Kind::Type(136)),
    ("neighbor-advertisement",     Kind::Type(136)),
    ("redirect",                   Kind::Type(137)),
];
