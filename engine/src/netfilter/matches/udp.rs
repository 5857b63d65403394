//! `-m udp`: ports (Linux v6.18: `net/netfilter/xt_tcpudp.c`, `udp_mt()`).

use alloc::string::String;

use super::{Answer, Fold, Matching, PortSets, tcp::PortPair};
use crate::{
    netfilter::{
        View,
        error::Flaw,
        program::{
            facts::{Facts, Ports},
            held::Foreseen,
        },
        save::options::{Given, Opt, Spec},
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// What is asked of a UDP header.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Udp(PortPair);

impl Udp {
    /// Which ports it asks for.
    pub(super) const fn port_sets(&self) -> PortSets {
        self.0.sets()
    }

    /// What it says of callers.
    pub(in crate::netfilter) fn foresee(&self, facts: &Facts) -> Foreseen {
        self.0.foresee(facts)
    }
}

impl Matching for Udp {
    const SPEC: &'static Spec = &Spec {
        name: "udp",
        options: &[
            Opt::value(&["source-port", "sport"]).inverting(),
            Opt::value(&["destination-port", "dport"]).inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::UDP], "-m udp", given.column, "`-p udp`")?;
        Ok(Self(PortPair::parse(given, None)?))
    }

    fn print(&self, out: &mut String) {
        self.0.print(out);
    }

    fn print_listed(&self, out: &mut String) {
        self.0.print_listed(out);
    }

    fn test(&mut self, facts: &Facts, _: &mut View<'_>) -> Answer {
        match facts.ports {
            Ports::Evil | Ports::Unreached => Answer::Drop,
            Ports::None => Answer::No,
            Ports::Here => Answer::from(self.0.holds(facts)),
        }
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::SHAPE)
    }

    fn found(&self, facts: &Facts, _: &View<'_>) -> String {
        self.0.found(facts).unwrap_or_default()
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.port_sets().cover(narrower.port_sets())
    }

    fn fold(&self) -> Fold {
        self.0.fold()
    }
}
