//! `-m iprange`: addresses from one to another (Linux v6.18: `net/netfilter/xt_iprange.c`, `iprange_mt4()`, `iprange_mt6()`).

use alloc::{format, string::String};
use core::{fmt::Write, net::IpAddr};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, Written, print_not},
            values,
        },
        walk::Depends,
    },
};

/// First and last address, of the source, of the destination or of both.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Iprange {
    source: Option<Not<(IpAddr, IpAddr)>>,
    destination: Option<Not<(IpAddr, IpAddr)>>,
}

impl Matching for Iprange {
    const SPEC: &'static Spec = &Spec {
        name: "iprange",
        options: &[Opt::value(&["src-range"]).inverting(), Opt::value(&["dst-range"]).inverting()],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.need_any("`--src-range` or `--dst-range`")?;
        let range = |name| match given.find(name) {
            Some(item) => Ok(Some(Not { inverted: item.inverted, what: parse_range(item.value(), given.family)? })),
            None => Ok(None),
        };
        Ok(Self { source: range("src-range")?, destination: range("dst-range")? })
    }

    fn print(&self, out: &mut String) {
        for (name, range) in [("src-range", self.source), ("dst-range", self.destination)] {
            if let Some(Not { inverted, what: (first, last) }) = range {
                print_not(out, inverted);
                let _ = write!(out, " --{name} {}-{}", Written(first), Written(last));
            }
        }
    }

    fn test(&mut self, facts: &Facts, _: &mut View<'_>) -> Answer {
        Answer::from(holds(self.source, facts.source_ip()) && holds(self.destination, facts.destination_ip()))
    }

    fn covers(&self, narrower: &Self) -> bool {
        let covers = |asked: &Option<Not<_>>, known: &Option<Not<_>>| match (asked, known) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(asked), Some(known)) => asked.covers(known),
        };
        covers(&self.source, &narrower.source) && covers(&self.destination, &narrower.destination)
    }

    fn depends(&self) -> Depends {
        Depends::FLOW
    }

    fn found(&self, facts: &Facts, _: &View<'_>) -> String {
        match holds(self.source, facts.source_ip()) {
            false => format!("comes from {}", facts.source_ip()),
            true => format!("goes to {}", facts.destination_ip()),
        }
    }
}

impl Iprange {
    /// First and last of the sources and of the destinations that match, where those between are asked for.
    pub(in crate::netfilter) fn ranges(&self) -> [Option<(IpAddr, IpAddr)>; 2] {
        [self.source, self.destination].map(|range| range.filter(|range| !range.inverted).map(|range| range.what))
    }

    /// A match that asks for these.
    pub(in crate::netfilter) fn of(ranges: [Option<(IpAddr, IpAddr)>; 2]) -> Self {
        let [source, destination] = ranges.map(|range| range.map(|what| Not { inverted: false, what }));
        Self { source, destination }
    }
}

fn holds(range: Option<Not<(IpAddr, IpAddr)>>, address: IpAddr) -> bool {
    range.is_none_or(|asked| asked.holds(&address))
}

/// Reads `first-last` or one address.
fn parse_range(word: &Word, family: Family) -> Result<(IpAddr, IpAddr), Flaw> {
    let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    let ends = values::short_address(first, family).zip(values::short_address(last, family));
    // Falling ones, which hold no address, the tool takes too.
    ends.ok_or_else(|| word.bad("a range `first-last` of addresses"))
}
