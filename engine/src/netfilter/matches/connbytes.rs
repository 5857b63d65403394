//! `-m connbytes`: how much a connection has carried so far (Linux v6.18: `net/netfilter/xt_connbytes.c`,
//! `connbytes_mt()`). It needs `net.netfilter.nf_conntrack_acct`, which rules with this match switch on, as in Linux.

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    conntrack::Counter,
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        program::facts::{Facts, StateSet},
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::Depends,
    },
};

/// A range that a count of the connection has to lie in.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connbytes {
    low: u64,
    high: u64,
    inverted: bool,
    mode: Mode,
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Packets,
    Bytes,
    /// Bytes a packet.
    Average,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Original,
    Reply,
    Both,
}

impl Matching for Connbytes {
    const SPEC: &'static Spec = &Spec {
        name: "connbytes",
        options: &[
            Opt::value(&["connbytes"]).inverting(),
            Opt::value(&["connbytes-dir"]),
            Opt::value(&["connbytes-mode"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("connbytes", "`--connbytes FROM[:TO]`")?;
        let wants = "a number, or a range `low:high` that rises";
        let (low, high) = parse_range(&item.value().text).ok_or_else(|| item.value().bad(wants))?;
        let mode = given.need("connbytes-mode", "`--connbytes-mode packets`, `bytes` or `avgpkt`")?.value();
        let direction = given.need("connbytes-dir", "`--connbytes-dir original`, `reply` or `both`")?.value();
        Ok(Self {
            low,
            high,
            // The tool turns a range over by swapping its ends, which changes nothing where they are equal.
            inverted: item.inverted && low < high,
            mode: named(mode, &MODES)?,
            direction: named(direction, &DIRECTIONS)?,
        })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let _ = match self.high {
            u64::MAX => write!(out, " --connbytes {}", self.low),
            high => write!(out, " --connbytes {}:{high}", self.low),
        };
        let mode = MODES.iter().find(|(_, mode)| *mode == self.mode).map_or("", |(name, _)| name);
        let direction = DIRECTIONS.iter().find(|(_, known)| *known == self.direction).map_or("", |(name, _)| name);
        let _ = write!(out, " --connbytes-mode {mode} --connbytes-dir {direction}");
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let count = self.count(view);
        Answer::from(count.is_some_and(|count| (self.low..=self.high).contains(&count) != self.inverted))
    }

    fn possible_states(&self) -> StateSet {
        StateSet::TRACKED
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match self.count(view) {
            Some(count) => format!("belongs to a connection that has carried {count}"),
            None => "belongs to no connection that is counted".into(),
        }
    }

    fn wants_accounting(&self) -> bool {
        true
    }
}

impl Connbytes {
    /// What is asked for, this packet included.
    fn count(&self, view: &View<'_>) -> Option<u64> {
        let connection = view.packet.meta().tracking.connection()?;
        let [original, reply] = view.conntrack.counted(connection)?;
        let Counter { packets, bytes } = match self.direction {
            Direction::Original => original,
            Direction::Reply => reply,
            Direction::Both => Counter {
                packets: original.packets.wrapping_add(reply.packets),
                bytes: original.bytes.wrapping_add(reply.bytes),
            },
        };
        Some(match self.mode {
            Mode::Packets => packets,
            Mode::Bytes => bytes,
            Mode::Average => bytes.checked_div(packets).unwrap_or(0),
        })
    }
}

fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (low, high) = text.split_once(':').unwrap_or((text, ""));
    let low = if low.is_empty() && text.contains(':') { 0 } else { values::number(low)? };
    let high = if high.is_empty() { u64::MAX } else { values::number(high)? };
    (low <= high).then_some((low, high))
}

fn named<T: Copy>(word: &Word, names: &[(&'static str, T)]) -> Result<T, Flaw> {
    match names.iter().find(|(name, _)| *name == word.text) {
        Some((_, found)) => Ok(*found),
        None => Err(Fault::unknown(Noun::Flag, &word.text, names.iter().map(|(name, _)| *name)).at(word.column)),
    }
}

static MODES: [(&str, Mode); 3] = [("packets", Mode::Packets), ("bytes", Mode::Bytes), ("avgpkt", Mode::Average)];

static DIRECTIONS: [(&str, Direction); 3] =
    [("original", Direction::Original), ("reply", Direction::Reply), ("both", Direction::Both)];
