//! `-m tcp`: ports, flags and options (Linux v6.18: `net/netfilter/xt_tcpudp.c`, `tcp_mt()`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Fold, Matching, PortSets, ports::ANY_PORT};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        header::{Bits, Not},
        program::{
            facts::{Facts, Ports},
            held::{Foreseen, Likely},
        },
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not, print_ports},
            values,
        },
        walk::{Depends, Fingerprint},
    },
    packet::Packet,
    wire::{Protocol, TcpFlags, TcpHeader},
};

/// What is asked of a TCP header.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Tcp {
    ports: PortPair,
    /// Mask and what has to stand there.
    flags: Option<Not<(u8, u8)>>,
    /// The kind of an option that has to be there.
    option: Option<Not<u8>>,
}

/// Source and destination ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortPair {
    source: Not<(u16, u16)>,
    destination: Not<(u16, u16)>,
}

impl Matching for Tcp {
    const SPEC: &'static Spec = &Spec {
        name: "tcp",
        options: &[
            Opt::value(&["source-port", "sport"]).inverting(),
            Opt::value(&["destination-port", "dport"]).inverting(),
            Opt::flag(&["syn"]).inverting(),
            Opt::value(&["tcp-flags"]).pair().inverting(),
            Opt::value(&["tcp-option"]).inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::TCP], "-m tcp", given.column, "`-p tcp`")?;
        given.exclusive(&["syn", "tcp-flags"])?;
        let syn = given.find("syn").map(|item| Not { inverted: item.inverted, what: SYN });
        let flags = match given.find("tcp-flags") {
            Some(item) => {
                let what = (parse_flags(item.value())?, parse_flags(item.second())?);
                Some(Not { inverted: item.inverted, what })
            }
            None => syn,
        };
        let option = match given.find("tcp-option") {
            Some(item) => {
                let what = values::ranged(item.value(), 1, 255, "the kind of a TCP option, 1 to 255")? as u8;
                Some(Not { inverted: item.inverted, what })
            }
            None => None,
        };
        Ok(Self { ports: PortPair::parse(given, Some(Protocol::TCP))?, flags, option })
    }

    fn print_listed(&self, out: &mut String) {
        self.ports.print_listed(out);
        self.print_rest(out);
    }

    fn print(&self, out: &mut String) {
        self.ports.print(out);
        self.print_rest(out);
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        match facts.ports {
            Ports::Evil | Ports::Unreached => return Answer::Drop,
            Ports::None => return Answer::No,
            Ports::Here => {}
        }
        let flags = view.packet.transport_bytes().get(FLAGS_AT).copied().unwrap_or_default();
        let flags_fit = self.flags.is_none_or(|asked| ((flags & asked.what.0) == asked.what.1) != asked.inverted);
        if !self.ports.holds(facts) || !flags_fit {
            return Answer::No;
        }
        match self.option {
            None => Answer::Yes,
            Some(option) => match find_option(view.packet, option.what) {
                None => Answer::Drop,
                Some(found) => Answer::from(found != option.inverted),
            },
        }
    }

    fn depends(&self) -> Depends {
        let shape = Depends::On(Fingerprint::SHAPE);
        match (self.option, self.flags) {
            (Some(_), _) => Depends::Anything,
            (None, Some(flags)) => shape.and(Depends::On(Fingerprint::tcp_flags(flags.what.0))),
            (None, None) => shape,
        }
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        let flags = view.packet.tcp().map(|tcp| tcp.flags);
        match (self.ports.found(facts), flags) {
            (Some(found), _) => found,
            (None, Some(TcpFlags(0))) => "has no flags".into(),
            (None, Some(flags)) => match self.flags {
                Some(asked) if ((flags.0 & asked.what.0) == asked.what.1) == asked.inverted => {
                    format!("has flags {flags}")
                }
                Some(_) | None => "has other options".into(),
            },
            (None, None) => "has a broken TCP header".into(),
        }
    }

    fn covers(&self, narrower: &Self) -> bool {
        let bits = |flags: Not<(u8, u8)>| Bits {
            value: flags.what.1.into(),
            mask: flags.what.0.into(),
            inverted: flags.inverted,
        };
        let any = Not { inverted: false, what: (0, 0) };
        let [asked, known] = [self.flags, narrower.flags].map(|flags| bits(flags.unwrap_or(any)));
        let option = self.option.is_none() || self.option == narrower.option;
        self.ports.sets().cover(narrower.ports.sets()) && asked.covers(known) && option
    }

    fn fold(&self) -> Fold {
        if self.flags.is_some() || self.option.is_some() { Fold::No } else { self.ports.fold() }
    }
}

impl Tcp {
    /// Writes what is not about ports.
    fn print_rest(&self, out: &mut String) {
        if let Some(option) = self.option {
            print_not(out, option.inverted);
            let _ = write!(out, " --tcp-option {}", option.what);
        }
        if let Some(flags) = self.flags.filter(|flags| flags.what.0 != 0 || flags.inverted) {
            print_not(out, flags.inverted);
            out.push_str(" --tcp-flags ");
            print_flags(out, flags.what.0);
            out.push(' ');
            print_flags(out, flags.what.1);
        }
    }

    /// What it asks of ports, whatever else it asks.
    pub(super) const fn ports(&self) -> Fold {
        self.ports.fold()
    }

    /// Which ports it asks for.
    pub(super) const fn port_sets(&self) -> PortSets {
        PortSets { is_all: self.flags.is_none() && self.option.is_none(), ..self.ports.sets() }
    }

