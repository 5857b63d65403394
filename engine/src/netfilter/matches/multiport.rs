//! `-m multiport`: one of up to 15 ports (Linux v6.18: `net/netfilter/xt_multiport.c`, `multiport_mt()`).

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw},
        header::Not,
        program::{
            facts::Facts,
            held::{Foreseen, Likely},
        },
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// Some ports, or all others, of one end or of either.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Multiport {
    end: End,
    /// First and last port of each item.
    ports: Vec<(u16, u16)>,
    inverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
    Either,
}

impl Matching for Multiport {
    const SPEC: &'static Spec = &Spec {
        name: "multiport",
        options: &[
            Opt::value(&["source-ports", "sports"]).inverting(),
            Opt::value(&["destination-ports", "dports"]).inverting(),
            Opt::value(&["ports"]).inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let needed = "`-p` with tcp, udp, udplite, sctp or dccp";
        given.header.need_protocol(&WITH_PORTS, "-m multiport", given.column, needed)?;
        given.exclusive(&["source-ports", "destination-ports", "ports"])?;
        let ends = [("source-ports", End::Source), ("destination-ports", End::Destination), ("ports", End::Either)];
        let found = ends.iter().find_map(|(name, end)| Some((given.find(name)?, *end)));
        let (item, end) = found.ok_or_else(|| given.needs("`--sports`, `--dports` or `--ports`"))?;
        Ok(Self { end, ports: parse_ports(item.value(), given.header.only_protocol())?, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(match self.end {
            End::Source => " --sports ",
            End::Destination => " --dports ",
            End::Either => " --ports ",
        });
        let mut separator = "";
        for (first, last) in &self.ports {
            let _ = match first == last {
                true => write!(out, "{separator}{first}"),
                false => write!(out, "{separator}{first}:{last}"),
            };
            separator = ",";
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        let Some((source, destination)) = ports(view) else { return Answer::Drop };
        let holds = |port| self.ports.iter().any(|&(first, last)| (first..=last).contains(&port));
        let found = match self.end {
            End::Source => holds(source),
            End::Destination => holds(destination),
            End::Either => holds(source) || holds(destination),
        };
        Answer::from(found != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::SHAPE)
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        match ports(view) {
            Some((source, destination)) if facts.fragment_offset == 0 => format!("has ports {source} > {destination}"),
            Some(_) | None => "has no ports".into(),
        }
    }
}

impl Multiport {
    /// Whether all packets match whose ports are in these sets.
    pub(in crate::netfilter) fn takes(&self, [sources, destinations]: [Not<(u16, u16)>; 2]) -> bool {
        let range = |what, inverted| Not { inverted, what };
        let holds = |side: Not<_>| self.ports.iter().any(|ports| range(*ports, false).covers(&side));
        let misses = |side: Not<_>| self.ports.iter().all(|ports| range(*ports, true).covers(&side));
        match (self.end, self.inverted) {
            (End::Source, false) => holds(sources),
            (End::Source, true) => misses(sources),
            (End::Destination, false) => holds(destinations),
            (End::Destination, true) => misses(destinations),
            (End::Either, false) => holds(sources) || holds(destinations),
            (End::Either, true) => misses(sources) && misses(destinations),
        }
    }

    /// The narrowest ranges that hold the ports of all packets that match: sources and destinations.
    pub(super) fn span(&self) -> Option<((u16, u16), (u16, u16))> {
        let all = (0, u16::MAX);
        let first = self.ports.iter().map(|(first, _)| *first).min()?;
        let last = self.ports.iter().map(|(_, last)| *last).max()?;
        match self.end {
            _ if self.inverted => None,
            End::Source => Some(((first, last), all)),
            End::Destination => Some((all, (first, last))),
            End::Either => None,
        }
    }
}

impl Multiport {
    /// What it says of callers whose own port nobody knows.
    pub(in crate::netfilter) fn foresee(&self, facts: &Facts) -> Foreseen {
        let holds = self.ports.iter().any(|&(first, last)| (first..=last).contains(&facts.destination_port));
        let likely = match (self.end, holds) {
            (End::Source, _) | (End::Either, false) => Likely::Maybe,
            (End::Destination, holds) => Likely::of(holds != self.inverted, true),
            (End::Either, true) => Likely::of(!self.inverted, true),
        };
        Foreseen { likely, names_port: holds && self.end != End::Source && !self.inverted }
    }
}

/// The first four bytes behind the network header: all that the kernel asks to be there.
fn ports(view: &View<'_>) -> Option<(u16, u16)> {
    match *view.packet.transport_bytes() {
        [a, b, c, d, ..] => Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
        _ => None,
    }
}

/// Reads ports and ranges, with the names of the protocol's services; a range counts twice towards the limit.
fn parse_ports(word: &Word, protocol: Option<Protocol>) -> Result<Vec<(u16, u16)>, Flaw> {
    let wants = "a list of ports and rising ranges, such as 22,80,8000:8080";
    let port = |text| values::port(text, protocol);
    let mut slots = 0;
    let mut ports = Vec::new();
    for text in word.text.split(',') {
        let range = match text.split_once(':') {
            None => port(text).map(|port| (port, port)),
            Some((first, last)) => port(first).zip(port(last)).filter(|(first, last)| first < last),
        };
        let (first, last) = range.ok_or_else(|| word.bad(wants))?;
        slots += if first == last { 1 } else { 2 };
        if slots > SLOTS_MAX {
            return Err(Fault::TooMany { what: "ports (a range counts twice)", max: SLOTS_MAX }.at(word.column));
        }
        ports.push((first, last));
    }
    Ok(ports)
}

/// Linux: `XT_MULTI_PORTS`.
const SLOTS_MAX: usize = 15;

const WITH_PORTS: [Protocol; 5] = [Protocol::TCP, Protocol::UDP, Protocol::UDPLITE, Protocol::SCTP, Protocol(33)];
