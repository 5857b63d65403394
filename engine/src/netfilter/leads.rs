//! Where rules lead connections that come in, to find the way back from there: what somebody has called who arrives at a host inside.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{
    Hook, RuleSet, TableName,
    rule::{Jump, Rule},
    table::{Policy, Table},
    targets::Target,
};
use crate::{limits::LEADS_MAX, nat::NatRange, wire::Protocol};

/// What a DNAT rule in PREROUTING, with the rules that lead to its chain, asks of those that call, and where it leads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The only protocol, if one is asked for.
    pub protocol: Option<Protocol>,
    /// The only address that they call, if one is asked for.
    pub called: Option<IpAddr>,
    /// The lowest and the highest port that they call, if ports are asked for; others between them need not be meant.
    pub ports: Option<(u16, u16)>,
    /// The first and the last address that they are led to.
    pub addresses: (IpAddr, IpAddr),
    /// Addresses and ports as the rule has them.
    range: NatRange,
}

impl Lead {
    /// The port that they have called who are led to that one, the same where no port is asked for; `None`: they are not led there, or it
    /// may have been one of several.
    #[must_use]
    pub fn port_called(&self, port: u16) -> Option<u16> {
        let Some((low, high)) = self.range.ports else { return Some(port) };
        if !(low..=high).contains(&port) {
            return None;
        }
        match (self.range.base, self.ports) {
            (Some(base), _) => Some(base.wrapping_add(port - low)),
            (None, Some((first, last))) if first == last => Some(first),
            // Ports that the rule leads to are kept; of others it cannot be told which one it was.
            (None, Some((first, last))) => (low <= first && last <= high).then_some(port),
            (None, None) => Some(port),
        }
    }

    /// The same with what a rule asks of those who come to it this way.
    fn of_those(self, rule: &Rule) -> Self {
        let called = rule.header.destination.filter(|destination| !destination.inverted);
        let ports = rule.matches.iter().filter_map(|asked| asked.ports()).map(|(_, called)| called);
        let ports = ports.filter(|ports| *ports != (0, u16::MAX));
        Self {
            protocol: rule.header.only_protocol().or(self.protocol),
            called: called.and_then(|destination| destination.what.host()).or(self.called),
            ports: ports.fold(self.ports, |before, (low, high)| match before {
                Some((first, last)) => Some((low.max(first), high.min(last))),
                None => Some((low, high)),
            }),
            ..self
        }
    }
}

impl RuleSet {
    /// What DNAT rules lead to that packets can get to in PREROUTING, in the order in which those are asked: at most [`LEADS_MAX`], of as
    /// many rules that are looked at.
    #[must_use]
    pub fn leads(&self) -> Vec<Lead> {
        let Some(nat) = &self.tables().tables[TableName::Nat as usize] else { return Vec::new() };
        let is_first = |hook| move |policy: Policy| policy.hook == hook;
        let first = nat.chains.iter().position(|chain| chain.policy.is_some_and(is_first(Hook::Prerouting)));
        first.map_or_else(Vec::new, |first| leads(nat, first))
    }
}

/// The leads of a chain and of those that it leads to.
fn leads(table: &Table, first: usize) -> Vec<Lead> {
    let anybody = Lead {
        protocol: None,
        called: None,
        ports: None,
        addresses: (IpAddr::V4([0; 4].into()), IpAddr::V4([0; 4].into())),
        range: NatRange::default(),
    };
    let mut leads = Vec::new();
    // Chains that are not at their ends, with their next rules and who comes there. No chain leads back to itself.
    let mut open = Vec::from([(first, 0, anybody)]);
    for _ in 0..LEADS_MAX {
        let Some((chain, next, those)) = open.last_mut() else { break };
        let Some(rule) = table.chains.get(*chain).and_then(|chain| chain.rules.get(*next)) else {
            open.pop();
            continue;
        };
        *next += 1;
        let those = those.of_those(rule);
        if let Jump::Target(Target::Dnat(dnat)) = &rule.jump {
            let (range, family) = dnat.range();
            leads.extend(range.addresses.map(|(low, high)| Lead {
                addresses: (low.to_ip(family), high.to_ip(family)),
                range: *range,
                ..those
            }));
        } else if let Some(chain) = rule.jump.chain().and_then(|name| table.find(name)) {
            open.push((chain, 0, those));
        }
    }
    leads
}
