//! `-j TRACE`: from here on the packet tells every rule that it matches, as lines like those of LOG (Linux v6.18:
//! `net/netfilter/xt_TRACE.c`; `net/ipv4/netfilter/ip_tables.c`, `trace_packet()`).

use alloc::{format, string::String};

use super::{Next, Targeting, log_line};
use crate::{
    event::Event,
    netfilter::{
        RuleId, TableName, View,
        error::Flaw,
        save::options::{Given, Spec},
    },
};

/// There is nothing to choose.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Trace;

impl Targeting for Trace {
    const SPEC: &'static Spec = &Spec { name: "TRACE", options: &[] };
    const TABLES: &'static [TableName] = &[TableName::Raw];

    fn parse(_: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self)
    }

    fn print(&self, _: &mut String) {}

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        view.packet.meta_mut().traced = true;
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// Where in the rules a traced packet is.
#[derive(Clone, Copy, Debug)]
pub(in crate::netfilter) struct Station<'a> {
    pub(in crate::netfilter) table: TableName,
    pub(in crate::netfilter) chain: &'a str,
    /// `rule`, `return` or `policy`.
    pub(in crate::netfilter) kind: &'static str,
    /// From 1.
    pub(in crate::netfilter) number: usize,
}

/// Tells where a traced packet is.
pub(in crate::netfilter) fn tell(station: Station<'_>, view: &mut View<'_>) {
    if view.around.events.wanted().log {
        let Station { table, chain, kind, number } = station;
        let prefix = format!("TRACE: {}:{chain}:{kind}:{number} ", table.name());
        let line = log_line::line(&prefix, log_line::Details::TRACE, view);
        view.around.events.push(view.now, Event::Log { level: WARNING, line });
    }
}

const WARNING: u8 = 4;
