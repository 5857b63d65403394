//! `-j REJECT`: drops the packet and answers it (Linux v6.18: `net/ipv4/netfilter/ipt_REJECT.c`, `reject_tg()`;
//! `net/ipv6/netfilter/ip6t_REJECT.c`, `reject_tg6()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::{
    conntrack::Family,
    netfilter::{
        Hook, RejectWith, RuleId, TableName, Verdict, View,
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Opt, Spec},
            values,
        },
    },
    wire::Protocol,
};

/// What is answered, and in which family.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Reject(RejectWith, Family);

impl Targeting for Reject {
    const SPEC: &'static Spec = &Spec { name: "REJECT", options: &[Opt::value(&["reject-with"])] };
    const TABLES: &'static [TableName] = &[TableName::Filter];
    const HOOKS: &'static [Hook] = &[Hook::Input, Hook::Forward, Hook::Output];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let all = names(given.family);
        let Some(item) = given.find("reject-with") else {
            let port_unreachable = if given.family == Family::Ipv4 { 3 } else { 4 };
            return Ok(Self(RejectWith::Unreachable(port_unreachable), given.family));
        };
        let word = item.value();
        let fits = |name, alias| values::starts(name, &word.text) || values::starts(alias, &word.text);
        let Some((.., with)) = all.iter().find(|(name, alias, _)| fits(name, alias)) else {
            let names = all.iter().map(|(name, ..)| *name);
            return Err(Fault::unknown(Noun::Flag, &word.text, names).at(word.column));
        };
        if *with == RejectWith::TcpReset {
            let needed = "`-p tcp` in the same rule";
            given.header.need_protocol(&[Protocol::TCP], "--reject-with tcp-reset", item.column, needed)?;
        }
        Ok(Self(*with, given.family))
    }

    fn print(&self, out: &mut String) {
        let name = names(self.1).iter().find(|(.., with)| *with == self.0).map_or("", |(name, ..)| name);
        out.push_str(&format!(" --reject-with {name}"));
    }

    fn apply(&mut self, rule: RuleId, _: &mut View<'_>) -> Next {
        Next::Done(Verdict::Reject(self.0, rule))
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

const fn names(family: Family) -> &'static [(&'static str, &'static str, RejectWith)] {
    match family {
        Family::Ipv4 => &NAMES,
        Family::Ipv6 => &NAMES_V6,
    }
}

/// In the order in which starts of names are looked for. Codes: RFC 792, RFC 1812.
#[rustfmt::skip]
static NAMES: [(&str, &str, RejectWith); 8] = [
    ("icmp-net-unreachable",   "net-unreach",   RejectWith::Unreachable(0)),
    ("icmp-host-unreachable",  "host-unreach",  RejectWith::Unreachable(1)),
    ("icmp-proto-unreachable", "proto-unreach", RejectWith::Unreachable(2)),
    ("icmp-port-unreachable",  "port-unreach",  RejectWith::Unreachable(3)),
    ("icmp-net-prohibited",    "net-prohib",    RejectWith::Unreachable(9)),
    ("icmp-host-prohibited",   "host-prohib",   RejectWith::Unreachable(10)),
    ("tcp-reset",              "tcp-rst",       RejectWith::TcpReset),
    ("icmp-admin-prohibited",  "admin-prohib",  RejectWith::Unreachable(13)),
];

/// The same for `ip6tables`. Codes: RFC 4443, section 3.1.
#[rustfmt::skip]
static NAMES_V6: [(&str, &str, RejectWith); 7] = [
    ("icmp6-no-route",         "no-route",       RejectWith::Unreachable(0)),
    ("icmp6-adm-prohibited",   "adm-prohibited", RejectWith::Unreachable(1)),
    ("icmp6-addr-unreachable", "addr-unreach",   RejectWith::Unreachable(3)),
    ("icmp6-port-unreachable", "port-unreach",   RejectWith::Unreachable(4)),
    ("tcp-reset",              "tcp-reset",      RejectWith::TcpReset),
    ("icmp6-policy-fail",      "policy-fail",    RejectWith::Unreachable(5)),
    ("icmp6-reject-route",     "reject-route",   RejectWith::Unreachable(6)),
];
