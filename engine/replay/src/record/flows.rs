//! The connections of a replay, listed when it is over.

use core::fmt;
use std::collections::BTreeMap;

use towpath_engine::{
    Change, Event, Instant,
    conntrack::{Direction, Entry, ExpectationEntry, Status, Tuple, Zone},
};

use super::{Colour, Record, Tint, text::seconds};
use crate::limits::FLOWS_LISTED_MAX;

/// Collects connections and what their helpers expected, up to [`FLOWS_LISTED_MAX`] of each.
#[derive(Debug, Default)]
pub struct Flows {
    flows: BTreeMap<u64, Flow>,
    expected: Vec<ExpectationEntry>,
    /// How many more connections there were than are listed.
    more: u64,
    start: Option<Instant>,
}

#[derive(Debug)]
struct Flow {
    entry: Entry,
    began: Instant,
    /// When it was forgotten.
    ended: Option<Instant>,
}

impl Flows {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a record's events.
    pub fn note(&mut self, record: &Record<'_>) {
        self.start.get_or_insert(record.time);
        for (when, event) in record.events {
            match event {
                Event::Connection(change, entry) => self.note_connection(*when, *change, entry),
                Event::Expectation(Change::New, entry) if self.expected.len() < FLOWS_LISTED_MAX => {
                    self.expected.push((**entry).clone());
                }
                Event::Expectation(..)
                | Event::Log { .. }
                | Event::Helper(_)
                | Event::Nflog(_)
                | Event::Audit { .. } => {}
            }
        }
    }

    fn note_connection(&mut self, when: Instant, change: Change, entry: &Entry) {
        match change {
            Change::New if self.flows.len() >= FLOWS_LISTED_MAX => self.more += 1,
            Change::New => {
                self.flows.insert(entry.serial, Flow { entry: entry.clone(), began: when, ended: None });
            }
            Change::Update => {}
            Change::Destroy => {
                let Some(flow) = self.flows.get_mut(&entry.serial) else { return };
                // The last event of a connection holds its counters and state, but not its helper.
                let Entry { helper, master, policy, .. } = &mut flow.entry;
                let (helper, master, policy) = (helper.take(), master.take(), policy.take());
                flow.entry = Entry { helper, master, policy, ..entry.clone() };
                flow.ended = Some(when);
            }
        }
    }

    /// The list, with those connections that are still there as `now` says.
    #[must_use]
    pub fn list(mut self, now: Vec<Entry>, colour: Colour) -> FlowList {
        for entry in now {
            if let Some(flow) = self.flows.get_mut(&entry.serial) {
                flow.entry = entry;
            }
        }
        FlowList(self, colour)
    }
}

/// A list of connections; `Display` gives a line each, in the order in which they came.
#[derive(Debug)]
pub struct FlowList(Flows, Colour);

impl FlowList {
    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.flows.is_empty()
    }
}

impl fmt::Display for FlowList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.start.unwrap_or_default();
        if !self.is_empty() {
            let head = format!("{:>12}  {:<56} {:<11}  packets/bytes out, back", "seconds", "connection", "state");
            writeln!(out, "{}", self.1.paint(Tint::Quiet, &head))?;
        }
        for flow in self.0.flows.values() {
            write_flow(out, flow, start, self.1)?;
            for expected in self.0.expected.iter().filter(|expected| expected.master == flow.entry.original) {
                write_expected(out, expected)?;
            }
        }
        if self.0.more > 0 {
            writeln!(out, "... and {} more connections", self.0.more)?;
        }
        Ok(())
    }
}

fn write_flow(out: &mut fmt::Formatter<'_>, flow: &Flow, start: Instant, colour: Colour) -> fmt::Result {
    let entry = &flow.entry;
    let state = entry
        .tcp
        .map(|tcp| tcp.state.name())
        .or(entry.sctp.map(|sctp| sctp.state.name()))
        .unwrap_or_else(|| general_state(entry.status));
    let original = colour.paint(Tint::Strong, &format!("{:<56}", entry.original.to_string()));
    write!(out, "{:>12}  {original} {state:<11}", seconds(flow.began, start))?;
    if let Some([original, reply]) = entry.counters {
        let counts = [original.packets, original.bytes, reply.packets, reply.bytes];
        write!(out, "  {}/{}, {}/{}", counts[0], counts[1], counts[2], counts[3])?;
    }
    if let Some(ended) = flow.ended {
        write!(out, "  forgotten at {}", seconds(ended, start))?;
    }
    if let Some(helper) = &entry.helper {
        write!(out, "  helper {helper}")?;
    }
    if let Some(policy) = &entry.policy {
        write!(out, "  timeouts of policy {policy}")?;
    }
    if entry.zone != Zone::DEFAULT {
        write!(out, "  in zone {}", entry.zone)?;
    }
    writeln!(out)?;
    if entry.original.inverted() != Some(entry.reply) {
        writeln!(out, "{:>12}  answered as {}", "", entry.reply)?;
    }
    match entry.master {
        Some(master) => writeln!(out, "{:>12}  announced by {master}", ""),
        None => Ok(()),
    }
}

/// What a connection is whose protocol has no states.
fn general_state(status: Status) -> &'static str {
    match (status.contains(Status::SEEN_REPLY), status.contains(Status::ASSURED)) {
        (_, true) => "ASSURED",
        (true, false) => "ANSWERED",
        (false, false) => "UNREPLIED",
    }
}

fn write_expected(out: &mut fmt::Formatter<'_>, expected: &ExpectationEntry) -> fmt::Result {
    let Tuple { source_port, .. } = expected.tuple;
    let from = expected.tuple.source_ip();
    let port = if expected.mask.port == 0 { "any".to_owned() } else { source_port.to_string() };
    let to = (expected.tuple.destination_ip(), expected.tuple.destination_port);
    let protocol = expected.tuple.protocol();
    write!(out, "{:>12}  {} expects {from}:{port} > {}:{} {protocol}", "", expected.helper, to.0, to.1)?;
    match expected.nat {
        Some(nat) if nat.port != to.1 && nat.direction == Direction::Reply => {
            writeln!(out, ", announced as port {}", nat.port)
        }
        Some(_) | None => writeln!(out),
    }
}
