//! `-m conntrack`: what connection tracking says of a packet, and what its connection is like (Linux v6.18:
//! `net/netfilter/xt_conntrack.c`, `conntrack_mt()`).

use alloc::{format, string::String};
use core::{fmt::Write, net::IpAddr};

use super::{Answer, Fold, Matching, state::found_state, states::States};
use crate::{
    conntrack::{Connection, Direction, Family, Status, Tracking, Tuple},
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        header::{Network, Not},
        program::facts::{Facts, StateSet},
        save::{
            options::{Given, Item, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// What is asked of a packet's state and connection. Everything given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Conntrack {
    states: Option<Not<States>>,
    protocol: Option<Not<Protocol>>,
    /// In the order of [`ENDS`].
    addresses: [Option<Not<Masked>>; 4],
    ports: [Option<Not<(u16, u16)>>; 4],
    status: Option<Not<Status>>,
    /// Seconds left.
    expires: Option<Not<(u32, u32)>>,
    direction: Option<Direction>,
}

/// An address as it was written and the bits of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Masked {
    address: IpAddr,
    mask: IpAddr,
}

impl Matching for Conntrack {
    const SPEC: &'static Spec = &Spec {
        name: "conntrack",
        options: &[
            Opt::value(&["ctstate"]).inverting(),
            Opt::value(&["ctproto"]).inverting(),
            Opt::value(&["ctorigsrc"]).inverting(),
            Opt::value(&["ctorigdst"]).inverting(),
            Opt::value(&["ctreplsrc"]).inverting(),
            Opt::value(&["ctrepldst"]).inverting(),
            Opt::value(&["ctorigsrcport"]).inverting(),
            Opt::value(&["ctorigdstport"]).inverting(),
            Opt::value(&["ctreplsrcport"]).inverting(),
            Opt::value(&["ctrepldstport"]).inverting(),
            Opt::value(&["ctstatus"]).inverting(),
            Opt::value(&["ctexpire"]).inverting(),
            Opt::value(&["ctdir"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.need_any("an option such as `--ctstate`")?;
        let mut addresses = [None; 4];
        let mut ports = [None; 4];
        for (index, end) in ENDS.iter().enumerate() {
            addresses[index] = parse_not(given, end.address, |word| Masked::parse(word, given.family))?;
            ports[index] = parse_not(given, end.port, |word| values::ports(word, None))?;
        }
        Ok(Self {
            states: parse_not(given, "ctstate", |word| States::parse(word, true))?,
            protocol: parse_not(given, "ctproto", parse_protocol)?,
            addresses,
            ports,
            status: parse_not(given, "ctstatus", parse_status)?,
            expires: parse_not(given, "ctexpire", parse_seconds)?,
            direction: given.find("ctdir").map(parse_direction).transpose()?,
        })
    }

    fn print(&self, out: &mut String) {
        print_option(out, "ctstate", self.states, |states, out| states.print(out));
        print_option(out, "ctproto", self.protocol, |protocol, out| {
            let _ = write!(out, " {}", protocol.0);
        });
        for (end, address) in ENDS.iter().zip(self.addresses) {
            print_option(out, end.address, address, |address, out| address.print(out));
        }
        for (end, ports) in ENDS.iter().zip(self.ports) {
            print_option(out, end.port, ports, print_range);
        }
        print_option(out, "ctstatus", self.status, print_status);
        print_option(out, "ctexpire", self.expires, print_range);
        match self.direction {
            None => {}
            Some(Direction::Original) => out.push_str(" --ctdir ORIGINAL"),
            Some(Direction::Reply) => out.push_str(" --ctdir REPLY"),
        }
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        let (connection, direction) = connection(view);
        if !self.state_holds(facts, connection) {
            return Answer::No;
        }
        match connection {
            // Without a connection only the state can be asked, and has been.
            None => Answer::from(self.states.is_some()),
            Some(connection) => Answer::from(
                self.direction.is_none_or(|asked| Some(asked) == direction)
                    && self.tuples_hold(connection)
                    && self.life_holds(connection, view),
            ),
        }
    }

    fn depends(&self) -> Depends {
        let changes = self.status.is_some_and(|status| status.what.intersects(Status::ASSURED));
        match (self.expires.is_some() || changes, self.states) {
            (true, _) => Depends::Anything,
            (false, _) => Depends::On(Fingerprint::STATE),
        }
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        let (connection, direction) = connection(view);
        let Some(connection) = connection.filter(|_| self.state_holds(facts, connection)) else {
            return found_state(view);
        };
        if let Some(direction) = direction.filter(|found| self.direction.is_some_and(|asked| asked != *found)) {
            return format!("has direction {direction:?}");
        }
        match self.tuples_hold(connection) {
            true => format!("belongs to a connection with {} s left", left_secs(connection, view)),
            false => format!("belongs to connection {} / {}", connection.original, connection.reply),
        }
    }

    fn fold(&self) -> Fold {
        let Some(states) = self.states.filter(|states| !states.what.names_translation()) else { return Fold::No };
        let alone = Self { states: Some(states), ..NOTHING };
        if *self != alone {
            return Fold::No;
        }
        let set = states.what.states();
        Fold::States(if states.inverted { set.inverted() } else { set })
    }

    fn possible_states(&self) -> StateSet {
        let Some(Not { what: asked, inverted }) = self.states else { return StateSet::TRACKED };
        match (inverted, asked.names_translation()) {
            (true, _) => asked.states().inverted(),
            (false, true) => asked.states().or(StateSet::TRACKED),
            (false, false) => asked.states(),
        }
    }
}

impl Conntrack {
    fn state_holds(&self, facts: &Facts, connection: Option<&Connection>) -> bool {
        self.states.is_none_or(|asked| {
            let status = connection.map(|connection| connection.status).unwrap_or_default();
            let translated =
                asked.what.holds_translation(status.contains(Status::SRC_NAT), status.contains(Status::DST_NAT));
            (asked.what.states().intersects(facts.state) || translated) != asked.inverted
        })
    }

    fn tuples_hold(&self, connection: &Connection) -> bool {
        let protocol =
            self.protocol.is_none_or(|asked| (asked.what == connection.original.protocol()) != asked.inverted);
        protocol
            && ENDS.iter().zip(self.addresses).zip(self.ports).all(|((end, address), ports)| {
                let tuple = connection.tuple(end.direction);
                let (found, port) = (end.of)(tuple);
                address.is_none_or(|asked| asked.what.holds(found) != asked.inverted)
                    && ports.is_none_or(|asked| (asked.what.0..=asked.what.1).contains(&port) != asked.inverted)
            })
    }

    fn life_holds(&self, connection: &Connection, view: &View<'_>) -> bool {
        self.status.is_none_or(|asked| connection.status.intersects(asked.what) != asked.inverted)
            && self.expires.is_none_or(|asked| {
                let left = left_secs(connection, view);
                (u64::from(asked.what.0)..=u64::from(asked.what.1)).contains(&left) != asked.inverted
            })
    }
}

/// Asks nothing.
const NOTHING: Conntrack = Conntrack {
    states: None,
    protocol: None,
    addresses: [None; 4],
    ports: [None; 4],
    status: None,
    expires: None,
    direction: None,
};

/// The packet's connection and its direction in it.
fn connection<'a>(view: &'a View<'_>) -> (Option<&'a Connection>, Option<Direction>) {
    match view.packet.meta().tracking {
        Tracking::Tracked { connection, direction, .. } => (view.conntrack.connection(connection), Some(direction)),
        Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => (None, None),
    }
}

/// Whole seconds until the connection runs out; 0 before it stands in the table.
fn left_secs(connection: &Connection, view: &View<'_>) -> u64 {
    if connection.is_confirmed() { connection.expires.since(view.now).as_secs() } else { 0 }
}

/// One end of one direction, and the options that ask for it.
struct End {
    address: &'static str,
    port: &'static str,
    direction: Direction,
    /// Gives the end's address and port.
    of: fn(&Tuple) -> (IpAddr, u16),
}

#[rustfmt::skip]
static ENDS: [End; 4] = [
    End { address: "ctorigsrc", port: "ctorigsrcport", direction: Direction::Original, of: source },
    End { address: "ctorigdst", port: "ctorigdstport", direction: Direction::Original, of: destination },
    End { address: "ctreplsrc", port: "ctreplsrcport", direction: Direction::Reply,    of: source },
    End { address: "ctrepldst", port: "ctrepldstport", direction: Direction::Reply,    of: destination },
];

fn source(tuple: &Tuple) -> (IpAddr, u16) {
    (tuple.source_ip(), tuple.source_port)
}

fn destination(tuple: &Tuple) -> (IpAddr, u16) {
    (tuple.destination_ip(), tuple.destination_port)
}

impl Masked {
    fn parse(word: &Word, family: Family) -> Result<Self, Flaw> {
        let (address, mask) = match word.text.split_once('/') {
            Some((address, mask)) => (address, values::mask(mask, family)),
            None => (word.text.as_str(), Some(values::whole_mask(family))),
        };
        let mask = mask.filter(|mask| values::prefix_of(*mask).is_some());
        match values::host(address, family).zip(mask) {
            Some((address, mask)) => Ok(Self { address, mask }),
            None => Err(word.bad("an address, with a mask or without; names are not looked up")),
        }
    }

    fn holds(self, address: IpAddr) -> bool {
        Network::new(self.address, self.mask) == Network::new(address, self.mask)
    }

    fn print(self, out: &mut String) {
        let _ = write!(out, " {}", self.address);
        Network::print_mask(self.mask, out);
    }
}

fn parse_not<T>(
    given: &Given<'_>,
    name: &str,
    parse: impl Fn(&Word) -> Result<T, Flaw>,
) -> Result<Option<Not<T>>, Flaw> {
    given.find(name).map(|item| Ok(Not { inverted: item.inverted, what: parse(item.value())? })).transpose()
}

fn parse_protocol(word: &Word) -> Result<Protocol, Flaw> {
    Ok(values::protocol(word)?.unwrap_or(Protocol(0)))
}

fn parse_status(word: &Word) -> Result<Status, Flaw> {
    let mut status = Status::default();
    for text in word.text.split(',') {
        match STATUS_WORDS.iter().find(|(name, _)| values::starts(name, text)) {
            Some((_, bit)) => status.insert(*bit),
            None => {
                let known = STATUS_WORDS.iter().map(|(name, _)| *name);
                return Err(Fault::unknown(Noun::Flag, text, known).at(word.column));
            }
        }
    }
    Ok(status)
}

fn parse_seconds(word: &Word) -> Result<(u32, u32), Flaw> {
    values::range(word, u32::MAX, "seconds or a range `least:most`")
}

fn parse_direction(item: &Item) -> Result<Direction, Flaw> {
    match item.value().text.to_ascii_uppercase().as_str() {
        "ORIGINAL" => Ok(Direction::Original),
        "REPLY" => Ok(Direction::Reply),
        _ => Err(item.value().bad("ORIGINAL or REPLY")),
    }
}

fn print_option<T>(out: &mut String, name: &str, asked: Option<Not<T>>, print: impl Fn(T, &mut String)) {
    if let Some(asked) = asked {
        print_not(out, asked.inverted);
        out.push_str(" --");
        out.push_str(name);
        print(asked.what, out);
    }
}

fn print_range<T: PartialEq + core::fmt::Display>((low, high): (T, T), out: &mut String) {
    let _ = match low == high {
        true => write!(out, " {low}"),
        false => write!(out, " {low}:{high}"),
    };
}

fn print_status(status: Status, out: &mut String) {
    let mut separator = ' ';
    for (name, _) in STATUS_WORDS.iter().filter(|(_, bit)| status.intersects(*bit)) {
        out.push(separator);
        out.push_str(name);
        separator = ',';
    }
    if separator == ' ' {
        out.push_str(" NONE");
    }
}

#[rustfmt::skip]
static STATUS_WORDS: [(&str, Status); 5] = [
    ("NONE",       Status(0)),
    ("EXPECTED",   Status::EXPECTED),
    ("SEEN_REPLY", Status::SEEN_REPLY),
    ("ASSURED",    Status::ASSURED),
    ("CONFIRMED",  Status::CONFIRMED),
];
