//! `-m iprange`: addresses from one to another (Linux v6.18: `net/netfilter/xt_iprange.c`, `iprange_mt4()`).

use alloc::{format, string::String};
use core::{fmt::Write, net::Ipv4Addr};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    header::Not,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::{Word, print_not},
        values,
    },
    walk::Depends,
};

/// First and last address, of the source, of the destination or of both.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Iprange {
    source: Option<Not<(u32, u32)>>,
    destination: Option<Not<(u32, u32)>>,
}

impl Matching for Iprange {
    const SPEC: &'static Spec = &Spec {
        name: "iprange",
        options: &[Opt::value(&["src-range"]).inverting(), Opt::value(&["dst-range"]).inverting()],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.need_any("`--src-range` or `--dst-range`")?;
        let range = |name| match given.find(name) {
            Some(item) => Ok(Some(Not { inverted: item.inverted, what: parse_range(item.value())? })),
            None => Ok(None),
        };
        Ok(Self { source: range("src-range")?, destination: range("dst-range")? })
    }

    fn print(&self, out: &mut String) {
        for (name, range) in [("src-range", self.source), ("dst-range", self.destination)] {
            if let Some(Not { inverted, what: (first, last) }) = range {
                print_not(out, inverted);
                let _ = write!(out, " --{name} {}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            }
        }
    }

    fn test(&mut self, facts: &Facts, _: &mut View<'_>) -> Answer {
        Answer::from(holds(self.source, facts.source) && holds(self.destination, facts.destination))
    }

    fn depends(&self) -> Depends {
        Depends::FLOW
    }

    fn found(&self, facts: &Facts, _: &View<'_>) -> String {
        match holds(self.source, facts.source) {
            false => format!("comes from {}", Ipv4Addr::from_bits(facts.source)),
            true => format!("goes to {}", Ipv4Addr::from_bits(facts.destination)),
        }
    }
}

fn holds(range: Option<Not<(u32, u32)>>, address: u32) -> bool {
    range.is_none_or(|asked| (asked.what.0..=asked.what.1).contains(&address) != asked.inverted)
}

/// Reads `first-last` or one address.
fn parse_range(word: &Word) -> Result<(u32, u32), Flaw> {
    let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    let found = values::short_ipv4(first).zip(values::short_ipv4(last)).filter(|(first, last)| first <= last);
    match found {
        Some((first, last)) => Ok((first.to_bits(), last.to_bits())),
        None => Err(word.bad("a range `first-last` of IPv4 addresses, rising")),
    }
}
