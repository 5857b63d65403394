//! `-j REJECT`: drops the packet and answers it (Linux v6.18: `net/ipv4/netfilter/ipt_REJECT.c`, `reject_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::{
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

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Reject(RejectWith);

impl Targeting for Reject {
    const SPEC: &'static Spec = &Spec { name: "REJECT", options: &[Opt::value(&["reject-with"])] };
    const TABLES: &'static [TableName] = &[TableName::Filter];
    const HOOKS: &'static [Hook] = &[Hook::Input, Hook::Forward, Hook::Output];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let Some(item) = given.find("reject-with") else { return Ok(Self(RejectWith::PortUnreachable)) };
        let word = item.value();
        let fits = |name, alias| values::starts(name, &word.text) || values::starts(alias, &word.text);
        let Some((.., with)) = NAMES.iter().find(|(name, alias, _)| fits(name, alias)) else {
            let names = NAMES.iter().map(|(name, ..)| *name);
            return Err(Fault::unknown(Noun::Flag, &word.text, names).at(word.column));
        };
        if *with == RejectWith::TcpReset {
            let needed = "`-p tcp` in the same rule";
            given.header.need_protocol(&[Protocol::TCP], "--reject-with tcp-reset", item.column, needed)?;
        }
        Ok(Self(*with))
    }

    fn print(&self, out: &mut String) {
        let name = NAMES.iter().find(|(.., with)| *with == self.0).map_or("", |(name, ..)| name);
        out.push_str(&format!(" --reject-with {name}"));
    }

    fn apply(&mut self, rule: RuleId, _: &mut View<'_>) -> Next {
        Next::Done(Verdict::Reject(self.0, rule))
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// In the order in which starts of names are looked for.
#[rustfmt::skip]
static NAMES: [(&str, &str, RejectWith); 8] = [
    ("icmp-net-unreachable",   "net-unreach",   RejectWith::NetUnreachable),
    ("icmp-host-unreachable",  "host-unreach",  RejectWith::HostUnreachable),
    ("icmp-proto-unreachable", "proto-unreach", RejectWith::ProtocolUnreachable),
    ("icmp-port-unreachable",  "port-unreach",  RejectWith::PortUnreachable),
    ("icmp-net-prohibited",    "net-prohib",    RejectWith::NetProhibited),
    ("icmp-host-prohibited",   "host-prohib",   RejectWith::HostProhibited),
    ("tcp-reset",              "tcp-rst",       RejectWith::TcpReset),
    ("icmp-admin-prohibited",  "admin-prohib",  RejectWith::AdminProhibited),
];
