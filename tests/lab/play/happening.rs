//! What an engine does, written down.

use towpath_engine::{
    DeviceId, DropReason, End, Ending, Engine, Event, Frame, Instant, Outcome, Packet,
    conntrack::{
        Direction, Tracking,
        text::{ConnectionLine, ExpectationLine},
    },
    offload::checksum,
    packet::{Pool, Sketch},
    stats::Stats,
    wire::checksum::Routines,
};
use towpath_replay::record::bytes_out;

/// Something that has happened.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub(super) at: Instant,
    /// Its device's name; `-` where there is none.
    pub(super) device: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A packet came out.
    Out(Seen),
    /// A packet ended.
    Drop(DropReason),
    /// How the packet ended that went in, and what is known of its connection.
    Known(String),
    /// Something was told.
    Told(String),
}

/// A packet that came out.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// It can be written in the one notation.
    Packet(Sketch),
    /// It is wrong, or cannot be written: what is the matter with it.
    Odd(String),
}

impl Happening {
    pub(super) fn drop_reason(&self) -> Option<DropReason> {
        if let What::Drop(reason) = self.what { Some(reason) } else { None }
    }
}

/// Looks at what an engine has done since it looked last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    before: Stats,
}

impl Watch {
    /// What a packet has led to.
    pub(super) fn after_packet(&mut self, engine: &mut Engine, now: Instant, device: &str) -> Vec<Happening> {
        let mut happened = self.look(engine, now, device);
        let ending = engine.poll_ending().expect("a packet that goes in ends somehow");
        let known = What::Known(known(engine, &ending));
        happened.push(Happening { at: now, device: device.to_owned(), what: known });
        happened
    }

    /// What time has led to.
    pub(super) fn after_timer(&mut self, engine: &mut Engine, now: Instant) -> Vec<Happening> {
        self.look(engine, now, "-")
    }

    fn look(&mut self, engine: &mut Engine, now: Instant, device: &str) -> Vec<Happening> {
        let mut happened = Vec::new();
        while let Some(transmit) = engine.poll_transmit() {
            let mut bytes = Vec::new();
            bytes_out(&transmit, &mut bytes);
            let id = transmit.device;
            let name = engine.devices().find(id).map_or("?", |device| device.name.as_str()).to_owned();
            happened.push(Happening { at: now, device: name, what: What::Out(seen(id, &bytes)) });
            engine.recycle(transmit);
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
        }
        happened
    }
}

/// A frame that came out, with right checksums.
fn seen(device: DeviceId, bytes: &[u8]) -> Seen {
    let packet = match Packet::parse(&mut Pool::new(), &Frame::new(device, bytes)) {
        Ok(packet) => packet,
        Err(dropped) => return Seen::Odd(format!("a frame that is not right: {}", dropped.reason.meaning())),
    };
    match Sketch::of(&packet) {
        None => Seen::Odd(format!("{}", towpath_engine::packet::Summary(&packet))),
        Some(sketch) if !checksum::is_right(&packet, &Routines::PORTABLE) => {
            Seen::Odd(format!("{sketch} (with a wrong checksum)"))
        }
        Some(sketch) => Seen::Packet(sketch),
    }
}

/// The words that may be said of a packet that went in.
fn known(engine: &Engine, ending: &Ending) -> String {
    let end = match ending.outcome {
        Outcome::Ended(End::Transmitted(_)) => "FORWARDED",
        Outcome::Ended(End::Delivered) => "DELIVERED",
        Outcome::Ended(End::Held(_)) => "HELD",
        Outcome::Ended(End::Consumed) => "ABSORBED",
        Outcome::Dropped(_) => "DROPPED",
    };
    let direction = match ending.tracking {
        Tracking::Tracked { direction: Direction::Original, .. } => " ORIGINAL",
        Tracking::Tracked { direction: Direction::Reply, .. } => " REPLY",
        Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => "",
    };
    let state = ending.tracking.word().unwrap_or("UNSEEN");
    let connection = ending.tracking.connection().and_then(|id| engine.conntrack().entry(engine.now(), id));
    let line = connection.map_or_else(String::new, |entry| ConnectionLine::listed(&entry).to_string());
    format!("{end} {state}{direction} {line}")
}

fn told(event: &Event) -> String {
    match event {
        Event::Connection(change, entry) => ConnectionLine::told(*change, entry).to_string(),
        Event::Expectation(change, entry) => ExpectationLine { entry, change: Some(*change) }.to_string(),
        Event::Log { line, .. } => format!("log: {line}"),
        Event::Helper(event) => format!("helper: {event:?}"),
        Event::Nflog(packet) => format!("nflog {}: {}{} bytes", packet.group, packet.prefix, packet.bytes.len()),
        Event::Audit { record } => format!("audit: {record}"),
    }
}
