//! Writes tables as `iptables-save` does.

use alloc::string::String;
use core::fmt::Write;

use super::Tables;
use crate::{
    conntrack::Counter,
    netfilter::{
        program::Place,
        rule::{Jump, Rule},
    },
};

/// How much is written of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) struct Form {
    /// Each rule's counters stand before it.
    pub(in crate::netfilter) counters: bool,
    /// Also what the tool forgets, so that the same rules are read again.
    pub(in crate::netfilter) whole: bool,
}

/// Writes all tables that were named. `count` gives what a rule has counted so far, or a policy, whose place is behind
/// its chain's rules.
pub(in crate::netfilter) fn print(tables: &Tables, form: Form, count: impl Fn(Place) -> Counter) -> String {
    let mut out = String::new();
    for table in tables.iter() {
        let at = |chain: usize, rule: usize| Place { table: table.name, chain: chain as u32, rule: rule as u32 };
        let _ = writeln!(out, "*{}", table.name.name());
        for (index, chain) in table.chains.iter().enumerate() {
            let _ = match chain.policy {
                Some(policy) => {
                    let Counter { packets, bytes } = count(at(index, chain.rules.len()));
                    let word = if policy.accept { "ACCEPT" } else { "DROP" };
                    writeln!(out, ":{} {word} [{packets}:{bytes}]", chain.name)
                }
                None => writeln!(out, ":{} - [0:0]", chain.name),
            };
        }
        for (chain_index, chain) in table.chains.iter().enumerate() {
            for (index, rule) in chain.rules.iter().enumerate() {
                if form.counters {
                    let Counter { packets, bytes } = count(at(chain_index, index));
                    let _ = write!(out, "[{packets}:{bytes}] ");
                }
                let forgotten = if form.whole && rule.header.any_protocol { " -p all" } else { "" };
                let _ = write!(out, "-A {}{forgotten}", chain.name);
                rule.print(&mut out);
                if let (true, Jump::Target(target)) = (form.whole, &rule.jump) {
                    target.print_forgotten(&mut out);
                }
                out.push('\n');
            }
        }
        out.push_str("COMMIT\n");
    }
    out
}

/// Writes `-A CHAIN …`.
pub(in crate::netfilter) fn print_rule(chain: &str, rule: &Rule, out: &mut String) {
    out.push_str("-A ");
    out.push_str(chain);
    rule.print(out);
}