    /// What it says of callers.
    pub(in crate::netfilter) fn foresee(&self, facts: &Facts) -> Foreseen {
        let is_certain = self.flags.is_none() && self.option.is_none();
        let ports = self.ports.foresee(facts);
        Foreseen { likely: ports.likely.and(Likely::of(true, is_certain)), ..ports }
    }

    /// Whether only segments with SYN get by, as far as `-j TCPMSS` asks (Linux v6.18: `net/netfilter/xt_TCPMSS.c`,
    /// `find_syn_match()`).
    pub(in crate::netfilter) fn asks_for_syn(&self) -> bool {
        self.flags.is_some_and(|flags| !flags.inverted && flags.what.1 & 0x02 != 0)
    }
}

impl PortPair {
    /// Reads `--source-port` and `--destination-port`, with the names of a protocol's services, or of any as the tool does for UDP.
    pub(super) fn parse(given: &Given<'_>, services: Option<Protocol>) -> Result<Self, Flaw> {
        let ports = |name| match given.find(name) {
            Some(item) => Ok(Not { inverted: item.inverted, what: values::ports(item.value(), services)? }),
            None => Ok(ANY_PORT),
        };
        Ok(Self { source: ports("source-port")?, destination: ports("destination-port")? })
    }

    /// Whether a packet that has ports has these.
    pub(super) fn holds(&self, facts: &Facts) -> bool {
        self.source.holds(&facts.source_port) && self.destination.holds(&facts.destination_port)
    }

    /// What they say of callers whose own port nobody knows.
    pub(super) fn foresee(&self, facts: &Facts) -> Foreseen {
        let likely = Likely::of(self.destination.holds(&facts.destination_port), self.source == ANY_PORT);
        Foreseen { likely, names_port: !self.destination.inverted && self.destination != ANY_PORT }
    }

    /// Writes them as the tool saves them: what asks for all ports is left out.
    pub(super) fn print(&self, out: &mut String) {
        self.write(out, |_| false);
    }

    /// Writes them as the tool lists them: what asks for none of all ports is there too.
    pub(super) fn print_listed(&self, out: &mut String) {
        self.write(out, |asked| asked.inverted);
    }

    fn write(&self, out: &mut String, with_any: fn(Not<(u16, u16)>) -> bool) {
        for (name, asked) in [("sport", self.source), ("dport", self.destination)] {
            if asked.what != ANY_PORT.what || with_any(asked) {
                print_ports(out, name, asked);
            }
        }
    }

    /// What a packet has instead; `None` when its ports are as asked.
    pub(super) fn found(&self, facts: &Facts) -> Option<String> {
        match facts.ports {
            Ports::None => Some("has no ports".into()),
            Ports::Evil | Ports::Unreached => Some("has a broken header".into()),
            Ports::Here if self.holds(facts) => None,
            Ports::Here => Some(format!("has ports {} > {}", facts.source_port, facts.destination_port)),
        }
    }

    pub(super) const fn sets(&self) -> PortSets {
        PortSets { sides: [self.source, self.destination], is_all: true }
    }

    pub(super) const fn fold(&self) -> Fold {
        if self.source.inverted || self.destination.inverted {
            Fold::No
        } else {
            Fold::Ports(self.source.what, self.destination.what)
        }
    }
}

/// Whether an option of that kind is there; `None` when the header's length cannot be right. The walk is the
/// kernel's: kinds 0 and 1 take one byte, a length of 0 counts as 1.
fn find_option(packet: &Packet, kind: u8) -> Option<bool> {
    let header_len = usize::from(packet.transport_bytes().get(OFFSET_AT)? >> 4) * 4;
    let options = packet.transport_bytes().get(TcpHeader::LEN..header_len)?;
    let mut at = 0;
    while let Some(&found) = options.get(at) {
        if found == kind {
            return Some(true);
        }
        at += match options.get(at + 1) {
            Some(&len) if found >= 2 => usize::from(len.max(1)),
            Some(_) | None => 1,
        };
    }
    Some(false)
}

fn parse_flags(word: &Word) -> Result<u8, Flaw> {
    let mut flags = 0;
    for name in word.text.split(',').filter(|name| !name.is_empty()) {
        let Some((_, bits)) = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let known = FLAGS.iter().map(|(name, _)| *name);
            return Err(Fault::unknown(Noun::Flag, name, known).at(word.column));
        };
        flags |= bits;
    }
    Ok(flags)
}

fn print_flags(out: &mut String, flags: u8) {
    if flags == 0 {
        out.push_str("NONE");
    }
    let mut separator = "";
    for (name, _) in FLAGS.iter().filter(|(_, bit)| bit.count_ones() == 1 && flags & bit != 0) {
        let _ = write!(out, "{separator}{name}");
        separator = ",";
    }
}

/// `--syn` stands for `--tcp-flags FIN,SYN,RST,ACK SYN`.
const SYN: (u8, u8) = (0x17, 0x02);

/// Where a TCP header has its length and its flags.
const OFFSET_AT: usize = 12;
const FLAGS_AT: usize = 13;

#[rustfmt::skip]
static FLAGS: [(&str, u8); 8] = [
    ("FIN",  0x01),
    ("SYN",  0x02),
    ("RST",  0x04),
    ("PSH",  0x08),
    ("ACK",  0x10),
    ("URG",  0x20),
    ("ALL",  0x3f),
    ("NONE", 0x00),
];
