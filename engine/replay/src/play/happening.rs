//! What an engine does, written down.

use towpath_engine::{
    DeviceId, DropReason, End, Engine, Event, Frame, Instant, Outcome, Packet, Transmit,
    conntrack::{
        Direction,
        text::{ConnectionLine, ExpectationLine},
    },
    offload::checksum,
    packet::{Pool, Sketch, Summary},
    stats::Stats,
    wire::checksum::Routines,
};

use super::beside::Beside;
use crate::{
    record::{Decision, Fate, Record, bytes_out},
    tags,
};

/// Something that has happened.
#[derive(Clone, Debug)]
pub struct Happening {
    pub(super) at: Instant,
    /// Its device's name; `-` where there is none.
    pub(super) device: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A packet came out.
    Out(Shown),
    /// A packet ended.
    Drop(DropReason),
    /// How the packet ended that went in, and what is known of its connection.
    Known(String),
    /// Something was told.
    Told(String),
}

/// A packet that came out.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// It can be written in the one notation; and what travels beside it.
    Packet(Sketch, Beside),
    /// It is wrong, or cannot be written: what is the matter with it.
    Odd(String),
}

impl Happening {
    /// Why a packet ended, when it is that.
    #[must_use]
    pub const fn drop_reason(&self) -> Option<DropReason> {
        if let What::Drop(reason) = self.what { Some(reason) } else { None }
    }

    /// The packet that came out, and the name of the device by which it did, when it is that and can be written.
    #[must_use]
    pub fn out(&self) -> Option<(&str, &Sketch)> {
        match &self.what {
            What::Out(Shown::Packet(sketch, _)) => Some((&self.device, sketch)),
            What::Out(Shown::Odd(_)) | What::Drop(_) | What::Known(_) | What::Told(_) => None,
        }
    }

    /// What is known of a packet.
    pub(super) fn known(device: &str, record: &Record<'_>) -> Self {
        Self { at: record.time, device: device.to_owned(), what: What::Known(known(record)) }
    }
}

/// Looks at what an engine has done since it looked last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    before: Stats,
}

impl Watch {
    /// Fetches everything, and keeps what came out and what was told in `gone`.
    pub(super) fn look(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        device: &str,
        gone: (&mut Vec<Transmit>, &mut Vec<(Instant, Event)>),
    ) -> Vec<Happening> {
        let mut happened = Vec::new();
        let mut bytes = Vec::new();
        while let Some(transmit) = engine.poll_transmit() {
            bytes_out(&transmit, &mut bytes);
            let id = transmit.device;
            let name = engine.devices().find(id).map_or("?", |device| device.name.as_str()).to_owned();
            happened.push(Happening {
                at: now,
                device: name,
                what: What::Out(Shown::of(id, &bytes, Beside::of(&transmit))),
            });
            gone.0.push(transmit);
        }
        let stats = engine.stats();
        for &reason in DropReason::ALL {
            for _ in self.before.drops(reason)..stats.drops(reason) {
                happened.push(Happening { at: now, device: device.to_owned(), what: What::Drop(reason) });
            }
        }
        self.before = stats;
        while let Some((at, event)) = engine.poll_event() {
            happened.push(Happening { at, device: device.to_owned(), what: What::Told(told(&event)) });
            gone.1.push((at, event));
        }
        happened
    }
}

impl Shown {
    /// A frame that came out, with right checksums.
    pub(crate) fn of(device: DeviceId, bytes: &[u8], beside: Beside) -> Self {
        let mut untagged = Vec::new();
        let bytes = tags::strip(bytes, &mut untagged).map_or(bytes, |_| &untagged);
        let packet = match Packet::parse(&mut Pool::new(), &Frame::new(device, bytes)) {
            Ok(packet) => packet,
            Err(dropped) => return Self::Odd(format!("a frame that is not right: {}", dropped.reason.meaning())),
        };
        match Sketch::of(&packet) {
            None => Self::Odd(format!("{}", Summary(&packet))),
            // A part's checksum is that of the whole.
            Some(sketch) if !packet.is_fragment() && !checksum::is_right(&packet, &Routines::PORTABLE) => {
                Self::Odd(format!("{sketch} (with a wrong checksum)"))
            }
            Some(sketch) => Self::Packet(sketch, beside),
        }
    }
}

/// The words that may be said of a packet that went in.
fn known(record: &Record<'_>) -> String {
    let end = match record.fate {
        Fate::Fed(_, ending) => match ending.outcome {
            Outcome::Ended(End::Transmitted(_)) => "FORWARDED",
            Outcome::Ended(End::Delivered) => "DELIVERED",
            Outcome::Ended(End::Held(_)) => "HELD",
            Outcome::Ended(End::Consumed) => "ABSORBED",
            Outcome::Ended(End::Joined) => "JOINED",
            Outcome::Dropped(_) => "DROPPED",
        },
        Fate::NotFed(_) => "UNSEEN",
    };
    let direction = match record.direction() {
        Some(Direction::Original) => " ORIGINAL",
        Some(Direction::Reply) => " REPLY",
        None => "",
    };
    let state = record.state().unwrap_or("UNSEEN");
    let line = record.connection().map_or_else(String::new, |entry| ConnectionLine::listed(&entry).to_string());
    let verdict = record.verdict().word();
    let verdict = if verdict == end { String::new() } else { format!(" {verdict}") };
    let decision = match record.decision() {
        Some(Decision::Rule(rule)) => {
            let name = rule.file.rsplit('/').next().unwrap_or_default();
            format!(" {name}:{}", rule.line)
        }
        Some(Decision::Policy { .. }) => " policy".to_owned(),
        None => String::new(),
    };
    let words = format!("{end} {state}{direction} {line}{verdict}{decision}");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An event in words.
pub(crate) fn told(event: &Event) -> String {
    match event {
        Event::Connection(change, entry) => ConnectionLine::told(*change, entry).to_string(),
        Event::Expectation(change, entry) => ExpectationLine { entry, change: Some(*change) }.to_string(),
        Event::Log { line, .. } => format!("log: {line}"),
        Event::Helper(event) => format!("helper: {event:?}"),
        Event::Nflog(packet) => format!("nflog {}: {}{} bytes", packet.group, packet.prefix, packet.bytes.len()),
        Event::Audit { record } => format!("audit: {record}"),
    }
}
